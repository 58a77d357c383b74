"""The one file that exponentiates payoffs: soft maxima and soft choices, safe at every inverse temperature.

Quantal choice over values q with inverse temperature λ: p(b) = exp(λ q(b)) / Σ exp(λ q(b')). The values are centred at
their maximum *before* λ multiplies them, so that λ may be anything in [0, ∞]: 0 gives the uniform choice, ∞ the
uniform choice among the exact maximisers.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import xlogy
from jaxtyping import Float, Int

from .._types import AnyArray


def quantal_choice(
    values: Float[AnyArray, "*batch b"], inverse_temperature: Float[AnyArray, ""] | float
) -> Float[AnyArray, "*batch b"]:
    """Choice probabilities proportional to exp(inverse temperature × value), over the last axis."""
    return jax.nn.softmax(_scaled_shortfall(values, inverse_temperature), axis=-1)


def log_quantal_choice(
    values: Float[AnyArray, "*batch b"], inverse_temperature: Float[AnyArray, ""] | float
) -> Float[AnyArray, "*batch b"]:
    """The logarithms of `quantal_choice`; exact where the probability itself would underflow."""
    return jax.nn.log_softmax(_scaled_shortfall(values, inverse_temperature), axis=-1)


def soft_maximum(
    values: Float[AnyArray, "*batch b"], inverse_temperature: Float[AnyArray, ""] | float
) -> Float[AnyArray, "*batch"]:
    """(1/λ) log Σ exp(λ q(b)): the value of an entropy-regularised choice.

    It is max + log(number of maximisers)/λ or more, never below the maximum, tends to the maximum as λ → ∞, and is +∞
    at λ = 0 (with two actions or more), where the entropy outweighs every payoff.
    """
    values, rate = jnp.asarray(values), jnp.asarray(inverse_temperature)
    top = _ceiling(values, rate)
    surplus = jax.scipy.special.logsumexp(_scaled_shortfall(values, rate), axis=-1)
    return top + surplus / jnp.where((surplus == 0.0) & (rate == 0.0), 1.0, rate)


def soft_average(
    values: Float[AnyArray, "*batch b"], inverse_temperature: Float[AnyArray, ""] | float
) -> Float[AnyArray, "*batch"]:
    """(1/λ) log mean exp(λ q(b)): the mean at λ = 0, the maximum at λ = ∞, rising in between.

    It is `soft_maximum` minus log(number of actions)/λ, the entropy being counted from that of the uniform choice, and
    so it is finite and differentiable at every λ in [0, ∞]. The two differ by a constant, which no choice notices.
    """
    values, rate = jnp.asarray(values), jnp.asarray(inverse_temperature)
    top = _ceiling(values, rate)
    mean_shortfall = jnp.mean(values - top[..., None], axis=-1)
    surplus = jnp.log1p(jnp.mean(jnp.expm1(_scaled_shortfall(values, rate)), axis=-1))
    return top + jnp.where(rate == 0.0, mean_shortfall, surplus / jnp.where(rate == 0.0, 1.0, rate))


def entropy(probabilities: Float[AnyArray, "*batch b"]) -> Float[AnyArray, "*batch"]:
    """-Σ p log p over the last axis, with 0 log 0 = 0; its gradient is finite wherever p > 0."""
    probabilities = jnp.asarray(probabilities)
    return -jnp.sum(xlogy(probabilities, probabilities), axis=-1)


def drawn(probabilities: Float[AnyArray, "k"], chance: Float[AnyArray, "*n"]) -> Int[AnyArray, "*n"]:
    """One of k for each `chance` in [0, 1), by inverting the distribution function."""
    edges = jnp.cumsum(jnp.asarray(probabilities))
    # The last edge may miss 1 by rounding, and is left out: what lies beyond the others belongs to the last one.
    return jnp.sum(jnp.asarray(chance)[..., None] * edges[-1] >= edges[:-1], axis=-1).astype(jnp.int32)


def choice_on_host(
    logits: Float[np.ndarray, "*batch b"],
) -> tuple[Float[np.ndarray, "*batch b"], Float[np.ndarray, "*batch b"]]:
    """Choice probabilities proportional to exp(logit) and their logarithms, in NumPy.

    For likelihoods over count tables of ever new shapes, where compiling would cost more than computing. Logits are
    finite, or -∞ for actions that are not there (not for all of them).
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)
    weights = np.exp(shifted)
    total = weights.sum(axis=-1, keepdims=True)
    return weights / total, shifted - np.log(total)


def weight_on_host(logits: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """`weight` in NumPy: exp(logit), cut at exp(500)."""
    return np.exp(np.minimum(logits, 500.0))


def logarithm_on_host(weights: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """`logarithm` in NumPy: the logit of a weight, with log 0 = -∞."""
    with np.errstate(divide="ignore"):
        return np.log(weights)


def _ceiling(
    values: Float[AnyArray, "*batch b"], inverse_temperature: Float[AnyArray, ""]
) -> Float[AnyArray, "*batch"]:
    """max q, a constant to the derivative while λ is finite: the shortfall from it carries all of the derivative."""
    top = jnp.max(jnp.asarray(values), axis=-1)
    return jnp.where(jnp.isinf(inverse_temperature), top, jax.lax.stop_gradient(top))


def weight(logits: Float[AnyArray, "*shape"]) -> Float[AnyArray, "*shape"]:
    """exp(logit), cut at exp(500): sums and products of a few such weights stay finite, and 0 only below exp(-745)."""
    return jnp.exp(jnp.minimum(logits, 500.0))


def logarithm(weights: Float[AnyArray, "*shape"]) -> Float[AnyArray, "*shape"]:
    """The logit of a weight, with log 0 = -∞."""
    return jnp.log(weights)


def _scaled_shortfall(
    values: Float[AnyArray, "*batch b"], inverse_temperature: Float[AnyArray, ""] | float
) -> Float[AnyArray, "*batch b"]:
    """λ (q(b) - max q), with 0 × ∞ = 0: exact maximisers stay at 0 whatever λ is."""
    values = jnp.asarray(values)
    shortfall = values - jax.lax.stop_gradient(jnp.max(values, axis=-1, keepdims=True))
    finite = jnp.where(jnp.isinf(jnp.asarray(inverse_temperature)), 1.0, inverse_temperature)
    hard = jnp.where(shortfall < 0.0, -jnp.inf, 0.0)
    return jnp.where(jnp.isinf(jnp.asarray(inverse_temperature)), hard, finite * shortfall)
