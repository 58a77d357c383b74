"""`stackelberg learn` as a person calls it: on a file, to text, JSON, a page and a policy."""

import json
from importlib import resources
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from typer.testing import CliRunner

import stackelberg as sg
from stackelberg.cli import app


RUNNER = CliRunner()
LOG = str(Path(__file__).parents[2] / "examples" / "grid-log.csv")


def called(*arguments):
    done = RUNNER.invoke(app, ["learn", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_log_becomes_a_policy_a_page_and_valid_json(tmp_path):
    page, file = tmp_path / "page.html", tmp_path / "policy.npz"
    words = ["--reward-range", "0", "1", "--steps", "60", "--json", "--report", str(page), "--policy", str(file)]
    data = json.loads(called(LOG, *words))
    schema = json.loads(resources.files("stackelberg.cli").joinpath("schema", "learn.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(data, schema)
    lows = [one["lower"] for one in data["learned"]["candidates"]]
    assert data["learned"]["value"]["low"] == max(lows)
    assert data["files"] == [str(file), str(page)]
    html = page.read_text()
    for words in ("When not to trust this", "Key numbers", "data:image/png;base64", "Content-Security-Policy"):
        assert words in html
    assert "http://" not in html
    policy = sg.read_batch_policy(file)
    assert policy.greedy(np.arange(25.0)[:, None]).shape == (25, 1)


def test_coverage_alone_learns_nothing():
    out = called(LOG, "--coverage")
    assert "600 rows in 12 episodes" in out
    assert "weight" not in out


def test_estimates_that_rest_on_nothing_are_marked():
    out = called(LOG, "--reward-range", "0", "1", "--steps", "60", "-q")
    assert "leave them aside" in out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("state,action,reward,terminal\n0,0,nan,1\n", "reward"),
        ("state,action,reward\n0,0,1\n", "terminal"),
        ("state,action,reward,terminal\n0,0,1,0\n", "no end"),
        ("state,action,reward,terminal\n0,0.5,1,1\n", "action"),
    ],
)
def test_a_log_that_is_wrong_is_refused_in_words(tmp_path, text, words):
    path = tmp_path / "log.csv"
    path.write_text(text)
    done = RUNNER.invoke(app, ["learn", str(path)])
    assert done.exit_code in (2, 3)
    assert words in done.stderr
    assert "Traceback" not in done.output
