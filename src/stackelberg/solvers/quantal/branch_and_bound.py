"""Certified optimum against a logit follower when the leader's mixture is announced before the follower moves.

Branch and bound over sub-simplices of the leader's simplex: cells that may hold something better than the incumbent by
more than the tolerance are halved and bounded again (`cells`), thousands in one compiled call, for one game or
for many at a time.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ..._types import AnyArray
from .cells import branch, finest_tolerance
from .shapes import padded_games, rounded_shape


CHUNKS = (128, 2048)
MANY = 8
"""The wide chunk, which has to be compiled first, is used from this many narrow ones on."""

WORKSPACE = 2**22
"""Numbers that one compiled call may hold; large games get smaller chunks."""


class Search(NamedTuple):
    """What the search found in each game.

    - `commitment`, `value`: the best commitment met and its worth.
    - `upper`: no commitment is worth more.
    - `cells`: how many cells were bounded, in all games together.
    - `stopped`: why the search ended before all cells were settled; empty if it did not.
    """

    commitment: Float[np.ndarray, "g a"]
    value: Float[np.ndarray, "g"]
    upper: Float[np.ndarray, "g"]
    cells: int
    stopped: str


def branch_and_bound(
    payoff: Float[AnyArray, "g a b"],
    logit: Float[AnyArray, "g a b"],
    commitment: Float[AnyArray, "g a"],
    value: Float[AnyArray, "g"],
    upper: Float[AnyArray, "g"],
    *,
    tolerance: Float[AnyArray, "*g"] | float,
    deadline: float = np.inf,
    max_cells: int = 2**22,
    max_bytes: float = 2.0**31,
) -> Search:
    """Close the gap between `value`, which `commitment` reaches, and `upper`, which is proven, to `tolerance`.

    Payoffs lie in [0, 1], game by game. A tolerance below `finest_tolerance` of a game is raised to it. Stops early at
    `deadline` (`time.monotonic()`), after `max_cells` cells, or when the open cells would fill `max_bytes`; the bounds
    are valid whenever it stops.
    """
    payoff, logit = np.asarray(payoff, np.float64), np.asarray(logit, np.float64)
    commitment, value, upper = (np.array(array, np.float64) for array in (commitment, value, upper))
    num_games, num_actions, num_columns = payoff.shape
    tolerance = np.maximum(tolerance, finest_tolerance(logit))
    wide = rounded_shape(num_games, num_actions, num_columns)[1:]
    # A constant added to all logits of a row changes no answer; smaller logits are rounded less.
    logit = logit - 0.5 * (logit.max(axis=2, keepdims=True) + logit.min(axis=2, keepdims=True))
    payoff, logit = padded_games(np.asarray(payoff), np.asarray(logit), *wide)
    open_cells = Cells.roots(upper, num_actions, wide[0])
    bounded, stopped = 0, ""
    chunks = _chunks(*wide)
    share = np.where(np.arange(wide[0]) < num_actions, 1.0 / num_actions, 0.0)
    while True:
        open_cells = open_cells.keep(open_cells.upper > (value + tolerance)[open_cells.game])
        if not len(open_cells.game):
            break
        stopped = _stop(bounded, open_cells, deadline, max_cells, max_bytes)
        if stopped:
            break
        now, open_cells = open_cells.take(chunks[len(open_cells.game) > MANY * chunks[0]])
        halves, centre, worth = _branch(now, payoff, logit, value + tolerance, share, chunks)
        bounded += len(halves.game)
        _improve(commitment, value, halves.game, centre[:, :num_actions], worth)
        open_cells = open_cells.join(halves)
    ceiling = value + tolerance
    np.maximum.at(ceiling, open_cells.game, open_cells.upper)
    return Search(commitment, value, np.minimum(upper, ceiling), bounded, stopped)


class Cells(NamedTuple):
    """Open cells of all games, in one table."""

    corners: Float[np.ndarray, "n k k"]
    game: Int[np.ndarray, "n"]
    upper: Float[np.ndarray, "n"]

    @classmethod
    def roots(cls, upper: Float[np.ndarray, "g"], num_actions: int, wide: int) -> Cells:
        """The whole simplex of `num_actions` for each game; corners that fill up the shape repeat the first one."""
        simplex = np.eye(wide)[np.where(np.arange(wide) < num_actions, np.arange(wide), 0)]
        return cls(np.tile(simplex, (len(upper), 1, 1)), np.arange(len(upper)), np.array(upper))

    def keep(self, which: AnyArray) -> Cells:
        return Cells(self.corners[which], self.game[which], self.upper[which])

    def take(self, count: int) -> tuple[Cells, Cells]:
        """The `count` cells with the highest bounds, and the rest."""
        if len(self.game) <= count:
            return self, self.keep(np.zeros(len(self.game), bool))
        order = np.argpartition(-self.upper, count)
        return self.keep(order[:count]), self.keep(order[count:])

    def join(self, other: Cells) -> Cells:
        return Cells(*(np.concatenate(pair) for pair in zip(self, other, strict=True)))


def _branch(
    cells: Cells,
    payoff: Float[np.ndarray, "g a b"],
    logit: Float[np.ndarray, "g a b"],
    level: Float[np.ndarray, "g"],
    share: Float[np.ndarray, "a"],
    chunks: tuple[int, ...],
) -> tuple[Cells, Float[np.ndarray, "m a"], Float[np.ndarray, "m"]]:
    """Both halves of each cell with their bounds, the commitments in their middles, and what those are worth."""
    count = len(cells.game)
    width = next(chunk for chunk in chunks if count <= chunk)
    padded = np.concatenate([np.arange(count), np.zeros(width - count, np.int64)])
    game = cells.game[padded]
    halves = branch(cells.corners[padded], payoff[game], logit[game], level[game], share)
    num_actions = payoff.shape[1]
    corners = np.asarray(halves.corners)[:count].reshape(2 * count, num_actions, num_actions)
    # A half is never worth more than the whole.
    upper = np.minimum(np.asarray(halves.upper)[:count], cells.upper[:, None]).ravel()
    centre = np.asarray(halves.centre)[:count].reshape(2 * count, num_actions)
    return Cells(corners, np.repeat(cells.game, 2), upper), centre, np.asarray(halves.value)[:count].ravel()


def _improve(
    commitment: Float[np.ndarray, "g a"],
    value: Float[np.ndarray, "g"],
    game: Int[np.ndarray, "m"],
    centre: Float[np.ndarray, "m a"],
    worth: Float[np.ndarray, "m"],
) -> None:
    """Move each game's incumbent to the best centre that beats it."""
    order = np.argsort(worth, kind="stable")  # the last write wins
    better = order[worth[order] > value[game[order]]]
    value[game[better]] = worth[better]
    commitment[game[better]] = centre[better]


def _chunks(num_actions: int, num_columns: int) -> tuple[int, ...]:
    """Widths of the compiled calls: two, so that few shapes are compiled and few cells are padding."""
    widest = WORKSPACE // (2 * num_actions**2 * num_columns)
    return tuple(max(1, min(width, widest)) for width in CHUNKS)


def _stop(bounded: int, cells: Cells, deadline: float, max_cells: int, max_bytes: float) -> str:
    if time.monotonic() > deadline:
        return "the time limit was reached"
    if bounded >= max_cells:
        return f"the work limit of {max_cells:,} cells was reached"
    if 4 * sum(column.nbytes for column in cells) > max_bytes:
        return "the open cells would have filled the memory limit"
    return ""
