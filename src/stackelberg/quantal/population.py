"""Answers to a follower that is no quantal response: models that expect one to err in another way, learned with it.

A population of quantal responses with one reward R and inverse temperatures κ λ,

    ν(b; x) = Σ_k m(k) softmax(κ(k) λ q(b)),    q(b) = Σ_a x(a|b) R(a, b),

holds both that are used here:

- "contamination": κ = (1, 0), m = (1 - ε, ε). With probability ε the follower picks any action, all alike.
- "mixed rates": log κ normal around 0 with standard deviation σ, by Gauss-Hermite quadrature. The follower's inverse
  temperature is another one at every stage of every episode (a mixed logit).

R and ε (or σ²) are fitted together by Fisher scoring on the likelihood of the answers. Expectation-maximisation, usual
for mixtures, has the same maximum; here it needs thousands of rounds, since a smaller R and a larger ε explain nearly
the same answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .._types import AnyArray
from ..calculus.simplex import logarithm, quantal_choice, weight
from ..play.base import Belief
from ..play.markov_world import MarkovRules
from ..solvers.quantal.climb import best_of_starts, candidates
from .bonus import Uncertainty
from .leader_model import action_values
from .myopic_likelihood import reward_table, zero_weights
from .record import PlayRecord
from .value_iteration import Known, Planned


Departure: TypeAlias = Literal["contamination", "mixed rates"]

Choice: TypeAlias = Callable[[Float[AnyArray, "n h s b"], Float[AnyArray, ""]], Float[AnyArray, "n h s b"]]

DEPARTURES: tuple[Departure, ...] = ("contamination", "mixed rates")

PRIOR_SIZE = {"contamination": 0.05, "mixed rates": 0.1}
"""What ε and σ² are thought to be before anything was seen: a log of a few plays says little about either."""

PRIOR_INFORMATION = 4.0
"""Of the normal law of log ε / (1 - ε), or of log σ²: the inverse of its variance."""

DAMPINGS = (1e-8, 0.03, 1.0, 30.0)
LONGEST = 4.0


class Population(eqx.Module):
    """A follower with one reward and several inverse temperatures.

    - `weights`: `(h, k, d)`, as in `ResponseEstimate`.  `information`: `(h, k, d, d)`, λ⁻² × the expected information
      on each block, the size not being known.  `slope`: the largest entry of the gradient, per play.
    - `size`: ε, or σ².
    """

    weights: Float[AnyArray, "h k d"]
    information: Float[AnyArray, "h k d d"]
    slope: Float[AnyArray, ""]
    size: Float[AnyArray, ""]


def unfitted(rules: MarkovRules, departure: Departure) -> Population:
    """What is thought of a follower that was never seen."""
    weights = zero_weights(rules)
    information = jnp.zeros((*weights.shape, weights.shape[-1]))
    return Population(weights, information, jnp.zeros(()), jnp.asarray(PRIOR_SIZE[departure]))


def parts(
    departure: Departure, size: Float[AnyArray, ""] | float, num_nodes: int
) -> tuple[Float[AnyArray, "k"], Float[AnyArray, "k"]]:
    """Factors κ of the inverse temperature and shares m of the parts of the population."""
    if departure == "contamination":
        return jnp.asarray([1.0, 0.0]), jnp.stack([1.0 - jnp.asarray(size), jnp.asarray(size)])
    places, shares = np.polynomial.hermite_e.hermegauss(num_nodes)
    return weight(jnp.sqrt(jnp.asarray(size)) * places), jnp.asarray(shares / shares.sum())


def population_choice(
    value: Float[AnyArray, "*n b"],
    inverse_temperature: Float[AnyArray, ""] | float,
    scales: Float[AnyArray, "k"],
    shares: Float[AnyArray, "k"],
) -> tuple[Float[AnyArray, "*n b"], Float[AnyArray, "k *n b"]]:
    """The population's choice between actions of these values, and what each part adds to it."""
    each = jax.vmap(lambda scale: quantal_choice(value, scale * inverse_temperature))(scales)
    added = shares.reshape(-1, *[1] * jnp.ndim(value)) * each
    return jnp.sum(added, axis=0), added


