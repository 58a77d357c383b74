"""The UVA/Padova patient against the package's own, frozen in `reference/`; its table; the world to control."""

import json
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import stackelberg as sg
from stackelberg.experiments.catalog.batch_glucose import days_in, log_of, padova_worlds, sloppy
from stackelberg.games.control import episodes_of
from stackelberg.games.domains import padova
from stackelberg.games.domains.dosing import payment, risk
from stackelberg.games.domains.padova_control import AT


REFERENCE = json.loads((Path(__file__).parent / "reference" / "padova_reference.json").read_text(encoding="utf-8"))
PATIENTS = tuple(REFERENCE["patients"])
BOUND = 1e-2
"""mg/dL over 24 hours."""


def table(path, change=lambda text: text):
    """The reference's patients as a file of the package's columns."""
    rows = [one["parameters"] for one in REFERENCE["patients"].values()]
    lines = [",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]
    path.write_text(change("\n".join(lines) + "\n"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def patients(tmp_path_factory):
    return sg.padova_patients(table(tmp_path_factory.mktemp("padova") / "patients.csv"))


def day(name, patient):
    """Meals and insulin of the reference, minute by minute."""
    known = REFERENCE["patients"][name]
    meals, insulin = np.zeros(1_440), np.full(1_440, patient.basal)
    for given, into in ((known["meals"], meals), (known["boluses"], insulin)):
        for minute, amount in given:
            into[minute] += amount
    return meals, insulin


def error(name, glucose):
    """mg/dL by which it is off, at worst."""
    return np.abs(np.asarray(glucose)[:: REFERENCE["every"]] - REFERENCE["patients"][name]["glucose"]).max()


@pytest.mark.parametrize("name", PATIENTS)
def test_a_day_of_meals_and_boluses_is_the_day_of_the_package(patients, name):
    meals, insulin = day(name, patients[name])
    with jax.enable_x64(True):
        assert error(name, sg.padova_glucose(patients[name], meals, insulin)) < BOUND / 10.0
        assert error(name, sg.padova_glucose(patients[name], meals, insulin, substeps=2)) < BOUND
        once = error(name, sg.padova_glucose(patients[name], meals, insulin, substeps=1))
        # One substep is enough for three of them, and not for the two whose stomachs empty most abruptly.
        assert (once < BOUND) == (name not in ("adult#006", "child#007"))
    assert error(name, sg.padova_glucose(patients[name], meals, insulin)) < BOUND


CORRECT = padova.bitten


def no_latch(body, grams):
    """Planted: a meal that begins does not note what the stomach holds."""
    then, bite = CORRECT(body, grams)
    return then._replace(before=body.before), bite


def no_new_count(body, grams):
    """Planted: a meal that begins goes on counting what was eaten of the last."""
    then, bite = CORRECT(body, grams)
    return then._replace(eaten=body.eaten + bite), bite


def at_once(body, grams):
    """Planted: a meal is eaten within its minute."""
    then, bite = CORRECT(body, grams)
    return then._replace(queue=jnp.zeros_like(bite), eaten=then.eaten + then.queue), bite + then.queue


@pytest.mark.parametrize("bug", [no_latch, no_new_count, at_once], ids=lambda bug: bug.__name__)
@pytest.mark.parametrize("name", PATIENTS[:3])
def test_a_planted_bug_would_be_noticed(patients, name, bug, monkeypatch):
    meals, insulin = day(name, patients[name])
    # A function of its own each time, so that nothing compiled before is used again.
    run = lambda: eqx.filter_jit(lambda one: padova.by_minute(one, meals, insulin, 4))(patients[name])
    with jax.enable_x64(True):
        monkeypatch.setattr(padova, "bitten", bug)
        assert error(name, run()) > 10.0 * BOUND
        monkeypatch.setattr(padova, "bitten", CORRECT)
        assert error(name, run()) < BOUND


@pytest.mark.parametrize("name", PATIENTS)
def test_at_rest_nothing_moves_and_what_is_eaten_reaches_the_gut_once(patients, name):
    one = patients[name]
    nothing, basal = np.zeros(1_440), np.full(1_440, one.basal)
    with jax.enable_x64(True):
        calm = np.asarray(sg.padova_glucose(one, nothing, basal))
        np.testing.assert_allclose(calm, calm[0], atol=0.05)

        @eqx.filter_jit
        def absorbed(one):
            """g that left the gut by the trapezium rule, and g that are still inside."""

            def step(body, grams):
                then = one.minute(body, grams, one.basal, substeps=2)
                return then, 0.5 * one.kabs * (body.amounts[2] + then.amounts[2])

            body, out = jax.lax.scan(step, one.rest, jnp.zeros(1_440).at[10].set(37.0))
            return jnp.sum(out) / 1e3, jnp.sum(body.amounts[:3]) / 1e3 + body.queue

        out, inside = absorbed(one)
    assert float(out + inside) == pytest.approx(37.0, abs=0.01)


def test_patients_side_by_side_are_patients_one_by_one(patients):
    inputs = {name: day(name, patients[name]) for name in PATIENTS}
    with jax.enable_x64(True):
        together = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(patients[name] for name in PATIENTS))
        meals, insulin = (jnp.stack([inputs[name][k] for name in PATIENTS]) for k in (0, 1))
        found = eqx.filter_vmap(sg.padova_glucose)(together, meals, insulin)
        for row, name in enumerate(PATIENTS):
            alone = sg.padova_glucose(patients[name], *inputs[name])
            np.testing.assert_allclose(found[row], alone, rtol=1e-10)


def test_names_ratios_and_the_rules_of_thumb(tmp_path, patients):
    path = table(tmp_path / "patients.csv")
    assert list(sg.padova_patients(path, ["child#001"])) == ["child#001"]
    daily = 2.0 * 24.0 * 60.0 * patients["adult#001"].basal
    assert patients["adult#001"].ratio * daily == pytest.approx(500.0)
    assert patients["adult#001"].correction * daily == pytest.approx(1800.0)
    told = tmp_path / "ratios.csv"
    told.write_text("Name,CR,CF,Age\nadult#001,10,8.8,61\n")
    one = sg.padova_patients(path, ["adult#001"], ratios=told)["adult#001"]
    assert (one.ratio, one.correction) == (10.0, 8.8)
    with pytest.raises(sg.InputError, match=r"adolescent#001.*must be one of adult#001"):
        sg.padova_patients(path, ratios=told)


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (lambda text: text.replace(",kabs,", ",kabz,"), "E-TABLE-006", "column 'kabs': it is missing"),
        (lambda text: text.replace(",kmin,", ",kmax,"), "E-TABLE-006", "column 'kmax': it stands there 2 times"),
        (lambda text: text.replace("x0_13", "x0_14"), "E-TABLE-006", "'x0_13'"),
        (lambda text: text.replace("102.32", "inf"), "E-TABLE-004", "line 2, column 'BW': 'inf'"),
        (lambda text: text.replace("102.32", "nan"), "E-TABLE-004", "line 2, column 'BW': 'nan'"),
        (lambda text: text.replace("102.32", "0"), "E-TABLE-004", "above 0"),
        (lambda text: text.replace("102.32", "heavy"), "E-TABLE-004", "'heavy' cannot be used"),
        (lambda text: text.replace("child#001", "adult#001"), "E-TABLE-004", "column 'Name'"),
        (lambda text: text.splitlines()[0], "E-TABLE-001", "no rows"),
    ],
)
def test_a_table_that_cannot_be_used_is_named_with_its_place(tmp_path, change, code, words):
    with pytest.raises(sg.StackelbergError) as caught:
        sg.padova_patients(table(tmp_path / "patients.csv", change))
    assert caught.value.code == code
    assert words in str(caught.value)
    assert caught.value.remedy


