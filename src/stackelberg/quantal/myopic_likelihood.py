"""The reward of a myopic follower, by maximum likelihood from what it did under each announcement.

With reward R and inverse temperature λ, a follower that faces the mixtures x(·|b) at a stage and state plays b with
probability ν(b) ∝ exp(λ q(b)), q(b) = Σ_a x(a|b) R(a, b). The log-likelihood is concave in R, and in the weights w of
a linear reward R = φ·w. Its Hessian is -λ² Σ, with Σ the sum over plays of the covariance of the averaged features.

Everything is a table over pairs of actions first; features only project it. Adding a constant to each row a of R (to
all of R at a state, for prescriptions) changes no response and no likelihood: estimates that start at 0 stay centred
by themselves, and no constraint is needed.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from .._types import AnyArray
from ..calculus.simplex import log_quantal_choice, quantal_choice
from ..play.markov_world import MarkovRules
from .record import PlayRecord


LONGEST = 4.0
LENGTHS = (1.0, 0.25)


class ResponseEstimate(eqx.Module):
    """The weights that explain the answers best, and how well the answers tell.

    - `weights`: `(h, k, d)`; k is 1 for features, and one block for each state (d = a × b) without.
    - `information`: `(h, k, d, d)`, the matrix Σ above; λ² Σ is the observed information.
    - `slope`: the largest entry of the gradient of the penalised log-likelihood, per play: 0 at the maximum.
    """

    weights: Float[AnyArray, "h k d"]
    information: Float[AnyArray, "h k d d"]
    slope: Float[AnyArray, ""]


def zero_weights(rules: MarkovRules) -> Float[AnyArray, "h k d"]:
    """The reward of a follower that does not care."""
    horizon, num_states, num_rows, num_columns = rules.shape
    if rules.follower_features is None:
        return jnp.zeros((horizon, num_states, num_rows * num_columns))
    return jnp.zeros((horizon, 1, rules.follower_features.shape[-1]))


def reward_table(rules: MarkovRules, weights: Float[AnyArray, "h k d"]) -> Float[AnyArray, "h s a b"]:
    """The follower's reward for each pair of actions, if its weights were these."""
    if rules.follower_features is None:
        return jnp.asarray(weights).reshape(rules.shape)
    return jnp.einsum("hsabd,hd->hsab", rules.follower_features, jnp.asarray(weights)[:, 0])


def fitted(
    rules: MarkovRules, record: PlayRecord, start: Float[AnyArray, "h k d"], ridge: Float[AnyArray, ""], num_steps: int
) -> ResponseEstimate:
    """The maximum of log-likelihood - ½ λ² ridge |w|², by Newton steps from `start`.

    A step moves no logit by more than `LONGEST` and is shortened where the likelihood would fall: while a log is
    separated, Newton's own step overshoots by orders of magnitude.
    """
    scale = jnp.asarray(rules.inverse_temperature) ** 2
    penalised = lambda weights: _merit(rules, record, weights, scale * ridge)

    def step(carry, _):
        weights, merit = carry
        gradient, information = _derivatives(rules, record, weights)
        curvature = scale * (information + ridge * jnp.eye(weights.shape[-1]))
        push = jnp.linalg.solve(curvature, (gradient - scale * ridge * weights)[..., None])[..., 0]
        moved = jnp.max(jnp.abs(_logits(rules, record, push)), axis=(0, 3))
        reach = moved[..., None] if rules.follower_features is None else jnp.max(moved, axis=-1)[:, None, None]
        push = push * jnp.minimum(1.0, LONGEST / jnp.maximum(reach, LONGEST))
        for length in LENGTHS:  # the longest that gains, block by block
            tried = weights + length * push
            found = penalised(tried)
            gains = found > merit
            weights = jnp.where(gains[..., None], tried, weights)
            push = jnp.where(gains[..., None], 0.0, push)
            merit = jnp.maximum(found, merit)
        return (weights, merit), None

    (weights, _), _ = jax.lax.scan(step, (start, penalised(start)), length=num_steps)
    gradient, information = _derivatives(rules, record, weights)
    plays = jnp.maximum(jnp.sum(record.answers) / rules.horizon, 1.0)
    slope = jnp.max(jnp.abs(gradient - scale * ridge * weights)) / plays
    return ResponseEstimate(weights, information, slope)


