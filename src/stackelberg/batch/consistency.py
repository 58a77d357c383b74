"""How far a critic is from being consistent with a log, and what the least value is that consistent critics give.

A linear critic q(s, a) = φ(s, a)·ω has, under a policy π, residuals δ = r + γ (1 - terminal) q(s', π) - q(s, a). With
test features z(s, a) their averages are g - G ω, where

    g = Zᵀ r / n,    G = Zᵀ (Φ - γ (1 - terminal) Φ') / n,    Φ' = the mean of φ(s', a') over a' ~ π,

and E(ω) = |g - G ω|² is the kernel Bellman loss of the kernel Z Zᵀ ("v" statistic). With a ridge κ,

    M = Gᵀ G + κ I,   ω0 = M⁻¹ Gᵀ g,   e0 = E(ω0) + κ |ω0|²,   c = (1 - γ) Φ(start, π),   s² = cᵀ M⁻¹ c,

the follower's problem is solved by these few numbers for every weight λ and every radius ε:

    penalty      c·ω where ω makes c·ω + λ (E + κ|ω|²) least        c·ω0 - s² / 2λ
    lagrangian   the least of c·ω + λ (E + κ|ω|²)                   c·ω0 - s² / 4λ + λ e0
    constraint   the least c·ω over E + κ|ω|² ≤ ε² + κ B            c·ω0 - s √(ε² + κ B - e0)
    ball         the least of c·ω + C √(E + κ|ω|²)                  c·ω0 + √(C² - s²) √e0

The last is the paper's weighted average Bellman error against test functions of a norm up to C: no policy of which s,
which is the norm of its density ratio where the log covers it, is above C is promised more than the floor.

B bounds |ω|² over critics in range, so that a true critic with E ≤ ε² is never cut off by the ridge. Where E(ω0) is
above ε², no critic is consistent, and a value says nothing: `is_feasible`.

Off the log nothing is said, and a critic without bounds may be as low there as it likes. The weights of a table are
values, and are kept in [0, 1 / (1 - γ)]: at the answer some stand at a bound, and the formulas hold for the others
(ω0, s and e0 are those of the free weights). Which ones is found by a primal-dual active set (Hintermüller, Ito and
Kunisch, 2003). Critics of random features are held by a fence: E gains μ times the mean squared distance of some
values φ(s, a)·ω from that range. A critic in range pays nothing, so that no true critic is cut off, and the search for
the values outside is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from .._errors import PrecisionError
from .._types import AnyArray
from ..rl.batch_policy import AbstractBatchPolicy
from .moments import Moments, at_first


Form: TypeAlias = Literal["penalty", "lagrangian", "constraint", "ball"]

FORMS: tuple[Form, ...] = ("penalty", "lagrangian", "constraint", "ball")

MOST_SETS = 30
"""Sets of held weights that are tried; a handful is the rule."""

LEAST_MULTIPLIER, MOST_MULTIPLIER = 1e-12, 1e18

RIGID = 1e-150
"""A spread up to which it is that of nothing: its square is kept above 0."""

PLUG_IN = 1e12
"""A weight at which pessimism is lost in rounding."""


class Consistent(NamedTuple):
    """The critics that a log allows under a policy, by the numbers of the module's text.

    - `plug_in`: c·ω0.  `spread`: s.  `misfit`: E(ω0).  `least`: e0.  `slack`: κ B.
    - `omega`: ω0, held weights at their bounds.  `lean`: M⁻¹ c, 0 there.
    - `held`: the bound that holds a weight, or a value of the fence; NaN for those between bounds.
    - `is_settled`: whether the search for held weights came to rest; otherwise this is no solution.
    """

    plug_in: Float[AnyArray, ""]
    spread: Float[AnyArray, ""]
    misfit: Float[AnyArray, ""]
    least: Float[AnyArray, ""]
    slack: Float[AnyArray, ""]
    omega: Float[AnyArray, "w"]
    lean: Float[AnyArray, "w"]
    held: Float[AnyArray, "h"]
    is_settled: Bool[AnyArray, ""]

    def value(self, form: Form, weight: Any) -> Float[AnyArray, ""]:
        """What the leader is paid: by the weight λ, for "constraint" by the radius ε, for "ball" by C."""
        if form == "penalty":
            return self.plug_in - self.spread**2 / (2.0 * weight)
        if form == "lagrangian":
            return self.plug_in - self.spread**2 / (4.0 * weight) + weight * self.least
        if form == "ball":
            return self.plug_in + jnp.sqrt(self._reserve(weight) * self.least)
        return self.plug_in - self.spread * jnp.sqrt(self._room(weight))

    def is_feasible(self, radius: Any) -> Bool[AnyArray, ""]:
        """Whether some critic is consistent within the radius."""
        return self.misfit <= radius**2

    def critic(self, form: Form, weight: Any) -> Float[AnyArray, "w"]:
        """The follower's answer ω."""
        return self.omega - self.lean / (2.0 * self.multiplier(form, weight))

    def multiplier(self, form: Form, weight: Any) -> Float[AnyArray, ""]:
        """λ; s / 2√(ε² + κ B - e0) for "constraint", and √(C² - s²) / 2√e0 for "ball"."""
        if form == "ball":
            return 0.5 * jnp.sqrt(self._reserve(weight) / self.least)
        if form != "constraint":
            return jnp.asarray(weight)
        return 0.5 * self.spread / jnp.sqrt(self._room(weight))

    def loss(self, form: Form, weight: Any) -> Float[AnyArray, ""]:
        """E + κ|ω|² at the answer."""
        return self.least + (self.spread / (2.0 * self.multiplier(form, weight))) ** 2

    def guaranteed(self, radius: Any) -> Float[AnyArray, ""]:
        """The least value of critics within the radius; -inf where it was not found, which guarantees nothing."""
        return jnp.where(self.is_settled, self.value("constraint", radius), -jnp.inf)

    def local_value(self, radius: Any) -> Float[AnyArray, ""]:
        """c·ω0 - s √(ε² + κ B): the least within ε of critics that the range holds where it holds ω0, or below it.

        e0 is not taken off as in "constraint", which would speak for policies whose best critic hardly fits.
        """
        return self.plug_in - self.spread * jnp.sqrt(radius**2 + self.slack)

    def _reserve(self, most: Any) -> Float[AnyArray, ""]:
        """C² - s²; a millionth of C² where s is above C: the critic goes to the floor then."""
        return jnp.maximum(most**2 - self.spread**2, 1e-6 * most**2)

    def _room(self, radius: Any) -> Float[AnyArray, ""]:
        """ε² + κ B - e0; a millionth of κ B where nothing is consistent, since a root has no slope at 0."""
        return jnp.maximum(radius**2 + self.slack - self.least, 1e-6 * self.slack)


