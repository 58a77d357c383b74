"""Upper bounds on the leader's value over cells of the simplex, many cells in one compiled call.

A cell is the hull of as many commitments as the leader has actions. Inside it the game looks like itself: the corners
are its leader's actions. No commitment x of the cell is worth more than `level` exactly when

    g(x) = Σ_b exp(r_b(x)) (u_b(x) - level) <= 0,      r_b, u_b affine in x,

and two relaxations bound g from above, each best where the other is poor:

- *prescription*: every b may pick its own x (see `tilted`). Exact for cells so large that one b decides.
- *tangent*: g is at most its tangent plane at the centre plus, for every b, the largest excess of the term over its own
  tangent on the box of (r_b, u_b) values met in the cell, in closed form. Its error shrinks with the square of the
  size of the cell, so that no cloud of tiny cells survives around the optimum.

Logits may be shifted by any affine function of x without changing the follower; they are shifted so that the sum W of
the weights is 1 and stationary at the centre. W is convex, hence at least 1 in the cell, and level + max g bounds the
leader's value.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..._types import AnyArray
from ...calculus.simplex import logarithm, quantal_choice, soft_maximum, weight
from .tilted import chords, tilted_maximum


EPS = float(np.finfo(np.float64).eps)
ROUNDING = 32 * EPS


class Branches(NamedTuple):
    """The two halves of each cell.

    - `corners`: the commitments at the corners of each half.
    - `centre`, `value`: the commitment in its middle, and what it is worth.
    - `upper`: no commitment of the half is worth more.
    """

    corners: Float[AnyArray, "n 2 k a"]
    centre: Float[AnyArray, "n 2 a"]
    value: Float[AnyArray, "n 2"]
    upper: Float[AnyArray, "n 2"]


@jax.jit
def branch(
    corners: Float[AnyArray, "n k a"],
    payoff: Float[AnyArray, "n a b"],
    logit: Float[AnyArray, "n a b"],
    level: Float[AnyArray, "n"],
    share: Float[AnyArray, "k"],
) -> Branches:
    """Halve each cell across its longest edge, as the follower and the leader measure length, and bound both halves.

    `share`: of each corner in the centre; 0 for corners that only fill up the shape and repeat the first one.
    """
    halves = jax.vmap(_halves, (0, 0, 0, None))(corners, payoff, logit, share)
    centre = jnp.einsum("k,nhka->nha", share, halves)
    value, upper = jax.vmap(jax.vmap(cell_bound, (0, None, None, None, None)), (0, 0, 0, 0, None))(
        halves, payoff, logit, level, share
    )
    return Branches(halves, centre, value, upper)


def cell_bound(
    corners: Float[AnyArray, "k a"],
    payoff: Float[AnyArray, "a b"],
    logit: Float[AnyArray, "a b"],
    level: Float[AnyArray, ""],
    share: Float[AnyArray, "k"],
) -> tuple[Float[AnyArray, ""], Float[AnyArray, ""]]:
    """The value of the centre, and a bound on the value anywhere in the cell; payoffs in [0, 1].

    The bound is at most `level` when the relaxations show that the cell holds nothing better.
    """
    inexact = logit_rounding(jnp.max(jnp.abs(logit)), logit.shape[0])
    logit, payoff = _product(corners, logit), _product(corners, payoff)
    choice = quantal_choice(share @ logit, 1.0)
    value = jnp.sum(choice * (share @ payoff))
    logit = logit - jnp.sum(choice * logit, axis=-1, keepdims=True)
    logit = logit - soft_maximum(share @ logit, 1.0)
    # What is left of the logits is small in a small cell, but for actions that are not played there; only the product
    # with the corners keeps a larger error.
    rounding = ROUNDING * (1.0 + jnp.max(jnp.abs(logit), axis=0)) + inexact
    largest = jnp.minimum(
        _prescription(logit, payoff, level, rounding), _tangent(logit, payoff, level, share, rounding)
    )
    bound = level + jnp.maximum(largest + ROUNDING + inexact, 0.0)
    return value, jnp.minimum(bound, jnp.max(payoff) + ROUNDING)


def logit_rounding(largest: Float[AnyArray, "*g"] | float, num_actions: int) -> Float[AnyArray, "*g"] | float:
    """What rounding may do to the difference of two logits, each the product of a commitment with at most `largest`."""
    return (num_actions + 5) * EPS * largest


def finest_tolerance(logit: Float[np.ndarray, "*g a b"]) -> Float[np.ndarray, "*g"]:
    """The least tolerance to which cells can be settled: large logits have rounding that hides what is finer."""
    half_range = 0.5 * np.max(np.ptp(logit, axis=-1), axis=-1)
    return np.asarray(np.minimum(4.0 * logit_rounding(half_range, logit.shape[-2]), 1.0))


def _prescription(
    logit: Float[AnyArray, "k b"],
    payoff: Float[AnyArray, "k b"],
    level: Float[AnyArray, ""],
    rounding: Float[AnyArray, "b"],
) -> Float[AnyArray, ""]:
    best = tilted_maximum(logit, payoff, chords(logit, payoff), level)
    size = weight(best.log_size)
    return jnp.sum(jnp.where(best.positive, size, -size) + rounding * size)


def _tangent(
    logit: Float[AnyArray, "k b"],
    payoff: Float[AnyArray, "k b"],
    level: Float[AnyArray, ""],
    share: Float[AnyArray, "k"],
    rounding: Float[AnyArray, "b"],
) -> Float[AnyArray, ""]:
    middle, surplus = share @ logit, share @ payoff - level
    run, rise = logit - middle, payoff - share @ payoff
    central = weight(middle)
    plane = jnp.max(jnp.sum(central * (surplus + surplus * run + rise), axis=-1))
    low, high = jnp.min(run, axis=0), jnp.max(run, axis=0)
    worst, best = jnp.min(rise, axis=0), jnp.max(rise, axis=0)

    def excess(step: Float[AnyArray, "b"], gain: Float[AnyArray, "b"]) -> Float[AnyArray, "b"]:
        """exp(r) (u - level) over its tangent, `step` away in the logit and `gain` in the payoff."""
        reached = weight(middle + step)
        return surplus * (reached - central * (1.0 + step)) + gain * (reached - central)

    # Where the excess is concave in the step, its peak may lie inside the box.
    right = jnp.where(surplus + best < 0.0, jnp.minimum(high, _peak(surplus, best)), high)
    left = jnp.where((surplus < 0.0) & (surplus + worst < 0.0), jnp.maximum(low, _peak(surplus, worst)), low)
    bulge = jnp.maximum(jnp.maximum(excess(right, best), excess(left, worst)), 0.0)
    magnitude = central * (jnp.abs(surplus) * (1.0 + jnp.maximum(high, -low)) + best - worst) + bulge
    return plane + jnp.sum(bulge + rounding * magnitude)


def _peak(surplus: Float[AnyArray, "b"], gain: Float[AnyArray, "b"]) -> Float[AnyArray, "b"]:
    """The step at which the excess is stationary: exp(step) = surplus/(surplus + gain), where both are negative."""
    negative = (surplus < 0.0) & (surplus + gain < 0.0)
    return logarithm(jnp.where(negative, surplus, 1.0) / jnp.where(negative, surplus + gain, 1.0))


def _halves(
    corners: Float[AnyArray, "k a"],
    payoff: Float[AnyArray, "a b"],
    logit: Float[AnyArray, "a b"],
    share: Float[AnyArray, "k"],
) -> Float[AnyArray, "2 k a"]:
    logits, payoffs = _product(corners, logit), _product(corners, payoff)
    played = jnp.max(quantal_choice(logits, 1.0), axis=0)
    logits = logits - jnp.sum(played * logits, axis=-1, keepdims=True) / jnp.sum(played)

    def spread(values: Float[AnyArray, "k b"], weights: Float[AnyArray, "b"]) -> Float[AnyArray, "k k"]:
        return jnp.sum(weights * jnp.abs(values[:, None, :] - values[None, :, :]), axis=-1)

    length = spread(logits, played) + spread(payoffs, played) + 0.01 * spread(corners, jnp.ones(corners.shape[1]))
    first, second = jnp.unravel_index(jnp.argmax(length), length.shape)
    middle = 0.5 * (corners[first] + corners[second])
    number = jnp.arange(corners.shape[0])[:, None]
    halves = jnp.stack([jnp.where(number == moved, middle, corners) for moved in (first, second)])
    return jnp.where(share[:, None] > 0.0, halves, halves[:, :1])


def _product(corners: Float[AnyArray, "k a"], matrix: Float[AnyArray, "a b"]) -> Float[AnyArray, "k b"]:
    """A matrix product written as a sum: the matrices are tiny and the batch is large."""
    return jnp.sum(corners[:, :, None] * matrix[None, :, :], axis=1)
