"""Spaces of Gymnasium and ours, and values of the one as values of the other."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from ... import _boundary as boundary
from ..._errors import InputError
from ..environment import Box, Discrete, Space


MISSING = "E-ADAPTER-001"
UNKNOWN_SPACE = "E-ADAPTER-002"


class Converted(NamedTuple):
    """Our space, and how values are brought in from theirs and out to theirs."""

    space: Space
    bring_in: Callable[[Any], np.ndarray]
    bring_out: Callable[[Any], Any]


def gymnasium_library() -> ModuleType:
    """Gymnasium, or an error with the command that installs it."""
    try:
        import gymnasium
    except ImportError as problem:
        raise missing("gymnasium") from problem
    return gymnasium


def missing(library: str) -> InputError:
    """The error for a library that is not there."""
    return InputError(
        MISSING,
        library,
        found=f"{library} is not installed",
        allowed="adapters need the library that they adapt",
        remedy='Install it: pip install "stackelberg[envs]".',
    )


def to_gymnasium(space: Space) -> Any:
    """Theirs for ours."""
    spaces = gymnasium_library().spaces
    if isinstance(space, Discrete):
        return spaces.Discrete(space.size)
    return spaces.Box(space.low, space.high, space.shape, np.float32)


def from_gymnasium_space(field: str, space: Any) -> Converted:
    """Ours for theirs: `Discrete`, `MultiDiscrete` (counted through), `MultiBinary` and `Box`.

    Raises `InputError` naming the seat for every other space.
    """
    spaces = gymnasium_library().spaces
    if isinstance(space, spaces.Discrete):
        first = int(space.start)
        return Converted(
            Discrete(int(space.n)),
            lambda value: np.asarray(int(value) - first, np.int32),
            lambda value: int(value) + first,
        )
    if isinstance(space, spaces.MultiDiscrete | spaces.MultiBinary):
        sizes = space.nvec if isinstance(space, spaces.MultiDiscrete) else np.full(space.shape, 2)
        flat = tuple(int(size) for size in np.ravel(sizes))
        count = int(np.prod(flat))
        return Converted(
            Discrete(count),
            lambda value: np.asarray(np.ravel_multi_index(tuple(np.ravel(value).astype(int)), flat), np.int32),
            lambda value: np.reshape(np.unravel_index(int(value), flat), np.shape(sizes)).astype(space.dtype),
        )
    if isinstance(space, spaces.Box):
        low, high = float(np.min(space.low)), float(np.max(space.high))
        shape = tuple(int(length) for length in space.shape)
        return Converted(
            Box(shape, low, high),
            lambda value: np.asarray(value, np.float32).reshape(shape),
            lambda value: np.clip(np.asarray(value).reshape(shape), space.low, space.high).astype(space.dtype),
        )
    raise InputError(
        UNKNOWN_SPACE,
        field,
        found=f"its space is {boundary.shown(space)}",
        allowed="Discrete, MultiDiscrete, MultiBinary and Box can be adapted",
        remedy="Wrap the environment first, by gymnasium.wrappers.FlattenObservation for example.",
    )


def check_begun(has_begun: bool) -> None:
    """`InputError` where nothing is being played."""
    if not has_begun:
        raise InputError(
            boundary.INCONSISTENT,
            "actions",
            found="a step where no episode is under way",
            allowed="an episode begins with reset",
            remedy="Call environment.reset(seed=0) first.",
        )
