"""Decision processes in files and at the command line."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import stackelberg as sg
from stackelberg.cli import app
from stackelberg.games.generators_process import random_process


RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STACKELBERG_CACHE", "")
    monkeypatch.setattr(sys, "argv", ["stackelberg"])


def run(*arguments):
    return RUNNER.invoke(app, ["process", *arguments])


@pytest.mark.parametrize("name", sg.process_names())
def test_a_process_is_the_same_after_a_file(name):
    process = sg.decision_process(name)
    sg.write_process(process, "one.json")
    again = sg.read_process("one.json")
    for field in ("transition", "reward", "initial", "terminal"):
        np.testing.assert_array_equal(getattr(again, field), getattr(process, field))
    assert (again.horizon, again.discount, again.states, again.actions, again.title) == (
        process.horizon, process.discount, process.states, process.actions, process.title
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"schema": "stackelberg-game/1"}, "E-FILE-013", "process new"),
        ({"transition": [[[0.5, 0.4]], [[0.0, 1.0]]]}, "E-INPUT", "one.json: transition"),
        ({"rewards": 3}, "E-CODEC", "reward"),
        ({"horizon": 0}, "E-INPUT", "one.json: horizon"),
        ({"reward": [[[0.0, float("nan")]], [[0.0, 0.0]]]}, "E-", "one.json"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_place(change, code, words):
    sg.write_process(sg.DecisionProcess([[[0, 1]], [[0, 1]]], [[[0, 1]], [[0, 0]]], [1, 0], horizon=3), "one.json")
    data = json.loads(Path("one.json").read_text()) | change
    Path("one.json").write_text(json.dumps(data))
    with pytest.raises(sg.StackelbergError, match=code) as raised:
        sg.read_process("one.json")
    assert words in str(raised.value)


def test_the_trap_is_that_of_the_catalog():
    """From the command line: the exact answers that the processes stand with, and the policies behind them."""
    listed = {one["name"]: one for one in json.loads(run("list", "--json").stdout)["processes"]}
    assert list(listed) == list(sg.process_names())
    for name in ("simple-2", "fork"):
        done = run("trap", name, "--json")
        assert done.exit_code == 0, done.output
        told, process = json.loads(done.stdout), sg.decision_process(name)
        assert told["best_value"] == pytest.approx(listed[name]["best_value"], abs=1e-9)
        assert told["worst_equilibrium"] == pytest.approx(listed[name]["worst_equilibrium"], abs=1e-9)
        assert told["model_as_leader"] == pytest.approx(told["worst_equilibrium"], abs=1e-9)
        assert told["policy_as_leader"] == pytest.approx(told["best_value"], abs=1e-9)
        for one in told["equilibria"]:
            policy = np.eye(process.shape[1])[np.zeros(process.shape[0], int)]
            for state, action in one["policy"].items():
                policy[process.states.index(state)] = np.eye(process.shape[1])[process.actions.index(action)]
            assert float(process.value(policy)) == pytest.approx(one["value"], abs=1e-9)


def test_a_process_of_ones_own_is_looked_through_and_drawn():
    assert run("new", "mine.json").exit_code == 0
    data = json.loads(Path("mine.json").read_text())
    data["reward"][1][1][0] = -1.0  # entering A costs
    Path("mine.json").write_text(json.dumps(data))
    assert "leads to" in run("show", "mine.json").stdout
    done = run("trap", "mine.json", "--plot", "trap", "--planning-discount", "0.9")
    assert done.exit_code == 0, done.output
    assert "There is a trap" in done.stdout
    assert all(Path(f"trap.{suffix}").stat().st_size > 0 for suffix in ("png", "svg", "csv"))


def test_a_process_without_an_end_or_a_choice_has_an_answer_too():
    sg.write_process(random_process(3, 2, 1), "endless.json")
    told = json.loads(run("trap", "endless.json", "--json").stdout)
    assert told["best_value"] >= told["policy_as_leader"] - 1e-9
    sg.write_process(sg.DecisionProcess([[[1.0]]], [[[2.0]]], [1], horizon=3), "alone.json")
    assert "There is no trap" in run("trap", "alone.json").stdout


def test_what_is_too_large_or_out_of_range_is_refused_in_words():
    sg.write_process(random_process(12, 4, 1), "large.json")
    done = run("trap", "large.json")
    assert done.exit_code == 2
    assert "100,000" in done.stderr
    assert run("trap", "simple-2", "--planning-discount", "1.5").exit_code == 2
    assert "Did you mean 'simple-2'" in run("show", "simpel-2").stderr
