"""A world model's errors beside its policy's ways: along rows, and over two features."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from .._record import Record
from . import style


MOST_ROWS = 40


def model_error(record: Record) -> Figure:
    """Columns `visits` and `loss`, one entry for each state and action: bars to the left and to the right.

    Attributes: `names`, `title`, `visits_label`, `loss_label`. Of more than 40 rows those are drawn that matter most.
    """
    visits, loss, names = record["visits"], record["loss"], record.attributes["names"]
    weight = visits / max(float(np.max(visits)), 1e-300) + loss / max(float(np.max(loss)), 1e-300)
    rows = np.sort(np.argsort(-weight, kind="stable")[:MOST_ROWS])
    figure = style.canvas(8.4, 1.6 + 0.3 * max(len(rows), 3))
    left, right = figure.subplots(1, 2, sharey=True)
    heights = np.arange(len(rows))
    left.barh(heights, visits[rows], color=style.LEADER, height=0.7)
    right.barh(heights, loss[rows], color=style.FOLLOWER, height=0.7)
    left.invert_xaxis()
    left.invert_yaxis()
    left.set_yticks(heights, [style.label(names[row]) for row in rows])
    left.set_xlabel(record.attributes["visits_label"])
    right.set_xlabel(record.attributes["loss_label"])
    figure.suptitle(style.label(record.attributes["title"]), fontweight="bold")
    return figure


def model_error_map(record: Record) -> Figure:
    """Columns `visits` and `error`, `(n, m)` over cells with the edges `across (n + 1,)` and `up (m + 1,)`.

    Attributes: `x_label`, `y_label`, `visits_label`, `error_label`. Cells where nothing was met are left white.
    """
    figure = style.canvas(9.6, 4.4)
    panels = figure.subplots(1, 2, sharey=True)
    sides = (("visits", style.VALUE_MAP, style.LEADER), ("error", style.CHANCE_MAP, style.FOLLOWER))
    for axes, (column, colours, colour) in zip(panels, sides, strict=True):
        values = np.where(record[column] > 0.0, record[column], np.nan)
        finite = values[np.isfinite(values)]
        top = float(np.quantile(finite, 0.98)) if finite.size else 1.0
        drawn = axes.pcolormesh(record["across"], record["up"], values.T, cmap=colours, vmin=0.0, vmax=top)
        scale = figure.colorbar(drawn, ax=axes, extend="max")
        scale.outline.set_visible(False)  # type: ignore[operator]
        axes.set_title(record.attributes[f"{column}_label"], color=colour, fontsize=10.5)
        axes.set_xlabel(record.attributes["x_label"])
        axes.grid(visible=False)
    panels[0].set_ylabel(record.attributes["y_label"])
    return figure
