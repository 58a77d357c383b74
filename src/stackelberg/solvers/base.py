"""A solver takes a known game and returns a `Solution` with its certificate."""

from __future__ import annotations

import functools
from abc import abstractmethod
from typing import Any, Generic, TypeVar, get_args, get_origin

import equinox as eqx

from .. import _boundary as boundary
from .._errors import InputError
from .._record import Solution
from ..games.base import AbstractGame


G = TypeVar("G", bound=AbstractGame)


class AbstractSolver(eqx.Module, Generic[G]):
    """Solves games of one kind, the one that stands in the brackets; the object is its own configuration.

    A subclass writes `class MySolver(AbstractSolver[MyGame])` and `__call__`. Games of any other kind are refused with
    an `InputError` before `__call__` is entered.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for base in cls.__dict__.get("__orig_bases__", ()):
            if get_origin(base) is AbstractSolver and "__call__" in cls.__dict__:
                cls.__call__ = _only(get_args(base)[0], cls.__name__, cls.__dict__["__call__"])

    @abstractmethod
    def __call__(self, game: G) -> Solution:
        """The best commitment that this method finds, with proven bounds."""


def _only(kind: type[AbstractGame], solver: str, call: Any) -> Any:
    """`call` for games of this `kind` alone."""

    @functools.wraps(call)
    def checked(self: Any, game: Any) -> Solution:
        if not isinstance(game, kind):
            raise InputError(
                boundary.TYPE,
                "game",
                found=f"it is of type {type(game).__name__}",
                allowed=f"{solver} solves games of the kind {kind.__name__.removeprefix('Abstract')}",
                remedy="Describe the game as one, or let sg.solve(game) pick a method.",
            )
        return call(self, game)

    return checked
