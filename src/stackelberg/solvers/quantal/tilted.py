"""The largest value of exp(r) (u - level) over a polygon of pairs (r, u): the atom of both certified quantal methods.

A follower's action b that is chosen with weight exp(r) and then pays the leader u enters the leader's problem through
its pair (r, u) alone, and mixing leader's actions moves the pair inside the convex hull of the points of the pure
ones. exp(r) (u - level) grows with u, so that its maximum lies on the upper concave envelope of the points; on a
segment of slope β it is stationary at u = level - β, a maximum exactly when β < 0.

Values are compared by their sign and the logarithm of their size, so that no logit is too large.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from ..._types import AnyArray
from ...calculus.simplex import logarithm


SMALLEST = -np.finfo(np.float64).max  # stands for log 0 among the candidates; -∞ means "not a candidate"


class Chords(NamedTuple):
    """For each point, the steepest falling segment to a point further right: every falling edge is among them.

    - `slope`: of the segment; -1 where there is none.
    - `log_drop`: log(-slope).
    - `end`: the logit at which the segment ends; -∞ where there is none.
    """

    slope: Float[AnyArray, "*n a b"]
    log_drop: Float[AnyArray, "*n a b"]
    end: Float[AnyArray, "*n a b"]


class Tilted(NamedTuple):
    """The maximum of exp(r) (u - level) for each follower's action, and where it is reached.

    - `log_size`, `positive`: the logarithm of its size, and its sign.
    - `logit`, `payoff`: the pair (r, u) that reaches it.
    - `action`: the point, or the start of the chord, that it lies on.
    """

    log_size: Float[AnyArray, "*n b"]
    positive: Bool[AnyArray, "*n b"]
    logit: Float[AnyArray, "*n b"]
    payoff: Float[AnyArray, "*n b"]
    action: Int[AnyArray, "*n b"]


def chords(logit: Float[AnyArray, "*n a b"], payoff: Float[AnyArray, "*n a b"]) -> Chords:
    """The candidates for falling edges of the upper envelope of each follower's action."""
    logit, payoff = jnp.asarray(logit), jnp.asarray(payoff)

    def to_one_more(
        action: Int[AnyArray, ""], found: tuple[Float[AnyArray, "*n a b"], Float[AnyArray, "*n a b"]]
    ) -> tuple[Float[AnyArray, "*n a b"], Float[AnyArray, "*n a b"]]:
        steepest, end = found
        further = jax.lax.dynamic_index_in_dim(logit, action, axis=-2)
        run = further - logit
        rise = jax.lax.dynamic_index_in_dim(payoff, action, axis=-2) - payoff
        slope = jnp.where(run > 0.0, rise / run, -jnp.inf)
        return jnp.maximum(steepest, slope), jnp.where(slope > steepest, further, end)

    # A loop and not a reduction over pairs: fused with what computes the logits, the two passes of a reduction may see
    # logits that differ by a rounding, and lose the end of a chord. Of several ends in one line the first will do, for
    # a chord of its own goes on from there.
    nowhere = jnp.full_like(logit, -jnp.inf)
    steepest, end = jax.lax.fori_loop(0, logit.shape[-2], to_one_more, (nowhere, nowhere))
    falling = (steepest < 0.0) & jnp.isfinite(steepest)
    slope = jnp.where(falling, steepest, -1.0)
    return Chords(slope, logarithm(-slope), jnp.where(falling, end, -jnp.inf))


def tilted_maximum(
    logit: Float[AnyArray, "*n a b"],
    payoff: Float[AnyArray, "*n a b"],
    edges: Chords,
    level: Float[AnyArray, "*n"],
) -> Tilted:
    """The maximum over the hull of the points, separately for each follower's action."""
    level = jnp.asarray(level)[..., None, None]
    surplus = payoff - level
    stationary = logit - (surplus / edges.slope + 1.0)
    inside = (stationary > logit) & (stationary < edges.end)
    at_point = jnp.maximum(logit + logarithm(jnp.abs(surplus)), SMALLEST)
    at_chord = stationary + edges.log_drop
    on_chord = inside & ((surplus < 0.0) | (at_chord > at_point))
    positive = on_chord | (surplus >= 0.0)
    size = jnp.where(on_chord, at_chord, at_point)
    any_positive = jnp.any(positive, axis=-2)
    score = jnp.where(positive, size, jnp.where(any_positive[..., None, :], -jnp.inf, -size))
    action = jnp.argmax(score, axis=-2)

    def there(values: Float[AnyArray, "*n a b"]) -> Float[AnyArray, "*n b"]:
        return jnp.take_along_axis(values, action[..., None, :], axis=-2)[..., 0, :]

    return Tilted(
        log_size=there(size),
        positive=any_positive,
        logit=there(jnp.where(on_chord, stationary, logit)),
        payoff=there(jnp.where(on_chord, level - edges.slope, payoff)),
        action=action,
    )
