"""What no policy can exceed in a Markov game, by relaxations that take one backward pass."""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from ...calculus.precision import exact
from ...calculus.simplex import soft_average
from ...followers.base import AbstractFollower
from ...followers.quantal_response import QuantalResponse
from ...games.markov import MarkovGame
from .backward_induction import BackwardInduction
from .logit_bound import ROUNDING, logit_bound
from .stages import Announcement
from .strategy_bound import strategy_bound


MOST_SWEEPS = 3_000
"""Without a horizon the bound falls from a trivial one sweep by sweep; it is proven wherever it stops."""


MOST_SEARCHES, MOST_ACTIONS = 200, 4
"""Up to so many pairs of stage and state, with so few leader's actions, strategies get a bound of their own."""


@functools.singledispatch
def upper_bound(follower: AbstractFollower, game: MarkovGame, announcement: Announcement) -> tuple[float, str]:
    """No policy (or prescription) gives the leader more against `follower`; and how that was obtained.

    For any follower: the leader's value if it chose both players' actions.
    """
    del follower, announcement
    return _bound(game, 0.0, 0.0, False), "the leader choosing both players' actions"


@upper_bound.register
def _(follower: QuantalResponse, game: MarkovGame, announcement: Announcement) -> tuple[float, str]:
    """The relaxation of `logit_bound` at every stage, the follower's soft values kept between what they can be."""
    discount = float(game.follower_discount if follower.discount is None else follower.discount)
    rate = float(follower.inverse_temperature)
    if math.isinf(rate):
        return _bound(game, 0.0, 0.0, False), "the leader choosing both players' actions"
    is_small = (game.horizon or 1) * game.shape[0] <= MOST_SEARCHES and game.shape[1] <= MOST_ACTIONS
    if announcement == "strategy" and is_small and (discount == 0.0 or game.horizon == 1):
        return BackwardInduction(follower, announcement)(
            game
        ).certificate.upper, "that of backward induction, exact here"
    relaxed = _bound(game, rate, discount, True)
    if announcement == "strategy" and is_small and game.horizon is not None:
        return min(
            relaxed, strategy_bound(game, rate, discount)
        ), "search at every stage, the follower's future relaxed"
    return relaxed, "prescriptions against every response that the follower's possible values allow"


@exact
def _bound(game: MarkovGame, inverse_temperature: float, discount: float, is_logit: bool) -> float:
    horizon = game.horizon if game.horizon is not None else _sweeps(max(game.leader_discount, discount))
    sizes = (horizon, *game.shape)
    leader_reward, follower_reward = (
        jnp.broadcast_to(jnp.asarray(reward), sizes) for reward in (game.leader_reward, game.follower_reward)
    )
    most = np.array([np.max(game.leader_reward), np.max(game.follower_reward), np.min(game.follower_reward)])
    patience = 1.0 - np.array([game.leader_discount, discount, discount])
    start = np.zeros(3) if game.horizon is not None else most / patience
    value = _sweep(
        (leader_reward, follower_reward, game.transition if np.ndim(game.transition) == 5 else None),
        jnp.asarray(game.transition),
        jnp.asarray(np.tile(start[:, None], (1, game.shape[0]))),
        jnp.asarray([game.leader_discount, discount, discount]),
        inverse_temperature,
        is_logit,
    )
    return float(game.initial @ value) + ROUNDING * horizon * float(np.max(np.abs(game.leader_reward)))


def _sweeps(discount: float) -> int:
    """Sweeps after which what a bound started with weighs a millionth."""
    return 1 if discount == 0.0 else min(MOST_SWEEPS, 1 + math.ceil(math.log(1e-6) / math.log(discount)))


@functools.partial(jax.jit, static_argnames="is_logit")
def _sweep(stages, transition, start, discounts, inverse_temperature, is_logit):
    """From the last stage to the first: bounds on the leader's value, and on the follower's soft value on both
    sides."""

    def stage(values, now):
        leader_reward, follower_reward, law = now
        law = transition if law is None else law
        onwards = jnp.einsum("sabt,kt->ksab", law, discounts[:, None] * values)
        payoff, high, low = leader_reward + onwards[0], follower_reward + onwards[1], follower_reward + onwards[2]
        value = jnp.max(payoff, axis=(1, 2))
        if is_logit:
            value = logit_bound(payoff, inverse_temperature * high, inverse_temperature * low)
        highest = soft_average(jnp.max(high, axis=1), inverse_temperature)
        lowest = soft_average(jnp.min(low, axis=1), inverse_temperature)
        return jnp.stack([value, highest, lowest]), None

    values, _ = jax.lax.scan(stage, start, stages, reverse=True)
    return values[0]
