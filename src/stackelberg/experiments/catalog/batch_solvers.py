"""What a total derivative needs of its linear system: batch:beta and batch:cg."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float

from ..._claims import Budget, Claim
from ..._record import Estimate
from ..._types import AnyArray
from ...batch.consistency import consistent
from ...batch.moments import Moments
from ...batch.problem import Problem
from ...batch.stackelberg_learner import as_commitment
from ...calculus.precision import exact
from ...calculus.total_derivative import AbstractLinearSolver, ConjugateGradient, Direct, Nystrom, total_derivative
from ...games.generators_process import goal_grid
from ...rl.adam import at_rest, moved
from ...rl.batch_policy import SoftmaxTable
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .batch_measuring import SOURCE, mixed, shares, table_task
from .measuring import grouped_bars, kept, mean, plain_curves


WEIGHT, RIDGE, NUM_STEPS = 1e4, 1e-6, 400

SETTINGS: dict[str, tuple[float, int]] = {"good coverage": (0.5, 300), "poor coverage": (0.2, 300)}
"""Share of best actions, rows."""


@eqx.filter_jit
def _followed(
    moments: Moments, start: SoftmaxTable, solver: AbstractLinearSolver, damping: Any, num_steps: int
) -> tuple[Float[AnyArray, "s a"], Float[AnyArray, ""]]:
    """The policy after so many steps along the derivative that a solver makes, and the mean residual of its systems."""

    def losses(policy, omega):
        toward, first = moments.under(policy)
        left = moments.paid - toward @ omega
        value = first @ omega
        return value, value + WEIGHT * (left @ left + moments.ridge * omega @ omega)

    def step(carry, key):
        policy, memory, solution = carry
        omega = consistent(moments, policy, "penalty", jnp.asarray(WEIGHT)).critic("penalty", WEIGHT)
        found = total_derivative(
            lambda policy, omega: -losses(policy, omega)[0],
            lambda policy, omega: losses(policy, omega)[1],
            policy,
            omega,
            solver=solver,
            damping=damping,
            start=solution,
            key=key,
        )
        policy, memory = moved(policy, memory, found.gradient, 0.1)
        return (policy, memory, found.solution), found.residual

    carry = (start, at_rest(start), jnp.zeros(moments.critic.size))
    (policy, _, _), residuals = jax.lax.scan(step, carry, jr.split(jr.key(0), num_steps))
    return as_commitment(policy), jnp.mean(residuals)


def _tasks(setting: tuple[float, int], seeds: int) -> list[Problem]:
    grid = goal_grid()
    loose = {"is_bounded": False}
    tasks = [table_task(grid, mixed(grid, setting[0]), setting[1], seed, (0.0, 1.0), **loose) for seed in range(seeds)]
    at = lambda task: eqx.tree_at(lambda one: one.ridge, task.moments, jnp.asarray(RIDGE / WEIGHT))
    return [task._replace(moments=jax.tree.map(jnp.asarray, at(task))) for task in tasks]


@exact
def largest_curvature(task: Problem) -> float:
    """Of the follower's loss at the cloned policy."""
    toward, _ = task.moments.under(task.policy)
    return 2.0 * WEIGHT * float(jnp.linalg.eigvalsh(toward.T @ toward)[-1])


@exact
def _scores(tasks: list[Problem], solver: AbstractLinearSolver, damping: float) -> Float[np.ndarray, "n"]:
    start = lambda task: jax.tree.map(jnp.asarray, task.policy)
    made = [_followed(task.moments, start(task), solver, jnp.asarray(damping), NUM_STEPS)[0] for task in tasks]
    return shares(goal_grid(), jnp.stack(made))


RELATIVE = (0.0, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
"""Dampings as parts of the largest curvature."""

SAFE = 1e-7
"""The part to take by default: well clear of the cliff on both problems here."""


def _beta(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    seeds = {"smoke": 3, "small": 12, "full": 32}[budget]
    measured, curves = {}, {}
    for word, setting in SETTINGS.items():
        tasks = _tasks(setting, seeds)
        tops = [largest_curvature(task) for task in tasks]
        top = float(np.median(tops))
        found = kept(
            folder,
            f"beta {word} {seeds}",
            lambda tasks=tasks, top=top: {"score": np.stack([_scores(tasks, Direct(), p * top) for p in RELATIVE])},
        )
        curves[word] = found["score"]
        for part, row in zip(RELATIVE, found["score"], strict=True):
            measured[f"{word}: {part:g}"] = mean(row, "logs")
        safe, none = found["score"][RELATIVE.index(SAFE)], found["score"][0]
        measured[f"{word}: lost at the default"] = mean(none - safe, "logs")
        measured[f"{word}: lost beyond"] = mean(none - found["score"][-1], "logs")
        measured[f"{word}: largest curvature"] = Estimate.exact(top, "median")
    picture = plain_curves(
        np.array([-9.0, *np.log10(RELATIVE[1:])]),
        curves,
        x_label="log10 of β over the largest curvature (-9 stands for none)",
        y_label="share of the best policy's value",
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


def _conjugate(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    seeds = {"smoke": 2, "small": 12, "full": 32}[budget]
    chosen = {"10 cold": SOLVERS["10 cold"], "direct": SOLVERS["direct"]} if budget == "smoke" else SOLVERS
    measured: dict[str, Estimate] = {}
    for word, setting in SETTINGS.items():
        tasks = _tasks(setting, seeds)
        damping = SAFE * float(np.median([largest_curvature(task) for task in tasks]))
        found = kept(
            folder,
            f"cg {word} {seeds} {len(chosen)}",
            lambda tasks=tasks, damping=damping: {name: _scores(tasks, one, damping) for name, one in chosen.items()},
        )
        for name in chosen:
            measured[f"{word}: {name}"] = mean(found[name], "logs")
        measured[f"{word}: lost by 10 cold"] = mean(found["direct"] - found["10 cold"], "logs")
    picture = grouped_bars(
        [[measured[f"{word}: {name}"] for word in SETTINGS] for name in chosen],
        names=list(chosen),
        terms=list(SETTINGS),
        y_label="share of the best policy's value",
        title=f"How the linear system is solved, {seeds} logs each",
    )
    return Evidence(measured, {"solvers": picture})


BETA = Reproduction(
    "batch:beta",
    "How much damping a total derivative bears",
    SOURCE,
    (
        *(
            Claim(f"{word}: lost at the default", f"With {word} the default damping costs nothing.", "ours to reach",
                  0.03, "at most", 0.0, "small", 12, "share of the best")
            for word in SETTINGS
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
            for word in SETTINGS
        ),
    ),
    _conjugate,
)  # fmt: skip

ENTRIES = (BETA, CG)
