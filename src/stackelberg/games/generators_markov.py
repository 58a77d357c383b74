"""Markov games drawn at random, the same for the same seed."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _boundary as boundary
from .markov import MarkovGame


def random_markov_game(
    num_states: Any,
    num_leader_actions: Any,
    num_follower_actions: Any,
    horizon: Any,
    *,
    concentration: Any = 1.0,
    follower_discount: Any = 0.0,
    seed: Any = 0,
) -> MarkovGame:
    """Every reward uniform in [0, 1], every law of the next state from a Dirichlet distribution.

    - `concentration`: of the laws of the next state; near 0 they are nearly certain.  The first state's is 1.
    - `follower_discount`: 0 makes the follower myopic; the leader does not discount.
    """
    shape = (
        boundary.whole_number("horizon", horizon, low=1, high=10_000),
        boundary.whole_number("num_states", num_states, low=1, high=10_000),
        boundary.whole_number("num_leader_actions", num_leader_actions, low=1, high=10_000),
        boundary.whole_number("num_follower_actions", num_follower_actions, low=1, high=10_000),
    )
    density = boundary.real_number("concentration", concentration, low=0.0, low_open=True)
    rng = np.random.default_rng(boundary.whole_number("seed", seed))
    reward = rng.random((2, *shape))
    laws = rng.dirichlet(np.full(shape[1], density), shape)
    return MarkovGame(
        reward[0],
        reward[1],
        laws / laws.sum(axis=-1, keepdims=True),
        rng.dirichlet(np.ones(shape[1])),
        follower_discount=follower_discount,
        title=f"Random Markov game, {shape[1]} states, {shape[2]}×{shape[3]} actions, {shape[0]} stages",
    )
