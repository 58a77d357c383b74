"""A reader of the layout of OhioT1DM. Every file here is made by hand by this test: none of it is a person's data."""

from datetime import datetime, timedelta

import numpy as np
import pytest

import stackelberg as sg


START = datetime(2021, 12, 7, 1, 17)
EPOCH = datetime(1970, 1, 1)


def stamp(minute):
    return (START + timedelta(minutes=float(minute))).strftime("%d-%m-%Y %H:%M:%S")


def made(seed=0, hours=20):
    """Events by hand: readings every five minutes with one silence of 50 minutes, boluses and meals."""
    generator = np.random.default_rng(seed)
    readings = {
        5 * k: float(round(130 + 60 * np.sin(k / 17 + seed) + 8 * generator.normal())) for k in range(hours * 12)
    }
    readings = {minute: value for minute, value in readings.items() if not 400 < minute < 450}
    boluses = {
        int(at): float(np.round(generator.uniform(0.2, 9.0), 1)) for at in generator.choice(hours * 60, 12, False)
    }
    meals = {int(at): float(generator.integers(5, 90)) for at in generator.choice(hours * 60, 9, False)}
    return readings, boluses, meals


def xml(readings, boluses, meals):
    event = lambda **values: "<event " + " ".join(f'{name}="{value}"' for name, value in values.items()) + "/>"
    rows = {
        "glucose_level": [event(ts=stamp(at), value=f"{value:g}") for at, value in readings.items()],
        "finger_stick": [event(ts=stamp(3), value="120")],
        "basal": [event(ts=stamp(0), value="0.9")],
        "temp_basal": [event(ts_begin=stamp(60), ts_end=stamp(90), value="0.0")],
        "bolus": [event(ts_begin=stamp(at), ts_end=stamp(at), type="normal", dose=dose, bwz_carb_input="40")
                  for at, dose in boluses.items()],
        "meal": [event(ts=stamp(at), type="Lunch", carbs=f"{grams:g}") for at, grams in meals.items()],
        "sleep": [event(ts_begin=stamp(0), ts_end=stamp(300), quality="3")],
        "exercise": [],
    }  # fmt: skip
    inner = "\n".join("\n".join([f"<{name}>", *events, f"</{name}>"]) for name, events in rows.items())
    patient = f'<patient id="1" weight="99" insulin_type="made up">\n{inner}\n</patient>'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{patient}\n'


def written(path, text=None, seed=0):
    path.write_text(xml(*made(seed)) if text is None else text, encoding="utf-8")
    return path


def by_hand(seed, step=30, gap=15):
    """Every row by its definition, one loop after the other: an independent second reading."""
    readings, boluses, meals = made(seed)
    zero = (START - EPOCH).total_seconds() / 60
    clock = sorted((zero + at, value) for at, value in readings.items())
    doses = [(zero + at, value) for at, value in boluses.items()]
    food = [(zero + at, value) for at, value in meals.items()]

    def last(when):
        return [pair for pair in clock if pair[0] <= when][-1][1]

    def seen(at):
        board = lambda events, keep: sum(v * keep ** (at - s) for s, v in events if s < at)
        told = sum(v for s, v in food if at <= s < at + step)
        turn = 2 * np.pi * (at / 1440 % 1)
        return [last(at) / 100, (last(at) - last(at - step)) / 30, board(doses, 119 / 120) / 5,
                board(food, 59 / 60) / 50, told / 50, np.sin(turn), np.cos(turn)]  # fmt: skip

    def pays(value):
        return max(value - 140, 0) ** 1.35 / 30 + max(80 - value, 0) ** 2 / 30

    rows = []
    for at in np.arange(np.ceil(zero / step) * step, clock[-1][0], step):
        window = [s for s, _ in clock if at - step <= s <= at + step]
        around = [max((s for s, _ in clock if s <= at - step), default=None), *window]
        around += [s for s, _ in clock if s > at + step][:1]
        if around[0] is None or clock[-1][0] < at + step or max(np.diff(around)) > gap:
            continue
        risk = np.mean([pays(value) for s, value in clock if at < s <= at + step])
        units = sum(v for s, v in doses if at <= s < at + step)
        rows.append((seen(at), units, min(max(1 - risk / 10, 0), 1), seen(at + step), at))
    return rows


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("levels", [(0.0, 1.0, 2.5, 5.0, 10.0), None])
def test_every_row_is_what_its_definition_says(tmp_path, seed, levels):
    data = sg.read_ohio(written(tmp_path / "made-by-hand.xml", seed=seed), levels=levels)
    rows = by_hand(seed)
    assert len(data) == len(rows) > 30
    now, units, reward, then, at = (np.array([row[k] for row in rows]) for k in range(5))
    np.testing.assert_allclose(data.observation, now, atol=1e-9)
    np.testing.assert_allclose(data.next_observation, then, atol=1e-9)
    np.testing.assert_allclose(data.reward, reward, atol=1e-9)
    if levels is None:
        np.testing.assert_allclose(data.action[:, 0], 2 * units / 25 - 1, atol=1e-12)
    else:
        np.testing.assert_array_equal(data.chosen, [int(np.argmin(np.abs(np.array(levels) - one))) for one in units])
        assert data.num_actions == 5
    # The silence of 50 minutes cuts one episode in two, and neither is said to have ended.
    assert data.num_episodes == 2
    np.testing.assert_array_equal(data.truncated, np.append(np.diff(at) > 30, True))
    assert not data.terminal.any()
    assert data.propensity is None


