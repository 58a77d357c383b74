"""Glucose control by boluses: generated patients of the minimal model. Simulated patients, not a medical device."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Bool, Float

from ... import _boundary as boundary
from ..._types import AnyArray, Key
from ..control import AbstractControl
from .dosing import (
    CARBOHYDRATES_HOLD,
    INSULIN_HOLDS,
    MINUTES,
    MULTIPLIERS,
    advised_bolus,
    by_hour,
    dose,
    next_meal,
    payment,
    risk,
)


SUBSTEPS = 30

STATE = (
    "glucose", "effect", "insulin", "depot", "stomach", "gut",
    "insulin on board", "carbohydrates on board", "hour", "glucose before", "meal", "meal as told",
)  # fmt: skip

OBSERVED = (
    "glucose/100",
    "slope/30",
    "insulin on board",
    "carbohydrates on board/50",
    "meal/50",
    "sin hour",
    "cos hour",
)
"""Names of what is observed."""


class Patient(eqx.Module):
    """Parameters of Bergman's minimal model with one depot of insulin and two of carbohydrates.

    - `basal`: glucose at rest, mg/dL.  `effectiveness`: of glucose itself, 1/min.  `delay`: of insulin's effect, 1/min.
    - `sensitivity`: of that effect, mL/µU/min².  `clearance`: of insulin, 1/min.  `volume`: of insulin, mL for each kg.
    - `absorption`, `emptying`: of the depots, 1/min.  `share`: of carbohydrates that reach the blood.
    - `weight`: kg.  `glucose_volume`: dL for each kg.
    """

    basal: Float[AnyArray, ""] | float
    effectiveness: Float[AnyArray, ""] | float
    delay: Float[AnyArray, ""] | float
    sensitivity: Float[AnyArray, ""] | float
    clearance: Float[AnyArray, ""] | float
    absorption: Float[AnyArray, ""] | float
    emptying: Float[AnyArray, ""] | float
    weight: Float[AnyArray, ""] | float
    share: Float[AnyArray, ""] | float = 0.9
    volume: Float[AnyArray, ""] | float = 120.0
    glucose_volume: Float[AnyArray, ""] | float = 1.6

    @property
    def correction(self) -> Any:
        """By how many mg/dL one unit of insulin lowers glucose in the end, near rest."""
        # A unit leaves an integral of plasma insulin of 1e6 / (volume weight clearance) µU/mL min, and its effect on
        # glucose the sensitivity over the delay times that; glucose itself brings part of it back meanwhile.
        integral = 1e6 / (self.volume * self.weight * self.clearance)
        slow = self.delay / (self.delay + self.effectiveness)
        return self.basal * self.sensitivity / self.delay * integral * slow

    @property
    def carbohydrate_ratio(self) -> Any:
        """How many grams of carbohydrates one unit makes up for."""
        rise = 1e3 * self.share / (self.glucose_volume * self.weight)
        slow = self.emptying / (self.emptying + self.effectiveness)
        return self.correction / (rise * slow)


def generated_patient(seed: Any) -> Patient:
    """A patient by number: each parameter log-normal around an adult's, a quarter of it wide or less."""
    generator = np.random.Generator(np.random.Philox([boundary.whole_number("seed", seed, low=0), 13]))
    spread = lambda middle, width: float(middle * np.exp(np.clip(width * generator.standard_normal(), -0.5, 0.5)))
    return Patient(
        basal=spread(120.0, 0.08),
        effectiveness=spread(0.008, 0.2),
        delay=spread(0.02, 0.2),
        sensitivity=spread(8e-6, 0.25),
        clearance=spread(0.16, 0.15),
        absorption=spread(0.018, 0.15),
        emptying=spread(0.035, 0.2),
        weight=spread(72.0, 0.15),
    )


