"""Arguments of the command line: what is wrong is said early, with the right exit code, in the command line's words."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import stackelberg as sg
from stackelberg.cli import app, early
from stackelberg.cli.words import spoken
from stackelberg.followers.fitting.result import MODELS
from stackelberg.solvers.markov.gradient_ascent import GradientAscent


ROOT = Path(__file__).parent.parent
RUNNER = CliRunner()
STORED = runpy.run_path(str(ROOT / "docs" / "catalog_table.py"))

WRONG = [
    ["solve", "missing.json"],
    ["solve", "game.docx"],
    ["solve", "no-such-game"],
    ["solve", "ochs", "--response", "rational"],
    ["solve", "ochs", "--response", "quantal:many"],
    ["solve", "ochs", "--response", "suqr:missing.json"],
    ["solve", "ochs", "--response", "missing.json"],
    ["solve", "ochs", "--ties", "nobody"],
    ["solve", "ochs", "--tolerance", "0"],
    ["solve", "ochs", "--tolerance", "1.5"],
    ["solve", "ochs", "--lambda", "-1"],
    ["solve", "ochs", "--time-limit", "-1"],
    ["fit", "missing.csv", "--game", "ochs"],
    ["fit", __file__, "--game", "no-such-game"],
    ["fit", __file__, "--game", "ochs", "--model", "astrology"],
    ["stress", "missing.json"],
    ["plot", "missing.json"],
    ["plot", "ochs", "--response", "rational"],
    ["games", "show", "no-such-game"],
    ["games", "check", "missing.json"],
    ["games", "convert", "ochs", "ochs.docx"],
    ["games", "new", "normal-form", "one.json", "--out", "other.json"],
]

NOT_FINITE = [
    ["solve", "ochs", "--tolerance", "nan"],
    ["solve", "ochs", "--lambda", "nan"],
    ["solve", "ochs", "--time-limit", "inf"],
    ["solve", "ochs", "--response", "quantal:nan"],
    ["solve", "ochs", "--response", "suqr:-6,nan,0.2"],
    ["fit", __file__, "--game", "ochs", "--level", "nan"],
]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STACKELBERG_CACHE", "")
    monkeypatch.setattr(sys, "argv", ["stackelberg"])


def run(*arguments):
    return RUNNER.invoke(app, [str(argument) for argument in arguments])


def test_what_is_wrong_with_an_argument_is_said_before_jax_is_imported():
    """All of them in one process, which must not have imported JAX at the end; the codes are as they should be."""
    code = (
        "import json, sys\nfrom stackelberg.cli import app\n"
        "def ended(words):\n    try:\n        app(words, prog_name='stackelberg')\n"
        "    except SystemExit as leaving:\n        return leaving.code\n"
        f"codes = [ended(words) for words in {[*WRONG, *NOT_FINITE, ['games', 'list', '--json']]!r}]\n"
        "heavy = sorted({'jax', 'scipy', 'equinox', 'matplotlib'} & set(sys.modules))\n"
        "print(json.dumps([codes, heavy]), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    codes, heavy = json.loads(done.stderr.splitlines()[-1])
    assert codes == [2] * len(WRONG) + [3] * len(NOT_FINITE) + [0]
    assert heavy == []
    assert "Traceback" not in done.stderr


def test_a_nan_in_a_file_ends_with_3():
    words = '{"schema": "stackelberg-game/1", "kind": "normal-form", "leader_payoff": [[1, NaN]], "follower_payoff"'
    Path("game.json").write_text(words + ": [[1, 2]]}")
    done = run("solve", "game.json")
    assert done.exit_code == 3, done.output
    assert "NaN" in done.stderr


def test_the_stored_catalog_is_the_catalog():
    assert STORED["STORED"].read_text(encoding="utf-8") == STORED["answers"](), "run: python docs/catalog_table.py"
    assert [entry["name"] for entry in early.catalog()] == list(sg.catalog.names())


def test_models_by_name_are_the_models_that_can_be_fitted():
    assert {name: model.__name__ for name, model in MODELS.items()} == early.MODELS


def test_a_remedy_speaks_the_words_of_the_command_line():
    Path("log.csv").write_text("player,action,count\nleader,up,3\nfollower,left,2\nfollower,right,1\n")
    done = run("fit", "log.csv", "--game", "ochs")
    assert done.exit_code == 2
    assert "--model qre" in done.stderr
    assert "Model" not in done.stderr
    assert spoken("Use sg.QuantalResponse(1.0), or GradientAscent.") == (
        "Use --response quantal:1, or --response quantal:NUMBER."
    )


def test_a_new_game_is_written_to_the_second_argument_or_to_out():
    assert run("games", "new", "normal-form", "one.json").exit_code == 0
    assert run("games", "new", "normal-form", "--out", "two.json").exit_code == 0
    assert Path("one.json").read_bytes() == Path("two.json").read_bytes()


@pytest.mark.parametrize(
    "verb",
    [
        *("demo", "solve", "fit", "stress", "plot", "doctor", "cite", "games list", "games show"),
        *("process list", "process show", "process trap"),
    ],
)
def test_every_verb_takes_json_out_and_quiet(verb):
    shown = run(*verb.split(), "--help").stdout
    assert all(option in shown for option in ("--json", "--out", "--quiet"))
    drawing = verb in ("demo", "solve", "fit", "stress", "plot")
    assert ("--seed" in shown) == drawing


def test_the_seed_of_solve_reaches_the_starts_of_the_ascent(monkeypatch):
    seeds = []

    def note(solver, game):
        seeds.append(solver.seed)
        raise sg.SolverError("E-SOLVER-001 enough is known.")

    monkeypatch.setattr(GradientAscent, "__call__", note)
    run("games", "new", "markov", "game.json")
    data = json.loads(Path("game.json").read_text())
    Path("game.json").write_text(json.dumps(data | {"follower_discount": 0.9}))
    assert run("solve", "game.json", "--lambda", "2", "--seed", "17").exit_code == 1
    assert seeds == [17]
