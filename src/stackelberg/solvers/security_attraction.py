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

from ..calculus.simplex import choice_on_host, weight_on_host
from ..games.security import SecurityGame
from .separable_logit import EPSILON, SeparableLogit


MAX_BOXES = 20_000


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
    """Coverage, its value, a proven upper bound and the number of boxes examined."""
    best = np.asarray(game.uniform_commitment())
    value = float(problem.ratio(best[None])[0])
    order = itertools.count()
    root = _relaxed(game, problem, problem.low[0], problem.high[0], best, value)
    queue = [(-root.upper, next(order), root)] if root is not None else []
    closed = value
    while queue and -queue[0][0] > value + gap and next(order) < MAX_BOXES and time.perf_counter() < deadline:
        box = heapq.heappop(queue)[2]
        reached = float(problem.ratio(box.x[None])[0])
        best, value = (box.x, reached) if reached > value else (best, value)
        for low, high in _halves(problem, box, value):
            child = _relaxed(game, problem, low, high, best, value)
            if child is not None and child.upper > value:
                heapq.heappush(queue, (-min(child.upper, box.upper), next(order), child))
    for _, _, box in queue:
        reached = float(problem.ratio(box.x[None])[0])
        best, value = (box.x, reached) if reached > value else (best, value)
    closed = max(closed, value)
    return best, value, max(-queue[0][0], closed) if queue else closed, next(order)


def _relaxed(
    game: SecurityGame,
    problem: SeparableLogit,
    low: Float[np.ndarray, "n"],
    high: Float[np.ndarray, "n"],
    best: Float[np.ndarray, "n"],
    value: float,
) -> Box | None:
    """The box with its bound; `None` when nothing in it can be carried out.

    If the relaxation shows Σ g <= ψ at the trial value r, then F <= r + ψ / (least Σ w) in the box; ψ is convex in r,
    so that the chord between a trial value and that bound gives a better bound again.
    """
    slope, offset = problem.slope[0], problem.offset[0]
    _, logs = choice_on_host(offset + slope * best)
    level = float((offset + slope * best - logs)[0])
    ends = [
        (weight_on_host(offset + slope * end - level), problem.base[0] + problem.gain[0] * end) for end in (low, high)
    ]
    least = float(np.sum(ends[0][0]))
    conditioning = 8.0 * EPSILON * (4.0 + np.abs(offset) + np.abs(slope) + abs(level))
    width = np.where(high > low, high - low, 1.0)

    def excess(trial: float) -> tuple[float, Float[np.ndarray, "n"] | None]:
        at_low, at_high = (weight * (payoff - trial) for weight, payoff in ends)
        climb = np.where(high > low, np.maximum(at_high - at_low, 0.0) / width, 0.0)
        x = _fill(game, climb, low, high)
        rounding = float(np.sum(conditioning * (np.abs(at_low) + np.abs(at_high))))
        return (math.inf if x is None else float(np.sum(at_low + climb * (x - low))) + rounding), x

    surplus, x = excess(value)
    if x is None:
        return None
    upper = value + max(surplus, 0.0) / least
    for _ in range(4 if surplus > 0.0 else 0):
        beyond, _ = excess(upper)
        if beyond >= 0.0:
            break
        upper = value + (upper - value) * surplus / (surplus - beyond)
    return Box(low, high, min(upper, float(np.max(ends[1][1]))), x)


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


def _fill(
    game: SecurityGame, worth: Float[np.ndarray, "n"], low: Float[np.ndarray, "n"], high: Float[np.ndarray, "n"]
) -> Float[np.ndarray, "n"] | None:
    """Coverage between `low` and `high` of the largest Σ worth × coverage that can be carried out, if any can."""
    if game.schedules is None:
        rest = float(game.resources) - float(np.sum(low))
        if rest < -1e-12:
            return None
        order = np.argsort(-worth, kind="stable")
        room = (high - low)[order]
        given = np.clip(rest - (np.cumsum(room) - room), 0.0, room)
        x = low.copy()
        x[order] += np.where(worth[order] > 0.0, given, 0.0)
        return x
    rows, limit = game.patrols()
    n, k = len(low), len(rows)
    programme = linprog(
        np.concatenate([-worth, np.zeros(k)]),
        A_ub=np.block([[np.eye(n), -rows.T], [np.zeros((1, n)), np.ones((1, k))]]),
        b_ub=np.append(np.zeros(n), limit),
        bounds=list(zip(np.append(low, np.zeros(k)), np.append(high, np.ones(k)), strict=True)),
        method="highs",
    )
    return None if programme.x is None else np.clip(programme.x[:n], low, high)
