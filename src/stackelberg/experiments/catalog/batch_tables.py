"""Logs of worlds that can be counted: batch:gridworld and batch:noise-trap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..._claims import Budget, Claim
from ..._record import Estimate, Record
from ...batch.learning import WEIGHTS, chosen, judged
from ...batch.problem import Problem
from ...batch.stackelberg_learner import StackelbergLearner
from ...calculus.precision import exact
from ...games.decision_process import DecisionProcess
from ...games.generators_process import goal_grid, noisy_ring
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .batch_baselines import bars, discrete_baselines
from .batch_measuring import SOURCE, as_table, mixed, policies, shares, table_task
from .measuring import grouped_bars, kept, mean, plain_curves, share


NUM_SEEDS: dict[Budget, int] = {"smoke": 3, "small": 32, "full": 32}

GRID_RANGE = (0.0, 1.0)


def swept(task: Problem, process: DecisionProcess, weights: Sequence[float] = WEIGHTS) -> dict[str, np.ndarray]:
    """Shares of the best for every weight, for the one that the lower bound picks, and that bound's own share."""
    learners = [StackelbergLearner(task.moments, task.policy, "penalty", weight) for weight in weights]
    tables = policies(learners)
    earned = shares(process, tables)
    bounds = [judged(task, as_table(table), weight, 0.95) for table, weight in zip(tables, weights, strict=True)]
    scale = task.moments.scale
    best = chosen(bounds, scale.high - scale.low)[0]
    place = next(k for k, one in enumerate(bounds) if one is best)
    top = (1.0 - process.discount) * float(process.optimal_value())
    return {
        "earned": earned,
        "picked": earned[place],
        "bound": np.asarray(best.lower[0] / top),
        "promised": np.asarray(best.plug_in / top),
        "feasible": np.asarray(best.is_feasible),
    }


