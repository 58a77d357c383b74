"""The exact optimum against a logit follower when the leader may answer the follower's action: prescriptions.

For each follower's action b only the pair (logit, leader's payoff) that its row of the prescription reaches matters, so
that the leader's value is a ratio of sums of one-action terms. Dinkelbach's iteration (1967) makes it separable: for a
trial value, maximise Σ exp(r_b) (u_b - value) over the hulls, one b at a time (`tilted`), and move the trial value to
the ratio at the maximisers; it climbs superlinearly to the optimum.

Two proofs bound what any prescription is worth, and the lower bound counts. If the maximum of that sum is at most 0 at
a level, no prescription is worth more than the level. And a follower almost never plays an action whose logit is far
below the best one, so that at large inverse temperatures the strong value with a little slack is a bound.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from ..._types import AnyArray
from ...calculus.precision import exact
from ...calculus.simplex import quantal_choice, weight
from .tilted import Chords, Tilted, chords, tilted_maximum


MAX_STEPS = 100
SETTLED = 1e-14
PATIENCE = 9
ROUNDING = 32 * np.finfo(np.float64).eps
LADDER = (4.0, 1024.0, 2.0**20)
NEGLECTED = 1e-10


class Prescriptions(NamedTuple):
    """Best prescriptions of a batch of stages, with proven bounds.

    - `commitment`: row b is the leader's mixture once the follower has chosen b.
    - `response`: the follower's choice probabilities.
    - `value`: the leader's value of `commitment`.  `upper`: no prescription is worth more.
    """

    commitment: Float[AnyArray, "*n b a"]
    response: Float[AnyArray, "*n b"]
    value: Float[AnyArray, "*n"]
    upper: Float[AnyArray, "*n"]


@exact
def best_prescriptions(leader_payoff: Float[AnyArray, "*n a b"], logits: Float[AnyArray, "*n a b"]) -> Prescriptions:
    """The best prescription of each stage against a follower with these logits (inverse temperature × its payoffs).

    Batch axes come first: `(a, b)` is one stage, `(h, s, a, b)` all stages and states of a Markov game. All entries
    are finite. `upper` is proved in floating point with an allowance for rounding, which grows with the largest logit;
    NaN would say that a proof had gone wrong.
    """
    return _solve(jnp.asarray(leader_payoff), jnp.asarray(logits))


@jax.jit
def _solve(payoff: Float[AnyArray, "*n a b"], logit: Float[AnyArray, "*n a b"]) -> Prescriptions:
    lowest, highest = jnp.min(payoff, axis=(-2, -1)), jnp.max(payoff, axis=(-2, -1))
    scale = jnp.where(highest > lowest, highest - lowest, 1.0)
    scaled = (payoff - lowest[..., None, None]) / scale[..., None, None]
    edges = chords(logit, scaled)
    climb = _climb(logit, scaled, edges)
    upper = jnp.minimum(_proven(logit, scaled, edges, climb.value), strong_bound(logit, scaled))
    commitment = _mixtures(logit, scaled, climb.best)
    response = quantal_choice(jnp.sum(jnp.swapaxes(commitment, -1, -2) * logit, axis=-2), 1.0)
    value = jnp.sum(response[..., None] * commitment * jnp.swapaxes(payoff, -1, -2), axis=(-2, -1))
    allowance = ROUNDING * jnp.maximum(jnp.abs(lowest), jnp.abs(highest))
    proven = lowest + scale * upper + allowance
    # The answer is rounded as well; a value that this does not explain shows a proof that is wrong, and no bound is.
    explained = proven + allowance + scale * ROUNDING * (1.0 + jnp.max(jnp.abs(logit), axis=(-2, -1)))
    return Prescriptions(
        commitment, response, value, jnp.where(value <= explained, jnp.maximum(proven, value), jnp.nan)
    )


class _Climb(NamedTuple):
    """`value` is the best ratio so far, `best` the maximisers that have it, `ceiling` a trial found too high."""

    trial: Float[AnyArray, "*n"]
    value: Float[AnyArray, "*n"]
    best: Tilted
    ceiling: Float[AnyArray, "*n"]
    rising: Bool[AnyArray, "*n"]
    steps: int | AnyArray


def _climb(logit: Float[AnyArray, "*n a b"], payoff: Float[AnyArray, "*n a b"], edges: Chords) -> _Climb:
    """Dinkelbach's iteration from the best pure action that ignores b, halving the bracket where it creeps."""

    def step(carry: _Climb) -> _Climb:
        best = tilted_maximum(logit, payoff, edges, carry.trial)
        value = jnp.sum(quantal_choice(best.logit, 1.0) * best.payoff, axis=-1)
        ceiling = jnp.where(value < carry.trial - 10 * SETTLED, jnp.minimum(carry.ceiling, carry.trial), carry.ceiling)
        gain = value - carry.value
        highest = jnp.maximum(carry.value, value)
        # Far from the optimum, and at large inverse temperatures, the ratio creeps: then the middle is tried instead.
        creeps = (gain < 0.2 * (ceiling - highest)) & (carry.steps % 2 == 1) & (carry.steps >= PATIENCE)
        # A hair above the ratio: an action that dominates the sum and pays exactly the trial value would, by the last
        # bit of its payoff, stay the maximiser for ever.
        trial = jnp.where(creeps, 0.5 * (highest + ceiling), highest + SETTLED)
        return _Climb(
            trial=trial,
            value=highest,
            best=jax.tree.map(lambda new, old: jnp.where((gain > 0.0)[..., None], new, old), best, carry.best),
            ceiling=ceiling,
            rising=((gain > SETTLED) | (value < carry.trial - 10 * SETTLED)) & (ceiling - highest > SETTLED),
            steps=carry.steps + 1,
        )

    pure = jnp.max(jnp.sum(quantal_choice(logit, 1.0) * payoff, axis=-1), axis=-1)
    trial = pure - 10 * SETTLED
    start = _Climb(
        trial=trial,
        value=jnp.full_like(pure, -jnp.inf),
        best=tilted_maximum(logit, payoff, edges, trial),
        ceiling=jnp.ones_like(pure),
        rising=jnp.ones_like(pure, dtype=bool),
        steps=0,
    )
    return jax.lax.while_loop(lambda carry: jnp.any(carry.rising) & (carry.steps < MAX_STEPS), step, start)


