"""The seam: a commitment of the leader induces a problem for the follower, and both get a value.

    game.induce(commitment)                    -> the problem that the follower faces
    game.leader_value(commitment, response)    -> what the leader gets
    problem.value(response)                    -> what the follower gets
    problem.best_response(ties)                -> its best answer, where that is known

`stackelberg.evaluate` uses these four and nothing else.
"""

from __future__ import annotations

from abc import abstractmethod

import equinox as eqx
from jaxtyping import Float

from .._types import AnyArray, Ties


class AbstractProblem(eqx.Module):
    """What the follower faces once the leader has committed."""

    @abstractmethod
    def value(self, response: Float[AnyArray, "..."]) -> Float[AnyArray, ""]:
        """The follower's expected value of `response`."""

    @abstractmethod
    def best_response(
        self, ties: Ties = "leader", tolerance: Float[AnyArray, ""] | float = 0.0
    ) -> Float[AnyArray, "..."]:
        """A response of the highest value. `ties` says who gains among those within `tolerance` of it.

        `tolerance` is a fraction of the range of the follower's payoffs in this problem.
        """

    @abstractmethod
    def quantal_response(
        self, inverse_temperature: Float[AnyArray, ""] | float, discount: Float[AnyArray, ""] | float | None = None
    ) -> Float[AnyArray, "..."]:
        """Actions with probability proportional to exp(inverse temperature × action value).

        `discount` is the follower's own: 0 makes it myopic, `None` leaves the game's. One-shot problems have no future
        and ignore it.
        """


class AbstractGame(eqx.Module):
    """A game in which a leader commits and a follower responds."""

    @abstractmethod
    def induce(self, commitment: Float[AnyArray, "..."]) -> AbstractProblem:
        """The problem that the follower faces under `commitment`."""

    @abstractmethod
    def leader_value(self, commitment: Float[AnyArray, "..."], response: Float[AnyArray, "..."]) -> Float[AnyArray, ""]:
        """The leader's expected value when the follower answers `commitment` by `response`."""

    @abstractmethod
    def check_commitment(self, commitment: object) -> Float[AnyArray, "..."]:
        """`commitment` as a checked float64 array; `InputError` says which entry is wrong and what is allowed."""

    @abstractmethod
    def uniform_commitment(self) -> Float[AnyArray, "..."]:
        """The commitment that knows nothing: uniform over actions, or resources spread evenly."""