def log_likelihood(rules: MarkovRules, record: PlayRecord, weights: Float[AnyArray, "h k d"]) -> Float[AnyArray, "h s"]:
    """The log-likelihood of the answers at each stage and state, without any penalty."""
    log_choice = log_quantal_choice(_logits(rules, record, weights), 1.0)
    return jnp.sum(record.answers * log_choice, axis=(0, 3))


def pair_covariance(
    rules: MarkovRules, information: Float[AnyArray, "h k d d"], ridge: Float[AnyArray, ""] | float
) -> Float[AnyArray, "h s a b a b"]:
    """(Σ + ridge)⁻¹ as the covariance between the rewards of any two pairs of actions, up to the scale of noise."""
    horizon, num_states, num_rows, num_columns = rules.shape
    inverse = jnp.linalg.inv(information + ridge * jnp.eye(information.shape[-1]))
    if rules.follower_features is None:
        return inverse.reshape(horizon, num_states, num_rows, num_columns, num_rows, num_columns)
    features = jnp.asarray(rules.follower_features)
    return jnp.einsum("hsabd,hde,hscfe->hsabcf", features, inverse[:, 0], features)


def _logits(rules: MarkovRules, record: PlayRecord, weights: Float[AnyArray, "h k d"]) -> Float[AnyArray, "n h s b"]:
    """Of every answer to every announcement."""
    letters = "nhsba" if rules.is_prescription else "nhsa"
    values = jnp.einsum(f"{letters},hsab->nhsb", record.commitment, reward_table(rules, weights))
    return rules.inverse_temperature * values


def _derivatives(
    rules: MarkovRules, record: PlayRecord, weights: Float[AnyArray, "h k d"]
) -> tuple[Float[AnyArray, "h k d"], Float[AnyArray, "h k d d"]]:
    """The gradient of the log-likelihood, and Σ."""
    horizon, num_states, num_rows, num_columns = rules.shape
    size = num_rows * num_columns
    choice = quantal_choice(_logits(rules, record, weights), 1.0)
    plays = jnp.sum(record.answers, axis=-1, keepdims=True)
    weighted = plays * choice
    missed = rules.inverse_temperature * (record.answers - weighted)
    spread = weighted[..., :, None] * (jnp.eye(num_columns) - choice[..., None, :])
    announced = jnp.asarray(record.commitment)
    if rules.is_prescription:
        surplus = jnp.einsum("nhsba,nhsb->hsab", announced, missed)
        crossed = announced[..., :, :, None, None] * announced[..., None, None, :, :]
        table = jnp.einsum("nhsbafc->hsabcf", crossed * spread[..., :, None, :, None])
    else:
        surplus = jnp.einsum("nhsa,nhsb->hsab", announced, missed)
        table = jnp.einsum("nhsac,nhsbf->hsabcf", announced[..., :, None] * announced[..., None, :], spread)
    if rules.follower_features is None:
        return surplus.reshape(horizon, num_states, size), table.reshape(horizon, num_states, size, size)
    features = jnp.asarray(rules.follower_features)
    gradient = jnp.einsum("hsab,hsabd->hd", surplus, features)[:, None]
    return gradient, jnp.einsum("hsabd,hsabcf,hscfe->hde", features, table, features)[:, None]


def _merit(
    rules: MarkovRules,
    record: PlayRecord,
    weights: Float[AnyArray, "h k d"],
    penalty: Float[AnyArray, ""],
) -> Float[AnyArray, "h k"]:
    """The penalised log-likelihood of each block of weights."""
    likelihood = jnp.sum(record.answers * log_quantal_choice(_logits(rules, record, weights), 1.0), axis=(0, 3))
    if rules.follower_features is not None:
        likelihood = jnp.sum(likelihood, axis=-1, keepdims=True)
    return likelihood - 0.5 * penalty * jnp.sum(weights**2, axis=-1)
