"""The best of a ratio of sums whose terms are one variable each: the kernel behind coverage and prices.

Maximise  F(x) = Σ_b w_b(x_b) (v_b + u_b x_b) / Σ_b w_b(x_b),   w_b(x) = exp(k_b + s_b x),   s_b <= 0 <= u_b,

over low <= x <= high and, where there is a budget m, Σ x <= m. Coverage: s = -λ × what it takes from the attacker, and
u = what it gives the leader. Prices: s = -sensitivity, u = 1, v = -cost, and not buying is a term with low = high = 0.

For a trial value r the best F exceeds r exactly when φ(r) = max Σ w_b (v_b + u_b x_b - r) > 0 (Dinkelbach, 1967). In
y_b = exp(s_b x_b) each term is u y ln(y)/s + (v - r) y, which is concave, and the budget Σ ln(y_b)/s_b <= m is convex:
the program is convex (Yang, Ordóñez and Tambe, 2012, Section 4), and one multiplier μ = exp(t) of the budget solves it.
Given r and t each coordinate is closed-form. With a = -s and A = a (r - v) + u, it is stationary where

    log(A - a u x) + k - a x = t,   so that   x = (A/u - ω(t - log u + A/u - k)) / a,   ω(c) + log ω(c) = c,

ω being Wright's omega function. Nothing is exponentiated on the way, so that inverse temperatures of 10^6 are safe.
Weak duality then proves an upper bound for F whatever the search has done: see `upper_bound`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.special import wrightomega

from ..._errors import SolverError
from ...calculus.simplex import choice_on_host, logarithm_on_host, weight_on_host


EPSILON = float(np.finfo(np.float64).eps)
STEPS = 200
TINY = 1e-290  # more than all that can underflow beside a part of size 1
STRAIGHT = 1e-14  # a gain below this fraction of A bends the term by less than rounding
CANCELLING = 1e4  # beyond this ratio A/u the closed form loses digits, which one Newton step restores


@dataclass(frozen=True, eq=False)
class SeparableLogit:
    """g such problems of n terms each; see the head of this file for the letters.

    - `slope` (s, at most 0), `offset` (k), `gain` (u, at least 0), `base` (v), `low`, `high`: `(g, n)`.
    - `budget` (m): `(g,)`, at least Σ low, or `None`.

    `high` may be infinite where both the slope and the gain are not 0.
    """

    slope: Float[np.ndarray, "g n"]
    offset: Float[np.ndarray, "g n"]
    gain: Float[np.ndarray, "g n"]
    base: Float[np.ndarray, "g n"]
    low: Float[np.ndarray, "g n"]
    high: Float[np.ndarray, "g n"]
    budget: Float[np.ndarray, "g"] | None = None

    def shares(self, x: Float[np.ndarray, "g n"]) -> Float[np.ndarray, "g n"]:
        """How likely each term is chosen."""
        return choice_on_host(self.offset + self.slope * x)[0]

    def ratio(self, x: Float[np.ndarray, "g n"]) -> Float[np.ndarray, "g"]:
        """F(x)."""
        return np.sum(self.shares(x) * (self.base + self.gain * x), axis=-1)

    def pull(self, value: Float[np.ndarray, "g"]) -> Float[np.ndarray, "g n"]:
        """A = a (r - v) + u: times exp(k), the derivative at x = 0 of each term at the trial value r."""
        return -self.slope * (value[:, None] - self.base) + self.gain

    def stationary(
        self, value: Float[np.ndarray, "g"], log_price: Float[np.ndarray, "g _"]
    ) -> Float[np.ndarray, "g n"]:
        """The x of each term that maximises w (v + u x - r) - exp(t) x within its bounds; t may be -∞."""
        a, u, pull = -self.slope, self.gain, self.pull(value)
        curved = (a > 0.0) & (u > STRAIGHT * np.abs(pull))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            log_pull = logarithm_on_host(np.maximum(pull, 0.0))
            straight = np.where(pull > 0.0, (self.offset + log_pull - log_price) / a, -np.inf)
            flat = np.where(self.offset + log_pull > log_price, np.inf, -np.inf)
            x = np.where(a > 0.0, straight, flat)
            ratio = pull / u
            omega = wrightomega(np.where(curved, log_price - logarithm_on_host(u) + ratio - self.offset, 0.0))
            x = np.where(curved, (ratio - omega) / a, x)
            cancelling = curved & (np.abs(ratio) > CANCELLING) & np.isfinite(log_price)
            if cancelling.any():
                rest = pull - a * u * x
                residual = logarithm_on_host(np.maximum(rest, 0.0)) + self.offset - a * x - log_price
                step = residual / (a * (1.0 + u / rest))
                x = np.where(cancelling & (rest > 0.0) & np.isfinite(step), x + step, x)
        return np.clip(x, self.low, self.high)

    def rate(self, value: Float[np.ndarray, "g"], x: Float[np.ndarray, "g n"]) -> Float[np.ndarray, "g"]:
        """-d Σ x / d t at the stationary point x."""
        a, rest = -self.slope, self.pull(value) + self.slope * self.gain * x
        inside = (x > self.low) & (x < self.high) & (a > 0.0) & (rest > 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.sum(np.where(inside, rest / (a * (rest + self.gain)), 0.0), axis=-1)


@dataclass(frozen=True, eq=False)
class LogitOptimum:
    """Where F is largest, its value there, a proven upper bound, and the logarithm t of the budget's multiplier."""

    x: Float[np.ndarray, "g n"]
    value: Float[np.ndarray, "g"]
    upper: Float[np.ndarray, "g"]
    log_price: Float[np.ndarray, "g"]
    steps: int


