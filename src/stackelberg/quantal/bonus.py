"""What the leader does not know of its value: a width for its own reward and dynamics, and one for the response.

At a stage and state, with an announced mixture, uncertainty about the follower's reward reaches the leader only through
the action values q(b): their covariance K = R² E (Σ + ridge)⁻¹ Eᵀ is all that is needed, where E averages rewards over
the leader's action. With ν the estimated response, C = diag ν - ν νᵀ, g(b) the leader's value of an answer, and λ the
inverse temperature, the response moves the leader's value by λ gᵀ C δ to first order in an error δ of q. So

    trace            ½ λ G √tr(K C) + ½ λ² G tr(K C)
    operator norm    the same with the largest eigenvalue of C^½ K C^½ instead of the trace
    g-aware          λ √(gᵀ C K C g)
    exact support    max over δᵀ K⁻¹ δ ≤ 1 of Σ_b ν_δ(b) g(b), less its value at δ = 0

with G the range of the leader's values. The first two bound the error (the second-order term up to a constant), the
third is its size to first order, and the fourth is the error itself over the ellipsoid, found by a fixed point.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy import stats

from .. import _boundary as boundary
from .._types import AnyArray
from ..calculus.simplex import logarithm, quantal_choice
from ..followers.gauge import gauge_dimension
from ..play.markov_world import MarkovRules


Preset: TypeAlias = Literal["calibrated", "theory"]
Form: TypeAlias = Literal["g-aware", "trace", "operator norm", "exact support"]
Scheme: TypeAlias = Literal["S1", "S2", "S3"]

PRESETS: tuple[Preset, ...] = ("calibrated", "theory")
FORMS: tuple[Form, ...] = ("g-aware", "trace", "operator norm", "exact support")
SCHEMES: tuple[Scheme, ...] = ("S1", "S2", "S3")

SUPPORT_STEPS = 6


class Uncertainty(eqx.Module):
    """How the leader counts what it does not know.

    - `preset`: "calibrated", radii of the limit distribution (χ²); or "theory", radii that are proved for every sample
      size, which are a thousand times larger and leave any feasible run without an idea of what is good.
    - `level`: of the confidence set for the follower's reward.
    - `form`: of the follower's bonus, see the module.  `scheme`: "S1" optimises over the whole confidence set (its
      bonus is the exact support), "S3" plans with the estimate and adds the bonus, "S2" does that at every parameter of
      the set and keeps the best.
    - `leader_bonus`, `follower_bonus`: factors of the two widths; 0 switches one off.
    - `ridge`: λ² × what is added to Σ, which keeps widths finite where answers hardly vary.
    """

    preset: Preset = eqx.field(static=True)
    form: Form = eqx.field(static=True)
    scheme: Scheme = eqx.field(static=True)
    level: float = eqx.field(static=True)
    leader_bonus: float
    follower_bonus: float
    ridge: float

    def __init__(
        self,
        preset: str = "calibrated",
        form: str = "g-aware",
        scheme: str = "S3",
        level: float = 0.95,
        leader_bonus: float = 0.3,
        follower_bonus: float = 1.0,
        ridge: float = 0.1,
    ) -> None:
        self.preset = boundary.one_of("preset", preset, PRESETS)  # type: ignore[assignment]
        self.form = boundary.one_of("form", form, FORMS)  # type: ignore[assignment]
        self.scheme = boundary.one_of("scheme", scheme, SCHEMES)  # type: ignore[assignment]
        self.level = float(boundary.real_number("level", level, low=0.0, high=1.0, low_open=True))
        self.leader_bonus = boundary.real_number("leader_bonus", leader_bonus, low=0.0)
        self.follower_bonus = boundary.real_number("follower_bonus", follower_bonus, low=0.0)
        self.ridge = boundary.real_number("ridge", ridge, low=0.0, low_open=True)

    def added(self, rules: MarkovRules) -> Float[AnyArray, ""]:
        """What is added to the diagonal of Σ."""
        if self.preset == "theory":
            return jnp.asarray(1.0)
        return self.ridge / jnp.asarray(rules.inverse_temperature) ** 2

    def squared_radius(self, rules: MarkovRules, num_episodes: int) -> Float[AnyArray, ""]:
        """R²: the follower's weights lie within (w - ŵ)ᵀ (Σ + ridge) (w - ŵ) ≤ R² with the level's confidence."""
        return squared_radius(rules, self.preset, self.level, num_episodes)


def squared_radius(
    rules: MarkovRules, preset: Preset, level: float, num_episodes: int, is_whole: bool = False
) -> Float[AnyArray, ""]:
    """R² of the ellipsoid, in squared payoffs: χ² / λ², or what is proved, 8 C² β + 4 d.

    C = 1/λ + E (1 + log b / λ) bounds what advantages of rewards in [0, 1] differ by, with E = Σ γ^k over the stages
    for all weights together (`is_whole`, a farsighted follower) and 1 for those of a stage. For a farsighted follower
    action values are not linear in the weights, and the ellipsoid is proved to first order only.
    """
    rate = jnp.asarray(rules.inverse_temperature)
    if preset == "calibrated":
        return float(stats.chi2.ppf(level, effective_dimension(rules, is_whole))) / rate**2
    ahead = _stages_ahead(rules) if is_whole else 1.0
    reach = 1.0 / rate + ahead * (1.0 + float(np.log(rules.shape[-1])) / rate)
    beta = likelihood_radius(rules, num_episodes, 1.0 - level, is_whole)
    return 8.0 * reach**2 * beta + 4.0 * _num_weights(rules, is_whole)


def effective_dimension(rules: MarkovRules, is_whole: bool = False) -> int:
    """How many directions of the follower's reward its answers can tell.

    At one stage (and state, without features) of a myopic follower; of all its weights together with `is_whole`, for a
    farsighted one.
    """
    horizon, num_states, num_rows, num_columns = rules.shape
    if is_whole:
        free = gauge_dimension(
            horizon, num_states, num_rows, is_prescription=rules.is_prescription, is_farsighted=horizon > 1
        )
        told = horizon * num_states * num_rows * num_columns - free
        return max(min(_num_weights(rules, is_whole=True), told), 1)
    seen = num_rows * num_columns - 1 if rules.is_prescription else num_rows * (num_columns - 1)
    if rules.follower_features is None:
        return max(seen, 1)
    return max(min(int(rules.follower_features.shape[-1]), num_states * seen), 1)


def likelihood_radius(
    rules: MarkovRules, num_episodes: int, delta: float, is_whole: bool = False
) -> Float[AnyArray, ""]:
    """β: with probability 1 - δ the true weights lose at most β of log-likelihood, at every sample size.

    2 d log(1 + 2 √d λ T) + 2 log(H T / δ) for the d weights of a stage (and state), with rewards in [0, 1] and features
    of length 1 at most: the covering argument of the maximum likelihood bound. For all weights together (`is_whole`) a
    play has H stages, each of which feels rewards up to E = Σ γ^k times: T becomes E H T inside the first logarithm.
    """
    d = _num_weights(rules, is_whole)
    plays = num_episodes * (_stages_ahead(rules) * rules.horizon if is_whole else 1.0)
    grain = 1.0 + 2.0 * np.sqrt(d) * jnp.asarray(rules.inverse_temperature) * plays
    return 2.0 * d * logarithm(grain) + 2.0 * float(np.log(rules.horizon * num_episodes / delta))


def _num_weights(rules: MarkovRules, is_whole: bool) -> int:
    """Of a stage (and state, without features), or of all together."""
    horizon, num_states, num_rows, num_columns = rules.shape
    if rules.follower_features is None:
        return num_rows * num_columns * (horizon * num_states if is_whole else 1)
    return int(rules.follower_features.shape[-1]) * (horizon if is_whole else 1)


def _stages_ahead(rules: MarkovRules) -> Float[AnyArray, ""]:
    """Σ γ^k over the stages."""
    return jnp.sum(jnp.asarray(rules.follower_discount) ** jnp.arange(rules.horizon))


def value_covariance(rows: Float[AnyArray, "b a"], covariance: Float[AnyArray, "a b a b"]) -> Float[AnyArray, "b b"]:
    """The covariance of the follower's action values under these mixtures, from that of its rewards."""
    weighted = rows.T[:, :, None, None] * covariance * rows.T[None, None, :, :]
    return jnp.sum(weighted, axis=(0, 2))


