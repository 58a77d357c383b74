"""Pictures of laws: how something falls or grows over decades, on plain axes, and a sample against its limit."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from scipy import stats

from .._record import Record
from . import style


def power_law(record: Record) -> Figure:
    """Columns `across (k,)`, `middle`, `low`, `high` (each `(k, curves)`); both axes are logarithmic.

    Attributes: `names` of the curves, `guides` (exponents drawn as dotted lines), `x_label`, `y_label`, `title`.
    """
    figure, axes = _banded(record)
    across, middle = record["across"], record["middle"]
    start = float(np.nanmin(middle[middle > 0.0])) if np.any(middle > 0.0) else 1.0
    for exponent in record.attributes.get("guides", ()):
        # Rising guides end where the first curve ends, falling ones begin where the highest begins.
        anchor = float(middle[-1, 0]) if exponent > 0 else float(np.nanmax(middle[0]))
        base = across[-1] if exponent > 0 else across[0]
        guide = anchor * (across / base) ** exponent
        guide = np.where(guide >= 0.3 * start, guide, np.nan)
        axes.plot(across, guide, color=style.GREY, ls=":", lw=1.2, label=f"slope {exponent:g}")
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        low, high = axis.get_view_interval()
        # Less than a decade may hold one labelled tick or none: 2 and 5 are labelled too.
        axis.set_minor_formatter(FuncFormatter(_halfway) if high < 20.0 * low else NullFormatter())
    return _labelled(figure, axes, record)


def plain_curves(record: Record) -> Figure:
    """The same columns and attributes, without guides, on plain axes; with `is_log_across` the first is logarithmic."""
    figure, axes = _banded(record)
    if record.attributes.get("is_log_across"):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.axhline(0.0, color=style.INK, lw=0.8)
    return _labelled(figure, axes, record)


def _banded(record: Record) -> tuple[Figure, Axes]:
    """Each curve with its band."""
    figure = style.canvas(8.4, 4.6)
    axes = figure.add_subplot()
    across, middle = record["across"], record["middle"]
    for place, name in enumerate(record.attributes["names"]):
        stroke = style.stroke("leader", place)
        axes.fill_between(
            across, record["low"][:, place], record["high"][:, place], color=stroke["color"], alpha=0.15, lw=0
        )
        axes.plot(across, middle[:, place], label=style.label(name), lw=1.8, **stroke)
    return figure, axes


def _labelled(figure: Figure, axes: Axes, record: Record) -> Figure:
    axes.set_xlabel(record.attributes["x_label"])
    axes.set_ylabel(record.attributes["y_label"])
    axes.set_title(record.attributes["title"])
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), title=record.attributes.get("interval", "95% intervals"))
    return figure


def _halfway(value: float, _: int) -> str:
    """The label of a minor tick: the number where its first digit is a 2 or a 5, nothing elsewhere."""
    first = round(value / 10.0 ** np.floor(np.log10(value) + 1e-9))
    return f"{value:,g}" if first in (2, 5) else ""


def likelihood_ratio(record: Record) -> Figure:
    """Columns of statistics, one for each sample size, against a χ² density with `degrees` degrees of freedom.

    Attributes: `names`, `degrees`, `title`.
    """
    figure = style.canvas(7.2, 4.4)
    axes = figure.add_subplot()
    degrees = record.attributes["degrees"]
    top = float(stats.chi2.ppf(0.999, degrees))
    bins = int(np.clip(2.0 * np.sqrt(len(record["statistic"])), 8, 40))
    edges, shades = np.linspace(0.0, top, bins + 1), (style.FOLLOWER_LIGHT, style.FOLLOWER, style.INK)
    for place, name in enumerate(record.attributes["names"]):
        values = np.minimum(record["statistic"][:, place], top)
        axes.hist(values, edges.tolist(), density=True, histtype="step", lw=1.4, color=shades[place % 3], label=name)
    fine = np.linspace(1e-3, top, 300)
    axes.plot(fine, stats.chi2.pdf(fine, degrees), color=style.INK, ls="--", lw=1.4, label=f"χ², {degrees} degrees")
    axes.set_xlabel("twice the log-likelihood ratio (nats)")
    axes.set_ylabel("density")
    axes.set_title(record.attributes["title"])
    axes.legend(loc="upper right")
    return figure
