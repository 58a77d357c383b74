"""What a total derivative needs of its linear system: batch:beta and batch:cg."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float

from ..._claims import Budget, Claim
from ..._record import Estimate
from ..._types import AnyArray
from ...batch.cloning import cloned
from ...batch.consistency import consistent
from ...batch.features import features_for
from ...batch.learning import traced
from ...batch.moments import Moments
from ...batch.neural_learner import NeuralStackelbergLearner
from ...batch.problem import Problem, problem_of
from ...batch.reward_scale import RewardScale
from ...batch.stackelberg_learner import as_commitment
from ...calculus.precision import exact
from ...calculus.total_derivative import AbstractLinearSolver, ConjugateGradient, Direct, Nystrom, total_derivative
from ...games.decision_process import DecisionProcess
from ...games.domains.control import CartPole
from ...games.generators_process import goal_grid
from ...rl.adam import at_rest, moved
from ...rl.batch_policy import AbstractBatchPolicy
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .batch_baselines import trained_networks
from .batch_control import greedy_return, pole_log
from .batch_measuring import SOURCE, mixed, shares, table_task
from .batch_tables import ring_settings
from .measuring import grouped_bars, kept, mean, plain_curves


class _World(NamedTuple):
    """A problem that policies are learned for with different linear systems.

    - `task`: of a seed.  `paid`: to its policy, as a share of the most: by the world where that is exact, and for the
      pole, whose returns owe much to luck, by the critic that answers (the leader's own aim).
    - `weight`: λ.  `rate`, `num_steps`: of Adam.
    """

    task: Callable[[int], Problem]
    paid: Callable[[Problem, AbstractBatchPolicy], float]
    weight: float
    rate: float
    num_steps: int


RIDGE, POLE_WEIGHT = 1e-6, 1e4


def _table(process: DecisionProcess, behaviour: AnyArray, rows: int, weight: float, **settings: Any) -> _World:
    """Weights that are values, held by a ridge alone: one linear system for all of them."""
    low, high = settings.pop("reward_range")

    def task(seed: int) -> Problem:
        made = table_task(process, behaviour, rows, seed, (low, high), **settings, is_bounded=False)
        return made._replace(moments=eqx.tree_at(lambda one: one.ridge, made.moments, np.asarray(RIDGE / weight)))

    paid = lambda _, policy: float(shares(process, as_commitment(policy)[None])[0])
    return _World(task, paid, weight, 0.1, 400)


def _pole(seed: int) -> Problem:
    """Random features of a pole's log."""
    data = pole_log(1_000, seed)
    scale = RewardScale(0.0, 1.0, 0.95)
    return problem_of(data, cloned(data, seed=seed), scale, num_features=30, seed=seed)


def _answered(task: Problem, policy: AbstractBatchPolicy) -> float:
    """What the critic's answer to a policy is worth, for each step."""
    weight = jnp.asarray(POLE_WEIGHT)
    return float(consistent(task.moments, policy, "penalty", weight).value("penalty", weight))


def _worlds() -> dict[str, _World]:
    grid, (ring, behaviour, spread) = goal_grid(), ring_settings()
    noisy = {"reward_range": (-4.0, 4.0), "reward_deviation": spread}
    return {
        "good coverage": _table(grid, mixed(grid, 0.5), 300, 1e4, reward_range=(0.0, 1.0)),
        "poor coverage": _table(grid, mixed(grid, 0.2), 300, 1e4, reward_range=(0.0, 1.0)),
        "noisy ring": _table(ring, behaviour, 1_000, 1e2, **noisy),
        "pole": _World(_pole, _answered, POLE_WEIGHT, 3e-3, 200),
    }


WORLDS = ("good coverage", "poor coverage", "noisy ring", "pole")


@eqx.filter_jit
def _followed(
    moments: Moments,
    start: AbstractBatchPolicy,
    solver: AbstractLinearSolver,
    damping: Any,
    weight: Any,
    rate: Any,
    num_steps: int,
) -> AbstractBatchPolicy:
    """The policy after so many steps along the derivative that a solver makes."""

    def losses(policy, omega, held):
        toward, first = moments.under(policy)
        left = moments.paid - toward @ omega
        value = first @ omega
        beyond = 0.0 if moments.fence is None else moments.fence.penalty(omega, held)
        return value, value + weight * (left @ left + moments.ridge * omega @ omega + beyond)

    def step(carry, key):
        policy, memory, solution = carry
        answer = consistent(moments, policy, "penalty", weight)
        found = total_derivative(
            lambda policy, omega: -losses(policy, omega, answer.held)[0],
            lambda policy, omega: losses(policy, omega, answer.held)[1],
            policy,
            answer.critic("penalty", weight),
            solver=solver,
            damping=damping,
            start=solution,
            key=key,
        )
        policy, memory = moved(policy, memory, found.gradient, rate)
        return (policy, memory, found.solution), None

    carry = (start, at_rest(start), jnp.zeros(moments.critic.size))
    return jax.lax.scan(step, carry, jr.split(jr.key(0), num_steps))[0][0]


@exact
def largest_curvature(task: Problem, weight: float) -> float:
    """Of the follower's loss at the cloned policy."""
    toward, _ = task.moments.under(task.policy)
    return 2.0 * weight * float(jnp.linalg.eigvalsh(toward.T @ toward)[-1])


def _curved(world: _World, seeds: int) -> list[tuple[Problem, float]]:
    """The tasks of a world, each with its largest curvature."""
    tasks = [world.task(seed) for seed in range(seeds)]
    return [(task, largest_curvature(task, world.weight)) for task in tasks]


@exact
def _scores(
    world: _World, tasks: list[tuple[Problem, float]], solver: AbstractLinearSolver, part: float
) -> Float[np.ndarray, "n"]:
    """What is paid in the end, the damping a part of each task's largest curvature."""
    rates = (jnp.asarray(world.weight), jnp.asarray(world.rate), world.num_steps)

    def one(task, top):
        damping = jnp.asarray(part * top)
        return world.paid(task, _followed(traced(task.moments), traced(task.policy), solver, damping, *rates))

    return np.array([one(*each) for each in tasks])


RELATIVE = (0.0, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
"""Dampings as parts of the largest curvature."""

SAFE = 1e-7
"""The part to take by default: well clear of the cliff on every problem here."""


def _beta(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    seeds = {"smoke": 3, "small": 12, "full": 32}[budget]
    measured, curves = {}, {}
    worlds = _worlds()
    for word in WORLDS[:1] if budget == "smoke" else WORLDS:
        world = worlds[word]
        tasks = _curved(world, seeds)
        row = lambda world=world, tasks=tasks: np.stack([_scores(world, tasks, Direct(), part) for part in RELATIVE])
        found = kept(folder, f"beta {word} {seeds}", lambda row=row: {"score": row()})
        curves[word] = found["score"]
        for part, scores in zip(RELATIVE, found["score"], strict=True):
            measured[f"{word}: {part:g}"] = mean(scores, "logs")
        safe, none = found["score"][RELATIVE.index(SAFE)], found["score"][0]
        measured[f"{word}: lost at the default"] = mean(none - safe, "logs")
        measured[f"{word}: lost beyond"] = mean(none - found["score"][-1], "logs")
        measured[f"{word}: largest curvature"] = Estimate.exact(float(np.median([top for _, top in tasks])), "median")
    picture = plain_curves(
        np.array([-9.0, *np.log10(RELATIVE[1:])]),
        curves,
        x_label="log10 of β over the largest curvature (-9 stands for none)",
        y_label="share of the most that there is",
        title=f"Damping is no harmless detail, {seeds} logs each",
    )
    return Evidence(measured, {"beta": picture})


SOLVERS: dict[str, AbstractLinearSolver] = {
    "10 cold": ConjugateGradient(10, 0.0, is_warm=False),
    "30 cold": ConjugateGradient(30, 0.0, is_warm=False),
    "100 cold": ConjugateGradient(100, 0.0, is_warm=False),
    "10 warm": ConjugateGradient(10, 0.0),
    "30 warm": ConjugateGradient(30, 0.0),
    "30 Jacobi": ConjugateGradient(30, 0.0, num_probes=30, is_warm=False),
    "Nyström 50": Nystrom(50),
    "300, to 1e-3": ConjugateGradient(300, 1e-3),
    "direct": Direct(),
}


WAYS: dict[str, dict[str, Any]] = {
    "solved in every step": {"refresh_every": 1},
    "stands for ten": {"refresh_every": 10},
    "last layer": {"answers": "last-layer", "refresh_every": 1},
    "its own part": {"leader": "individual"},
    "Lagrangian": {"leader": "lagrangian"},
}
"""How the leader of networks finds its direction."""


def _networks(seeds: int) -> dict[str, np.ndarray]:
    """Returns on the pole after 400 steps, by the way that the direction is found; a log each."""
    scale = RewardScale(0.0, 1.0, 0.95)

    def one(seed: int) -> list[float]:
        data = pole_log(2_000, seed)
        base, tests = cloned(data, seed=seed), features_for(data, 50, key=jr.key(seed))
        learners = [
            NeuralStackelbergLearner(data, base, tests, scale, batch_size=256, leader_rate=1e-3, **settings)
            for settings in WAYS.values()
        ]
        # As many first observations in every log, so that one program serves all of them.
        first = data.starts[np.arange(64) % len(data.starts)]
        return [
            greedy_return(
                CartPole(), trained_networks(eqx.tree_at(lambda learner: learner.start, learner, first), 400, seed)
            )
            for learner in learners
        ]

    made = np.array([one(seed) for seed in range(seeds)])
    jax.clear_caches()
    return {way: made[:, place] for place, way in enumerate(WAYS)}


def _conjugate(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    seeds = {"smoke": 2, "small": 12, "full": 32}[budget]
    chosen = {"10 cold": SOLVERS["10 cold"], "direct": SOLVERS["direct"]} if budget == "smoke" else SOLVERS
    measured: dict[str, Estimate] = {}
    worlds, words = _worlds(), WORLDS[:1] if budget == "smoke" else WORLDS
    for word in words:
        world = worlds[word]
        tasks = _curved(world, seeds)
        row = lambda world=world, tasks=tasks: {name: _scores(world, tasks, one, SAFE) for name, one in chosen.items()}
        found = kept(folder, f"cg {word} {seeds} {len(chosen)}", row)
        for name in chosen:
            measured[f"{word}: {name}"] = mean(found[name], "logs")
        measured[f"{word}: lost by 10 cold"] = mean(found["direct"] - found["10 cold"], "logs")
        if budget != "smoke":
            measured[f"{word}: lost by the default"] = mean(found["direct"] - found["300, to 1e-3"], "logs")
    picture = grouped_bars(
        [[measured[f"{word}: {name}"] for word in words] for name in chosen],
        names=list(chosen),
        terms=list(words),
        y_label="share of the most that there is",
        title=f"How the linear system is solved, {seeds} logs each",
    )
    if budget == "smoke":
        return Evidence(measured, {"solvers": picture})
    logs = {"small": 8, "full": 32}[budget]
    returns = kept(folder, f"networks {logs}", lambda: _networks(logs))
    for way in WAYS:
        measured[f"networks: {way}"] = mean(returns[way], "logs", (0.0, 500.0))
    for way in ("stands for ten", "last layer"):
        less = returns[way] - returns["solved in every step"]
        measured[f"networks: {way}, gained"] = mean(less, "logs, pairs")
    bars = grouped_bars(
        [[measured[f"networks: {way}"]] for way in WAYS],
        names=list(WAYS),
        terms=["30 % expert"],
        y_label="return (reward), of 500",
        title=f"Networks on both sides: a pole from 2,000 rows, {logs} logs",
    )
    return Evidence(measured, {"solvers": picture, "networks": bars})


BETA = Reproduction(
    "batch:beta",
    "How much damping a total derivative bears",
    SOURCE,
    (
        *(
            Claim(f"{word}: lost at the default", f"{word.capitalize()}: the default damping costs nothing.",
                  "ours to reach", 0.03, "at most", 0.0, "small", 12, "share of the best")
            for word in WORLDS
        ),
        Claim("good coverage: lost beyond", "A thousandth of the largest curvature destroys the direction.",
              "an earlier study of ours", 0.3, "at least", 0.0, "smoke", 3, "share of the best"),
    ),
    _beta,
)  # fmt: skip

CG = Reproduction(
    "batch:cg",
    "How many conjugate gradient steps it needs",
    SOURCE,
    (
        Claim("good coverage: lost by 10 cold", "Ten steps from nothing, a usual default, do not make a direction.",
              "an earlier study of ours", 0.3, "at least", 0.0, "smoke", 2, "share of the best"),
        *(
            Claim(f"{word}: 300, to 1e-3", f"With {word} three hundred, stopped at a residual of 1e-3, do.",
                  "ours to reach", 0.85, "at least", 0.0, "small", 12, "share of the best")
            for word in WORLDS
        ),
        *(
            Claim(f"{word}: lost by the default", f"{word.capitalize()}: three hundred, stopped at a residual of 1e-3, "
                  "do as well as the system itself.", "ours to reach", 0.03, "at most", 0.0, "small", 12,
                  "share of the best")
            for word in WORLDS
        ),
        Claim("networks: stands for ten, gained", "Networks: a solution that stands for ten steps earns as much as one "
              "for each step, up to a tenth of 500.", "ours to reach", 0.0, "at least", 50.0, "small", 8, "reward"),
    ),
    _conjugate,
)  # fmt: skip

ENTRIES = (BETA, CG)
