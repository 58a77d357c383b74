"""`--json`: one object, valid against the published schema of its verb, that other verbs can read."""

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


RUNNER = CliRunner()

OCHS = """player,action,count,share
leader,up,128,0.527
leader,down,128,0.473
follower,left,128,0.366
follower,right,128,0.634
"""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STACKELBERG_CACHE", "")
    monkeypatch.setattr(sys, "argv", ["stackelberg", "--json"])


def answer(schema, *arguments, out=None):
    """What a verb prints with --json, checked against its schema; `out` must hold the same."""
    more = [] if out is None else ["--out", out]
    done = RUNNER.invoke(app, [str(argument) for argument in (*arguments, "--json", *more)])
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout)
    validate(data, schema)
    assert out is None or json.loads(Path(out).read_text()) == data
    return data


def validate(data, schema):
    published = json.loads(resources.files("stackelberg.cli").joinpath("schema", f"{schema}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(published)
    jsonschema.validate(data, published, cls=jsonschema.Draft202012Validator)


def write_log(path, plays=400, seed=3):
    """Generated choices of a quantal follower with inverse temperature 5 in the commitment game."""
    game = sg.catalog_game("conitzer-sandholm")
    rng = np.random.default_rng(seed)
    lines = ["commitment.a,commitment.b,action,count"]
    for share in (0.2, 0.4, 0.6, 0.8):
        chance = np.asarray(sg.QuantalResponse(5.0)(game, [share, 1 - share]))
        for action, count in enumerate(rng.multinomial(plays // 4, chance), 1):
            lines.append(f"{share},{1 - share},{action},{count}")
    names = game.leader_actions
    Path(path).write_text(
        "\n".join(lines).replace("commitment.a,commitment.b", ",".join(f"commitment.{n}" for n in names)) + "\n"
    )


@pytest.mark.parametrize("response", ["best", "quantal:5", "quantal:0", "quantal:inf"])
def test_a_solved_game_is_valid_and_bounded(response):
    found = answer("solve", "solve", "conitzer-sandholm", "--response", response, out="plan.json")
    assert found["certificate"]["lower"] <= found["leader_value"] + 1e-9
    assert found["leader_value"] <= found["certificate"]["upper"] + 1e-9
    assert sum(found["commitment"]) == pytest.approx(1.0, abs=1e-12)


def test_the_game_inside_a_plan_is_the_game_that_was_solved():
    found = answer("solve", "solve", "ochs")
    shown = answer("games-show", "games", "show", "ochs")
    assert found["game"] == shown["game"]


def test_fit_then_solve_then_stress_then_plot():
    write_log("log.csv")
    fitted = answer("fit", "fit", "log.csv", "--game", "conitzer-sandholm", out="follower.json")
    (low, high), truth = fitted["interval"][0], 5.0
    assert low < fitted["estimate"][0] < high
    assert low < truth < high  # a fixed seed: no chance is involved
    plan = answer("solve", "solve", "conitzer-sandholm", "--response", "follower.json", out="plan.json")
    assert plan["follower"]["inverse_temperature"] == fitted["estimate"][0]
    stressed = answer("stress", "stress", "plan.json")
    assert stressed["leader_value"] <= plan["leader_value"] + 1e-9
    drawn = answer("plot", "plot", "plan.json", "--out", "picture")
    assert all(Path(name).stat().st_size > 0 for name in drawn["files"])


def test_the_published_table_of_ochs_gives_the_published_estimate():
    Path("ochs.csv").write_text(OCHS)
    fitted = answer("fit", "fit", "ochs.csv", "--game", "ochs", "--model", "qre", out="follower.json")
    assert fitted["estimate"][0] == pytest.approx(1.8456, abs=5e-4)
    assert fitted["log_likelihood"] == pytest.approx(-174.76, abs=5e-3)
    plan = answer("solve", "solve", "ochs", "--response", "follower.json")
    assert plan["certificate"]["gap"] <= 1e-6


def test_a_comparison_of_models_is_sorted_by_what_was_held_out():
    write_log("log.csv")
    fitted = answer("fit", "fit", "log.csv", "--game", "conitzer-sandholm", "--compare")
    scores = [row["held_out_log_likelihood"] for row in fitted["comparison"]]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) >= 4
    assert any(reason.startswith("qre") for reason in fitted["skipped"])


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        ("games-list", ["games", "list"]),
        ("games-check", ["games", "check", "game.nfg"]),
        ("doctor", ["doctor"]),
    ],
)
def test_every_other_verb_is_valid(schema, arguments):
    RUNNER.invoke(app, ["games", "convert", "ochs", "game.nfg"])
    answer(schema, *arguments)


def test_citations_are_valid_and_name_the_method():
    done = RUNNER.invoke(app, ["cite", "suqr", "--json"])
    validate(json.loads(done.stdout), "cite")
    assert "2013" in json.loads(done.stdout)["entries"]["suqr"]


def test_an_error_is_valid_json_too():
    done = RUNNER.invoke(app, ["solve", "no-such-game", "--json"])
    assert done.exit_code == 2
    assert done.stdout == ""
    validate(json.loads(done.stderr), "error")


@pytest.mark.parametrize(
    "verb",
    [
        *("demo", "solve", "fit", "stress", "plot", "doctor", "cite", "games list", "games show"),
        *("process list", "process show", "process trap"),
    ],
)
def test_every_verb_prints_its_schema(verb):
    done = RUNNER.invoke(app, [*verb.split(), "--json-schema"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["$id"] == f"stackelberg-{verb.replace(' ', '-')}/1"


def test_the_demo_tells_the_story_of_the_commitment_game():
    told = answer("demo", "demo")
    rows = [(row["promised"], row["paid"]) for row in told["table"]]
    expected = [(2.000, 2.013), (3.000, 2.987), (3.500, 2.500), (3.106, 3.106)]
    for (promised, paid), numbers in zip(rows, expected, strict=False):
        assert (promised, paid) == pytest.approx(numbers, abs=5e-4)
    assert told["certificate"]["gap"] <= 1e-6
    promised, paid = rows[4]
    assert paid <= told["leader_value"] + 1e-9  # no plan made from an estimate beats the optimum
    place = told["learning"]["num_plays"].index(500)
    assert told["learning"]["low"][place] < 5.0 < told["learning"]["high"][place]
    assert len(told["pictures"]) == 9
    assert all(Path(name).stat().st_size > 0 for name in told["pictures"])


@pytest.mark.parametrize(
    ("game", "response", "kind"),
    [
        ("patrol-park", "quantal:2", "coverage"),
        ("day-tariff", "quantal:1", "demand"),
        ("ochs", "quantal:2", "solution"),
    ],
)
def test_a_plan_is_drawn_in_the_way_that_suits_its_game(game, response, kind):
    answer("solve", "solve", game, "--response", response, out="plan.json")
    assert answer("plot", "plot", "plan.json", "--out", "picture")["kind"] == kind


def test_a_generated_log_is_fitted_with_the_truth_inside_every_interval():
    """Five intervals at 99.9 %: by chance false once in 200, and with these fixed seeds not."""
    for game, follower, model, truth in (
        ("conitzer-sandholm", "quantal:5", "quantal", [5.0]),
        ("patrol-park", "suqr:-6,0.5,0.2,-0.3", "suqr", [-6.0, 0.5, 0.2, -0.3]),
    ):
        words = ["games", "new", "choices", "--game", game, "--simulate", follower, "--plays", "2000", "--seed", "1"]
        assert RUNNER.invoke(app, [*words, "--out", "log.csv"]).exit_code == 0
        fitted = answer("fit", "fit", "log.csv", "--game", game, "--model", model, "--level", 0.999)
        assert all(low < value < high for (low, high), value in zip(fitted["interval"], truth, strict=True))


def test_the_published_log_is_the_table_that_was_written_by_hand():
    Path("ochs.csv").write_text(OCHS)
    words = ["games", "new", "choices", "--game", "ochs", "--published", "ochs", "--out", "published.csv"]
    assert RUNNER.invoke(app, words).exit_code == 0
    by_hand, carried = (
        answer("fit", "fit", name, "--game", "ochs", "--model", "qre") for name in ("ochs.csv", "published.csv")
    )
    assert by_hand["log_likelihood"] == pytest.approx(carried["log_likelihood"], rel=1e-12)


def test_the_check_catches_a_missing_certificate():
    found = answer("solve", "solve", "conitzer-sandholm")
    del found["certificate"]
    with pytest.raises(jsonschema.ValidationError):
        validate(found, "solve")


@pytest.mark.parametrize("key", ["game", "follower", "commitment", "leader_value"])
def test_a_plan_without_one_of_its_parts_is_refused(key):
    found = answer("solve", "solve", "conitzer-sandholm")
    del found[key]
    Path("plan.json").write_text(json.dumps(found))
    done = RUNNER.invoke(app, ["stress", "plan.json"])
    assert done.exit_code == 2
    assert key in done.stderr
