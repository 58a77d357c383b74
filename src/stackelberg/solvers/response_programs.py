"""One linear program for each action that the follower might choose: the best commitment that makes it choose this one.

Three families share the lanes of the dual simplex. Payoffs are on [0, 1]; A is the leader's matrix, B the follower's.

- strong: maximise A_b x subject to B_b x >= B_c x for every c;
- weak: maximise min over the actions c whose column equals b's of A_c x, subject to the same;
- margin: maximise min over the other columns c of (B_b - B_c) x: positive exactly when b can be a strict best answer.

Programs are tried best first and dropped once their bound reaches the best value found in their game: the bound of a
dropped program is proved by its multipliers like any other. Conitzer and Sandholm (2006), Section 3, for the strong
family; the fixed matrix and the start at the leader's best row are ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from .dual_simplex import LIMIT, OPTIMAL, solve_lanes


Family = Literal["strong", "weak", "margin"]

MARGIN = 1e-10
"""A best-response region whose largest margin is below this fraction of the payoffs' range counts as having none."""

TABLEAU_CELLS = 1 << 15
"""Cells of all tableaux that are worked on at once: they stay in a core's cache."""

MAX_LANES = 256


class Lanes(NamedTuple):
    """Programs in the form that `solve_lanes` takes."""

    cost: Float[np.ndarray, "n a"]
    gain: Float[np.ndarray, "n a b"]
    soft: Bool[np.ndarray, "n b"] | None
    spare: Int[np.ndarray, "n"]


@dataclass(frozen=True)
class Games:
    """A batch of games on [0, 1]: `leader` and `follower` payoffs, and which follower columns are `equal`."""

    leader: Float[np.ndarray, "n a b"]
    follower: Float[np.ndarray, "n a b"]
    equal: Bool[np.ndarray, "n b b"]

    @classmethod
    def build(cls, leader: Float[np.ndarray, "n a b"], follower: Float[np.ndarray, "n a b"]) -> Games:
        num_columns = leader.shape[2]
        equal = np.empty((leader.shape[0], num_columns, num_columns), dtype=bool)
        for column in range(num_columns):  # one column at a time: the comparison of all pairs would need b times more
            equal[:, column] = np.all(follower == follower[:, :, column, None], axis=1)
        return cls(leader, follower, equal)

    @property
    def is_first(self) -> Bool[np.ndarray, "n b"]:
        """Whether no earlier column equals this one: each class of equal columns is tried once."""
        return np.argmax(self.equal, axis=2) == np.arange(self.leader.shape[2])


@dataclass(frozen=True)
class Answers:
    """What the programs of each game and follower action ended with.

    - `strategies`, `values`: the best commitment for this action and its value, NaN where none was found.
    - `multipliers`: at least 0, of each program's constraints; zero where a program was never started.
    - `unfinished`: stopped by the iteration limit.  `pivots`: summed over a game's programs.
    """

    strategies: Float[np.ndarray, "n b a"]
    values: Float[np.ndarray, "n b"]
    multipliers: Float[np.ndarray, "n b b"]
    unfinished: Bool[np.ndarray, "n b"]
    pivots: Int[np.ndarray, "n"]


