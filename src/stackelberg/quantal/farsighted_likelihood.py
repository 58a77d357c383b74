"""The reward of a farsighted follower, by maximum likelihood through its whole soft backward induction.

With ν(π, w) its answer to the policy π when its weights are w, the log-likelihood is Σ log ν(b | s, stage; π, w) over
the plays. It is not concave, but smooth: Fisher scoring climbs it, with the derivative of log ν carried through the
stages. The information matrix is λ² Σ = Σ over plays of Σ_b ν ∂log ν ∂log νᵀ.

No constraint is needed. Potential shaping of the reward changes no answer, so that the likelihood is flat along it; a
small ridge keeps the estimate at the least norm there, and the leader's value does not notice.

Departure: dynamics are estimated from where play went on, and not from the answers as well, which say a little of them.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from .._types import AnyArray
from ..calculus.simplex import logarithm, weight
from ..play.markov_world import MarkovRules
from .model import Model, log_answers
from .record import PlayRecord


ROWS_AT_ONCE = 8
LENGTHS = (1.0, 0.3, 0.05)
LONGEST = 4.0


class FarsightedEstimate(eqx.Module):
    """The weights that explain the answers best, and how well the answers tell.

    - `weights`: `(h, k, d)`.  `information`: `(n, n)`, Σ of all n = h × k × d weights together.
    - `slope`: the largest entry of the gradient of the penalised log-likelihood, per play: 0 at the maximum.
    """

    weights: Float[AnyArray, "h k d"]
    information: Float[AnyArray, "n n"]
    slope: Float[AnyArray, ""]


def fitted_farsighted(
    rules: MarkovRules,
    record: PlayRecord,
    law: Float[AnyArray, "h s a b t"],
    start: Float[AnyArray, "h k d"],
    ridge: Float[AnyArray, ""] | float,
    num_steps: int,
) -> FarsightedEstimate:
    """The maximum of log-likelihood - ½ λ² ridge |w|² for these dynamics, by Fisher scoring from `start`."""
    scale = jnp.asarray(rules.inverse_temperature) ** 2
    shape, size = start.shape, start.size
    penalty = scale * ridge
    merit = lambda flat: log_likelihood(rules, record, law, flat.reshape(shape)) - 0.5 * penalty * jnp.sum(flat**2)

    def step(carry, _):
        flat, value = carry
        gradient, information = _derivatives(rules, record, law, flat.reshape(shape))
        curvature = scale * (information + ridge * jnp.eye(size))
        push = jnp.linalg.solve(curvature, gradient - penalty * flat)
        longest = jnp.asarray(rules.inverse_temperature) * jnp.max(jnp.abs(push))
        push = push * jnp.minimum(1.0, LONGEST / jnp.maximum(longest, 1e-12))
        for length in LENGTHS:  # the longest that gains
            found = merit(flat + length * push)
            gains = found > value
            flat, value = jnp.where(gains, flat + length * push, flat), jnp.where(gains, found, value)
            push = jnp.where(gains, 0.0, push)
        return (flat, value), None

    first = jnp.asarray(start).reshape(-1)
    (flat, _), _ = jax.lax.scan(step, (first, merit(first)), length=num_steps)
    gradient, information = _derivatives(rules, record, law, flat.reshape(shape))
    plays = jnp.maximum(jnp.sum(record.answers) / rules.horizon, 1.0)
    slope = jnp.max(jnp.abs(gradient - penalty * flat)) / plays
    return FarsightedEstimate(flat.reshape(shape), information, slope)


def log_likelihood(
    rules: MarkovRules,
    record: PlayRecord,
    law: Float[AnyArray, "h s a b t"],
    weights: Float[AnyArray, "h k d"],
) -> Float[AnyArray, ""]:
    """Of all answers, without any penalty."""
    one = lambda policy, answers: jnp.sum(answers * log_answers(rules, weights, law, policy))
    return jnp.sum(jax.vmap(one)(jnp.asarray(record.commitment), jnp.asarray(record.answers)))


def model_loss(rules: MarkovRules, record: PlayRecord, model: Model) -> Float[AnyArray, ""]:
    """Minus the log-likelihood of everything that was seen: answers, payments, next states.

    A payment counts as normal around the mean with half the range of the rewards as its deviation, which no law on that
    range exceeds.
    """
    moves, visits = jnp.asarray(record.moves), jnp.asarray(record.visits)
    span = jnp.asarray(rules.reward_high) - jnp.asarray(rules.reward_low)
    missed = model.leader_reward - jnp.asarray(record.paid) / jnp.maximum(visits, 1.0)
    payments = 2.0 * jnp.sum(visits * (missed / jnp.where(span > 0.0, span, 1.0)) ** 2)
    paths = -jnp.sum(moves * logarithm(jnp.maximum(model.law, 1e-12)))
    payments = 0.0 if rules.leader_reward is not None else payments
    return payments + paths - log_likelihood(rules, record, model.law, model.weights)


def _derivatives(
    rules: MarkovRules,
    record: PlayRecord,
    law: Float[AnyArray, "h s a b t"],
    weights: Float[AnyArray, "h k d"],
) -> tuple[Float[AnyArray, "n"], Float[AnyArray, "n n"]]:
    """The gradient of the log-likelihood, and Σ: sums over announcements, a few at a time."""
    rate = jnp.asarray(rules.inverse_temperature)

    def one(policy, answers):
        slopes = lambda weights: (value := log_answers(rules, weights, law, policy), value)
        tangent, log_choice = jax.jacfwd(slopes, has_aux=True)(weights)
        tangent = tangent.reshape(-1, weights.size)
        weighted = (jnp.sum(answers, axis=-1, keepdims=True) * weight(log_choice)).reshape(-1)
        return answers.reshape(-1) @ tangent, (tangent * weighted[:, None]).T @ tangent / rate**2

    def several(total, now):
        gradient, information = jax.vmap(one)(*now)
        return (total[0] + jnp.sum(gradient, axis=0), total[1] + jnp.sum(information, axis=0)), None

    policies, answers = jnp.asarray(record.commitment), jnp.asarray(record.answers)
    missing = -answers.shape[0] % ROWS_AT_ONCE
    padded = lambda rows, value: jnp.concatenate([rows, jnp.full((missing, *rows.shape[1:]), value)])
    rows = padded(policies, 1.0 / policies.shape[-1]), padded(answers, 0.0)
    portions = jax.tree.map(lambda rows: rows.reshape(-1, ROWS_AT_ONCE, *rows.shape[1:]), rows)
    nothing = jnp.zeros(weights.size), jnp.zeros((weights.size, weights.size))
    return jax.lax.scan(several, nothing, portions)[0]
