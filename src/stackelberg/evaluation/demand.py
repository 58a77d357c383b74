"""Demand before and after a tariff, to be tabulated and drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _boundary as boundary
from .._record import Record
from ..followers.base import AbstractFollower
from ..games.domains.tariff import TariffGame


def demand(game: TariffGame, before: Any, after: Any, follower: AbstractFollower) -> Record:
    """Shares of households that buy in each period under the prices `before` and `after`, and the profit of both.

    Both are prices `(k,)` or one price for all periods. Raises `InputError` when a price is out of the game's range.
    """
    game = boundary.instance("game", game, TariffGame, "sg.day_tariff()")
    follower = boundary.instance("follower", follower, AbstractFollower, "sg.QuantalResponse(1.0)")
    prices = [_prices(game, name, tariff) for name, tariff in (("before", before), ("after", after))]
    responses = [follower(game, price) for price in prices]
    profits = [float(game.leader_value(*pair)) for pair in zip(prices, responses, strict=True)]
    return Record(
        "demand",
        {
            "before": np.asarray(responses[0][:-1]),
            "after": np.asarray(responses[1][:-1]),
            "price_before": np.asarray(prices[0]),
            "price_after": np.asarray(prices[1]),
        },
        {
            "periods": list(game.periods),
            "profit_before": profits[0],
            "profit_after": profits[1],
            "title": f"Profit per household: {profits[0]:.4g} before, {profits[1]:.4g} after",
        },
    )


def _prices(game: TariffGame, field: str, tariff: Any) -> np.ndarray:
    numbers = boundary.real_array(field, tariff, low=game.low, high=game.high)
    if numbers.ndim == 0:
        return np.full(game.appeal.shape, numbers)
    return boundary.real_array(field, numbers, axes=game.appeal.shape)
