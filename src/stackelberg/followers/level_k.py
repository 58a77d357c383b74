"""Level-k thinking: a population of which each share reasons a fixed number of steps."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jaxtyping import Float

from .. import _boundary as boundary
from .._types import AnyArray, Key
from ..calculus.precision import exact
from ..games.base import AbstractGame
from .base import AbstractFollower


TIE_TOLERANCE = 1e-9  # of the payoff range, as in `BestResponse`

NUM_LEVELS = 3


class LevelK(AbstractFollower):
    """A population facing a commitment: shares of levels 0, 1 and 2.

    - `shares`: `(3,)`. Level 0 plays uniformly; level 1 best responds to a leader who plays uniformly, whatever was
      announced; level 2 believes the announcement and best responds to it. Ties are broken uniformly.

    Stahl and Wilson (1995) and Nagel (1995) for simultaneous play; with an announced commitment, believing it is the
    second step.
    """

    shares: Float[AnyArray, "k"]

    def __init__(self, shares: Any) -> None:
        self.shares = boundary.distribution("shares", shares, axes=(NUM_LEVELS,))

    @exact
    def respond(
        self,
        game: AbstractGame,
        commitment: Float[AnyArray, "..."],
        *,
        start: Float[AnyArray, "..."] | None = None,
        key: Key | None = None,
    ) -> Float[AnyArray, "..."]:
        """The levels' responses, weighted by their shares."""
        del start, key
        return jnp.tensordot(jnp.asarray(self.shares), level_responses(game, commitment), axes=1)


def level_responses(game: AbstractGame, commitment: Float[AnyArray, "..."]) -> Float[AnyArray, "k *t b"]:
    """What levels 0, 1 and 2 answer to a commitment."""
    unaware = game.induce(game.uniform_commitment()).best_response("uniform", TIE_TOLERANCE)
    believing = game.induce(commitment).best_response("uniform", TIE_TOLERANCE)
    return jnp.stack([jnp.full_like(believing, 1.0 / believing.shape[-1]), unaware, believing])
