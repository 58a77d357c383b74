"""The least level: how low the follower's best payoff can be pushed, and the coverage that does it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import linprog

from ...games.security import SecurityGame
from .patrols import Patrols


BELOW = 1e-8  # ten times the tolerance of ties
EPSILON = float(np.finfo(np.float64).eps)
PRECISE = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


@dataclass(frozen=True, eq=False)
class ScaledPayoffs:
    """Both players' payoffs, brought to [0, 1]."""

    leader_covered: Float[np.ndarray, "n"]
    leader_uncovered: Float[np.ndarray, "n"]
    follower_covered: Float[np.ndarray, "n"]
    follower_uncovered: Float[np.ndarray, "n"]


@dataclass(frozen=True, eq=False)
class Level:
    """`coverage` holds the follower to `reached`; none holds it below `proven`.

    `tolerance`: payoffs this close to the level count as at it. `spare`: how much coverage is left over for a target
    that needs none. `reachable`: the highest coverage of each target on its own.
    """

    coverage: Float[np.ndarray, "n"]
    reached: float
    proven: float
    tolerance: float
    spare: float
    reachable: Float[np.ndarray, "n"]


def least_level(game: SecurityGame, covered: Float[np.ndarray, "n"], uncovered: Float[np.ndarray, "n"]) -> Level:
    """The least level of a follower with these payoffs, on [0, 1]."""
    if game.schedules is not None:
        return _least_with_schedules(game, covered, uncovered)
    resources, n = float(game.resources), len(covered)
    low, high = _bisected(covered, uncovered, resources)
    proven, _ = _bisected(covered, uncovered, resources * (1.0 + 4.0 * n * EPSILON))
    more, less = needed(covered, uncovered, low), needed(covered, uncovered, high)
    surplus = float(np.sum(more) - np.sum(less))
    share = np.clip((resources - np.sum(less)) / surplus, 0.0, 1.0) if surplus > 0.0 else 0.0
    coverage = less + share * (more - less)
    tolerance = 4.0 * EPSILON if low < high else 0.0
    spare = max(resources - float(np.sum(needed(covered, uncovered, proven))), 0.0)
    return Level(coverage, high, proven, tolerance, spare, np.full(n, min(1.0, resources)))


def needed(
    covered: Float[np.ndarray, "n"], uncovered: Float[np.ndarray, "n"], level: float | Float[np.ndarray, "n"]
) -> Float[np.ndarray, "n"]:
    """The least coverage that holds every target to `level`, where coverage helps at all."""
    takes = uncovered - covered
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(takes > 0.0, np.clip((uncovered - level) / takes, 0.0, 1.0), 0.0)


def _bisected(
    covered: Float[np.ndarray, "n"], uncovered: Float[np.ndarray, "n"], resources: float
) -> tuple[float, float]:
    """Neighbouring levels: more than `resources` are needed at the first, no more at the second.

    They are equal where the follower's payoff on some target cannot be lowered further.
    """
    low, high = float(np.max(covered)), float(np.max(uncovered))
    if float(np.sum(needed(covered, uncovered, low))) <= resources:
        return low, low
    while low < (middle := 0.5 * (low + high)) < high:
        if float(np.sum(needed(covered, uncovered, middle))) <= resources:
            high = middle
        else:
            low = middle
    return low, high


def _least_with_schedules(
    game: SecurityGame, covered: Float[np.ndarray, "n"], uncovered: Float[np.ndarray, "n"]
) -> Level:
    """By a linear program; its multipliers π prove that the level is at least Σ π u - max Σ π (u - c) x."""
    patrols = Patrols(*game.patrols())
    k, n = patrols.rows.shape
    takes = uncovered - covered
    done = linprog(
        np.append(np.zeros(k), 1.0),
        A_ub=np.block([[-takes[:, None] * patrols.rows.T, -np.ones((n, 1))], [np.ones((1, k)), np.zeros((1, 1))]]),
        b_ub=np.append(-uncovered, patrols.limit),
        bounds=[(0.0, 1.0)] * k + [(None, None)],
        method="highs",
        options=PRECISE,
    )
    runs = np.clip(done.x[:k], 0.0, 1.0)
    runs = runs * min(1.0, patrols.limit / max(float(np.sum(runs)), 1e-300))
    most = np.minimum(runs @ patrols.rows, 1.0)
    reached = float(np.max(uncovered - takes * most))
    weights = np.maximum(-np.asarray(done.ineqlin.marginals)[:n], 0.0)
    weights = weights / weights.sum() if weights.sum() > 0.0 else np.full(n, 1.0 / n)
    proven = float(weights @ uncovered) - patrols.dearest(weights * takes) - 8.0 * n * EPSILON
    reachable = patrols.rows.max(axis=0) * min(1.0, patrols.limit)
    proven = max(proven, float(np.max(uncovered - takes * reachable)))
    coverage = np.minimum(needed(covered, uncovered, reached), most)
    return Level(coverage, max(reached, proven), proven, 1e-9, 1.0, reachable)


