"""The leader's value of a policy against a soft-optimal follower, with a derivative that costs about one more pass.

Both players' values go backward through the stages together. With rewards and transitions averaged over the leader's
action (marked by π) and both players' values V', W' of the next stage,

    Q = r^π + γ_F P^π V',   ν ∝ exp(λ Q),   V = (1/λ) log mean exp(λ Q),
    G = u^π + γ_L P^π W',                   W = Σ_b ν G.

The derivative runs the other way, from the first stage to the last. With F = r + γ_F P V', U = u + γ_L P W' for each
pair of actions, and cotangents V̄, W̄ of V and W,

    Ḡ = W̄ ν,   Q̄ = V̄ ν + λ W̄ ν (G - W),   π̄ = Ḡ U + Q̄ F,   V̄' = γ_F Q̄ P^π,   W̄' = γ_L Ḡ P^π.

What costs is reading the transitions: once a stage for a value alone, and twice for a value with its derivative, which
keeps F and U and forms P^π again, for touching that much new memory costs more than the arithmetic.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from .._types import AnyArray
from .simplex import quantal_choice, soft_average


class Dynamics(NamedTuple):
    """What a policy is evaluated in; constants to its derivative.

    - `leader_reward`, `follower_reward`: `(h, s, a, b)`.
    - `transition`: `(s, a, b, s)`, or `(h, s, a, b, s)` when it changes over stages.
    - `inverse_temperature`, `leader_discount`, `follower_discount`: numbers.
    """

    leader_reward: Float[AnyArray, "h s a b"]
    follower_reward: Float[AnyArray, "h s a b"]
    transition: Float[AnyArray, "*h s a b s"]
    inverse_temperature: Float[AnyArray, ""]
    leader_discount: Float[AnyArray, ""]
    follower_discount: Float[AnyArray, ""]


@jax.custom_vjp
def leader_values(policy: Float[AnyArray, "h s *b a"], dynamics: Dynamics) -> Float[AnyArray, "s"]:
    """The leader's value from each state at the first stage, for a policy `(h, s, a)` or a prescription `(h, s, b, a)`.

    Derivatives are with respect to `policy` alone; `dynamics` are constants.
    """
    letters = _letters(policy)

    def stage(future, now):
        policy, leader_reward, follower_reward, transition = now
        onwards = _averaged(policy, _present(dynamics, transition)) @ jnp.stack(future, axis=-1)
        action_value = jnp.einsum(f"{letters},sab->sb", policy, follower_reward)
        gain = jnp.einsum(f"{letters},sab->sb", policy, leader_reward)
        _, values = _answered(
            action_value + dynamics.follower_discount * onwards[..., 0],
            gain + dynamics.leader_discount * onwards[..., 1],
            dynamics,
        )
        return values, None

    (_, value), _ = jax.lax.scan(stage, _nothing(policy), _stages(policy, dynamics), reverse=True)
    return value


def _forward(policy, dynamics):
    letters = _letters(policy)

    def stage(future, now):
        policy, leader_reward, follower_reward, transition = now
        law = _present(dynamics, transition)
        law = law.reshape(-1, law.shape[-1])
        of_follower = follower_reward + dynamics.follower_discount * (law @ future[0]).reshape(follower_reward.shape)
        of_leader = leader_reward + dynamics.leader_discount * (law @ future[1]).reshape(leader_reward.shape)
        action_value = jnp.einsum(f"{letters},sab->sb", policy, of_follower)
        gain = jnp.einsum(f"{letters},sab->sb", policy, of_leader)
        response, values = _answered(action_value, gain, dynamics)
        return values, (of_follower, of_leader, response, response * (gain - values[1][:, None]))

    (_, value), kept = jax.lax.scan(stage, _nothing(policy), _stages(policy, dynamics), reverse=True)
    return value, (policy, dynamics, kept)


def _backward(residuals, cotangent):
    policy, dynamics, kept = residuals
    letters = _letters(policy)
    # At infinite rationality the response is locally constant.
    rate = jnp.where(jnp.isinf(dynamics.inverse_temperature), 0.0, dynamics.inverse_temperature)

    def stage(bars, now):
        of_value, of_gain = bars
        policy, (of_follower, of_leader, response, surplus), transition = now
        of_action = of_value[:, None] * response + rate * of_gain[:, None] * surplus
        of_gain = of_gain[:, None] * response
        of_policy = jnp.einsum(f"sab,sb->{letters}", of_leader, of_gain)
        of_policy = of_policy + jnp.einsum(f"sab,sb->{letters}", of_follower, of_action)
        averaged = _averaged(policy, _present(dynamics, transition))
        averaged = averaged.reshape(-1, averaged.shape[-1])
        of_value = dynamics.follower_discount * (of_action.ravel() @ averaged)
        return (of_value, dynamics.leader_discount * (of_gain.ravel() @ averaged)), of_policy

    stages = (policy, kept, _changing(dynamics))
    _, of_policy = jax.lax.scan(stage, (jnp.zeros_like(cotangent), cotangent), stages)
    return of_policy, None


leader_values.defvjp(_forward, _backward)


def _answered(action_value, gain, dynamics):
    """The response to these action values, and both players' values."""
    response = quantal_choice(action_value, dynamics.inverse_temperature)
    return response, (soft_average(action_value, dynamics.inverse_temperature), jnp.sum(response * gain, axis=-1))


def _letters(policy):
    return "sa" if policy.ndim == 3 else "sba"


def _averaged(policy, law):
    return jnp.einsum("sa,sabt->sbt" if policy.ndim == 2 else "sba,sabt->sbt", policy, law)


def _nothing(policy):
    return jnp.zeros(policy.shape[1], policy.dtype), jnp.zeros(policy.shape[1], policy.dtype)


def _stages(policy, dynamics):
    return policy, dynamics.leader_reward, dynamics.follower_reward, _changing(dynamics)


def _changing(dynamics):
    """What the scan carries along: the transitions of each stage, or nothing when they never change."""
    return dynamics.transition if dynamics.transition.ndim == 5 else None


def _present(dynamics, at_stage):
    return dynamics.transition if at_stage is None else at_stage