@eqx.filter_jit
def consistent(
    moments: Moments,
    policy: AbstractBatchPolicy,
    form: Form,
    weight: Any,
    held: Float[AnyArray, "h"] | None = None,
) -> Consistent:
    """Solve the critic's problem under a policy: symmetric systems of the critic's size, differentiable.

    - `form`, `weight`: which problem; they decide which weights of a table stand at their bounds.
    - `held`: of a problem nearby, to look from there on.

    Raises `PrecisionError` outside of double precision, in which alone these systems can be solved.
    """
    if jnp.result_type(float) != np.float64:
        raise PrecisionError(
            f"{PrecisionError.code} consistent: it needs float64. Call it in `with jax.enable_x64(True):`."
        )
    toward, first = moments.under(policy)
    matrix = toward.T @ toward + moments.ridge * jnp.eye(toward.shape[1], dtype=toward.dtype)
    problem = (moments, toward, first, matrix)
    begun = at_first(moments) if held is None else held
    if moments.fence is not None or moments.is_bounded:
        return _between(problem, *_held(jax.lax.stop_gradient(problem), form, weight, begun))
    return _between(problem, jnp.full_like(first, jnp.nan), jnp.asarray(True))


def _between(problem: Any, held: Float[AnyArray, "h"], is_settled: Bool[AnyArray, ""]) -> Consistent:
    """The solution for what is not `held`, which is NaN there."""
    moments, toward, first, matrix = problem
    paid = jnp.asarray(moments.paid)
    if moments.fence is not None:
        omega, lean = moments.fence.solve(matrix, jnp.stack([toward.T @ paid, first], axis=-1), held).T
        pulled = moments.fence.penalty(omega, held)
    else:
        free = jnp.isnan(held).astype(matrix.dtype)
        fixed, pulled = jnp.nan_to_num(held), 0.0
        inner = free[:, None] * matrix * free + jnp.diag(1.0 - free)
        sides = free[:, None] * jnp.stack([toward.T @ (paid - toward @ fixed), first], axis=-1)
        own, lean = jax.scipy.linalg.solve(inner, sides, assume_a="pos").T
        omega = own + fixed
    off, length = paid - toward @ omega, omega @ omega
    misfit = off @ off + pulled
    slack = jnp.asarray(moments.ridge * moments.most)
    spread = jnp.sqrt(jnp.maximum(first @ lean, 1e-300))
    least = misfit + moments.ridge * length
    return Consistent(first @ omega, spread, misfit, least, slack, omega, lean, held, is_settled)


class _Search(NamedTuple):
    """For a multiplier between two ends, and what is held there; `is_found` tells of the latter."""

    multiplier: Float[AnyArray, ""]
    held: Float[AnyArray, "h"]
    is_found: Bool[AnyArray, ""]
    low: Float[AnyArray, ""]
    high: Float[AnyArray, ""]
    moves: Bool[AnyArray, ""]
    tried: Int[AnyArray, ""]