def follower_bonus(
    form: Form,
    value: Float[AnyArray, "b"],
    gain: Float[AnyArray, "b"],
    rows: Float[AnyArray, "b a"],
    covariance: Float[AnyArray, "a b a b"],
    inverse_temperature: Float[AnyArray, ""] | float,
    span: Float[AnyArray, ""] | float,
    sign: float,
) -> Float[AnyArray, ""]:
    """How far the leader's value may be from Σ ν g, at most `span`; see the module.

    - `value`: the follower's estimated action values.  `gain`: the leader's value of each answer.
    - `rows`: the mixtures announced.  `covariance`: between the rewards of any two pairs of actions, radius included.
    - `span`: the range G.  `sign`: 1 upward, -1 downward (exact support).

    Sums are written out: products of matrices this small cost more than the arithmetic.
    """
    rate = jnp.asarray(inverse_temperature)
    choice = quantal_choice(value, rate)
    if form == "g-aware":
        pull = choice * (gain - jnp.sum(choice * gain))
        through = rows.T * pull
        variance = jnp.sum(through[:, :, None, None] * covariance * through[None, None, :, :])
        return jnp.minimum(rate * jnp.sqrt(jnp.maximum(variance, 0.0) + 1e-16), span)
    spread = value_covariance(rows, covariance)
    if form == "exact support":
        moved = support(value, gain, spread, rate, sign)
        width = sign * jnp.sum((quantal_choice(moved, rate) - choice) * gain)
        return jnp.clip(width, 0.0, span)
    product = jnp.sum(spread[:, :, None] * _centred(choice)[None, :, :], axis=1)
    size = jnp.trace(product) if form == "trace" else _largest_eigenvalue(product)
    size = jnp.maximum(size, 0.0)
    return jnp.minimum(0.5 * rate * span * jnp.sqrt(size + 1e-16) + 0.5 * rate**2 * span * size, span)


