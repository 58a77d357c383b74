"""A seller posts a price for each period, and households choose the period to buy in, or not to buy."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ... import _boundary as boundary
from ..._errors import InputError
from ..._types import AnyArray
from ...calculus.precision import exact
from ..base import AbstractGame
from ..one_shot import OneShot


OUTSIDE = "none"
"""The name of the household's last action: to buy in no period."""


class TariffGame(AbstractGame):
    """Prices by period, against households that choose when to buy.

    - `appeal`: `(k,)`, what buying in a period is worth to a household, in units of its payoff; not buying is worth 0.
    - `price_sensitivity`: payoff lost per unit of price, above 0. A household that buys in period i at price p gets
      `appeal[i] - price_sensitivity × p`.
    - `cost`: `(k,)` or one number, what a unit costs the seller in each period.
    - `low`, `high`: the range that every price must lie in.
    - `capacity_cost`: what the seller pays per unit of demand in the busiest period; 0 without a capacity to pay for.
    - `periods`: names, numbered from 1 when left out; `title`: one line.

    A commitment is the prices `(k,)`; a response is `(k + 1,)`, the share of households that buy in each period and,
    last, the share that does not buy. The seller gets, per household, `Σ share × (price - cost) - capacity_cost ×
    largest share`. A quantal follower of inverse temperature 1 is the multinomial logit customer of the pricing
    literature (Talluri and van Ryzin, 2004). Raises `InputError` on entries that are not finite or out of range.
    """

    appeal: Float[AnyArray, "a"]
    cost: Float[AnyArray, "a"]
    price_sensitivity: float
    low: float
    high: float
    capacity_cost: float
    periods: tuple[str, ...] = eqx.field(static=True)
    title: str = eqx.field(static=True)

    def __init__(
        self,
        appeal: Any,
        price_sensitivity: Any,
        cost: Any,
        low: Any,
        high: Any,
        *,
        capacity_cost: Any = 0.0,
        periods: Any = None,
        title: Any = "",
    ) -> None:
        self.appeal = boundary.real_array("appeal", appeal, axes=("k",))
        costs = boundary.real_array("cost", cost)
        costs = np.full(self.appeal.shape, costs) if costs.ndim == 0 else costs
        self.cost = boundary.real_array("cost", costs, axes=self.appeal.shape)
        self.price_sensitivity = boundary.real_number("price_sensitivity", price_sensitivity, low=0.0, low_open=True)
        self.low = boundary.real_number("low", low)
        self.high = boundary.real_number("high", high)
        self.capacity_cost = boundary.real_number("capacity_cost", capacity_cost, low=0.0)
        self.periods = boundary.labels("periods", periods, len(self.appeal))
        self.title = boundary.text("title", title)
        _check_range(self.low, self.high)
        if OUTSIDE in self.periods:
            raise InputError(
                boundary.INCONSISTENT,
                "periods",
                position=(self.periods.index(OUTSIDE),),
                found=f"{OUTSIDE!r} stands there",
                allowed=f"{OUTSIDE!r} is the name of not buying",
                remedy="Rename the period.",
            )

    @property
    def leader_actions(self) -> tuple[str, ...]:
        """The names of the prices: those of the periods."""
        return self.periods

    @property
    def follower_actions(self) -> tuple[str, ...]:
        """The periods to buy in, and not to buy."""
        return (*self.periods, OUTSIDE)

    @exact
    def induce(self, commitment: Float[AnyArray, "a"]) -> OneShot:
        """What a household, and the seller for it, gets from each of its choices under these prices."""
        prices = jnp.asarray(commitment)
        nothing = jnp.zeros(1, prices.dtype)
        return OneShot(
            follower_payoff=jnp.concatenate([self.appeal - self.price_sensitivity * prices, nothing]),
            leader_payoff=jnp.concatenate([prices - self.cost, nothing]),
            prior=np.ones(()),
            payoff_range=jnp.maximum(jnp.max(self.appeal) - self.price_sensitivity * self.low, 0.0)
            - jnp.minimum(jnp.min(self.appeal) - self.price_sensitivity * self.high, 0.0),
        )

    @exact
    def leader_value(self, commitment: Float[AnyArray, "a"], response: Float[AnyArray, "b"]) -> Float[AnyArray, ""]:
        """The seller's profit per household."""
        shares = jnp.asarray(response)[:-1]
        return shares @ (jnp.asarray(commitment) - self.cost) - self.capacity_cost * jnp.max(shares)

    def check_commitment(self, commitment: object) -> Float[AnyArray, "a"]:
        """Prices `(k,)`, each in `[low, high]`."""
        return boundary.real_array(
            "commitment", commitment, axes=(len(self.periods),), low=float(self.low), high=float(self.high)
        )

    def uniform_commitment(self) -> Float[AnyArray, "a"]:
        """The flat tariff half-way between the lowest and the highest price."""
        return np.full(len(self.periods), 0.5 * float(self.low) + 0.5 * float(self.high))


def day_tariff(num_periods: Any = 6, *, seed: Any = 0) -> TariffGame:
    """A day in `num_periods` parts: more appeal in the evening, unit costs that follow it, and a capacity to pay for.

    The numbers are generated, in pence per kilowatt-hour; they describe no real utility.
    """
    count = boundary.whole_number("num_periods", num_periods, low=1, high=96)
    rng = np.random.default_rng(boundary.whole_number("seed", seed))
    hours = (np.arange(count) + 0.5) * 24.0 / count
    evening = np.cos((hours - 19.0) * np.pi / 12.0)
    appeal = 2.0 + 1.2 * evening + 0.2 * rng.random(count)
    cost = 8.0 + 4.0 * evening + rng.random(count)
    starts = np.arange(count) * 24.0 / count
    names = [f"{int(start):02d}:{round(start % 1 * 60):02d}" for start in starts]
    return TariffGame(
        np.round(appeal, 3),
        0.12,
        np.round(cost, 2),
        5.0,
        60.0,
        capacity_cost=6.0,
        periods=names,
        title=f"Time-of-use tariff, {count} periods (generated)",
    )


def _check_range(low: Any, high: Any) -> None:
    if not boundary.is_traced(low) and not boundary.is_traced(high) and low > high:
        raise InputError(
            boundary.INCONSISTENT,
            "low",
            found=f"low is {low:.17g} and high {high:.17g}",
            allowed="low must be at most high",
            remedy="Swap them.",
        )