def _held(
    problem: Any, form: Form, weight: Any, begun: Float[AnyArray, "h"]
) -> tuple[Float[AnyArray, "h"], Bool[AnyArray, ""]]:
    """What is held at the answer, NaN for what is free; and whether the search came to rest.

    For one multiplier the problem is convex and its answer the same wherever the search begins. Where the multiplier
    is not given it is looked for around that.
    """
    at = _fenced if problem[0].fence is not None else _active
    if form in ("penalty", "lagrangian"):
        return at(problem, begun, weight)

    own_of, allowed = lambda found: found.multiplier(form, weight), None  # by what is free
    if form == "constraint":
        # Where nothing is consistent: a little more than what is least, as in `Consistent`.
        held, _ = at(problem, at_first(problem[0]), MOST_MULTIPLIER)
        flat = _between(problem, held, jnp.asarray(True))
        allowed = jnp.maximum(weight**2 + flat.slack, flat.least + 1e-6 * flat.slack)

        def own_of(found):
            room = allowed - found.least
            return jnp.where(room > 0.0, 0.5 * found.spread / jnp.sqrt(jnp.maximum(room, 1e-300)), jnp.inf)

    def step(state):
        held, is_found = at(problem, state.held, state.multiplier)
        found = _between(problem, held, is_found)
        own, is_floor = own_of(found), jnp.asarray(False)
        is_low = own > state.multiplier
        if form == "constraint":
            # Further from consistent than allowed? Where all that counts is held, `own` does not say.
            is_low = found.least + (found.spread / (2.0 * state.multiplier)) ** 2 > allowed
            is_floor = (found.spread <= RIGID) & ~is_low
        low = jnp.where(is_low, state.multiplier, state.low)
        high = jnp.where(is_low, state.high, state.multiplier)
        after = jnp.where((own > low) & (own < high), own, jnp.sqrt(low * high))
        moves = ~is_floor & (jnp.abs(own - state.multiplier) > 1e-9 * state.multiplier)
        return _Search(after, held, is_found, low, high, moves, state.tried + 1)

    near = own_of(_between(problem, begun, jnp.asarray(True)))
    guess = jnp.where((near > LEAST_MULTIPLIER) & (near < MOST_MULTIPLIER), near, 1.0)
    low, high = LEAST_MULTIPLIER + 0.0 * guess, MOST_MULTIPLIER + 0.0 * guess
    start = _Search(guess, begun, jnp.asarray(True), low, high, jnp.asarray(True), jnp.asarray(0))
    ended = jax.lax.while_loop(lambda state: state.moves & (state.tried < 2 * MOST_SETS), step, start)
    return ended.held, ended.is_found & ~ended.moves


def _fenced(
    problem: Any, begun: Float[AnyArray, "h"], multiplier: Any
) -> tuple[Float[AnyArray, "h"], Bool[AnyArray, ""]]:
    """The bounds that pull values of a fence, for one multiplier."""
    moments, toward, first, matrix = problem
    pull = toward.T @ jnp.asarray(moments.paid)
    return moments.fence.settled(matrix, pull - first / (2.0 * multiplier), moments.top, begun)


def _active(
    problem: Any, begun: Float[AnyArray, "w"], multiplier: Any
) -> tuple[Float[AnyArray, "w"], Bool[AnyArray, ""]]:
    """The bounds that hold weights, for one multiplier."""
    moments, toward, first, matrix = problem
    pull = toward.T @ jnp.asarray(moments.paid) - first / (2.0 * multiplier)

    def better(held):
        found = _between(problem, held, jnp.asarray(True))
        omega = found.omega - found.lean / (2.0 * multiplier)
        # How hard each weight pushes: 0 where it is free, against its bound where it is held.
        scale = jnp.diagonal(matrix)
        push = jnp.where(jnp.isnan(held), 0.0, pull - matrix @ omega)
        low, high = push + scale * omega < 0.0, push + scale * (omega - moments.top) > 0.0
        return jnp.where(low, 0.0, jnp.where(high, moments.top, jnp.nan))

    return _at_rest(better, begun)


def _at_rest(
    better: Callable[[Float[AnyArray, "h"]], Float[AnyArray, "h"]], begun: Float[AnyArray, "h"]
) -> tuple[Float[AnyArray, "h"], Bool[AnyArray, ""]]:
    """What stays the same when it is bettered, and whether that was found."""

    def step(state):
        held, _, count = state
        after = better(held)
        same = jnp.all((after == held) | (jnp.isnan(after) & jnp.isnan(held)))
        return after, ~same, count + 1

    start = (jax.lax.stop_gradient(begun), jnp.asarray(True), jnp.asarray(0))
    held, moves, _ = jax.lax.while_loop(lambda state: state[1] & (state[2] < MOST_SETS), step, start)
    return held, ~moves
