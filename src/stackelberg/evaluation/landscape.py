"""The leader's value over everything it could announce, and where the follower changes its mind."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._record import Record
from ..calculus.precision import exact
from ..followers.base import AbstractFollower
from ..followers.best_response import BestResponse
from ..games.normal_form import NormalFormGame


@exact
def landscape(game: NormalFormGame, follower: AbstractFollower, points: Any = None) -> Record:
    """What each commitment promises against a best-responding follower, and what it pays against `follower`.

    - `points`: how many steps each probability is cut into; 400 for two leader's actions (a line), 60 for three (a
      triangle, in barycentric coordinates). Other games cannot be drawn: `InputError`.

    Columns: `commitment` `(n, a)`, `promised` (ties in the leader's favour), `paid`, `best_response` (the number of the
    follower's action, from 0), `response` `(n, b)` of `follower`, and what each answer pays both players,
    `leader_payoff` and `follower_payoff` `(n, b)`.
    """
    game = boundary.instance("game", game, NormalFormGame, "sg.NormalFormGame(leader_payoff, follower_payoff)")
    follower = boundary.instance("follower", follower, AbstractFollower, "sg.QuantalResponse(1.0)")
    num_actions, _ = game.shape
    if num_actions not in (2, 3):
        raise InputError(
            boundary.SHAPE,
            "game",
            found=f"the leader has {num_actions} actions",
            allowed="a landscape can be drawn for 2 or 3",
            remedy="Use rationality_curve, or leave out actions that the solution does not use.",
        )
    steps = (400 if num_actions == 2 else 60) if points is None else boundary.whole_number("points", points, low=1)
    commitments = _line(steps) if num_actions == 2 else _triangle(steps)
    best = _answers(game, BestResponse("leader"), commitments)
    response = _answers(game, follower, commitments)
    payoff = commitments @ np.asarray(game.leader_payoff)
    promised, paid = np.sum(payoff * best, axis=1), np.sum(payoff * response, axis=1)
    return Record(
        "landscape",
        {
            "commitment": commitments,
            "promised": promised,
            "paid": paid,
            "best_response": np.argmax(best, axis=1),
            "response": response,
            "leader_payoff": payoff,
            "follower_payoff": commitments @ np.asarray(game.follower_payoff),
        },
        {
            "title": game.title,
            "follower": type(follower).__name__,
            "leader_actions": list(game.leader_actions),
            "follower_actions": list(game.follower_actions),
        },
    )


def _answers(
    game: NormalFormGame, follower: AbstractFollower, commitments: Float[np.ndarray, "n a"]
) -> Float[np.ndarray, "n b"]:
    """The follower's response to each commitment: in one call, or one by one where it cannot be traced."""
    try:
        return np.asarray(jax.jit(jax.vmap(lambda commitment: follower.respond(game, commitment)))(commitments))
    except jax.errors.JAXTypeError:
        return np.stack([np.asarray(follower(game, commitment)) for commitment in commitments])


def _line(steps: int) -> Float[np.ndarray, "n 2"]:
    first = np.linspace(0.0, 1.0, steps + 1)
    return np.stack([first, 1.0 - first], axis=1)


def _triangle(steps: int) -> Float[np.ndarray, "n 3"]:
    """All triples of multiples of 1/steps that sum to 1."""
    first, second = np.meshgrid(np.arange(steps + 1), np.arange(steps + 1), indexing="ij")
    inside = first + second <= steps
    counts = np.stack([first[inside], second[inside], steps - first[inside] - second[inside]], axis=1)
    return counts / steps