def support(
    value: Float[AnyArray, "b"],
    gain: Float[AnyArray, "b"],
    spread: Float[AnyArray, "b b"],
    inverse_temperature: Float[AnyArray, ""] | float,
    sign: float,
) -> Float[AnyArray, "b"]:
    """Action values in the ellipsoid around `value` that are best (sign 1) or worst (-1) for the leader.

    A fixed point: go to the end of the ellipsoid in the direction of the gradient, several times, and keep the best
    iterate; at least as good as the centre.
    """
    rate = jnp.asarray(inverse_temperature)

    def step(carry, _):
        moved, best, most = carry
        choice = quantal_choice(moved, rate)
        push = sign * choice * (gain - jnp.sum(choice * gain))
        through = jnp.sum(spread * push, axis=-1)
        moved = value + through / jnp.sqrt(jnp.maximum(jnp.sum(push * through), 0.0) + 1e-24)
        worth = sign * jnp.sum(quantal_choice(moved, rate) * gain)
        better = worth > most
        return (moved, jnp.where(better, moved, best), jnp.maximum(worth, most)), None

    start = (value, value, sign * jnp.sum(quantal_choice(value, rate) * gain))
    (_, best, _), _ = jax.lax.scan(step, start, length=SUPPORT_STEPS)
    return best


def _centred(choice: Float[AnyArray, "b"]) -> Float[AnyArray, "b b"]:
    """diag ν - ν νᵀ."""
    return jnp.diag(choice) - choice[:, None] * choice[None, :]


def _largest_eigenvalue(product: Float[AnyArray, "b b"]) -> Float[AnyArray, ""]:
    """Of a product of two positive semidefinite matrices, by the power method: enough for a width, and smooth."""

    def step(vector, _):
        moved = jnp.sum(product * vector, axis=-1)
        return moved / (jnp.sqrt(jnp.sum(moved**2)) + 1e-24), None

    start = jnp.linspace(0.5, 1.0, product.shape[0]) * jnp.where(jnp.arange(product.shape[0]) % 2 == 0, 1.0, -1.0)
    vector, _ = jax.lax.scan(step, start, length=24)
    return jnp.sqrt(jnp.sum(jnp.sum(product * vector, axis=-1) ** 2))
