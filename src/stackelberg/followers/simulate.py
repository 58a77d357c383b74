"""Logs of choices that a known follower would leave: for tests, demonstrations and the planning of experiments."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _boundary as boundary
from .._errors import InputError
from ..games.base import AbstractGame
from ..games.choices import Choices
from .base import AbstractFollower


def sample_choices(
    game: AbstractGame, follower: AbstractFollower, commitments: Any, num_plays: int, *, seed: int = 0
) -> Choices:
    """`num_plays` choices of `follower` under each row of `commitments`; period k is the k-th row.

    Types of a Bayesian game are drawn from its prior. The draws are NumPy's Philox from `seed`. What is returned is
    generated, not observed: say so wherever it is shown.
    """
    game = boundary.instance("game", game, AbstractGame, "sg.NormalFormGame(leader_payoff, follower_payoff)")
    follower = boundary.instance("follower", follower, AbstractFollower, "sg.QuantalResponse(1.0)")
    plays = boundary.whole_number("num_plays", num_plays, low=1)
    generator = np.random.Generator(np.random.Philox(boundary.whole_number("seed", seed)))
    announced = np.stack([np.asarray(game.check_commitment(row)) for row in _rows(commitments)])
    responses = np.stack([_joint(game, follower, row) for row in announced])  # (c, t, b), summing to 1 over types
    counts = generator.multinomial(plays, responses.reshape(len(responses), -1)).reshape(responses.shape)
    period, kind, action = np.nonzero(counts)
    seen = counts[period, kind, action]
    return Choices.of(action, commitment=announced[period], count=seen, period=period, type=kind)


def _rows(commitments: Any) -> np.ndarray:
    announced = boundary.real_array("commitments", commitments)
    if announced.ndim < 2 or announced.size == 0:
        raise InputError(
            boundary.SHAPE,
            "commitments",
            found=f"its shape is {announced.shape}",
            allowed="at least one commitment is needed, each a row",
            remedy="Give one row for each commitment that is announced, such as [[0.5, 0.5]].",
        )
    return announced


def _joint(game: AbstractGame, follower: AbstractFollower, commitment: np.ndarray) -> np.ndarray:
    """The probability of each type and action, `(t, b)`, exactly normalised."""
    response = np.asarray(follower(game, commitment))
    prior = np.asarray(getattr(game, "prior", np.ones(1))).reshape(-1, 1)
    joint = prior * response.reshape(prior.shape[0], -1)
    return joint / joint.sum()
