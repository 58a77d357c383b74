"""The work of `learn`: coverage, training, evaluation, and one page about all of it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .._record import Estimate, Record
from ..batch.learning import WEIGHTS, LearnedPolicy, learn_policy
from ..batch.policy_files import write_batch_policy
from ..evaluation.log_coverage import LogCoverage, log_coverage
from ..evaluation.off_policy import effective_size, importance_sampling
from ..games.dataset import Dataset
from ..games.dataset_files import read_log
from ..report.log_page import write_log_page
from ..report.tables import Table


NUM_WEIGHTS = len(WEIGHTS)

EFFECTIVE, FEW = "effective episodes", 10.0

WORDS = {
    "leader_slope": "length of the leader's total derivative (0 at an equilibrium)",
    "leader_curvature": "leader's least curvature (not below 0, up to rounding)",
    "follower_slope": "length of the follower's derivative (0 up to rounding)",
    "follower_curvature": "follower's least curvature (above 0)",
    "num_held": "weights or values of the critic at the end of their range",
}
"""Conditions of an equilibrium, as the page says them."""


@dataclass(frozen=True, eq=False)
class Learned:
    """A log, what it covers, what was learned (None where that was not asked for), and estimates by weighting."""

    log: str
    data: Dataset
    coverage: LogCoverage
    learned: LearnedPolicy | None
    estimates: dict[str, Estimate]
    settings: dict[str, Any]


def read(path: str) -> Dataset:
    """The log, checked."""
    return read_log(path)


def learned(path: str, data: Dataset, settings: dict[str, Any], advance: Callable[[], None]) -> Learned:
    """Everything; coverage alone where there are no settings."""
    coverage = log_coverage(data)
    if not settings:
        return Learned(path, data, coverage, None, {}, {})
    found = learn_policy(data, **settings, on_progress=lambda _: advance())
    return Learned(path, data, coverage, found, _estimates(data, found, settings["discount"]), settings)


def _estimates(data: Dataset, found: LearnedPolicy, discount: float) -> dict[str, Estimate]:
    """By weighting, where propensities are known: of the return of an episode."""
    if data.propensity is None or data.is_independent:
        return {}
    from ..calculus.simplex import weight_on_host

    chance = weight_on_host(np.asarray(found.policy.log_chance(data.observation, data.action), dtype=float))
    size = effective_size(data, chance)
    made = {
        f"{kind} importance sampling": importance_sampling(data, chance, discount, weighting=kind)
        for kind in ("per-decision", "weighted-per-decision")
    }
    return made | {EFFECTIVE: Estimate.exact(size, f"of {data.num_episodes}")}


def written(found: Learned, report: Path | None, policy: Path | None) -> list[str]:
    """Write what was asked for."""
    files = []
    if policy is not None and found.learned is not None:
        write_batch_policy(found.learned.policy, policy)
        files.append(str(policy))
    if report is not None:
        files.append(str(write_log_page(report, **_page(found))))
    return files


def to_json(found: Learned, files: list[str]) -> dict[str, Any]:
    """For programs."""
    return {
        "log": found.log,
        "coverage": found.coverage.to_json(),
        "learned": None if found.learned is None else found.learned.to_json(),
        "estimates": {name: one.to_json() for name, one in found.estimates.items()},
        "files": files,
    }


def to_text(found: Learned) -> str:
    """For people."""
    cover = found.coverage
    quartiles = ", ".join(f"{value:.4g}" for value in np.quantile(cover.returns, [0.25, 0.5, 0.75]))
    parts = [
        f"{found.log}: {cover.num_rows:,} rows in {cover.num_episodes:,} episodes; quartiles of their returns "
        f"{quartiles}",
        _listed("coverage", cover.sentences),
    ]
    if found.learned is not None:
        got = found.learned
        parts += [
            candidates_table(got).plain(),
            f"the policy learned with weight {got.weight:g} is worth {_valued(got.value)} a step; "
            f"the log's own {_valued(got.behaviour)}",
            _listed("warning", _warnings(found)),
        ]
    if found.estimates:
        parts.append(_estimates_table(found).plain())
    return "\n\n".join(part for part in parts if part)


def candidates_table(got: LearnedPolicy) -> Table:
    """What each weight gives, for each step in reward units."""
    rows = [
        (
            f"{one.weight:g}" + (" *" if one.weight == got.weight else ""),
            f"{one.lower[0]:.5g}",
            f"{one.local:.5g}",
            f"{one.plug_in:.5g}",
            "" if one.is_feasible else "no critic is consistent",
        )
        for one in got.candidates
    ]
    return Table(("weight", "lower bound", "least nearby", "most consistent critic", ""), rows)


def _warnings(found: Learned) -> tuple[str, ...]:
    """Those of the policy, and one about estimates by weighting that rest on next to nothing."""
    warnings = () if found.learned is None else found.learned.warnings
    size = found.estimates.get(EFFECTIVE)
    if size is None or float(size) >= FEW:
        return warnings
    words = f"Estimates by weighting rest on {float(size):.1f} of {found.data.num_episodes} episodes: leave them aside."
    return (*warnings, words)


def _estimates_table(found: Learned) -> Table:
    rows = [
        (name, f"{one.value:.5g}", f"[{one.low:.5g}, {one.high:.5g}]" if one.low < one.high else str(one.method))
        for name, one in found.estimates.items()
    ]
    return Table(("discounted return of an episode", "estimate", ""), rows)


def _valued(value: Estimate) -> str:
    return f"{value.value:.5g} (at least {value.low:.5g})"


def _listed(word: str, sentences: tuple[str, ...]) -> str:
    return "\n".join(f"{word}: {sentence}" for sentence in sentences)


def _page(found: Learned) -> dict[str, Any]:
    """What the page shows: facts, tables, pictures, warnings."""
    cover, got = found.coverage, found.learned
    facts = [("rows", f"{cover.num_rows:,}", f"in {cover.num_episodes:,} episodes")]
    tables, warnings, pictures = [], list(cover.sentences), {"What the log holds": picture(cover.to_record())}
    if got is not None:
        facts += [
            ("policy", f"{got.value.value:.4g} a step", f"at least {got.value.low:.4g}"),
            ("log's own", f"{got.behaviour.value:.4g} a step", f"at least {got.behaviour.low:.4g}"),
            ("weight", f"{got.weight:g}", "chosen by the log alone"),
        ]
        tables.append(("Weights that were tried, values for each step", candidates_table(got)))
        kept = got.stationarity.to_json()
        rows = [(WORDS[name], f"{value:.4g}") for name, value in kept.items()]
        tables.append(("How near to a differential Stackelberg equilibrium", Table(("condition", "measured"), rows)))
        warnings = [*_warnings(found), *warnings]
    if found.estimates:
        tables.append(("Estimates by weighting", _estimates_table(found)))
    rows = [(name, "by the log" if value is None else str(value)) for name, value in found.settings.items()]
    tables.append(("Settings", Table(("setting", "value"), rows)))
    return {"title": Path(found.log).name, "facts": facts, "warnings": warnings, "tables": tables, "pictures": pictures}


def picture(record: Record) -> bytes:
    """A record as PNG."""
    from ..report.figures import plot
    from ..report.style import drawing

    with drawing():
        figure = plot(record)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png")
    return drawn.getvalue()
