"""The leader's best value against followers of every inverse temperature, to be drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .. import _boundary as boundary
from .._record import Record
from ..followers.quantal_response import QuantalResponse
from ..games.normal_form import NormalFormGame
from .multiple_lps import MultipleLPs
from .quantal_stackelberg import QuantalStackelberg


def rationality_curve(
    game: NormalFormGame,
    inverse_temperatures: Sequence[float] | np.ndarray | None = None,
    *,
    tolerance: float = 1e-6,
    advance: Callable[[], None] = lambda: None,
) -> Record:
    """The certified optimum against a quantal follower, one inverse temperature after the other.

    Left out, `inverse_temperatures` are 61 values from a tenth to a hundred over the follower's payoff range. Columns:
    `inverse_temperature (n,)`, `leader_value (n,)` with `lower` and `upper`, `commitment (n, a)`, and `textbook (n,)`,
    what the strong Stackelberg commitment is paid by the same followers; attribute `asymptote`, the strong Stackelberg
    value. `advance` is called after each solve.
    """
    precision = _default(game) if inverse_temperatures is None else inverse_temperatures
    precision = boundary.real_array("inverse_temperatures", precision, axes=("n",), low=0.0)
    strong = MultipleLPs()(game)
    rows = []
    for value in precision:
        human = QuantalResponse(float(value))
        solved = QuantalStackelberg(human, tolerance=tolerance)(game)
        textbook = float(game.leader_value(strong.commitment, human(game, strong.commitment)))
        rows.append((solved, textbook))
        advance()
    certificates = [solved.certificate for solved, _ in rows]
    return Record(
        "rationality",
        {
            "inverse_temperature": precision,
            "leader_value": np.array([float(solved.leader_value) for solved, _ in rows]),
            "lower": np.array([certificate.lower for certificate in certificates]),
            "upper": np.array([certificate.upper for certificate in certificates]),
            "commitment": np.stack([solved.commitment for solved, _ in rows]),
            "textbook": np.array([textbook for _, textbook in rows]),
        },
        {"asymptote": float(strong.leader_value), "leader_actions": list(game.leader_actions), "unit": "1/payoff"},
    )


def _default(game: NormalFormGame) -> np.ndarray:
    spread = float(np.ptp(np.asarray(game.follower_payoff)))
    return np.geomspace(0.1, 100.0, 61) / (spread if spread > 0.0 else 1.0)
