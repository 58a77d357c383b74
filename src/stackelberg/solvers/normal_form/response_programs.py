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

import functools
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from ..._types import AnyArray
from .dual_simplex import DROPPED, LIMIT, OPTIMAL, LaneResults, Program, solve_program
from .game_batch import Games


Family = Literal["strong", "weak", "margin"]

TABLEAU_CELLS = 1 << 15
"""Cells of all tableaux that are worked on at once: they stay in a core's cache."""

MAX_LANES = 256

LARGE = 16
"""With fewer lanes than this, games are taken one by one and their matrices are sent to the device once."""


def thinness(num_columns: int, num_rows: int) -> float:
    """Leads and regrets below this, on payoffs in [0, 1], may be rounding; a thinner region counts as closed."""
    return 4.0 * (num_columns + num_rows + 8) * float(np.finfo(np.float64).eps)


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

    The margin family is cut off at half of `thinness`: what matters is whether the margin is positive.
    """
    shape = games.num_games, games.num_columns
    answers = Answers(
        strategies=np.full((*shape, games.num_rows), np.nan),
        values=np.full(shape, np.nan),
        multipliers=np.zeros((*shape, games.num_columns)),
        unfinished=np.zeros(shape, dtype=bool),
        pivots=np.zeros(games.num_games, dtype=np.int64),
    )
    padded = games.padded()
    width = min(MAX_LANES, TABLEAU_CELLS // (padded.num_rows * (padded.num_columns + 1)))
    race = _Race.start(games, family, cut_off)
    game, action = _best_first(race.ceiling, wanted)
    if width >= LARGE:
        _side_by_side(padded, family, width, race, answers, game, action)
    else:
        for number in range(games.num_games):
            _in_turn(padded, family, race, answers, number, action[game == number])
    return answers


@dataclass(frozen=True)
class _Race:
    """What each game's programs have to beat.

    - `ceiling`: no program is worth more than this.  `incumbent`: what has been found, raised in place.
    - `is_cut_off`: whether programs are dropped at the incumbent.  `rises`: whether values found raise it.
    """

    ceiling: Float[np.ndarray, "n b"]
    incumbent: Float[np.ndarray, "n"]
    is_cut_off: bool
    rises: bool

    @classmethod
    def start(cls, games: Games, family: Family, is_cut_off: bool) -> _Race:
        ceiling = np.max(games.leader, axis=2)
        if family == "margin":
            least = thinness(*games.follower.shape[1:]) / 2.0
            return cls(np.full_like(ceiling, np.inf), np.full(games.num_games, least), is_cut_off, rises=False)
        return cls(ceiling, np.full(games.num_games, -np.inf), is_cut_off, rises=True)

    def is_open(self, game: Int[np.ndarray, "m"], action: Int[np.ndarray, "m"]) -> Bool[np.ndarray, "m"]:
        return self.ceiling[game, action] > self.incumbent[game]

    def cutoff(self, game: Int[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
        return self.incumbent[game] if self.is_cut_off else np.full(len(game), -np.inf)

    def raise_to(self, game: Int[np.ndarray, "m"], value: Float[np.ndarray, "m"]) -> None:
        if self.rises:
            np.maximum.at(self.incumbent, game, value)


def program_of(
    is_margin: Bool[AnyArray, ""] | bool,
    leader: Float[AnyArray, "b a"],
    follower: Float[AnyArray, "b a"],
    equal: Bool[AnyArray, "b b"] | None,
    action: Int[AnyArray, ""] | int,
) -> Program:
    """The program of one follower action: strong without `equal`, else weak or, with `is_margin`, margin."""
    leader, follower = jnp.asarray(leader), jnp.asarray(follower)
    if equal is None:
        return Program(leader[action], follower[action] - follower, None, jnp.asarray(action, dtype=jnp.int32))
    is_equal = jnp.asarray(equal)[action]
    own = jnp.where(is_margin, jnp.argmax(~is_equal), action).astype(jnp.int32)
    cost = jnp.where(is_margin, follower[action] - follower[own], leader[action])
    among_equals = jnp.where(is_margin, 1.0, leader - leader[action])
    rows = jnp.where(is_equal[:, None], among_equals, follower[own] - follower)
    return Program(cost, rows, is_equal ^ is_margin, own)


@jax.jit
def _solve_lanes(
    is_margin: Bool[AnyArray, ""] | bool,
    leader: Float[AnyArray, "n b a"],
    follower: Float[AnyArray, "n b a"],
    equal: Bool[AnyArray, "n b b"] | None,
    action: Int[AnyArray, "n"],
    cutoff: Float[AnyArray, "n"],
    limit: Int[AnyArray, ""] | int,
) -> LaneResults:
    """One program of each game, side by side; compiled once for each shape."""
    programs = jax.vmap(functools.partial(program_of, is_margin))(leader, follower, equal, action)
    return jax.vmap(solve_program, in_axes=(0, 0, None))(programs, jnp.asarray(cutoff), jnp.asarray(limit))


@jax.jit
def _solve_in_turn(
    is_margin: Bool[AnyArray, ""] | bool,
    rises: Bool[AnyArray, ""] | bool,
    leader: Float[AnyArray, "b a"],
    follower: Float[AnyArray, "b a"],
    equal: Bool[AnyArray, "b b"] | None,
    action: Int[AnyArray, "m"],
    ceiling: Float[AnyArray, "m"],
    incumbent: Float[AnyArray, ""],
    limit: Int[AnyArray, ""] | int,
) -> LaneResults:
    """Programs of one game, one after the other, each cut off at the best so far where the incumbent `rises`."""
    num_columns, num_rows = leader.shape

    def solve(turn: tuple[jax.Array, jax.Array, jax.Array]) -> LaneResults:
        program = program_of(is_margin, leader, follower, equal, turn[0])
        return solve_program(program, turn[2], jnp.asarray(limit), in_place=True)

    def skip(turn: tuple[jax.Array, jax.Array, jax.Array]) -> LaneResults:
        none = jnp.zeros((), jnp.int32)
        return LaneResults(jnp.zeros(num_rows), jnp.zeros(num_columns), turn[1], none + DROPPED, none)

    def one(best: jax.Array, turn: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, LaneResults]:
        result = jax.lax.cond(turn[1] > best, solve, skip, (*turn, best))
        is_better = rises & (result.status == OPTIMAL)
        return jnp.where(is_better, jnp.maximum(best, result.bound), best), result

    return jax.lax.scan(one, jnp.asarray(incumbent), (jnp.asarray(action), jnp.asarray(ceiling)))[1]


def _side_by_side(
    games: Games,
    family: Family,
    width: int,
    race: _Race,
    answers: Answers,
    game: Int[np.ndarray, "m"],
    action: Int[np.ndarray, "m"],
) -> None:
    """Fill in `answers` for these pairs of game and action, `width` at a time."""
    while len(game):
        if race.is_cut_off:
            is_open = race.is_open(game, action)
            game, action = game[is_open], action[is_open]
        head, game = game[:width], game[width:]
        column, action = action[:width], action[width:]
        idle = width - len(head)
        own = np.pad(head, (0, idle))
        found = _solve_lanes(
            family == "margin",
            games.leader[own],
            games.follower[own],
            None if games.equal is None else games.equal[own],
            np.pad(column, (0, idle)).astype(np.int32),
            np.pad(race.cutoff(head), (0, idle), constant_values=np.inf),  # an idle lane is dropped at once
            _limit(games),
        )
        _record(answers, race, head, column, found)


def _in_turn(
    games: Games, family: Family, race: _Race, answers: Answers, number: int, action: Int[np.ndarray, "m"]
) -> None:
    """Fill in `answers` for these actions of one large game."""
    idle = games.num_columns - len(action)
    game = np.full(len(action), number)
    found = _solve_in_turn(
        family == "margin",
        race.rises and race.is_cut_off,
        games.leader[number],
        games.follower[number],
        None if games.equal is None else games.equal[number],
        np.pad(action, (0, idle)).astype(np.int32),
        np.pad(race.ceiling[game, action], (0, idle), constant_values=-np.inf),
        np.float64(race.incumbent[number] if race.is_cut_off else -np.inf),
        _limit(games),
    )
    _record(answers, race, game, action, found)


def _record(
    answers: Answers,
    race: _Race,
    game: Int[np.ndarray, "m"],
    action: Int[np.ndarray, "m"],
    found: LaneResults,
) -> None:
    num_rows, num_columns = answers.strategies.shape[2], answers.multipliers.shape[2]
    strategy, multipliers, bound, status, pivots = (np.asarray(part)[: len(game)] for part in found)
    is_solved = status == OPTIMAL
    answers.strategies[game, action] = np.where(is_solved[:, None], strategy[:, :num_rows], np.nan)
    answers.strategies[game, action, 0] += strategy[:, num_rows:].sum(axis=1)  # copies of the first action
    answers.values[game, action] = np.where(is_solved, bound, np.nan)
    answers.multipliers[game, action] = multipliers[:, :num_columns]
    answers.unfinished[game, action] = status == LIMIT
    np.add.at(answers.pivots, game, pivots)
    race.raise_to(game[is_solved], bound[is_solved])


def _best_first(
    ceiling: Float[np.ndarray, "n b"], wanted: Bool[np.ndarray, "n b"]
) -> tuple[Int[np.ndarray, "m"], Int[np.ndarray, "m"]]:
    """Every game's most promising action first, then every game's second, and so on."""
    order = np.argsort(-ceiling, axis=1, kind="stable").T
    game = np.broadcast_to(np.arange(ceiling.shape[0]), order.shape)
    is_wanted = wanted[game, order]
    return game[is_wanted], order[is_wanted]


def _limit(games: Games) -> int:
    """Pivots after which a program is left to HiGHS: far more than any was seen to need."""
    return 100 + 20 * (games.num_rows + games.num_columns)
