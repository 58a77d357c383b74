"""Pictures of a run or a sweep: learning curves, final values, performance profiles, sensitivity to a number.

A panel has the colour of the seat whose number it shows; settings differ by dashes and shade.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from .._record import Record
from . import style


MOST_THIN_LINES = 32
MOST_NAMED = 12
WIDE_SPAN = 30.0


def learning(record: Record) -> Figure:
    """A panel per metric: the middle of the seeds against the step, with its band; up to 32 seeds as thin lines."""
    figure, panels = _panels(record, height=2.6, shared=True)
    for axes, metric in panels:
        seat = _seat(record, metric)
        for place in _places(record):
            rows = (record["metric"] == metric) & (record["setting"] == place + 1)
            step, stroke = record["step"][rows], _stroke(record, seat, place)
            thin = record["each"][rows]
            if 1 < thin.shape[1] <= MOST_THIN_LINES and _is_named(record):
                for line in thin.T:
                    seen = np.isfinite(line)
                    axes.plot(step[seen], line[seen], color=stroke["color"], lw=0.5, alpha=0.22, zorder=1.5)
            if _is_named(record):
                axes.fill_between(
                    step, record["low"][rows], record["high"][rows], color=stroke["color"], alpha=0.2, lw=0, zorder=1.7
                )
            axes.plot(step, record["value"][rows], **stroke, marker="o" if len(step) == 1 else None, ms=5)
        _headed(axes, record, metric)
        _down(axes, record, metric)
        axes.margins(x=0.01)
    for axes in _lowest(panels):
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(_count))
    _title(figure, record, "Learning")
    _legend(figure, record, [metric for _, metric in panels], band=True)
    return figure


def comparison(record: Record) -> Figure:
    """A panel per metric and a row per setting: the middle of the final values, its interval, and every seed."""
    rows_each = len(record.attributes["settings"])
    figure, panels = _panels(record, height=0.9 + 0.32 * rows_each)
    height = np.arange(rows_each)[::-1]
    for axes, metric in panels:
        rows = np.flatnonzero(record["metric"] == metric)
        colour, pale = _colour(record, metric), style.SHADES[_seat(record, metric)][1]
        for row, place in zip(rows, height, strict=True):
            seen = record["each"][row][np.isfinite(record["each"][row])]
            if 1 < len(seen) <= MOST_THIN_LINES:
                axes.plot(seen, np.full(len(seen), place - 0.24), "|", color=pale, ms=6, mew=1.0)
        axes.hlines(height, record["low"][rows], record["high"][rows], color=colour, lw=2.4)
        axes.plot(record["value"][rows], height, "o", color=colour, ms=7)
        axes.set_yticks(height, [style.label(name, 34) for name in record.attributes["settings"]])
        axes.set_ylim(-0.7, rows_each - 0.4)
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.06)
        axes.xaxis.set_major_locator(style.few_ticks())
        axes.set_xlabel(f"final {_axis(record, metric)}{_arrow(record, metric)}")
    _title(figure, record, "Final values")
    _legend(figure, record, [metric for _, metric in panels], band=True, settings=False, ticks=True)
    return figure


def profile(record: Record) -> Figure:
    """A panel per metric: the share of seeds whose final value is better than each threshold, with its band."""
    figure, panels = _panels(record, height=3.0)
    for axes, metric in panels:
        seat, lower = _seat(record, metric), _meaning(record, metric)["better"] == "lower"
        for place in _places(record):
            rows = (record["metric"] == metric) & (record["setting"] == place + 1)
            across, stroke = record["threshold"][rows], _stroke(record, seat, place)
            if _is_named(record):
                low, high = record["low"][rows], record["high"][rows]
                axes.fill_between(across, low, high, color=stroke["color"], alpha=0.12, lw=0, step="mid")
            axes.step(across, record["value"][rows], where="mid", **stroke)
        axes.set_ylim(-0.02, 1.02)
        axes.margins(x=0.0)
        axes.xaxis.set_major_locator(style.few_ticks())
        axes.set_xlabel(f"threshold τ of the final {_axis(record, metric)}")
        axes.set_ylabel("share of seeds " + ("below τ" if lower else "above τ"))
    _title(figure, record, "Performance profile")
    _legend(figure, record, [metric for _, metric in panels], band=True)
    return figure


def sensitivity(record: Record) -> Figure:
    """A panel per metric: the middle of the final values against the number that was swept, with its intervals."""
    figure, panels = _panels(record, height=3.0, shared=True)
    groups = record.attributes["groups"]
    for axes, metric in panels:
        for place, _ in enumerate(groups):
            rows = np.flatnonzero((record["metric"] == metric) & (record["group"] == place + 1))
            rows = rows[np.argsort(record["across"][rows], kind="stable")]
            across, stroke = record["across"][rows], style.stroke(_seat(record, metric), place)
            axes.plot(across, record["value"][rows], **stroke, marker="osD^"[place % 4], ms=5.5)
            axes.vlines(across, record["low"][rows], record["high"][rows], color=stroke["color"], lw=1.4)
        _headed(axes, record, metric, "final ")
        _across(axes, record["across"])
    for axes in _lowest(panels):
        axes.set_xlabel(style.label(record.attributes["across"]))
    _title(figure, record, "Sensitivity")
    _legend(figure, record, [metric for _, metric in panels], band=True, names=groups, bars=True)
    return figure


def _headed(axes: Axes, record: Record, metric: str, before: str = "") -> None:
    """What a panel shows stands above it, where a long label has room; its unit stands beside the axis."""
    meaning = _meaning(record, metric)
    axes.set_title(style.label(f"{before}{meaning['label']}", 60), fontsize=10.5, fontweight="normal", pad=5.0)
    axes.set_ylabel(style.label(meaning["unit"], 24))


def _down(axes: Axes, record: Record, metric: str) -> None:
    """A logarithmic axis for a loss whose middle falls by more than a factor of 30 and stays above 0."""
    shown = record["value"][record["metric"] == metric]
    shown = shown[np.isfinite(shown)]
    is_loss = _meaning(record, metric)["better"] == "lower" and len(shown) and shown.min() > 0
    if is_loss and shown.max() / shown.min() > WIDE_SPAN:
        axes.set_yscale("log", nonpositive="clip")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(bottom=shown.min() / 3)


def _across(axes: Axes, values: np.ndarray) -> None:
    """A logarithmic axis for what spans more than a factor of 30; a mark at each value while there are few."""
    distinct = np.unique(values)
    if distinct[0] > 0 and distinct[-1] / distinct[0] > WIDE_SPAN:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
    if len(distinct) <= 7:
        axes.set_xticks(distinct, [f"{number:g}" for number in distinct])
        axes.xaxis.set_minor_locator(NullLocator())


def _panels(record: Record, height: float, shared: bool = False) -> tuple[Figure, list[tuple[Axes, str]]]:
    """One panel per metric, in one column up to three of them and in two columns beyond."""
    metrics = list(record.attributes["meanings"])
    columns = 1 if len(metrics) <= 3 else 2
    rows = math.ceil(len(metrics) / columns)
    figure = style.canvas(7.2 if columns == 1 else 10.4, 1.3 + height * rows + _legend_height(record))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=shared).ravel().tolist()
    for axes in grid[len(metrics) :]:
        axes.remove()
    return figure, list(zip(grid, metrics, strict=False))


def _lowest(panels: Sequence[tuple[Axes, str]]) -> list[Axes]:
    """The panels with nothing below them: their horizontal axes carry the words."""
    columns = 1 if len(panels) <= 3 else 2
    lowest = [axes for axes, _ in panels[-columns:]]
    for axes in lowest:
        axes.tick_params(labelbottom=True)
    return lowest


def _meaning(record: Record, metric: str) -> dict[str, Any]:
    return record.attributes["meanings"][metric]


def _seat(record: Record, metric: str) -> str:
    return _meaning(record, metric)["seat"]


def _colour(record: Record, metric: str) -> str:
    return style.SHADES[_seat(record, metric)][0]


def _axis(record: Record, metric: str) -> str:
    meaning = _meaning(record, metric)
    return style.label(meaning["label"], 44) + (f" ({style.label(meaning['unit'], 20)})" if meaning["unit"] else "")


def _arrow(record: Record, metric: str) -> str:
    return {"higher": "  → better", "lower": "  ← better"}.get(_meaning(record, metric)["better"], "")


def _places(record: Record) -> range:
    return range(len(record.attributes["settings"]))


def _is_named(record: Record) -> bool:
    """Whether the settings are few enough to be told apart; of more, only the first and the last get a name."""
    return len(record.attributes["settings"]) <= MOST_NAMED


def _stroke(record: Record, seat: str, place: int) -> dict[str, Any]:
    if _is_named(record):
        return style.stroke(seat, place)
    colours = {"leader": style.VALUE_MAP, "follower": style.CHANCE_MAP}.get(seat, style.INK_MAP)
    return {"color": colours(0.4 + 0.6 * place / (len(record.attributes["settings"]) - 1)), "ls": "-", "lw": 1.0}


def _title(figure: Figure, record: Record, fallback: str) -> None:
    title = style.label(record.attributes.get("title") or fallback, 78)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11.5, fontweight="bold")


def _legend_height(record: Record) -> float:
    return 0.13 * min(len(record.attributes["settings"]), MOST_NAMED)


def _legend(
    figure: Figure,
    record: Record,
    metrics: Sequence[str],
    *,
    band: bool,
    settings: bool = True,
    ticks: bool = False,
    bars: bool = False,
    names: Sequence[str] | None = None,
) -> None:
    """Below the panels: which line is which setting, and what the band is. In ink where panels differ in colour."""
    seats = {_seat(record, metric) for metric in metrics}
    seat = seats.pop() if len(seats) == 1 else "neither"
    named = list(record.attributes["settings"] if names is None else names)
    chosen = list(range(len(named))) if len(named) <= MOST_NAMED else [0, len(named) - 1]
    handles: list[Any] = []
    if settings and any(named):
        handles = [
            Line2D([], [], **(style.stroke(seat, place) if names is not None else _stroke(record, seat, place)),
                   label=style.label(named[place], 40))
            for place in chosen
        ]  # fmt: skip
    colour = style.SHADES[seat][0]
    if band and np.isfinite(record["low"]).any():
        what = "share" if record.kind == "profile" else "interquartile mean"
        words = f"{record.attributes['interval']} interval of the {what} over {_seeds(record)}"
        if ticks or bars:
            handles.append(Line2D([], [], color=colour, lw=2.4, label=words))
        elif _is_named(record):
            handles.append(Patch(facecolor=colour, alpha=0.2, lw=0, label=words))
    else:
        handles.append(Line2D([], [], lw=0, label="one seed, no interval" if record["seeds"].max() else "no seed"))
    if ticks and (np.isfinite(record["each"]).sum(axis=1) > 1).any() and record["each"].shape[1] <= MOST_THIN_LINES:
        handles.append(Line2D([], [], color=style.SHADES[seat][1], lw=0, marker="|", ms=7, label="one seed"))
    widest = max(len(handle.get_label()) for handle in handles)
    figure.legend(handles=handles, loc="outside lower left", ncols=2 if widest <= 44 else 1)


def _seeds(record: Record) -> str:
    least, most = int(record["seeds"].min()), int(record["seeds"].max())
    return f"{most} seeds" if least == most else f"{least} to {most} seeds"


def _count(number: float, _: object) -> str:
    return f"{number:,.0f}" if abs(number) < 1e6 else f"{number:g}"
