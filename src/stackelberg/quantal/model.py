"""A whole model of a game over stages: what the follower wants, what the leader is paid, where play goes on.

A farsighted follower's answer at one stage depends on what is announced for all later ones, so that nothing falls apart
by stage: estimates, uncertainty and plans are those of one model.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from .._types import AnyArray
from ..calculus.simplex import log_quantal_choice, quantal_choice, soft_average, weight
from ..play.markov_world import MarkovRules
from .myopic_likelihood import reward_table


class Model(eqx.Module):
    """What the rules leave open.

    - `weights`: `(h, k, d)`, of the follower's reward, as in `myopic_likelihood`.
    - `leader_reward`: `(h, s, a, b)`.  `law`: `(h, s, a, b, s)`, of the next state; that of the last stage is not used.
    """

    weights: Float[AnyArray, "h k d"]
    leader_reward: Float[AnyArray, "h s a b"]
    law: Float[AnyArray, "h s a b t"]


class Outlook(eqx.Module):
    """What follows from a model when a policy is announced.

    - `log_response`: `(h, s, b)`, of the follower's answer.  `action_value`: `(h, s, a, b)`, the leader's.
    - `worth`: the leader's value, over the first state.
    """

    log_response: Float[AnyArray, "h s b"]
    action_value: Float[AnyArray, "h s a b"]
    worth: Float[AnyArray, ""]


def outlook(rules: MarkovRules, model: Model, policy: Float[AnyArray, "h s *b a"]) -> Outlook:
    """Both players' values, backward through the stages together; differentiable in the policy and in the model.

    With both rewards averaged over the leader's action (marked by π) and V', W' the values of the next stage,

        Q = r^π + γ P^π V',   ν ∝ exp(λ Q),   V = (1/λ) log mean exp(λ Q),   G = u^π + P^π W',   W = Σ_b ν G.
    """
    reward, rate = reward_table(rules, model.weights), jnp.asarray(rules.inverse_temperature)
    rows = _rows(rules, policy)

    def stage(future, now):
        rows, own, others, law = now
        of_follower = others + jnp.asarray(rules.follower_discount) * _expected(law, future[0])
        of_leader = own + _expected(law, future[1])
        action_value, gain = jnp.sum(rows * of_follower, axis=1), jnp.sum(rows * of_leader, axis=1)
        log_response = log_quantal_choice(action_value, rate)
        values = soft_average(action_value, rate), jnp.sum(weight(log_response) * gain, axis=-1)
        return values, (log_response, of_leader)

    nothing = jnp.zeros(len(rules.states))
    stages = (rows, jnp.asarray(model.leader_reward), reward, jnp.asarray(model.law))
    (_, value), (log_response, action_value) = jax.lax.scan(stage, (nothing, nothing), stages, reverse=True)
    return Outlook(log_response, action_value, jnp.sum(jnp.asarray(rules.initial) * value))


def worth(rules: MarkovRules, model: Model, logits: Float[AnyArray, "h s *b a"]) -> Float[AnyArray, ""]:
    """The leader's value of the policy with these logits."""
    return outlook(rules, model, quantal_choice(logits, 1.0)).worth


def log_answers(
    rules: MarkovRules,
    weights: Float[AnyArray, "h k d"],
    law: Float[AnyArray, "h s a b t"],
    policy: Float[AnyArray, "h s *b a"],
) -> Float[AnyArray, "h s b"]:
    """The logarithms of the follower's answer alone."""
    reward, rate = reward_table(rules, weights), jnp.asarray(rules.inverse_temperature)

    def stage(future, now):
        rows, reward, law = now
        onwards = jnp.asarray(rules.follower_discount) * _expected(law, future)
        action_value = jnp.sum(rows * (reward + onwards), axis=1)
        return soft_average(action_value, rate), log_quantal_choice(action_value, rate)

    stages = (_rows(rules, policy), reward, jnp.asarray(law))
    return jax.lax.scan(stage, jnp.zeros(len(rules.states)), stages, reverse=True)[1]


def _rows(rules: MarkovRules, policy: Float[AnyArray, "h s *b a"]) -> Float[AnyArray, "h s a b"]:
    """The mixture that faces each answer, with the leader's actions first."""
    policy = jnp.asarray(policy)
    if rules.is_prescription:
        return jnp.swapaxes(policy, -1, -2)
    return jnp.broadcast_to(policy[..., None], rules.shape)


FEW = 8
"""So many states and fewer are summed over one by one: products of small matrices cost more than the arithmetic."""


def _expected(law: Float[AnyArray, "s a b t"], values: Float[AnyArray, "t"]) -> Float[AnyArray, "s a b"]:
    """The mean of the next state's values."""
    return jnp.sum(law * values, axis=-1) if values.shape[0] <= FEW else law @ values
