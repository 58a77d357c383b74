"""How far a follower is from a best response on commitments that it was not made for: `response_regret`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from .. import _boundary as boundary
from .._record import Estimate
from .._types import AnyArray
from ..calculus.precision import exact
from ..followers.base import AbstractFollower
from ..games.model_game import ModelAsLeader, PolicyAsLeader


def response_regret(game: Any, follower: Any, num_commitments: Any = 200, seed: Any = 0) -> Estimate:
    """The mean regret of `follower` over random commitments, with its 95 % interval.

    - `game`: `ModelAsLeader`, whose models are drawn, or `PolicyAsLeader`, whose policies are; every row from a flat
      Dirichlet law.

    Regret is in the follower's value: discounted reward of a planner, loss of a model. The assumption behind every
    contextual follower is that this is small where the leader may go; it is measured here, not assumed.
    """
    leads = ModelAsLeader if isinstance(game, ModelAsLeader) else PolicyAsLeader
    game = boundary.instance("game", game, leads, "sg.ModelAsLeader(process)")
    follower = boundary.instance("follower", follower, AbstractFollower, "sg.InnerPlanner()")
    number = boundary.whole_number("num_commitments", num_commitments, low=2)
    regrets = np.asarray(_regrets(game, follower, number, boundary.whole_number("seed", seed, low=0)))
    middle, error = float(regrets.mean()), 1.96 * float(regrets.std(ddof=1)) / number**0.5
    return Estimate(
        middle, max(middle - error, 0.0), middle + error, f"mean of {number} random commitments, 95% interval"
    )


@exact
def _regrets(game: ModelAsLeader | PolicyAsLeader, follower: AbstractFollower, number: int, seed: int) -> AnyArray:
    of_rows, of_answers = jr.split(jr.key(seed))
    num_states, num_actions = game.process.shape
    if isinstance(game, ModelAsLeader):
        drawn = game.process.closed(jr.dirichlet(of_rows, jnp.ones(num_states), (number, num_states, num_actions)))
    else:
        drawn = jr.dirichlet(of_rows, jnp.ones(num_actions), (number, num_states))

    def one(each):
        commitment, key = each
        problem = game.induce(commitment)
        return problem.value(problem.best_response()) - problem.value(follower(game, commitment, key=key))

    return jax.jit(lambda each: jax.lax.map(one, each))((drawn, jr.split(of_answers, number)))
