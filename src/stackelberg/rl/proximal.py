"""Proximal policy optimisation (Schulman et al., 2017): its objective, and generalised advantages."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float

from .._types import AnyArray
from ..calculus.simplex import weight
from .policy import taken


def clipped_objective(
    log_choice: Float[AnyArray, "*n a"],
    actions: AnyArray,
    before: Float[AnyArray, "*n"],
    gain: Float[AnyArray, "*n"],
    clip: Any,
    entropy: Any,
) -> Float[AnyArray, "*n"]:
    """min(ρ A, clip(ρ, 1 - c, 1 + c) A) + entropy × H for each action, which is to be raised.

    - `log_choice`: of all actions, now.  `before`: of those that were taken, when they were drawn.
    - `gain`: the advantage A.  `clip`: c.  `entropy`: the weight of the policy's entropy H.
    """
    ratio = weight(taken(log_choice, actions) - before)
    return clipped(ratio, gain, clip) - entropy * jnp.sum(weight(log_choice) * log_choice, axis=-1)


def clipped(ratio: Float[AnyArray, "*n"], gain: Float[AnyArray, "*n"], clip: Any) -> Float[AnyArray, "*n"]:
    """min(ρ A, clip(ρ, 1 - c, 1 + c) A), for the ratio ρ of chances now and when drawn."""
    return jnp.minimum(ratio * gain, jnp.clip(ratio, 1.0 - clip, 1.0 + clip) * gain)


def generalised_advantages(
    surprise: Float[AnyArray, "t *e"], goes_on: Float[AnyArray, "t *e"], trace: Any
) -> Float[AnyArray, "t *e"]:
    """Σ over later steps k of λ^k × what was paid more than expected there, up to where play does not go on.

    - `surprise`: reward plus the value of what follows, less the value.  `goes_on`: 1, or 0 after the last step.
    - `trace`: λ in [0, 1]; with 1 all that was still paid counts, less the value.

    Of plain rewards, with λ = 1, these are the returns to go.
    """

    def back(carry, step):
        now, is_on = step
        carry = now + trace * is_on * carry
        return carry, carry

    return jax.lax.scan(back, jnp.zeros_like(surprise[0]), (surprise, goes_on), reverse=True)[1]
