"""A follower is an oracle: it answers the problem that a commitment induces.

follower(game, commitment, start=None, key=None) -> response
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._types import AnyArray, Key
from ..calculus.precision import exact
from ..calculus.simplex import quantal_choice
from ..games.base import AbstractGame


class AbstractFollower(eqx.Module):
    """Answers a commitment with a response."""

    def __call__(
        self,
        game: AbstractGame,
        commitment: Any,
        *,
        start: Float[AnyArray, "..."] | None = None,
        key: Key | None = None,
    ) -> Float[AnyArray, "..."]:
        """The response to `commitment`, which is checked first (a traced one was checked before the trace).

        `start` is an earlier response to warm-start from and `key` the source of randomness; followers that need
        neither ignore them. Raises `InputError` when `commitment` is not one of this game.
        """
        game = boundary.instance("game", game, AbstractGame, "sg.NormalFormGame(leader_payoff, follower_payoff)")
        return self.respond(game, game.check_commitment(commitment), start=start, key=key)

    @abstractmethod
    def respond(
        self,
        game: AbstractGame,
        commitment: Float[AnyArray, "..."],
        *,
        start: Float[AnyArray, "..."] | None = None,
        key: Key | None = None,
    ) -> Float[AnyArray, "..."]:
        """The response to a checked `commitment`."""


class AbstractLogitFollower(AbstractFollower):
    """A follower whose choice probabilities are proportional to exp(logit), logits affine in the commitment.

    Quantal response, SUQR and every linear-in-features behavioural model are of this kind, and the certified solvers
    need no more of them than `logits`.
    """

    @abstractmethod
    def logits(self, game: AbstractGame, commitment: Float[AnyArray, "..."]) -> Float[AnyArray, "*t b"]:
        """The logits of the follower's actions: an affine function of `commitment`."""

    @exact
    def respond(
        self,
        game: AbstractGame,
        commitment: Float[AnyArray, "..."],
        *,
        start: Float[AnyArray, "..."] | None = None,
        key: Key | None = None,
    ) -> Float[AnyArray, "*t b"]:
        """Choice probabilities: softmax of the logits over the follower's actions."""
        del start, key
        return quantal_choice(self.logits(game, commitment), 1.0)


class Callback(AbstractFollower):
    """Any function `answer(game, commitment) -> probabilities` as a follower.

    Outside of a trace its answer is checked to be a distribution over the last axis.
    """

    answer: Callable[[AbstractGame, Any], Any]

    def respond(
        self,
        game: AbstractGame,
        commitment: Float[AnyArray, "..."],
        *,
        start: Float[AnyArray, "..."] | None = None,
        key: Key | None = None,
    ) -> Float[AnyArray, "..."]:
        """What the function answers."""
        del start, key
        response = self.answer(game, commitment)
        return boundary.distribution("response", response if boundary.is_traced(response) else np.asarray(response))
