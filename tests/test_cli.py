"""The command line: exit codes, errors that can be read, and what it does not import."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import stackelberg
from stackelberg.cli import app


ROOT = Path(__file__).parent.parent
RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STACKELBERG_CACHE", "")
    monkeypatch.setattr(sys, "argv", ["stackelberg"])


def run(*arguments):
    return RUNNER.invoke(app, [str(argument) for argument in arguments])


def test_help_imports_neither_jax_nor_scipy_nor_matplotlib_nor_numpy():
    code = (
        "import sys\nfrom stackelberg.cli import app\n"
        "try:\n    app(['--help'], prog_name='stackelberg')\n"
        "except SystemExit as leaving:\n    assert not leaving.code\n"
        "heavy = {'jax', 'scipy', 'matplotlib', 'numpy', 'rich', 'equinox'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for verb in ("demo", "games", "solve", "fit", "stress", "plot", "doctor", "cite"):
        assert f"\n  {verb} " in done.stdout


def test_the_installed_command_solves_and_prints_json():
    command = Path(sys.executable).with_name("stackelberg")
    done = subprocess.run(
        [command, "solve", "conitzer-sandholm", "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["leader_value"] == pytest.approx(3.5, abs=1e-12)
    assert answer["commitment"] == pytest.approx([0.5, 0.5], abs=1e-12)
    assert done.stderr == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-verb"],
        ["solve"],
        ["solve", "no-such-game"],
        ["solve", "missing.json"],
        ["solve", "missing.xyz"],
        ["solve", "conitzer-sandholm", "--response", "quantal:many"],
        ["solve", "conitzer-sandholm", "--response", "quantal:-1"],
        ["solve", "conitzer-sandholm", "--response", "rational"],
        ["solve", "conitzer-sandholm", "--ties", "nobody"],
        ["solve", "conitzer-sandholm", "--lambda", "five"],
        ["fit", "missing.csv", "--game", "ochs"],
        ["fit", "missing.csv", "--game", "ochs", "--model", "astrology"],
        ["stress", "missing.json"],
        ["plot", "missing.json"],
        ["cite", "nothing"],
        ["games", "new", "chess"],
        ["games", "new", "choices"],
        ["games", "check", "missing.nfg"],
        ["games", "convert", "ochs", "ochs.docx"],
    ],
    ids=" ".join,
)
def test_bad_input_ends_with_2_and_no_traceback(arguments):
    done = run(*arguments)
    assert done.exit_code == 2
    assert "Traceback" not in done.output
    assert done.stderr.strip()


def test_an_error_says_code_place_found_allowed_and_remedy():
    Path("game.json").write_text(
        '{"schema": "stackelberg-game/1", "kind": "normal-form", "leader_payoff": [[1, 2], [3, "x"]], '
        '"follower_payoff": [[1, 2], [3, 4]]}'
    )
    done = run("solve", "game.json")
    assert done.exit_code == 2
    headline, found, allowed, remedy = done.stderr.strip().splitlines()
    assert headline.startswith("error: E-INPUT-")
    assert "leader_payoff" in headline
    assert found.startswith("  found ")
    assert allowed.startswith("  allowed ")
    assert remedy.startswith("  remedy ")


def test_debug_shows_where_an_error_came_from():
    done = run("--debug", "solve", "no-such-game")
    assert isinstance(done.exception, stackelberg.InputError)


def test_a_computation_that_meets_a_nan_ends_with_3(monkeypatch):
    def fail(*_):
        raise stackelberg.NonFiniteResultError("E-SOLVER-002 the value is nan.")

    monkeypatch.setattr("stackelberg.solvers.normal_form.multiple_lps.MultipleLPs.__call__", fail)
    done = run("solve", "conitzer-sandholm")
    assert done.exit_code == 3
    assert "E-SOLVER-002" in done.stderr


@pytest.mark.parametrize(("raised", "code"), [(KeyboardInterrupt, 130), (stackelberg.SolverError, 1), (ValueError, 1)])
def test_every_other_end_has_its_code(monkeypatch, raised, code):
    def fail(*_):
        raise raised("on purpose")

    monkeypatch.setattr("stackelberg.solvers.normal_form.multiple_lps.MultipleLPs.__call__", fail)
    done = run("solve", "conitzer-sandholm")
    assert done.exit_code == code
    assert "Traceback" not in done.output


def test_a_reader_that_leaves_early_is_no_error():
    command = [Path(sys.executable).with_name("stackelberg"), "cite"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        writer.stdout.close()
        assert writer.stderr.read() == ""
        assert writer.wait() in (0, 141)


def test_the_inverse_temperature_has_three_names():
    answers = [
        json.loads(run("solve", "conitzer-sandholm", "--json", *words).stdout)
        for words in (("--lambda", "5"), ("--eta", "5"), ("--response", "quantal:5"))
    ]
    values = {answer["leader_value"] for answer in answers}
    assert len(values) == 1
    assert values.pop() == pytest.approx(3.106, abs=1e-3)
    assert all(answer["follower"]["inverse_temperature"] == 5.0 for answer in answers)


def test_an_unwritable_cache_folder_changes_nothing(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STACKELBERG_CACHE", str(tmp_path / "file" / "below"))
    assert run("cite", "suqr").exit_code == 0


@pytest.mark.parametrize("kind", ["normal-form", "bayesian", "security", "markov"])
def test_every_template_can_be_written_checked_shown_and_solved(kind):
    assert run("games", "new", kind, "--out", "game.json").exit_code == 0
    for verb in (["games", "check"], ["games", "show"]):
        assert run(*verb, "game.json").exit_code == 0
    printed = run("games", "new", kind)
    assert json.loads(printed.stdout) == json.loads(Path("game.json").read_text())


def test_a_converted_game_is_the_same_game():
    assert run("games", "convert", "ochs", "ochs.nfg").exit_code == 0
    assert run("games", "convert", "ochs.nfg", "ochs.npz").exit_code == 0
    first, second = (json.loads(run("games", "show", name, "--json").stdout)["game"] for name in ("ochs", "ochs.npz"))
    assert first == second
