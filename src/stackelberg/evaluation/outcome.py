"""What both players get from a commitment and the response to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from .. import _boundary as boundary
from .._record import Estimate, plain
from ..calculus.precision import exact
from ..games.base import AbstractGame


@dataclass(frozen=True)
class Outcome:
    """What both players get, and how far the follower's response is from a best one."""

    leader_value: Any
    follower_value: Any
    follower_regret: Any

    def to_json(self) -> dict[str, Any]:
        return {
            "leader_value": plain(self.leader_value),
            "follower_value": plain(self.follower_value),
            "follower_regret": plain(self.follower_regret),
        }


@exact
def evaluate(game: AbstractGame, commitment: Any, response: Any) -> Outcome:
    """The leader's value, the follower's value and the follower's regret of one play.

    `follower_regret` is the follower's best value under `commitment` minus the value of `response`: 0 exactly when
    `response` is a best response. Raises `InputError` when the commitment is not one of this game, or the response no
    distribution over the follower's actions. Outside of a trace each is an `Estimate`; inside one, a traced array, so
    that `jax.grad` goes through.
    """
    game = boundary.instance("game", game, AbstractGame, "sg.NormalFormGame(leader_payoff, follower_payoff)")
    commitment = game.check_commitment(commitment)
    problem = game.induce(commitment)
    best = problem.best_response()
    response = boundary.distribution("response", response, axes=np.shape(best))
    follower_value = problem.value(response)
    regret = problem.value(best) - follower_value
    leader_value = game.leader_value(commitment, response)
    return Outcome(_estimate(leader_value), _estimate(follower_value), _estimate(jnp.maximum(regret, 0.0)))


def _estimate(value: Any) -> Any:
    return value if boundary.is_traced(value) else Estimate.exact(value)
