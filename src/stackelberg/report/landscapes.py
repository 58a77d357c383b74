"""The leader's value over everything it could announce, with what the follower would do.

Two actions make a line, three a triangle. Blue is what the leader gets; orange is where the follower changes its mind.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.tri import Triangulation

from .. import _boundary as boundary
from .._errors import InputError
from .._record import Record
from . import style


CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(3.0) / 2.0]])

MARKERS = {"nash": "D", "pure": "s", "sse": "o", "qse": "*"}


def landscape(record: Record) -> Figure:
    """Columns `commitment (n, a)`, `promised`, `paid` (both `(n,)`), `follower_payoff (n, b)`; a = 2 or 3.

    Attributes: `leader_actions`, `follower_actions`, `follower` (in words), `title`, and `marks`, a list of
    `{"label", "symbol", "commitment", "value"}`; `"hollow": true` for what is promised rather than paid.
    """
    actions = record["commitment"].shape[1]
    if actions not in (2, 3):
        raise InputError(
            boundary.SHAPE,
            "record.commitment",
            found=f"the leader has {actions} actions",
            allowed="a landscape can be drawn for 2 or 3",
            remedy="Draw the rationality curve or the solution instead.",
        )
    figure = style.canvas(7.6, 4.6) if actions == 2 else style.canvas(7.4, 5.6)
    axes = figure.add_subplot()
    (line if actions == 2 else triangle)(axes, record)
    return figure


def line(axes: Axes, record: Record) -> None:
    """Two actions: the promise and what is paid, against the probability of the first action."""
    order = np.argsort(record["commitment"][:, 0], kind="stable")
    share, promised, paid = record["commitment"][order, 0], record["promised"][order], record["paid"][order]
    plays = np.argmax(record["follower_payoff"][order], axis=1)
    cuts = [0, *(np.flatnonzero(np.diff(plays)) + 1).tolist(), len(plays)]
    for start, stop in pairwise(cuts):
        left, right = _edge(share, start), _edge(share, stop)
        action = int(plays[start])
        axes.axvspan(left, right, color=(style.FOLLOWER_FAINT, "white")[action % 2], lw=0, zorder=0)
        _answer(axes, (left + right) / 2, right - left, str(record.attributes["follower_actions"][action]))
        label = "promised: the follower optimises" if start == 0 else None
        axes.plot(share[start:stop], promised[start:stop], color=style.LEADER_LIGHT, lw=2.6, label=label)
    for cut in cuts[1:-1]:
        axes.axvline(_edge(share, cut), color=style.FOLLOWER, lw=1.3)
    axes.plot(share, paid, color=style.LEADER, lw=2.6, label=f"paid: {_follower(record)}")
    for mark in record.attributes.get("marks", ()):
        _mark(axes, mark, (mark["commitment"][0], mark["value"]), style.LEADER)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.16 * (high - low))
    axes.set_xlim(0, 1)
    axes.grid(visible=False, axis="x")
    axes.set_xlabel(f"probability of the leader's action {record.attributes['leader_actions'][0]}")
    axes.set_ylabel("leader's value (payoff)")
    axes.set_title(record.attributes.get("title") or "What each commitment is worth")
    axes.legend(loc="lower left")


def triangle(axes: Axes, record: Record) -> None:
    """Three actions: shades of the leader's value over the simplex, and the borders of the follower's answers."""
    points = record["commitment"] @ CORNERS
    mesh = Triangulation(points[:, 0], points[:, 1])
    shades = axes.tricontourf(mesh, record["paid"], levels=28, cmap=style.VALUE_MAP)
    shades.set_edgecolor("face")  # no hairlines between shades in the SVG
    shades.set_rasterized(True)
    _borders(axes, mesh, points, record)
    axes.plot(*np.vstack([CORNERS, CORNERS[:1]]).T, color=style.INK, lw=1.2, zorder=3)
    for mark in record.attributes.get("marks", ()):
        place = np.asarray(mark["commitment"]) @ CORNERS
        _mark(axes, mark, (float(place[0]), float(place[1])), style.INK)
    names = record.attributes["leader_actions"]
    for corner, name, offset, side in zip(CORNERS, names, (-15, -15, 6), ("left", "right", "center"), strict=True):
        axes.annotate(
            f"{name}", (corner[0], corner[1]), xytext=(0, offset), textcoords="offset points", ha=side,
            color=style.LEADER, fontweight="bold",
        )  # fmt: skip
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_title(record.attributes.get("title") or "What each commitment is worth", pad=22)
    figure = axes.get_figure(root=True)
    assert figure is not None
    bar = figure.colorbar(shades, ax=axes, shrink=0.72, pad=0.03, aspect=24)
    bar.locator = style.few_ticks()
    bar.update_ticks()
    bar.outline.set_visible(False)
    bar.set_label(f"leader's value (payoff)\n{_follower(record)}")
    if record.attributes.get("marks"):
        axes.legend(loc="upper left", handletextpad=0.4, bbox_to_anchor=(-0.04, 1.02))


def _borders(axes: Axes, mesh: Triangulation, points: np.ndarray, record: Record) -> None:
    payoff = record["follower_payoff"]
    plays = np.argmax(payoff, axis=1)
    for action in np.unique(plays):
        others = np.max(np.delete(payoff, action, axis=1), axis=1) if payoff.shape[1] > 1 else payoff[:, 0] - 1.0
        margin = payoff[:, action] - others
        if margin.min() < 0.0 < margin.max():
            axes.tricontour(mesh, margin, levels=[0.0], colors=style.FOLLOWER, linewidths=1.8)
        across, up = points[plays == action].mean(axis=0)
        name = str(record.attributes["follower_actions"][int(action)])
        box = {"boxstyle": "round,pad=0.3", "fc": "white", "ec": "none", "alpha": 0.88}
        axes.text(across, up, name, color=style.FOLLOWER, ha="center", va="center", fontweight="bold", bbox=box)


def _answer(axes: Axes, centre: float, width: float, name: str) -> None:
    words = f"follower's best answer: {name}" if width > 0.34 else name
    axes.annotate(
        words, (centre, 1.0), xycoords=("data", "axes fraction"), xytext=(0, -15), textcoords="offset points",
        ha="center", color=style.FOLLOWER,
    )  # fmt: skip


def _mark(axes: Axes, mark: dict[str, Any], place: tuple[float, float], edge: str) -> None:
    hollow = mark.get("hollow", False) or edge == style.INK
    axes.plot(
        *place,
        marker=MARKERS.get(mark.get("symbol", "sse"), "o"),
        markersize=16 if mark.get("symbol") == "qse" else 9,
        markerfacecolor="white" if hollow else edge,
        markeredgecolor=edge if hollow else "white",
        markeredgewidth=1.5 if hollow else 1.0,
        ls="none",
        zorder=5,
        clip_on=False,
        label=mark["label"],
    )


def _edge(share: np.ndarray, index: int) -> float:
    """Where one answer ends and the next begins: half way between two commitments that were tried."""
    if index in (0, len(share)):
        return float(share[min(index, len(share) - 1)])
    return float((share[index - 1] + share[index]) / 2)


def _follower(record: Record) -> str:
    return record.attributes.get("follower", "the follower as described")
