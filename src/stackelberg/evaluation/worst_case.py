"""The worst value of the leader over a set of followers that the data do not rule out.

Everything here works on the follower's choice probabilities p(θ) at one fixed commitment, and the leader's payoffs u of
the follower's actions: the value is u·p(θ).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog, minimize

from .._record import Estimate
from ..calculus.simplex import choice_on_host


@dataclass(frozen=True, eq=False)
class Stakes:
    """What each action pays at the commitment at hand, by type: `(t, b)` each, and the prior `(t,)`."""

    leader: Float[np.ndarray, "t b"]
    follower: Float[np.ndarray, "t b"]
    prior: Float[np.ndarray, "t"]

    def value(self, probabilities: Float[np.ndarray, "r t b"]) -> Float[np.ndarray, "r"]:
        """The leader's expected payoff."""
        return np.einsum("t,rtb,tb->r", self.prior, probabilities, self.leader)

    @property
    def floor(self) -> float:
        """What the leader gets at least, whatever the follower does."""
        return float(self.prior @ self.leader.min(axis=-1))


def worst_temperature(stakes: Stakes, low: float, high: float, tolerance: float = 1e-6) -> tuple[float, Estimate]:
    """The inverse temperature in [low, high] at which a logit follower pays the leader least, with a proven bound.

    `high` may be infinite. On [a, b] the value moves by at most
    (b - a) Σ prior · range(u) · min(shortfall(a), range(q)/4), where the shortfall max q - E q falls with the inverse
    temperature: cells whose bound could still undercut the best value found by more than `tolerance` × range(u) are
    halved until there are none (or 200,000 cells).
    """
    gaps = stakes.follower.max(axis=-1, keepdims=True) - stakes.follower
    spread = np.ptp(stakes.leader, axis=-1)
    allowed = tolerance * max(float(stakes.prior @ spread), 1e-300)
    top = float(np.max(gaps))
    if top == 0.0 or high == low:
        return low, Estimate.exact(float(stakes.value(_logit(gaps, np.array([low])))[0]), "proven: nothing varies")
    tail = _tail_start(stakes, gaps, spread, allowed)
    finite = max(min(high, tail), low)
    edges = np.unique(np.concatenate([[low], low + (finite - low) * np.linspace(0.0, 1.0, 257) ** 4]))
    ends = np.append(edges, high) if high > finite else edges
    best_at, best = _lowest(stakes, gaps, ends)
    lower, cells = best, np.column_stack([edges[:-1], edges[1:]])
    for _ in range(60):
        if not len(cells):
            break
        at, found = _lowest(stakes, gaps, cells.mean(axis=1))
        best_at, best = (at, found) if found < best else (best_at, best)
        bounds = _cell_bounds(stakes, gaps, spread, cells)
        undecided = bounds < best - allowed
        lower = min(best, float(bounds[undecided].min(initial=best)))
        if undecided.sum() > 100_000:
            break
        left, right = cells[undecided].T
        middle = 0.5 * (left + right)
        cells = np.concatenate([np.column_stack([left, middle]), np.column_stack([middle, right])])
    # decided cells, and everything beyond the start of the tail, stay within twice the tolerance of the best
    return best_at, Estimate(best, min(lower, best) - 2.0 * allowed, best, "proven by subdivision of the interval")


def _logit(gaps: Float[np.ndarray, "t b"], temperatures: Float[np.ndarray, "r"]) -> Float[np.ndarray, "r t b"]:
    finite = np.where(np.isinf(temperatures), 0.0, temperatures)[:, None, None]
    hard = np.where(gaps > 0.0, -np.inf, 0.0)
    logits = np.where(np.isinf(temperatures)[:, None, None], hard, -finite * gaps)
    return choice_on_host(logits)[0]


def _lowest(
    stakes: Stakes, gaps: Float[np.ndarray, "t b"], temperatures: Float[np.ndarray, "r"]
) -> tuple[float, float]:
    values = stakes.value(_logit(gaps, temperatures))
    place = int(np.argmin(values))
    return float(temperatures[place]), float(values[place])


def _cell_bounds(
    stakes: Stakes, gaps: Float[np.ndarray, "t b"], spread: Float[np.ndarray, "t"], cells: Float[np.ndarray, "r 2"]
) -> Float[np.ndarray, "r"]:
    at_left, at_right = _logit(gaps, cells[:, 0]), _logit(gaps, cells[:, 1])
    shortfall = np.einsum("rtb,tb->rt", at_left, gaps)
    slope = np.minimum(shortfall, gaps.max(axis=-1) / 4.0) @ (stakes.prior * spread)
    middle = 0.5 * (stakes.value(at_left) + stakes.value(at_right))
    return middle - 0.5 * slope * (cells[:, 1] - cells[:, 0])


