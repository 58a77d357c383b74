"""The best coverage from schedules against an attacker that coverage deters.

At a trial value r the term of a target is worth G(c) = max over x <= c of w(x) (v + u x - r) when coverage of up to c
is there. G rises and is concave, so that the best runs q of the schedules, with c = q R, are a concave program with
linear constraints, and every stationary point is a global optimum. Sequential quadratic programming finds one; where
it stalls, tangents of G bound it from above (Kelley, 1960), each target on its own, and a linear program finds the best
point under the tangents, where new ones are drawn. Prices of the targets prove the bound in either case.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sparse
from jaxtyping import Float
from scipy.optimize import LinearConstraint, linprog, minimize

from ...calculus.simplex import choice_on_host, logarithm_on_host, weight_on_host
from ...games.security import SecurityGame
from .separable_logit import EPSILON, SeparableLogit, upper_bound


ROUNDS = 60
MAX_CLIMB = 250  # variables beyond which the quadratic programs cost more than the linear ones
HEIGHTS = np.array([20.0, 15.0, 11.0, 8.0, 6.0, 4.5, 3.0, 2.0, 1.0, 0.0, -1.0, -2.0, -3.5, -5.0, -8.0, -12.0, -20.0])


@dataclass(frozen=True, eq=False)
class Patrols:
    """Runs q in [0, 1]^k of `rows` with Σ q <= `limit`."""

    rows: Float[np.ndarray, "k n"]
    limit: float

    def dearest(self, prices: Float[np.ndarray, "n"]) -> float:
        """The largest Σ price × coverage."""
        runs = np.sort(self.rows @ prices)[::-1]
        share = np.clip(self.limit - np.arange(len(runs)), 0.0, 1.0)
        return float(np.sum(runs * share))


def maximise_patrols(
    game: SecurityGame, problem: SeparableLogit, gap: float, deadline: float
) -> tuple[Float[np.ndarray, "n"], float, float, int]:
    """Coverage, its value, a proven upper bound and the number of linear programs solved."""
    patrols = Patrols(*game.patrols())
    shift = float(np.min(problem.base))
    problem = replace(problem, base=problem.base - shift)
    runs = _flattest(problem, patrols)
    even = np.full(len(runs), min(1.0, patrols.limit / max(len(runs), 1))) @ patrols.rows
    points = [np.minimum(point, problem.high[0]) for point in (runs @ patrols.rows, even, np.zeros_like(even))]
    value, best = max(((float(problem.ratio(point[None])[0]), point) for point in points), key=lambda pair: pair[0])
    upper = float(np.max(problem.base + problem.gain)) * (1.0 + 4.0 * EPSILON)
    if sum(patrols.rows.shape) <= MAX_CLIMB and time.perf_counter() < deadline:
        x = _climb(problem, patrols, runs)
        reached = float(problem.ratio(x[None])[0])
        upper = min(upper, _bound(problem, patrols, _log_worth(problem, x, reached), max(reached, value)))
        best, value = (x, reached) if reached > value else (best, value)
        points.append(x)
    trial, steps, bisect = value, 0, False
    while upper - value > 0.1 * gap and steps < ROUNDS and time.perf_counter() < deadline:
        steps += 1
        coverage, log_prices = _under_tangents(problem, patrols, trial, best, points)
        points.append(coverage)
        x = np.minimum(coverage, problem.stationary(np.array([trial]), np.full((1, 1), -np.inf))[0])
        reached, before = float(problem.ratio(x[None])[0]), value
        best, value = (x, reached) if reached > value else (best, value)
        for candidate in (log_prices, _log_worth(problem, x, max(trial, reached))):
            upper = min(upper, _bound(problem, patrols, candidate, value))
        bisect = not bisect and value - before < 0.25 * (upper - value)
        trial = 0.5 * (value + upper) if bisect else value
    return best, value + shift, upper + shift, steps


def _level(problem: SeparableLogit, x: Float[np.ndarray, "n"]) -> float:
    logits = problem.offset + problem.slope * x
    return float((logits - choice_on_host(logits)[1])[0, 0])


def _under_tangents(
    problem: SeparableLogit,
    patrols: Patrols,
    trial: float,
    best: Float[np.ndarray, "n"],
    points: list[Float[np.ndarray, "n"]],
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """The coverage that is best under all tangents, and the logarithm of what coverage of each target is worth there.

    Tangents touch at earlier answers and where the weight of a target has certain logarithms relative to Σ w at `best`;
    beyond e^20 the target would take all the attacks, and no tangent is needed. Rows are divided by their slopes where
    these exceed 1, so that no steep tangent drowns the others.
    """
    value, level = np.array([trial]), _level(problem, best)
    top = problem.stationary(value, np.full((1, 1), -np.inf))
    with np.errstate(divide="ignore", invalid="ignore"):
        at_height = np.nan_to_num((level + HEIGHTS[:, None] - problem.offset) / problem.slope, posinf=0.0, neginf=0.0)
    touch = np.concatenate([np.stack(points), at_height])
    touch = np.clip(touch, np.clip(at_height[:1], 0.0, problem.high), problem.high)
    touch = np.minimum(touch, top)
    weights = weight_on_host(problem.offset + problem.slope * touch - level)
    height = weights * (problem.base + problem.gain * touch - trial)
    slope = np.maximum(weights * (problem.pull(value) + problem.slope * problem.gain * touch), 0.0)
    slope = np.where(touch < top, slope, 0.0)
    size = 1.0 / np.maximum(1.0, np.maximum(slope, np.abs(height)))
    n, k = len(best), len(patrols.rows)
    target = np.tile(np.arange(n), len(touch))
    row = np.arange(n * len(touch))
    tangents = sparse.csr_array((size.ravel(), (row, target)), (len(row), n))
    tilts = sparse.csr_array(((-slope * size).ravel(), (row, target)), (len(row), n))
    constraints = sparse.block_array(
        [
            [tangents, tilts, None],
            [None, sparse.eye_array(n), sparse.csr_array(-patrols.rows.T)],
            [None, None, sparse.csr_array(np.ones((1, k)))],
        ],
        format="csr",
    )
    limits = np.concatenate([((height - slope * touch) * size).ravel(), np.zeros(n), [patrols.limit]])
    lows, highs = np.r_[np.full(n, -np.inf), np.zeros(n + k)], np.r_[np.full(n, np.inf), problem.high[0], np.ones(k)]
    done = linprog(
        np.r_[-np.ones(n), np.zeros(n + k)],
        A_ub=constraints,
        b_ub=limits,
        bounds=np.stack([lows, highs], axis=1),
        method="highs",
    )
    if done.x is None:
        return best, _log_worth(problem, best, trial)
    runs = np.clip(done.x[2 * n :], 0.0, 1.0)
    runs = runs * min(1.0, patrols.limit / max(float(np.sum(runs)), 1e-300))
    prices = -np.asarray(done.ineqlin.marginals)[len(row) : len(row) + n]
    return np.clip(runs @ patrols.rows, 0.0, problem.high[0]), logarithm_on_host(np.maximum(prices, 0.0)) + level


def _flattest(problem: SeparableLogit, patrols: Patrols) -> Float[np.ndarray, "k"]:
    """Runs under which the largest logit is least: where the search starts."""
    k, n = patrols.rows.shape
    size = max(float(np.max(np.abs(problem.slope))), float(np.max(np.abs(problem.offset))), 1e-300)
    size = float(np.ldexp(1.0, np.frexp(size)[1]))
    done = linprog(
        np.append(np.zeros(k), 1.0),
        A_ub=np.block(
            [[problem.slope[0][:, None] / size * patrols.rows.T, -np.ones((n, 1))], [np.ones((1, k)), np.zeros((1, 1))]]
        ),
        b_ub=np.append(-problem.offset[0] / size, patrols.limit),
        bounds=[(0.0, 1.0)] * k + [(None, None)],
        method="highs",
    )
    runs = np.zeros(k) if done.x is None else np.clip(done.x[:k], 0.0, 1.0)
    return runs * min(1.0, patrols.limit / max(float(np.sum(runs)), 1e-300))


def _climb(problem: SeparableLogit, patrols: Patrols, runs: Float[np.ndarray, "k"]) -> Float[np.ndarray, "n"]:
    """Coverage at a stationary point in (coverage, runs), from `runs`."""
    k, n = patrols.rows.shape
    size = max(float(np.max(problem.base + problem.gain)), 1e-300)

    def loss(point):
        x = point[None, :n]
        shares, payoff = problem.shares(x), (problem.base + problem.gain * x) / size
        value = np.sum(shares * payoff)
        slope = shares * (problem.slope * (payoff - value) + problem.gain / size)
        return -value, np.concatenate([-slope[0], np.zeros(k)])

    feasible = LinearConstraint(
        np.block([[np.eye(n), -patrols.rows.T], [np.zeros((1, n)), np.ones((1, k))]]),
        -np.inf,
        np.append(np.zeros(n), patrols.limit),  # type: ignore[arg-type]
    )
    done = minimize(
        loss,
        np.concatenate([np.minimum(runs @ patrols.rows, problem.high[0]), runs]),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, high) for high in problem.high[0]] + [(0.0, 1.0)] * k,
        constraints=feasible,
        options={"ftol": 1e-15, "maxiter": 300},
    )
    runs = np.clip(done.x[n:], 0.0, 1.0)
    runs = runs * min(1.0, patrols.limit / max(float(np.sum(runs)), 1e-300))
    return np.clip(np.minimum(done.x[:n], runs @ patrols.rows), 0.0, problem.high[0])


def _log_worth(problem: SeparableLogit, x: Float[np.ndarray, "n"], value: float) -> Float[np.ndarray, "n"]:
    """The logarithm of the derivative of each term in its coverage at `x`, where it is positive."""
    rest = problem.pull(np.array([value])) + problem.slope * problem.gain * x
    return (problem.offset + problem.slope * x + logarithm_on_host(np.maximum(rest, 0.0)))[0]


def _bound(problem: SeparableLogit, patrols: Patrols, log_prices: Float[np.ndarray, "n"], value: float) -> float:
    """What these prices of coverage prove."""
    top = float(np.max(log_prices))
    top = top if math.isfinite(top) else 0.0
    dearest = patrols.dearest(weight_on_host(log_prices - top))
    log_spent = logarithm_on_host(np.array([dearest])) + top
    return float(upper_bound(problem, np.array([value]), lambda _: (log_prices[None], log_spent))[0])
