"""How the leader's best value and commitment change with the follower's rationality."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import _boundary as boundary
from ..._record import Record
from ...calculus.precision import exact
from ...followers.quantal_response import QuantalResponse
from ...games.normal_form import NormalFormGame
from ..normal_form.multiple_lps import MultipleLPs
from .batch import quantal_batch


NUM_POINTS = 61
FROM, TO = 0.05, 200.0


@exact
def rationality_curve(game: NormalFormGame, inverse_temperatures: Any = None) -> Record:
    """The best value against a quantal follower of each inverse temperature, and the commitment that reaches it.

    - `inverse_temperatures`: finite, at least 0; by default 61 points from 0.05 to 200, each divided by the range
      of the follower's payoffs.

    Columns: `inverse_temperature`, `leader_value`, `upper` (proven), `commitment` `(n, a)`, and `promise_paid`: what
    the strong Stackelberg commitment, computed for a follower that never errs, is worth against this one. Attribute
    `asymptote`: the strong Stackelberg value. The curve need not be monotone, and the maximiser may jump.
    """
    if inverse_temperatures is None:
        inverse_temperatures = np.geomspace(FROM, TO, NUM_POINTS) / _range(game)
    rates = boundary.real_array("inverse_temperatures", inverse_temperatures, axes=("n",), low=0.0)
    leader_payoff, follower_payoff = (
        np.repeat(np.asarray(payoff)[None], len(rates), axis=0) for payoff in (game.leader_payoff, game.follower_payoff)
    )
    best = quantal_batch(leader_payoff, follower_payoff, rates)
    strong = MultipleLPs()(game)
    promise = [
        game.leader_value(strong.commitment, QuantalResponse(float(rate))(game, strong.commitment)) for rate in rates
    ]
    return Record(
        "rationality",
        {
            "inverse_temperature": rates,
            "leader_value": best.leader_values,
            "upper": best.upper_bounds,
            "commitment": best.commitments,
            "promise_paid": np.array(promise, dtype=np.float64),
        },
        {
            "title": game.title,
            "asymptote": float(strong.leader_value),
            "strong_commitment": np.asarray(strong.commitment).tolist(),
            "leader_actions": list(game.leader_actions),
            "method": "ascent and branch and bound at every point",
        },
    )


def _range(game: NormalFormGame) -> float:
    span = float(np.max(game.follower_payoff)) - float(np.min(game.follower_payoff))
    return span if 0.0 < span < np.inf else 1.0
