"""How far the leader's returns can lie apart in a Markov game: the unit of tolerances there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...games.markov import MarkovGame


EPS = np.finfo(np.float64).eps


class Returns(NamedTuple):
    """Of the leader.

    - `span`: largest minus smallest possible return, each stage at its extremes; no constant added to the rewards
      changes it.
    - `rounding`: what evaluating one policy may lose or gain by rounding.
    """

    span: float
    rounding: float


def returns(game: MarkovGame) -> Returns:
    """The range of the leader's returns over all stages (discounted), and the rounding of one of them."""
    num_stages = np.inf if game.horizon is None else game.horizon
    discount = float(game.leader_discount)
    stages = num_stages if discount == 1.0 else (1.0 - discount**num_stages) / (1.0 - discount)
    rewards = np.asarray(game.leader_reward)
    work = 64 + game.shape[0] + game.shape[1] + game.shape[2]
    return Returns(float(np.ptp(rewards) * stages), float(work * EPS * stages * np.max(np.abs(rewards)) * 4.0))
