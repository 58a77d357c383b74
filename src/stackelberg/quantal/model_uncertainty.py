"""What a leader knows of a whole model after a record: an estimate, and an ellipsoid around it.

The estimate is that of maximum likelihood with a little prior knowledge: rewards of the leader around the middle of
their range, uniform laws of the next state, follower's rewards around 0. Around it the likelihood is quadratic to
second order, with three blocks: λ² (Σ + ridge) for the follower's weights, visits over a quarter of the squared range
for the leader's rewards, and the multinomial covariance for each law.

With features φ of the leader's side both are ridge regressions, at each stage with G = Σ φ φᵀ + prior over its plays:
the reward is φ·ϑ with covariance G⁻¹ times a quarter of the squared range; the law is φ·μ, projected to the simplex row
by row, with covariance G⁻¹ (Σ φ φᵀ ⊗ C + prior) G⁻¹, where C is the multinomial covariance of one play. Features that
mark one state and pair of actions each give the table back.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float

from .._types import AnyArray, Key
from ..calculus.simplex import logarithm
from ..play.markov_world import MarkovRules
from .model import Model
from .myopic_likelihood import zero_weights
from .record import PlayRecord


PRIOR_PLAYS = 1.0
"""How many plays the prior knowledge of a reward and of a law of the next state is worth."""


class Regression(eqx.Module):
    """The part of the covariance that features of the leader's side share between states and pairs of actions.

    - `features`: `(h, s, a, b, d)`.  `reward`, `law`: `(h, d, d)`, G⁻¹ of the plays that were paid, and of those that
      went on.  `payment_variance`: of one payment, 0 where the reward is known.
    """

    features: Float[AnyArray, "h s a b d"]
    reward: Float[AnyArray, "h d d"]
    law: Float[AnyArray, "h d d"]
    payment_variance: Float[AnyArray, ""]

    @property
    def shares(self) -> Float[AnyArray, "h s a b d"]:
        """How much of the prior plays of each direction a state and pair of actions stands for."""
        squared = self.features**2
        total = jnp.sum(squared, axis=(1, 2, 3), keepdims=True)
        return jnp.where(total > 0.0, squared / jnp.where(total > 0.0, total, 1.0), 0.0)

    def reward_through(self, gradient: Float[AnyArray, "h s a b"]) -> Float[AnyArray, "h s a b"]:
        """Covariance × gradient, of the rewards."""
        weights = jnp.einsum("hde,hsabe,hsab->hd", self.reward, self.features, gradient)
        return self.payment_variance * jnp.einsum("hsabd,hd->hsab", self.features, weights)

    def law_through(
        self,
        law: Float[AnyArray, "h s a b t"],
        plays: Float[AnyArray, "h s a b"],
        gradient: Float[AnyArray, "h s a b t"],
    ) -> Float[AnyArray, "h s a b t"]:
        """Covariance × gradient, of the laws; `plays` without the prior."""
        pushed = jnp.einsum("hde,hsabe,hsabt->hdt", self.law, self.features, gradient)
        here = jnp.einsum("hsabd,hdt->hsabt", self.features, pushed)
        noise = law * (here - jnp.sum(law * here, axis=-1, keepdims=True))
        seen = jnp.einsum("hsabd,hsab,hsabt->hdt", self.features, plays, noise)
        mean = jnp.einsum("hsabt,hdt->hsabd", law, pushed)
        shares = self.shares
        prior = jnp.einsum("hsabd,hsabt->hdt", shares, law) * pushed - jnp.einsum(
            "hsabd,hsabd,hsabt->hdt", shares, mean, law
        )
        return jnp.einsum("hsabd,hde,het->hsabt", self.features, self.law, seen + PRIOR_PLAYS * prior)

    def drawn(
        self,
        reward: Float[AnyArray, "h s a b"],
        law: Float[AnyArray, "h s a b t"],
        plays: Float[AnyArray, "h s a b"],
        key: Key,
    ) -> tuple[Float[AnyArray, "h s a b"], Float[AnyArray, "h s a b t"]]:
        """Rewards and laws from normal laws with this covariance; a law of it may leave the simplex."""
        of_reward, of_plays, of_prior = jr.split(key, 3)
        weights = jnp.einsum(
            "hde,he->hd", jnp.linalg.cholesky(self.reward), jr.normal(of_reward, self.reward.shape[:2])
        )
        reward = reward + jnp.sqrt(self.payment_variance) * jnp.einsum("hsabd,hd->hsab", self.features, weights)
        seen = jnp.sqrt(plays)[..., None] * _multinomial(law, jr.normal(of_plays, law.shape))
        total = jnp.einsum("hsabd,hsabt->hdt", self.features, seen)
        chance = jr.normal(of_prior, (*self.features.shape, law.shape[-1]))
        prior = _multinomial(jnp.broadcast_to(law[..., None, :], chance.shape), chance)
        total = total + jnp.sqrt(PRIOR_PLAYS) * jnp.einsum("hsabd,hsabdt->hdt", jnp.sqrt(self.shares), prior)
        return reward, law + jnp.einsum("hsabd,hde,het->hsabt", self.features, self.law, total)


class Spread(eqx.Module):
    """The covariance of what was estimated.

    - `factor`: `(n, n)`, lower, F = λ² (Σ + ridge) = factor × factorᵀ, so that F⁻¹ is the weights' covariance.
    - `reward_variance`: `(h, s, a, b)`.  `law`: `(h, s, a, b, s)`, estimated, and `plays`: how many it comes from.
    - `regression`: what features of the leader's side share; None without.
    """

    factor: Float[AnyArray, "n n"]
    reward_variance: Float[AnyArray, "h s a b"]
    law: Float[AnyArray, "h s a b t"]
    plays: Float[AnyArray, "h s a b"]
    regression: Regression | None = None

    def through(self, gradient: Model) -> Model:
        """Covariance × gradient: the direction of the ellipsoid's point that is furthest along the gradient."""
        pushed = jax.scipy.linalg.cho_solve((self.factor, True), gradient.weights.reshape(-1))
        weights = pushed.reshape(gradient.weights.shape)
        if self.regression is not None:
            reward = self.regression.reward_through(gradient.leader_reward)
            return Model(weights, reward, self.regression.law_through(self.law, self._left, gradient.law))
        middle = jnp.sum(self.law * gradient.law, axis=-1, keepdims=True)
        law = self.law * (gradient.law - middle) / self.plays[..., None]
        return Model(weights, self.reward_variance * gradient.leader_reward, law)

    def drawn(self, rules: MarkovRules, model: Model, key: Key) -> Model:
        """A draw from the normal approximation of the posterior; in tables each law from its Dirichlet posterior."""
        of_weights, of_reward, of_law = jr.split(key, 3)
        noise = jr.normal(of_weights, self.factor.shape[:1])
        moved = jax.scipy.linalg.solve_triangular(self.factor.T, noise, lower=False)
        weights = model.weights + moved.reshape(model.weights.shape)
        if self.regression is not None:
            drawn = self.regression.drawn(model.leader_reward, self.law, self._left, jr.fold_in(of_reward, 1))
            return within(rules, Model(weights, *drawn))
        reward = model.leader_reward + jnp.sqrt(self.reward_variance) * jr.normal(of_reward, rules.shape)
        law = jr.dirichlet(of_law, jnp.maximum(self.plays[..., None] * self.law, 1e-2))
        return within(rules, Model(weights, reward, law))

    @property
    def _left(self) -> Float[AnyArray, "h s a b"]:
        """Plays that went on, without the prior."""
        return self.plays - PRIOR_PLAYS


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
    """The leader's rewards and the laws of the next state: means of what was seen, or regressions, with the prior."""
    visits, moves = jnp.asarray(record.visits), jnp.asarray(record.moves)
    low, high = jnp.asarray(rules.reward_low), jnp.asarray(rules.reward_high)
    middle, even = 0.5 * (low + high), 1.0 / moves.shape[-1]
    left = jnp.sum(moves, axis=-1)
    if rules.leader_features is None:
        reward = (record.paid + PRIOR_PLAYS * middle) / (visits + PRIOR_PLAYS)
        law = (moves + PRIOR_PLAYS * even) / (left + PRIOR_PLAYS)[..., None]
    else:
        features = jnp.asarray(rules.leader_features)
        payments = jnp.asarray(record.paid)[..., None]
        reward = jnp.clip(_regressed(features, visits, payments, middle)[..., 0], low, high)
        law = _onto_simplex(_regressed(features, left, moves, jnp.asarray(even)))
        # What was never seen keeps at least the probability that it has in a table with all plays of the stage.
        least = PRIOR_PLAYS * even / (jnp.sum(left, axis=(1, 2, 3)) + PRIOR_PLAYS)
        law = jnp.maximum(law, least[:, None, None, None, None])
        law = law / jnp.sum(law, axis=-1, keepdims=True)
    return reward if rules.leader_reward is None else jnp.asarray(rules.leader_reward), law


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
    visits, left = jnp.asarray(record.visits), jnp.sum(jnp.asarray(record.moves), axis=-1)
    once = jnp.zeros(()) if rules.leader_reward is not None else 0.25 * span**2
    if rules.leader_features is None:
        return Spread(factor, once / (visits + PRIOR_PLAYS), law, left + PRIOR_PLAYS)
    features = jnp.asarray(rules.leader_features)
    paid, moved = jnp.linalg.inv(_gram(features, visits)), jnp.linalg.inv(_gram(features, left))
    variance = once * jnp.einsum("hsabd,hde,hsabe->hsab", features, paid, features)
    return Spread(factor, variance, law, left + PRIOR_PLAYS, Regression(features, paid, moved, once))


