"""Rewards as parts of a range, so that no task needs other settings than another."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._types import AnyArray
from ..games.dataset import Dataset


class RewardScale(eqx.Module):
    """Rewards as parts of a range: 0 is the least that a step pays, 1 the most, and a critic is never below 0.

    - `low`, `high`: of the rewards of a step.
    - `discount`: in [0, 1).

    What follows a terminal row pays 0 for ever, which in these units is `ended`.
    """

    low: float
    high: float
    discount: float

    def __init__(self, low: Any, high: Any, discount: Any) -> None:
        self.low = boundary.real_number("reward_low", low)
        self.high = boundary.real_number("reward_high", high)
        if not self.low < self.high:
            raise InputError(
                boundary.RANGE,
                "reward_high",
                found=f"{self.high:g} is not above reward_low, {self.low:g}",
                allowed="rewards lie between two different numbers",
                remedy="Give the least and the most that a step can pay; rewards that never differ teach nothing.",
            )
        self.discount = boundary.real_number("discount", discount, low=0.0, high=1.0 - 1e-9)

    @property
    def ended(self) -> Any:
        """The value of nothing more."""
        return (0.0 - self.low) / (self.high - self.low) / (1.0 - self.discount)

    def earned(self, data: Dataset) -> Float[np.ndarray, "n"]:
        """What each row pays as a part of the range, with what follows an end.

        Raises `InputError` where rows are terminal and the range leaves out 0, what is paid after an end.
        """
        if np.any(data.terminal) and not self.low <= 0.0 <= self.high:
            raise InputError(
                boundary.RANGE,
                "reward_range",
                found=f"it is [{self.low:g}, {self.high:g}], and {int(data.terminal.sum())} rows are terminal",
                allowed="after an end every step pays 0, which must be in the range",
                remedy="Widen the range to 0, or mark as truncated what would have gone on.",
            )
        return np.asarray(self.scaled(data.reward) + self.discount * data.terminal * self.ended, dtype=float)

    def scaled(self, reward: Float[AnyArray, "*n"]) -> Float[AnyArray, "*n"]:
        """Rewards as parts of the range."""
        return (jnp.asarray(reward) - self.low) / (self.high - self.low)

    def restored(self, value: Any) -> Any:
        """A value for each step, in the units of the reward."""
        return self.low + (self.high - self.low) * value
