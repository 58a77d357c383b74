"""The best coverage against an attacker that coverage attracts: branch and bound.

With s >= 0 each term g(x) = exp(k + s x) (v + u x - r) falls and then rises, so that g(x) - π x is largest at an end of
its interval whatever π >= 0. On a box the terms can therefore be replaced by max(slope, 0) lines between their ends: a
linear program over the coverage that can be carried out, which is wrong in its fractional coordinates only. These are
cut in two.
"""

from __future__ import annotations

import heapq
import itertools
import math
import time
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog

from ...calculus.simplex import choice_on_host, weight_on_host
from ...games.security import SecurityGame
from .patrols import Patrols
from .separable_logit import EPSILON, TINY, SeparableLogit


MAX_BOXES = 20_000
MAX_PROGRAMMES = 3_000
CHORDS = 6


@dataclass(frozen=True, eq=False)
class Box:
    """Coverage between `low` and `high`, with a bound on F there and the coverage where it was found."""

    low: Float[np.ndarray, "n"]
    high: Float[np.ndarray, "n"]
    upper: float
    x: Float[np.ndarray, "n"]


def search_attraction(
    game: SecurityGame, problem: SeparableLogit, gap: float, deadline: float
) -> tuple[Float[np.ndarray, "n"], float, float, int]:
    """Coverage, its value, a proven upper bound and the number of boxes examined; payoffs are on [0, 1].

    It ends after `MAX_BOXES` boxes (`MAX_PROGRAMMES` with schedules, where each takes a few linear programs), at
    `deadline`, or at once where the logits are so large that rounding moves the weights by a tenth.
    """
    patrols = None if game.schedules is None else Patrols(*game.patrols())
    low, high = problem.low[0], problem.high[0]
    best = np.asarray(game.uniform_commitment())
    value = float(problem.ratio(best[None])[0])
    idle = float(problem.ratio(low[None])[0])
    best, value = (low, idle) if idle > value else (best, value)
    top = float(np.max(problem.base + problem.gain * high)) * (1.0 + 4.0 * EPSILON)
    if np.max(_conditioning(problem)) > 0.1:
        return best, value, top, 0
    order = itertools.count()
    most = MAX_BOXES if patrols is None else MAX_PROGRAMMES
    root = _relaxed(patrols, problem, Box(low, high, top, low), value)
    queue = [(-root.upper, next(order), root)] if root is not None else []
    while queue and not -queue[0][0] <= value + gap and next(order) < most and time.perf_counter() < deadline:
        box = heapq.heappop(queue)[2]
        reached = float(problem.ratio(box.x[None])[0])
        best, value = (box.x, reached) if reached > value else (best, value)
        for lower, upper in _halves(problem, box, value):
            child = _relaxed(patrols, problem, Box(lower, upper, box.upper, box.x), value)
            if child is not None and not child.upper <= value:  # a bound that is not a number drops nothing
                heapq.heappush(queue, (-child.upper, next(order), child))
    for _, _, box in queue:
        reached = float(problem.ratio(box.x[None])[0])
        best, value = (box.x, reached) if reached > value else (best, value)
    return best, value, max(-queue[0][0], value) if queue else value, next(order)


def _conditioning(problem: SeparableLogit) -> Float[np.ndarray, "n"]:
    """What rounding may do to each weight, as a fraction of it."""
    size = np.abs(problem.offset) + np.abs(problem.slope)
    return (8.0 * EPSILON * (4.0 + size + np.max(size)))[0]


def _relaxed(patrols: Patrols | None, problem: SeparableLogit, box: Box, value: float) -> Box | None:
    """The box with its own bound, at most the one it comes with; `None` when nothing in it can be carried out.

    If the relaxation shows Σ g <= ψ at the trial value r, then F <= r + ψ / (least Σ w) in the box; ψ is convex in r,
    so that the chord between a trial value and that bound gives a better bound again. Weights are relative to the
    largest in the box; what underflows beside it is less than `TINY`, which is added.
    """
    slope, offset, low, high = problem.slope[0], problem.offset[0], box.low, box.high
    level = float(np.max(offset + slope * high))
    ends = [
        (weight_on_host(offset + slope * end - level), problem.base[0] + problem.gain[0] * end) for end in (low, high)
    ]
    conditioning = _conditioning(problem)
    width = np.where(high > low, high - low, 1.0)

    def excess(trial: float) -> tuple[float, Float[np.ndarray, "n"] | None]:
        at_low, at_high = (weight * (payoff - trial) for weight, payoff in ends)
        climb = np.where(high > low, np.maximum(at_high - at_low, 0.0) / width, 0.0)
        x, rise = fill(patrols, problem.budget, climb, low, high)
        blur = sum(weight * (np.abs(payoff) + abs(trial)) for weight, payoff in ends)
        rounding = float(np.sum(conditioning * (np.abs(at_low) + np.abs(at_high)) + 8.0 * EPSILON * blur)) + TINY
        return float(np.sum(at_low)) + rise + rounding, x

    top = min(box.upper, float(np.max(ends[1][1])) * (1.0 + 4.0 * EPSILON))
    surplus, x = excess(value)
    if x is None:
        return None
    if surplus <= 0.0:
        return Box(low, high, min(value, top), x)
    least = float(np.sum(ends[0][0])) * (1.0 - float(np.max(conditioning)))
    upper = min(top, value + surplus / least) if least > TINY else top
    for number in range(CHORDS):
        middle = 0.5 * (value + upper)
        trial = upper if number % 2 == 0 else middle
        beyond, _ = excess(trial)
        if beyond < 0.0:
            chord = value + (trial - value) * surplus / (surplus - beyond)
            upper = min(upper, chord + 4.0 * EPSILON * (abs(value) + abs(trial)))
        elif trial == upper:
            break
    return Box(low, high, upper, x)