def solve_programs(games: Games, family: Family, wanted: Bool[np.ndarray, "n b"], *, cut_off: bool = True) -> Answers:
    """Solve the `wanted` programs; with `cut_off`, only as far as they may still matter.

    The margin family is cut off at `MARGIN`: what matters is whether the margin is positive.
    """
    num_games, num_rows, num_columns = games.leader.shape
    answers = Answers(
        strategies=np.full((num_games, num_columns, num_rows), np.nan),
        values=np.full((num_games, num_columns), np.nan),
        multipliers=np.zeros((num_games, num_columns, num_columns)),
        unfinished=np.zeros((num_games, num_columns), dtype=bool),
        pivots=np.zeros(num_games, dtype=np.int64),
    )
    lanes_of = FAMILIES[family]
    padded_rows, padded_columns = _padded(num_rows), _padded(num_columns)
    width = max(1, min(MAX_LANES, TABLEAU_CELLS // (padded_rows * (padded_columns + 1))))
    incumbent = np.full(num_games, MARGIN if family == "margin" else -np.inf)
    ceiling = np.full((num_games, num_columns), np.inf) if family == "margin" else np.max(games.leader, axis=1)
    limit = 100 + 20 * (padded_rows + padded_columns)

    game, action = _best_first(ceiling, wanted)
    while len(game):
        if cut_off:
            is_open = ceiling[game, action] > incumbent[game]
            game, action = game[is_open], action[is_open]
            if not len(game):
                break
        head, game = game[:width], game[width:]
        column, action = action[:width], action[width:]
        lanes = _pad(lanes_of(games, head, column), width, padded_rows, padded_columns)
        limits = np.full(width, np.inf)
        limits[: len(head)] = incumbent[head] if cut_off else -np.inf
        found = [np.asarray(part)[: len(head)] for part in solve_lanes(*lanes, limits, limit=limit)]
        strategy, multipliers, bound, status, pivots = found
        is_solved = status == OPTIMAL
        answers.strategies[head, column] = np.where(is_solved[:, None], _fold(strategy, num_rows), np.nan)
        answers.values[head, column] = np.where(is_solved, bound, np.nan)
        answers.multipliers[head, column] = multipliers[:, :num_columns]
        answers.unfinished[head, column] = status == LIMIT
        np.add.at(answers.pivots, head, pivots)
        if family != "margin":
            np.maximum.at(incumbent, head[is_solved], bound[is_solved])
    return answers


def _strong(games: Games, game: Int[np.ndarray, "n"], action: Int[np.ndarray, "n"]) -> Lanes:
    follower = games.follower[game]
    own = np.take_along_axis(follower, action[:, None, None], axis=2)
    cost = games.leader[game, :, action]
    return Lanes(cost, own - follower, None, action.astype(np.int32))


def _weak(games: Games, game: Int[np.ndarray, "n"], action: Int[np.ndarray, "n"]) -> Lanes:
    cost, gain, _, spare = _strong(games, game, action)
    equal = games.equal[game, action]
    gain = np.where(equal[:, None, :], games.leader[game] - cost[:, :, None], gain)
    return Lanes(cost, gain, equal, spare)


def _margin(games: Games, game: Int[np.ndarray, "n"], action: Int[np.ndarray, "n"]) -> Lanes:
    follower = games.follower[game]
    other = ~games.equal[game, action]
    spare = np.argmax(other, axis=1).astype(np.int32)
    rival = np.take_along_axis(follower, spare[:, None, None], axis=2)
    cost = games.follower[game, :, action] - rival[:, :, 0]
    gain = np.where(other[:, None, :], rival - follower, 1.0)
    return Lanes(cost, gain, other, spare)


FAMILIES: dict[Family, Callable[..., Lanes]] = {"strong": _strong, "weak": _weak, "margin": _margin}


def _best_first(
    ceiling: Float[np.ndarray, "n b"], wanted: Bool[np.ndarray, "n b"]
) -> tuple[Int[np.ndarray, "m"], Int[np.ndarray, "m"]]:
    """Every game's most promising action first, then every game's second, and so on."""
    order = np.argsort(-ceiling, axis=1, kind="stable").T
    game = np.broadcast_to(np.arange(ceiling.shape[0]), order.shape)
    is_wanted = wanted[game, order]
    return game[is_wanted], order[is_wanted]


def _padded(size: int) -> int:
    """`size` rounded up to a multiple of an eighth of its leading power of two: few shapes are compiled."""
    step = max(2, 1 << max(size.bit_length() - 4, 0))
    return -(-size // step) * step


def _pad(lanes: Lanes, width: int, num_rows: int, num_columns: int) -> Lanes:
    """To full width and size: idle lanes, copies of the leader's first row, and constraints that never bind."""
    cost, gain, soft, spare = lanes
    idle, rows, columns = width - cost.shape[0], num_rows - cost.shape[1], num_columns - gain.shape[2]
    if not (idle or rows or columns):
        return lanes
    gain = np.pad(gain, ((0, idle), (0, rows), (0, columns)), constant_values=1.0)
    if rows:
        gain[:, -rows:] = gain[:, :1]
    cost = np.pad(cost, ((0, idle), (0, rows)))
    if rows:
        cost[:, -rows:] = cost[:, :1]
    soft = None if soft is None else np.pad(soft, ((0, idle), (0, columns)))
    return Lanes(cost, gain, soft, np.pad(spare, (0, idle)))


def _fold(strategy: Float[np.ndarray, "n c"], num_rows: int) -> Float[np.ndarray, "n a"]:
    """What the copies of the first row were given goes to the first row."""
    folded = strategy[:, :num_rows].copy()
    folded[:, 0] += strategy[:, num_rows:].sum(axis=1)
    return folded