def maximise(problem: SeparableLogit, deadline: float = math.inf) -> LogitOptimum:
    """The global maximum of each problem, with an upper bound that is proven by weak duality.

    Dinkelbach's iteration, bracketed: between the best value so far and the least trial value that was proved too
    large. Bisection steps in where the plain iteration would creep, since at slope s it can gain as little as u/|s| a
    step. It tries a hair above the best value, where no term is exactly 0, and starts from the best of several points.
    After `deadline` (on the clock of `time.perf_counter`) it stops with what it has; at most `STEPS` steps are made.
    Raises `SolverError` when F has no maximum (an unbounded price that nobody can refuse).
    """
    shift = np.min(problem.base, axis=-1)
    problem = replace(problem, base=problem.base - shift[:, None])
    x = _start(problem)
    best = problem.ratio(x)
    log_price = np.full(best.shape, -np.inf)
    ceiling = _ceiling(problem)
    stride = np.max(np.abs(problem.base) + problem.gain, axis=-1)
    hair = 4.0 * EPSILON * stride
    trial, done, crept = best + hair, np.zeros(best.shape, bool), np.zeros(best.shape, bool)
    steps = 0
    while not done.all() and steps < STEPS and (steps == 0 or time.perf_counter() < deadline):
        steps += 1
        candidate, price = _at_value(problem, trial, log_price)
        reached = problem.ratio(candidate)
        gained = reached - best
        better = (gained > 0.0) & ~done
        is_best = (trial <= best + hair) & ~done
        tolerance = 4.0 * EPSILON * (np.abs(best) + np.sum(problem.shares(x) * problem.gain, axis=-1))
        x = np.where((better | (is_best & (gained >= -tolerance)))[:, None], candidate, x)
        log_price = np.where(is_best, price, log_price)
        ceiling = np.where(reached < trial, np.minimum(ceiling, trial), ceiling)
        done |= is_best & (gained <= tolerance)
        best = np.where(better, reached, best)
        crept = is_best & (gained < 0.25 * (ceiling - best))
        stride = np.where(crept & np.isinf(ceiling), 2.0 * stride, stride)
        middle = np.where(np.isinf(ceiling), best + stride, best + 0.5 * (ceiling - best))
        if not np.all(done | np.isfinite(middle)):
            raise SolverError(f"{SolverError.code} The objective has no maximum: bound the variables or add an option.")
        trial = np.where(crept & (middle > best + hair), middle, best + hair)
    best = problem.ratio(x)
    upper = upper_bound(problem, best, lambda value: (_at_value(problem, value, log_price)[1][:, None], None), deadline)
    return LogitOptimum(x, best + shift, upper + shift, log_price, steps)


