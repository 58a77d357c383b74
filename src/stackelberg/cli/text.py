"""Answers as text for people."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from typing import Any

import numpy as np

from ..games.base import AbstractGame
from ..games.files import game_to_json
from ..report.tables import Table
from .plans import Plan, describe
from .strategies import announced, answered, strategy


DIGITS = 10


def of_plan(plan: Plan) -> str:
    """Game, follower, value, certificate, then the commitment and the response as tables."""
    certificate = plan.answer["certificate"]
    facts = [
        ("game", str(getattr(plan.game, "title", "")) or type(plan.game).__name__),
        ("follower", describe(plan.follower)),
        ("leader's value", f"{plan.answer['leader_value']:.{DIGITS}g}"),
        ("follower's value", f"{plan.answer['follower_value']:.{DIGITS}g}"),
        ("certificate", of_certificate(certificate)),
        ("", str(certificate["method"])),
        *(("note", note) for note in certificate["notes"]),
        ("method", str(plan.answer["method"])),
    ]
    parts = [Table(("", ""), facts).plain()]
    return "\n\n".join(
        [*parts, strategy("leader announces", announced(plan)), strategy("follower answers", answered(plan))]
    )


def of_certificate(certificate: dict[str, Any]) -> str:
    """Status, bounds, gap and the follower's regret in one line; the bounds are rounded outwards."""
    low, high, gap, regret = (float(certificate[name]) for name in ("lower", "upper", "gap", "follower_regret"))
    interval = f"[{rounded(low, ROUND_FLOOR)}, {rounded(high, ROUND_CEILING)}]"
    return f"{certificate['status']}: best value in {interval}, gap {gap:.2g}; follower's regret {regret:.2g}"


def rounded(number: float, direction: str) -> str:
    """`number` in ten significant digits, rounded towards one side: what is printed then bounds what is not."""
    if not math.isfinite(number):
        return str(number)
    exact = Context(prec=DIGITS, rounding=direction).create_decimal_from_float(number)
    return f"{float(exact):.{DIGITS}g}"


def of_game(game: AbstractGame) -> str:
    """The fields of a game, matrices aligned."""
    lines = []
    for name, value in game_to_json(game).items():
        array = np.asarray(value) if isinstance(value, list) and value else None
        if array is None or array.dtype.kind not in "fi":
            lines.append(f"{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}")
        else:
            shown = np.array2string(array, max_line_width=110, threshold=400, precision=6, suppress_small=True)
            lines.append(f"{name}:\n  " + shown.replace("\n", "\n  "))
    return "\n".join(lines)
