"""Logs of play over stages are read back to the last bit, and what is wrong in them is named by line and field."""

import dataclasses
import json

import jax
import numpy as np
import pytest
from typer.testing import CliRunner

import stackelberg as sg
from cli_runs.schemas import valid
from stackelberg.cli import app
from stackelberg.quantal.record import PlayRecord


def log(announcement="strategy", count=20):
    world = sg.MarkovWorld(sg.random_markov_game(2, 2, 3, 2, seed=1), sg.QuantalResponse(5.0), announcement)
    rng = np.random.default_rng(0)
    between = (3,) if announcement == "prescription" else ()
    with jax.enable_x64(True):
        announced = rng.dirichlet(np.ones(2), (count, 2, 2, *between))
        return sg.PlayLog(world.rules, jax.vmap(world.play)(announced, jax.random.split(jax.random.key(0), count)))


@pytest.mark.parametrize("announcement", ["strategy", "prescription"])
def test_what_is_written_is_read_back(tmp_path, announcement):
    written = log(announcement)
    sg.write_play(tmp_path / "log.jsonl", written)
    read = sg.read_play(tmp_path / "log.jsonl")
    for one, two in zip(jax.tree.leaves(written.episodes), jax.tree.leaves(read.episodes), strict=True):
        assert np.array_equal(np.asarray(one), np.asarray(two))
    assert read.rules.is_prescription == written.rules.is_prescription
    assert read.rules.shape == written.rules.shape
    assert float(read.rules.inverse_temperature) == 5.0


@pytest.fixture
def lines(tmp_path):
    sg.write_play(tmp_path / "log.jsonl", log(count=3))
    return [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("row", "field", "value", "words"),
    [
        (0, "schema", "other/1", "E-PLAY-001"),
        (0, "horizon", 0, "line 1: horizon"),
        (0, "states", [], "line 1: states"),
        (0, "initial", [0.5, 0.6], "line 1: initial"),
        (2, "announcement", None, "without it nothing can be told of the follower"),
        (2, "announcement", [[[0.7, 0.7]] * 2] * 2, "line 3: announcement"),
        (2, "announcement", [[[0.5, 0.5]] * 2] * 3, "line 3: announcement"),
        (1, "states", [0], "line 2: states"),
        (1, "states", [0, 9], "line 2: states"),
        (1, "follower_actions", ["x", 0], "line 2: follower_actions"),
        (3, "rewards", [0.1, 7.0], "line 4: rewards"),
        (3, "rewards", [0.1, "nan"], "line 4: rewards"),
        (3, "extra", 1, "line 4"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, lines, row, field, value, words):
    if value is None:
        del lines[row][field]
    else:
        lines[row][field] = value
    (tmp_path / "bad.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(sg.StackelbergError, match=words):
        sg.read_play(tmp_path / "bad.jsonl")


def test_next_answers_a_log_of_play_with_a_policy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STACKELBERG_CACHE", "")
    sg.write_play("log.jsonl", log())
    done = CliRunner().invoke(app, ["next", "log.jsonl", "--json"])
    assert done.exit_code == 0, done.output
    answer = valid(json.loads(done.stdout), "next")
    policy = np.asarray(answer["recommended"])
    assert policy.shape == (2, 2, 2)
    assert np.allclose(policy.sum(axis=-1), 1.0)
    assert answer["num_plays"] == 20.0
    shown = CliRunner().invoke(app, ["next", "log.jsonl"])
    assert "Policy after 20 episodes" in shown.stdout
    refused = CliRunner().invoke(app, ["next", "log.jsonl", "--agent", "response-estimation"])
    assert refused.exit_code == 2
    assert CliRunner().invoke(app, ["next", "log.csv"]).exit_code == 2


def test_a_row_of_the_record_holds_one_announcement_only():
    played = log(count=2)
    with jax.enable_x64(True):
        first, second = (jax.tree.map(lambda part, k=k: part[k], played.episodes) for k in (0, 1))
        record = PlayRecord.empty(played.rules, 2).add(first, 0)
        again = record.add(dataclasses.replace(second, commitment=first.commitment), 0)
        other, beyond = record.add(second, 0), record.add(second, 2)
    assert np.all(np.isfinite(np.asarray(again.answers)))
    assert np.isnan(np.asarray(other.answers)).any()
    assert np.isnan(np.asarray(beyond.answers)).any()