def _start(problem: SeparableLogit) -> Float[np.ndarray, "g n"]:
    """The best of four feasible points: nothing, an even share, all that is allowed, and the flattest logits."""
    high = np.where(np.isinf(problem.high), problem.low, problem.high)
    room = high - problem.low
    points = [problem.low, problem.low + room]
    if problem.budget is not None:
        rest = problem.budget - np.sum(problem.low, axis=-1)
        total = np.sum(room, axis=-1)
        share = np.where(total > rest, rest / np.where(total > rest, total, 1.0), 1.0)[:, None]
        points = [problem.low, problem.low + share * room, _flattest(problem, high)]
    values = np.stack([problem.ratio(point) for point in points])
    chosen = np.argmax(values, axis=0)
    return np.stack(points)[chosen, np.arange(len(chosen))]


def _flattest(problem: SeparableLogit, high: Float[np.ndarray, "g n"]) -> Float[np.ndarray, "g n"]:
    """The point within the budget whose largest logit is least, by bisection: the strong equilibrium's coverage."""
    logits = problem.offset + problem.slope * problem.low
    budget = np.full(len(logits), np.inf) if problem.budget is None else problem.budget
    above, below = np.max(logits, axis=-1), np.min(problem.offset + problem.slope * high, axis=-1)

    def point(level: Float[np.ndarray, "g"]) -> Float[np.ndarray, "g n"]:
        with np.errstate(divide="ignore", invalid="ignore"):
            x = np.where(problem.slope < 0.0, (level[:, None] - problem.offset) / problem.slope, problem.low)
        return np.clip(x, problem.low, high)

    for _ in range(100):
        middle = 0.5 * (above + below)
        fits = np.sum(point(middle), axis=-1) <= budget
        above, below = np.where(fits, middle, above), np.where(fits, below, middle)
    return point(above)


def _ceiling(problem: SeparableLogit) -> Float[np.ndarray, "g"]:
    """The largest payoff of any term."""
    return np.max(problem.base + _times(problem.gain, problem.high), axis=-1)


def upper_bound(
    problem: SeparableLogit,
    value: Float[np.ndarray, "g"],
    prices: Callable[[Float[np.ndarray, "g"]], tuple[Float[np.ndarray, "g _"], Float[np.ndarray, "g"] | None]],
    deadline: float = math.inf,
) -> Float[np.ndarray, "g"]:
    """A number that F nowhere exceeds, a little above `value`, which some x reaches.

    For prices π_b >= 0 (one for all, or one for each coordinate), every feasible x has
    Σ w_b (v_b + u_b x_b - r) <= ψ(r) = Σ_b max [w_b (v_b + u_b x_b - r) - π_b x_b] + (largest Σ π_b x_b), so that
    ψ(r) <= 0 proves F <= r. `prices(r)` gives log π and the logarithm of that largest Σ π x (`None`: π times the
    budget). The bound includes what rounding may have added, and how far each maximum may be from where it was
    evaluated; it is less than three times as far from `value` as some r that could not be proven.
    """
    bound = _ceiling(problem)
    bound = bound + 4.0 * EPSILON * np.abs(bound)
    reach = 32.0 * EPSILON * np.max(np.abs(problem.base) + problem.gain + np.abs(value)[:, None], axis=-1) + TINY
    trial = value + reach
    for step in range(STEPS):
        if step > 0 and time.perf_counter() >= deadline:
            break
        log_price, log_spent = prices(trial)
        excess, hint = _excess(problem, trial, log_price, log_spent)
        proven = excess <= 0.0
        bound = np.where(proven, np.minimum(bound, trial), bound)
        reach = np.where(proven, reach, np.maximum(reach, trial - value))
        if np.all(bound - value <= 2.0 * reach):
            break
        further = value + np.clip(reach + 2.0 * np.where(np.isnan(hint), 0.0, hint), 2.0 * reach, 64.0 * reach)
        with np.errstate(invalid="ignore"):
            middle = value + np.sqrt(np.maximum(bound - value, 0.0) * reach)
        trial = np.where(further < bound, further, np.where(np.isfinite(middle), middle, further))
    return bound


