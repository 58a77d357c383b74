"""Models in which fixed rules of play are mixed and only their shares are fitted."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..._types import AnyArray
from ...calculus.precision import exact
from ...games.base import AbstractGame
from ...games.choices import ChoiceTable
from ..behavioural import Trembling
from ..best_response import BestResponse
from ..level_k import NUM_LEVELS, TIE_TOLERANCE, LevelK, level_responses
from .mixture import MixtureLikelihood
from .models import AbstractResponseModel, announced, in_normal_form, of_type, uniform_cells


class UniformModel(AbstractResponseModel):
    """Every action with the same probability: nothing is estimated. The yardstick for all others."""

    def likelihood(self, game: AbstractGame, table: ChoiceTable) -> MixtureLikelihood:
        return MixtureLikelihood(uniform_cells(game, table)[None], ())

    def follower(self, parameters: Float[np.ndarray, "d"]) -> LevelK:
        del parameters
        return LevelK([1.0, 0.0, 0.0])


class TremblingModel(AbstractResponseModel):
    """Best response (ties broken uniformly), with a trembling hand: the share of uniform play is estimated."""

    def likelihood(self, game: AbstractGame, table: ChoiceTable) -> MixtureLikelihood:
        levels = announced_levels(game, announced(table, "TremblingModel"), table)
        return MixtureLikelihood(levels[[2, 0]], ("tremble",))

    def follower(self, parameters: Float[np.ndarray, "d"]) -> Trembling:
        return Trembling(BestResponse("uniform"), float(np.clip(parameters[0], 0.0, 1.0)))


class LevelKModel(AbstractResponseModel):
    """A population of levels 0 (uniform), 1 and 2, whose shares are estimated.

    Simultaneous play: level k best responds to the other player's level k - 1, and both players have the same shares.
    Announced commitments: see `LevelK`.
    """

    def likelihood(self, game: AbstractGame, table: ChoiceTable) -> MixtureLikelihood:
        if table.commitment is None:
            levels = simultaneous_levels(game)
        else:
            levels = announced_levels(game, table.commitment, table)
        return MixtureLikelihood(levels, tuple(f"share of level {level}" for level in range(1, NUM_LEVELS)))

    def follower(self, parameters: Float[np.ndarray, "d"]) -> LevelK:
        shares = np.maximum([1.0 - parameters.sum(), *parameters], 0.0)
        return LevelK(shares / shares.sum())


def announced_levels(
    game: AbstractGame, commitments: Float[np.ndarray, "c *k"], table: ChoiceTable
) -> Float[np.ndarray, "k m"]:
    """What each level plays in each context, contexts and actions flattened."""
    levels = np.asarray(_levels(game, commitments))
    return np.stack([of_type(responses, table).reshape(-1) for responses in levels])


@exact
def _levels(game: AbstractGame, commitments: Float[np.ndarray, "c *k"]) -> Float[AnyArray, "k c *t b"]:
    respond = jax.vmap(lambda commitment: level_responses(game, commitment), out_axes=1)
    return respond(jnp.asarray(commitments))


def simultaneous_levels(game: AbstractGame) -> Float[np.ndarray, "k m"]:
    """What each level of the leader and of the follower plays when neither announces anything."""
    game = in_normal_form(game, "LevelKModel")
    leader, follower = np.asarray(game.leader_payoff), np.asarray(game.follower_payoff)
    rows, columns = np.full(len(leader), 1.0 / len(leader)), np.full(leader.shape[1], 1.0 / leader.shape[1])
    levels = [np.concatenate([rows, columns])]
    for _ in range(1, NUM_LEVELS):
        rows, columns = _best(leader @ columns), _best(rows @ follower)
        levels.append(np.concatenate([rows, columns]))
    return np.stack(levels)


def _best(values: Float[np.ndarray, "b"]) -> Float[np.ndarray, "b"]:
    tied = values >= values.max() - TIE_TOLERANCE * np.ptp(values)
    return tied / tied.sum()
