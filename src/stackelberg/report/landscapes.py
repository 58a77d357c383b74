"""The leader's value over everything it could announce, with what the follower would do.

Two actions make a line, three a triangle. Blue is what the leader gets; orange is where the follower changes its mind.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.tri import Triangulation, TriContourSet

from .. import _boundary as boundary
from .._errors import InputError
from .._record import Record
from . import style


CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(3.0) / 2.0]])

MARKERS = {"nash": "D", "pure": "s", "sse": "o", "qse": "*"}


def landscape(record: Record) -> Figure:
    """Columns `commitment (n, a)`, `promised`, `paid`, `best_response` (all `(n,)`); a = 2 or 3.

    Three actions also need what each answer pays both players, `leader_payoff` and `follower_payoff` `(n, b)`.

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
    return line(record) if actions == 2 else triangles(record)


def line(record: Record) -> Figure:
    """Two actions: the promise and what is paid, against the probability of the first action."""
    figure = style.canvas(7.6, 4.6)
    axes = figure.add_subplot()
    order = np.argsort(record["commitment"][:, 0], kind="stable")
    share, promised, paid = record["commitment"][order, 0], record["promised"][order], record["paid"][order]
    plays = record["best_response"][order]
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
    return figure


def triangles(record: Record) -> Figure:
    """Three actions: the simplex twice, with what is promised on the left and what is paid on the right."""
    figure = style.canvas(10.4, 5.0)
    points = record["commitment"] @ CORNERS
    mesh = Triangulation(points[:, 0], points[:, 1])
    values = np.concatenate([record["promised"], record["paid"]])
    levels = np.linspace(values.min(), max(values.max(), values.min() + 1e-9), 33)
    sides = figure.subplots(1, 2)
    titles = {"promised": "the follower optimises", "paid": _follower(record)}
    shades = [_shades(axes, mesh, record, column, levels) for axes, column in zip(sides, titles, strict=True)]
    for axes, (column, words) in zip(sides, titles.items(), strict=True):
        _borders(axes, mesh, points, record)
        axes.plot(*np.vstack([CORNERS, CORNERS[:1]]).T, color=style.INK, lw=1.2, zorder=3)
        _corners(axes, record.attributes["leader_actions"])
        axes.set_title(f"{column}: {words}", color=style.LEADER, pad=20)
        axes.set_aspect("equal")
        axes.set_axis_off()
        for mark in record.attributes.get("marks", ()):
            if mark.get("hollow", False) == (column == "promised"):
                across, up = np.asarray(mark["commitment"]) @ CORNERS
                _mark(axes, mark, (float(across), float(up)), style.INK)
                axes.legend(loc="upper center", handletextpad=0.3, ncols=2, bbox_to_anchor=(0.5, -0.06))
    bar = figure.colorbar(shades[-1], ax=sides, shrink=0.72, pad=0.02, aspect=24)
    bar.locator = style.few_ticks()
    bar.update_ticks()
    bar.outline.set_visible(False)
    bar.set_label("leader's value (payoff)")
    if title := record.attributes.get("title"):
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


def _shades(axes: Axes, mesh: Triangulation, record: Record, column: str, levels: np.ndarray) -> TriContourSet:
    """The leader's value in blue. A promise leaps at the borders: each answer is shaded and cut out on its own."""
    settings: dict[str, Any] = {"levels": levels, "cmap": style.VALUE_MAP}
    if column == "paid":
        return _smooth(axes.tricontourf(mesh, record["paid"], **settings))
    shades = None
    for action in np.unique(record["best_response"]).tolist():
        shades = _smooth(axes.tricontourf(mesh, record["leader_payoff"][:, action], **settings))
        margin = _margin(record, action)
        if margin.min() < 0.0 < margin.max():
            region = axes.tricontourf(mesh, margin, levels=[0.0, 2.0 * margin.max()], alpha=0.0)
            shades.set_clip_path(region.get_paths()[0], transform=axes.transData)
            region.remove()
    assert shades is not None
    return shades


def _smooth(shades: TriContourSet) -> TriContourSet:
    shades.set_edgecolor("face")  # no hairlines between shades in the SVG
    shades.set_rasterized(True)
    return shades


def _margin(record: Record, action: int) -> np.ndarray:
    """How much better `action` is for the follower than any other; 0 on the border of its region."""
    payoff = record["follower_payoff"]
    return payoff[:, action] - np.max(np.delete(payoff, action, axis=1), axis=1, initial=-np.inf)


def _corners(axes: Axes, names: list[str]) -> None:
    for corner, name, drop, side in zip(CORNERS, names, (-15, -15, 6), ("left", "right", "center"), strict=True):
        axes.annotate(
            f"{name}", (corner[0], corner[1]), xytext=(0, drop), textcoords="offset points", ha=side,
            color=style.LEADER, fontweight="bold",
        )  # fmt: skip


def _borders(axes: Axes, mesh: Triangulation, points: np.ndarray, record: Record) -> None:
    """Where the follower is indifferent between its best answers, and the name of each answer inside its region."""
    plays = record["best_response"]
    marks = [np.asarray(mark["commitment"]) @ CORNERS for mark in record.attributes.get("marks", ())]
    for action in np.unique(plays).tolist():
        margin = _margin(record, action)
        if margin.min() < 0.0 < margin.max():
            axes.tricontour(mesh, margin, levels=[0.0], colors=style.FOLLOWER, linewidths=1.8)
        across, up = _roomiest(points, record["commitment"], plays == action, marks)
        name = str(record.attributes["follower_actions"][int(action)])
        box = {"boxstyle": "round,pad=0.3", "fc": "white", "ec": "none", "alpha": 0.88}
        axes.text(across, up, name, color=style.FOLLOWER, ha="center", va="center", fontweight="bold", bbox=box)


def _roomiest(points: np.ndarray, shares: np.ndarray, inside: np.ndarray, marks: list[np.ndarray]) -> np.ndarray:
    """The point of a region that is farthest from its border, from the edges of the triangle and from every mark."""
    candidates, edge = points[inside][::3], shares[inside][::3].min(axis=1) * CORNERS[2, 1]
    obstacles = [point[None] for point in marks] + [points[~inside][::3]]
    nearest = [np.linalg.norm(candidates[:, None] - many[None], axis=-1).min(axis=1) for many in obstacles if len(many)]
    return candidates[np.argmax(np.min([edge, *nearest], axis=0))]


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
        markersize=15 if mark.get("symbol") == "qse" else 9,
        markerfacecolor="white" if hollow else edge,
        markeredgecolor=edge if hollow else "white",
        markeredgewidth=1.5 if hollow else 1.0,
        ls="none",
        zorder=5,
        clip_on=False,
        label=f"{mark['label']}: {mark['value']:.4g}",
    )


def _edge(share: np.ndarray, index: int) -> float:
    """Where one answer ends and the next begins: half way between two commitments that were tried."""
    if index in (0, len(share)):
        return float(share[min(index, len(share) - 1)])
    return float((share[index - 1] + share[index]) / 2)


def _follower(record: Record) -> str:
    return record.attributes.get("follower", "the follower as described")
