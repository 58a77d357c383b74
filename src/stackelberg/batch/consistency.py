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
from jaxtyping import Bool, Float

from .. import _boundary as boundary
from .._errors import PrecisionError
from .._types import AnyArray, Key
from ..games.dataset import Dataset
from ..rl.batch_policy import AbstractBatchPolicy
from .features import AbstractFeatures, TableFeatures, fixed_noise
from .fence import Fence
from .reward_scale import RewardScale
from .streaming import LARGE, Streamed, mean_features, streamed_sums


Form: TypeAlias = Literal["penalty", "lagrangian", "constraint", "ball"]

FORMS: tuple[Form, ...] = ("penalty", "lagrangian", "constraint", "ball")

CHUNK = 20_000
"""Rows whose features are held at once while averages are summed up."""

MOST_SETS = 30
"""Sets of held weights that are tried; a handful is the rule."""

PLUG_IN = 1e12
"""A weight at which pessimism is lost in rounding."""


class Moments(eqx.Module):
    """Averages of a log by test features: all that the critic's problem needs.

    - `paid`: `(m,)`, Zᵀ r / n.  `here`: `(m, w)`, Zᵀ Φ(s, a) / n.
    - `reach`: `(m, j)`, γ Zᵀ [s' is the j-th of `then`, not terminal] / n; of long logs what it is made from,
      portion by portion.  `then`: `(j, d)`, next observations.
    - `start`: `(k, d)`, of episodes.  `start_weight`: `(k,)`, sums to 1.
    - `then_noise`, `start_noise`: for continuous actions; None otherwise.
    - `critic`: the features Φ.  `scale`: of the rewards.  `ridge`: κ.
    - `is_bounded`: whether weights are values, and are kept in their range.  `fence`: what keeps others there, if any.
    """

    paid: Float[AnyArray, "m"]
    here: Float[AnyArray, "m w"]
    reach: Float[AnyArray, "m j"] | Streamed
    then: Float[AnyArray, "j d"]
    start: Float[AnyArray, "k d"]
    start_weight: Float[AnyArray, "k"]
    then_noise: Float[AnyArray, "q j p"] | None
    start_noise: Float[AnyArray, "q k p"] | None
    critic: AbstractFeatures
    scale: RewardScale
    ridge: Float[AnyArray, ""] | float
    is_bounded: bool = eqx.field(static=True, default=False)
    fence: Fence | None = None

    @property
    def top(self) -> Any:
        """The largest value that there is."""
        return 1.0 / (1.0 - self.scale.discount)

    @property
    def most(self) -> Any:
        """B: as if every feature's weight were the largest value that there is, 1 / (1 - γ)."""
        return self.critic.size / (1.0 - self.scale.discount) ** 2

    def under(self, policy: AbstractBatchPolicy) -> tuple[Float[AnyArray, "m w"], Float[AnyArray, "w"]]:
        """G and c under a policy."""
        if isinstance(self.reach, Streamed):
            streamed = self.reach.onwards(self.critic, self.then, policy, self.then_noise)
            return jnp.asarray(self.here) - streamed, self.first(policy)
        onwards = self.critic.averaged(self.then, policy, self.then_noise)
        return jnp.asarray(self.here) - jnp.asarray(self.reach) @ onwards, self.first(policy)

    def first(self, policy: AbstractBatchPolicy) -> Float[AnyArray, "w"]:
        """c under a policy."""
        if isinstance(self.reach, Streamed):
            rows = (self.start, self.start_weight, policy, self.start_noise, self.reach.portion)
            return (1.0 - self.scale.discount) * mean_features(self.critic, *rows)
        begun = self.critic.averaged(self.start, policy, self.start_noise)
        return (1.0 - self.scale.discount) * jnp.asarray(self.start_weight) @ begun


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
    if moments.fence is not None:
        return _between(problem, *_fenced(jax.lax.stop_gradient(problem), form, weight, begun))
    if moments.is_bounded:
        return _between(problem, *_active(jax.lax.stop_gradient(problem), form, weight, begun))
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


def at_first(moments: Moments) -> Float[AnyArray, "h"]:
    """Where the search begins: weights at the floor that the log never met, all else free."""
    if moments.fence is not None:
        return jnp.full(moments.fence.rows.shape[0], jnp.nan)
    unseen = jnp.sum(jnp.abs(jnp.asarray(moments.here)), axis=0) == 0.0
    return jnp.where(unseen, 0.0, jnp.nan)


def _active(
    problem: Any, form: Form, weight: Any, begun: Float[AnyArray, "w"]
) -> tuple[Float[AnyArray, "w"], Bool[AnyArray, ""]]:
    """The bounds that hold weights at the answer, NaN for those that are free; and whether the search came to rest."""
    moments, toward, first, matrix = problem
    pull = toward.T @ jnp.asarray(moments.paid)

    def better(held):
        found = _between(problem, held, jnp.asarray(True))
        omega = found.critic(form, weight)
        # How hard each weight pushes: 0 where it is free, against its bound where it is held.
        push = pull - first / (2.0 * found.multiplier(form, weight)) - matrix @ omega
        scale = jnp.diagonal(matrix)
        push = jnp.where(jnp.isnan(held), 0.0, push)
        low, high = push + scale * omega < 0.0, push + scale * (omega - moments.top) > 0.0
        return jnp.where(low, 0.0, jnp.where(high, moments.top, jnp.nan))

    return _at_rest(better, begun)


