"""Worlds that are seen in part: why policy-as-leader is more than ordinary model-based learning there: mbrl:pomdp."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float

from ..._claims import Budget, Claim
from ..._record import Estimate
from ..._types import AnyArray, Key
from ...calculus.precision import exact
from ...calculus.simplex import drawn
from ...games.decision_process import first_best
from ...games.generators_process import random_process
from ...games.partially_observed import PartiallyObserved, aliased_fork, corridor
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .measuring import kept, plain_curves


NUM_LEMMA: dict[Budget, int] = {"smoke": 300, "small": 300, "full": 3_000}
NUM_WORLDS: dict[Budget, int] = {"smoke": 12, "small": 60, "full": 200}
EPISODES = (1, 2, 4, 8, 16, 32, 64, 128)
"""Of each of the eight policies; the shared model sees as many in all."""

LENGTH = 60
DISCOUNT = 0.9
NEAR = 0.9
ENDLESS = 1.0 - 1e-9


def world(seed: int) -> PartiallyObserved:
    """Six states, two actions, three observations, each hidden behind noise."""
    process = random_process(6, 2, seed, num_successors=2, discount=DISCOUNT)
    generator = np.random.Generator(np.random.Philox(10_000 + seed))
    return PartiallyObserved(process, generator.dirichlet(np.full(3, 0.3), 6))


@eqx.filter_jit
def counts(seen: PartiallyObserved, policy: AnyArray, key: Key, num_episodes: int) -> tuple[AnyArray, AnyArray]:
    """Discounted counts `(o, a, o)` of what is met in so many episodes, and discounted sums of rewards `(o, a)`."""
    process = seen.process
    law, reward, looks = (jnp.asarray(one) for one in (process.transition, process.reward, seen.observation))

    def one(key):
        of_start, of_look, of_steps = jr.split(key, 3)
        start = drawn(process.initial, jr.uniform(of_start))

        def step(carry, key):
            place, look, weight = carry
            of_action, of_law, of_look = jr.split(key, 3)
            action = drawn(policy[look], jr.uniform(of_action))
            then = drawn(law[place, action], jr.uniform(of_law))
            after = drawn(looks[then], jr.uniform(of_look))
            return (then, after, weight * process.discount), (look, action, after, weight, reward[place, action, then])

        return jax.lax.scan(
            step, (start, drawn(looks[start], jr.uniform(of_look)), jnp.ones(())), jr.split(of_steps, LENGTH)
        )[1]

    look, action, after, weight, paid = jax.vmap(one)(jr.split(key, num_episodes))
    num_looks, num_actions = seen.shape
    met = jnp.zeros((num_looks, num_actions, num_looks)).at[look, action, after].add(weight)
    return met, jnp.zeros((num_looks, num_actions)).at[look, action].add(weight * paid)


def model_of(met: AnyArray, paid: AnyArray) -> tuple[AnyArray, AnyArray]:
    """The law and the mean reward that were counted; rows that were never met are even and pay nothing."""
    total = jnp.sum(met, axis=-1)
    law = jnp.where(total[..., None] > 0.0, met / jnp.where(total > 0.0, total, 1.0)[..., None], 1.0 / met.shape[-1])
    return law, paid / jnp.where(total > 0.0, total, 1.0)


@exact
def chosen(seen: PartiallyObserved, num_each: int, seed: int) -> Float[np.ndarray, "three"]:
    """What the policies are worth that three learners choose from the same number of episodes.

    Policy-as-leader: a model of each policy, from its own episodes, and the policy of the best promise. A shared model:
    one from episodes of uniform play, planned in. The same refitted: an eighth of the episodes at a time, each eighth
    gathered with the present plan, all data kept.
    """
    policies = jnp.asarray(seen.deterministic_policies())
    first = jnp.asarray(seen.process.initial) @ jnp.asarray(seen.observation)
    keys = jr.split(jr.key(seed), 2 * len(policies) + 1)

    def promise(policy, law, paid):
        onwards = jnp.einsum("oa,oan->on", policy, law)
        return first @ jnp.linalg.solve(jnp.eye(len(first)) - DISCOUNT * onwards, jnp.sum(policy * paid, axis=-1))

    each = [
        promise(one, *model_of(*counts(seen, one, key, num_each))) for one, key in zip(policies, keys, strict=False)
    ]
    uniform = jnp.full(seen.shape, 1.0 / seen.shape[1])

    def plan(met, paid):
        law, mean = model_of(met, paid)
        return first_best(mean, law, DISCOUNT)

    shared = plan(*counts(seen, uniform, keys[-1], num_each * len(policies)))
    total, policy = counts(seen, uniform, keys[len(policies)], num_each), uniform
    for key in keys[len(policies) + 1 : -1]:
        policy = plan(*total)
        total = jax.tree.map(jnp.add, total, counts(seen, policy, key, num_each))
    kept_ones = (policies[int(np.argmax(each))], shared, plan(*total))
    return np.array([float(seen.value(one)) for one in kept_ones])


def _lemma(number: int) -> tuple[float, float]:
    """The largest error of the lemma, and with the weights of uniform play in the place of the policy's own."""
    worst, wrong = 0.0, 0.0
    for seed in range(number):
        seen = world(seed)
        policy = np.random.Generator(np.random.Philox(seed)).dirichlet(np.ones(2), 3)
        uniform = np.full((3, 2), 0.5)
        met = np.sum(seen.process.visits(seen.hidden_policy(uniform)), axis=-1)
        value = float(seen.value(policy))
        worst = max(worst, abs(float(seen.promised(policy)) - value))
        wrong = max(wrong, abs(float(seen.promised(policy, met)) - value))
    return worst, wrong