def _excess(
    problem: SeparableLogit,
    value: Float[np.ndarray, "g"],
    log_price: Float[np.ndarray, "..."],
    log_spent: Float[np.ndarray, "g"] | None,
) -> tuple[Float[np.ndarray, "g"], Float[np.ndarray, "g"]]:
    """ψ(r) from above, over its largest part, and about how much larger r would have to be for 0.

    Every part is brought to at most 1, so that what underflows beside it is less than `TINY`, which is added: a sum of
    exactly 0 proves nothing. Infinite where the logits are so large that rounding moves the weights by a tenth.
    """
    x = problem.stationary(value, log_price)
    a = -problem.slope
    logit = problem.offset - a * x
    margin = problem.base + problem.gain * x - value[:, None]
    with np.errstate(divide="ignore"):
        width = np.abs(x) + np.minimum(problem.high - problem.low, 1.0 / np.abs(a))
    blur = 4.0 * EPSILON * (np.abs(problem.base) + _times(problem.gain, width) + np.abs(value)[:, None])
    spent_on = np.ones(value.shape)
    dearest = np.full(value.shape, -np.inf) if log_spent is None else log_spent
    if log_spent is None and problem.budget is not None:
        floor = np.maximum(problem.budget, 1e-100)
        dearest, spent_on = np.max(log_price, axis=-1) + logarithm_on_host(floor), problem.budget / floor
    sizes = logit + logarithm_on_host(np.abs(margin) + blur)
    level = np.maximum(np.max(sizes, axis=-1), dearest)[:, None]
    level = np.where(np.isfinite(level), level, np.max(logit, axis=-1, keepdims=True))
    weight, price = weight_on_host(logit - level), weight_on_host(log_price - level)
    spent = weight_on_host(dearest - level[:, 0]) * spent_on
    terms = weight * margin
    conditioning = 4.0 * EPSILON * (4.0 + np.abs(problem.offset) + np.abs(a * x) + np.abs(level))
    rounding = np.sum(conditioning * np.abs(terms) + weight * blur + 8.0 * EPSILON * price * np.abs(x), axis=-1)
    total = np.sum(terms - price * x, axis=-1) + rounding + TINY
    total += np.sum(_missed(problem, value, log_price, x, weight, price, conditioning), axis=-1)
    total += spent * (1.0 + 8.0 * EPSILON + 2.0 * np.max(conditioning, axis=-1))
    with np.errstate(divide="ignore", over="ignore"):
        hint = total / np.sum(weight, axis=-1)
    return np.where(np.max(conditioning, axis=-1) < 0.1, total, np.inf), hint


def _missed(
    problem: SeparableLogit,
    value: Float[np.ndarray, "g"],
    log_price: Float[np.ndarray, "..."],
    x: Float[np.ndarray, "g n"],
    weight: Float[np.ndarray, "g n"],
    price: Float[np.ndarray, "..."],
    conditioning: Float[np.ndarray, "g n"],
) -> Float[np.ndarray, "g n"]:
    """At most how much larger the maximum of each term is than its value at `x`.

    The logarithmic residual f = log(A - a u x) + k - a x - t falls at least as fast as a x, so that the maximiser lies
    within |f|/a of x, and by concavity in y the tangent there bounds the loss by (π/a) (exp|f| - 1)^2. Without the
    price the same holds with |A - a u x|/u in place of |f|, and the price changes the maximum by at most π (x - low):
    the smaller of the two counts. At a bound nothing is missed when f points outwards.
    `conditioning` is what rounding may have done to f.
    """
    a, u = -problem.slope, problem.gain
    rest = problem.pull(value) - a * u * x
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        residual = logarithm_on_host(np.maximum(rest, 0.0)) + problem.offset - a * x - log_price
        off = np.abs(residual) + conditioning
        near_priced = np.where(off < 200.0, price / a * (weight_on_host(np.minimum(off, 200.0)) - 1.0) ** 2, np.inf)
        bend = np.where(rest == 0.0, 0.0, np.abs(rest) / u)
        near_free = np.where(bend < 200.0, weight * np.abs(rest) / a * (weight_on_host(bend) - 1.0), np.inf)
        curved = np.fmin(near_priced, near_free + price * (x - problem.low))
        flat = np.abs(weight * u - price) * (problem.high - problem.low)
        missed = np.where(a > 0.0, curved, flat)
    free = np.isneginf(log_price)
    outwards, unsure = np.where(free, rest, residual), np.where(free, 0.0, conditioning)
    fits = ((x <= problem.low) & (outwards <= -unsure)) | ((x >= problem.high) & (outwards >= unsure))
    return np.where(fits | (problem.low == problem.high), 0.0, missed)


