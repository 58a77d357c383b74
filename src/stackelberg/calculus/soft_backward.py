"""The leader's value of a policy against a soft-optimal follower, with a derivative that costs about two more passes.

Both players' values go backward through the stages together. With rewards and transitions averaged over the leader's
action (marked by π) and both players' values V', W' of the next stage,

    Q = r^π + γ_F P^π V',   ν ∝ exp(λ Q),   V = (1/λ) log mean exp(λ Q),
    G = u^π + γ_L P^π W',                   W = Σ_b ν G.

The derivative runs the other way, from the first stage to the last. With cotangents V̄, W̄ of V and W,

    Ḡ = W̄ ν,   Q̄ = V̄ ν + λ W̄ ν (G - W),   V̄' = γ_F Q̄ P^π,   W̄' = γ_L Ḡ P^π,
    π̄ = Ḡ u + Q̄ r + P (γ_F Q̄ V' + γ_L Ḡ W').

The forward pass reads the transitions once a stage, and the derivative twice: P^π is formed again rather than kept, for
touching that much new memory costs more than the arithmetic.
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
    return _forward(policy, dynamics)[0]


def _forward(policy, dynamics):
    letters = "sa" if policy.ndim == 3 else "sba"

    def stage(future, now):
        policy, leader_reward, follower_reward, transition = now
        onwards = _averaged(policy, _present(dynamics, transition)) @ future
        action_value = jnp.einsum(f"{letters},sab->sb", policy, follower_reward)
        action_value = action_value + dynamics.follower_discount * onwards[..., 0]
        gain = jnp.einsum(f"{letters},sab->sb", policy, leader_reward) + dynamics.leader_discount * onwards[..., 1]
        response = quantal_choice(action_value, dynamics.inverse_temperature)
        value = jnp.sum(response * gain, axis=-1)
        values = jnp.stack([soft_average(action_value, dynamics.inverse_temperature), value], axis=-1)
        return values, (future, response, response * (gain - value[:, None]))

    start = jnp.zeros((policy.shape[1], 2), dtype=policy.dtype)
    stages = (policy, dynamics.leader_reward, dynamics.follower_reward, _changing(dynamics))
    values, kept = jax.lax.scan(stage, start, stages, reverse=True)
    return values[:, 1], (policy, dynamics, kept)


def _backward(residuals, cotangent):
    policy, dynamics, kept = residuals
    letters = "sa" if policy.ndim == 3 else "sba"
    # At infinite rationality the response is locally constant.
    rate = jnp.where(jnp.isinf(dynamics.inverse_temperature), 0.0, dynamics.inverse_temperature)

    def stage(bars, now):
        of_value, of_gain = bars
        policy, (future, response, surplus), leader_reward, follower_reward, transition = now
        law = _present(dynamics, transition)
        of_action = of_value[:, None] * response + rate * of_gain[:, None] * surplus
        of_gain = of_gain[:, None] * response
        to_follower, to_leader = dynamics.follower_discount * of_action, dynamics.leader_discount * of_gain
        merit = to_follower[..., None] * future[:, 0] + to_leader[..., None] * future[:, 1]
        of_policy = (
            jnp.einsum(f"sab,sb->{letters}", leader_reward, of_gain)
            + jnp.einsum(f"sab,sb->{letters}", follower_reward, of_action)
            + jnp.einsum(f"sabt,sbt->{letters}", law, merit)
        )
        averaged = _averaged(policy, law).reshape(-1, law.shape[-1])
        return (to_follower.ravel() @ averaged, to_leader.ravel() @ averaged), of_policy

    stages = (policy, kept, dynamics.leader_reward, dynamics.follower_reward, _changing(dynamics))
    _, of_policy = jax.lax.scan(stage, (jnp.zeros_like(cotangent), cotangent), stages)
    return of_policy, None


leader_values.defvjp(_forward, _backward)


def _averaged(policy, law):
    return jnp.einsum("sa,sabt->sbt" if policy.ndim == 2 else "sba,sabt->sbt", policy, law)


def _changing(dynamics):
    """What the scan carries along: the transitions of each stage, or nothing when they never change."""
    return dynamics.transition if dynamics.transition.ndim == 5 else None


def _present(dynamics, at_stage):
    return dynamics.transition if at_stage is None else at_stage
