"""MLE-OVI and MLE-PVI: value iteration against a follower that is learned, optimistic online, pessimistic offline.

From the last stage to the first, with ŵ the follower's weights by maximum likelihood and U the leader's value of each
pair of actions plus (minus) its bonus,

    W(s) = max over mixtures x of  Σ_b ν(b; x, ŵ) Σ_a x(a|b) U(s, a, b)  ± follower's bonus(s, x).

The two algorithms differ in the sign. Chen, Wang and Yang (2023) give both, with three schemes for the response; the
bonuses here are those of `bonus`, which we derived, and two of its four forms are tighter than the trace form that we
recall of the paper.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from .._types import AnyArray
from ..calculus.simplex import quantal_choice
from ..play.base import Belief
from ..play.markov_world import MarkovRules
from ..solvers.quantal.climb import best_of_starts, candidates
from ..solvers.quantal.prescription import best_prescriptions
from .bonus import Uncertainty, follower_bonus, support, value_covariance
from .leader_model import action_values
from .myopic_likelihood import pair_covariance, reward_table
from .record import PlayRecord


Assumed: TypeAlias = Literal["quantal", "best response", "fixed"]

ASSUMED: tuple[Assumed, ...] = ("quantal", "best response", "fixed")


class Planned(eqx.Module):
    """A policy, and what the leader expects of it.

    - `commitment`: `(h, s, a)` or `(h, s, b, a)`.  `value`: `(h, s)`, W above.
    - `belief`: the response and the leader's action values that it was made with.
    - `at_cap`: the share of stages and states in which the follower's bonus is all it can be.
    """

    commitment: Float[AnyArray, "h s *b a"]
    value: Float[AnyArray, "h s"]
    belief: Belief
    at_cap: Float[AnyArray, ""]


class Known(eqx.Module):
    """The follower as the leader sees it when it plans.

    - `reward`: `(h, s, a, b)`.  `covariance`: between the rewards of any two pairs, `(h, s, a, b, a, b)`, radius
      included.  `habit`: `(h, s, b)`, how often each answer was seen, whatever was announced.
    """

    reward: Float[AnyArray, "h s a b"]
    covariance: Float[AnyArray, "h s a b a b"]
    habit: Float[AnyArray, "h s b"]


def known(
    rules: MarkovRules,
    record: PlayRecord,
    weights: Float[AnyArray, "h k d"],
    information: Float[AnyArray, "h k d d"],
    uncertainty: Uncertainty,
    num_episodes: int,
) -> Known:
    """The follower as estimated, with the uncertainty that is left."""
    spread = pair_covariance(rules, information, uncertainty.added(rules))
    answers = jnp.sum(record.answers, axis=0)
    habit = (answers + 1.0) / (jnp.sum(answers, axis=-1, keepdims=True) + answers.shape[-1])
    radius = uncertainty.squared_radius(rules, num_episodes)
    return Known(reward_table(rules, weights), radius * spread, habit)


def planned(
    rules: MarkovRules,
    record: PlayRecord,
    follower: Known,
    uncertainty: Uncertainty,
    sign: float,
    assumed: Assumed,
    num_episodes: int,
    perturbation: Float[AnyArray, "h s a b"] | float = 0.0,
) -> Planned:
    """Value iteration over the stages; `sign` 1 is optimistic, -1 pessimistic and 0 takes the estimates as true.

    `perturbation` is added to the leader's action values (posterior sampling).
    """
    num_states = len(rules.states)
    noise = jnp.broadcast_to(jnp.asarray(perturbation, float), rules.shape)

    def stage(following, now):
        h, reward, covariance, habit, noise = now
        value = action_values(rules, record, h, following, uncertainty, sign, num_episodes) + noise
        low = (rules.horizon - h) * jnp.asarray(rules.reward_low)
        span = (rules.horizon - h) * (jnp.asarray(rules.reward_high) - jnp.asarray(rules.reward_low))
        choose = lambda *state: _decided(rules, uncertainty, sign, assumed, span, *state)
        commitment, worth, response, is_capped = jax.vmap(choose)(value, reward, covariance, habit)
        return jnp.clip(worth, low, low + span), (commitment, worth, response, value, is_capped)

    stages = (jnp.arange(rules.horizon), follower.reward, follower.covariance, follower.habit, noise)
    _, made = jax.lax.scan(stage, jnp.zeros(num_states), stages, reverse=True)
    commitment, worth, response, value, is_capped = made
    return Planned(commitment, worth, Belief(response, value), jnp.mean(is_capped))


def _decided(
    rules: MarkovRules,
    uncertainty: Uncertainty,
    sign: float,
    assumed: Assumed,
    span: Float[AnyArray, ""],
    value: Float[AnyArray, "a b"],
    reward: Float[AnyArray, "a b"],
    covariance: Float[AnyArray, "a b a b"],
    habit: Float[AnyArray, "b"],
) -> tuple[Float[AnyArray, "*b a"], Float[AnyArray, ""], Float[AnyArray, "b"], Float[AnyArray, ""]]:
    """The best announcement at one stage and state, its worth, the answer expected, and whether its bonus is capped."""
    num_columns = value.shape[-1]
    rate = jnp.asarray(rules.inverse_temperature)

    def faced(commitment):
        rows = commitment if rules.is_prescription else jnp.broadcast_to(commitment, (num_columns, *commitment.shape))
        return rows, jnp.sum(rows.T * reward, axis=0), jnp.sum(rows.T * value, axis=0)

    def answered(appeal):
        return habit if assumed == "fixed" else quantal_choice(appeal, jnp.inf if assumed == "best response" else rate)

    def width(rows, appeal, gain):
        if sign == 0 or assumed != "quantal":
            return jnp.zeros(())
        form = "exact support" if uncertainty.scheme == "S1" else uncertainty.form
        return uncertainty.follower_bonus * follower_bonus(form, appeal, gain, rows, covariance, rate, span, sign)

    def objective(commitment):
        rows, appeal, gain = faced(commitment)
        worth = jnp.sum(answered(appeal) * gain) + sign * width(rows, appeal, gain)
        if uncertainty.scheme != "S2" or sign == 0 or assumed != "quantal":
            return worth
        # The whole set: the bonus covers any of its parameters, so that the best of them may be taken.
        moved = support(appeal, gain, value_covariance(rows, covariance), rate, 1.0)
        return jnp.maximum(worth, jnp.sum(answered(moved) * gain) + sign * width(rows, moved, gain))

    commitment, worth = best_of_starts(objective, _starts(rules, value, rate * reward))
    rows, appeal, gain = faced(commitment)
    most = uncertainty.follower_bonus * span
    is_capped = (width(rows, appeal, gain) >= most) & (most > 0.0)
    return commitment, worth, answered(appeal), is_capped.astype(float)


def _starts(
    rules: MarkovRules, value: Float[AnyArray, "a b"], logit: Float[AnyArray, "a b"]
) -> Float[AnyArray, "k *b a"]:
    """Mixtures worth a look; for prescriptions also the exact optimum against the estimate."""
    mixtures = jnp.asarray(candidates(value.shape[0]))
    if not rules.is_prescription:
        return mixtures
    num_columns = value.shape[-1]
    same = jnp.broadcast_to(mixtures[:, None, :], (mixtures.shape[0], num_columns, mixtures.shape[1]))
    return jnp.concatenate([same, best_prescriptions(value, logit).commitment[None]])