def _tail_start(
    stakes: Stakes, gaps: Float[np.ndarray, "t b"], spread: Float[np.ndarray, "t"], allowed: float
) -> float:
    """From here on the choice is so close to a best response that the value stays within `allowed` of its limit."""
    smallest = gaps[gaps > 0].min()
    weight = float(stakes.prior @ spread) * gaps.shape[-1]
    return max(0.0, float(np.log(max(weight / allowed, 1.0)) / smallest))


def worst_in_ellipsoid(
    stakes: Stakes,
    features: Float[np.ndarray, "t b d"],
    centre: Float[np.ndarray, "d"],
    root: Float[np.ndarray, "d k"],
    seed: int,
    inside: Callable[[Float[np.ndarray, "d"]], float] | None = None,
) -> tuple[Float[np.ndarray, "d"], Estimate]:
    """The worst θ = centre + root·z of a logit follower with these features, over the ball |z| <= 1.

    The value found comes from 4,000 samples and constrained descents from the five worst; it is not proven to be the
    worst. The lower end of the estimate is: it lets every logit move over its own range independently.

    `inside(θ) >= 0`, when given, replaces the ball by a set of this kind (a likelihood-ratio set), of which the ball
    is only the first approximation; then nothing is proven beyond the leader's floor.
    """

    def value(z: Float[np.ndarray, "r k"]) -> Float[np.ndarray, "r"]:
        logits = np.einsum("tbd,rd->rtb", features, centre + z @ root.T)
        return stakes.value(choice_on_host(logits)[0])

    def slack(z: Float[np.ndarray, "k"]) -> float:
        return 1.0 - float(z @ z) if inside is None else inside(centre + root @ z)

    generator = np.random.Generator(np.random.Philox(seed))
    directions = generator.normal(size=(4_000, root.shape[1]))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    samples = directions * np.sqrt(generator.uniform(size=(len(directions), 1)))
    samples = np.concatenate([np.zeros((1, root.shape[1])), samples, directions])
    reached = value(samples)
    candidates = [sample for sample in samples[np.argsort(reached)[:200]] if slack(sample) >= -1e-9][:5] or [samples[0]]
    for start in list(candidates):
        found = minimize(
            lambda z: float(value(z[None])[0]), start, method="SLSQP", constraints={"type": "ineq", "fun": slack}
        )
        if np.all(np.isfinite(found.x)) and slack(found.x) >= -1e-6:
            candidates.append(found.x)
    values = value(np.array(candidates))
    place = int(np.argmin(values))
    worst = float(values[place])
    proven = stakes.floor if inside is not None else _independent_logits(stakes, features, centre, root)
    method = "searched by 8,000 samples and descents; low end proven"
    return centre + root @ candidates[place], Estimate(worst, min(proven, worst), worst, method)


def _independent_logits(
    stakes: Stakes, features: Float[np.ndarray, "t b d"], centre: Float[np.ndarray, "d"], root: Float[np.ndarray, "d k"]
) -> float:
    """A lower bound: the least Σ w u / Σ w when the logarithm of each weight w moves freely over its own range.

    At the least, actions that pay the leader less than some threshold have their largest weight, the others their
    smallest, so that only the thresholds between the sorted payoffs need be tried.
    """
    centred = features - features.mean(axis=1, keepdims=True)
    middle = centred @ centre
    reach = np.linalg.norm(centred @ root, axis=-1)
    total = 0.0
    for prior, payoff, logit, width in zip(stakes.prior, stakes.leader, middle, reach, strict=True):
        order = np.argsort(payoff)
        actions = len(order)
        rises = np.arange(actions)[None, :] < np.arange(actions + 1)[:, None]
        logits = logit[order] + np.where(rises, width[order], -width[order])
        total += prior * float((choice_on_host(logits)[0] @ payoff[order]).min())
    return total


def worst_shares(
    values: Float[np.ndarray, "k"], intervals: Float[np.ndarray, "d 2"]
) -> tuple[Float[np.ndarray, "d"], Estimate]:
    """The worst mixture of rules worth `values`, the shares of all but the first lying in their intervals.

    A linear program, solved exactly. The first share is what the others leave.
    """
    program = linprog(values[1:] - values[0], A_ub=np.ones((1, len(intervals))), b_ub=[1.0], bounds=intervals)
    worst = float(values[0] + program.fun)
    return program.x, Estimate.exact(worst, "exact over the intervals of the shares")
