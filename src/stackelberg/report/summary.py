"""Tables of a run or a sweep: final values with their intervals for people, every number in long form for programs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .. import _boundary as boundary
from .._record import Estimate, plain
from .._runs import RunRecord
from . import statistics
from .cells import csv_text, visible
from .series import short_name, swept, word
from .tables import Table


def summary(record: RunRecord, metrics: Sequence[str] | None = None) -> Table:
    """The final values of each setting: what was varied, seeds done and planned, then IQM, its interval, and the mean.

    IQM is the interquartile mean. `metrics` are the names to show, all of them when left out. Raises `InputError` on a
    name that is not known.
    """
    chosen = list(record.metrics) if metrics is None else list(metrics)
    for place, metric in enumerate(chosen):
        boundary.one_of(f"metrics[{place}]", metric, record.metrics)
    fields = swept(record.settings)
    columns: list[tuple[str, list[str], bool]] = []
    for field in fields or ["setting"]:
        values = [
            visible(word(setting.get(field, "")) if fields else "the only one", 40) for setting in record.settings
        ]
        columns.append((visible(short_name(field, fields), 40), values, False))
    columns.append(("seeds", seeds_done(record), True))
    name = ""
    for metric in chosen:
        meaning = record.meaning(metric)
        name = visible(meaning.label, 40) + (f" ({visible(meaning.unit, 20)})" if meaning.unit else "")
        finals = record.final(metric)
        averages = [number(float(np.mean(row[np.isfinite(row)]))) if np.isfinite(row).any() else "–" for row in finals]
        middles = [statistics.interquartile_mean(row) for row in finals]
        before = f"{name}: " if len(chosen) > 1 else ""
        columns.append((f"{before}IQM", [number(middle.value) for middle in middles], True))
        columns.append((f"{before}95% interval", [interval(middle) for middle in middles], True))
        columns.append((f"{before}mean", averages, True))
    title = visible(record.title or record.name, 100)
    return Table(
        tuple(header for header, _, _ in columns),
        tuple(zip(*(cells for _, cells, _ in columns), strict=True)),
        title=f"{title}: {name}" if len(chosen) == 1 else title,
        right=frozenset(header for header, _, right in columns if right),
    )


def tidy(record: RunRecord) -> str:
    """Every number that was measured, as CSV in long form: run, fields that were varied, seed, step, metric, value.

    Numbers read back exactly. Text that a spreadsheet would run as a formula gets a leading apostrophe.
    """
    fields = list(dict.fromkeys(field for setting in record.settings for field in setting))
    return csv_text(["run", *fields, "seed", "step", "metric", "value"], _long(record, fields))


def _long(record: RunRecord, fields: Sequence[str]) -> Iterator[list[Any]]:
    for metric, values in record.metrics.items():
        for place, setting in enumerate(record.settings):
            words = [_scalar(setting.get(field, "")) for field in fields]
            for column, seed in enumerate(record.seeds):
                for row in np.flatnonzero(np.isfinite(values[:, place, column])):
                    yield [
                        record.name, *words, seed, int(record.steps[row]), metric, float(values[row, place, column])
                    ]  # fmt: skip


def seeds_done(record: RunRecord) -> list[str]:
    """Of each setting, how many seeds came to their end and how many were planned, as "7/8"."""
    return [f"{int(np.sum(row == 'complete'))}/{len(record.seeds)}" for row in record.status]


def number(value: float) -> str:
    """A number for people: four digits that count, and a dash for what is not known."""
    return f"{value:.4g}" if np.isfinite(value) else "–"


def interval(found: Estimate) -> str:
    """The interval of an estimate, or why there is none."""
    if np.isfinite(found.low) and np.isfinite(found.high):
        return together(found.value, found.low, found.high).partition(" ")[2]
    return str(found.method)


def together(value: float, low: float, high: float) -> str:
    """A number and its interval, as in "0.020 [0.002, 0.045]": to two digits of the interval's width."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return number(value)
    if not 1e-4 <= max(abs(low), abs(high)) < 1e6 or high - low <= 1e-8 * max(abs(low), abs(high)):
        return f"{number(value)} [{number(low)}, {number(high)}]"
    digits = max(0, 1 - math.floor(math.log10(high - low)))
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _scalar(value: Any) -> Any:
    """A number as it is; anything else as text."""
    if isinstance(value, str | int | float):
        return value
    kept = plain(value)
    return kept if isinstance(kept, str | int | float) else str(kept)
