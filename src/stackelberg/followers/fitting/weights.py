"""Models that are linear in unknown weights: of features, of targets (SUQR), or of every cell of the payoff matrix.

All are logit at inverse temperature 1: choices determine only the product of an inverse temperature and a weight.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ... import _boundary as boundary
from ..._errors import InputError
from ..._types import AnyArray
from ...calculus.precision import exact
from ...games.base import AbstractGame
from ...games.choices import ChoiceTable, commitment_names, follower_names
from ...games.security import SecurityGame
from ..behavioural import SUQR, LinearResponse
from ..perceived_payoff import PerceivedPayoff
from .logit import LogitLikelihood
from .models import AbstractResponseModel, announced, in_normal_form, induced_payoffs


class WeightsModel(AbstractResponseModel):
    """Logit in payoff weight × payoff + weights · features: what the follower cares about beside its payoff.

    - `features`: `(b, d)`, one row for each action of the follower. Left out: a constant for each action, its bias,
      of which only differences are identified.
    """

    features: Float[AnyArray, "b d"] | None

    def __init__(self, features: Any = None) -> None:
        self.features = None if features is None else boundary.real_array("features", features, axes=("b", "d"))

    def likelihood(self, game: AbstractGame, table: ChoiceTable) -> LogitLikelihood:
        payoffs = induced_payoffs(game, announced(table, "WeightsModel"), table)
        contexts, actions = payoffs.shape
        rows = boundary.real_array("features", self._features(actions), axes=(actions, "d"))
        repeated = np.broadcast_to(rows, (contexts, *rows.shape))
        if self.features is None:
            names = [f"bias of {name}" for name in follower_names(game)]
        else:
            names = [f"weight of feature {number}" for number in range(1, rows.shape[1] + 1)]
        return LogitLikelihood(np.concatenate([payoffs[..., None], repeated], axis=-1), ("payoff weight", *names))

    def follower(self, parameters: Float[np.ndarray, "d"]) -> LinearResponse:
        return LinearResponse(parameters[1:], self._features(len(parameters) - 1), float(parameters[0]))

    def _features(self, actions: int) -> Float[np.ndarray, "b d"]:
        return np.eye(actions) if self.features is None else np.asarray(self.features)


class SUQRModel(AbstractResponseModel):
    """Subjective utility quantal response in a security game: weights of coverage, reward, penalty and own features.

    Nguyen et al. (2013), Section 3. See `SUQR`.
    """

    def likelihood(self, game: AbstractGame, table: ChoiceTable) -> LogitLikelihood:
        if not isinstance(game, SecurityGame):
            raise InputError(
                boundary.TYPE,
                "game",
                found=f"it is a {type(game).__name__}",
                allowed="SUQRModel is fitted to attacks in a SecurityGame",
                remedy="Use WeightsModel with features of your own for other games.",
            )
        features = _over(game.attacker_features, announced(table, "SUQRModel"))
        extra = [f"weight of feature {number}" for number in range(1, features.shape[-1] - 2)]
        names = ("weight of coverage", "weight of reward", "weight of penalty", *extra)
        return LogitLikelihood(features, names)

    def follower(self, parameters: Float[np.ndarray, "d"]) -> SUQR:
        return SUQR(parameters)


class PayoffModel(AbstractResponseModel):
    """Logit in unknown payoffs of the follower, one for each pair of actions: nothing of its payoffs is assumed.

    Adding a number to all payoffs of one of the leader's actions changes no choice, so that at most a (b - 1) of the
    a b parameters are identified; the estimate is the shortest. The follower of the fit is a `PerceivedPayoff`.
    """

    def likelihood(self, game: AbstractGame, table: ChoiceTable) -> LogitLikelihood:
        game = in_normal_form(game, "PayoffModel")
        commitments = announced(table, "PayoffModel")
        num_rows, num_columns = game.shape
        features = np.einsum("ca,bB->cbaB", commitments, np.eye(num_columns))
        names = [f"payoff[{row},{column}]" for row in commitment_names(game) for column in follower_names(game)]
        return LogitLikelihood(features.reshape(len(commitments), num_columns, num_rows * num_columns), tuple(names))

    def follower(self, parameters: Float[np.ndarray, "d"]) -> PerceivedPayoff:
        return PerceivedPayoff(parameters)


def _over(function: Callable[[Any], Any], commitments: Float[np.ndarray, "c n"]) -> Float[np.ndarray, "c n d"]:
    """`function` at every commitment, in float64."""
    return np.asarray(exact(lambda rows: jax.vmap(function)(jnp.asarray(rows)))(commitments))
