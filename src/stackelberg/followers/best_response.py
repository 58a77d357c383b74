"""A follower that maximises its value; who gains from its ties is a field."""

from __future__ import annotations

import equinox as eqx
from jaxtyping import Float

from .. import _boundary as boundary
from .._types import TIES, AnyArray, Key, Ties
from ..games.base import AbstractGame
from .base import AbstractFollower


class BestResponse(AbstractFollower):
    """Plays a best response to the commitment.

    - `ties`: "leader" (strong Stackelberg), "adversary" (weak Stackelberg) or "uniform".
    - `tolerance`: actions within this fraction of the follower's payoff range of the best one count as tied.
      A commitment computed in floating point makes the follower indifferent only up to rounding, so 0 would let
      rounding choose; the default is 1e-9.
    """

    ties: Ties = eqx.field(static=True)
    tolerance: float

    def __init__(self, ties: Ties = "leader", tolerance: float = 1e-9) -> None:
        self.ties = boundary.one_of("ties", ties, TIES)  # type: ignore[assignment]
        self.tolerance = boundary.real_number("tolerance", tolerance, low=0.0, high=1.0)

    def respond(
        self,
        game: AbstractGame,
        commitment: Float[AnyArray, "..."],
        *,
        start: Float[AnyArray, "..."] | None = None,
        key: Key | None = None,
    ) -> Float[AnyArray, "..."]:
        """The best response, with the tie rule of this follower."""
        del start, key
        return game.induce(commitment).best_response(self.ties, self.tolerance)