def stacked(rows: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
    return {name: np.stack([np.asarray(row[name]) for row in rows]) for name in rows[0]}


PROTOTYPE: dict[tuple[float, int], tuple[float, ...]] = {
    (0.5, 100): (0.41, 0.64, 0.88, 0.94, 0.84),
    (0.5, 300): (0.48, 0.79, 0.98, 0.99, 0.98),
    (0.5, 1000): (0.48, 0.84, 1.00, 1.00, 0.99),
    (0.2, 100): (0.19, 0.27, 0.57, 0.56, 0.49),
    (0.2, 300): (0.18, 0.29, 0.66, 0.97, 0.96),
    (0.2, 1000): (0.18, 0.29, 0.65, 0.99, 0.99),
}
"""By share of best actions and rows: cloning, and weights 1e2 to 1e5; 5 seeds, a ridge in place of bounds."""


def _grid_row(share_best: float, rows: int, seeds: int, names: Sequence[str]) -> dict[str, np.ndarray]:
    grid = goal_grid()

    def one(seed: int) -> dict[str, Any]:
        task = table_task(grid, mixed(grid, share_best), rows, seed, GRID_RANGE)
        found = swept(task, grid)
        # A ridge of 1e-6 on the follower's whole loss, as the earlier study had it, in place of bounds.
        loose = table_task(grid, mixed(grid, share_best), rows, seed, GRID_RANGE, is_bounded=False)
        ridged = lambda weight: eqx.tree_at(lambda one: one.ridge, loose.moments, 1e-6 / weight)
        others = {
            "loose": [("penalty", weight, "total") for weight in (1e2, 1e3, 1e4, 1e5)],
            "zero-sum": [("lagrangian", weight, "total") for weight in (1e3, 1e4)],
            "individual": [("penalty", weight, "individual") for weight in (1e3, 1e4)],
        }
        for name, settings in others.items():
            made = [StackelbergLearner(ridged(w), loose.policy, form, w, leader=leader) for form, w, leader in settings]
            found[name] = shares(grid, policies(made))
        simple = discrete_baselines(task.data, task.policy, task.moments.scale, names, seed=seed)
        states = jnp.arange(grid.shape[0], dtype=float)[:, None]
        for name, policy in simple.items():
            found[name] = shares(grid, choices(policy, states)[None])[0]
        return found

    return stacked([one(seed) for seed in range(seeds)])


@exact
def choices(policy: Any, states: Any) -> Float[np.ndarray, "s a"]:
    made = policy.choice(states)
    return made / jnp.sum(made, axis=-1, keepdims=True)


def _gridworld(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    cells = [(0.5, 300)] if budget == "smoke" else list(PROTOTYPE)
    seeds, names = NUM_SEEDS[budget], bars(budget)
    found = {
        cell: kept(folder, f"grid {cell} {seeds}", lambda cell=cell: _grid_row(*cell, seeds, names)) for cell in cells
    }
    measured: dict[str, Estimate] = {}
    for cell, one in found.items():
        word = f"{cell[0]:g} of {cell[1]}"
        measured[f"{word}: picked"] = mean(one["picked"], "seeds")
        for name in names:
            measured[f"{word}: {name}"] = mean(one[name], "seeds")
        measured[f"{word}: individual, best"] = mean(
            one["individual"].mean(axis=0).max() + 0.0 * one["picked"], "seeds"
        )
        for place, weight in enumerate((1e2, 1e3, 1e4, 1e5)):
            measured[f"{word}: ridge, weight {weight:g}"] = mean(one["loose"][:, place], "seeds")
        best = one["earned"].mean(axis=0).max()
        measured[f"{word}: short of the best weight"] = mean(best - one["picked"], "seeds, against the best on average")
        held = one["bound"] <= one["picked"] + 1e-9
        measured[f"{word}: bound holds"] = share(int(held.sum()), len(held), "logs")
    measured["0.5 of 300: gain"] = mean(found[0.5, 300]["picked"] - found[0.5, 300]["cloning"], "seeds")
    measured["0.5 of 300: beyond the first state"] = mean(
        found[0.5, 300]["picked"] - found[0.5, 300]["individual"].max(axis=1), "seeds"
    )
    if budget != "smoke":
        off = [
            np.abs(np.mean(found[cell]["loose"][:, place]) - row[1 + place])
            - np.std(found[cell]["loose"][:, place]) * 1.96 * np.sqrt(1 / 5 + 1 / seeds)
            for cell, row in PROTOTYPE.items()
            for place in range(4)
        ]
        measured["table"] = Estimate.exact(
            float(max(off)), "largest difference beyond the joint 95% interval, 24 cells"
        )
        measured["rule"] = Estimate.exact(
            max(float(measured[f"{a:g} of {n}: short of the best weight"]) for a, n in PROTOTYPE), "worst of 6 settings"
        )
    terms = [*names, "individual", "picked by its bound", "lower bound"]
    each = [
        [
            *(mean(one[name], "seeds") for name in names), mean(one["individual"].max(axis=1), "seeds"),
            mean(one["picked"], "seeds"), mean(one["bound"], "seeds"),
        ]
        for one in found.values()
    ]  # fmt: skip
    picture = grouped_bars(
        each, names=[f"{a:g} best, {n} rows" for a, n in found], terms=terms,
        y_label="share of the best policy's value", title=f"Grid of 5 by 5, {seeds} logs each",
    )  # fmt: skip
    rows = list(found.items())
    promise = Record(
        "offline value",
        {
            "promised": np.concatenate([one["promised"] for _, one in rows]),
            "low": np.concatenate([one["bound"] for _, one in rows]),
            "paid": np.concatenate([one["picked"] for _, one in rows]),
        },
        {
            "labels": [f"{a:g} best, {n} rows" for (a, n), one in rows for _ in one["picked"]],
            "unit": "share of the best",
            "title": "What is promised and what is paid",
        },
    )
    return Evidence(measured, {"grid": picture, "promises": promise})


def ring_settings() -> tuple[DecisionProcess, np.ndarray, np.ndarray]:
    """The ring, its log's policy (70 % of rows safe), and the deviation of rewards."""
    ring = noisy_ring()
    policy, spread = np.full(ring.shape, 0.3 / 7.0), np.ones(ring.shape)
    policy[:, 0], spread[:, 0] = 0.7, 0.1
    return ring, policy, spread


def _ring_row(rows: int, seeds: int, names: Sequence[str]) -> dict[str, np.ndarray]:
    ring, policy, spread = ring_settings()

    def one(seed: int) -> dict[str, Any]:
        task = table_task(ring, policy, rows, seed, (-4.0, 4.0), spread)
        found = swept(task, ring)
        states = jnp.arange(ring.shape[0], dtype=float)[:, None]
        simple = discrete_baselines(task.data, task.policy, task.moments.scale, names, seed=seed, penalty=0.02)
        return found | {name: shares(ring, choices(one, states)[None])[0] for name, one in simple.items()}

    return stacked([one(seed) for seed in range(seeds)])


def _trap(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    sizes = (1000,) if budget == "smoke" else (300, 1000, 3000)
    seeds, names = NUM_SEEDS[budget], bars(budget)
    found = {
        rows: kept(folder, f"ring {rows} {seeds}", lambda rows=rows: _ring_row(rows, seeds, names)) for rows in sizes
    }
    measured = {}
    for rows, one in found.items():
        for name in ("picked", *names):
            measured[f"{rows}: {name}"] = mean(one[name], "seeds")
        measured[f"{rows}: over cloning"] = mean(one["picked"] - one["cloning"], "seeds")
        measured[f"{rows}: over the counted plan"] = mean(one["picked"] - one["counted plan"], "seeds")
        best = one["earned"].mean(axis=0).max()
        measured[f"{rows}: short of the best weight"] = mean(best - one["picked"], "seeds, against the best on average")
    if budget != "smoke":
        measured["rule"] = Estimate.exact(
            max(float(measured[f"{rows}: short of the best weight"]) for rows in sizes), "worst of 3 sizes"
        )
    picture = plain_curves(
        np.log10(np.asarray(WEIGHTS)),
        {f"{rows} rows": one["earned"].T for rows, one in found.items()},
        x_label="log10 of the weight λ",
        y_label="share of the best policy's value",
        title=f"A ring with tempting noise: a U in λ, {seeds} logs each",
    )
    return Evidence(measured, {"weights": picture})


GRIDWORLD = Reproduction(
    "batch:gridworld",
    "A policy from a log of a grid world",
    SOURCE,
    (
        Claim("0.5 of 300: gain", "It leaves the log's policy far behind.", SOURCE, 0.3, "at least", 0.0, "smoke", 3,
              "share of the best"),
        Claim("0.5 of 300: beyond the first state",
              "A leader that holds the critic still improves the first state alone, and stays behind.", "derived", 0.2,
              "at least", 0.0, "smoke", 3, "share of the best"),
        Claim("table", "With a ridge in place of bounds the shares are those of an earlier small study, up to both "
              "intervals.", "an earlier study of ours, 5 seeds", 0.0, "at most", 0.03, "small", 32),
        Claim("rule", "The weight that the lower bound picks is within 5 points of the best weight.", "ours to reach",
              0.05, "at most", 0.0, "small", 32, "share of the best"),
    ),
    _gridworld,
)  # fmt: skip

NOISE_TRAP = Reproduction(
    "batch:noise-trap",
    "Rare actions whose noise looks like gain",
    SOURCE,
    (
        Claim("1000: over the counted plan", "Pessimism beats planning in the counted world.", "ours to measure", 0.1,
              "at least", 0.0, "smoke", 3, "share of the best"),
        Claim("1000: over cloning", "And it beats cloning.", "ours to measure", 0.02, "at least", 0.0, "smoke", 3,
              "share of the best"),
        Claim("rule", "The weight that the lower bound picks is within 5 points of the best weight.", "ours to reach",
              0.05, "at most", 0.0, "small", 32, "share of the best"),
    ),
    _trap,
)  # fmt: skip

ENTRIES = (GRIDWORLD, NOISE_TRAP)
