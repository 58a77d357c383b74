"""From marginal probabilities to a lottery over pure placements: what a ranger can carry out.

Coverage says how likely each target is guarded. A day needs one placement; a lottery over placements with the right
marginals is drawn from instead.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linprog

from .._errors import MemoryBudgetError
from .._types import Key


MAX_UNIONS = 50_000
TIGHTEST = 1e-10  # the smallest feasibility tolerance that HiGHS takes


@dataclass(frozen=True, eq=False)
class Lottery:
    """Pure placements `(p, n)`, 1 where a target is guarded, and the probability `(p,)` of each."""

    placements: Float[np.ndarray, "p n"]
    probabilities: Float[np.ndarray, "p"]

    @property
    def coverage(self) -> Float[np.ndarray, "n"]:
        """The probability that each target is guarded."""
        return self.probabilities @ self.placements

    def draw(self, num_days: int, *, key: Key) -> Float[np.ndarray, "m n"]:
        """One placement for each of `num_days` days, drawn independently."""
        days = jax.random.choice(key, len(self.probabilities), (num_days,), p=self.probabilities)
        return self.placements[np.asarray(days)]


def comb_lottery(marginals: Float[np.ndarray, "n"]) -> Lottery:
    """A lottery with these marginals whose placements all hold ⌊Σ⌋ or ⌈Σ⌉ items: systematic sampling.

    Lay the marginals end to end on a line; the teeth of a comb with spacing 1 and a uniformly drawn start pick the
    items that they fall on. The start matters only through its order among the n end points, so that at most n + 1
    placements occur. Madow (1949); as a "comb" in Tsai et al. (2010).
    """
    ends = np.cumsum(marginals)
    total = np.round(ends[-1])
    if abs(ends[-1] - total) <= 1e-13 * len(marginals):  # a rounded sum must not add one item on a day in 10^13
        ends = np.where(ends >= np.minimum(total, ends[-1]), total, np.minimum(ends, total))
    starts = np.concatenate([[0.0], ends[:-1]])
    cuts = np.unique(np.concatenate([[0.0, 1.0], np.mod(ends, 1.0)]))
    tooth = (cuts[:-1] + cuts[1:]) / 2.0
    hits = np.floor(ends - tooth[:, None]) - np.floor(starts - tooth[:, None])
    return _merged(hits, np.diff(cuts))


def thinned(lottery: Lottery, coverage: Float[np.ndarray, "n"]) -> Lottery:
    """`lottery` with guards left out here and there, so that each target is guarded with exactly this probability.

    Its own coverage must be at least `coverage`. Days are laid on [0, 1); each target keeps its first guards up to its
    probability, which cuts at most one day in two. Beyond n + 1 placements a vertex of the lotteries with this coverage
    is taken (Carathéodory).
    """
    edges = np.concatenate([[0.0], np.cumsum(lottery.probabilities)])
    guarded = lottery.placements * lottery.probabilities[:, None]
    before = np.cumsum(guarded, axis=0) - guarded
    room = np.clip(coverage - before, 0.0, guarded)
    partial = (room > 0.0) & (room < guarded)
    cuts = np.unique(np.clip(np.concatenate([edges, (edges[:-1, None] + room)[partial]]), 0.0, 1.0))
    middle = (cuts[:-1] + cuts[1:]) / 2.0
    day = np.clip(np.searchsorted(edges, middle, side="right") - 1, 0, len(lottery.probabilities) - 1)
    keeps = (middle - edges[day])[:, None] < room[day]
    return _at_most(_merged(keeps * lottery.placements[day], np.diff(cuts)), coverage)


def schedule_probabilities(
    schedules: Float[np.ndarray, "k n"], coverage: Float[np.ndarray, "n"]
) -> Float[np.ndarray, "k"]:
    """How likely each schedule must be run to give at least this coverage, with the fewest runs; ∞ if none can.

    With disjoint schedules it is the largest coverage on the schedule; with overlapping ones a linear program.
    """
    if not overlap(schedules):
        return np.max(schedules * coverage, axis=1)
    programme = linprog(
        np.ones(len(schedules)),
        A_ub=-schedules.T,
        b_ub=-coverage,
        bounds=(0.0, 1.0),
        method="highs",
        options={"primal_feasibility_tolerance": TIGHTEST, "dual_feasibility_tolerance": TIGHTEST},
    )
    if programme.x is None:
        return np.full(len(schedules), math.inf)
    return np.clip(programme.x, 0.0, 1.0)


def overlap(schedules: Float[np.ndarray, "k n"]) -> bool:
    """Whether some target lies on two schedules."""
    return bool(np.any(np.sum(schedules, axis=0) > 1.0))


def unions(schedules: Float[np.ndarray, "k n"], count: int) -> Float[np.ndarray, "p n"]:
    """What every choice of `count` schedules covers together, without repeats.

    Raises `MemoryBudgetError` when there are more than 50,000 choices.
    """
    number = math.comb(len(schedules), min(count, len(schedules)))
    if number > MAX_UNIONS:
        raise MemoryBudgetError(
            f"{MemoryBudgetError.code} schedules: {count} teams can be sent on {len(schedules)} overlapping schedules "
            f"in {number} ways; at most {MAX_UNIONS} are enumerated. Use disjoint schedules, or list fewer of them."
        )
    rows: Int[np.ndarray, "p m"] = np.array(list(itertools.combinations(range(len(schedules)), count)))
    return np.unique(schedules[rows].max(axis=1), axis=0)


def _merged(placements: Float[np.ndarray, "p n"], probabilities: Float[np.ndarray, "p"]) -> Lottery:
    kept = probabilities > 0.0
    distinct, where = np.unique(placements[kept], axis=0, return_inverse=True)
    weights = np.bincount(where.reshape(-1), probabilities[kept], minlength=len(distinct))
    return Lottery(distinct, weights / weights.sum())


def _at_most(lottery: Lottery, coverage: Float[np.ndarray, "n"]) -> Lottery:
    """The same coverage with at most n + 1 placements: walk along null directions until enough weights are 0."""
    placements, weights = lottery.placements, lottery.probabilities
    while len(weights) > len(coverage) + 1:
        system = np.vstack([placements.T, np.ones(len(weights))])
        direction = np.linalg.svd(system)[2][-1]
        direction = direction if direction.max() >= -direction.min() else -direction
        shrinking = direction > 1e-12
        step = np.min(weights[shrinking] / direction[shrinking])
        weights = weights - step * direction
        weights[np.argmin(weights)] = 0.0
        kept = weights > 0.0
        placements, weights = placements[kept], weights[kept]
    return Lottery(placements, weights / weights.sum())
