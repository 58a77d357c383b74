"""`sweep`: a grid from the command line, here as one compiled run."""

import json

import pytest

import stackelberg as sg

from .conftest import EXPERIMENT
from .schemas import valid


@pytest.fixture(scope="module")
def swept(tmp_path_factory, command):
    folder = tmp_path_factory.mktemp("swept")
    (folder / "small.toml").write_text(EXPERIMENT)
    words = ["--over", "learner.agent.ridge=0.001,0.1", "--on", "batch", "--set", "num_steps=40"]
    done = command(folder, "sweep", "small.toml", *words, "--json")
    assert done.returncode == 0, done.stderr
    return folder, done


def test_every_setting_and_seed_is_run(swept):
    folder, done = swept
    answer = valid(json.loads(done.stdout), "sweep")
    assert answer["settings"] == [{"learner.agent.ridge": 0.001}, {"learner.agent.ridge": 0.1}]
    assert answer["status"] == "complete"
    record = sg.read_record(folder / "runs" / "small-sweep")
    assert answer["metrics"]["estimate"]["final"] == record.final("estimate").tolist()
    assert record.final("estimate").shape == (2, 2)
    assert "1/1 jobs done" not in done.stdout
    assert "runs/small-sweep: 0/1 jobs done" in done.stderr


def test_a_sweep_is_listed_shown_drawn_and_reported(swept, invoke, monkeypatch):
    folder, _ = swept
    monkeypatch.chdir(folder)
    (entry,) = valid(json.loads(invoke("runs", "list", "--json").stdout), "runs-list")["runs"]
    assert (entry["path"], entry["runs"], entry["complete"]) == ("runs/small-sweep", 4, 4)
    assert "ridge" in invoke("runs", "show", "runs/small-sweep").stdout
    for kind in ("comparison", "sensitivity"):
        assert invoke("plot", "runs/small-sweep", "--kind", kind).exit_code == 0
    assert invoke("report", "runs/small-sweep").stdout == "small-sweep.html\n"
    assert invoke("runs", "verify", "runs/small-sweep").exit_code == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--over", "learner.agent.rigde=1,2"], "E-CODEC-002"),
        (["--over", "learner.agent.ridge=1,1"], "E-INPUT-009"),
        (["--over", "learner.agent.ridge=1,2", "--on", "moon"], "E-INPUT-008"),
        (["--over", "learner.agent.ridge"], "E-CLI-001"),
        (["--over", "seeds=1,2"], "E-INPUT-009"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_a_grid_that_cannot_be_run_ends_with_2(invoke, words, code):
    done = invoke("sweep", "small.toml", *words)
    assert done.exit_code == 2, done.output
    assert f"error: {code}" in done.stderr
