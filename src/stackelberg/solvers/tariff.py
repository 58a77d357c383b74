"""The best tariff against logit households, with a proof.

Let w_i(p) = exp(λ (a_i - b p_i)), so that period i has the share w_i / (1 + Σ w). The profit is the ratio
[Σ w_i (p_i - c_i) - κ max w] / (1 + Σ w), with κ the capacity cost. Dinkelbach (1967): a trial profit π is below the
optimum exactly when the prices that maximise Σ w_i (p_i - c_i - π) - κ max w earn at least π, and these prices are
known: p_i = c_i + π + 1/(λ b) clipped to the range, but no lower than a_i / b - y, where the level y caps the weights.
As y falls by dy the capacity cost falls by κ for the same relative change, so that at the best level the capped periods
together lose exactly κ: Σ (p_i - 1/(λ b) - c_i - π) = κ. Both π and y are found by bisection.

The proof does not rest on y: in shares the profit is concave (Dong, Kouvelis and Tian, 2009), and for surcharges u ≥ 0
with Σ u = κ the best profit with unit costs c + u and no capacity cost is an upper bound. The surcharges are the losses
of the capped periods.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._record import Solution
from ..calculus.precision import exact
from ..calculus.simplex import quantal_choice
from ..followers.base import AbstractFollower
from ..followers.quantal_response import QuantalResponse
from ..games.domains.tariff import TariffGame
from .certified import certified


EPS = np.finfo(np.float64).eps

HALVINGS = 90  # from any range of float64 prices to neighbouring numbers

Prices = Float[np.ndarray, "a"]


@exact
def tariff_quantal(
    game: TariffGame, follower: AbstractFollower, tolerance: float = 1e-6, time_limit: float | None = None
) -> Solution:
    """The best prices against a `QuantalResponse` of finite inverse temperature; exact up to rounding.

    Raises `InputError` for other followers, and at infinite inverse temperature, where demand jumps and no best price
    need exist.
    """
    del time_limit  # it takes milliseconds
    started = time.perf_counter()
    heat = _finite(follower)
    profit = _root(lambda trial: _earned(game, heat, _capped(game, heat, trial)[0]) - trial, game)
    prices, surcharge = _capped(game, heat, profit)
    response = np.asarray(follower.respond(game, prices))
    dearest, cheapest = float(game.high - np.min(game.cost)), float(game.low - np.max(game.cost))
    span = max(dearest, 0.0) - min(cheapest, 0.0) + float(game.capacity_cost)
    return certified(
        game,
        prices,
        response,
        upper=_bound(game, heat, surcharge),
        tolerance=tolerance * span,
        rounding=_rounding(game, heat, span),
        solver="tariff",
        proof="Dinkelbach's ratio by bisection; upper bound from surcharges on the busiest periods",
        statistics={"seconds": time.perf_counter() - started, "surcharge": surcharge},
    )


def _rounding(game: TariffGame, heat: float, span: float) -> float:
    """What rounding may do to a profit: to the sum itself, and to the shares through their logits."""
    size = max(abs(game.low), abs(game.high)) + float(np.max(np.abs(game.cost))) + game.capacity_cost
    logit = heat * (float(np.max(np.abs(game.appeal))) + game.price_sensitivity * max(abs(game.low), abs(game.high)))
    return EPS * (16.0 * (len(game.cost) + 1) * size + 4.0 * min(logit, 1.0 / EPS) * span)


def _bound(game: TariffGame, heat: float, surcharge: Prices) -> float:
    """The best profit when the surcharges are unit costs and capacity is free: no tariff earns more."""
    cost = np.asarray(game.cost) + surcharge

    def excess(trial: float) -> float:
        prices = np.clip(cost + trial + _markup(game, heat), game.low, game.high)
        return float(_shares(game, heat, prices) @ (prices - cost)) - trial

    return float(np.nextafter(_root(excess, game, float(surcharge.max())), math.inf))


def _capped(game: TariffGame, heat: float, trial: float) -> tuple[Prices, Prices]:
    """The prices that are best for the trial profit, and the surcharges that the busiest periods bear."""
    free = np.clip(game.cost + trial + _markup(game, heat), game.low, game.high)
    if game.capacity_cost == 0.0:
        return free, np.zeros_like(free)
    worth = np.asarray(game.appeal) / game.price_sensitivity
    low, high = worth.max() - game.high, worth.max() - game.low

    def losses(level: float) -> Prices:
        loss = worth - level - _markup(game, heat) - game.cost - trial
        return np.where(worth - level > free, np.maximum(loss, 0.0), 0.0)

    for _ in range(HALVINGS):
        level = 0.5 * (low + high)
        low, high = (level, high) if losses(level).sum() > game.capacity_cost else (low, level)
    more, less = losses(low), losses(high)
    span = more.sum() - less.sum()
    mixed = less + (game.capacity_cost - less.sum()) / span * (more - less) if span > 0.0 else less
    missing = game.capacity_cost - mixed.sum()
    mixed[np.argmax(worth)] += max(missing, 0.0)  # at its highest price nothing can be shifted out of that period
    return np.clip(np.maximum(free, worth - high), game.low, game.high), mixed * (game.capacity_cost / mixed.sum())


def _earned(game: TariffGame, heat: float, prices: Prices) -> float:
    shares = _shares(game, heat, prices)
    return float(shares @ (prices - game.cost)) - game.capacity_cost * float(shares.max())


def _root(excess: Callable[[float], float], game: TariffGame, surcharge: float = 0.0) -> float:
    """The largest trial profit that is earned, by bisection; `excess` changes sign once, from above to below."""
    margins = np.array([game.low, game.high])[:, None] - game.cost
    low = min(0.0, float(margins.min())) - max(surcharge, game.capacity_cost)
    high = max(0.0, float(margins.max()))
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if excess(middle) >= 0.0 else (low, middle)
        if not low < 0.5 * (low + high) < high:
            break
    return high


def _markup(game: TariffGame, heat: float) -> float:
    return 1.0 / (heat * game.price_sensitivity) if heat > 0.0 else math.inf


def _shares(game: TariffGame, heat: float, prices: Prices) -> Prices:
    payoff = np.append(game.appeal - game.price_sensitivity * prices, 0.0)
    return np.asarray(quantal_choice(jnp.asarray(payoff), heat))[:-1]


def _finite(follower: AbstractFollower) -> float:
    if isinstance(follower, QuantalResponse) and math.isfinite(follower.inverse_temperature):
        return float(follower.inverse_temperature)
    kind = "of infinite inverse temperature" if isinstance(follower, QuantalResponse) else type(follower).__name__
    raise InputError(
        boundary.INCONSISTENT,
        "follower",
        found=f"it is {kind}",
        allowed="a tariff is planned against a QuantalResponse of finite inverse temperature",
        remedy="Use QuantalResponse(1.0) for logit households, a large number for households that hardly err.",
    )
