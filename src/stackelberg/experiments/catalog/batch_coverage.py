"""Logs with holes: batch:coverage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..._claims import Budget, Claim
from ..._record import Estimate
from ...batch.problem import Problem
from ...batch.tabular import covered_value
from ...games.decision_process import DecisionProcess
from ...games.generators_process import goal_grid
from ...games.logs import process_log
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .batch_baselines import bars, discrete_baselines
from .batch_measuring import SOURCE, mixed, of_log, shares
from .batch_tables import GRID_RANGE, NUM_SEEDS, choices, stacked, swept
from .measuring import grouped_bars, kept, mean


def _without(
    process: DecisionProcess, fraction: float, keeps_best: bool, rows: int, seed: int, share_best: float
) -> Problem | None:
    """A log from which a fraction of state-action pairs is gone; its rows are single transitions then."""
    data = process_log(process, mixed(process, share_best), rows, seed)
    generator = np.random.Generator(np.random.Philox([seed, 77]))
    gone = generator.random(process.shape) < fraction
    if keeps_best:
        gone &= np.asarray(process.best_policy()) == 0.0
    kept_rows = ~gone[data.state, data.chosen]
    if kept_rows.sum() < 2:
        return None
    # Rows are single transitions now; the leader is still paid for the first state of an episode.
    return of_log(data.taken(kept_rows), process.discount, GRID_RANGE, start=np.zeros((1, 1)))


FRACTIONS = (0.0, 0.25, 0.5, 0.75, 0.9)


def _covered_row(fraction: float, keeps_best: bool, seeds: int, names: Sequence[str]) -> dict[str, np.ndarray]:
    grid = goal_grid()
    top = float(grid.optimal_value())

    def one(seed: int) -> dict[str, Any] | None:
        task = _without(grid, fraction, keeps_best, 1000, seed, 0.2)
        if task is None:
            return None
        found = swept(task, grid)
        counts = np.zeros(grid.shape)
        np.add.at(counts, (task.data.state, task.data.chosen), 1.0)
        states = jnp.arange(grid.shape[0], dtype=float)[:, None]
        simple = discrete_baselines(task.data, task.policy, task.moments.scale, names, seed=seed)
        found |= {name: shares(grid, choices(one, states)[None])[0] for name, one in simple.items()}
        return found | {"covered": np.asarray(max(covered_value(grid, counts), 0.0) / top)}

    rows = [row for seed in range(seeds) if (row := one(seed)) is not None]
    if seeds > 8:
        jax.clear_caches()  # every log has another length, and every length is compiled anew in part
    return stacked(rows)


def _coverage(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    fractions = (0.0, 0.25) if budget == "smoke" else FRACTIONS
    seeds, names = NUM_SEEDS[budget], bars(budget)
    found = {
        (word, fraction): kept(
            folder,
            f"covered {word} {fraction} {seeds}",
            lambda f=fraction, best=best: _covered_row(f, best, seeds, names),
        )
        for word, best in (("best kept", True), ("any", False))
        for fraction in fractions
    }
    measured = {}
    worst = []
    for (word, fraction), one in found.items():
        for name in ("picked", *names, "covered"):
            measured[f"{word}, {fraction:g} gone: {name}"] = mean(one[name], "logs")
        ratio = float(one["picked"].mean() / max(one["covered"].mean(), 1e-9))
        if one["covered"].mean() > 0.02:
            worst.append(ratio)
        measured[f"{word}, {fraction:g} gone: of what is covered"] = Estimate.exact(ratio, f"{len(one['picked'])} logs")
    measured["of what is covered"] = Estimate.exact(
        min(worst), f"worst of {len(worst)} levels at which a covered policy earns over 2 % of the best"
    )
    pictures = {
        word.replace(" ", "-"): grouped_bars(
            [[mean(found[word, f][name], "logs") for name in (*names, "picked")] for f in fractions],
            names=[f"{f:.0%} of pairs gone" for f in fractions],
            terms=[*names, "picked by its bound"],
            marks=[float(found[word, f]["covered"].mean()) for f in fractions],
            mark_label="best covered policy",
            y_label="share of the best policy's value",
            title=f"A log with holes ({'best actions kept' if word == 'best kept' else 'any pair may go'})",
        )
        for word in ("best kept", "any")
    }
    return Evidence(measured, pictures)


COVERAGE = Reproduction(
    "batch:coverage",
    "A log from which state-action pairs are missing",
    SOURCE,
    (
        Claim("of what is covered", "It earns at least 85 % of what the best covered policy does.", "ours to reach",
              0.85, "at least", 0.0, "smoke", 2, "share"),
    ),
    _coverage,
)  # fmt: skip

ENTRIES = (COVERAGE,)
