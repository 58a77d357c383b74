"""Dynamic programming without an end, on plain arrays: fixed points instead of stages.

A decision process has rewards `(s, b)`, transitions `(s, b, s)` and a discount in [0, 1); a response is `(s, b)`.
The Bellman operators contract by the discount in the largest difference, so that values whose Bellman residual is ε are
within ε / (1 - discount) of the fixed point.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from .._types import AnyArray
from .simplex import quantal_choice, soft_average


MOST_ITERATIONS = 1_000
MOST_SWEEPS = 100_000
TOO_SLOW = (
    f"Values still change after {MOST_SWEEPS} sweeps. Changes shrink by the discount in each: take a discount below "
    "0.9999, or float64."
)


@jax.jit
def policy_values(
    reward: Float[AnyArray, "s b"],
    transition: Float[AnyArray, "s b s"],
    response: Float[AnyArray, "s b"],
    discount: Float[AnyArray, ""] | float,
) -> Float[AnyArray, "s"]:
    """Expected discounted reward from each state on when `response` is played: one linear system."""
    response = jnp.asarray(response)
    onwards = jnp.einsum("sb,sbt->st", response, transition)
    return jnp.linalg.solve(jnp.eye(onwards.shape[0]) - discount * onwards, jnp.sum(response * reward, axis=-1))


@jax.jit
def soft_values(
    reward: Float[AnyArray, "s b"],
    transition: Float[AnyArray, "s b s"],
    inverse_temperature: Float[AnyArray, ""] | float,
    discount: Float[AnyArray, ""] | float,
) -> tuple[Float[AnyArray, "s b"], Float[AnyArray, "s"]]:
    """The stationary quantal response and its soft values, V = (1/λ) log mean exp(λ (r + γ P V)).

    Newton's method on the fixed point (soft policy iteration), which from any start rises monotonically after its first
    step, until the Bellman residual is at rounding level (64 ulp of the largest value); V is within residual / (1 - γ).
    The derivative is the implicit one, taken at the fixed point and not through the iterations.
    """
    constants = jax.lax.stop_gradient((reward, transition, inverse_temperature, discount))

    def newton(state):
        value, _, count = state
        value = _newton_step(*constants, value)
        return value, jnp.max(jnp.abs(_soft_bellman(*constants, value) - value)), count + 1

    def goes_on(state):
        value, residual, count = state
        return (residual > _rounding(reward, value)) & (count < MOST_ITERATIONS)

    start = jnp.zeros(reward.shape[0], dtype=jnp.result_type(reward))
    value, _, count = jax.lax.while_loop(goes_on, newton, (start, jnp.asarray(jnp.inf, start.dtype), 0))
    value = eqx.error_if(value, count == MOST_ITERATIONS, "Soft policy iteration did not reach its fixed point.")
    value = _newton_step(reward, transition, inverse_temperature, discount, jax.lax.stop_gradient(value))
    return quantal_choice(reward + discount * (transition @ value), inverse_temperature), value


@jax.jit
def optimal_values(
    reward: Float[AnyArray, "s b"],
    transition: Float[AnyArray, "s b s"],
    discount: Float[AnyArray, ""] | float,
    allowed: Bool[AnyArray, "s b"],
) -> tuple[Float[AnyArray, "s b"], Float[AnyArray, "s"]]:
    """A best stationary policy among the `allowed` actions, and its values: policy iteration.

    It stops when no action improves by more than rounding, so that the Bellman residual of the values is at that level.
    """
    sizes = reward.shape

    def values_of(action):
        return policy_values(reward, transition, jax.nn.one_hot(action, sizes[1], dtype=reward.dtype), discount)

    def improve(state):
        action, _, count = state
        value = values_of(action)
        action_value = jnp.where(allowed, reward + discount * (transition @ value), -jnp.inf)
        best = jnp.argmax(action_value, axis=-1)
        gain = jnp.max(action_value, axis=-1) - jnp.take_along_axis(action_value, action[:, None], axis=-1)[:, 0]
        moves = gain > _rounding(reward, value)
        return jnp.where(moves, best, action), jnp.any(moves), count + 1

    def goes_on(state):
        return state[1] & (state[2] < MOST_ITERATIONS)

    start = jnp.argmax(jnp.where(allowed, reward, -jnp.inf), axis=-1)
    action, _, count = jax.lax.while_loop(goes_on, improve, (start, jnp.asarray(True), 0))
    action = eqx.error_if(action, count == MOST_ITERATIONS, "Policy iteration did not come to rest.")
    return jax.nn.one_hot(action, sizes[1], dtype=reward.dtype), values_of(action)


def iterated_values(
    update: Callable[[Float[AnyArray, "s"]], Float[AnyArray, "s"]], size: int, dtype: Any
) -> tuple[Float[AnyArray, "s"], Float[AnyArray, ""]]:
    """The fixed point of an update that contracts, from 0 on, and its last change: a few ulp of the largest value.

    For laws that are looked up and not held as matrices, and where many problems are batched: linear systems of some
    hundred states, batched and in a loop, can wait for each other for ever. Fails at run time where 100,000 sweeps are
    not enough.
    """

    def goes_on(state):
        value, change, count = state
        return (change > 4.0 * jnp.finfo(dtype).eps * (1.0 + jnp.max(jnp.abs(value)))) & (count < MOST_SWEEPS)

    def sweep(state):
        value, _, count = state
        after = update(value)
        return after, jnp.max(jnp.abs(after - value)), count + 1

    start = (jnp.zeros(size, dtype), jnp.asarray(jnp.inf, dtype), 0)
    value, change, count = jax.lax.while_loop(goes_on, sweep, start)
    return eqx.error_if(value, count == MOST_SWEEPS, TOO_SLOW), change


def _rounding(reward, value):
    """A Bellman residual as small as this cannot be told from none."""
    return 64 * jnp.finfo(value.dtype).eps * (jnp.max(jnp.abs(reward)) + jnp.max(jnp.abs(value)))


def _soft_bellman(reward, transition, inverse_temperature, discount, value):
    return soft_average(reward + discount * (transition @ value), inverse_temperature)


def _newton_step(reward, transition, inverse_temperature, discount, value):
    """One step from `value`; differentiated at the fixed point it gives the implicit derivative."""
    action_value = jax.lax.stop_gradient(reward + discount * (transition @ value))
    response = quantal_choice(action_value, jax.lax.stop_gradient(inverse_temperature))
    onwards = jax.lax.stop_gradient(discount * jnp.einsum("sb,sbt->st", response, transition))
    gap = _soft_bellman(reward, transition, inverse_temperature, discount, value) - value
    return value + jnp.linalg.solve(jnp.eye(onwards.shape[0]) - onwards, gap)
