"""A follower that answers to payoffs of its own, as they were read off its choices."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._types import AnyArray
from ..calculus.precision import exact
from ..games.base import AbstractGame
from .base import AbstractLogitFollower


class PerceivedPayoff(AbstractLogitFollower):
    """A logit follower at inverse temperature 1 with payoffs of its own, instead of those of the game.

    - `payoffs`: `(a × b,)`, row by row: what the follower makes of each pair of actions. They stand for inverse
      temperature × payoff, which choices cannot tell apart; adding a number to a row changes nothing.
    """

    payoffs: Float[AnyArray, "d"]

    def __init__(self, payoffs: Any) -> None:
        self.payoffs = boundary.real_array("payoffs", payoffs, axes=("d",))

    @exact
    def logits(self, game: AbstractGame, commitment: Float[AnyArray, "..."]) -> Float[AnyArray, "b"]:
        """Expected perceived payoffs under a strategy `(a,)` or a prescription `(b, a)`."""
        num_rows = jnp.shape(commitment)[-1]
        if self.payoffs.shape[0] % num_rows:
            raise InputError(
                boundary.SHAPE,
                "payoffs",
                found=f"there are {self.payoffs.shape[0]} of them",
                allowed=f"a whole number for each of the leader's {num_rows} actions is needed",
                remedy="Use the game to whose choices they were fitted.",
            )
        matrix = jnp.asarray(self.payoffs).reshape(num_rows, -1)
        strategies = jnp.asarray(commitment)
        return strategies @ matrix if strategies.ndim == 1 else jnp.einsum("ba,ab->b", strategies, matrix)
