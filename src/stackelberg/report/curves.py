"""Pictures with one thing against another: rationality, estimation, response, demand, stress, a solution."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from .._record import Record
from . import style


SHADES = ("-", "--", ":", "-.")
FOLLOWERS = (style.FOLLOWER, style.FOLLOWER_LIGHT)


def rationality(record: Record) -> Figure:
    """Columns `inverse_temperature (n,)`, `leader_value (n,)`, `commitment (n, a)`; attribute `asymptote`.

    Above, the best value against a follower of each inverse temperature; below, the commitment that reaches it. The
    optional column `promise_paid` is what the strong Stackelberg commitment is paid by the same followers.
    """
    figure = style.canvas(7.2, 5.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    precision, value = record["inverse_temperature"], record["leader_value"]
    leaps = jumps(precision, record["commitment"])
    upper.plot(precision, value, color=style.LEADER, label="best commitment against this follower")
    if "promise_paid" in record.columns:
        label = "strong Stackelberg commitment against this follower"
        upper.plot(precision, record["promise_paid"], color=style.LEADER_LIGHT, label=label)
    if (limit := record.attributes.get("asymptote")) is not None:
        label = f"strong Stackelberg value {limit:.4g}, the limit"
        upper.axhline(limit, color=style.GREY, ls="--", lw=1.2, label=label)
    if len(leaps):
        upper.plot([], [], color=style.INK, ls=":", lw=1.1, label="here the best commitment jumps")
    figure.legend(*upper.get_legend_handles_labels(), loc="outside lower left", ncols=2)
    upper.set_ylabel("leader's value (payoff)")
    upper.set_title(record.attributes.get("title") or "How rational the follower is, and what that is worth")
    names = record.attributes.get("leader_actions") or range(1, record["commitment"].shape[1] + 1)
    _shares(lower, precision, record["commitment"], [str(name) for name in names])
    for axes in (upper, lower):
        for place in leaps:
            axes.axvline(place, color=style.INK, ls=":", lw=1.1)
    lower.set_ylabel("commitment (probability)")
    lower.set_xlabel("follower's inverse temperature (1/payoff)")
    lower.set_xscale("log")
    lower.set_xlim(precision[0], precision[-1])
    lower.xaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:g}"))
    lower.xaxis.set_minor_locator(NullLocator())
    return figure


def jumps(across: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Where the best commitment leaps: between neighbours that differ by a third or more of all probability."""
    leap = np.abs(np.diff(shares, axis=0)).sum(axis=1) / 2 > 1 / 3
    return np.sqrt(across[:-1][leap] * across[1:][leap])


def _shares(axes: Axes, across: np.ndarray, shares: np.ndarray, names: list[str]) -> None:
    """Stacked probabilities, darkest for the first action; each is named inside its own area, where that is widest."""
    tints = np.linspace(1.0, 0.2, shares.shape[1])
    edges = np.hstack([np.zeros((len(across), 1)), np.cumsum(shares, axis=1)])
    for action, name in enumerate(names):
        low, high = edges[:, action], edges[:, action + 1]
        axes.fill_between(across, low, high, color=style.VALUE_MAP(tints[action]), lw=0)
        start, stop = _longest_run(shares[:, action] > 0.2)
        if stop - start > len(across) // 8:
            middle = (start + stop) // 2
            axes.text(
                across[middle], (low[middle] + high[middle]) / 2, f"action {name}" if name.isdigit() else name,
                ha="center", va="center", color="white" if tints[action] > 0.7 else style.INK,
            )  # fmt: skip
    axes.set_ylim(0, 1)
    axes.grid(visible=False)


