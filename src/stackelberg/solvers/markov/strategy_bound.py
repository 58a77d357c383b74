"""What no policy can exceed against a farsighted quantal follower when the leader moves at the same time."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..._types import AnyArray
from ...calculus.precision import exact
from ...calculus.simplex import quantal_choice, soft_average
from ...games.markov import MarkovGame
from .logit_bound import ROUNDING, logit_bound
from .stages import quantal_strategies


TOLERANCE = 1e-3
"""Of the search at each stage: much finer than what the relaxation of the future costs."""

STEPS = 200


@exact
def strategy_bound(game: MarkovGame, inverse_temperature: float, discount: float) -> float:
    """The smaller of two bounds at every stage and state, from the last to the first, for games with a horizon.

    - With the follower's future values in the middle of what they can be, the stage is a one-shot game, searched to the
      end. Values elsewhere in their range move the difference of two logits by Δ at most, and a response by
      tanh(Δ/4) at most in total variation, so that the leader gains at most tanh(Δ/4) times the spread of its payoffs
      over the follower's actions.
    - Prescriptions against every response that the possible values allow (`logit_bound`).

    Δ is inverse temperature × discount × max over a, b, b' of Σ_s |P(s | a, b) - P(s | a, b')| × half the range of
    V(s).
    """
    assert game.horizon is not None
    highest = lowest = value = np.zeros(game.shape[0])
    for h in reversed(range(game.horizon)):
        law, paid, gained = (
            np.asarray(array[h] if np.ndim(array) > num_axes else array)
            for array, num_axes in ((game.transition, 4), (game.leader_reward, 3), (game.follower_reward, 3))
        )
        payoff = paid + game.leader_discount * (law @ value)
        high, low = gained + discount * (law @ highest), gained + discount * (law @ lowest)
        relaxed = logit_bound(payoff, inverse_temperature * high, inverse_temperature * low)
        searched = quantal_strategies(inverse_temperature, TOLERANCE, math.inf, payoff, 0.5 * (high + low)).upper
        apart = np.abs(law[:, :, :, None] - law[:, :, None]) @ (0.5 * (highest - lowest))
        moved = np.tanh(0.25 * inverse_temperature * discount * apart.max(axis=(1, 2, 3)))
        value = np.minimum(np.asarray(relaxed), searched + moved * np.ptp(payoff, axis=2).max(axis=1))
        highest = np.max(np.asarray(soft_average(high, inverse_temperature)), axis=1)
        lowest = np.asarray(_least_soft_average(low, inverse_temperature))
    return float(game.initial @ value) + ROUNDING * game.horizon * float(np.max(np.abs(game.leader_reward)))


@jax.jit
def _least_soft_average(
    payoff: Float[AnyArray, "s a b"], inverse_temperature: Float[AnyArray, ""] | float
) -> Float[AnyArray, "s"]:
    """A lower bound on the soft average over b of any mixture over a, close to the smallest.

    The soft average is convex in the mixture, so that at any mixture it lies above its tangent, whose smallest value is
    at one action. The best of the tangents met by dual averaging is taken.
    """
    span = jnp.max(payoff, axis=(1, 2)) - jnp.min(payoff, axis=(1, 2))
    rate = 2.0 / jnp.where(span > 0.0, span, 1.0)

    def step(carry, count):
        total, best = carry
        mixture = quantal_choice(-(rate / jnp.sqrt(count))[:, None] * total, 1.0)
        value = jnp.einsum("sa,sab->sb", mixture, payoff)
        slope = jnp.einsum("sb,sab->sa", quantal_choice(value, inverse_temperature), payoff)
        tangent = soft_average(value, inverse_temperature) + jnp.min(slope, axis=1) - jnp.sum(mixture * slope, axis=1)
        return (total + slope, jnp.maximum(best, tangent)), None

    start = (jnp.zeros(payoff.shape[:2]), soft_average(jnp.min(payoff, axis=1), inverse_temperature))
    (_, best), _ = jax.lax.scan(step, start, jnp.arange(1.0, STEPS + 1.0))
    return best