def population_fitted(
    rules: MarkovRules,
    record: PlayRecord,
    start: Population,
    ridge: Float[AnyArray, ""] | float,
    num_steps: int,
    departure: Departure,
    num_nodes: int = 5,
) -> Population:
    """The maximum of log-likelihood - ½ λ² ridge |w|² + log prior of the size, by steps of Fisher scoring from `start`.

    The likelihood of a mixture is not concave, and its maximum need not be unique. Each step solves with several
    dampings (Levenberg and Marquardt), takes the best of them, and is not made where all lose.
    """
    penalty = jnp.asarray(rules.inverse_temperature) ** 2 * ridge
    centre = _free(departure, jnp.asarray(PRIOR_SIZE[departure]))

    def choice(logits, free):
        return population_choice(logits, 1.0, *parts(departure, _size(departure, free), num_nodes))[0]

    def merit(weights, free):
        chosen = choice(_logits(rules, record, weights), free)
        likelihood = jnp.sum(record.answers * logarithm(jnp.maximum(chosen, 1e-300)))
        return likelihood - 0.5 * penalty * jnp.sum(weights**2) - 0.5 * PRIOR_INFORMATION * (free - centre) ** 2

    def step(carry, _):
        weights, free, reached = carry
        gradient = jax.grad(merit, argnums=(0, 1))(weights, free)
        told = _information(rules, record, choice, weights, free).plus(penalty, PRIOR_INFORMATION)

        def tried(damping):
            push, turn = told.damped(damping).solved(*gradient)
            reach = jnp.maximum(jnp.max(jnp.abs(_logits(rules, record, push))), jnp.abs(turn))
            length = jnp.minimum(1.0, LONGEST / jnp.maximum(reach, LONGEST))
            moved = weights + length * push, free + length * turn
            value = merit(*moved)
            return *moved, jnp.where(jnp.isfinite(value), value, -jnp.inf)

        tries = jax.vmap(tried)(jnp.asarray(DAMPINGS))
        best = jax.tree.map(lambda values: values[jnp.argmax(tries[-1])], tries)
        return jax.tree.map(lambda new, old: jnp.where(best[-1] > reached, new, old), best, carry), None

    first = jnp.asarray(start.weights), _free(departure, jnp.asarray(start.size))
    (weights, free, _), _ = jax.lax.scan(step, (*first, merit(*first)), length=num_steps)
    plays = jnp.maximum(jnp.sum(record.answers) / rules.horizon, 1.0)
    slope = jnp.max(jnp.abs(jax.grad(merit)(weights, free))) / plays
    told = _information(rules, record, choice, weights, free).plus(0.0, PRIOR_INFORMATION)
    return Population(
        weights, told.alone() / jnp.asarray(rules.inverse_temperature) ** 2, slope, _size(departure, free)
    )


class _Information(eqx.Module):
    """The expected information: `blocks` `(h, k, d, d)` on weights, `border` `(h, k, d)` between them and the size."""

    blocks: Float[AnyArray, "h k d d"]
    border: Float[AnyArray, "h k d"]
    corner: Float[AnyArray, ""]

    def plus(self, penalty: Float[AnyArray, ""] | float, prior: float) -> _Information:
        """With what priors tell."""
        size = self.blocks.shape[-1]
        return _Information(self.blocks + penalty * jnp.eye(size), self.border, self.corner + prior)

    def damped(self, damping: Float[AnyArray, ""]) -> _Information:
        """With the diagonal made longer."""
        long = jnp.diagonal(self.blocks, axis1=-2, axis2=-1)
        blocks = self.blocks + damping * long[..., None] * jnp.eye(long.shape[-1])
        return _Information(blocks, self.border, (1.0 + damping) * self.corner)

    def solved(
        self, weights: Float[AnyArray, "h k d"], size: Float[AnyArray, ""]
    ) -> tuple[Float[AnyArray, "h k d"], Float[AnyArray, ""]]:
        """Its inverse on a gradient."""
        both = jnp.linalg.solve(self.blocks, jnp.stack([weights, self.border], axis=-1))
        left = jnp.maximum(self.corner - jnp.sum(self.border * both[..., 1]), 1e-9 * self.corner)
        turn = (size - jnp.sum(self.border * both[..., 0])) / left
        return both[..., 0] - turn * both[..., 1], turn

    def alone(self) -> Float[AnyArray, "h k d d"]:
        """About each block when the size is not known."""
        return self.blocks - self.border[..., :, None] * self.border[..., None, :] / self.corner


def _information(
    rules: MarkovRules, record: PlayRecord, choice: Choice, weights: Float[AnyArray, "h k d"], free: Float[AnyArray, ""]
) -> _Information:
    """What the answers tell about weights and size, expected under both."""
    logits = _logits(rules, record, weights)
    chosen, turned = jax.jvp(lambda free: choice(logits, free), (free,), (jnp.ones_like(free),))
    # Logits of one row move the choice of that row alone: one push for each action gives all derivatives.
    pushes = jnp.broadcast_to(jnp.eye(logits.shape[-1])[:, None, None, None], (logits.shape[-1], *logits.shape))
    moved = jax.vmap(lambda push: jax.jvp(lambda logits: choice(logits, free), (logits,), (push,))[1])(pushes)
    told = jnp.sum(record.answers, axis=-1, keepdims=True) / jnp.maximum(chosen, 1e-12)
    spread = jnp.einsum("cnhsb,nhsb,fnhsb->nhscf", moved, told, moved)
    shared = jnp.einsum("cnhsb,nhsb->nhsc", moved, told * turned)
    announced, rate = jnp.asarray(record.commitment), jnp.asarray(rules.inverse_temperature)
    one, other = ("nhsba", "nhsfc") if rules.is_prescription else ("nhsa", "nhsc")
    table = rate**2 * jnp.einsum(f"{one},{other},nhsbf->hsabcf", announced, announced, spread)
    border = rate * jnp.einsum(f"{one},nhsb->hsab", announced, shared)
    corner = jnp.sum(told * turned**2)
    if rules.follower_features is None:
        size = weights.shape[-1]
        return _Information(table.reshape(*weights.shape, size), border.reshape(weights.shape), corner)
    features = jnp.asarray(rules.follower_features)
    blocks = jnp.einsum("hsabd,hsabcf,hscfe->hde", features, table, features)[:, None]
    return _Information(blocks, jnp.einsum("hsab,hsabd->hd", border, features)[:, None], corner)