def test_a_missing_file_an_unknown_name_and_a_patient_by_hand(tmp_path, patients):
    with pytest.raises(sg.FileError, match="cannot be read"):
        sg.padova_patients(tmp_path / "none.csv")
    with pytest.raises(sg.InputError, match=r"adult#002.*Did you mean 'adult#00"):
        sg.padova_patients(table(tmp_path / "patients.csv"), ["adult#002"])
    own = {name: getattr(patients["adult#001"], name) for name in padova.PARAMETERS}
    assert sg.PadovaPatient(np.zeros(13), **own).BW == 102.32
    for changes in ({"kp1": np.nan}, {"BW": 0.0}, {"b": 1.5}, {"weight": 70.0}):
        with pytest.raises(sg.InputError):
            sg.PadovaPatient(np.zeros(13), **(own | changes))
    with pytest.raises(sg.InputError, match="kp1"):
        sg.PadovaPatient(np.zeros(13), **{name: own[name] for name in own if name != "kp1"})
    with pytest.raises(sg.InputError):
        sg.padova_glucose(patients["adult#001"], np.zeros(10), np.zeros(9))
    with pytest.raises(sg.InputError):
        sg.padova_glucose(patients["adult#001"], -np.ones(10), np.zeros(10))


def played(world, multiple, episodes=4):
    return episodes_of(world, lambda state, key: jax.nn.one_hot(multiple, 5), jr.key(0), episodes)


