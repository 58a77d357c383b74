"""The twelve symmetric strict ordinal games of two actions, and more that the study of query oracles needs."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np

from ... import _boundary as boundary
from .iterated_matrix import IteratedMatrixGame, Sight


_CELLS = {
    "prisoners_dilemma": ((3, 3), (1, 4), (4, 1), (2, 2)),
    "stag_hunt": ((4, 4), (1, 3), (3, 1), (2, 2)),
    "assurance": ((4, 4), (1, 2), (2, 1), (3, 3)),
    "coordination": ((4, 4), (2, 1), (1, 2), (3, 3)),
    "mixedharmony": ((4, 4), (3, 1), (1, 3), (2, 2)),
    "harmony": ((4, 4), (3, 2), (2, 3), (1, 1)),
    "noconflict": ((4, 4), (2, 3), (3, 2), (1, 1)),
    "deadlock": ((2, 2), (1, 4), (4, 1), (3, 3)),
    "prisoners_delight": ((1, 1), (2, 4), (4, 2), (3, 3)),
    "hero": ((1, 1), (3, 4), (4, 3), (2, 2)),
    "battle": ((2, 2), (3, 4), (4, 3), (1, 1)),
    "chicken": ((3, 3), (2, 4), (4, 2), (1, 1)),
    "hidden_queries": ((4, 3), (2, 4), (3, 1), (1, 2)),
    "battle_of_the_sexes": ((2, 1), (0, 0), (0, 0), (1, 2)),
    "out_of_equilibrium": ((2, 0.001), (-5, 0), (-5, 0), (1, 2)),
}
"""(leader, follower) in the cells (0,0), (0,1), (1,0), (1,1)."""

_TABLES = {
    "escape": (((15, 15), (10, 10), (0, 0)), ((10, 10), (10, 10), (0, 0)), ((0, 0), (0, 0), (30, 30))),
    "maintain": (((20, 15), (0, 0), (0, 0)), ((30, 0), (10, 5), (0, 0)), ((0, 0), (0, 0), (5, 10))),
    "commit_to_mixture": (((1, 1), (3, 0)), ((0, 0), (2, 1))),
    "commit_or_not": (((3, 2), (1, 3)), ((2, 0), (0, 1))),
}
"""One-shot games of Brero et al. (2022), as rows of cells, payoffs undivided."""

MATRIX_GAMES = MappingProxyType(
    {name: np.array(cells, dtype=float).reshape(2, 2, 2) for name, cells in _CELLS.items()}
    | {name: np.array(rows, dtype=float) for name, rows in _TABLES.items()}
)
"""Payoffs `(a, b, player)` by name. The first twelve are symmetric; in "hidden_queries" the leader has a dominant
action and still needs a memory, in "out_of_equilibrium" the follower gains next to nothing by what is best for the
leader (Gerstgrasser and Parkes, 2023, as released with their code)."""

SYMMETRIC = tuple(_CELLS)[:12]
"""Names of the twelve symmetric strict ordinal games."""


def matrix_game_names() -> tuple[str, ...]:
    """The names that `iterated_matrix_game` knows; the first twelve are the symmetric strict ordinal games."""
    return tuple(MATRIX_GAMES)


def matrix_game(name: Any) -> IteratedMatrixGame:
    """The same game played once: the leader sees nothing, and has one answer."""
    return iterated_matrix_game(name, 1, 0)


def iterated_matrix_game(
    name: Any,
    num_steps: Any = 10,
    depth: Any = 1,
    sight: Sight = "both",
    shift: Any = 0.0,
    is_mixed: Any = False,
    continuation: Any = 1.0,
    follower_sees_time: Any = False,
) -> IteratedMatrixGame:
    """The iterated matrix game called `name`; `shift` is added to every payoff of both players.

    Raises `InputError` that suggests the nearest name.
    """
    cells = MATRIX_GAMES[boundary.one_of("name", name, list(MATRIX_GAMES))]
    moved = cells + boundary.real_number("shift", shift)
    leader, follower = moved[..., 0], moved[..., 1]
    return IteratedMatrixGame(leader, follower, num_steps, depth, sight, is_mixed, continuation, follower_sees_time)