class GlucoseControl(AbstractControl):
    """Three days of a patient with diabetes of type 1: every half hour a multiple of the calculator's bolus.

    The basal rate holds glucose at its resting value; meals come at usual hours with random sizes and are announced
    with an error of 30 %, one snack in five not at all. The calculator gives carbohydrates / ratio + correction above
    140 mg/dL - insulin on board, at least 0; an action multiplies that by 0, ½, 1, 1½ or 2.

    - `patient`: see `generated_patient`.  `num_steps`: of half an hour.  `announced`: the share of snacks told.

    A step pays (10 - risk) / 10, at least 0, the risk of its mean glucose G being (G - 140)^1.35 / 30 above 140 and
    (80 - G)² / 30 below 80, at most 10. The state is the body's; who decides sees `observed` of it. **Simulated
    patients, not a medical device.**
    """

    patient: Patient
    announced: float
    num_steps: int = eqx.field(static=True)

    num_features = len(STATE)
    num_actions = len(MULTIPLIERS)
    action_size = len(MULTIPLIERS)
    observation_names: ClassVar[tuple[str, ...]] = OBSERVED

    def __init__(self, patient: Any = None, num_steps: Any = 144, announced: Any = 0.8) -> None:
        chosen = generated_patient(0) if patient is None else patient
        self.patient = boundary.instance("patient", chosen, Patient, "sg.generated_patient(0)")
        self.num_steps = boundary.whole_number("num_steps", num_steps, low=1)
        self.announced = boundary.real_number("announced", announced, low=0.0, high=1.0)

    @property
    def scale(self) -> Float[AnyArray, "d"]:
        """Of each entry of the state."""
        return np.array([100.0, 0.01, 20.0, 5.0, 50.0, 50.0, 5.0, 50.0, 24.0, 100.0, 50.0, 50.0])

    def reset(self, key: Key) -> Float[AnyArray, "d"]:
        """Six in the morning, within 20 mg/dL of rest, nothing on board."""
        glucose = self.patient.basal + jr.uniform(key, minval=-20.0, maxval=20.0)
        state = jnp.zeros(len(STATE)).at[0].set(glucose).at[9].set(glucose)
        return state.at[8].set(6.0)

    def step(self, state: Float[AnyArray, "d"], action: Float[AnyArray, "k"], key: Key) -> Float[AnyArray, "d"]:
        """Half an hour in steps of a minute; then the next meal is announced."""
        bolus = dose(action, self.calculator(state))
        one = self.patient
        body = jnp.asarray(state).at[3].add(bolus).at[4].add(state[10]).at[6].add(bolus).at[7].add(state[10])

        def minute(_, body):
            glucose, effect, insulin, depot, stomach, gut = body[:6]
            rise = 1e3 * one.share * one.emptying * gut / (one.glucose_volume * one.weight)
            by = jnp.stack(
                [
                    -one.effectiveness * (glucose - one.basal) - effect * glucose + rise,
                    -one.delay * effect + one.sensitivity * insulin,
                    1e6 * one.absorption * depot / (one.volume * one.weight) - one.clearance * insulin,
                    -one.absorption * depot,
                    -one.emptying * stomach,
                    one.emptying * (stomach - gut),
                ]
            )
            body = body.at[:6].add(by * (MINUTES / SUBSTEPS))
            body = body.at[0].set(jnp.clip(body[0], 20.0, 600.0))
            # What the calculator believes: an hour for carbohydrates, two for insulin.
            return body.at[6].multiply(1.0 - 1.0 / INSULIN_HOLDS).at[7].multiply(1.0 - 1.0 / CARBOHYDRATES_HOLD)

        after = jax.lax.fori_loop(0, SUBSTEPS, minute, body)
        hour = jnp.mod(state[8] + MINUTES / 60.0, 24.0)
        grams, told = next_meal(hour, self.announced, key)
        return after.at[8].set(hour).at[9].set(state[0]).at[10].set(grams).at[11].set(told)

    def calculator(self, state: Float[AnyArray, "d"]) -> Float[AnyArray, ""]:
        """Units of the bolus that the usual calculator advises."""
        one = self.patient
        ratio = one.carbohydrate_ratio
        return advised_bolus(state[0], state[11], state[6], ratio=ratio, correction=one.correction)

    def glucose(self, state: Float[AnyArray, "*n d"]) -> Float[AnyArray, "*n"]:
        """In blood, mg/dL."""
        return jnp.asarray(state)[..., 0]

    def settled(self, state: Float[AnyArray, "d"]) -> Float[AnyArray, "d"]:
        """Amounts are not negative."""
        return jnp.maximum(state, 0.0)

    def reward(
        self, state: Float[AnyArray, "d"], action: Float[AnyArray, "k"], then: Float[AnyArray, "d"]
    ) -> Float[AnyArray, ""]:
        """One less a tenth of the risk, of glucose between the two states."""
        del action
        return payment(risk(0.5 * (state[0] + then[0])))

    def is_over(self, then: Float[AnyArray, "d"]) -> Bool[AnyArray, ""]:
        """Never before the last step; what is severe is counted apart."""
        del then
        return jnp.zeros((), dtype=bool)

    def observed(self, state: Float[AnyArray, "*n d"]) -> Float[AnyArray, "*n o"]:
        """What sensor and diary tell: glucose, its slope, insulin and carbohydrates on board, the meal, the hour."""
        state = jnp.asarray(state)
        one = self.patient
        return jnp.stack(
            [
                state[..., 0] / 100.0,
                (state[..., 0] - state[..., 9]) / 30.0,
                state[..., 6] * one.correction / 100.0,
                state[..., 7] / 50.0,
                state[..., 11] / 50.0,
                *by_hour(state[..., 8]),
            ],
            axis=-1,
        )
