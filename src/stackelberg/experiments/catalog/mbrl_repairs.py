"""Repaired model-as-leader with networks: on a fork on a line, where a model can hide the far goal, and on a pole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..._claims import Budget, Claim
from ..._learner import train
from ..._loop.stacking import stack
from ..._record import Estimate, Record
from ..._types import AnyArray
from ...games.domains.control import LineFork
from ...model_based.control_truth import ControlTruth
from ...model_based.imagined_play import ImaginedPlay, Imagining
from ...model_based.presets import model_as_leader, policy_as_leader
from .measuring import grouped_bars, kept, mean, share


REPAIRS: Mapping[str, Mapping[str, Any]] = {
    "MAL": {},
    "first data": {"initial_steps": 200},
    "noise": {"noise": 0.5},
    "agent reward": {"promise": 0.5},
    "loss before promise": {"promise": 0.02},
    "optimism": {"bonus": 1.0},
    "pessimism": {"bonus": -1.0},
    "soft follower": {"entropy": 0.3},
    "PAL": {},
}
"""What each adds to model-as-leader that begins with 20 random steps; policy-as-leader beside them.

"Loss before promise" is the lexicographic objective as far as gradients go: a promise that counts for little next to
the loss decides where the data do not.
"""

ON_THE_POLE: Mapping[str, Mapping[str, Any]] = {
    "noise": {"noise": 0.3},
    "agent reward": {"promise": 0.3},
    "loss before promise": {"promise": 0.02},
    "optimism": {"bonus": 0.1},
    "pessimism": {"bonus": -0.1},
    "soft follower": {"entropy": 0.05},
}
"""A step pays 1 there; networks disagree by some hundredths where they were fitted."""

NUM_SEEDS: dict[Budget, int] = {"smoke": 3, "small": 20, "full": 50}
STEPS: dict[Budget, int] = {"smoke": 3, "small": 12, "full": 24}
SHOWN: dict[Budget, tuple[str, ...]] = {"smoke": ("MAL", "noise"), "small": tuple(REPAIRS), "full": tuple(REPAIRS)}

PLACES, PUSHES, FAR = 221, 21, 5.0
"""Of the grid on which plans are exact, and the return above which a policy has gone to the far goal."""


def on_the_line(name: str, num_iterations: int) -> ImaginedPlay:
    """The learner of that name: 40 steps in the world an iteration, one hidden layer pair of 32 for the models."""
    sizes = {
        "num_iterations": num_iterations, "real_steps": 40, "initial_steps": 20, "fit_steps": 200, "num_rollouts": 64,
        "rollout_length": 40, "model_width": 32, "discount": 0.99, "policy_steps": 40,
    }  # fmt: skip
    if name == "PAL":
        return policy_as_leader(LineFork(), **{**sizes, "window": 200, "policy_steps": 15})
    return model_as_leader(LineFork(), **{**sizes, **REPAIRS[name]})


def best_plan(world: LineFork, moved: Callable[[AnyArray, AnyArray], AnyArray]) -> Float[AnyArray, ""]:
    """The return from 0 of the best plan where `moved(state, action)` comes next: backward induction on a grid."""
    places, pushes = jnp.linspace(-1.2, world.distance + 0.2, PLACES), jnp.linspace(-1.0, 1.0, PUSHES)
    step = lambda place, push: world.settled(moved(place[None], push[None]))
    then = jax.vmap(lambda place: jax.vmap(lambda push: step(place, push))(pushes))(places)
    each = jax.vmap(jax.vmap(lambda after: (world.reward(after, after, after), world.is_over(after))))(then)
    paid, is_over = each

    def back(value, _):
        later = jnp.where(is_over, 0.0, jnp.interp(then[..., 0], places, value))
        return jnp.max(paid + later, axis=1), None

    value, _ = jax.lax.scan(back, jnp.zeros(PLACES), None, length=world.num_steps)
    return jnp.interp(0.0, places, value)


def told(learner: ImaginedPlay, states: Imagining) -> Float[np.ndarray, "l n e"]:
    """What the means of the elites promise to the best plan, for states `(l, n, ...)`."""
    world = cast(LineFork, learner.environment)

    def one(state: Imagining) -> AnyArray:
        chosen = state.ensemble.chosen(state.elites)
        mean = lambda net: lambda place, push: chosen.step(net, place, push, jnp.zeros(2))[0]
        return eqx.filter_vmap(lambda net: best_plan(world, mean(net)))(chosen.networks)

    return np.asarray(jax.jit(jax.vmap(jax.vmap(one)))(states))


def alike(learners: Mapping[str, ImaginedPlay]) -> list[list[str]]:
    """Names of learners that differ in numbers only, and are played by one compiled program."""
    groups: dict[Any, list[str]] = {}
    for name, learner in learners.items():
        groups.setdefault(jax.tree.structure(learner), []).append(name)
    return list(groups.values())


def forked(budget: Budget, folder: Path) -> tuple[dict[str, Estimate], dict[str, Record]]:
    """For each repair, how many models tell of the far goal at the end, and how many policies go there."""
    seeds, steps = NUM_SEEDS[budget], STEPS[budget]
    learners = {name: on_the_line(name, steps) for name in SHOWN[budget]}
    found: dict[str, dict[str, np.ndarray]] = {}
    for names in alike(learners):

        def measure(names: list[str] = names) -> dict[str, np.ndarray]:
            group = [learners[name] for name in names]
            stacked = stack(group, [ControlTruth(one.environment, 10) for one in group])
            run, metrics = train(stacked, steps, range(seeds), monitor_every=steps)
            return {"true": metrics["true_value"][-1], "told": told(group[0], cast(Imagining, run.state))}

        made = kept(folder, f"fork {' '.join(names)} {steps}x{seeds}", measure)
        found |= {name: {key: values[place] for key, values in made.items()} for place, name in enumerate(names)}
    measured, rows = {}, []
    for name in SHOWN[budget]:
        tells = mean(np.mean(found[name]["told"] > FAR, axis=1), "seeds, share of the networks", (0.0, 1.0))
        goes = share(int(np.sum(found[name]["true"] > FAR)), seeds, "seeds")
        measured[f"fork, {name}: tells"], measured[f"fork, {name}: goes"] = tells, goes
        rows.append([tells, goes])
    picture = grouped_bars(
        rows,
        names=list(SHOWN[budget]),
        terms=["models whose best plan is the far goal", "policies that go there"],
        y_label=f"share after {20 + 40 * (steps - 1)} steps in the world",
        title=f"A fork on a line: 1 near, 10 far; {seeds} seeds",
    )
    return measured, {"fork": picture}


def _claim(name: str, statement: str, bound: float, relation: Any, budget: Budget, n: int) -> Claim:
    return Claim(f"fork, {name}", statement, "ours to measure", bound, relation, 0.0, budget, n, "share")


CLAIMS = (
    _claim(
        "MAL: tells", "From 20 random steps model-as-leader's networks hide the far goal.", 0.5, "at most", "smoke", 4
    ),
    _claim("noise: tells", "With half of the episodes at random they tell of it.", 0.9, "at least", "smoke", 3),
    _claim("MAL: goes", "No repair, and policies stay at the near goal.", 0.3, "at most", "small", 20),
    _claim("optimism: goes", "Paid for disagreement, most policies go to the far goal.", 0.5, "at least", "small", 20),
    _claim("pessimism: goes", "Charged for disagreement, they stay.", 0.3, "at most", "small", 20),
)