def _fenced(
    problem: Any, form: Form, weight: Any, begun: Float[AnyArray, "h"]
) -> tuple[Float[AnyArray, "h"], Bool[AnyArray, ""]]:
    """The same for values of a fence; where the multiplier is not given it is found with them."""
    moments, toward, first, matrix = problem
    pull = toward.T @ jnp.asarray(moments.paid)

    def at(held, multiplier):
        return moments.fence.settled(matrix, pull - first / (2.0 * multiplier), moments.top, held)

    if form in ("penalty", "lagrangian"):
        return at(begun, weight)

    def step(state):
        multiplier, held, low, high, _, count = state
        held, _ = at(held, multiplier)
        # Above the multiplier where the answer is further from consistent than allowed, and below it otherwise.
        own = _between(problem, held, jnp.asarray(True)).multiplier(form, weight)
        low, high = jnp.where(own > multiplier, multiplier, low), jnp.where(own > multiplier, high, multiplier)
        after = jnp.where((own > low) & (own < high), own, jnp.sqrt(low * high))
        return after, held, low, high, jnp.abs(own - multiplier) > 1e-9 * multiplier, count + 1

    first_guess = _between(problem, begun, jnp.asarray(True)).multiplier(form, weight)
    ends = (1e-12 + 0.0 * first_guess, 1e18 + 0.0 * first_guess)
    start = (jnp.clip(first_guess, *ends), begun, *ends, jnp.asarray(True), jnp.asarray(0))
    _, held, _, _, moves, _ = jax.lax.while_loop(lambda state: state[4] & (state[5] < MOST_SETS), step, start)
    return held, ~moves


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


def moments_of(
    data: Dataset,
    critic: AbstractFeatures,
    tests: AbstractFeatures,
    scale: RewardScale,
    *,
    policy: AbstractBatchPolicy,
    ridge: Any = 1e-8,
    start: Any = None,
    start_share: Any = 0.0,
    num_draws: Any = 4,
    is_bounded: Any = None,
    fence: Fence | None = None,
    key: Key,
) -> Moments:
    """The averages of a log, summed up in portions of 20,000 rows.

    Where rows of test features would have more than 20 million entries they are not kept (`streaming`): a step of the
    leader takes the same time, and memory for the log and one portion.

    - `critic`, `tests`: features of the critic, and of the residuals' averages.
    - `ridge`: κ as a part of the mean diagonal entry of Gᵀ G before a step is looked ahead.
    - `start`: first observations to be paid for, `(k, d)`; those of the log's episodes when left out.
    - `start_share`: of the start that is spread over all observations of the log: it makes the leader care for more
      states, and changes what it is paid for.
    - `num_draws`: of actions for each row, where they are continuous; drawn once and kept.
    - `policy`: any of the kind that will be moved, for the shape of its noise.
    - `is_bounded`: whether the critic's weights are kept in [0, 1 / (1 - discount)]; those of a table, when left out.
    - `fence`: what keeps others there, see `fence_for`; nothing when left out.
    """
    first = data.starts if start is None else boundary.real_array("start", start, axes=("k", data.observation.shape[1]))
    share = boundary.real_number("start_share", start_share, low=0.0, high=1.0)
    paid, here, reach, then = _summed(data, critic, tests, scale)
    first, weights = _distinct(first) if data.num_states else (first, np.full(len(first), 1.0 / len(first)))
    if share > 0.0:
        everywhere, spread = (
            _distinct(data.observation) if data.num_states else (data.observation, np.full(len(data), 1.0 / len(data)))
        )
        first = np.concatenate([first, everywhere])
        weights = np.concatenate([(1.0 - share) * weights, share * spread])
    of_then, of_start = jax.random.split(key)
    mean = float(np.sum(np.asarray(here) ** 2)) / here.shape[1]
    return Moments(
        paid,
        here,
        reach,
        then,
        first,
        weights,
        fixed_noise(policy, len(then), num_draws, of_then),
        fixed_noise(policy, len(first), num_draws, of_start),
        critic,
        scale,
        boundary.real_number("ridge", ridge, low=0.0, low_open=True) * mean,
        isinstance(critic, TableFeatures) if is_bounded is None else boundary.boolean("is_bounded", is_bounded),
        fence,
    )


def _summed(
    data: Dataset, critic: AbstractFeatures, tests: AbstractFeatures, scale: RewardScale
) -> tuple[AnyArray, AnyArray, Any, AnyArray]:
    """Zᵀ r, Zᵀ Φ and γ Zᵀ [where it leads], each over n, and the observations that are led to."""
    count, goes_on = len(data), ~data.terminal
    paid = scale.earned(data)
    if isinstance(critic, TableFeatures) and isinstance(tests, TableFeatures):
        pair = data.state * data.num_actions + data.chosen
        shares = np.bincount(pair, minlength=critic.size) / count
        cells = np.zeros((critic.size, data.num_states))
        np.add.at(cells, (pair, data.next_state), goes_on * scale.discount / count)
        sums = np.bincount(pair, paid, critic.size) / count
        return sums, np.diag(shares), cells, np.arange(data.num_states, dtype=float)[:, None]
    if count * tests.size > LARGE:
        return streamed_sums(data, critic, tests, paid, scale.discount, CHUNK)
    sums, products, rows = np.zeros(tests.size), np.zeros((tests.size, critic.size)), []
    for begin in range(0, count, CHUNK):
        part = slice(begin, begin + CHUNK)
        by = np.asarray(tests.taken(data.observation[part], data.action[part]))
        sums = sums + by.T @ paid[part] / count
        products = products + by.T @ np.asarray(critic.taken(data.observation[part], data.action[part])) / count
        rows.append(by * (goes_on[part] * scale.discount / count)[:, None])
    return sums, products, np.concatenate(rows).T, data.next_observation


def _distinct(rows: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, "k d"], Float[np.ndarray, "k"]]:
    found, counts = np.unique(rows, axis=0, return_counts=True)
    return found, counts / len(rows)
