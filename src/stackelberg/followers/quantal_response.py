"""A boundedly rational follower: better actions are likelier, and the inverse temperature says by how much."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jaxtyping import Float

from .. import _boundary as boundary
from .._types import AnyArray, Key
from ..calculus.precision import exact
from ..games.base import AbstractGame
from .base import AbstractFollower


class QuantalResponse(AbstractFollower):
    """Plays each action with probability proportional to exp(inverse temperature × action value).

    - `inverse_temperature`: in [0, ∞], in units of 1/payoff (λ or η in papers); 0 is uniform play, ∞ a best response
      with ties broken uniformly.
    - `discount`: the follower's own discount in Markov games; 0 makes it myopic, `None` leaves the game's. With a
      discount above 0 the value of an action includes the soft value of the future, entropy included.

    McKelvey and Palfrey (1995), Section 2, for the logit form; the farsighted form is soft (entropy-regularised)
    backward induction.
    """

    inverse_temperature: float | Float[AnyArray, ""]
    discount: float | Float[AnyArray, ""] | None

    def __init__(
        self, inverse_temperature: float | Float[AnyArray, ""], discount: float | Float[AnyArray, ""] | None = None
    ) -> None:
        self.inverse_temperature = boundary.real_number(
            "inverse_temperature", inverse_temperature, low=0.0, high=math.inf, infinite=True
        )
        self.discount = None if discount is None else boundary.real_number("discount", discount, low=0.0, high=1.0)

    @exact
    def logits(self, game: AbstractGame, commitment: Float[AnyArray, "..."]) -> Float[AnyArray, "*t b"]:
        """Inverse temperature × action value, in one-shot games and at finite inverse temperatures.

        Affine in the commitment, so that quantal response counts among the logit followers there; `respond` centres the
        values first and needs neither restriction.
        """
        return jnp.asarray(self.inverse_temperature) * game.induce(commitment).follower_payoff  # type: ignore[attr-defined]

    def respond(
        self,
        game: AbstractGame,
        commitment: Float[AnyArray, "..."],
        *,
        start: Float[AnyArray, "..."] | None = None,
        key: Key | None = None,
    ) -> Float[AnyArray, "..."]:
        """The logit response to the values that `commitment` induces."""
        del start, key
        return game.induce(commitment).quantal_response(self.inverse_temperature, self.discount)