def proved_width(
    rules: MarkovRules, num_episodes: int, ridge: Float[AnyArray, ""] | float, level: float = 0.95
) -> Float[AnyArray, ""]:
    """√(2 β): with probability `level` the true model never loses more than β of log-likelihood to the estimate.

    Over T episodes or fewer, with n weights of the follower, E = Σ γ^k over the stages, δ = 1 - `level`, and weights of
    norm at most B = √(2 H T log b / ridge), which an estimate has that explains the log no worse than weights of 0,

        β = n log(1 + 4 B λ E T)                                follower's weights
          + (H - 1) s² a b log(2 + s T (1 + 4 λ γ B E²))        laws of the next state
          + H s a b log(1 + √T)                                 leader's rewards, unless they are known
          + 5 H / 2 + log(1 / δ).

    The likelihood ratio of any one model to the truth is a supermartingale that starts at 1 (a payment within bounds
    counts as normal with half their distance as its deviation, and Hoeffding's lemma covers that), so that it never
    exceeds N / δ for any of N models (Ville's inequality). The logarithms are log N, for a covering of all models so
    fine that one of it explains any log as well as the estimate, up to 5 H / 2. Assumed are a quantal response with
    this inverse temperature and discount, and features of the follower of length 1 at most. The laws are covered as a
    table, with features of the leader's side too.

    Derived anew; Chen, Wang and Yang (2023) have a radius of the same form, whose constants we could not read.
    """
    horizon, num_states, num_rows, num_columns = rules.shape
    rate, discount = jnp.asarray(rules.inverse_temperature), jnp.asarray(rules.follower_discount)
    ahead = jnp.sum(discount ** jnp.arange(horizon))
    norm = jnp.sqrt(2.0 * horizon * num_episodes * float(np.log(num_columns)) / jnp.asarray(ridge))
    cells = num_states * num_rows * num_columns
    fine = 2.0 + num_states * num_episodes * (1.0 + 4.0 * rate * discount * norm * ahead**2)
    size = 2.5 * horizon - float(np.log(1.0 - level))
    size += zero_weights(rules).size * logarithm(1.0 + 4.0 * norm * rate * ahead * num_episodes)
    size += (horizon - 1) * num_states * cells * logarithm(fine)
    if rules.leader_reward is None:
        size += horizon * cells * float(np.log1p(np.sqrt(num_episodes)))
    return jnp.sqrt(2.0 * size)