def test_the_world_to_control_is_the_patient_with_the_meals_and_boluses_it_says(patients):
    one = patients["adult#001"]
    with jax.enable_x64(True):
        world = sg.PadovaControl(one, 24, noise=0.0)
        found = eqx.filter_jit(played)(world, 2, 1)
        state = np.asarray(found.state[0])
        meals, insulin = np.zeros(24 * 30), np.full(24 * 30, one.basal)
        units = np.array([float(world.calculator(row)) for row in state])
        meals[::30] = state[:, AT["meal"]]
        insulin[::30] += 0.05 * np.round(units / 0.05)
        start = one.rest._replace(amounts=jnp.asarray(state[0, :13]))
        step = lambda body, given: (lambda then: (then, one.glucose(then)))(one.minute(body, *given, substeps=2))
        glucose = np.asarray(jax.lax.scan(step, start, (jnp.asarray(meals), jnp.asarray(insulin)))[1]).reshape(24, 30)
    then = np.asarray(found.then[0])
    np.testing.assert_allclose(then[:, 12] / one.Vg, glucose[:, -1], rtol=1e-9)
    np.testing.assert_allclose(found.reward[0], payment(risk(glucose).mean(axis=1)), rtol=1e-6)
    seen = np.asarray(world.observed(then))
    sensed = glucose[:, 2::3]
    assert seen.shape == (24, 11)
    assert len(world.observation_names) == 11
    expected = [sensed[:, -1], (sensed[:, -1] - sensed[:, 4]) * 10.0, sensed.mean(axis=1), sensed.min(axis=1)]
    np.testing.assert_allclose(100.0 * seen[:, :4].T, expected, rtol=1e-5, atol=2e-3)
    np.testing.assert_allclose(100.0 * seen[4:, 4:6], np.stack([sensed[2:-2, -1], sensed[:-4, -1]], axis=-1), rtol=1e-5)
    assert np.abs(units).max() > 1.0


def test_boluses_help_and_the_noise_is_the_sensors(patients):
    world = sg.PadovaControl(patients["adult#001"], 48)
    none, usual = played(world, 0), played(world, 2)
    share = lambda one: float(np.mean((world.glucose(one.then) > 70.0) & (world.glucose(one.then) < 180.0)))
    assert share(usual) > share(none) + 0.2
    assert float(usual.reward.mean()) > float(none.reward.mean())
    assert float(none.reward.min()) >= 0.0
    assert float(none.reward.max()) <= 1.0
    noise = np.asarray(none.then[..., AT["now"]]) - np.asarray(world.glucose(none.then))
    assert 6.0 < noise.std() < 20.0
    np.testing.assert_array_equal(world.settled(none.then[0, 5]), none.then[0, 5])


def test_a_log_of_a_padova_patient(patients):
    world = sg.PadovaControl(patients["child#001"], 12)
    act = lambda state, key: jax.nn.one_hot(jr.randint(key, (), 0, 5), 5)
    data = sg.control_log(world, act, 100, jr.key(0), observe=world.observed, names=world.observation_names)
    assert (len(data), data.num_actions, data.observation.shape[1]) == (100, 5, 11)
    assert not data.terminal.any()


def test_pooled_logs_and_days_of_padova_patients(tmp_path):
    path = table(tmp_path / "patients.csv")
    worlds = padova_worlds(path, ["adult#001", "adolescent#001"])
    assert [world.num_steps for world in worlds] == [144, 144]
    short = [sg.PadovaControl(world.patient, 8) for world in worlds]
    data = log_of(short, sloppy, 40, 0)
    assert (len(data), data.names) == (40, short[0].observation_names)
    days = days_in(short, None)
    np.testing.assert_allclose(days["in_range"] + days["below"] + days["above"], 1.0, atol=1e-6)
    assert set(days) == {"in_range", "below", "far_below", "above", "reward"}
