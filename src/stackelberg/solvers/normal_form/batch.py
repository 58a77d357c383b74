"""Strong and weak Stackelberg equilibria of many normal-form games of one shape in one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from ... import _boundary as boundary
from ..._errors import MemoryBudgetError, SolverError
from ..._types import Ties
from ...calculus.precision import exact
from ..rescale import precision_notes, rescale
from .game_batch import Games
from .region_bounds import regrets
from .winners import Winners, find_winners


MEMORY_LIMIT = 4e9

ROUNDING = 1e-12
"""What rounding may put between a value and its bound, as a fraction of the payoffs' range."""


@dataclass(frozen=True, eq=False)
class BatchSolution:
    """One equilibrium for each of n games.

    - `commitments`: the leader's mixtures, `(n, a)`.  `follower_actions`: what the follower answers.
    - `leader_values`: the leader's value of each commitment.  `upper_bounds`: no commitment gives more.
    - `follower_regrets`: what the follower could gain by deviating, 0 up to rounding.
    - `attained`: whether the commitment reaches the bound, rather than approaches it (weak equilibria only).
    - `fallbacks`: programs that HiGHS solved again.  `pivots`: of the own simplex.
    - `thin_margins`: for each follower action that turned out to be a best answer hardly anywhere or nowhere: it is
      better than the others by this much at most, under any commitment (negative: never a best answer); NaN for all
      others.  `is_counted`: whether `upper_bounds` counts it all the same, the proof being finer than rounding.
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
    thin_margins: Float[np.ndarray, "n b"]
    is_counted: Bool[np.ndarray, "n b"]
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
    found = find_winners(games, ties, epsilon, cut_off=cut_off)
    regret = regrets(games, found.strategies, found.actions)
    values, upper = scaled_leader.restore(found.values), np.nextafter(scaled_leader.restore(found.bounds), np.inf)
    _check_order(found)
    return BatchSolution(
        commitments=found.strategies,
        follower_actions=found.actions,
        leader_values=values,
        upper_bounds=np.maximum(upper, values),
        follower_regrets=scaled_follower.restore_difference(regret),
        attained=found.is_attained,
        fallbacks=found.fallbacks,
        pivots=found.pivots,
        thin_margins=np.ldexp(found.thin_margins, scaled_follower.exponent[:, None]),
        is_counted=found.is_counted,
        notes=notes,
    )


def _check_order(found: Winners) -> None:
    """Raise `SolverError` where a value exceeds what was proved to be its bound, by more than rounding."""
    excess = found.values - found.bounds
    if not np.all(excess <= ROUNDING):
        game = int(np.argmax(excess))
        raise SolverError(
            f"{SolverError.code} solve_batch: in game {game} the bound lies below the value found, by "
            f"{excess[game]:.3g} of the leader's payoff range. This is a defect: please report the game, and what "
            "`stackelberg doctor` says."
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
