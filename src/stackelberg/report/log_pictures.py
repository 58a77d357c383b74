"""Pictures about logs: what they hold, and what is promised from them against what is paid."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from .._record import Record
from . import style


def log_coverage(record: Record) -> Figure:
    """Columns `returns (k,)`, `action_share (a,)`; attributes `title`, `untried`."""
    figure = style.canvas(9.0, 3.4)
    left, right = figure.subplots(1, 2)
    left.hist(record["returns"], bins=min(30, max(5, len(record["returns"]) // 3)), color=style.LEADER_LIGHT)
    left.set_xlabel("return of a logged episode (reward)")
    left.set_ylabel("episodes")
    share = 100.0 * record["action_share"]
    right.bar(np.arange(len(share)), share, color=style.LEADER)
    right.set_xlabel("action")
    right.set_ylabel("rows (%)")
    right.set_xticks(range(len(share)))
    right.set_title(f"without a precedent nearby: {record.attributes['untried']:.0%}", fontsize=10)
    left.set_title(record.attributes["title"])
    return figure


def offline_value(record: Record) -> Figure:
    """Columns `promised`, `low`, `paid`, each `(n,)`; attributes `labels (n,)`, `unit`, `title`.

    The diagonal is where the offline value is the true one; a bar reaches down to the lower bound.
    """
    promised, low, paid = record["promised"], record["low"], record["paid"]
    labels = [str(word) for word in record.attributes["labels"]]
    figure = style.canvas(6.4, 5.2)
    axes = figure.add_subplot()
    span = np.concatenate([promised, low, paid])
    span = span[np.isfinite(span)]
    ends = np.array([span.min(), span.max()]) + 0.05 * max(np.ptp(span), 1e-9) * np.array([-1.0, 1.0])
    axes.plot(ends, ends, color=style.INK, lw=1.0, ls=(0, (4, 3)), label="offline value = true value")
    marks = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
    for place, label in enumerate(dict.fromkeys(labels)):
        here = np.array([word == label for word in labels])
        colour = (style.LEADER, style.FOLLOWER, style.INK, style.GREY)[place % 4]
        axes.vlines(paid[here], low[here], promised[here], color=colour, lw=1.0, alpha=0.6)
        axes.scatter(paid[here], promised[here], color=colour, marker=marks[place % len(marks)], s=30, label=label)
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    axes.set_xlabel(f"true value ({record.attributes['unit']})")
    axes.set_ylabel(f"offline value, down to its lower bound ({record.attributes['unit']})")
    axes.set_title(record.attributes["title"])
    axes.legend(fontsize=8.5)
    return figure