def fork_values() -> tuple[float, float, float]:
    """On the aliased fork: of the best promise, of the plan in the model of uniform play, and where refitting rests."""
    fork = aliased_fork()
    endless = PartiallyObserved(
        replace(fork.process, horizon=None, discount=ENDLESS), fork.observation, fork.observations
    )
    policies = endless.deterministic_policies()
    met = lambda policy: np.sum(endless.process.visits(endless.hidden_policy(policy)), axis=-1)
    told = lambda weights: policies[int(np.argmax([float(endless.promised(one, weights)) for one in policies]))]
    leads = policies[int(np.argmax([float(endless.promised(one)) for one in policies]))]
    uniform = np.full(endless.shape, 0.5)
    data, plan = met(uniform), told(met(uniform))
    first = float(fork.value(plan))
    for _ in range(50):
        data = data + met(plan)
        plan = told(data)
    return float(fork.value(leads)), first, float(fork.value(plan))


def _pomdp(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    number = NUM_WORLDS[budget]
    worst, wrong = _lemma(NUM_LEMMA[budget])
    leads, shared, rests = fork_values()

    def measure() -> dict[str, np.ndarray]:
        reached = np.zeros((len(EPISODES), number, 3))
        for seed in range(number):
            seen = world(seed)
            every = np.array([float(seen.value(one)) for one in seen.deterministic_policies()])
            base = float(seen.value(np.full(seen.shape, 0.5)))
            for place, num_each in enumerate(EPISODES):
                share = (chosen(seen, num_each, seed) - base) / (every.max() - base)
                reached[place, seed] = share
        return {"reached": reached}

    reached = kept(folder, f"partially observed {number}", measure)["reached"]
    near = (reached >= NEAR).mean(axis=1)
    real = 8 * LENGTH * np.asarray(EPISODES, dtype=float)
    blind, seeing = corridor(), corridor().with_memory(1)
    best = lambda one: max(float(one.value(policy)) for policy in one.deterministic_policies()[: 2**14])
    measured = {
        "lemma": Estimate.exact(worst, f"largest of {NUM_LEMMA[budget]} worlds"),
        "lemma, weights of uniform play": Estimate.exact(wrong, f"largest of {NUM_LEMMA[budget]} worlds"),
        "fork, policy leads": Estimate.exact(leads),
        "fork, shared model": Estimate.exact(shared),
        "fork, refitted": Estimate.exact(rests),
        "corridor, no memory": Estimate.exact(best(blind)),
        "corridor, one bit": Estimate.exact(_with_bit(seeing)),
        "near the best, policy leads": Estimate.exact(
            float(near[-1, 0]), f"share of {number} worlds, {real[-1]:,.0f} steps"
        ),
        "near the best, shared model": Estimate.exact(
            float(near[-1, 1]), f"share of {number} worlds, {real[-1]:,.0f} steps"
        ),
        "near the best, refitted": Estimate.exact(
            float(near[-1, 2]), f"share of {number} worlds, {real[-1]:,.0f} steps"
        ),
    }
    for place, name in enumerate(("policy leads", "shared model", "refitted")):
        enough = np.flatnonzero(near[:, place] >= 0.8)
        steps = float(real[enough[0]]) if len(enough) else float("inf")
        if np.isfinite(steps):
            measured[f"steps until 80 % of worlds are near: {name}"] = Estimate.exact(steps)
    picture = plain_curves(
        real,
        {
            name: (reached[:, :, place] >= NEAR).astype(float)
            for place, name in enumerate(("policy leads", "shared model", "refitted"))
        },
        is_log_across=True,
        x_label="steps in the world",
        y_label=f"worlds at {NEAR:.0%} of the best memoryless policy (share)",
        title="Six hidden states, three observations",
    )
    return Evidence(measured, {"worlds": picture})


def _with_bit(seeing: PartiallyObserved) -> float:
    """What a policy is worth that writes the sign down and turns by its memory."""
    num_looks, num_actions = seeing.shape
    policy = np.zeros((num_looks, num_actions))
    for place, name in enumerate(seeing.observations):
        look, memory = name.rsplit(", ", 1)
        wrote = {"sign left": 0, "sign right": 1}.get(look, int(memory))
        policy[place, seeing.process.actions.index(f"{('left', 'right')[int(memory)]}, write {wrote}")] = 1.0
    return float(seeing.value(policy))


OURS = "ours, exactly"

POMDP = Reproduction(
    "mbrl:pomdp",
    "Policy-as-leader in worlds that are seen in part",
    "ours; Cremer, Ozieblowski and Zengaffinen (2024) name it as future work",
    (
        Claim("lemma", "With the policy's own discounted occupancy a model keeps its promise exactly.",
              "ours, by the balance of flows", 0.0, "at most", 1e-10, "smoke", 300, "reward"),
        Claim("lemma, weights of uniform play", "With other weights it does not.",
              "ours", 0.5, "at least", 0.0, "smoke", 300, "reward"),
        Claim("fork, policy leads", "On the aliased fork policy-as-leader earns 2.",
              OURS, 2.0, "equals", 1e-6, "smoke", 1, "reward"),
        Claim("fork, shared model", "One model of uniform play leads to 0.1.",
              OURS, 0.1, "equals", 1e-6, "smoke", 1, "reward"),
        Claim("fork, refitted", "Refitted to what its plans meet it rests at 1.1.",
              OURS, 1.1, "equals", 1e-6, "smoke", 1, "reward"),
        Claim("corridor, no memory", "In the corridor the best memoryless policy earns 0.5.",
              OURS, 0.5, "equals", 1e-9, "smoke", 1, "reward"),
        Claim("corridor, one bit", "With one bit of memory it earns 1.",
              OURS, 1.0, "equals", 1e-9, "smoke", 1, "reward"),
        Claim("near the best, policy leads", "With 61,440 steps policy-as-leader is at 90 % of the best nearly always.",
              "ours to measure", 0.9, "at least", 0.0, "smoke", 12, "share"),
    ),
    _pomdp,
)  # fmt: skip

ENTRIES = (POMDP,)
