"""World models whose rows are known up to a ball of the L1 norm, and the best and the worst of them to a planner."""

from __future__ import annotations

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from .. import _boundary as boundary
from .._types import AnyArray
from ..calculus.precision import exact
from ..calculus.simplex import logarithm
from ..calculus.stationary import optimal_values
from .decision_process import DecisionProcess


MOST_ROUNDS = 1_000

MOST_CERTAIN = 0.999999
"""The highest level: at 1 every ball is everything."""


def ball_radius(counts: Float[AnyArray, "s a"], num_states: int, level: Any) -> Float[AnyArray, "s a"]:
    """How far from the mean of its draws a row may be in the L1 norm, for all rows and all numbers of draws at once.

    A law on S states is further than ε from the mean of n draws with a chance of at most 2^S exp(-n ε² / 2) (Weissman
    et al., 2003). With that chance set to (1 - level) / (S A n (n + 1)), and summed over rows and n, all true rows are
    within their balls for ever with a probability of at least `level`. 2, which is everything, where nothing was drawn.
    Raises `InputError` where `level` is not in [0, 0.999999].
    """
    level = boundary.real_number("level", level, low=0.0, high=MOST_CERTAIN)
    times = jnp.maximum(jnp.asarray(counts), 1.0)
    union = num_states * counts.shape[1] * times * (times + 1.0) / (1.0 - level)
    wide = jnp.sqrt(2.0 * (num_states * logarithm(jnp.asarray(2.0)) + logarithm(union)) / times)
    return jnp.where(jnp.asarray(counts) > 0.0, jnp.minimum(wide, 2.0), 2.0)


def tilted_rows(
    law: Float[AnyArray, "*rows s"],
    values: Float[AnyArray, "*rows s"],
    radius: Float[AnyArray, "*rows"] | float,
    toward: Literal["best", "worst"],
) -> Float[AnyArray, "*rows s"]:
    """The rows within an L1 distance of `law` under which the mean of `values` is largest, or least.

    A linear program whose answer is known: half of the distance goes to the best state, and is taken from the others,
    the worst first (Strehl and Littman, 2008).
    """
    law, worth = jnp.asarray(law), jnp.asarray(values) * (1.0 if toward == "best" else -1.0)
    order = jnp.argsort(worth, axis=-1)
    upward = jnp.take_along_axis(law, order, axis=-1)
    moved = jnp.minimum(0.5 * jnp.asarray(radius), 1.0 - upward[..., -1])[..., None]
    below = jnp.cumsum(upward, axis=-1)
    kept = jnp.maximum(below - moved, 0.0) - jnp.maximum(below - upward - moved, 0.0)
    # The best state gets what is moved, on top of its own, of which nothing is taken.
    kept = jnp.concatenate([kept[..., :-1], upward[..., -1:] + moved], axis=-1)
    return jnp.take_along_axis(kept, jnp.argsort(order, axis=-1), axis=-1)


@exact
def completed_in_balls(
    process: DecisionProcess,
    law: Float[AnyArray, "s a s"],
    radius: Float[AnyArray, "s a"],
    toward: Literal["best", "worst"],
) -> tuple[Float[AnyArray, "s a s"], Float[AnyArray, "s"]]:
    """The model within the balls that helps a planner most, or hinders it most, and the planner's values in it.

    "best" is UCRL2's optimism (Jaksch, Ortner and Auer, 2010); "worst" is a robust process with rows that are chosen
    apart (Nilim and El Ghaoui, 2005). Rewards and ends are known, as everywhere here.

    - `process`: without a horizon; its discount is the planner's.  `law`: the balls' middles, `radius` their L1 radii.
    """
    middle, paid = process.closed(jnp.asarray(law)), jnp.asarray(process.reward)
    every = jnp.ones(process.shape, dtype=bool)

    def planned(rows):
        return optimal_values(process.expected_reward(rows), rows, process.discount, every)[1]

    def answered(value):
        return process.closed(tilted_rows(middle, paid + process.discount * value, radius, toward))

    def step(state):
        _, value, _, count = state
        rows = answered(value)
        after = planned(rows)
        gain = jnp.max(after - value) if toward == "best" else jnp.max(value - after)
        return rows, after, gain > 1e-11 * (1.0 + jnp.max(jnp.abs(after))), count + 1

    # Planner and rows in turn: policy iteration over both for "best", strategy iteration (Hoffman and Karp, 1966) for
    # "worst". Values go one way and rows have finitely many corners.
    start = (middle, planned(middle), jnp.asarray(True), 0)
    rows, value, moves, _ = jax.lax.while_loop(lambda state: state[2] & (state[3] < MOST_ROUNDS), step, start)
    return rows, eqx.error_if(value, moves, "The rows did not come to rest.")
