"""Charts and bars of a page: where each line goes, and what is read off it. Geometry only; the templates draw.

Lines live in a box 1000 wide that is stretched to the page; everything with a shape of its own (words, dots) is placed
in percent of the width, so that it stays readable on a telephone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from .._record import Estimate, Record
from .._runs import RunRecord
from . import series, statistics
from .cells import visible
from .summary import together


MOST_LINES = 12
MOST_POINTS = 200
HEIGHT = 220.0
WIDTH = 1000.0
ROUND = (1, 2, 5, 10)  # between ticks, so that few digits write each of them exactly


@dataclass(frozen=True)
class Tick:
    """A round number on an axis: where it stands (percent from the left, pixels from the top), how it is written."""

    place: float
    text: str


@dataclass(frozen=True)
class Line:
    """One setting of a chart: its line, its band, dots where it has a single point, and its last value in words."""

    label: str
    place: int
    path: str
    band: str
    dots: tuple[tuple[float, float], ...]
    last: str


@dataclass(frozen=True)
class Chart:
    """The curves of one metric.

    `words` say what the band is; `left_out` is how many settings have no line. `steps` and `cells` are the chart as a
    table, a row per step and a cell per line; `data` is what the page's script needs to read values off.
    """

    name: str
    title: str
    seat: str
    words: str
    left_out: int
    lines: tuple[Line, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    steps: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    data: dict[str, Any]


@dataclass(frozen=True)
class Bar:
    """An interval as a share of the widest one in its table, in percent; `None` where there is nothing to draw."""

    low: float | None
    value: float | None
    high: float | None


def chart(run: RunRecord, metric: str, name: str) -> Chart:
    """The chart of one metric, for at most twelve settings and 200 steps of each; `name` is its id on the page."""
    drawn = series.learning(run, [metric], most=MOST_POINTS, most_settings=MOST_LINES)
    meaning = run.meaning(metric)
    labels = drawn.attributes["settings"][:MOST_LINES]
    rows = [np.flatnonzero(drawn["setting"] == place + 1) for place in range(len(labels))]
    steps = np.unique(np.concatenate([drawn["step"][row] for row in rows]))
    wide = _scale(steps, WIDTH, MaxNLocator(4, integer=True, steps=ROUND))
    kept = np.concatenate([np.concatenate([drawn[column][row] for row in rows]) for column in ("value", "low", "high")])
    tall = _scale(kept[np.isfinite(kept)], HEIGHT, MaxNLocator(4, steps=ROUND), upward=True, margin=0.05)
    alone = "interquartile mean" if len(run.seeds) > 1 else "the only seed"
    lines, texts, heights = [], [], []
    for place, (label, row) in enumerate(zip(labels, rows, strict=True)):
        at, middle = drawn["step"][row], drawn["value"][row]
        words = _values(drawn, row)
        where = np.searchsorted(steps, at)
        texts.append(_filled(len(steps), where, words))
        heights.append(_filled(len(steps), where, [round(float(tall(value)), 2) for value in middle]))
        points = [(wide(step), tall(value)) for step, value in zip(at, middle, strict=True)]
        lines.append(
            Line(
                visible(label or alone, 60),
                place,
                _path(points),
                _band(wide(at), tall(drawn["low"][row]), tall(drawn["high"][row])),
                tuple((round(x / WIDTH * 100, 3), round(y, 2)) for x, y in points) if len(points) == 1 else (),
                words[-1] if words else "not measured",
            )
        )
    unit = f" ({visible(meaning.unit, 20)})" if meaning.unit else ""
    counts = drawn["seeds"][np.concatenate(rows)]
    data = {
        "metric": meaning.label,
        "labels": list(labels),
        "steps": steps.tolist(),
        "across": [round(float(wide(step)) / WIDTH * 100, 3) for step in steps],
        "heights": heights,
        "texts": texts,
    }
    return Chart(
        name,
        visible(meaning.label, 60) + unit,
        meaning.seat,
        _caption(counts),
        len(run.settings) - len(labels),
        tuple(lines),
        _ticks(wide, 100.0 / WIDTH),
        _ticks(tall, 1.0),
        tuple(f"{step:,}" for step in steps.tolist()),
        tuple(zip(*([text or "–" for text in column] for column in texts), strict=True)),
        data,
    )


def bars(found: Sequence[Estimate]) -> list[Bar]:
    """The intervals of the final values of each setting, on one scale."""
    ends = np.array([[entry.low, entry.value, entry.high] for entry in found], dtype=np.float64)
    seen = ends[np.isfinite(ends)]
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 1.0)
    spread = (high - low) or 1.0
    return [
        Bar(*(round(4 + 92 * (end - low) / spread, 2) if np.isfinite(end) else None for end in row)) for row in ends
    ]


class _Scale:
    """A map from numbers to places, with round ticks."""

    def __init__(self, low: float, high: float, size: float, locator: MaxNLocator, upward: bool) -> None:
        self.low, self.high, self.size, self.upward = low, high, size, upward
        ticks = locator.tick_values(low, high)
        self.ticks = [float(tick) for tick in ticks if low <= tick <= high]

    def __call__(self, value: Any) -> Any:
        share = (np.asarray(value, dtype=np.float64) - self.low) / (self.high - self.low)
        return self.size * (1.0 - share if self.upward else share)


def _scale(values: np.ndarray, size: float, locator: MaxNLocator, upward: bool = False, margin: float = 0.0) -> _Scale:
    low, high = (float(np.min(values)), float(np.max(values))) if len(values) else (0.0, 1.0)
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        low, high = low - (0.5 * abs(low) or 0.5), high + (0.5 * abs(high) or 0.5)
    return _Scale(low - margin * (high - low), high + margin * (high - low), size, locator, upward)


def _ticks(scale: _Scale, factor: float) -> tuple[Tick, ...]:
    step = min(np.diff(scale.ticks), default=1.0)
    digits = max(0, -int(np.floor(np.log10(step) + 1e-9)))
    large = max((abs(tick) for tick in scale.ticks), default=0.0) >= 1e6 or digits > 5
    return tuple(
        Tick(round(float(scale(tick)) * factor, 3), f"{tick:.3g}" if large else f"{tick:,.{digits}f}")
        for tick in scale.ticks
    )


def _path(points: Sequence[tuple[Any, Any]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.2f}" for x, y in points) if len(points) > 1 else ""


def _band(across: np.ndarray, low: np.ndarray, high: np.ndarray) -> str:
    """The outline of each stretch over which there is an interval."""
    known = np.isfinite(low) & np.isfinite(high)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(int))).reshape(-1, 2)
    outlines = []
    for start, stop in edges.tolist():
        upper = list(zip(across[start:stop], high[start:stop], strict=True))
        lower = list(zip(across[start:stop], low[start:stop], strict=True))
        outlines.append(_path(upper + lower[::-1]) + "Z" if stop - start > 1 else "")
    return "".join(outlines)


def _values(drawn: Record, rows: np.ndarray) -> list[str]:
    words = []
    for row in rows:
        seeds = int(drawn["seeds"][row])
        shown = together(*(float(drawn[column][row]) for column in ("value", "low", "high")))
        words.append(f"{shown}, {seeds} seed{'s' * (seeds != 1)}")
    return words


def _filled(size: int, where: np.ndarray, values: Sequence[Any]) -> list[Any]:
    found: list[Any] = [None] * size
    for place, value in zip(where.tolist(), values, strict=True):
        found[place] = value
    return found


def _caption(counts: np.ndarray) -> str:
    most, least = int(counts.max(initial=0)), int(counts.min(initial=10**9))
    if most == 0:
        return "Nothing was measured."
    if most == 1:
        return "The line is one seed; one seed, no interval."
    seeds = f"{most} seeds" if least == most else f"{least} to {most} seeds"
    percent = f"{100 * statistics.LEVEL:g}%"
    return f"Lines: interquartile mean over {seeds}. Bands: {percent} interval of it, at each step alone."
