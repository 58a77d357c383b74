"""Bars in groups: one number with its interval for each name and term."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from .._record import Record
from . import style


COLOURS = (style.LEADER, style.FOLLOWER, style.FOLLOWER_LIGHT, style.LEADER_LIGHT)
HATCHES = ("", "////", "....")
"""Of the first four terms, the next four, and so on."""


def grouped_bars(record: Record) -> Figure:
    """Columns `middle`, `low`, `high` (each `(names, terms)`): for each name a bar for each term.

    Attributes: `names`, `terms`, `y_label`, `title`; `marks`, one number for each name, drawn as a line across its
    bars, with `mark_label`.
    """
    names, terms = record.attributes["names"], record.attributes["terms"]
    step = 0.78 / max(len(terms), 3)
    figure = style.canvas(8.4, 0.9 + max(0.55, 0.2 * len(terms)) * max(len(names), 3))
    axes = figure.add_subplot()
    for place, term in enumerate(terms):
        middle = record["middle"][:, place]
        error = np.abs(np.stack([middle - record["low"][:, place], record["high"][:, place] - middle]))
        heights = np.arange(len(names)) + step * (place - (len(terms) - 1) / 2)
        colour, hatch = COLOURS[place % len(COLOURS)], HATCHES[place // len(COLOURS) % len(HATCHES)]
        axes.barh(
            heights,
            middle,
            0.92 * step,
            xerr=error,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            linewidth=0.0,
            ecolor=style.INK,
            label=term,
        )
    marks = record.attributes.get("marks")
    if marks is not None:
        low, high = np.arange(len(names)) - 0.45, np.arange(len(names)) + 0.45
        axes.vlines(marks, low, high, color=style.INK, lw=1.6, label=record.attributes["mark_label"])
    axes.axvline(0.0, color=style.INK, lw=0.8)
    axes.set_yticks(range(len(names)), [style.label(name) for name in names])
    axes.invert_yaxis()
    axes.set_xlabel(record.attributes["y_label"])
    axes.set_title(record.attributes["title"])
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
