"""`runs`, `report` and `plot` on folders of runs: what they show is what is there, damage included."""

import json
import shutil
from pathlib import Path

import pytest

import stackelberg as sg

from .schemas import valid


@pytest.fixture
def damaged(finished, tmp_path, monkeypatch, invoke):
    """A copy of the finished run that the test may break; the command is run beside it."""
    shutil.copytree(finished / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs" / "small"


def test_the_list_says_how_far_each_run_is(invoke, damaged):
    (damaged / "result.json").unlink()
    shutil.rmtree(damaged / "checkpoints" / "000000000600")
    entry = valid(json.loads(invoke("runs", "list", "--json").stdout), "runs-list")["runs"][0]
    assert (entry["path"], entry["status"], entry["step"], entry["num_steps"]) == ("runs/small", "incomplete", 600, 600)
    assert next(iter(entry["metrics"])) == "suboptimality"
    header, row = invoke("runs", "list").stdout.splitlines()
    assert header.split()[:4] == ["run", "status", "step", "seeds"]
    assert row.split()[:4] == ["runs/small", "incomplete", "600/600", "0/2"]


def test_a_run_that_cannot_be_read_is_listed_as_damaged(invoke, damaged):
    (damaged / "experiment.json").write_text("{}")
    entry = valid(json.loads(invoke("runs", "list", "--json").stdout), "runs-list")["runs"][0]
    assert entry["status"] == "damaged"
    assert "experiment.json" in entry["problem"]
    assert "damaged" in invoke("runs", "list").stdout


def test_no_runs_are_no_error_but_a_missing_folder_is(invoke, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = invoke("runs", "list", "--json")
    assert (done.exit_code, json.loads(done.stdout)["runs"]) == (0, [])
    assert "stackelberg train" in invoke("runs", "list").stderr
    assert invoke("runs", "list", "elsewhere").exit_code == 2


def test_a_run_is_shown_with_configuration_and_provenance(invoke, finished):
    answer = valid(json.loads(invoke("runs", "show", "runs/small", "--json").stdout), "runs-show")
    record = sg.read_run(finished / "runs" / "small")
    assert answer["experiment"] == dict(record.experiment)
    assert answer["certificate"]["upper"] == record.certificate["upper"]
    shown = invoke("runs", "show", "runs/small").stdout
    assert shown.startswith((finished / "printed.txt").read_text().rstrip("\n"))
    for words in ("learner.agent.capacity ", "sessions ", "jax "):
        assert words in shown


def test_an_intact_run_is_verified(invoke):
    done = invoke("runs", "verify", "runs")
    assert (done.exit_code, done.stdout) == (0, "runs/small: complete, step 600, intact\n")
    assert valid(json.loads(invoke("runs", "verify", "runs/small", "--json").stdout), "runs-verify")["intact"]


@pytest.mark.parametrize(
    "file", ["experiment.json", "metrics.jsonl", "result.json", "checkpoints/000000000600/arrays.safetensors"]
)
def test_one_bit_of_damage_is_found_and_ends_with_1(invoke, damaged, file):
    data = bytearray((damaged / file).read_bytes())
    data[len(data) // 2] ^= 1
    (damaged / file).write_bytes(bytes(data))
    done = invoke("runs", "verify", "runs/small", "--json")
    assert done.exit_code == 1
    answer = valid(json.loads(done.stdout), "runs-verify")
    assert not answer["intact"]
    assert any(Path(file).name in problem or "checkpoint" in problem for problem in answer["runs"][0]["problems"])
    assert "DAMAGED" in invoke("runs", "verify", "runs/small").stdout


def test_what_holds_no_run_is_refused(invoke, damaged):
    for words in (["runs", "verify", "nowhere"], ["runs", "show", "."], ["report", "."], ["plot", "."]):
        done = invoke(*words)
        assert done.exit_code == 2
        assert "E-RUN-007" in done.stderr


@pytest.mark.parametrize("kind", [None, "learning", "comparison", "profile", "estimate"])
def test_a_run_is_drawn(invoke, damaged, kind):
    done = invoke("plot", "runs/small", "--json", *(() if kind is None else ("--kind", kind)))
    files = valid(json.loads(done.stdout), "plot")["files"]
    assert files[0] == f"small-{kind or 'learning'}.png"
    assert all(Path(name).stat().st_size > 0 for name in files)


def test_an_unknown_kind_of_picture_is_answered_with_those_there_are(invoke, damaged):
    done = invoke("plot", "runs/small", "--kind", "estimte")
    assert done.exit_code == 2
    assert "Did you mean 'estimate'?" in done.stderr


def test_a_report_is_one_page_with_the_title_of_the_run(invoke, damaged):
    done = invoke("report", "runs/small", "--json")
    answer = valid(json.loads(done.stdout), "report")
    assert answer == {"schema": "stackelberg-report/1", "path": "runs/small", "page": "small.html"}
    page = Path("small.html").read_text()
    assert "<title>Small" in page
    assert invoke("report", "runs/small", "--out", "page.html").stdout == "page.html\n"
    assert Path("page.html").read_text() == page
