"""One look for every picture: blue is the leader's, orange is the follower's, grey is neither.

The pair is told apart with every common colour vision (Okabe and Ito's blue and vermilion, darkened for white paper).
Nothing global is changed: the settings hold inside `drawing()` and are gone after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from .cells import visible


LEADER = "#0B5FA5"
LEADER_LIGHT = "#9CC3E6"
LEADER_FAINT = "#E3EEF8"
FOLLOWER = "#C8500A"
FOLLOWER_LIGHT = "#F0B48A"
FOLLOWER_FAINT = "#FCEBDD"
INK = "#22272E"
GREY = "#7A828C"
FAINT = "#D9DDE2"

SHADES: dict[str, tuple[str, str, str]] = {
    "leader": (LEADER, "#4A8FC7", "#07355E"),
    "follower": (FOLLOWER, "#DE7A38", "#6E2A03"),
    "neither": (INK, GREY, "#4E5A68"),
}
"""By seat, what tells settings apart: its own colour first. Each has a contrast of 3 or more on white."""

DASHES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (1.2, 1.4)), (0, (6, 1.6, 1.2, 1.6)))

VALUE_MAP = LinearSegmentedColormap.from_list("leader_value", ["#F5F9FC", "#D3E4F3", LEADER_LIGHT, "#4F93CB", LEADER])
CHANCE_MAP = LinearSegmentedColormap.from_list(
    "follower_chance", ["#FEF8F3", "#FBE0CC", FOLLOWER_LIGHT, "#E0813F", FOLLOWER]
)
INK_MAP = LinearSegmentedColormap.from_list("ink", ["#F4F5F6", FAINT, "#A9B0B8", GREY, INK])

SETTINGS: dict[Any, Any] = {
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 10.5,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlepad": 9.0,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same picture on every machine
    "font.size": 10.0,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
    "savefig.dpi": 200.0,
    "svg.fonttype": "path",
    "svg.hashsalt": "stackelberg",  # the same bytes for the same numbers
    "text.color": INK,
    "text.parse_math": False,  # what people write is shown as it stands, dollar signs too
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
}


@contextmanager
def drawing() -> Iterator[None]:
    """The settings of this package, for the length of a `with` block."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)
        yield


def canvas(width: float = 7.2, height: float = 4.4, **options: Any) -> Figure:
    """An empty figure in inches, laid out so that labels never overlap; no window is ever opened."""
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(h_pad=0.08), **options)
    FigureCanvasAgg(figure)
    return figure


def stroke(seat: str, place: int) -> dict[str, Any]:
    """Colour and dashes of the line of setting number `place` (from 0); twelve differ, then they repeat."""
    return {"color": SHADES[seat][place % 3], "ls": DASHES[place % 4]}


def label(text: object, limit: int = 60) -> str:
    """`text` for a picture: one line, nothing hidden, not endless; a box stands for what the font does not have."""
    shown = visible(text, limit)
    return "".join(mark if ord(mark) in _glyphs() else "\u25a1" for mark in shown)


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def few_ticks() -> MaxNLocator:
    """Round numbers, five or so."""
    return MaxNLocator(5)


def readable_on(background: Any) -> str:
    """White or ink, whichever has the higher contrast on a colour (the ratio of WCAG 2)."""
    ground, ink = _luminance(background), _luminance(INK)
    return "white" if 1.05 / (ground + 0.05) > (ground + 0.05) / (ink + 0.05) else INK


def _luminance(colour: Any) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
