"""Commitments that maximise any function of them, in traced code: screen many, climb from the best by its gradient.

The leader's problem with a bonus for what it does not know is neither concave nor smooth, so that no proof is at hand:
what is returned is the best of many starts. Exponentiated gradient keeps to the simplex without projections.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..._types import AnyArray
from ...calculus.simplex import weight
from .ascent import screened


Objective = Callable[[Float[AnyArray, "*b a"]], Float[AnyArray, ""]]

FINEST = {2: 48, 3: 15, 4: 7}
"""Steps of the grid of the simplex, by the number of actions; with more actions, mixtures drawn once and for all."""

NUM_STARTS = 3
NUM_STEPS = 12


def candidates(num_actions: int) -> Float[np.ndarray, "k a"]:
    """Mixtures worth a look in any game: a grid of the simplex where that is small, and random ones elsewhere."""
    if num_actions not in FINEST:
        return np.eye(1) if num_actions == 1 else screened(num_actions)
    steps = FINEST[num_actions]
    axes = np.meshgrid(*(np.arange(steps + 1) for _ in range(num_actions - 1)), indexing="ij")
    first = np.stack([axis.ravel() for axis in axes], axis=-1)
    first = first[first.sum(axis=-1) <= steps]
    return np.concatenate([first, steps - first.sum(axis=-1, keepdims=True)], axis=-1) / steps


def best_of_starts(
    objective: Objective, starts: Float[AnyArray, "k *b a"], num_starts: int = NUM_STARTS, num_steps: int = NUM_STEPS
) -> tuple[Float[AnyArray, "*b a"], Float[AnyArray, ""]]:
    """The best commitment that was met, and its value; never worse than the best of `starts`.

    `objective` takes one commitment, a mixture `(a,)` or a prescription `(b, a)`, and gives a number.
    """
    starts = jnp.asarray(starts)
    value, first = jax.lax.top_k(jax.vmap(objective)(starts), min(num_starts, starts.shape[0]))
    climbed, reached = jax.vmap(lambda start: _climb(objective, start, num_steps))(starts[first])
    ends, values = jnp.concatenate([climbed, starts[first[:1]]]), jnp.append(reached, value[0])
    best = jnp.argmax(values)
    return ends[best], values[best]


def _climb(
    objective: Objective, start: Float[AnyArray, "*b a"], num_steps: int
) -> tuple[Float[AnyArray, "*b a"], Float[AnyArray, ""]]:
    """Steps that gain are repeated longer; a step that loses is undone and shortened."""
    # A probability of zero would stay zero for ever.
    start = 0.998 * start + 0.002 / start.shape[-1]
    slope = jax.value_and_grad(objective)
    value, gradient = slope(start)
    length = 0.1 / (jnp.max(jnp.abs(gradient - jnp.mean(gradient, axis=-1, keepdims=True))) + 1e-12)

    def step(carry, _):
        commitment, value, gradient, length = carry
        push = length * (gradient - jnp.max(gradient, axis=-1, keepdims=True))
        moved = commitment * weight(jnp.maximum(push, -30.0))
        moved = moved / jnp.sum(moved, axis=-1, keepdims=True)
        moved_value, moved_gradient = slope(moved)
        gains = moved_value >= value
        kept = jax.tree.map(
            lambda new, old: jnp.where(gains, new, old),
            (moved, moved_value, moved_gradient),
            (commitment, value, gradient),
        )
        return (*kept, jnp.where(gains, 2.0, 0.35) * length), None

    (commitment, value, _, _), _ = jax.lax.scan(step, (start, value, gradient, length), length=num_steps)
    return commitment, value
