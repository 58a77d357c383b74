"""Maps of a grid: where the resources go, and where the follower is expected."""

from __future__ import annotations

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure

from .._record import Record
from . import style


def coverage(record: Record) -> Figure:
    """Columns `coverage (n,)`, `attack (n,)`; attributes `grid` = (rows, columns), filled row by row, and `follower`.

    Cells are written in percent; the scale beside each map says what its colours mean.
    """
    rows, columns = record.attributes["grid"]
    figure = style.canvas(1.9 + 1.3 * columns, 1.6 + 0.64 * rows)
    left, right = figure.subplots(1, 2)
    shape = (int(rows), int(columns))
    _tiles(left, 100.0 * record["coverage"].reshape(shape), style.VALUE_MAP)
    _tiles(right, 100.0 * record["attack"].reshape(shape), style.CHANCE_MAP)
    left.set_title("leader's coverage (%)", color=style.LEADER)
    right.set_title("predicted attacks (%)", color=style.FOLLOWER)
    lines = [record.attributes.get("title"), _assumed(record.attributes.get("follower"))]
    if any(lines):
        figure.suptitle("\n".join(line for line in lines if line) + "\n", x=0.01, ha="left", fontsize=11.5)
    return figure


def policy(record: Record) -> Figure:
    """Columns `commitment (n, a)`, `response (m, b)`: one row for each stage, state or type, one column an action.

    Attributes `situations`, `answered_in`, `leader_actions`, `follower_actions`: the names of rows and columns.
    """
    sides = [
        ("leader announces (%)", "commitment", "situations", "leader_actions", style.VALUE_MAP, style.LEADER),
        ("follower answers (%)", "response", "answered_in", "follower_actions", style.CHANCE_MAP, style.FOLLOWER),
    ]
    widths = [record[column].shape[1] for _, column, *_ in sides]
    height = max(record[column].shape[0] for _, column, *_ in sides)
    figure = style.canvas(4.6 + 0.9 * sum(widths), 1.9 + 0.34 * height)
    panels = figure.subplots(1, 2, width_ratios=widths)
    for axes, (title, column, rows, columns, colours, colour) in zip(panels, sides, strict=True):
        _tiles(axes, 100.0 * record[column], colours, top=100.0, aspect="auto")
        axes.set_axis_on()
        axes.grid(visible=False)
        for names, ticks in ((record.attributes[columns], axes.set_xticks), (record.attributes[rows], axes.set_yticks)):
            ticks([place + 0.5 for place in range(len(names))], names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(title, color=colour)
    if title := record.attributes.get("title"):
        figure.suptitle(title + "\n", x=0.01, ha="left", fontsize=11.5)
    return figure


def _assumed(follower: str | None) -> str:
    return f"assumed follower: {follower}" if follower else ""


def _tiles(
    axes: Axes,
    values: np.ndarray,
    colours: Colormap,
    top: float | None = None,
    aspect: Literal["auto", "equal"] = "equal",
) -> None:
    top = max(float(values.max()), 1e-12) if top is None else top
    mesh = axes.pcolormesh(values, cmap=colours, vmin=0.0, vmax=top, edgecolors="white", linewidth=1.5)
    digits = 0 if top >= 20 else 1
    for (row, column), value in np.ndenumerate(values):
        axes.text(
            column + 0.5, row + 0.5, f"{value:.{digits}f}", ha="center", va="center",
            color=style.readable_on(colours(value / top)),
        )  # fmt: skip
    axes.invert_yaxis()
    axes.set_aspect(aspect)
    axes.set_axis_off()
    scale = axes.figure.colorbar(mesh, ax=axes, shrink=0.9, pad=0.02, ticks=style.few_ticks())
    scale.outline.set_visible(False)  # type: ignore[operator]