def test_the_order_of_boluses_and_meals_says_nothing_and_files_are_joined(tmp_path):
    readings, boluses, meals = made()
    turned = xml(readings, dict(reversed(boluses.items())), dict(reversed(meals.items())))
    one = written(tmp_path / "one.xml")
    data, other = sg.read_ohio(one), sg.read_ohio(written(tmp_path / "turned.xml", turned))
    np.testing.assert_allclose(other.observation, data.observation, atol=1e-12)
    np.testing.assert_array_equal(other.action, data.action)
    both = sg.read_ohio([one, written(tmp_path / "two.xml", seed=1)])
    assert len(both) == len(data) + len(sg.read_ohio(tmp_path / "two.xml"))
    assert both.num_episodes == 4


def test_it_goes_through_read_log_and_is_not_written(tmp_path):
    path = written(tmp_path / "made-by-hand.xml")
    data, same = sg.read_ohio(path), sg.read_log(path)
    for name in ("observation", "action", "reward", "next_observation", "terminal", "truncated", "episode"):
        np.testing.assert_array_equal(getattr(same, name), getattr(data, name))
    assert (same.num_actions, same.names) == (5, data.names)
    sg.write_log(data, tmp_path / "log.csv")
    np.testing.assert_array_equal(sg.read_log(tmp_path / "log.csv").reward, data.reward)
    with pytest.raises(sg.FileError, match="read only"):
        sg.write_log(data, tmp_path / "log.xml")


@pytest.mark.parametrize("minutes", [15, 60])
def test_longer_silences_may_be_allowed_and_steps_be_of_any_length(tmp_path, minutes):
    path = written(tmp_path / "made-by-hand.xml")
    data = sg.read_ohio(path, minutes=minutes)
    assert len(data) == len(by_hand_times(minutes, 15))
    if minutes == 60:
        assert sg.read_ohio(path, minutes=60, gap=60).num_episodes == 1
    with pytest.raises(sg.InputError, match="gap"):
        sg.read_ohio(path, minutes=minutes, gap=minutes + 1)


def by_hand_times(step, gap):
    return by_hand(0, step, gap)


FIRST_READING, FIRST_DOSE = f'<event ts="{stamp(0)}" value="', 'type="normal" dose="'
SWAPPED = (f'ts="{stamp(20)}"', f'ts="{stamp(5)}"')


def number(text, after, to):
    """The number that follows the first `after`, replaced."""
    head, _, tail = text.partition(after)
    return f'{head}{after}{to}"{tail.partition(chr(34))[2]}'


