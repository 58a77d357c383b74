"""A world model's errors beside its policy's ways."""

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
