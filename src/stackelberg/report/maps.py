"""Maps of a grid: where the resources go, and where the follower is expected."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure

from .._record import Record
from . import style


def coverage(record: Record) -> Figure:
    """Columns `coverage (n,)`, `attack (n,)`; attribute `grid` = (rows, columns), filled row by row.

    Cells are written in percent; the darkest cell is the largest number of its map.
    """
    rows, columns = record.attributes["grid"]
    figure = style.canvas(1.2 + 1.25 * columns, 1.3 + 0.62 * rows)
    left, right = figure.subplots(1, 2)
    shape = (int(rows), int(columns))
    _tiles(left, record["coverage"].reshape(shape), style.VALUE_MAP)
    _tiles(right, record["attack"].reshape(shape), style.CHANCE_MAP)
    left.set_title("leader's coverage (%)", color=style.LEADER)
    right.set_title("predicted attacks (%)", color=style.FOLLOWER)
    if title := record.attributes.get("title"):
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


def _tiles(axes: Axes, values: np.ndarray, colours: Colormap) -> None:
    top = max(float(values.max()), 1e-12)
    axes.pcolormesh(values, cmap=colours, vmin=0.0, vmax=top, edgecolors="white", linewidth=1.5)
    digits = 0 if 100 * top >= 20 else 1
    for (row, column), value in np.ndenumerate(values):
        axes.text(
            column + 0.5, row + 0.5, f"{100 * value:.{digits}f}", ha="center", va="center",
            color="white" if value > 0.72 * top else style.INK,
        )  # fmt: skip
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.set_axis_off()