def _at_value(
    problem: SeparableLogit, value: Float[np.ndarray, "g"], guess: Float[np.ndarray, "g"]
) -> tuple[Float[np.ndarray, "g n"], Float[np.ndarray, "g"]]:
    """The maximiser of Σ w (v + u x - r) within bounds and budget, and the logarithm of the budget's price."""
    free = problem.stationary(value, np.full((len(value), 1), -np.inf))
    if problem.budget is None:
        return free, np.full(value.shape, -np.inf)
    budget, at_low = problem.budget, problem.low
    binds = np.sum(free, axis=-1) > budget
    if not binds.any():
        return free, np.full(value.shape, -np.inf)
    edge = problem.pull(value) + problem.slope * problem.gain * problem.low
    dear = np.max(problem.offset + problem.slope * problem.low + logarithm_on_host(np.maximum(edge, 0.0)), axis=-1)
    dear = np.where(np.isfinite(dear), dear, 0.0)
    cheap, at_cheap, at_dear = np.full(dear.shape, -np.inf), free, at_low
    price = np.where(np.isfinite(guess) & (guess < dear), guess, dear - 1.0)
    short, settled, nearest = np.full(dear.shape, np.inf), ~binds, price
    for _ in range(STEPS):
        x = problem.stationary(value, price[:, None])
        surplus = np.sum(x, axis=-1) - budget
        over = surplus > 0.0
        cheap, dear = np.where(over & ~settled, price, cheap), np.where(over | settled, dear, price)
        at_cheap = np.where((over & ~settled)[:, None], x, at_cheap)
        at_dear = np.where((over | settled)[:, None], at_dear, x)
        nearest = np.where(settled, nearest, price)
        width = dear - cheap
        settled |= (np.abs(surplus) <= 2.0 * EPSILON * budget) | (width <= 2.0 * np.spacing(np.abs(price)))
        if settled.all():
            break
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = price + surplus / problem.rate(value, x)
        middle = np.where(np.isinf(cheap), dear - 2.0 * np.maximum(dear - price, 1.0), 0.5 * (cheap + dear))
        useful = (newton > cheap) & (newton < dear) & (np.abs(surplus) <= 0.5 * short)
        short = np.abs(surplus)
        price = np.where(settled, price, np.where(useful, newton, middle))
    filled = _filled(at_cheap, at_dear, budget)
    return np.where(binds[:, None], filled, free), np.where(binds, nearest, -np.inf)


def _filled(
    more: Float[np.ndarray, "g n"], less: Float[np.ndarray, "g n"], budget: Float[np.ndarray, "g"]
) -> Float[np.ndarray, "g n"]:
    """The point between two that spends the budget: where a term is linear, its maximiser jumps at one price."""
    upper, lower = np.sum(more, axis=-1), np.sum(less, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip((budget - lower) / (upper - lower), 0.0, 1.0)
    share = np.where(np.isfinite(share), share, 0.0)
    return less + share[:, None] * (more - less)


def _times(gain: Float[np.ndarray, "g n"], high: Float[np.ndarray, "g n"]) -> Float[np.ndarray, "g n"]:
    with np.errstate(invalid="ignore"):
        return np.where(gain == 0.0, 0.0, gain * high)