def spare_coverage(
    game: SecurityGame,
    level: Level,
    covered: Float[np.ndarray, "n"],
    uncovered: Float[np.ndarray, "n"],
    target: int,
) -> Float[np.ndarray, "n"]:
    """The level's coverage, and as much as possible on a target where coverage does not deter."""
    if game.schedules is None:
        coverage = level.coverage.copy()
        coverage[target] = np.clip(float(game.resources) - float(np.sum(coverage)), 0.0, 1.0)
        return coverage
    worth = (np.arange(len(covered)) == target).astype(np.float64)
    return _programme(game, level, covered, uncovered, worth[None], np.zeros(1))[0]


def forced_coverage(
    game: SecurityGame, level: Level, payoffs: ScaledPayoffs, members: Bool[np.ndarray, "n"]
) -> tuple[Float[np.ndarray, "n"], float]:
    """Coverage that leaves the follower only `members`, with nearly the best worst payoff of the leader over them.

    The value is the best one: it may be approached only, as the other targets are held a little below the level.
    """
    gains = np.diag(payoffs.leader_covered - payoffs.leader_uncovered)[members]
    bases = payoffs.leader_uncovered[members]
    arguments = (payoffs.follower_covered, payoffs.follower_uncovered, gains, bases)
    closest, value = _programme(game, level, *arguments)
    apart, approached = _programme(game, level, *arguments, below=np.where(members, 0.0, BELOW))
    return (apart if np.isfinite(approached) else closest), value


def _programme(
    game: SecurityGame,
    level: Level,
    covered: Float[np.ndarray, "n"],
    uncovered: Float[np.ndarray, "n"],
    gains: Float[np.ndarray, "m n"],
    bases: Float[np.ndarray, "m"],
    below: Float[np.ndarray, "n"] | float = 0.0,
) -> tuple[Float[np.ndarray, "n"], float]:
    """The coverage of the largest least base + gain · coverage at the level, or at most `below` less, and that value.

    Variables are coverage, runs and value. A value of -∞ says that there is none.
    """
    patrols = Patrols(*game.patrols())
    (k, n), m = patrols.rows.shape, len(bases)
    shortfall = needed(covered, uncovered, level.reached - below) - needed(covered, uncovered, level.reached)
    least = np.minimum(needed(covered, uncovered, level.reached), level.coverage) + shortfall
    if np.any(least > 1.0) or np.any(
        uncovered - (uncovered - covered) * level.reachable > level.reached - below + 1e-9
    ):
        return level.coverage, -np.inf
    done = linprog(
        np.append(np.zeros(n + k), -1.0),
        A_ub=np.block(
            [
                [np.eye(n), -patrols.rows.T, np.zeros((n, 1))],
                [np.zeros((1, n)), np.ones((1, k)), np.zeros((1, 1))],
                [-gains, np.zeros((m, k)), np.ones((m, 1))],
            ]
        ),
        b_ub=np.concatenate([np.zeros(n), [patrols.limit], bases]),
        bounds=[*zip(least, np.ones(n), strict=True), *([(0.0, 1.0)] * k), (None, None)],
        method="highs",
        options=PRECISE,
    )
    if done.x is None:
        return level.coverage, -np.inf
    coverage = np.clip(done.x[:n], 0.0, 1.0)
    return coverage, float(np.min(bases + gains @ coverage))
