"""Experiments as files: written and read again they are the same to the last bit, and nothing unknown gets in."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import stackelberg as sg
from stackelberg.experiments.spec import COSMETIC, TABLE, config_hash, settings as settings_of, variants


GAME = sg.catalog_game("conitzer-sandholm")


def experiment(**changes):
    world = sg.World(GAME, sg.QuantalResponse(5.0), num_plays=3)
    return sg.Experiment(sg.Repeated(sg.ResponseEstimation(capacity=50), world), 50, sg.Suboptimality(), **changes)


NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=64)


@given(
    payoffs=st.lists(NUMBERS.filter(lambda x: abs(x) < 1e300), min_size=8, max_size=8),
    rate=st.floats(0.0, math.inf, exclude_min=True),
    ridge=st.floats(5e-324, 1e300),
    seeds=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4, unique=True),
    title=st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), max_size=20),
)
@settings(max_examples=60)
def test_an_experiment_survives_both_formats_to_the_last_bit(tmp_path_factory, payoffs, rate, ridge, seeds, title):
    folder = tmp_path_factory.mktemp("files")
    game = sg.NormalFormGame(np.reshape(payoffs[:4], (2, 2)), np.reshape(payoffs[4:], (2, 2)), title=title)
    world = sg.World(game, sg.QuantalResponse(rate))
    one = sg.Experiment(sg.Repeated(sg.ResponseEstimation(ridge=ridge), world), 7, seeds=seeds, title=title)
    for suffix in ("toml", "json"):
        sg.write_experiment(one, folder / f"e.{suffix}")
        again = sg.read_experiment(folder / f"e.{suffix}")
        assert sg.experiment_to_json(again) == sg.experiment_to_json(one)
        assert again.learner.world.game.leader_payoff.tobytes() == game.leader_payoff.tobytes()
        assert again.learner.world.follower.inverse_temperature == rate
        assert again.learner.agent.ridge == ridge
        assert config_hash(again) == config_hash(one)


def test_what_decides_a_number_decides_the_hash_and_nothing_else_does():
    base = config_hash(experiment())
    for changes in ({"num_steps": 49}, {"seeds": [1]}, {"learner.agent.ridge": 0.5}, {"record_every": 7}):
        assert config_hash(sg.with_settings(experiment(), changes)) != base
    for changes in ({"title": "another"}, {"checkpoint_every": 9}):
        assert set(changes) < set(COSMETIC) | set(changes)
        assert config_hash(sg.with_settings(experiment(), changes)) == base


def every_key(data, path=()):
    """Every place in the plain values of an experiment where an object stands."""
    if isinstance(data, dict):
        yield path, data
        for name, entry in data.items():
            yield from every_key(entry, (*path, name))


def test_a_misspelt_key_is_refused_wherever_it_stands_and_its_neighbour_is_named():
    plain = sg.experiment_to_json(experiment())
    tried = 0
    for path, entries in list(every_key(plain)):
        for name in entries:
            if name in ("schema", "kind") or (path and path[0] == "over"):
                continue
            changed = json.loads(json.dumps(plain))
            place = changed
            for part in path:
                place = place[part]
            wrong = name[:1] + name[2:] + "x"
            place[wrong] = place.pop(name)
            with pytest.raises(sg.InputError) as problem:
                sg.experiment_from_json(changed)
            message = str(problem.value)
            assert wrong in message, message
            assert f"Did you mean {name!r}?" in message or "missing" in message, message
            tried += 1
    assert tried >= 18


def test_kinds_come_from_the_closed_table_alone():
    plain = sg.experiment_to_json(experiment())
    for kind in ("os.system", "builtins:eval", "stackelberg.World", "World", "__import__", "", None, 3, ["world"]):
        changed = json.loads(json.dumps(plain))
        changed["learner"]["world"]["kind"] = kind
        with pytest.raises(sg.InputError, match="kind"):
            sg.experiment_from_json(changed)
    assert all(isinstance(cls, type) for cls in TABLE.values())


def test_games_may_stand_as_names_or_files(tmp_path):
    plain = sg.experiment_to_json(experiment())
    sg.write_game(GAME, tmp_path / "game.json")
    for game in ({"kind": "catalog", "name": "conitzer-sandholm"}, {"kind": "file", "path": "game.json"}):
        plain["learner"]["world"]["game"] = game
        (tmp_path / "e.json").write_text(json.dumps(plain))
        assert config_hash(sg.read_experiment(tmp_path / "e.json")) == config_hash(experiment())
    plain["learner"]["world"]["game"] = {"kind": "catalog", "nmae": "conitzer-sandholm"}
    with pytest.raises(sg.InputError, match="Did you mean 'name'"):
        sg.experiment_from_json(plain)


def test_a_grid_is_every_combination_in_order():
    over = {"learner.agent.ridge": [1e-3, 1e-2], "learner.world.follower.inverse_temperature": [1.0, 2.0, 3.0]}
    grid = experiment(over=over)
    chosen = settings_of(grid)
    assert len(chosen) == 6
    assert chosen[1] == {"learner.agent.ridge": 1e-3, "learner.world.follower.inverse_temperature": 2.0}
    for one, setting in zip(variants(grid), chosen, strict=True):
        assert one.learner.agent.ridge == setting["learner.agent.ridge"]
        assert one.learner.world.follower.inverse_temperature == setting["learner.world.follower.inverse_temperature"]
        assert not one.over
    with pytest.raises(sg.InputError, match="twice"):
        experiment(over={"learner.agent.ridge": [1.0, 1.0]})
    with pytest.raises(sg.InputError, match="list"):
        experiment(over={"learner.agent.ridge": 1.0})


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"num_steps": 0}, "num_steps"),
        ({"num_steps": 2.5}, "num_steps"),
        ({"num_steps": 51}, "capacity"),
        ({"seeds": []}, "seeds"),
        ({"seeds": [1, 1]}, "twice"),
        ({"record_every": 0}, "record_every"),
        ({"learner.agent.ridge": -1.0}, "ridge"),
        ({"learner.agent.ridge": "small"}, "ridge"),
        ({"learner.agent.ridge": math.nan}, "finite"),
        ({"learner.agent.ridge.more": 1}, "ridge"),
        ({"learner.wrold.num_plays": 1}, "world"),
        ({"nothing": 1}, "nothing"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_name(changes, word):
    with pytest.raises(sg.InputError, match=word):
        sg.with_settings(experiment(), changes)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("e.toml", "num_steps = = 3", "line 1"),
        ("e.toml", "a = 1\na = 2", "a"),
        ("e.toml", 'schema = "stackelberg-game/1"', "stackelberg-experiment/1"),
        ("e.toml", "x = " + "[" * 5000, "E-SPEC-001|nest"),
        ("e.json", '{"schema": "stackelberg-experiment/1", "schema": 1}', "twice"),
        ("e.json", "[]", "schema"),
        ("e.yaml", "a: 1", "toml"),
    ],
)
def test_a_file_that_is_no_experiment_is_refused(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises((sg.InputError, sg.FileError), match=words):
        sg.read_experiment(tmp_path / name)


def test_a_learner_of_your_own_runs_resumes_and_is_read_without_its_class(tmp_path):
    """Its file form tells it apart, its record can be read by anyone, and no file makes an object of it."""
    from oracles.learners import Descent

    own = sg.Experiment(Descent(0.1), 30, seeds=3, over={"learner.learning_rate": [0.1, 0.2]})
    record = sg.run(own, tmp_path / "own")
    assert record.metrics["loss"].shape == (30, 2, 3)
    assert record.meaning("loss").unit == "payoff"
    assert sg.read_run(tmp_path / "own").final("loss").shape == (2, 3)
    assert sg.verify(tmp_path / "own").problems == ()
    assert config_hash(own) != config_hash(sg.Experiment(Descent(0.3), 30, seeds=3))
    data = sg.experiment_to_json(own)
    assert data["learner"]["kind"] == "own:Descent"
    with pytest.raises(sg.InputError, match="class of the program"):
        sg.experiment_from_json(data)
