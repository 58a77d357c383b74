"""The leader's value over everything it could announce, to be drawn."""

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


STEPS = {2: 400, 3: 80}


@exact
def landscape(game: NormalFormGame, follower: AbstractFollower, *, steps: int | None = None) -> Record:
    """What each commitment promises against a best responder, and what `follower` pays.

    The simplex of 2 or 3 leader's actions is cut into `steps` parts along each edge. Columns: `commitment (n, a)`,
    `promised (n,)` (ties to the leader), `paid (n,)`, `response (n, b)` of `follower`, and `follower_payoff (n, b)`,
    whose largest entry is the best answer. Raises `InputError` for other numbers of actions.
    """
    num_rows, _ = game.shape
    if num_rows not in STEPS:
        raise InputError(
            boundary.SHAPE,
            "game",
            found=f"the leader has {num_rows} actions",
            allowed="a landscape is computed for 2 or 3",
            remedy="Draw how the value depends on the inverse temperature, or the solution itself.",
        )
    count = STEPS[num_rows] if steps is None else boundary.whole_number("steps", steps, low=1, high=10_000)
    commitments = simplex_grid(num_rows, count)
    promised, paid, response, payoff = jax.vmap(lambda commitment: _at(game, follower, commitment))(commitments)
    return Record(
        "landscape",
        {
            "commitment": commitments,
            "promised": np.asarray(promised),
            "paid": np.asarray(paid),
            "response": np.asarray(response),
            "follower_payoff": np.asarray(payoff),
        },
        {
            "leader_actions": list(game.leader_actions),
            "follower_actions": list(game.follower_actions),
            "title": game.title,
        },
    )


def simplex_grid(num_actions: int, steps: int) -> Float[np.ndarray, "n a"]:
    """All commitments whose probabilities are multiples of 1/steps, for 2 or 3 actions."""
    first = np.arange(steps + 1)
    if num_actions == 2:
        counts = np.column_stack([first, steps - first])
    else:
        pairs = np.stack(np.meshgrid(first, first, indexing="ij"), axis=-1).reshape(-1, 2)
        pairs = pairs[pairs.sum(axis=1) <= steps]
        counts = np.column_stack([pairs, steps - pairs.sum(axis=1)])
    return counts / steps


def _at(game: NormalFormGame, follower: AbstractFollower, commitment: Any) -> tuple[Any, Any, Any, Any]:
    response = follower.respond(game, commitment)
    best = BestResponse("leader").respond(game, commitment)
    values = [game.leader_value(commitment, answer) for answer in (best, response)]
    return values[0], values[1], response, game.induce(commitment).follower_payoff
