"""Glucose control by boluses for a UVA/Padova patient. Simulated patients, not a medical device."""

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
from .padova import NUM_STATES, Body, PadovaPatient


STATE = (
    "stomach solid", "stomach liquid", "gut", "plasma glucose", "tissue glucose", "plasma insulin", "action on use",
    "delayed insulin", "action on production", "liver insulin", "depot 1", "depot 2", "sensed glucose",
    "queue", "before", "eaten", "is eating", "insulin on board", "carbohydrates on board", "hour", "meal",
    "meal as told", "noise", "mean", "least", "now", "15 ago", "30 ago", "60 ago", "90 ago", "120 ago", "risk",
)  # fmt: skip

AT = {name: place for place, name in enumerate(STATE)}

CAN_BE_NEGATIVE = np.isin(STATE, ("action on use", "noise"))

SENSOR = {"carry": 0.7, "middle": -5.47, "width": 15.9574, "skew": -0.5444, "tails": 1.6898}
"""Noise of a Dexcom as the package `simglucose` has it: normal steps, carried on, through Johnson's transform."""

SENSOR_RANGE = (39.0, 600.0)
SENSOR_EVERY, NOISE_EVERY = 3, 15
INCREMENT, LARGEST = 0.05, 30.0
"""Units: what a pump can give is a multiple of the one, up to the other."""


