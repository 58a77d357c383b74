"""The equilibrium of one normal-form game by one linear program for each follower action."""

from __future__ import annotations

import time

import equinox as eqx
import numpy as np

from .. import _boundary as boundary
from .._record import Certificate, Estimate, Solution
from .._types import Ties
from ..calculus.precision import exact
from ..games.normal_form import NormalFormGame
from .base import AbstractSolver
from .batch import MEMORY_LIMIT, BatchSolution, solve_batch
from .response_programs import MARGIN


class MultipleLPs(AbstractSolver[NormalFormGame]):
    """The strong or weak Stackelberg equilibrium: for each follower action the best commitment that induces it.

    - `ties`: "leader" (strong; it always exists) or "adversary" (weak; it may exist only as a supremum).
    - `epsilon`: where the weak value is only approached, the commitment returned is within this fraction of the
      leader's payoff range of it.
    - `memory_limit`: bytes that may be allocated; the estimate is made before.

    Conitzer and Sandholm (2006), Section 3. Departures: payoffs are rescaled by powers of two, all programs run in one
    dense dual simplex, and each is certified by weak duality; HiGHS solves again what could not be certified.
    """

    ties: Ties = eqx.field(static=True)
    epsilon: float
    memory_limit: float

    def __init__(self, ties: Ties = "leader", epsilon: float = 1e-6, memory_limit: float = MEMORY_LIMIT) -> None:
        self.ties = boundary.one_of("ties", ties, ("leader", "adversary"))  # type: ignore[assignment]
        self.epsilon = boundary.real_number("epsilon", epsilon, low=0.0, high=1.0, low_open=True)
        self.memory_limit = boundary.real_number("memory_limit", memory_limit, low=0.0, low_open=True)

    @exact
    def __call__(self, game: NormalFormGame) -> Solution:
        """The certified equilibrium of `game`. Raises `MemoryBudgetError`; warns where storage merged payoffs."""
        started = time.perf_counter()
        batch = solve_batch(
            np.asarray(game.leader_payoff)[None],
            np.asarray(game.follower_payoff)[None],
            ties=self.ties,
            epsilon=self.epsilon,
            memory_limit=self.memory_limit,
        )
        return _one(game, batch, "MultipleLPs", self.ties, time.perf_counter() - started)


def _one(game: NormalFormGame, batch: BatchSolution, method: str, ties: Ties, seconds: float) -> Solution:
    """The first game of a batch as a `Solution`."""
    _, num_columns = game.shape
    commitment, action = batch.commitments[0], int(batch.follower_actions[0])
    response = (np.arange(num_columns) == action).astype(np.float64)
    lower, upper = float(batch.leader_values[0]), float(batch.upper_bounds[0])
    span = float(np.max(game.leader_payoff)) - float(np.min(game.leader_payoff))
    status = "optimal" if batch.attained[0] else "supremum"
    if batch.attained[0] and upper - lower > 1e-9 * span + 4.0 * np.spacing(max(abs(lower), abs(upper))):
        status = "bounded"
    how = "weak duality on the original payoffs, one program for each follower action"
    if ties == "adversary":
        how += f", except actions that are never best by more than {MARGIN:g} of the follower's payoff range"
    certificate = Certificate(
        lower=lower,
        upper=upper,
        follower_regret=float(batch.follower_regrets[0]),
        status=status,
        method=how,
        notes=_notes(game, batch, ties),
    )
    return Solution(
        commitment=commitment,
        response=response,
        leader_value=Estimate(lower, lower, upper, status),
        follower_value=Estimate.exact(np.asarray(game.induce(commitment).value(response))),
        certificate=certificate,
        method=method,
        statistics={
            "programs": num_columns,
            "pivots": int(batch.pivots[0]),
            "solved_by_highs": int(batch.fallbacks[0]),
            "seconds": seconds,
        },
    )


def _notes(game: NormalFormGame, batch: BatchSolution, ties: Ties) -> tuple[str, ...]:
    if ties == "leader":
        note = "Strong equilibrium: the follower breaks ties in the leader's favour."
    elif batch.attained[0]:
        note = "Weak equilibrium: the commitment is worth this much even when ties go against the leader."
    else:
        follower = np.asarray(game.follower_payoff)
        is_copy = np.all(follower == follower[:, batch.follower_actions[0], None], axis=0)
        replies = batch.commitments[0] @ follower / 2.0  # the range of finite payoffs need not be finite
        margin = 2.0 * float(np.max(replies[is_copy]) - np.max(replies[~is_copy]))
        note = (
            "Weak equilibrium: the upper bound is approached, and need not be attained. Under this commitment the "
            f"follower strictly prefers its answer, by {margin:.2g}."
        )
    return (note, *batch.notes)
