"""A walk along a chain of states, in which states that lie near each other are alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from ... import _boundary as boundary
from ..markov import MarkovGame


def chain_game(
    num_states: Any = 50,
    horizon: Any = 5,
    num_leader_actions: Any = 2,
    num_follower_actions: Any = 2,
    *,
    slip: Any = 0.1,
    waves: Any = 2,
    seed: Any = 0,
) -> MarkovGame:
    """Players walk along states 1 to S; rewards are smooth functions of the place, different for each pair of actions.

    The follower's action says where to go, from one step left (the first) to one step right (the last), in between by
    chance; with probability `slip` the walk goes the other way, and at the ends it stays. Both rewards lie in [0, 1]:
    sums of `waves` sine waves over the chain with random weights and phases. Play starts anywhere with equal
    probability. The follower is myopic.
    """
    size = boundary.whole_number("num_states", num_states, low=2, high=10_000)
    stages = boundary.whole_number("horizon", horizon, low=1, high=10_000)
    rows = boundary.whole_number("num_leader_actions", num_leader_actions, low=1, high=1_000)
    columns = boundary.whole_number("num_follower_actions", num_follower_actions, low=1, high=1_000)
    chance = boundary.real_number("slip", slip, low=0.0, high=1.0)
    count = boundary.whole_number("waves", waves, low=1, high=100)
    rng = np.random.default_rng(boundary.whole_number("seed", seed))
    rewards = _smooth(rng, size, rows * columns * 2, count).reshape(size, 2, rows, columns)
    to_right = np.linspace(0.0, 1.0, columns) if columns > 1 else np.array([0.5])
    to_right = (1.0 - chance) * to_right + chance * (1.0 - to_right)
    places = np.arange(size)
    law = np.zeros((size, columns, size))
    law[places, :, np.maximum(places - 1, 0)] += 1.0 - to_right
    law[places, :, np.minimum(places + 1, size - 1)] += to_right
    return MarkovGame(
        rewards[:, 0],
        rewards[:, 1],
        np.repeat(law[:, None], rows, axis=1),
        np.full(size, 1.0 / size),
        horizon=stages,
        follower_discount=0.0,
        title=f"Chain of {size} states, {rows}×{columns} actions, {stages} stages",
    )


def chain_features(game: MarkovGame, degree: Any = 3) -> Float[np.ndarray, "h s a b d"]:
    """What tells the cells of a chain apart: the place as sines and cosines, and stage and pair of actions by number.

    - `degree`: up to how many half waves fit into the chain.
    """
    num_states, rows, columns = game.shape
    horizon = game.horizon or 1
    order = np.arange(1, boundary.whole_number("degree", degree, low=1, high=1_000) + 1)
    angle = np.pi * np.linspace(0.0, 1.0, num_states)[:, None] * order
    where = np.concatenate([np.sin(angle), np.cos(angle)], axis=-1)
    shape = (horizon, num_states, rows, columns)
    stage = np.broadcast_to(np.linspace(0.0, 1.0, horizon)[:, None, None, None, None], (*shape, 1))
    pair = np.broadcast_to(np.eye(rows * columns).reshape(rows, columns, -1), (*shape, rows * columns))
    return np.concatenate([np.broadcast_to(where[:, None, None], (*shape, where.shape[-1])), stage, pair], axis=-1)


def _smooth(rng: np.random.Generator, size: int, number: int, waves: int) -> np.ndarray:
    """`(size, number)`: random smooth functions on the chain, each over all of [0, 1]."""
    place = np.linspace(0.0, 1.0, size)[:, None, None]
    phase, weights = rng.random((2, number, waves))
    curves = np.sum(weights * np.sin(2.0 * np.pi * (np.arange(1, waves + 1) * 0.5 * place + phase)), axis=-1)
    low, high = curves.min(axis=0), curves.max(axis=0)
    return (curves - low) / np.where(high > low, high - low, 1.0)
