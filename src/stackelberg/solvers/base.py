"""A solver takes a known game and returns a `Solution` with its certificate."""

from __future__ import annotations

from abc import abstractmethod
from typing import Generic, TypeVar

import equinox as eqx

from .._record import Solution
from ..games.base import AbstractGame


G = TypeVar("G", bound=AbstractGame)


class AbstractSolver(eqx.Module, Generic[G]):
    """Solves games of one kind; the object is its own configuration."""

    @abstractmethod
    def __call__(self, game: G) -> Solution:
        """The best commitment that this method finds, with proven bounds."""