def _longest_run(mask: np.ndarray) -> tuple[int, int]:
    """The longest stretch over which `mask` holds, half open."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    runs = edges.reshape(-1, 2)
    return (0, 0) if len(runs) == 0 else tuple(runs[np.argmax(runs[:, 1] - runs[:, 0])].tolist())


def estimation(record: Record) -> Figure:
    """Columns `num_plays (k,)`, `estimate`, `low`, `high` (each `(k,)`), `each (k, seeds)`; attribute `truth`."""
    figure = style.canvas(7.2, 4.4)
    axes = figure.add_subplot()
    plays, truth = record["num_plays"], record.attributes["truth"]
    axes.plot(plays, record["each"], color=style.FOLLOWER_LIGHT, lw=0.7, alpha=0.55)
    axes.fill_between(
        plays, record["low"], record["high"], color=style.FOLLOWER_LIGHT, alpha=0.45, lw=0,
        label=record.attributes.get("interval", "95% interval"),
    )  # fmt: skip
    axes.plot(plays, record["estimate"], color=style.FOLLOWER, marker="o", ms=5, label="estimate (median over seeds)")
    axes.axhline(truth, color=style.INK, ls="--", lw=1.2, label=f"truth {truth:g}")
    axes.set_xscale("log")
    axes.set_xticks(plays, [f"{int(count):,}" for count in plays])
    axes.xaxis.set_minor_locator(NullLocator())
    _show_all(axes, np.concatenate([record[name].ravel() for name in ("each", "low", "high")]), 3.0 * truth)
    axes.set_xlabel("plays observed")
    axes.set_ylabel("inverse temperature (1/payoff)")
    axes.set_title(record.attributes.get("title") or "What watching the follower teaches")
    axes.legend(loc="upper right")
    return figure


def _show_all(axes: Axes, values: np.ndarray, most: float) -> None:
    """A vertical axis that holds every value up to `most`; how many entries lie above it is said where they leave."""
    finite = values[np.isfinite(values)]
    inside = finite[finite <= most]
    low, high = (0.0, most) if len(inside) == 0 else (float(inside.min()), float(inside.max()))
    above = int(np.sum(values > most))
    margin = 0.06 * (high - low) or 0.5
    axes.set_ylim(max(0.0, low - margin), most if above else high + margin)
    if above:
        axes.annotate(
            f"↑ {above} of {len(values)} numbers lie above {most:g}", (0.02, 0.98), xycoords="axes fraction", va="top",
            color=style.GREY,
        )  # fmt: skip


def response(record: Record) -> Figure:
    """Columns `share (n,)`, `response (n, b)`: how likely each answer is as the commitment moves along a line.

    With `observed`, `low` and `high` `(n, b)`, what was seen is drawn as points with their intervals.
    """
    figure = style.canvas(7.2, 4.2)
    axes = figure.add_subplot()
    share = record["share"]
    for action, name in enumerate(_names(record, "follower_actions", record["response"].shape[1])):
        dashes, colour = SHADES[action % len(SHADES)], FOLLOWERS[action // len(SHADES) % len(FOLLOWERS)]
        axes.plot(share, record["response"][:, action], label=name, ls=dashes, color=colour)
        if "observed" in record.columns:
            seen, low, high = (record[column][:, action] for column in ("observed", "low", "high"))
            bars = np.maximum(np.stack([seen - low, high - seen]), 0.0)
            axes.errorbar(share, seen, yerr=bars, fmt="osD^"[action % 4], ms=4.5, lw=1.0, color=colour)
    axes.set_ylim(0, 1)
    axes.set_xlim(share.min(), share.max())
    axes.set_xlabel(record.attributes.get("across", "probability of the leader's first action"))
    axes.set_ylabel("probability of the follower's action")
    axes.set_title(record.attributes.get("title") or "How the follower answers")
    axes.legend(title="follower's action")
    return figure


def demand(record: Record) -> Figure:
    """Columns `before`, `after` (demand per period), `price_before`, `price_after`; attributes `periods` and units."""
    figure = style.canvas(7.2, 5.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    place = np.arange(len(record["before"]))
    before = record.attributes.get("before", "before")
    upper.bar(place - 0.2, record["before"], 0.38, color=style.FOLLOWER_LIGHT, label=before)
    upper.bar(place + 0.2, record["after"], 0.38, color=style.FOLLOWER, label="this tariff")
    upper.set_ylabel(f"demand ({record.attributes.get('demand_unit', 'share of households')})")
    low, high = upper.get_ylim()
    upper.set_ylim(low, high + 0.22 * (high - low))
    upper.legend(loc="upper left", ncols=2)
    upper.set_title(record.attributes.get("title") or "Demand before and after the tariff")
    edges = np.arange(len(place) + 1) - 0.5
    lower.stairs(record["price_before"], edges, baseline=None, color=style.LEADER_LIGHT, lw=2.4, label=before)
    lower.stairs(record["price_after"], edges, baseline=None, color=style.LEADER, lw=2.4, label="this tariff")
    lower.set_ylabel(f"price ({record.attributes.get('price_unit', 'money per unit')})")
    lower.set_ylim(0)
    names = record.attributes.get("periods") or [str(number + 1) for number in place]
    starts = all(":" in name for name in names)  # times of day are where a period starts, other names are of the whole
    lower.set_xticks(place - 0.5 if starts else place, names)
    lower.set_xlabel("start of the period" if starts else "period")
    lower.set_xlim(-0.5, len(place) - 0.5)
    lower.legend(loc="lower left")
    for axes in (upper, lower):
        axes.grid(visible=False, axis="x")
    return figure


def stress(record: Record) -> Figure:
    """Columns `model (m,)`, `leader_value (m,)`, `low`, `high`; attribute `planned`: the value that was expected."""
    models, value = [str(name) for name in record["model"]], record["leader_value"]
    figure = style.canvas(7.2, 1.5 + 0.38 * len(models))
    axes = figure.add_subplot()
    place = np.arange(len(models))[::-1]
    planned = record.attributes.get("planned")
    start = value if planned is None else np.full(len(value), float(planned))
    axes.hlines(place, np.minimum(start, value), np.maximum(start, value), color=style.LEADER_LIGHT, lw=3)
    if "low" in record.columns:
        axes.hlines(place, record["low"], record["high"], color=style.LEADER, lw=1.4)
    axes.plot(value, place, "o", color=style.LEADER, ms=8)
    if planned is not None:
        axes.axvline(float(planned), color=style.GREY, ls="--", lw=1.2)
        axes.annotate(
            f"the plan promised {float(planned):.3g}", (float(planned), 1.0), xycoords=("data", "axes fraction"),
            xytext=(4, 2), textcoords="offset points", color=style.GREY,
        )  # fmt: skip
    axes.set_yticks(place, models)
    axes.set_ylim(-0.6, len(models) - 0.4)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("leader's value (payoff)")
    axes.set_title(record.attributes.get("title") or "The plan under other followers", pad=16)
    return figure


def solution(record: Record) -> Figure:
    """Columns `commitment (a,)`, `response (b,)`: what to announce in blue, what the follower answers in orange."""
    left_names = _names(record, "leader_actions", len(record["commitment"]))
    right_names = _names(record, "follower_actions", len(record["response"]))
    figure = style.canvas(8.2, 1.7 + 0.3 * max(len(left_names), len(right_names)))
    left, right = figure.subplots(1, 2)
    for axes, shares, names, colour, title in (
        (left, record["commitment"], left_names, style.LEADER, "leader announces"),
        (right, record["response"], right_names, style.FOLLOWER, "follower answers"),
    ):
        place = np.arange(len(shares))[::-1]
        axes.barh(place, shares, color=colour, height=0.66)
        for row, share in zip(place, shares, strict=True):
            axes.annotate(f"{share:.3f}", (share, row), xytext=(4, 0), textcoords="offset points", va="center")
        axes.set_yticks(place, names)
        top = max(1.0, float(np.max(shares)))
        axes.set_xlim(0, 1.16 * top)
        axes.xaxis.set_major_locator(style.few_ticks())
        axes.set_xlabel(record.attributes.get("unit", "probability"))
        axes.grid(visible=False)
        axes.set_title(title, color=colour)
    if title := record.attributes.get("title"):
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


def _names(record: Record, attribute: str, count: int) -> list[str]:
    return [str(name) for name in record.attributes.get(attribute) or range(1, count + 1)]
