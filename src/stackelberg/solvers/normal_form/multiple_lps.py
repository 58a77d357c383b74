"""The equilibrium of one normal-form game by one linear program for each follower action."""

from __future__ import annotations

import time

import equinox as eqx
import numpy as np
from jaxtyping import Float

from ... import _boundary as boundary
from ..._record import Solution
from ..._types import Ties
from ...calculus.precision import exact
from ...games.normal_form import NormalFormGame
from ..base import AbstractSolver
from ..certified import certified
from .batch import MEMORY_LIMIT, BatchSolution, solve_batch


CLOSED = 1e-9
"""A smaller gap, as a fraction of the leader's payoff range, is called closed."""


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
        return _one(game, batch, self, time.perf_counter() - started)


def _one(game: NormalFormGame, batch: BatchSolution, solver: MultipleLPs, seconds: float) -> Solution:
    """The first game of a batch as a `Solution`."""
    leader = np.asarray(game.leader_payoff)
    span, rounding = span_and_rounding(leader)
    tolerance, closed = CLOSED * span, "optimal"
    if not batch.attained[0]:
        tolerance, closed = (solver.epsilon + CLOSED) * span, "supremum"
    return certified(
        game,
        batch.commitments[0],
        (np.arange(leader.shape[1]) == batch.follower_actions[0]).astype(np.float64),
        upper=float(batch.upper_bounds[0]),
        tolerance=tolerance,
        rounding=rounding,
        solver="MultipleLPs",
        proof="weak duality on the original payoffs, one program for each follower action",
        closed=closed,
        notes=_notes(game, batch, solver.ties),
        statistics={
            "programs": leader.shape[1],
            "pivots": int(batch.pivots[0]),
            "solved_by_highs": int(batch.fallbacks[0]),
            "seconds": seconds,
        },
    )


def span_and_rounding(payoff: Float[np.ndarray, "a b"]) -> tuple[float, float]:
    """The range of a player's payoffs, at most the largest float, and what rounding may do to an expected payoff.

    XLA takes numbers below the smallest normal one for 0.
    """
    low, high = float(np.min(payoff)), float(np.max(payoff))
    limits = np.finfo(np.float64)
    rounding = sum(payoff.shape) * float(np.spacing(max(abs(low), abs(high)))) + float(limits.tiny)
    return min(high - low, float(limits.max)), rounding


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
    return (note, *_thin_notes(game, batch, ties), *batch.notes)


def _thin_notes(game: NormalFormGame, batch: BatchSolution, ties: Ties) -> tuple[str, ...]:
    """One sentence for each follower action whose best-response region is empty, thin, or within rounding of it."""
    notes = []
    for action in np.flatnonzero(~np.isnan(batch.thin_margins[0])):
        name, margin = game.follower_actions[action], float(batch.thin_margins[0, action])
        if batch.is_counted[0, action]:
            notes.append(
                f"The follower prefers action {name!r} to its others by {margin:.2g} at most, whatever is announced: "
                "too little for a commitment that rounding cannot upset. The upper bound counts that action."
            )
        elif margin < 0.0:
            notes.append(
                f"Follower action {name!r} is never a best answer: another gives the follower more by "
                f"{-margin:.2g} at least. It is not counted."
            )
        elif ties == "adversary":
            notes.append(
                f"The follower prefers action {name!r} to its others by {margin:.2g} at most, whatever is announced: "
                "within rounding it is never strictly best, and it is not counted."
            )
    return tuple(notes)
