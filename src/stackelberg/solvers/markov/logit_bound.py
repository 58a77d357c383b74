"""A bound on what a leader gets from a logit follower of which only the range of its logits is known."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Float

from ..._types import AnyArray
from ...calculus.simplex import soft_maximum
from ..quantal.tilted import SMALLEST, chords, tilted_maximum


BISECTIONS = 45

ROUNDING = 1e-12


@jax.jit
def logit_bound(
    payoff: Float[AnyArray, "s a b"], high: Float[AnyArray, "s a b"], low: Float[AnyArray, "s a b"]
) -> Float[AnyArray, "s"]:
    """An upper bound on Σ_b w_b g_b / Σ_b w_b when the leader mixes its actions anew for each b.

    A mixture pays the leader its average g_b of `payoff`, and log w_b may lie anywhere between its averages of `low`
    and `high`. A level p is an upper bound iff Σ_b max w_b (g_b - p) <= 0, the maximum over mixtures and weights: with
    the high weight where some action pays more than p, with the low one where none does. Bisection on p, rounding
    included.
    """
    high_edges, low_edges = chords(high, payoff), chords(low, payoff)
    margin = ROUNDING * (1.0 + jnp.max(jnp.maximum(jnp.abs(high), jnp.abs(low)), axis=(1, 2)))

    def is_bound(level):
        gain = tilted_maximum(high, payoff, high_edges, level)
        loss = tilted_maximum(low, payoff, low_edges, level)
        gains = soft_maximum(jnp.where(gain.positive, gain.log_size, SMALLEST), 1.0)
        losses = soft_maximum(jnp.where(gain.positive, SMALLEST, loss.log_size), 1.0)
        return gains + margin < losses

    def halve(_, bracket):
        below, above = bracket
        middle = 0.5 * (below + above)
        proven = is_bound(middle)
        return jnp.where(proven, below, middle), jnp.where(proven, middle, above)

    bracket = (jnp.min(payoff, axis=(1, 2)), jnp.max(payoff, axis=(1, 2)))
    return jax.lax.fori_loop(0, BISECTIONS, halve, bracket)[1]
