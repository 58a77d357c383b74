"""Strong and weak Stackelberg equilibria of many normal-form games of one shape in one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from .. import _boundary as boundary
from .._errors import MemoryBudgetError
from .._types import Ties
from ..calculus.precision import exact
from .game_batch import Games
from .open_regions import open_regions
from .region_bounds import at, expected, regrets, settle
from .rescale import precision_notes, rescale
from .response_programs import solve_programs


TIE = 1e-9
"""Actions this close to the best one count as tied when it is asked whether a weak equilibrium is attained."""

MEMORY_LIMIT = 4e9


@dataclass(frozen=True, eq=False)
class BatchSolution:
    """One equilibrium for each of n games.

    - `commitments`: the leader's mixtures, `(n, a)`.  `follower_actions`: what the follower answers.
    - `leader_values`: the leader's value of each commitment.  `upper_bounds`: no commitment gives more.
    - `follower_regrets`: what the follower could gain by deviating, 0 up to rounding.
    - `attained`: whether the commitment reaches the bound, rather than approaches it (weak equilibria only).
    - `fallbacks`: programs that HiGHS solved again.  `pivots`: of the own simplex.
    - `notes`: what storage in float64 may have merged, as sentences.
    """

    commitments: Float[np.ndarray, "n a"]
    follower_actions: Int[np.ndarray, "n"]
    leader_values: Float[np.ndarray, "n"]
    upper_bounds: Float[np.ndarray, "n"]
    follower_regrets: Float[np.ndarray, "n"]
    attained: Bool[np.ndarray, "n"]
    fallbacks: Int[np.ndarray, "n"]
    pivots: Int[np.ndarray, "n"]
    notes: tuple[str, ...] = ()


@exact
def solve_batch(
    leader_payoff: Any,
    follower_payoff: Any,
    *,
    ties: Ties = "leader",
    epsilon: float = 1e-6,
    cut_off: bool = True,
    memory_limit: float = MEMORY_LIMIT,
) -> BatchSolution:
    """The strong (`ties="leader"`) or weak (`ties="adversary"`) Stackelberg equilibrium of each game.

    - `leader_payoff`, `follower_payoff`: `(n, a, b)`, finite; each game is rescaled on its own.
    - `epsilon`: a weak equilibrium may exist only as a supremum; the commitment returned is within this fraction of
      the leader's payoff range of it.
    - `cut_off`: drop programs that cannot matter any more; their bounds are proved all the same.
    - `memory_limit`: bytes; `MemoryBudgetError` names the estimate before anything is allocated.

    Conitzer and Sandholm (2006), Section 3, for the strong equilibrium. Raises `InputError`.
    """
    leader = boundary.real_array("leader_payoff", leader_payoff, axes=("n", "a", "b"))
    follower = boundary.real_array("follower_payoff", follower_payoff, axes=leader.shape)
    boundary.one_of("ties", ties, ("leader", "adversary"))
    epsilon = boundary.real_number("epsilon", epsilon, low=0.0, high=1.0, low_open=True)
    check_memory(leader.shape, memory_limit)
    scaled_leader, scaled_follower = rescale(leader), rescale(follower)
    notes = precision_notes("leader", scaled_leader, stacklevel=4)
    notes += precision_notes("follower", scaled_follower, stacklevel=4)
    games = Games.build(scaled_leader.scaled, scaled_follower.scaled, compare=ties == "adversary")
    find = _strong if ties == "leader" else _weak
    found = find(games, epsilon, cut_off)
    upper = np.nextafter(scaled_leader.restore(found.upper_bounds), np.inf)
    return BatchSolution(
        commitments=found.commitments,
        follower_actions=found.follower_actions,
        leader_values=np.minimum(scaled_leader.restore(found.leader_values), upper),
        upper_bounds=upper,
        follower_regrets=scaled_follower.restore_difference(found.follower_regrets),
        attained=found.attained,
        fallbacks=found.fallbacks,
        pivots=found.pivots,
        notes=notes,
    )


def check_memory(shape: tuple[int, ...], limit: float) -> None:
    """Raise `MemoryBudgetError` when solving games of `shape` `(n, a, b)` would take more than `limit` bytes."""
    num_games, num_rows, num_columns = shape
    cells = num_games * num_columns * (8 * num_rows + 4 * num_columns) + 8 * (num_rows + 2) * (num_columns + 2)
    needed = 8.0 * cells
    if needed > limit:
        raise MemoryBudgetError(
            f"{MemoryBudgetError.code} leader_payoff: solving {num_games} games of {num_rows}×{num_columns} actions "
            f"would take about {needed / 1e9:.3g} GB; at most {limit / 1e9:.3g} GB are allowed. "
            "Solve fewer games at once, leave out dominated actions, or raise `memory_limit`."
        )


def _strong(games: Games, epsilon: float, cut_off: bool) -> BatchSolution:
    """The best program of each game; its own action is the response, never a second argmax."""
    del epsilon
    everything = np.ones((games.num_games, games.num_columns), dtype=bool)
    answers = solve_programs(games, "strong", everything, cut_off=cut_off)
    best = settle(games, "strong", answers, everything)
    return BatchSolution(
        commitments=best.strategies,
        follower_actions=best.actions,
        leader_values=best.values,
        upper_bounds=best.bounds,
        follower_regrets=regrets(games, best.strategies, best.actions),
        attained=np.ones(games.num_games, dtype=bool),
        fallbacks=best.fallbacks,
        pivots=answers.pivots,
    )


def _weak(games: Games, epsilon: float, cut_off: bool) -> BatchSolution:
    """The supremum over regions in which the follower strictly prefers one column (or columns equal to it).

    Against an adversarial tie rule the leader's value is lower semicontinuous in the commitment, and commitments that
    leave the follower no tie between different columns are dense. So the supremum is taken over those alone: a
    region of best responses without interior adds nothing, and one with interior counts with its closure.

    Thin regions are rare, so the values come first: a winner whose region turns out to be thin is struck off, and its
    game is solved again without it.
    """
    equal = games.equal
    if equal is None:
        raise TypeError("The weak equilibrium needs the comparison of columns.")
    candidates = np.argmax(equal, axis=2) == np.arange(games.num_columns)
    result = _nothing(games)
    pending = np.arange(games.num_games)
    while len(pending):
        some = games.take(pending)
        answers = solve_programs(some, "weak", candidates[pending], cut_off=cut_off)
        best = settle(some, "weak", answers, candidates[pending])
        regions = open_regions(some, equal[pending], best.actions, cut_off=cut_off)
        copies = equal[pending, best.actions]
        commitments, attained = _step_inside(some, copies, best.strategies, regions.strategies, best.values, epsilon)
        leader, follower = expected(some, commitments)
        is_tied = follower >= follower.max(axis=1, keepdims=True) - TIE
        action = np.argmin(np.where(copies | (attained[:, None] & is_tied), leader, np.inf), axis=1)
        result.commitments[pending], result.follower_actions[pending] = commitments, action
        result.leader_values[pending], result.upper_bounds[pending] = at(leader, action), best.bounds
        result.follower_regrets[pending], result.attained[pending] = regrets(some, commitments, action), attained
        result.fallbacks[pending] += best.fallbacks + regions.fallbacks
        result.pivots[pending] += answers.pivots + regions.pivots
        is_thin = ~regions.is_open
        candidates[pending[is_thin], best.actions[is_thin]] = False
        pending = pending[is_thin]
    return result


def _nothing(games: Games) -> BatchSolution:
    """A batch to be filled in."""
    count = games.num_games
    return BatchSolution(
        commitments=np.full((count, games.num_rows), np.nan),
        follower_actions=np.zeros(count, dtype=np.int64),
        leader_values=np.full(count, np.nan),
        upper_bounds=np.full(count, np.nan),
        follower_regrets=np.full(count, np.nan),
        attained=np.zeros(count, dtype=bool),
        fallbacks=np.zeros(count, dtype=np.int64),
        pivots=np.zeros(count, dtype=np.int64),
    )


def _step_inside(
    games: Games,
    copies: Bool[np.ndarray, "n b"],
    edge: Float[np.ndarray, "n a"],
    inside: Float[np.ndarray, "n a"],
    supremum: Float[np.ndarray, "n"],
    epsilon: float,
) -> tuple[Float[np.ndarray, "n a"], Bool[np.ndarray, "n"]]:
    """From the region's best point towards the point of largest margin, as far as `epsilon` allows.

    Where the best point itself withstands the adversary there is nothing to step away from.
    """
    leader, follower = expected(games, edge)
    is_tied = follower >= follower.max(axis=1, keepdims=True) - TIE
    attained = np.min(np.where(is_tied, leader, np.inf), axis=1) >= supremum - TIE
    leader_inside, _ = expected(games, inside)
    worst_inside = np.min(np.where(copies, leader_inside, np.inf), axis=1)
    loss = np.maximum(supremum - worst_inside, 0.0)
    allowed = epsilon * (games.leader.max(axis=(1, 2)) - games.leader.min(axis=(1, 2)))
    share = np.where(attained, 0.0, np.where(loss > allowed, allowed / np.where(loss > 0.0, loss, 1.0), 1.0))[:, None]
    return (1.0 - share) * edge + share * inside, attained
