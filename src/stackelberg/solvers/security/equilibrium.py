"""The equilibrium of a security game in polynomial time, with coverage as marginal probabilities.

Call the follower's best payoff under a coverage its level. What matters is the least level w that resources can bring
about. Every target then needs coverage (u - w)/(u - c) where its uncovered payoff u exceeds w, and a follower who is
indifferent among these attacks the one that is best for the leader. A lower level raises the coverage of every target
that can be attacked at all, so that no other level is worth more: the reasoning of ORIGAMI (Kiekintveld et al., 2009,
Section 5), where the level is found by bisection, or by one linear program when there are schedules.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float

from ... import _boundary as boundary
from ..._record import Solution
from ..._types import Ties
from ...calculus.precision import exact
from ...games.security import SecurityGame
from ..base import AbstractSolver
from ..certified import certified
from ..rescale import precision_notes, rescale
from .levels import Level, ScaledPayoffs, forced_coverage, least_level, spare_coverage


TIED = 1e-9  # as in BestResponse: against ties, payoffs within this fraction of the follower's range count as equal


class SecurityLP(AbstractSolver[SecurityGame]):
    """The strong or weak Stackelberg equilibrium of a security game, with or without schedules.

    - `ties`: "leader" (strong; it always exists) or "adversary" (weak; as a rule only a supremum).
    - `epsilon`: where the weak value is only approached, the coverage returned is within this fraction of the leader's
      payoff range of it.

    The bound is a proof: no coverage brings the follower's level below the one reported, and a target whose uncovered
    payoff is u can be attacked at a level w or more only while its coverage is at most (u - w)/(u - c). Where ties go
    against the leader, payoffs within 1e-9 of the follower's range count as tied.
    """

    ties: Ties = eqx.field(static=True)
    epsilon: float

    def __init__(self, ties: Ties = "leader", epsilon: float = 1e-6) -> None:
        self.ties = boundary.one_of("ties", ties, ("leader", "adversary"))  # type: ignore[assignment]
        self.epsilon = boundary.real_number("epsilon", epsilon, low=0.0, high=1.0, low_open=True)

    @exact
    def __call__(self, game: SecurityGame) -> Solution:
        """The certified equilibrium of `game`; warns where storage merged payoffs."""
        started = time.perf_counter()
        scaled, notes = _scaled(game)
        level = least_level(game, scaled.follower_covered, scaled.follower_uncovered)
        plan = (_strong if self.ties == "leader" else _weak)(game, scaled, level, self.epsilon)
        coverage = np.asarray(game.check_commitment(plan.coverage))
        response = _response(game, coverage, plan, self.ties)
        value = float(game.leader_value(coverage, response))
        upper = _upper_bound(game, scaled, level, plan.ceiling, self.ties)
        span = float(np.max(game.leader_covered) - np.min(game.leader_uncovered))
        rounding = 4.0 * TIED * span + 32.0 * float(np.spacing(max(abs(value), abs(upper))))
        is_approached = self.ties == "adversary" and upper - value > rounding
        return certified(
            game,
            coverage,
            response,
            upper=upper,
            tolerance=2.0 * self.epsilon * span if is_approached else 0.0,
            rounding=rounding,
            solver="SecurityLP",
            proof="the least level of the follower, bounded from below",
            closed="supremum" if is_approached else "optimal",
            notes=(plan.note, *notes),
            statistics={
                "level": float(np.max(np.asarray(game.induce(coverage).follower_payoff))),
                "seconds": time.perf_counter() - started,
            },
        )


@dataclass(frozen=True, eq=False)
class _Plan:
    """What to announce, the target that it is meant for (or none in particular), and what else could be worth more."""

    coverage: Float[np.ndarray, "n"]
    target: int | None
    ceiling: float
    note: str


def _scaled(game: SecurityGame) -> tuple[ScaledPayoffs, tuple[str, ...]]:
    leader = rescale(np.stack([game.leader_covered, game.leader_uncovered])[None])
    follower = rescale(np.stack([game.follower_covered, game.follower_uncovered])[None])
    notes = precision_notes("leader", leader, stacklevel=4) + precision_notes("follower", follower, stacklevel=4)
    return ScaledPayoffs(*leader.scaled[0], *follower.scaled[0]), notes


def _leader_payoff(scaled: ScaledPayoffs, coverage: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    return coverage * scaled.leader_covered + (1.0 - coverage) * scaled.leader_uncovered


def _strong(game: SecurityGame, scaled: ScaledPayoffs, level: Level, epsilon: float) -> _Plan:
    """The best target at the least level, ties going to the leader."""
    del epsilon
    coverage, indifferent = level.coverage, scaled.follower_uncovered == scaled.follower_covered
    attacked = scaled.follower_uncovered >= level.reached - level.tolerance
    values = np.where(attacked, _leader_payoff(scaled, coverage), -np.inf)
    best, ceiling = int(np.argmax(values)), -np.inf
    for target in np.flatnonzero(attacked & indifferent):  # coverage there costs the follower nothing, and may be added
        more = spare_coverage(game, level, scaled.follower_covered, scaled.follower_uncovered, int(target))
        worth = float(_leader_payoff(scaled, more)[target])
        ceiling = max(ceiling, worth)
        if worth > values[best]:
            coverage, best = more, int(target)
            values[best] = worth
    return _Plan(coverage, best, ceiling, "Strong equilibrium: the follower breaks ties in the leader's favour.")


def _weak(game: SecurityGame, scaled: ScaledPayoffs, level: Level, epsilon: float) -> _Plan:
    """Coverage that leaves the follower no tie: the best target is made a little more attractive than the others.

    Targets that pay the follower no more than the level even uncovered cannot be set apart. Where those that no
    coverage holds below the level are among them, the follower may also be left with these alone: it picks the worst of
    them for the leader, and spare resources go where that helps most.
    """
    room = scaled.follower_uncovered - level.reached
    takes = scaled.follower_uncovered - scaled.follower_covered
    apart = room > TIED
    values = np.where(apart, _leader_payoff(scaled, level.coverage), -np.inf)
    best, worth = int(np.argmax(values)), -np.inf
    forced = scaled.follower_uncovered - takes * level.reachable >= level.reached - TIED
    if forced.any() and not np.any(forced & apart):
        coverage, worth = forced_coverage(game, level, scaled, forced)
        if worth >= values[best]:
            note = "Weak equilibrium: the coverage is worth this much even when ties go against it."
            return _Plan(coverage, None, worth, note)
    gain = scaled.leader_covered[best] - scaled.leader_uncovered[best]
    margin = min(room[best], epsilon * takes[best] / gain if gain > 0.0 else room[best])
    coverage = level.coverage.copy()
    coverage[best] = np.clip((room[best] - margin) / takes[best], 0.0, coverage[best])
    note = "Weak equilibrium: the upper bound is approached, not attained; the follower strictly prefers its answer."
    return _Plan(coverage, best, worth, note)


def _response(game: SecurityGame, coverage: Float[np.ndarray, "n"], plan: _Plan, ties: Ties) -> Float[np.ndarray, "n"]:
    """The attack, read off the plan. Against ties it must be strictly best, or the worst of the best is taken."""
    payoff = np.asarray(game.induce(coverage).follower_payoff)
    if plan.target is not None:
        attack = (np.arange(len(coverage)) == plan.target).astype(np.float64)
        if ties == "leader" or np.all(payoff[attack == 0.0] < payoff[plan.target]):
            return attack
    return np.asarray(game.induce(coverage).best_response("adversary", TIED))


def _upper_bound(game: SecurityGame, scaled: ScaledPayoffs, level: Level, ceiling: float, ties: Ties) -> float:
    """The most that the leader can get from a target that can be attacked at the proven level or above."""
    takes = scaled.follower_uncovered - scaled.follower_covered
    room = scaled.follower_uncovered - level.proven
    possible: Bool[np.ndarray, "n"] = room >= -level.tolerance if ties == "leader" else room > 2.0 * TIED
    possible &= (takes > 0.0) | (game.schedules is None)  # the plan's ceiling holds the others, from their own program
    with np.errstate(divide="ignore", invalid="ignore"):
        most = np.where(takes > 0.0, room / takes, level.spare)
    most = np.minimum(np.minimum(most * (1.0 + 1e-15), 1.0), level.reachable)
    low, high = np.asarray(game.leader_uncovered), np.asarray(game.leader_covered)
    values: Any = most * high + (1.0 - most) * low + 4.0 * np.finfo(np.float64).eps * (np.abs(low) + np.abs(high))
    best = float(np.max(np.where(possible, values, -np.inf)))
    if np.isfinite(ceiling) and (ties == "adversary" or game.schedules is not None):
        span = float(np.max(high) - np.min(low))
        shrunk = float(np.max(scaled.leader_covered) - np.min(scaled.leader_uncovered))
        best = max(best, float(np.min(low)) + (ceiling + TIED) * (span / shrunk if shrunk > 0.0 else 0.0))
    return best
