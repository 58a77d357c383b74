"""What a leader knows of a whole model after a record: an estimate, and an ellipsoid around it.

The estimate is that of maximum likelihood with a little prior knowledge: rewards of the leader around the middle of
their range, uniform laws of the next state, follower's rewards around 0. Around it the likelihood is quadratic to
second order, with three blocks: λ² (Σ + ridge) for the follower's weights, visits over a quarter of the squared range
for the leader's rewards, and the multinomial covariance for each law.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Float

from .._types import AnyArray, Key
from ..play.markov_world import MarkovRules
from .model import Model
from .record import PlayRecord


PRIOR_PLAYS = 1.0
"""How many plays the prior knowledge of a reward and of a law of the next state is worth."""


class Spread(eqx.Module):
    """The covariance of what was estimated.

    - `factor`: `(n, n)`, lower, F = λ² (Σ + ridge) = factor × factorᵀ, so that F⁻¹ is the weights' covariance.
    - `reward_variance`: `(h, s, a, b)`.  `law`: `(h, s, a, b, s)`, estimated, and `plays`: how many it comes from.
    """

    factor: Float[AnyArray, "n n"]
    reward_variance: Float[AnyArray, "h s a b"]
    law: Float[AnyArray, "h s a b t"]
    plays: Float[AnyArray, "h s a b"]

    def through(self, gradient: Model) -> Model:
        """Covariance × gradient: the direction of the ellipsoid's point that is furthest along the gradient."""
        pushed = jax.scipy.linalg.cho_solve((self.factor, True), gradient.weights.reshape(-1))
        middle = jnp.sum(self.law * gradient.law, axis=-1, keepdims=True)
        return Model(
            pushed.reshape(gradient.weights.shape),
            self.reward_variance * gradient.leader_reward,
            self.law * (gradient.law - middle) / self.plays[..., None],
        )

    def drawn(self, rules: MarkovRules, model: Model, key: Key) -> Model:
        """A draw from the normal approximation of the posterior; each law from its Dirichlet posterior."""
        of_weights, of_reward, of_law = jr.split(key, 3)
        noise = jr.normal(of_weights, self.factor.shape[:1])
        moved = jax.scipy.linalg.solve_triangular(self.factor.T, noise, lower=False)
        reward = model.leader_reward + jnp.sqrt(self.reward_variance) * jr.normal(of_reward, rules.shape)
        law = jr.dirichlet(of_law, jnp.maximum(self.plays[..., None] * self.law, 1e-2))
        return within(rules, Model(model.weights + moved.reshape(model.weights.shape), reward, law))


def inner(one: Model, other: Model) -> Float[AnyArray, ""]:
    """Sum of products."""
    return sum(jnp.sum(x * y) for x, y in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))  # type: ignore[return-value]


def moved(model: Model, direction: Model, length: Float[AnyArray, ""] | float) -> Model:
    """The model, `length` times the direction further."""
    return jax.tree.map(lambda value, push: value + length * push, model, direction)


def within(rules: MarkovRules, model: Model) -> Model:
    """The same with rewards between their bounds, and laws that are laws."""
    low, high = jnp.asarray(rules.reward_low), jnp.asarray(rules.reward_high)
    law = jnp.maximum(model.law, 1e-9)
    return Model(model.weights, jnp.clip(model.leader_reward, low, high), law / jnp.sum(law, axis=-1, keepdims=True))


def leader_side(
    rules: MarkovRules, record: PlayRecord
) -> tuple[Float[AnyArray, "h s a b"], Float[AnyArray, "h s a b t"]]:
    """The leader's rewards and the laws of the next state: means of what was seen, with the prior."""
    visits, moves = jnp.asarray(record.visits), jnp.asarray(record.moves)
    middle = 0.5 * (jnp.asarray(rules.reward_low) + jnp.asarray(rules.reward_high))
    reward = (record.paid + PRIOR_PLAYS * middle) / (visits + PRIOR_PLAYS)
    if rules.leader_reward is not None:
        reward = jnp.asarray(rules.leader_reward)
    left = jnp.sum(moves, axis=-1, keepdims=True)
    return reward, (moves + PRIOR_PLAYS / moves.shape[-1]) / (left + PRIOR_PLAYS)


def spread(
    rules: MarkovRules,
    record: PlayRecord,
    law: Float[AnyArray, "h s a b t"],
    information: Float[AnyArray, "n n"],
    ridge: Float[AnyArray, ""] | float,
) -> Spread:
    """The covariance after this record; `information` is Σ, and λ² × ridge the precision known beforehand."""
    scale = jnp.asarray(rules.inverse_temperature) ** 2
    factor = jnp.linalg.cholesky(scale * (information + ridge * jnp.eye(information.shape[-1])))
    span = jnp.asarray(rules.reward_high) - jnp.asarray(rules.reward_low)
    plays = jnp.asarray(record.visits) + PRIOR_PLAYS
    variance = jnp.zeros(rules.shape) if rules.leader_reward is not None else 0.25 * span**2 / plays
    return Spread(factor, variance, law, jnp.sum(jnp.asarray(record.moves), axis=-1) + PRIOR_PLAYS)
