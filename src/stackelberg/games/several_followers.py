"""Environments with several followers and counted observations whose values are known exactly."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._types import AnyArray
from .environment import AbstractEnvironment, Discrete


class AbstractSeveralFollowers(AbstractEnvironment):
    """A game of a leader and several followers whose values are known for every profile of policies.

    A commitment `(o, a)` and the responses `(p, b)` of followers 1, 2 … are rows of chances, one for each observation
    of the seat. Followers choose at the same time: what they play against a commitment is an equilibrium among them.
    """

    @abstractmethod
    def values(
        self, commitment: Float[AnyArray, "o a"], responses: tuple[Float[AnyArray, "_ _"], ...]
    ) -> Float[AnyArray, "seats"]:
        """The expected sums of rewards of all seats, the leader's first."""

    @property
    @abstractmethod
    def follower_range(self) -> float:
        """How far apart a follower's sums of rewards can be: ties are judged by a fraction of it."""

    def shape_of(self, seat: int) -> tuple[int, int]:
        """Numbers of observations and actions of a seat."""
        spaces = self.observation_spaces[seat], self.action_spaces[seat]
        of_seat = f"seat {seat} with counted observations and actions"
        seen, actions = (boundary.instance("environment", space, Discrete, of_seat).size for space in spaces)
        return seen, actions

    def num_deciding(self, seat: int) -> int:
        """How many of a follower's observations, the first ones, it has something to decide at; all of them here."""
        return self.shape_of(seat)[0]

    def check_commitment(self, commitment: object) -> Float[AnyArray, "o a"]:
        """A distribution over the leader's actions for each of its observations."""
        return boundary.distribution("commitment", boundary.real_array("commitment", commitment, axes=self.shape_of(0)))

    def uniform_commitment(self) -> Float[AnyArray, "o a"]:
        """Even odds whatever is observed."""
        count, num_actions = self.shape_of(0)
        return np.full((count, num_actions), 1.0 / num_actions)
