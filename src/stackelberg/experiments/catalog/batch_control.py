"""Logs of a pole and of a pendulum: batch:cartpole and batch:continuous."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from ..._claims import Budget, Claim
from ..._record import Estimate
from ..._types import AnyArray, Key
from ...batch.cloning import cloned
from ...batch.learning import DEVIATION, learn_policy
from ...batch.reward_scale import RewardScale
from ...games.control import AbstractControl, Act, episode_returns
from ...games.dataset import Dataset, joined_logs
from ...games.domains.control import CartPole, Pendulum
from ...games.logs import control_log
from ...rl.batch_policy import AbstractBatchPolicy
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .batch_baselines import CONTINUOUS_METHODS, bars, continuous_baselines, discrete_baselines
from .batch_measuring import SOURCE
from .measuring import grouped_bars, kept, mean


EPISODES = 100

WEIGHTS = (1e2, 1e3, 1e4, 1e5)


@eqx.filter_jit
def _returns(environment: AbstractControl, policy: AbstractBatchPolicy, key: Key) -> AnyArray:
    def act(state, key):
        del key
        chosen = policy.greedy(state[None])[0]
        if environment.num_actions:
            return jax.nn.one_hot(chosen[0].astype(int), environment.num_actions)
        return chosen

    return episode_returns(environment, act, key, EPISODES)


def greedy_return(environment: AbstractControl, policy: AbstractBatchPolicy) -> float:
    """The mean return of 100 episodes, in single precision."""
    narrow = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32) if eqx.is_inexact_array(leaf) else leaf, policy)
    return float(jnp.mean(_returns(environment, narrow, jr.key(1_000))))


def pole_behaviour(share: float) -> Act:
    """A straight rule with this probability, otherwise either push."""

    def act(state, key):
        of_who, of_push = jr.split(key)
        rule = (0.1 * state[0] + 0.3 * state[1] + 3.0 * state[2] + state[3] > 0.0).astype(int)
        pushed = jnp.where(jr.uniform(of_who) < share, rule, jr.randint(of_push, (), 0, 2))
        return jax.nn.one_hot(pushed, 2)

    return act


def pole_log(rows: int, seed: int, share: float = 0.3) -> Dataset:
    """A pole's log by `pole_behaviour`."""
    return control_log(CartPole(), pole_behaviour(share), rows, jr.key(seed))


LOGS = {"30 % expert": 0.3, "random": 0.0}


def _pole_row(
    share: float, seeds: int, rows: int, num_steps: int, weights: tuple[float, ...], names: tuple[str, ...]
) -> dict[str, np.ndarray]:
    world = CartPole()
    made: dict[str, list[Any]] = {}
    for seed in range(seeds):
        data = pole_log(rows, seed, share)
        total = learn_policy(
            data, discount=0.95, reward_range=(0.0, 1.0), weights=weights, critic="learned", num_features=100,
            num_steps=num_steps, seed=seed,
        )  # fmt: skip
        found = {
            "learned": greedy_return(world, total.policy),
            "each weight": [greedy_return(world, one.policy) for one in total.candidates],
            "lower": total.value.low,
            "promised": total.value.value,
            "weight": total.weight,
            "out of range": next(one.out_of_range for one in total.candidates if one.weight == total.weight),
            "log": float(np.mean(data.returns())),
        }
        simpler = discrete_baselines(
            data, cloned(data, seed=seed), RewardScale(0.0, 1.0, 0.95), names, num_steps=10 * num_steps, seed=seed
        )
        found |= {name: greedy_return(world, policy) for name, policy in simpler.items()}
        for name, value in found.items():
            made.setdefault(name, []).append(value)
        if seed % 8 == 7:  # every log has another number of episodes, and is compiled anew in part
            jax.clear_caches()
    return {name: np.asarray(values, dtype=float) for name, values in made.items()}