def _proven(
    logit: Float[AnyArray, "*n a b"], payoff: Float[AnyArray, "*n a b"], edges: Chords, level: Float[AnyArray, "*n"]
) -> Float[AnyArray, "*n"]:
    """The lowest rung above `level` at which the sum of the maxima is at most 0, rounding included; 1 without one."""
    rounding = ROUNDING * (1.0 + jnp.max(jnp.abs(logit), axis=(-2, -1)))

    def rung(proven: Float[AnyArray, "*n"], factor: Float[AnyArray, ""]) -> tuple[Float[AnyArray, "*n"], None]:
        trial = jnp.minimum(level + factor * rounding, 1.0)
        best = tilted_maximum(logit, payoff, edges, trial)
        size = weight(best.log_size - jnp.max(best.log_size, axis=-1, keepdims=True))
        balance = jnp.sum(jnp.where(best.positive, size, -size), axis=-1)
        holds = (balance + rounding * jnp.sum(size, axis=-1) <= 0.0) & (rounding < 0.01)
        return jnp.where(holds, jnp.minimum(proven, trial), proven), None

    proven, _ = jax.lax.scan(rung, jnp.ones_like(level), jnp.asarray(LADDER))
    return proven


def strong_bound(logit: Float[AnyArray, "*n a b"], payoff: Float[AnyArray, "*n a b"]) -> Float[AnyArray, "*n"]:
    """A bound on the value of prescriptions, payoffs in [0, 1], that is tight as the logits grow.

    Actions whose logit lies log((b - 1)/q) or more below the best one are played with probability q at most in total.
    The rest have a logit above max_b' min_a logit - log((b - 1)/q), whatever is announced, and pay what the envelope
    allows there.
    """
    count = logit.shape[-1]
    slack = float(np.log(max(count - 1, 1) / NEGLECTED)) + ROUNDING * jnp.max(jnp.abs(logit), axis=(-2, -1))
    floor = (jnp.max(jnp.min(logit, axis=-2), axis=-1) - slack)[..., None, None]
    from_left = jnp.where(logit < floor, logit, -jnp.inf)[..., :, None, :]
    ahead = logit[..., None, :, :] >= floor[..., None]
    run = logit[..., None, :, :] - from_left
    share = jnp.where(ahead & jnp.isfinite(run), (floor[..., None] - from_left) / run, 0.0)
    crossing = share * payoff[..., None, :, :] + (1.0 - share) * payoff[..., :, None, :]
    allowed = jnp.where(logit >= floor, payoff, -jnp.inf)
    crossings = jnp.where(ahead & jnp.isfinite(from_left), crossing, -jnp.inf)
    highest = jnp.maximum(jnp.max(allowed, axis=(-2, -1)), jnp.max(crossings, axis=(-3, -2, -1)))
    return jnp.minimum(highest + NEGLECTED + ROUNDING, 1.0)


def _mixtures(
    logit: Float[AnyArray, "*n a b"], payoff: Float[AnyArray, "*n a b"], best: Tilted
) -> Float[AnyArray, "*n b a"]:
    """The rows that reach the maximisers: one action, or two that mix to the wanted logit."""

    def start(values: Float[AnyArray, "*n a b"]) -> Float[AnyArray, "*n 1 b"]:
        return jnp.take_along_axis(values, best.action[..., None, :], axis=-2)

    run, rise = logit - start(logit), payoff - start(payoff)
    slopes = jnp.where(run > 0.0, rise / run, -jnp.inf)
    steepest = jnp.max(slopes, axis=-2, keepdims=True)
    ends = jnp.where((slopes == steepest) & (run > 0.0), run, -jnp.inf)
    partner, length = jnp.argmax(ends, axis=-2), jnp.max(ends, axis=-2)
    moved = best.logit - start(logit)[..., 0, :]
    share = jnp.where(moved > 0.0, moved / length, 0.0)[..., None]
    actions = jnp.arange(logit.shape[-2])
    return (1.0 - share) * (actions == best.action[..., None]) + share * (actions == partner[..., None])
