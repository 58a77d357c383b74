"""The UVA/Padova patient of 2008, thirteen states, minute by minute. Simulated patients, not a medical device."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ... import _boundary as boundary
from ..._disk import SIZE_LIMIT, PathName, printable
from ..._errors import InputError
from ..._types import AnyArray
from ..csv_table import CsvTable, bad_cells, parsed, read_table


COLUMN = "E-TABLE-006"

MAX_ROWS = 100_000

EAT_RATE = 5.0
"""Grams of carbohydrates that are eaten in a minute, as long as there are any."""

PMOL = 6000.0
"""In a unit of insulin."""

NUM_STATES = 13

SUBSTEPS = 4
"""Of the integration in each minute."""

NAME, INITIAL = "Name", tuple(f"x0_{number:2d}" for number in range(1, NUM_STATES + 1))
"""Columns of a table of patients, beside those that are named as the fields of a patient are."""

RATIO, CORRECTION = "CR", "CF"

NOT_NEGATIVE = np.isin(np.arange(NUM_STATES), (3, 4, 5, 9, 10, 11, 12))
"""States that stand still where they are below 0, as in the package."""

Number = Float[AnyArray, ""] | float


class Body(NamedTuple):
    """A patient at some minute.

    - `amounts`: stomach solid, stomach liquid and gut (mg); glucose in plasma and tissue (mg/kg); insulin in plasma
      (pmol/kg), its action on use, its delayed signal, its action on production (pmol/L); insulin in the liver and in
      two depots under the skin (pmol/kg); glucose under the skin (mg/kg).
    - `queue`: g still to be eaten.  `before`: mg in the stomach when the present meal began.  `eaten`: g of it so far.
    - `is_eating`: 1 where something was eaten in the last minute.
    """

    amounts: Float[AnyArray, "13"]
    queue: Float[AnyArray, ""]
    before: Float[AnyArray, ""]
    eaten: Float[AnyArray, ""]
    is_eating: Float[AnyArray, ""]


class PadovaPatient(eqx.Module):
    """Parameters of one patient, by the names of the table of the package `simglucose`.

    - `initial`: `(13,)`, the state at rest, see `Body`.
    - `BW`: kg.  `u2ss`: basal insulin at rest, pmol/kg/min.
    - `kmax`, `kmin`, `kabs`: 1/min, of emptying and absorption; `b`, `d`: where emptying slows; `f`: share absorbed.
    - `kp1`, `kp2`, `kp3`: of glucose production.  `Fsnc`: use that needs no insulin.  `ke1`, `ke2`: of the kidneys.
    - `k1`, `k2`: 1/min, between plasma and tissue; `Vg`: dL/kg.  `Vm0`, `Vmx`, `Km0`: of use in tissue.
    - `m1`, `m2`, `m4`, `m30`: 1/min, of insulin; `Vi`: L/kg; `Ib`: at rest, pmol/L; `ki`, `p2u`: 1/min, of its action.
    - `ka1`, `ka2`, `kd`: 1/min, of insulin under the skin; `ksc`: 1/min, of glucose there.
    - `ratio`: g that a unit makes up for; `correction`: mg/dL that a unit lowers glucose by, as the patient was told.
      Where left out they follow from the basal insulin taken for half of a day's, by the rules 500 and 1800 / day.

    Raises `InputError` where a number is not finite or below 0. Dalla Man, Rizza and Cobelli (2007); Kovatchev, Breton,
    Dalla Man and Cobelli (2009).
    """

    initial: Float[AnyArray, "13"]
    BW: Number
    u2ss: Number
    kmax: Number
    kmin: Number
    kabs: Number
    b: Number
    d: Number
    f: Number
    kp1: Number
    kp2: Number
    kp3: Number
    Fsnc: Number
    ke1: Number
    ke2: Number
    k1: Number
    k2: Number
    Vg: Number
    Vm0: Number
    Vmx: Number
    Km0: Number
    m1: Number
    m2: Number
    m4: Number
    m30: Number
    Vi: Number
    Ib: Number
    ki: Number
    p2u: Number
    ka1: Number
    ka2: Number
    kd: Number
    ksc: Number
    ratio: Number
    correction: Number

    def __init__(self, initial: Any, ratio: Any = None, correction: Any = None, **parameters: Any) -> None:
        for name in parameters:
            boundary.one_of("parameter", name, PARAMETERS)
        if missing := [name for name in PARAMETERS if name not in parameters]:
            raise InputError(
                boundary.EMPTY,
                missing[0],
                found="it is missing",
                allowed="a patient needs all of " + ", ".join(PARAMETERS),
                remedy="Give it, or read patients from a table with sg.padova_patients.",
            )
        self.initial = boundary.real_array("initial", initial, axes=(NUM_STATES,), low=0.0)
        for name, value in parameters.items():
            high = 1.0 if name in ("b", "d") else np.inf
            setattr(self, name, boundary.real_number(name, value, low=0.0, high=high, low_open=name in POSITIVE))
        daily = 2.0 * 1_440.0 * self.basal
        given = {"ratio": 500.0 / daily if ratio is None else ratio}
        given["correction"] = 1800.0 / daily if correction is None else correction
        self.ratio = boundary.real_number("ratio", given["ratio"], low=0.0, low_open=True)
        self.correction = boundary.real_number("correction", given["correction"], low=0.0, low_open=True)

    @property
    def basal(self) -> Any:
        """U/min that hold glucose at rest."""
        return self.u2ss * self.BW / PMOL

    @property
    def rest(self) -> Body:
        """The state of the table: nothing eaten, glucose at rest."""
        nothing = jnp.zeros(())
        amounts = jnp.asarray(self.initial, float)
        return Body(amounts, nothing, amounts[0] + amounts[1], nothing, nothing)

    def glucose(self, body: Body) -> Float[AnyArray, ""]:
        """Under the skin, mg/dL: what a sensor without noise shows."""
        return body.amounts[12] / self.Vg

    def minute(self, body: Body, grams: AnyArray | float, insulin: AnyArray | float, substeps: int = SUBSTEPS) -> Body:
        """A minute later.

        - `grams`: carbohydrates put on the table now, eaten at 5 g/min.  `insulin`: U/min, the basal rate included.
        - `substeps`: of a Runge-Kutta scheme of order 4.
        """
        body, bite = bitten(body, grams)
        size = 1.0 / substeps

        def advanced(_, x):
            slope = lambda x: self._slope(x, bite, insulin, body.before, body.eaten)
            first = slope(x)
            second = slope(x + 0.5 * size * first)
            third = slope(x + 0.5 * size * second)
            last = slope(x + size * third)
            return x + size / 6.0 * (first + 2.0 * second + 2.0 * third + last)

        return body._replace(amounts=jax.lax.fori_loop(0, substeps, advanced, body.amounts))

    def _slope(
        self, x: Float[AnyArray, "13"], bite: AnyArray, insulin: AnyArray | float, before: AnyArray, eaten: AnyArray
    ) -> Float[AnyArray, "13"]:
        """The right-hand side of the differential equation, by the minute."""
        meal = before + 1000.0 * eaten
        emptying = jnp.where(meal > 0.0, self._emptying(x[0] + x[1], jnp.where(meal > 0.0, meal, 1.0)), self.kmax)
        appearance = self.f * self.kabs * x[2] / self.BW
        production = jnp.maximum(self.kp1 - self.kp2 * x[3] - self.kp3 * x[8], 0.0)
        lost = self.ke1 * jnp.maximum(x[3] - self.ke2, 0.0)
        used = (self.Vm0 + self.Vmx * x[6]) * x[4] / (self.Km0 + x[4])
        plasma = x[5] / self.Vi
        slope = jnp.stack(
            [
                -self.kmax * x[0] + 1000.0 * bite,
                self.kmax * x[0] - emptying * x[1],
                emptying * x[1] - self.kabs * x[2],
                production + appearance - self.Fsnc - lost - self.k1 * x[3] + self.k2 * x[4],
                -used + self.k1 * x[3] - self.k2 * x[4],
                -(self.m2 + self.m4) * x[5] + self.m1 * x[9] + self.ka1 * x[10] + self.ka2 * x[11],
                self.p2u * (plasma - self.Ib - x[6]),
                self.ki * (plasma - x[7]),
                self.ki * (x[7] - x[8]),
                -(self.m1 + self.m30) * x[9] + self.m2 * x[5],
                PMOL * insulin / self.BW - (self.ka1 + self.kd) * x[10],
                self.kd * x[10] - self.ka2 * x[11],
                self.ksc * (x[3] - x[12]),
            ]
        )
        return jnp.where(NOT_NEGATIVE & (x < 0.0), 0.0, slope)

    def _emptying(self, stomach: AnyArray, meal: AnyArray) -> AnyArray:
        """Of the stomach, 1/min: fast when it is full or nearly empty of the meal, slow between."""
        fall = jnp.tanh(2.5 / (meal * (1.0 - self.b)) * (stomach - self.b * meal))
        rise = jnp.tanh(2.5 / (meal * self.d) * (stomach - self.d * meal))
        return self.kmin + 0.5 * (self.kmax - self.kmin) * (fall - rise + 2.0)


PARAMETERS = tuple(
    name for name in PadovaPatient.__annotations__ if name not in ("initial", "ratio", "correction")
)  # fmt: skip

POSITIVE = ("BW", "u2ss", "kmax", "kmin", "kabs", "b", "d", "Vg", "Vi", "Km0", "ksc")


def bitten(body: Body, grams: AnyArray | float) -> tuple[Body, AnyArray]:
    """What is eaten in this minute, g, and the books of it: a meal that begins notes what the stomach held."""
    on_table = body.queue + grams
    bite = jnp.minimum(on_table, EAT_RATE)
    begins = (bite > 0.0) & (body.is_eating <= 0.0)
    before = jnp.where(begins, body.amounts[0] + body.amounts[1], body.before)
    eaten = jnp.where(begins, 0.0, body.eaten) + bite
    is_eating = jnp.where(bite > 0.0, jnp.ones_like(body.is_eating), 0.0)
    return body._replace(queue=on_table - bite, before=before, eaten=eaten, is_eating=is_eating), bite


def padova_glucose(
    patient: PadovaPatient,
    meals: Float[AnyArray, "t"] | Any,
    insulin: Float[AnyArray, "t"] | Any,
    *,
    substeps: Any = SUBSTEPS,
) -> Float[AnyArray, "n"]:
    """Glucose of a patient from rest on, mg/dL, `(t + 1,)`: before the first minute and after each.

    - `meals`: `(t,)`, g of carbohydrates put on the table at each minute.  `insulin`: `(t,)`, U/min, basal included.
    - `substeps`: of the integration, in each minute.

    Many patients at once: stack them with `jax.tree.map`, and `equinox.filter_vmap` this function. Against the package
    `simglucose`, a day of three meals is off by at most 0.0011 mg/dL for each of its thirty patients with four
    substeps, 0.0097 with two, and 0.11 with one.
    """
    boundary.instance("patient", patient, PadovaPatient, 'sg.padova_patients("vpatient_params.csv")["adult#001"]')
    grams = boundary.real_array("meals", meals, axes=("t",), low=0.0)
    rate = boundary.real_array("insulin", insulin, axes=grams.shape, low=0.0)
    return _glucose(patient, grams, rate, boundary.whole_number("substeps", substeps, low=1))


def by_minute(patient: PadovaPatient, meals: AnyArray, insulin: AnyArray, substeps: int) -> AnyArray:
    """Glucose as `padova_glucose` says, not compiled."""

    def step(body, given):
        then = patient.minute(body, *given, substeps=substeps)
        return then, patient.glucose(then)

    start = patient.rest
    later = jax.lax.scan(step, start, (jnp.asarray(meals, float), jnp.asarray(insulin, float)))[1]
    return jnp.concatenate([patient.glucose(start)[None], later])


_glucose = eqx.filter_jit(by_minute)


def padova_patients(
    path: PathName, names: Any = None, *, ratios: PathName = None, limit: int = SIZE_LIMIT
) -> dict[str, PadovaPatient]:
    """Patients by name, from a table that you have: `vpatient_params.csv` of the package `simglucose`, or of its form.

    - `path`: a CSV file with a column `Name`, thirteen columns `x0_ 1` to `x0_13`, and one for each parameter of a
      `PadovaPatient`, by its name. Other columns are not read.
    - `names`: of the patients wanted, such as `["adult#001"]`; all of them when left out.
    - `ratios`: a CSV file with columns `Name`, `CR` and `CF` (`Quest.csv` of the package): what a unit makes up for.
      Without it two rules of thumb say it, see `PadovaPatient`.

    Raises `FileError` where a file cannot be read, and `InputError` where a column is missing, a cell is no number that
    a patient can have, or a name is not in the table. Simulated patients, not a medical device.
    """
    table = _table(path, (NAME, *INITIAL, *PARAMETERS), limit)
    told: dict[str, tuple[float, float]] = {}
    if ratios is not None:
        other = _table(ratios, (NAME, RATIO, CORRECTION), limit)
        pairs = zip(_cells(other, RATIO, True).tolist(), _cells(other, CORRECTION, True).tolist(), strict=True)
        told = dict(zip(other.column(NAME), pairs, strict=True))
    initial = np.stack([_cells(table, name) for name in INITIAL], axis=-1)
    columns = {name: _cells(table, name, name in POSITIVE, name in ("b", "d")) for name in PARAMETERS}
    known = table.column(NAME)
    wanted = known if names is None else [boundary.one_of("names", name, known) for name in names]
    made: dict[str, PadovaPatient] = {}
    for name in wanted:
        row = known.index(name)
        if ratios is not None:
            boundary.one_of("ratios", name, told)
        own = {column: float(values[row]) for column, values in columns.items()}
        made[name] = PadovaPatient(initial[row], *told.get(name, (None, None)), **own)
    return made


def _table(path: PathName, needed: tuple[str, ...], limit: int) -> CsvTable:
    table = read_table(path, limit, MAX_ROWS)
    for name in needed:
        if table.header.count(name) != 1:
            number = table.header.count(name)
            raise InputError(
                COLUMN,
                table.shown,
                position=f"column {name!r}",
                found="it is missing" if number == 0 else f"it stands there {number} times",
                allowed="each of these is needed once: " + ", ".join(needed),
                remedy="Give the table of the package simglucose, or add the column; columns found: "
                + printable(", ".join(table.header), 120),
            )
    known = table.column(NAME)
    if twice := [row for row, name in enumerate(known) if name in known[:row]]:
        raise bad_cells(table, NAME, twice, "a name stands there once")
    return table


def _cells(table: CsvTable, column: str, is_positive: bool = False, is_share: bool = False) -> np.ndarray:
    def cell(text: str) -> float:
        value = float(text.replace("_", "?"))
        if not np.isfinite(value) or value < 0.0 or (is_positive and value == 0.0) or (is_share and value >= 1.0):
            raise ValueError(text)
        return value

    bound = "above 0" if is_positive else "from 0 on"
    return parsed(table, column, cell, f"a finite number {bound}{' and below 1' if is_share else ''} is needed")