def _pole(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    seeds, rows, steps = {"smoke": (2, 400, 20), "small": (32, 2_000, 300), "full": (32, 2_000, 500)}[budget]
    logs = {"30 % expert": LOGS["30 % expert"]} if budget == "smoke" else LOGS
    simpler = bars(budget, is_table=False)
    sizes = (seeds, rows, steps, WEIGHTS[1:3] if budget == "smoke" else WEIGHTS, simpler)
    found = {
        word: kept(folder, f"pole {share} {seeds} {rows} {steps}", lambda s=share: _pole_row(s, *sizes))
        for word, share in logs.items()
    }
    measured = {}
    for word, one in found.items():
        for name in ("learned", *simpler, "log"):
            measured[f"{word}: {name}"] = mean(one[name], "logs")
        measured[f"{word}: median"] = Estimate.exact(float(np.median(one["learned"])), f"{seeds} logs")
        by_weight = one["each weight"].mean(axis=0)
        measured[f"{word}: short of the best weight"] = Estimate.exact(
            float(by_weight.max() - one["learned"].mean()) / 500.0, f"of 500, {seeds} logs"
        )
        least = float(np.min(one["learned"] - one["log"]))
        measured[f"{word}: least over the log"] = Estimate.exact(least, f"least of {seeds} logs")
        measured[f"{word}: over cloning"] = mean(one["learned"] - one["cloning"], "logs")
        best = max(simpler, key=lambda name: one[name].mean())
        measured[f"{word}: over every baseline"] = mean(one["learned"] - one[best], f"logs, paired, against {best}")
        measured[f"{word}: critic out of range"] = mean(one["out of range"], "logs")
    picture = grouped_bars(
        [[measured[f"{word}: {name}"] for name in ("log", *simpler, "learned")] for word in logs],
        names=[f"{word} log" for word in logs],
        terms=["the log", *simpler, "Stackelberg, λ by the log alone"],
        y_label="return (reward), of 500",
        title=f"A pole from {rows:,} transitions, {seeds} logs each",
    )
    return Evidence(measured, {"pole": picture})


def pendulum_behaviour(share: float, noise: float) -> Act:
    """Swing up by energy and hold by a straight rule, with noise; otherwise any torque."""

    def act(state, key):
        of_who, of_noise, of_any = jr.split(key, 3)
        angle, speed = jnp.arctan2(state[1], state[0]), state[2]
        energy = speed**2 / 6.0 + 5.0 * (state[0] - 1.0)
        pump = jnp.sign(speed + 1e-6) * jnp.where(energy < 0.0, 1.0, -1.0)
        torque = jnp.where(jnp.abs(angle) < 0.5, -(10.0 * angle + 2.5 * speed) / 2.0, pump)
        torque = jnp.clip(torque + noise * jr.normal(of_noise), -1.0, 1.0)
        return jnp.where(jr.uniform(of_who) < share, torque, jr.uniform(of_any, minval=-1.0))[None]

    return act


TIERS: dict[str, tuple[float, float]] = {"random": (0.0, 0.0), "medium": (0.6, 0.3), "expert": (1.0, 0.1)}
ANCHORS = (-1220.0, -133.0)
"""Returns of the random and of the rule without noise, by which scores are normalised: 0 and 100."""

REWARD_RANGE = (-16.2736, 0.0)


def tier_log(tier: str, rows: int, seed: int) -> Dataset:
    """A tier; "medium-expert" is half of either, as episodes of one log."""
    world = Pendulum()
    if tier != "medium-expert":
        return control_log(world, pendulum_behaviour(*TIERS[tier]), rows, jr.key(seed))
    halves = [
        control_log(world, pendulum_behaviour(*TIERS[one]), rows // 2, jr.key(seed)) for one in ("medium", "expert")
    ]
    return joined_logs(halves)


def _tier_learned(tier: str, seeds: int, rows: int, steps: int, weights: tuple[float, ...]) -> dict[str, np.ndarray]:
    """Returns of what is learned, of its clone and of the log; the bound and the promise, for each step."""
    made: dict[str, list[float]] = {}
    for seed in range(seeds):
        data = tier_log(tier, rows, seed)
        learned = learn_policy(
            data,
            discount=0.97,
            reward_range=REWARD_RANGE,
            weights=weights,
            critic="learned",
            num_features=100,
            num_steps=steps,
            seed=seed,
            hidden=(64, 64),
        )
        found = {
            "learned": greedy_return(Pendulum(), learned.policy),
            "cloning": greedy_return(Pendulum(), _tier_clone(data, seed)),
            "log": float(np.mean(data.returns())),
            "lower": learned.value.low,
            "promised": learned.value.value,
        }
        for name, value in found.items():
            made.setdefault(name, []).append(value)
        if seed % 8 == 7:  # every log has another number of episodes, and is compiled anew in part
            jax.clear_caches()
    return {name: np.asarray(values) for name, values in made.items()}


def _tier_clone(data: Dataset, seed: int) -> AbstractBatchPolicy:
    return cloned(data, hidden=(64, 64), deviation=DEVIATION, seed=seed)


def _tier_other(tier: str, seeds: int, rows: int, num_steps: int, name: str) -> dict[str, np.ndarray]:
    """Returns of one simpler method, on the same logs."""
    returns = []
    for seed in range(seeds):
        data = tier_log(tier, rows, seed)
        start_from = _tier_clone(data, seed)
        found = continuous_baselines(data, start_from, 0.97, num_steps=num_steps, seed=seed, names=(name,))
        returns.append(greedy_return(Pendulum(), found[name]))
    return {name: np.asarray(returns)}


def _continuous(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    tiers = ("medium",) if budget == "smoke" else ("random", "medium", "medium-expert", "expert")
    seeds, rows, steps, batches = {
        "smoke": (2, 1_000, 20, 300),
        "small": (8, 10_000, 200, 30_000),
        "full": (8, 20_000, 400, 100_000),
    }[budget]
    weights = WEIGHTS[1:3] if budget == "smoke" else WEIGHTS
    simpler = ("cloning", "TD3+BC", "IQL") if budget == "smoke" else CONTINUOUS_METHODS
    found: dict[str, dict[str, np.ndarray]] = {}
    for tier in tiers:
        word = f"tier {tier} {seeds} {rows}"
        found[tier] = kept(folder, f"{word} {steps}", lambda t=tier: _tier_learned(t, seeds, rows, steps, weights))
        for name in simpler[1:]:
            other = lambda t=tier, n=name: _tier_other(t, seeds, rows, batches, n)
            found[tier] |= kept(folder, f"{word} {name} {batches}", other)
    score = lambda values: 100.0 * (values - ANCHORS[0]) / (ANCHORS[1] - ANCHORS[0])
    names = ("log", *simpler, "learned")
    measured = {f"{tier}: {name}": mean(score(found[tier][name]), "logs") for tier in tiers for name in names}
    for tier in tiers:
        best = np.maximum(found[tier]["TD3+BC"], found[tier]["IQL"])
        measured[f"{tier}: less than the better of both"] = mean(score(best) - score(found[tier]["learned"]), "logs")
    every = np.concatenate([score(found[tier]["learned"]) - score(found[tier]["log"]) for tier in tiers])
    measured["least over the log"] = Estimate.exact(float(every.min()), f"least of {len(every)} logs, in points")
    picture = grouped_bars(
        [[measured[f"{tier}: {name}"] for name in names] for tier in tiers],
        names=list(tiers),
        terms=["the log", *simpler, "Stackelberg, λ by the log alone"],
        y_label="score: 0 for random torques, 100 for the rule",
        title=f"A pendulum from {rows:,} transitions, {seeds} logs each",
    )
    return Evidence(measured, {"pendulum": picture})


CARTPOLE = Reproduction(
    "batch:cartpole",
    "A pole from 2,000 transitions",
    SOURCE,
    (
        Claim("30 % expert: least over the log", "In every log it outlasts the policy that made it.",
              "ours to measure", 0.0, "at least", 0.0, "smoke", 2, "reward"),
        Claim("30 % expert: median", "It balances from a log that falls after 56 steps.", "ours to reach", 480.0,
              "at least", 0.0, "small", 32, "reward"),
        Claim("random: over every baseline", "From random pushes it is at or above every baseline.", "ours to reach",
              0.0, "at least", 0.0, "small", 32, "reward"),
    ),
    _pole,
)  # fmt: skip

CONTINUOUS = Reproduction(
    "batch:continuous",
    "A pendulum from logs of four kinds",
    SOURCE,
    (
        Claim("least over the log", "In no log it is far below the policy that made it.", "ours to measure", -25.0,
              "at least", 0.0, "smoke", 2, "points"),
        *(
            Claim(f"{tier}: less than the better of both", f"Level with TD3+BC and IQL on the {tier} log.",
                  "ours to reach", 5.0, "at most", 0.0, "small", 8, "points")
            for tier in ("random", "medium", "medium-expert", "expert")
        ),
    ),
    _continuous,
)  # fmt: skip

ENTRIES = (CARTPOLE, CONTINUOUS)
