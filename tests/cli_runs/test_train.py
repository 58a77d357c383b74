"""`train`: one folder, one run, one process; what goes wrong ends with the right code and says what to do."""

import json
import subprocess
import sys

import pytest

import stackelberg as sg
from stackelberg.cli import early_runs, errors
from stackelberg.cli.live import duration
from stackelberg.experiments.running import folder as folders, lock, runner
from stackelberg.experiments.sweeping import sweep

from .conftest import COMMAND, EXPERIMENT
from .schemas import valid


OVERFLOW = ("--set", "learner.agent.ridge=1e308", "--set", "learner.world.game.follower_payoff=[[9, 0], [0, 9]]")
"""The ridge times the square of the payoffs' range is more than a float64 holds."""


def test_a_finished_run_prints_its_metrics_and_what_to_type_next(finished):
    printed, remarked = (finished / "printed.txt").read_text(), (finished / "remarked.txt").read_text()
    assert printed.startswith("Small: complete, step 600 of 600, 2 seeds\n")
    assert "suboptimality of its recommendation (payoff)" in printed
    assert "certificate  optimal: the best value lies in [3.105700095, 3.105700996]" in printed
    assert remarked.startswith("runs/small: 600 steps; compiling\n")
    assert "next: stackelberg report runs/small" in remarked


def test_the_same_command_again_runs_nothing_and_prints_the_same(finished, invoke):
    before = (finished / "runs" / "small" / "metrics.jsonl").stat().st_mtime_ns
    again = invoke("train", "small.toml")
    assert again.exit_code == 0, again.output
    assert again.stdout == (finished / "printed.txt").read_text()
    assert "runs/small was complete already: nothing was run" in again.stderr
    assert (finished / "runs" / "small" / "metrics.jsonl").stat().st_mtime_ns == before