def _logits(rules: MarkovRules, record: PlayRecord, weights: Float[AnyArray, "h k d"]) -> Float[AnyArray, "n h s b"]:
    letters = "nhsba" if rules.is_prescription else "nhsa"
    value = jnp.einsum(f"{letters},hsab->nhsb", jnp.asarray(record.commitment), reward_table(rules, weights))
    return jnp.asarray(rules.inverse_temperature) * value


def _free(departure: Departure, size: Float[AnyArray, ""]) -> Float[AnyArray, ""]:
    """log ε / (1 - ε), or log σ²: any number."""
    return logarithm(size) - (logarithm(1.0 - size) if departure == "contamination" else 0.0)


def _size(departure: Departure, free: Float[AnyArray, ""]) -> Float[AnyArray, ""]:
    """ε, or σ², from it."""
    odds = weight(free)
    return odds / (1.0 + odds) if departure == "contamination" else odds


def population_planned(
    rules: MarkovRules,
    record: PlayRecord,
    follower: Known,
    scales: Float[AnyArray, "k"],
    shares: Float[AnyArray, "k"],
    uncertainty: Uncertainty,
    sign: float,
    num_episodes: int,
) -> Planned:
    """Value iteration as in `planned`, against a population; the follower's bonus is the g-aware one."""

    def stage(following, now):
        h, reward, covariance = now
        value = action_values(rules, record, h, following, uncertainty, sign, num_episodes)
        low = (rules.horizon - h) * jnp.asarray(rules.reward_low)
        span = (rules.horizon - h) * (jnp.asarray(rules.reward_high) - jnp.asarray(rules.reward_low))
        choose = lambda *state: _decided(rules, scales, shares, uncertainty, sign, span, *state)
        commitment, worth, response, is_capped = jax.vmap(choose)(value, reward, covariance)
        return jnp.clip(worth, low, low + span), (commitment, worth, response, value, is_capped)

    stages = (jnp.arange(rules.horizon), follower.reward, follower.covariance)
    _, made = jax.lax.scan(stage, jnp.zeros(len(rules.states)), stages, reverse=True)
    commitment, worth, response, value, is_capped = made
    return Planned(commitment, worth, Belief(response, value), jnp.mean(is_capped))


def _decided(
    rules: MarkovRules,
    scales: Float[AnyArray, "k"],
    shares: Float[AnyArray, "k"],
    uncertainty: Uncertainty,
    sign: float,
    span: Float[AnyArray, ""],
    value: Float[AnyArray, "a b"],
    reward: Float[AnyArray, "a b"],
    covariance: Float[AnyArray, "a b a b"],
) -> tuple[Float[AnyArray, "*b a"], Float[AnyArray, ""], Float[AnyArray, "b"], Float[AnyArray, ""]]:
    """The best announcement at one stage and state, its worth, the answer expected, and whether its bonus is capped."""
    rate = jnp.asarray(rules.inverse_temperature)
    num_rows, num_columns = value.shape

    def faced(commitment):
        rows = commitment if rules.is_prescription else jnp.broadcast_to(commitment, (num_columns, num_rows))
        gain = jnp.sum(rows.T * value, axis=0)
        choice, added = population_choice(jnp.sum(rows.T * reward, axis=0), rate, scales, shares)
        # The derivative of the leader's value in the follower's values, part by part.
        means = jnp.sum(added * gain, axis=-1, keepdims=True) / jnp.maximum(shares[:, None], 1e-300)
        through = rows.T * jnp.sum(rate * scales[:, None] * added * (gain - means), axis=0)
        variance = jnp.sum(through[:, :, None, None] * covariance * through[None, None, :, :])
        width = jnp.minimum(jnp.sqrt(jnp.maximum(variance, 0.0) + 1e-16), span)
        return choice, jnp.sum(choice * gain), uncertainty.follower_bonus * width

    def objective(commitment):
        _, worth, width = faced(commitment)
        return worth + sign * width

    mixtures = jnp.asarray(candidates(num_rows))
    if rules.is_prescription:
        mixtures = jnp.broadcast_to(mixtures[:, None, :], (mixtures.shape[0], num_columns, num_rows))
    commitment, worth = best_of_starts(objective, mixtures)
    choice, _, width = faced(commitment)
    most = uncertainty.follower_bonus * span
    return commitment, worth, choice, ((width >= most) & (most > 0.0)).astype(float)
