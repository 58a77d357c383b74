"""`reproduce` and `next`: claims that decide themselves, and commitments for the real world."""

import json
import sys
from importlib import resources
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from typer.testing import CliRunner

import stackelberg as sg
from stackelberg.cli import app
from stackelberg.experiments.catalog import REPRODUCTIONS


RUNNER = CliRunner()
GAME = sg.catalog_game("conitzer-sandholm")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["stackelberg", "--json"])


def answer(*words, verb):
    done = RUNNER.invoke(app, [verb, *map(str, words), "--json"])
    assert done.exit_code == 0, done.output
    published = json.loads(resources.files("stackelberg.cli").joinpath("schema", f"{verb}.json").read_text())
    data = json.loads(done.stdout)
    jsonschema.Draft202012Validator.check_schema(published)
    jsonschema.validate(data, published, cls=jsonschema.Draft202012Validator)
    return data


def test_the_foundations_hold_and_leave_what_was_measured(tmp_path):
    """All claims of the smallest budget: exact ones, and one with an interval that is far from its bound."""
    found = answer("foundations", "--out", "out", verb="reproduce")
    assert [claim["name"] for claim in found["claims"]] == [
        "nash", "strong", "paid", "quantal", "improves", "near-optimal", "resumes",
    ]  # fmt: skip
    assert all(claim["holds"] for claim in found["claims"]), found["claims"]
    assert [claim["name"] for claim in found["undecided"]] == ["rate", "coverage"]
    assert all(Path(name).stat().st_size > 0 for name in found["files"])
    page = next(Path(name) for name in found["files"] if name.endswith(".html")).read_text()
    assert "A run that is stopped and gone on with" in page
    again = answer("foundations:estimation", "--out", "out/foundations-estimation", verb="reproduce")
    for claim in again["claims"]:
        assert claim in found["claims"]  # the runs were there already: the same numbers


def test_without_a_name_it_lists_what_there_is():
    names = [entry["name"] for entry in answer(verb="reproduce")["experiments"]]
    assert names == list(REPRODUCTIONS)
    assert names[:3] == ["foundations:commitment", "foundations:estimation", "quantal:E1"]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["foundatoins"], "foundations"),
        (["foundations", "--budget", "tiny"], "smoke"),
        (["foundations:commitment", "--out", "../up"], "upwards"),
    ],
)
def test_a_name_that_nothing_has_is_refused(words, hint):
    done = RUNNER.invoke(app, ["reproduce", *words])
    assert done.exit_code == 2
    assert hint in done.output


def row(commitment, action):
    return ",".join(repr(float(share)) for share in commitment) + f",{action}\n"


def test_next_is_an_agent_that_is_told_the_log_and_asked():
    """A follower answered by hand: every answer of `next` is the announcement of an advisor that saw the same."""
    advisor = sg.Advisor(sg.ResponseEstimation(num_exploring=2, plan_every=2), sg.rules_of(GAME), seed=7)
    log = "commitment.up,commitment.down,action\n"
    for n, action in enumerate(["left", "right", "right", "left"]):
        Path("log.csv").write_text(log)
        found = answer(
            "log.csv", "--game", "conitzer-sandholm", "--seed", 7,
            "--set", "num_exploring=2", "--set", "plan_every=2", verb="next",
        )  # fmt: skip
        announced = advisor.announce()
        assert found["announcement"] == n + 1
        assert list(found["commitment"].values()) == pytest.approx(announced.tolist(), abs=1e-12)
        assert list(found["recommended"].values()) == pytest.approx(advisor.recommend().tolist(), abs=1e-12)
        believed = advisor.observe(["left", "right"].index(action))
        log += row(announced, action)
    Path("log.csv").write_text(log + "0.5,0.5,le")  # somebody is still writing
    last = answer(
        "log.csv", "--game", "conitzer-sandholm", "--seed", 7,
        "--set", "num_exploring=2", "--set", "plan_every=2", "--out", "next.json", verb="next",
    )  # fmt: skip
    assert last["beliefs"]["estimate"]["value"] == pytest.approx(believed["estimate"], rel=1e-9)
    assert last["num_plays"] == 4
    assert json.loads(Path("next.json").read_text()) == last
    assert np.isclose(sum(last["commitment"].values()), 1.0)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["log.csv", "--game", "patrol-park"], "normal form"),
        (["log.csv", "--game", "conitzer-sandholm", "--agent", "estimation"], "response-estimation"),
        (["log.csv", "--game", "conitzer-sandholm", "--set", "num_explring=3"], "num_exploring"),
        (["log.csv", "--game", "conitzer-sandholm", "--set", "capacity=0"], "capacity"),
        (["no/log.csv", "--game", "conitzer-sandholm"], "log.csv"),
    ],
)
def test_what_next_cannot_use_is_refused(words, hint):
    done = RUNNER.invoke(app, ["next", *words])
    assert done.exit_code == 2, done.output
    assert hint in done.output


def test_a_log_longer_than_the_agent_has_room_for_says_so():
    Path("log.csv").write_text("commitment.up,commitment.down,action,period\n0.5,0.5,left,1\n0.5,0.5,left,2\n")
    done = RUNNER.invoke(app, ["next", "log.csv", "--game", "conitzer-sandholm", "--set", "capacity=1"])
    assert done.exit_code == 2
    assert "capacity=2" in done.output
