"""Answers as text for people."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..games.base import AbstractGame
from ..games.files import game_to_json
from ..report.tables import Table
from .plans import FOLLOWER_NAMES, LEADER_NAMES, Plan, action_names, describe


MOST_CELLS = 400


def of_plan(plan: Plan) -> str:
    """Game, follower, value, certificate, then the commitment and the response as tables."""
    certificate = plan.answer["certificate"]
    facts = [
        ("game", str(getattr(plan.game, "title", "")) or type(plan.game).__name__),
        ("follower", describe(plan.follower)),
        ("leader's value", f"{plan.answer['leader_value']:.10g}"),
        ("follower's value", f"{plan.answer['follower_value']:.10g}"),
        ("certificate", of_certificate(certificate)),
        ("", str(certificate["method"])),
        *(("note", note) for note in certificate["notes"]),
        ("method", str(plan.answer["method"])),
    ]
    parts = [Table(("", ""), facts).plain()]
    for title, values, fields in (
        ("leader announces", plan.answer["commitment"], LEADER_NAMES),
        ("follower answers", plan.answer["response"], FOLLOWER_NAMES),
    ):
        parts.append(_strategy(title, np.asarray(values), plan.game, fields))
    return "\n\n".join(parts)


def of_certificate(certificate: dict[str, Any]) -> str:
    """Status, bounds, gap and the follower's regret in one line."""
    low, high, gap, regret = (float(certificate[name]) for name in ("lower", "upper", "gap", "follower_regret"))
    return (
        f"{certificate['status']}: best value in [{low:.8g}, {high:.8g}], gap {gap:.2g}; follower's regret {regret:.2g}"
    )


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


def _strategy(title: str, values: np.ndarray, game: Any, fields: tuple[str, ...]) -> str:
    """One column, or one for each action where there are several strategies; larger arrays are only described."""
    if values.ndim > 2 or values.size > MOST_CELLS:
        return f"{title}: an array of shape {values.shape}; --json or --out gives it all"
    names = action_names(game, values.shape[-1], *fields)
    if values.ndim == 2:
        rows = [(f"  {number}", *(f"{value:.6f}" for value in row)) for number, row in enumerate(values, 1)]
        return Table((title, *names), rows, right=frozenset(names)).plain()
    header = "probability" if np.all((values >= 0.0) & (values <= 1.0)) else "amount"
    rows = [(f"  {name}", f"{value:.6f}") for name, value in zip(names, values, strict=True)]
    return Table((title, header), rows, right=frozenset({header})).plain()
