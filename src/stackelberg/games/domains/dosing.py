"""What all simulated patients share: doses as multiples of a calculator's bolus, meals, and what glucose costs."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Float

from ..._types import AnyArray, Key


MULTIPLIERS = (0.0, 0.5, 1.0, 1.5, 2.0)
"""Of the calculator's bolus: the actions."""

MINUTES = 30
"""From one decision to the next."""

MEAL_HOURS = (7.0, 10.0, 12.5, 16.0, 19.0, 22.0)
MEAL_GRAMS = (45.0, 10.0, 70.0, 10.0, 80.0, 10.0)
MEAL_CHANCE = (0.95, 0.3, 0.95, 0.3, 0.95, 0.3)

INSULIN_HOLDS, CARBOHYDRATES_HOLD = 120.0, 60.0
"""Minutes for which, in the calculator's belief, a dose and a meal last on average."""


def dose(action: Float[AnyArray, "k"], advised: Any) -> Any:
    """Units of the bolus: the multiple that a one-hot action names of what the calculator advises."""
    return jnp.sum(action * jnp.asarray(MULTIPLIERS)) * advised


def advised_bolus(glucose: Any, told: Any, on_board: Any, *, ratio: Any, correction: Any) -> Float[AnyArray, ""]:
    """Units by the usual calculator: carbohydrates / ratio + (glucose - 140) / correction - insulin on board."""
    over = jnp.maximum(glucose - 140.0, 0.0) / correction
    return jnp.maximum(told / ratio + over - on_board, 0.0)


def next_meal(hour: Float[AnyArray, ""], announced: float | Float[AnyArray, ""], key: Key) -> tuple[AnyArray, AnyArray]:
    """Grams that are eaten from `hour` on, and grams that were announced for them.

    - `announced`: the share of snacks told; meals always are, with an error of 30 %.
    """
    of_size, of_error, of_told, of_chance = jr.split(key, 4)
    due = jnp.abs(jnp.asarray(MEAL_HOURS) - hour) < 0.01
    grams = jnp.sum(due * jnp.asarray(MEAL_GRAMS)) * jnp.maximum(1.0 + 0.25 * jr.normal(of_size), 0.2)
    grams = grams * (jr.uniform(of_chance) < jnp.sum(due * jnp.asarray(MEAL_CHANCE)))
    is_snack = jnp.sum(due * jnp.asarray(MEAL_GRAMS)) < 20.0
    is_told = ~is_snack | (jr.uniform(of_told) < announced)
    return grams, grams * jnp.maximum(1.0 + 0.3 * jr.normal(of_error), 0.0) * is_told


def risk(glucose: Float[AnyArray, "*n"]) -> Float[AnyArray, "*n"]:
    """(G - 140)^1.35 / 30 above 140 mg/dL, (80 - G)² / 30 below 80, nothing between: an index of glycaemic control."""
    high = jnp.maximum(glucose - 140.0, 0.0) ** 1.35 / 30.0
    low = jnp.maximum(80.0 - glucose, 0.0) ** 2 / 30.0
    return high + low


def payment(risk: Float[AnyArray, "*n"]) -> Float[AnyArray, "*n"]:
    """One less a tenth of the risk, at least 0."""
    return jnp.clip(1.0 - risk / 10.0, 0.0, 1.0)


def by_hour(hour: Float[AnyArray, "*n"]) -> tuple[AnyArray, AnyArray]:
    """Sine and cosine of the time of day."""
    turn = 2.0 * jnp.pi * hour / 24.0
    return jnp.sin(turn), jnp.cos(turn)