def _halves(
    problem: SeparableLogit, box: Box, value: float
) -> list[tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]]:
    """The box cut where the relaxation errs most: at its own point, or in the middle if that is an end."""
    slope, offset = problem.slope[0], problem.offset[0]
    _, logs = choice_on_host(offset + slope * box.x)
    level = (offset + slope * box.x - logs)[0]

    def term(x):
        return weight_on_host(offset + slope * x - level) * (problem.base[0] + problem.gain[0] * x - value)

    width = box.high - box.low
    share = np.where(width > 0.0, (box.x - box.low) / np.where(width > 0.0, width, 1.0), 0.0)
    line = term(box.low) + share * np.maximum(term(box.high) - term(box.low), 0.0)
    target = int(np.argmax(np.where(width > 0.0, line - term(box.x), -np.inf)))
    cut = box.x[target]
    if not (box.low[target] + 1e-3 * width[target] < cut < box.high[target] - 1e-3 * width[target]):
        target = int(np.argmax(width))
        cut = 0.5 * (box.low[target] + box.high[target])
    lower, upper = box.high.copy(), box.low.copy()
    lower[target], upper[target] = cut, cut
    return [(box.low, lower), (upper, box.high)]


def fill(
    patrols: Patrols | None,
    budget: Float[np.ndarray, "1"] | None,
    worth: Float[np.ndarray, "n"],
    low: Float[np.ndarray, "n"],
    high: Float[np.ndarray, "n"],
) -> tuple[Float[np.ndarray, "n"] | None, float]:
    """Coverage between `low` and `high` of about the largest Σ worth × (coverage - low), and a bound on that sum.

    Without schedules the dearest targets are filled first. With them a linear program is solved, and the bound is that
    of its multipliers by weak duality, whatever the solver's tolerances. No coverage is handed back where it is proven
    that none can be carried out.
    """
    if patrols is None:
        assert budget is not None
        rest = float(budget[0]) - float(np.sum(low))
        if rest < -1e-12 * max(1.0, float(budget[0])):
            return None, -math.inf
        order = np.argsort(-worth, kind="stable")
        room = (high - low)[order]
        given = np.clip(rest - (np.cumsum(room) - room), 0.0, room)
        x = low.copy()
        x[order] += np.where(worth[order] > 0.0, given, 0.0)
        return x, float(np.sum(worth[order] * given)) * (1.0 + 8.0 * len(low) * EPSILON)
    size = float(np.max(worth))
    if size < TINY:  # nothing to gain
        size = 1.0
    runs, prices = _programme(patrols, worth / size, low, high)
    rise = _dual(patrols, prices, worth / size, low, high)
    if runs is None:
        _, prices = _programme(patrols, None, low, high)
        if _dual(patrols, prices, np.zeros_like(low), low, high) < -1e-11:
            return None, -math.inf
        return np.zeros_like(low), size * rise
    return np.minimum(runs @ patrols.rows, high), size * rise


def _programme(
    patrols: Patrols,
    worth: Float[np.ndarray, "n"] | None,
    low: Float[np.ndarray, "n"],
    high: Float[np.ndarray, "n"],
) -> tuple[Float[np.ndarray, "k"] | None, Float[np.ndarray, "n"]]:
    """The runs of the most valuable coverage, if any, and a price of each target; without `worth` those that fall
    short of `low` by the least.

    Variables are coverage, runs and the shortfall.
    """
    rows, limit = patrols.rows, patrols.limit
    k, n = rows.shape
    short = worth is None
    done = linprog(
        np.concatenate([np.zeros(n) if worth is None else -worth, np.zeros(k), [float(short)]]),
        A_ub=np.block(
            [
                [np.eye(n), -rows.T, -np.ones((n, 1))],
                [np.zeros((1, n)), np.ones((1, k)), np.zeros((1, 1))],
            ]
        ),
        b_ub=np.append(np.zeros(n), limit),
        bounds=[*zip(low, high, strict=True), *([(0.0, 1.0)] * k), (0.0, 1.0 if short else 0.0)],
        method="highs",
    )
    if done.x is None:
        return None, np.zeros(n)
    runs = np.clip(done.x[n : n + k], 0.0, 1.0)
    runs = runs * min(1.0, limit / max(float(np.sum(runs)), 1e-300))
    return runs, np.maximum(-np.asarray(done.ineqlin.marginals)[:n], 0.0)


def _dual(
    patrols: Patrols,
    prices: Float[np.ndarray, "n"],
    worth: Float[np.ndarray, "n"],
    low: Float[np.ndarray, "n"],
    high: Float[np.ndarray, "n"],
) -> float:
    """The most that Σ worth × (coverage - low) can be, as prices of coverage prove; below 0 when there is none."""
    spent = patrols.dearest(prices)
    free = np.maximum(worth - prices, 0.0) * (high - low)
    used = float(np.sum(prices * low))
    rounding = 8.0 * (len(low) + len(patrols.rows)) * EPSILON * (spent + used + float(np.sum(free)))
    return min(float(np.sum(free)) + spent - used, float(np.sum(worth * (high - low)))) + rounding
