"""Dynamic programming over a finite number of stages, on plain arrays.

A decision process has rewards `(h, s, b)`, transitions `(h, s, b, s)` and a discount in [0, 1]; a response is `(h, s,
b)`.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Float

from .._types import AnyArray
from .simplex import quantal_choice, soft_average


@jax.jit
def policy_values(
    reward: Float[AnyArray, "h s b"],
    transition: Float[AnyArray, "h s b s"],
    response: Float[AnyArray, "h s b"],
    discount: Float[AnyArray, ""] | float,
) -> Float[AnyArray, "h s"]:
    """Expected discounted reward from each stage and state on, when `response` is played."""

    def stage(future, now):
        reward, transition, response = now
        value = jnp.sum(response * (reward + discount * (transition @ future)), axis=-1)
        return value, value

    _, values = jax.lax.scan(stage, _nothing(reward), (reward, transition, jnp.asarray(response)), reverse=True)
    return values


@jax.jit
def soft_values(
    reward: Float[AnyArray, "h s b"],
    transition: Float[AnyArray, "h s b s"],
    inverse_temperature: Float[AnyArray, ""] | float,
    discount: Float[AnyArray, ""] | float,
) -> tuple[Float[AnyArray, "h s b"], Float[AnyArray, "h s"]]:
    """The quantal response and its soft values: backward, with V = 0 after the last stage,

        Q = r + γ P V',    V(s) = (1/λ) log mean exp(λ Q(s, ·)),    response ∝ exp(λ Q).

    Entropy-regularised dynamic programming. Entropy is counted from that of uniform play, so that V is finite at λ = 0
    (where it is the value of uniform play) and λ = ∞; against the usual form it is shifted by a constant per stage,
    log(number of actions)/λ, which no response notices.
    """

    def stage(future, now):
        reward, transition = now
        action_value = reward + discount * (transition @ future)
        value = soft_average(action_value, inverse_temperature)
        return value, (quantal_choice(action_value, inverse_temperature), value)

    _, (response, values) = jax.lax.scan(stage, _nothing(reward), (reward, transition), reverse=True)
    return response, values


@partial(jax.jit, static_argnames="uniform")
def best_then(
    reward: Float[AnyArray, "h s b"],
    preference: Float[AnyArray, "h s b"],
    transition: Float[AnyArray, "h s b s"],
    discount: Float[AnyArray, ""] | float,
    preference_discount: Float[AnyArray, ""] | float,
    slack: Float[AnyArray, "h"],
    uniform: bool = False,
) -> Float[AnyArray, "h s b"]:
    """Maximise `reward`, and among what is left maximise `preference`: lexicographic backward induction.

    At every stage and state the actions whose optimal value falls short of the best by at most `slack` count as tied;
    among them the one of the highest preference-to-go is played (all of them evenly with `uniform`). With no slack this
    is, from every state, a best response that no best response beats in `preference`.
    """

    def stage(future, now):
        (reward, preference, transition, slack), (value, preferred) = now, future
        action_value = reward + discount * (transition @ value)
        best = jnp.max(action_value, axis=-1, keepdims=True)
        tied = action_value >= best - slack
        merit = preference + preference_discount * (transition @ preferred)
        if uniform:
            choice = tied / jnp.sum(tied, axis=-1, keepdims=True)
        else:
            choice = jax.nn.one_hot(jnp.argmax(jnp.where(tied, merit, -jnp.inf), axis=-1), tied.shape[-1])
        choice = jnp.asarray(choice, dtype=reward.dtype)
        return (jnp.squeeze(best, -1), jnp.sum(choice * merit, axis=-1)), choice

    start = (_nothing(reward), _nothing(reward))
    _, response = jax.lax.scan(stage, start, (reward, preference, transition, slack), reverse=True)
    return response


def _nothing(reward: Float[AnyArray, "h s b"]) -> Float[AnyArray, "s"]:
    return jnp.zeros(jnp.shape(reward)[1], dtype=jnp.result_type(reward))
