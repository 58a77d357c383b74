"""Inputs that nobody should accept, over the whole public surface, and the program that hands them in.

`python -m oracles.bad_inputs` runs every case as a user would, without the type checker that the tests install, and
prints one line of JSON for each: what was raised, how complete its message is, and how much CPU it took.
"""

import copy
import datetime
import json
import re
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np

import stackelberg as sg


HUGE = 10**400
NOT_NUMBERS = ["1.5", None, 1 + 2j, True, {}, object(), [1.0], b"1", datetime.date(2020, 1, 1), lambda: 1]


# --- what can be wrong with one value -------------------------------------------------------------------------------


def cells(array):
    """Every cell of a small array, every tenth of a larger one."""
    positions = list(np.ndindex(np.shape(array)))
    return positions[:: max(1, len(positions) // 12)]


def replaced(array, position, value):
    """Nested lists with one entry replaced."""
    result = copy.deepcopy(np.asarray(array).tolist())
    row = result
    for index in position[:-1]:
        row = row[index]
    row[position[-1]] = value
    return result


def bad_arrays(good):
    """(what, value, position or None) for an array of real numbers."""
    good = np.asarray(good, float)
    for position in cells(good):
        for value in (np.nan, np.inf, -np.inf):
            poisoned = good.copy()
            poisoned[position] = value
            yield f"{value} at {position}", poisoned, position
        for value in ("x", None, 2j, True, HUGE, 2**53 + 1, [0.0], {}, np.datetime64("2020-01-01")):
            yield f"{value!r:.20} at {position}", replaced(good, position, value), None
    masked = np.ma.masked_array(good, mask=np.zeros(good.shape, bool))
    masked[(0,) * good.ndim] = np.ma.masked
    yield "masked cell", masked, (0,) * good.ndim
    yield "one axis more", good[None], None
    yield "empty", np.zeros((0,) * good.ndim), None
    yield "empty list", [], None
    if good.ndim > 1:
        yield "one axis less", good[0], None
        yield "ragged", [*good.tolist()[:-1], good.tolist()[-1][:-1]], None
        yield "no columns", good[..., :0], None
    for dtype in ("complex128", "bool", "U8", "S8", "M8[s]"):
        yield f"dtype {dtype}", np.zeros(good.shape, dtype), None
    for value in (
        "text",
        b"bytes",
        None,
        {},
        {1, 2},
        object(),
        lambda: 1,
        (x for x in [1.0]),
        np.array(None),
        range(0),
    ):
        yield f"{value!r:.20}", value, None
    yield "too large for float64", replaced(good, (0,) * good.ndim, HUGE), None
    yield "longdouble infinity", good.astype(np.longdouble) + np.longdouble("1e4000"), None


def bad_distributions(good):
    """Arrays that are real numbers but no distributions over their last axis."""
    yield from bad_arrays(good)
    good = np.asarray(good, float)
    first = (0,) * good.ndim
    for change in (-0.1, 0.1, 1e-6, -1e-6, 1e-8, 1.0, 1e300):
        other = good.copy()
        other[first] += change
        yield f"sum off by {change}", other, None
    negative = good.copy()
    negative[(*first[:-1], 0)] -= 1.0 + 1e-3
    yield "negative", negative, None
    yield "all zero", good * 0.0, None
    yield "weights", good * 7.0, None


def bad_numbers(low=None, high=None, infinite=False, none=False):
    """Values that are no number in [low, high]."""
    for value in NOT_NUMBERS:
        if not (none and value is None):
            yield f"{value!r:.20}", value, None
    yield "nan", float("nan"), None
    yield "-inf", float("-inf"), None
    if not infinite:
        yield "inf", float("inf"), None
        yield "huge", HUGE, None
    yield "array", np.zeros(3), None
    if low is not None:
        yield "below", np.nextafter(low, -np.inf), None
        yield "far below", -1e300, None
    if high is not None:
        yield "above", np.nextafter(high, np.inf), None


def bad_whole_numbers(low=0, high=None, none=False):
    """Values that are no whole number in [low, high]."""
    for value in (1.5, "3", None, 2.0 + 0j, True, [1], float("nan"), float("inf"), Fraction(1, 2), object(), low - 1):
        if not (none and value is None):
            yield f"{value!r:.20}", value, None
    if high is not None:
        yield "above", high + 1, None
        yield "far above", HUGE, None


def bad_names(count):
    """Values that are no `count` distinct names."""
    good = [f"n{index}" for index in range(count)]
    yield "too few", good[:-1], None
    yield "too many", [*good, "more"], None
    yield "text", "n" * count, None
    for value in ({}, 3, {"a"}, object(), (name for name in good)):
        yield f"{value!r:.20}", value, None
    for value in (
        "",
        "  ",
        3,
        None,
        "a\nb",
        "a\x00",
        "\x1b[31m",
        "a\u202eb",
        "\x9b0m",
        b"a",
        ["a"],
        float("nan"),
        "\ud800",
    ):
        yield f"name {value!r:.20}", [*good[:-1], value], None
    if count > 1:
        yield "doubled", [good[0]] * count, None


def bad_words(good):
    """Values that are none of the words of a closed list."""
    for value in (good[:-1], good.upper(), good + "s", "", None, 3, [good], b"x", "x" * 10_000, "\x00"):
        yield f"{value!r:.20}", value, None


def bad_texts():
    """Values that are no line of text."""
    for value in (3, None, ["a"], b"a", "a\nb", "\x1b[2J", {}, float("nan"), "\x00"):
        yield f"{value!r:.20}", value, None


def bad_objects(none=False):
    """Values that are no game, follower, log, model or record."""
    for value in (3, "text", [], {}, object(), 2.5, b"bytes", int, [[1.0]], None):
        if not (none and value is None):
            yield f"{value!r:.20}", value, None


# --- the public surface ---------------------------------------------------------------------------------------------

LEADER, FOLLOWER = [[2.0, 4.0, 0.0], [1.0, 3.0, 1.0]], [[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]]
REWARD = np.arange(8.0).reshape(2, 2, 2)
MOVES = np.full((2, 2, 2, 2), 0.5)
PLAIN = sg.NormalFormGame(LEADER, FOLLOWER)
LOG = sg.Choices.of([0, 1, 2], commitment=[0.5, 0.5], count=[5, 3, 2])

CONSTRUCTORS = {
    "NormalFormGame": (
        sg.NormalFormGame,
        {"leader_payoff": LEADER, "follower_payoff": FOLLOWER},
        {
            "leader_payoff": lambda: bad_arrays(LEADER),
            "follower_payoff": lambda: bad_arrays(FOLLOWER),
            "leader_actions": lambda: bad_names(2),
            "follower_actions": lambda: bad_names(3),
            "title": bad_texts,
        },
    ),
    "BayesianGame": (
        sg.BayesianGame,
        {"leader_payoff": [LEADER, LEADER], "follower_payoff": [FOLLOWER, LEADER], "prior": [0.25, 0.75]},
        {
            "leader_payoff": lambda: bad_arrays([LEADER, LEADER]),
            "follower_payoff": lambda: bad_arrays([FOLLOWER, LEADER]),
            "prior": lambda: bad_distributions([0.25, 0.75]),
            "types": lambda: bad_names(2),
            "title": bad_texts,
        },
    ),
    "SecurityGame": (
        sg.SecurityGame,
        {
            "leader_covered": [0.0, 0.0, 0.0],
            "leader_uncovered": [-5.0, -3.0, -1.0],
            "follower_covered": [-1.0, -1.0, -1.0],
            "follower_uncovered": [5.0, 3.0, 1.0],
            "resources": 1.0,
        },
        {
            **{
                name: lambda: bad_arrays([0.0, -3.0, -1.0])
                for name in ("leader_covered", "leader_uncovered", "follower_covered", "follower_uncovered")
            },
            "resources": lambda: bad_numbers(0.0),
            "features": lambda: bad_arrays(np.ones((3, 2))),
            "schedules": lambda: bad_arrays(np.eye(3)),
            "targets": lambda: bad_names(3),
            "title": bad_texts,
        },
    ),
    "MarkovGame": (
        sg.MarkovGame,
        {"leader_reward": REWARD, "follower_reward": -REWARD, "transition": MOVES, "initial": [0.5, 0.5], "horizon": 3},
        {
            "leader_reward": lambda: bad_arrays(REWARD),
            "follower_reward": lambda: bad_arrays(REWARD),
            "transition": lambda: bad_distributions(MOVES),
            "initial": lambda: bad_distributions([0.5, 0.5]),
            "horizon": lambda: bad_whole_numbers(1, none=True),
            "leader_discount": lambda: bad_numbers(0.0, 1.0),
            "follower_discount": lambda: bad_numbers(0.0, 1.0, none=True),
            "states": lambda: bad_names(2),
            "title": bad_texts,
        },
    ),
    "TariffGame": (
        sg.TariffGame,
        {"appeal": [2.0, 3.0], "price_sensitivity": 0.1, "cost": [6.0, 11.0], "low": 0.0, "high": 60.0},
        {
            "appeal": lambda: bad_arrays([2.0, 3.0]),
            "cost": lambda: bad_arrays([6.0, 11.0]),
            "price_sensitivity": lambda: bad_numbers(0.0),
            "low": bad_numbers,
            "high": bad_numbers,
            "capacity_cost": lambda: bad_numbers(0.0),
            "periods": lambda: bad_names(2),
            "title": bad_texts,
        },
    ),
    "QuantalResponse": (
        sg.QuantalResponse,
        {"inverse_temperature": 1.0},
        {
            "inverse_temperature": lambda: bad_numbers(0.0, infinite=True),
            "discount": lambda: bad_numbers(0.0, 1.0, none=True),
        },
    ),
    "BestResponse": (
        sg.BestResponse,
        {},
        {"ties": lambda: bad_words("leader"), "tolerance": lambda: bad_numbers(0.0, 1.0)},
    ),
    "SUQR": (sg.SUQR, {}, {"weights": lambda: bad_arrays([-9.0, 0.5, 0.2])}),
    "LinearResponse": (
        sg.LinearResponse,
        {"weights": [1.0, 2.0], "features": [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]},
        {
            "weights": lambda: bad_arrays([1.0, 2.0]),
            "features": lambda: bad_arrays(np.ones((3, 2))),
            "payoff_weight": bad_numbers,
        },
    ),
    "Mixture": (
        sg.Mixture,
        {"followers": [sg.BestResponse(), sg.QuantalResponse(1.0)], "weights": [0.5, 0.5]},
        {
            "weights": lambda: bad_distributions([0.5, 0.5]),
            "followers": lambda: (
                (f"{value!r:.20}", value, None) for value in ([], [1, 2], None, 3, "ab", [None, None])
            ),
        },
    ),
    "Trembling": (
        sg.Trembling,
        {"follower": sg.BestResponse(), "probability": 0.1},
        {"probability": lambda: bad_numbers(0.0, 1.0)},
    ),
    "LevelK": (sg.LevelK, {}, {"shares": lambda: bad_distributions([0.5, 0.25, 0.25])}),
    "MultipleLPs": (
        sg.MultipleLPs,
        {},
        {
            "ties": lambda: bad_words("adversary"),
            "epsilon": lambda: bad_numbers(0.0),
            "memory_limit": lambda: bad_numbers(0.0),
        },
    ),
    "GradientAscent": (
        sg.GradientAscent,
        {"follower": sg.QuantalResponse(1.0)},
        {
            "num_starts": lambda: bad_whole_numbers(1),
            "num_steps": lambda: bad_whole_numbers(1),
            "learning_rate": lambda: bad_numbers(0.0),
            "seed": lambda: bad_whole_numbers(0),
        },
    ),
    "QuantalStackelberg": (
        sg.QuantalStackelberg,
        {"follower": sg.QuantalResponse(1.0)},
        {
            "follower": lambda: bad_objects(),
            "announcement": lambda: bad_words("strategy"),
            "tolerance": lambda: bad_numbers(0.0, 1.0),
            "time_limit": lambda: bad_numbers(0.0, none=True),
            "memory_limit": lambda: bad_numbers(0.0),
        },
    ),
    "BackwardInduction": (
        sg.BackwardInduction,
        {"follower": sg.QuantalResponse(1.0, discount=0.0)},
        {
            "follower": lambda: bad_objects(),
            "announcement": lambda: bad_words("strategy"),
            "tolerance": lambda: bad_numbers(0.0, 1.0),
            "time_limit": lambda: bad_numbers(0.0, none=True),
        },
    ),
    "SecurityLP": (sg.SecurityLP, {}, {"ties": lambda: bad_words("adversary")}),
    "BayesianMILP": (sg.BayesianMILP, {}, {"time_limit": lambda: bad_numbers(0.0, none=True)}),
    "TypeEnumeration": (sg.TypeEnumeration, {}, {"max_vectors": lambda: bad_whole_numbers(1)}),
    "CorrelatedLP": (sg.CorrelatedLP, {}, {"memory_limit": lambda: bad_numbers(0.0)}),
    "solve_batch": (
        sg.solve_batch,
        {"leader_payoff": [LEADER], "follower_payoff": [FOLLOWER]},
        {
            "leader_payoff": lambda: bad_arrays([LEADER]),
            "follower_payoff": lambda: bad_arrays([FOLLOWER]),
            "ties": lambda: bad_words("leader"),
            "epsilon": lambda: bad_numbers(0.0),
        },
    ),
    "sample_choices": (
        sg.sample_choices,
        {"game": PLAIN, "follower": sg.QuantalResponse(1.0), "commitments": [[0.5, 0.5]], "num_plays": 10},
        {
            "game": lambda: bad_objects(),
            "follower": lambda: bad_objects(),
            "commitments": lambda: bad_distributions([[0.5, 0.5]]),
            "num_plays": lambda: bad_whole_numbers(1),
            "seed": lambda: bad_whole_numbers(0),
        },
    ),
    "fit_response": (
        sg.fit_response,
        {"choices": LOG, "game": PLAIN},
        {
            "choices": lambda: bad_objects(),
            "game": lambda: bad_objects(),
            "model": lambda: bad_objects(none=True),
            "level": lambda: bad_numbers(0.5, 1.0),
            "folds": lambda: bad_whole_numbers(0),
            "seed": lambda: bad_whole_numbers(0),
        },
    ),
    "landscape": (
        sg.landscape,
        {"game": PLAIN, "follower": sg.QuantalResponse(1.0)},
        {"game": lambda: bad_objects(), "follower": lambda: bad_objects()},
    ),
    "demand": (
        sg.demand,
        {"game": sg.day_tariff(2), "before": 10.0, "after": [10.0, 20.0], "follower": sg.QuantalResponse(1.0)},
        {
            "game": lambda: bad_objects(),
            "after": lambda: bad_arrays([10.0, 20.0]),
            "before": lambda: bad_arrays([10.0, 20.0]),
            "follower": lambda: bad_objects(),
        },
    ),
    "coverage_map": (
        sg.coverage_map,
        {"game": sg.patrol_park(2, 2, 1), "coverage": [0.25] * 4, "follower": sg.SUQR([-5.0, 0.5, 0.2, -0.1])},
        {
            "game": lambda: bad_objects(),
            "coverage": lambda: bad_arrays([0.25] * 4),
            "follower": lambda: bad_objects(),
            "grid": lambda: bad_objects(none=True),
        },
    ),
    "plot": (sg.plot, {}, {"record": lambda: bad_objects()}),
    "follower_from_json": (sg.follower_from_json, {}, {"data": lambda: bad_objects()}),
    "game_from_json": (sg.game_from_json, {}, {"data": lambda: bad_objects()}),
    "random_game": (
        sg.random_game,
        {"num_leader_actions": 2, "num_follower_actions": 2},
        {
            "num_leader_actions": lambda: bad_whole_numbers(1, 10_000),
            "num_follower_actions": lambda: bad_whole_numbers(1, 10_000),
            "seed": lambda: bad_whole_numbers(0),
        },
    ),
    "covariant_game": (
        sg.covariant_game,
        {"num_leader_actions": 2, "num_follower_actions": 2, "correlation": 0.5},
        {"correlation": lambda: bad_numbers(-1.0, 1.0)},
    ),
    "travellers_dilemma": (
        sg.travellers_dilemma,
        {},
        {"low": lambda: bad_whole_numbers(0), "high": lambda: bad_whole_numbers(2), "bonus": lambda: bad_numbers(0.0)},
    ),
    "grab_the_dollar": (
        sg.grab_the_dollar,
        {},
        {
            "num_times": lambda: bad_whole_numbers(1, 1000),
            "prize": bad_numbers,
            "loss": bad_numbers,
            "patience": lambda: bad_numbers(0.0, 1.0),
        },
    ),
    "duopoly": (
        sg.duopoly,
        {},
        {"num_steps": lambda: bad_whole_numbers(1, 1000), "demand": lambda: bad_numbers(0.0)},
    ),
    "patrol_park": (
        sg.patrol_park,
        {},
        {
            "num_rows": lambda: bad_whole_numbers(1, 100),
            "num_columns": lambda: bad_whole_numbers(1, 100),
            "resources": lambda: bad_numbers(0.0),
            "seed": lambda: bad_whole_numbers(0),
        },
    ),
    "day_tariff": (
        sg.day_tariff,
        {},
        {"num_periods": lambda: bad_whole_numbers(1, 96), "seed": lambda: bad_whole_numbers(0)},
    ),
    "catalog_game": (sg.catalog_game, {}, {"name": lambda: bad_words("conitzer-sandholm")}),
    "game_template": (sg.game_template, {}, {"kind": lambda: bad_words("normal-form")}),
    "Choices.of": (
        sg.Choices.of,
        {"action": [0, 1, 1]},
        {
            "action": lambda: bad_arrays([0.0, 1.0, 1.0]),
            "count": lambda: bad_arrays([3.0, 1.0, 1.0]),
            "period": lambda: bad_arrays([0.0, 1.0, 2.0]),
            "type": lambda: bad_arrays([0.0, 0.0, 0.0]),
        },
    ),
    "from_frequencies": (
        sg.from_frequencies,
        {"leader": [0.5, 0.5], "follower": [0.25, 0.75], "num_plays": 100},
        {
            "leader": lambda: bad_distributions([0.5, 0.5]),
            "follower": lambda: bad_distributions([0.25, 0.75]),
            "num_plays": lambda: bad_numbers(0.0),
        },
    ),
}

# What is allowed although the generators above call it bad.
ALLOWED = {
    ("BayesianGame", "leader_payoff", "one axis less"),  # one matrix for all types
    ("MarkovGame", "leader_reward", "one axis more"),
    ("MarkovGame", "follower_reward", "one axis more"),
    ("MarkovGame", "transition", "one axis more"),
    ("SecurityGame", "features", "None"),
    ("SecurityGame", "schedules", "None"),
    ("Choices.of", "count", "None"),
    ("Choices.of", "period", "None"),
    ("Choices.of", "type", "None"),
    ("LinearResponse", "payoff_weight", "below"),
    ("TariffGame", "cost", "one axis less"),
    ("SecurityGame", "schedules", "one axis more"),
}


def constructor_cases():
    for name, (build, good, fields) in CONSTRUCTORS.items():
        for field, poison in fields.items():
            for what, value, position in poison():
                if (name, field, what) not in ALLOWED:
                    yield (
                        f"{name}.{field}: {what}",
                        (lambda b=build, g=good, f=field, v=value: b(**{**g, f: v})),
                        position,
                    )


GAMES = {
    "normal form": sg.NormalFormGame(LEADER, FOLLOWER),
    "bayesian": sg.BayesianGame([LEADER, LEADER], [FOLLOWER, LEADER], [0.25, 0.75]),
    "markov": sg.MarkovGame(REWARD, -REWARD, MOVES, [0.5, 0.5], horizon=3),
}


def commitment_cases():
    """Commitments and responses, through everything that takes them."""
    human = sg.QuantalResponse(1.0)
    for name, game in GAMES.items():
        uniform = np.asarray(game.uniform_commitment())
        for what, value, position in bad_distributions(uniform):
            if name == "markov" and what == "one axis less":
                continue
            if name == "markov" and what == "one axis more":
                continue
            yield f"{name}.check_commitment: {what}", (lambda g=game, v=value: g.check_commitment(v)), position
            yield f"{name}: follower's commitment: {what}", (lambda g=game, v=value: human(g, v)), position
            yield f"{name}: evaluate's commitment: {what}", (lambda g=game, v=value: sg.evaluate(g, v, None)), position
    park = sg.patrol_park(2, 2, 1)
    for what, value, position in bad_arrays([0.25] * 4):
        yield f"security.check_commitment: {what}", (lambda v=value: park.check_commitment(v)), position
    for value in ([1.0, 1.0, 0.0, 0.0], [-0.1, 0.5, 0.5, 0.1], [1.1, 0.0, 0.0, 0.0]):
        yield f"security.check_commitment: {value}", (lambda v=value: park.check_commitment(v)), None
    tariff = sg.day_tariff(3)
    for what, value, position in bad_arrays([10.0, 20.0, 30.0]):
        yield f"tariff.check_commitment: {what}", (lambda v=value: tariff.check_commitment(v)), position
    for value in ([4.9, 10, 10], [10, 10, 60.1]):
        yield f"tariff.check_commitment: {value}", (lambda v=value: tariff.check_commitment(v)), None
    game = GAMES["normal form"]
    for what, value, position in bad_distributions([0.25, 0.25, 0.5]):
        yield f"evaluate's response: {what}", (lambda v=value: sg.evaluate(game, [0.5, 0.5], v)), position
    for value in (None, 3, "game", LEADER, object(), {}, sg.QuantalResponse(1.0)):
        yield f"evaluate's game: {value!r:.20}", (lambda v=value: sg.evaluate(v, [0.5, 0.5], [1.0, 0.0, 0.0])), None
        yield f"follower's game: {value!r:.20}", (lambda v=value: human(v, [0.5, 0.5])), None
        yield f"solve's game: {value!r:.20}", (lambda v=value: sg.solve(v)), None
        yield f"write_game's game: {value!r:.20}", (lambda v=value: sg.write_game(v, "x.json")), None
    for value in (3, "lp", object(), human):
        yield f"solve's method: {value!r:.20}", (lambda v=value: sg.solve(game, v)), None


def python_cases():
    yield from constructor_cases()
    yield from commitment_cases()


def warm_up():
    """The first call of everything pays for imports and compilation, which is not what is measured."""
    for build, good, _ in CONSTRUCTORS.values():
        try:
            build(**good)
        except TypeError:  # nothing valid is known without the field that is poisoned
            continue
    for game in GAMES.values():
        sg.evaluate(game, game.uniform_commitment(), sg.QuantalResponse(1.0)(game, game.uniform_commitment()))


# --- handing them in ------------------------------------------------------------------------------------------------


def verdict(call, position=None):
    """What happened, as plain values."""
    start = time.process_time()
    try:
        result = call()
    except sg.StackelbergError as error:
        spent = time.process_time() - start
        return {"outcome": "refused", "seconds": spent, "message": str(error), "lacks": lacking(error, position)}
    except Exception as error:
        return {"outcome": f"foreign: {type(error).__name__}: {error}"[:300], "seconds": time.process_time() - start}
    return {"outcome": f"accepted: {result!r}"[:200], "seconds": time.process_time() - start}


def lacking(error, position):
    """Which part of a complete message is missing: code, place, what was found, what to do."""
    message, lacks = str(error), []
    if not re.match(r"[EW]-[A-Z]+-\d{3} ", message):
        lacks.append("code")
    if isinstance(error, sg.InputError):
        lacks += [part for part in ("field", "found", "allowed", "remedy") if not getattr(error, part)]
        if position is not None and error.position != tuple(position):
            lacks.append(f"position {position}, said {error.position}")
    elif isinstance(error, sg.FileError):
        lacks += [part for part in ("path", "found", "remedy") if not getattr(error, part)]
    if len(message) > 2_000:
        lacks.append("brevity")
    if any(ord(mark) < 32 or 0x7F <= ord(mark) < 0xA0 for mark in message.replace("\n", "")):
        lacks.append("printable text")
    return lacks


def main():
    from oracles.bad_files import cli_cases, file_cases

    warm_up()
    with tempfile.TemporaryDirectory() as folder:
        sources = {"api": python_cases(), "file": file_cases(Path(folder)), "command line": cli_cases(Path(folder))}
        for source, cases in sources.items():
            for label, call, position in cases:
                found = verdict(call, position)
                if found["seconds"] > 0.05:  # once more: the first of its kind may have imported or compiled
                    found = {**found, "seconds": min(found["seconds"], verdict(call, position)["seconds"])}
                json.dump({"source": source, "label": label, **found}, sys.stdout)
                print()


if __name__ == "__main__":
    main()