POISON = {
    "unordered": (lambda text: text.replace(*SWAPPED, 1), "E-OHIO-003", "line 8, section glucose_level, event 5"),
    "doubled": (lambda text: text.replace(stamp(5), stamp(0), 1), "E-OHIO-003", "does not come after"),
    "nan": (lambda text: number(text, FIRST_READING, "nan"), "E-OHIO-003", "line 4, section glucose_level, event 1"),
    "inf": (lambda text: number(text, FIRST_DOSE, "inf"), "E-OHIO-003", "dose='inf' cannot be used"),
    "words": (lambda text: number(text, FIRST_READING, "high"), "E-OHIO-003", "value='high'"),
    "mmol/L": (lambda text: number(text, FIRST_READING, "5.6"), "E-OHIO-003", "mg/dL"),
    "negative dose": (lambda text: number(text, FIRST_DOSE, "-1"), "E-OHIO-003", "from 0 to 100, in U"),
    "negative meal": (lambda text: number(text, 'type="Lunch" carbs="', "-4"), "E-OHIO-003", "section meal"),
    "month 13": (lambda text: text.replace("07-12-2021 01:17", "12-13-2021 01:17", 1), "E-OHIO-003", "day-month-year"),
    "no dose": (
        lambda text: text.replace('type="normal" dose=', 'type="normal" units=', 1),
        "E-OHIO-003",
        "has no dose",
    ),
    "no glucose": (lambda text: text.replace("glucose_level", "glucose"), "E-OHIO-002", "section glucose_level"),
    "no bolus": (lambda text: text.replace("bolus>", "boluses>"), "E-OHIO-002", "section bolus: it is missing"),
    "empty": (lambda text: xml({}, *made()[1:]), "E-OHIO-002", "no events"),
    "short": (lambda text: xml({0: 120.0, 5: 121.0}, {}, {}), "E-OHIO-002", "no 90 minutes in a row"),
    "twice": (lambda text: text.replace("<sleep>", "<bolus></bolus><sleep>"), "E-OHIO-001", "stands there twice"),
    "other root": (lambda text: text.replace("patient", "person"), "E-OHIO-001", "'patient' is needed"),
    "cut": (lambda text: text[:3000], "E-OHIO-001", "line"),
    "no XML": (lambda text: "ts,value\n1,2\n", "E-OHIO-001", "line 1"),
    "encoding": (lambda text: text.replace("UTF-8", "no-such"), "E-OHIO-001", "encoding"),
    "doctype": (lambda text: text.replace("<patient", "<!DOCTYPE patient><patient", 1), "E-OHIO-001", "document type"),
    "entity": (
        lambda text: text.replace("<patient", '<!DOCTYPE p [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><patient', 1),
        "E-OHIO-001",
        "document type",
    ),
    "deep": (lambda text: text.replace("<exercise>", "<exercise>" + "<a>" * 9 + "</a>" * 9), "E-OHIO-001", "deep"),
}


@pytest.mark.parametrize("kind", POISON)
def test_a_poisoned_file_is_refused_with_its_place(tmp_path, kind):
    change, code, words = POISON[kind]
    clean = xml(*made())
    poisoned = change(clean)
    assert poisoned != clean
    with pytest.raises(sg.StackelbergError) as caught:
        sg.read_ohio(written(tmp_path / "poisoned.xml", poisoned))
    assert caught.value.code == code
    assert words in str(caught.value)
    assert "poisoned.xml" in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "wrong",
    [
        {"minutes": 0},
        {"minutes": 35},
        {"levels": (1.0,)},
        {"levels": (2.0, 1.0)},
        {"levels": (0.0, np.nan)},
        {"largest": 0.0},
    ],
)
def test_settings_are_checked(tmp_path, wrong):
    with pytest.raises(sg.InputError):
        sg.read_ohio(written(tmp_path / "made-by-hand.xml"), **wrong)
    with pytest.raises(sg.InputError, match="largest"):
        sg.read_ohio(tmp_path / "made-by-hand.xml", levels=None, largest=0.5)
    with pytest.raises(sg.FileError):
        sg.read_ohio(tmp_path / "none.xml")
    with pytest.raises(sg.InputError):
        sg.read_ohio([])
