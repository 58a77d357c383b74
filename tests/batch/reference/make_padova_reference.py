"""A frozen day of five simulated patients, computed by the package `simglucose`: writes `padova_reference.json`.

It needs an environment of its own, because the package asks for old versions of others. The tests need only its result:

    python -m venv reference-environment
    reference-environment/bin/pip install numpy scipy pandas matplotlib "setuptools<81"
    reference-environment/bin/pip install --no-deps simglucose==0.2.11
    reference-environment/bin/python tests/batch/reference/make_padova_reference.py

- `setuptools<81`: the package imports `pkg_resources`, which later versions do not have.
- `gym`: the package registers environments with it when imported. Nothing here uses them, so that stubs stand in.

The package's own patient is driven minute by minute: the basal rate at rest, and three meals, each met by one bolus in
one minute. `simglucose` is MIT-licensed, and its notice stands in the file. Simulated patients, not a medical device.
"""

import importlib.metadata
import json
import sys
import types
from pathlib import Path


DAY, EVERY = 1_440, 5

MEALS = {60: 45.0, 330: 70.0, 345: 8.0, 780: 60.0}
"""Minute and grams; a dessert comes before the meal at 330 is eaten up or digested."""

PATIENTS = {
    "adult#001": (10.0, 1.0),
    "adolescent#001": (12.0, 1.0),
    "child#001": (25.0, 0.5),
    "adult#006": (10.0, 1.0),
    "child#007": (25.0, 0.5),
}
"""Grams that one unit makes up for, and the share of each meal that is eaten; the last two are the hardest to integrate
of the thirty."""

NOTICE = "Parameters and values of five patients from the package simglucose, under the licence below."


def stub_gym():
    """Modules by the names that the package imports from."""
    names = ("gym", "gym.envs", "gym.envs.registration")
    made = {name: types.ModuleType(name) for name in names}
    made["gym.envs.registration"].register = lambda *_, **__: None
    made["gym"].envs, made["gym.envs"].registration = made["gym.envs"], made["gym.envs.registration"]
    made["gym"].Env = object
    sys.modules.update(made)


def a_day(name, ratio, share):
    """Glucose of one patient every five minutes, from before the first minute on."""
    from simglucose.patient.t1dpatient import Action, T1DPatient

    patient = T1DPatient.withName(name)
    row = patient._params
    basal = float(row["u2ss"]) * float(row["BW"]) / 6000.0
    meals = [[minute, share * grams] for minute, grams in MEALS.items()]
    boluses = [[minute, round(grams / ratio, 2)] for minute, grams in meals]
    eaten, given = dict(meals), dict(boluses)
    glucose = []
    for minute in range(DAY + 1):
        if minute % EVERY == 0:
            glucose.append(round(float(patient.observation.Gsub), 6))
        patient.step(Action(CHO=eaten.get(minute, 0.0), insulin=basal + given.get(minute, 0.0)))
    parameters = {key: (value if isinstance(value, str) else float(value)) for key, value in row.items()}
    return {"parameters": parameters, "meals": meals, "boluses": boluses, "glucose": glucose}


def main():
    stub_gym()
    made = {
        "schema": "padova-reference/1",
        "package": f"simglucose {importlib.metadata.version('simglucose')}",
        "notice": NOTICE,
        "licence": " ".join((importlib.metadata.distribution("simglucose").read_text("LICENSE") or "").split()),
        "units": "meals: minute, g of carbohydrates; boluses: minute, U, on top of the basal rate; glucose: mg/dL",
        "every": EVERY,
        "patients": {name: a_day(name, *how) for name, how in PATIENTS.items()},
    }
    text = json.dumps(made, indent=None, separators=(",", ":"))
    text = text.replace('},"', '},\n"').replace('],"', '],\n"').replace('{"parameters"', '\n{"parameters"')
    Path(__file__).with_name("padova_reference.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