def test_json_is_valid_and_agrees_with_the_record(finished, invoke):
    done = invoke("train", "small.toml", "--json", "--quiet")
    assert done.stderr == ""
    answer = valid(json.loads(done.stdout), "train")
    record = sg.read_run(finished / "runs" / "small")
    assert answer["metrics"]["estimate"]["final"] == record.final("estimate").tolist()
    assert answer["metrics"]["estimate"]["mean"] == [pytest.approx(record.final("estimate").mean(), rel=1e-12)]
    assert (answer["status"], answer["step"], answer["seeds"]) == ("complete", 600, [0, 1])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--set", "num_steps=100"], "E-RUN-008"),
        (["--seeds", "3"], "E-RUN-008"),
        (["--fresh"], "E-RUN-009"),
        (["--out", "runs/.hidden"], "E-RUN-004"),
        (["--set", "learner.agent.rigde=1"], "E-CODEC-002"),
        (["--set", "lerner.agent.ridge=1"], "E-CODEC-002"),
        (["--set", "learner.agent.ridge=-1"], "E-INPUT-004"),
        (["--set", "learner.agent.ridge"], "E-CLI-001"),
        (["--set", "title=a", "--set", "title=b"], "E-CLI-001"),
        (["--seeds", "some"], "E-CLI-002"),
        (["--sink", "tensorbord"], "E-INPUT-008"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_what_a_person_can_put_right_ends_with_2(invoke, arguments, code):
    done = invoke("train", "small.toml", "--quiet", *arguments)
    assert (done.exit_code, done.stdout) == (2, ""), done.stderr
    assert done.stderr.startswith(f"error: {code} ")
    assert "Traceback" not in done.stderr


def test_a_mistyped_field_is_answered_with_the_nearest_one(invoke):
    done = invoke("train", "small.toml", "--set", "learner.agent.rigde=1", "--json")
    found = valid(json.loads(done.stderr), "error")
    assert found["error"]["remedy"] == "Did you mean 'ridge'?"


def test_the_codes_of_run_errors_that_are_usage_are_those_that_words_put_right():
    usage = {folders.BAD_NAME, folders.NOT_A_RUN, runner.MISMATCH, runner.NOT_FRESH}
    assert usage <= set(errors.USAGE_OF_RUNS)
    failures = {lock.LOCKED, lock.NO_LOCKS, folders.UNUSABLE, folders.NO_SPACE, runner.OTHER_BITS, runner.STOPPED}
    assert not failures & set(errors.USAGE_OF_RUNS)
    assert early_runs.PLACES == sweep.PLACES


def test_a_second_process_is_refused_before_jax_is_imported(tmp_path, environment):
    """In one process, which must not have imported JAX when it ends with 1 and names who works there."""
    (tmp_path / "small.toml").write_text(EXPERIMENT)
    (tmp_path / "runs" / "small").mkdir(parents=True)
    code = (
        "import sys\nfrom stackelberg.cli import app\nstatus = None\n"
        "try:\n    app(['train', 'small.toml'], prog_name='stackelberg')\n"
        "except SystemExit as leaving:\n    status = leaving.code\n"
        "print(status, sorted({'jax', 'numpy', 'rich'} & set(sys.modules)))\n"
    )
    with lock.locked(tmp_path / "runs" / "small"):
        words = [sys.executable, "-c", code]
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        owner = lock.owner()
    assert done.stdout == "1 []\n", done.stderr
    assert done.stderr.startswith("error: E-RUN-002 runs/small\n")
    assert f"process {owner['pid']} on {owner['host']}" in done.stderr


def test_bad_arguments_are_refused_before_jax_is_imported(tmp_path, environment):
    (tmp_path / "small.toml").write_text(EXPERIMENT)
    wrong = [
        ["train", "missing.toml"],
        ["train", "small.json"],
        ["train", "small.yaml"],
        ["train", "small.toml", "--set", "nothing"],
        ["train", "small.toml", "--seeds", "a"],
        ["train", "small.toml", "--sink", "paper"],
        ["train", "small.toml", "--out", "a/../b"],
        ["sweep", "small.toml", "--over", "nothing"],
        ["sweep", "small.toml", "--over", "a=1", "--on", "moon"],
        ["runs", "list", "missing"],
        ["runs", "show", "missing"],
        ["report", "missing"],
        ["plot", "."],
        ["config", "show", "missing.toml"],
        ["config", "new", "x.yaml"],
    ]
    code = (
        "import sys\nfrom stackelberg.cli import app\n"
        "def ended(words):\n    try:\n        app(words, prog_name='stackelberg')\n"
        "    except SystemExit as leaving:\n        return leaving.code\n"
        f"print([ended(words) for words in {wrong!r}], sorted({{'jax', 'scipy', 'equinox'}} & set(sys.modules)))\n"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == f"{[2] * len(wrong)} []\n", done.stderr
    assert "Traceback" not in done.stderr


def test_a_step_that_is_not_finite_ends_with_3_and_says_which(tmp_path, command):
    game = '{ kind = "catalog", name = "conitzer-sandholm" }'
    (tmp_path / "small.toml").write_text(EXPERIMENT.replace(game, in_full("conitzer-sandholm")))
    done = command(tmp_path, "train", "small.toml", "--quiet", "--json", *OVERFLOW)
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    error = valid(json.loads(done.stderr), "error")["error"]
    (kept,) = (tmp_path / "runs" / "small" / "failures").iterdir()
    assert error["code"] == "E-RUN-001"
    assert error["place"] == "runs/small, step 1"
    assert kept.name == "step-000000000001"
    assert error["found"].startswith("of seed 0 these are not finite: ")
    assert "state.weights" in error["found"]
    assert f"runs/small/failures/{kept.name}/replay.py" in error["remedy"]
    assert (kept / "replay.py").is_file()
    assert sg.read_run(tmp_path / "runs" / "small").status.tolist() == [["failed"] * 2]


def in_full(name):
    """A game of the catalog as it stands in a file, so that its payoffs can be set."""
    fields = sg.game_to_json(sg.catalog_game(name))
    return "{ " + ", ".join(f"{key} = {json.dumps(entry)}" for key, entry in fields.items() if key != "schema") + " }"


def test_a_reader_that_has_left_stops_no_run(tmp_path, environment):
    """Neither end of the command is read: it must still come to its end."""
    (tmp_path / "small.toml").write_text(EXPERIMENT.replace("num_steps = 600", "num_steps = 60"))
    with subprocess.Popen(
        [*COMMAND, "train", "small.toml"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        running.stdout.close()
        running.stderr.close()
        assert running.wait(timeout=300) in (0, 141)
    assert sg.read_run(tmp_path / "runs" / "small").is_complete()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.01", 0.01),
        ("5", 5),
        ("true", True),
        ("[1, 2]", [1, 2]),
        ('"two words"', "two words"),
        ("two words", "two words"),
        ("", ""),
        ("1\nother = 2", "1\nother = 2"),
        ('{ kind = "best-response" }', {"kind": "best-response"}),
    ],
)
def test_a_value_is_toml_where_it_can_be_and_text_otherwise(text, value):
    assert early_runs.value(text) == value


def test_a_grid_is_read_with_commas_or_as_a_list():
    words = ["a.b=1,2.5", "c=leader,adversary", "d=[[1, 2], [3]]", 'e={ kind = "best-response" }']
    assert early_runs.grid(words) == {
        "a.b": [1, 2.5],
        "c": ["leader", "adversary"],
        "d": [[1, 2], [3]],
        "e": [{"kind": "best-response"}],
    }


def test_seeds_are_listed_or_counted():
    assert early_runs.seeds("0,1,5") == [0, 1, 5]
    assert early_runs.seeds("32") == 32
    assert early_runs.seeds("7,") == [7]
    assert early_runs.seeds(None) is None


def test_durations_are_read_as_clocks_are():
    assert [duration(seconds) for seconds in (0.4, 61.0, 3725.0)] == ["0:00", "1:01", "1:02:05"]