def _gram(features: Float[AnyArray, "h s a b d"], plays: Float[AnyArray, "h s a b"]) -> Float[AnyArray, "h d d"]:
    """G of every stage."""
    return jnp.einsum("hsabd,hsab,hsabe->hde", features, plays, features) + PRIOR_PLAYS * jnp.eye(features.shape[-1])


def _regressed(
    features: Float[AnyArray, "h s a b d"],
    plays: Float[AnyArray, "h s a b"],
    total: Float[AnyArray, "h s a b k"],
    prior: Float[AnyArray, ""],
) -> Float[AnyArray, "h s a b k"]:
    """Ridge regression of what was seen, `total` in so many `plays`, around weights that come nearest to `prior`."""
    size = features.shape[-1]
    square = jnp.einsum("hsabd,hsabe->hde", features, features)
    # Features may be dependent; 1e-12 of their size decides for the shortest weights then.
    tiny = 1e-12 * (jnp.trace(square, axis1=-2, axis2=-1)[:, None, None] / size + 1e-300)
    ones = jnp.einsum("hsabd->hd", features)
    constant = prior * jnp.linalg.solve(square + tiny * jnp.eye(size), ones[..., None])[..., 0]
    expected = jnp.einsum("hsabd,hd->hsab", features, constant)
    surplus = jnp.einsum("hsabd,hsabk->hdk", features, total - (plays * expected)[..., None])
    weights = constant[..., None] + jnp.linalg.solve(_gram(features, plays), surplus)
    return jnp.einsum("hsabd,hdk->hsabk", features, weights)


def _onto_simplex(rows: Float[AnyArray, "*shape t"]) -> Float[AnyArray, "*shape t"]:
    """The nearest law to each row: what is above a level that makes the sum 1."""
    falling = -jnp.sort(-rows, axis=-1)
    count = jnp.arange(1.0, rows.shape[-1] + 1.0)
    level = (jnp.cumsum(falling, axis=-1) - 1.0) / count
    last = jnp.sum(falling > level, axis=-1, keepdims=True) - 1
    return jnp.maximum(rows - jnp.take_along_axis(level, last, axis=-1), 0.0)


def _multinomial(law: Float[AnyArray, "*shape t"], chance: Float[AnyArray, "*shape t"]) -> Float[AnyArray, "*shape t"]:
    """Noise with the covariance of one play, diag p - p pᵀ, out of independent normal numbers."""
    root = jnp.sqrt(law)
    return root * (chance - root * jnp.sum(root * chance, axis=-1, keepdims=True))
