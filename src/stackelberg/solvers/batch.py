"""Strong and weak Stackelberg equilibria of many normal-form games of one shape in one call."""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from .. import _boundary as boundary
from .._errors import MemoryBudgetError
from .._types import Ties
from ..calculus.precision import exact
from .region_bounds import at, expected, repair, upper_bounds
from .rescale import precision_notes, rescale
from .response_programs import MARGIN, Answers, Games, solve_programs


TOLERANCE = 1e-10
"""A larger gap or follower's regret, as a fraction of the payoffs' range, sends a program to HiGHS."""

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
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
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
    wanted = np.ones((games.num_games, games.num_columns), dtype=bool)
    answers = solve_programs(games, "strong", wanted, cut_off=cut_off)
    bounds = upper_bounds(games, "strong", answers.multipliers)
    found = _best_strong(games, answers, bounds)
    is_winner = np.arange(games.num_columns) == found.follower_actions[:, None]
    is_loose = bounds > found.leader_values[:, None] + TOLERANCE
    doubtful = answers.unfinished | is_loose | (is_winner & (found.follower_regrets > TOLERANCE)[:, None])
    if not doubtful.any():
        return found
    answers = repair(games, "strong", answers, doubtful)
    found = _best_strong(games, answers, upper_bounds(games, "strong", answers.multipliers))
    return dataclasses.replace(found, fallbacks=doubtful.sum(axis=1))


def _best_strong(games: Games, answers: Answers, bounds: Float[np.ndarray, "n b"]) -> BatchSolution:
    action = np.argmax(np.where(np.isnan(answers.values), -np.inf, answers.values), axis=1)
    strategies = answers.strategies[np.arange(len(action)), action]
    leader, follower = expected(games, strategies)
    return BatchSolution(
        commitments=strategies,
        follower_actions=action,
        leader_values=at(leader, action),
        upper_bounds=bounds.max(axis=1),
        follower_regrets=follower.max(axis=1) - at(follower, action),
        attained=np.ones(len(action), dtype=bool),
        fallbacks=np.zeros(len(action), dtype=np.int64),
        pivots=answers.pivots,
    )


def _weak(games: Games, epsilon: float, cut_off: bool) -> BatchSolution:
    """The supremum over regions in which the follower strictly prefers one column (or columns equal to it).

    Against an adversarial tie rule the leader's value is lower semicontinuous in the commitment, and commitments that
    leave the follower no tie between different columns are dense. So the supremum is reached over those alone: a best
    -response region without interior adds nothing, and one with interior counts with its closure.
    """
    equal = games.equal
    if equal is None:
        raise TypeError("The weak equilibrium needs the comparison of columns.")
    is_first = np.argmax(equal, axis=2) == np.arange(games.num_columns)
    is_alone = np.asarray(np.all(equal, axis=2))
    wanted = is_first & ~is_alone
    margins = solve_programs(games, "margin", wanted, cut_off=cut_off)
    margins = repair(games, "margin", margins, margins.unfinished)
    is_open = is_first & ((np.nan_to_num(margins.values, nan=-1.0) > MARGIN) | is_alone)
    answers = solve_programs(games, "weak", is_open, cut_off=cut_off)
    supremum, bound = _best_weak(games, answers, is_open)
    doubtful = is_open & (answers.unfinished | (bound > supremum[:, None] + TOLERANCE))
    if doubtful.any():
        answers = repair(games, "weak", answers, doubtful)
        supremum, bound = _best_weak(games, answers, is_open)
    winner = np.argmax(np.where(np.isnan(answers.values), -np.inf, answers.values), axis=1)
    game = np.arange(len(winner))
    copies = equal[game, winner]
    edge = answers.strategies[game, winner]
    inside = np.where(is_alone[game, winner][:, None], edge, margins.strategies[game, winner])
    commitments, attained = _step_inside(games, copies, edge, inside, supremum, epsilon)
    leader, follower = expected(games, commitments)
    slack = np.where(attained, TIE, 0.0)
    is_reply = (follower >= (follower.max(axis=1) - slack)[:, None]) | copies
    is_reply &= np.where(attained[:, None], True, copies)
    action = np.argmin(np.where(is_reply, leader, np.inf), axis=1)
    return BatchSolution(
        commitments=commitments,
        follower_actions=action,
        leader_values=at(leader, action),
        upper_bounds=np.max(np.where(is_open, bound, -np.inf), axis=1),
        follower_regrets=follower.max(axis=1) - at(follower, action),
        attained=attained,
        fallbacks=(doubtful | margins.unfinished).sum(axis=1),
        pivots=margins.pivots + answers.pivots,
    )


def _best_weak(games: Games, answers: Answers, is_open: Bool[np.ndarray, "n b"]) -> tuple[np.ndarray, np.ndarray]:
    value = np.max(np.where(is_open & ~np.isnan(answers.values), answers.values, -np.inf), axis=1)
    return value, upper_bounds(games, "weak", answers.multipliers)


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