class PadovaControl(AbstractControl):
    """Three days of a UVA/Padova patient: every half hour a multiple of the calculator's bolus.

    The basal rate holds glucose at rest; meals are those of `GlucoseControl`, eaten at 5 g/min. The calculator reads a
    sensor with noise. Its bolus, times 0, ½, 1, 1½ or 2, is rounded to 0.05 U, and given within a minute.

    - `patient`: one of `padova_patients`.  `num_steps`: of half an hour.  `announced`: the share of snacks told.
    - `noise`: 1 for the sensor's noise, 0 for none.  `substeps`: of the integration in each minute.

    A step pays (10 - risk) / 10, at least 0, the risk being the mean over its minutes of (G - 140)^1.35 / 30 above 140
    mg/dL and (80 - G)² / 30 below 80. Never over before the last step. Who decides sees `observed`, eleven numbers.

    Departures from the package `simglucose`: meals come at fixed hours; noise between its steps of 15 minutes is a line
    where the package has a cubic spline, which looks ahead; the pump's step is 0.05 U where the package's is 0.05 pmol.
    **Simulated patients, not a medical device.**
    """

    patient: PadovaPatient
    announced: float
    noise: float
    num_steps: int = eqx.field(static=True)
    substeps: int = eqx.field(static=True)

    num_features = len(STATE)
    num_actions = len(MULTIPLIERS)
    action_size = len(MULTIPLIERS)
    observation_names: ClassVar[tuple[str, ...]] = (
        "glucose/100", "slope/10", "mean/100", "least/100", "60 ago/100", "120 ago/100", "carbohydrates on board/50",
        "meal/50", "insulin on board*10/kg", "sin hour", "cos hour",
    )  # fmt: skip

    def __init__(
        self, patient: Any, num_steps: Any = 144, announced: Any = 0.8, noise: Any = 1.0, substeps: Any = 2
    ) -> None:
        example = 'sg.padova_patients("vpatient_params.csv")["adult#001"]'
        self.patient = boundary.instance("patient", patient, PadovaPatient, example)
        self.num_steps = boundary.whole_number("num_steps", num_steps, low=1)
        self.announced = boundary.real_number("announced", announced, low=0.0, high=1.0)
        self.noise = boundary.real_number("noise", noise, low=0.0)
        self.substeps = boundary.whole_number("substeps", substeps, low=1)

    @property
    def scale(self) -> Float[AnyArray, "d"]:
        """Of each entry of the state."""
        body = [2e4, 2e4, 2e4, 250.0, 180.0, 5.0, 50.0, 100.0, 100.0, 3.0, 60.0, 90.0, 250.0]
        books = [50.0, 2e4, 50.0, 1.0, 5.0, 50.0, 24.0, 50.0, 50.0, 1.0]
        return np.array([*body, *books, *[100.0] * 8, 10.0])

    def reset(self, key: Key) -> Float[AnyArray, "d"]:
        """Six in the morning, within 20 mg/dL of rest, nothing on board, the sensor's noise at its usual spread."""
        of_glucose, of_noise = jr.split(key)
        rest = self.patient.rest
        at_rest = self.patient.glucose(rest)
        glucose = at_rest + jr.uniform(of_glucose, minval=-20.0, maxval=20.0)
        is_glucose = jnp.isin(jnp.arange(NUM_STATES), jnp.array([3, 4, 12]))
        body = rest._replace(amounts=rest.amounts * jnp.where(is_glucose, glucose / at_rest, 1.0))
        carry = SENSOR["carry"]
        noise = jr.normal(of_noise) * carry / (1.0 - carry**2) ** 0.5
        shown = self._shown(glucose, noise)
        state = jnp.zeros(len(STATE)).at[: AT["insulin on board"]].set(_packed(body))
        state = state.at[AT["mean"] : AT["risk"]].set(shown).at[AT["noise"]].set(noise)
        return state.at[AT["hour"]].set(6.0).at[AT["risk"]].set(risk(glucose))

    def step(self, state: Float[AnyArray, "d"], action: Float[AnyArray, "k"], key: Key) -> Float[AnyArray, "d"]:
        """Half an hour by the minute; then the next meal is announced."""
        of_meal, of_noise = jr.split(key)
        state = jnp.asarray(state)
        one, basal = self.patient, self.patient.basal
        bolus = jnp.clip(jnp.round(dose(action, self.calculator(state)) / INCREMENT) * INCREMENT, 0.0, LARGEST)
        is_first = jnp.zeros(MINUTES).at[0].set(1.0)

        def minute(body, is_first):
            body = one.minute(body, is_first * state[AT["meal"]], basal + is_first * bolus, self.substeps)
            return body, one.glucose(body)

        body, glucose = jax.lax.scan(minute, _unpacked(state), is_first)
        noises = [state[AT["noise"]]]
        for step in jr.normal(of_noise, (MINUTES // NOISE_EVERY,)):
            noises.append(SENSOR["carry"] * (noises[-1] + step))
        at = jnp.arange(SENSOR_EVERY, MINUTES + 1, SENSOR_EVERY)
        errors = jnp.interp(at, NOISE_EVERY * jnp.arange(len(noises)), _johnson(jnp.stack(noises)))
        shown = jnp.clip(glucose[at - 1] + self.noise * errors, *SENSOR_RANGE)
        hour = jnp.mod(state[AT["hour"]] + MINUTES / 60.0, 24.0)
        grams, told = next_meal(hour, self.announced, of_meal)
        kept = lambda name, more, holds: (state[AT[name]] + more) * (1.0 - 1.0 / holds) ** MINUTES
        books = {
            "insulin on board": kept("insulin on board", bolus, INSULIN_HOLDS),
            # What was told, not what was eaten: that is all that anybody knows.
            "carbohydrates on board": kept("carbohydrates on board", state[AT["meal as told"]], CARBOHYDRATES_HOLD),
            "hour": hour,
            "meal": grams,
            "meal as told": told,
            "noise": noises[-1],
            "mean": jnp.mean(shown),
            "least": jnp.min(shown),
            "now": shown[-1],
            "15 ago": shown[NOISE_EVERY // SENSOR_EVERY - 1],
            "30 ago": state[AT["now"]],
            "60 ago": state[AT["30 ago"]],
            "90 ago": state[AT["60 ago"]],
            "120 ago": state[AT["90 ago"]],
            "risk": jnp.mean(risk(glucose)),
        }
        return jnp.concatenate([_packed(body), jnp.stack([books[name] for name in STATE[NUM_STATES + 4 :]])])

    def calculator(self, state: Float[AnyArray, "d"]) -> Float[AnyArray, ""]:
        """Units of the bolus that the usual calculator advises, from what the sensor shows."""
        known = (jnp.asarray(state)[AT[name]] for name in ("now", "meal as told", "insulin on board"))
        return advised_bolus(*known, ratio=self.patient.ratio, correction=self.patient.correction)

    def glucose(self, state: Float[AnyArray, "*n d"]) -> Float[AnyArray, "*n"]:
        """Under the skin, mg/dL, without noise."""
        return jnp.asarray(state)[..., AT["sensed glucose"]] / self.patient.Vg

    def settled(self, state: Float[AnyArray, "d"]) -> Float[AnyArray, "d"]:
        """Amounts are not negative."""
        return jnp.where(CAN_BE_NEGATIVE, state, jnp.maximum(state, 0.0))

    def reward(
        self, state: Float[AnyArray, "d"], action: Float[AnyArray, "k"], then: Float[AnyArray, "d"]
    ) -> Float[AnyArray, ""]:
        """One less a tenth of the mean risk of the minutes between the two states."""
        del state, action
        return payment(then[AT["risk"]])

    def is_over(self, then: Float[AnyArray, "d"]) -> Bool[AnyArray, ""]:
        """Never before the last step; what is severe is counted apart."""
        del then
        return jnp.zeros((), dtype=bool)

    def observed(self, state: Float[AnyArray, "*n d"]) -> Float[AnyArray, "*n o"]:
        """What sensor, pump and diary tell, see `observation_names`."""
        of = lambda name: jnp.asarray(state)[..., AT[name]]
        return jnp.stack(
            [
                of("now") / 100.0,
                (of("now") - of("15 ago")) / 10.0,
                of("mean") / 100.0,
                of("least") / 100.0,
                of("60 ago") / 100.0,
                of("120 ago") / 100.0,
                of("carbohydrates on board") / 50.0,
                of("meal as told") / 50.0,
                10.0 * of("insulin on board") / self.patient.BW,
                *by_hour(of("hour")),
            ],
            axis=-1,
        )

    def _shown(self, glucose: AnyArray, noise: AnyArray) -> AnyArray:
        return jnp.clip(glucose + self.noise * _johnson(noise), *SENSOR_RANGE)


def _johnson(noise: AnyArray) -> AnyArray:
    """Johnson's unbounded transform of a normal variable."""
    return SENSOR["middle"] + SENSOR["width"] * jnp.sinh((noise - SENSOR["skew"]) / SENSOR["tails"])


def _packed(body: Body) -> AnyArray:
    return jnp.concatenate([body.amounts, jnp.stack(body[1:])])


def _unpacked(state: AnyArray) -> Body:
    return Body(state[:NUM_STATES], *(state[place] for place in range(NUM_STATES, NUM_STATES + 4)))
