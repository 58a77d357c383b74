"""What nobody should accept is refused: by an error of ours, complete, at once, and without doing anything else.

Both programs run outside of the type checker that the tests install, as users run the package.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import stackelberg as sg


TESTS = Path(__file__).parent


def run(module, *arguments, folder=TESTS):
    command = [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(TESTS)!r}); from {module} import main; main()",
    ]
    done = subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def verdicts():
    return [json.loads(line) for line in run("oracles.bad_inputs").splitlines() if line.startswith("{")]


def test_there_are_thousands_of_cases_and_none_is_accepted(verdicts):
    sources = {
        source: sum(found["source"] == source for found in verdicts) for source in ("api", "file", "command line")
    }
    assert min(sources.values()) >= 500, sources
    assert len(verdicts) >= 7_000
    accepted = [(found["label"], found["outcome"]) for found in verdicts if found["outcome"] != "refused"]
    assert not accepted, accepted[:10]


def test_every_refusal_names_field_position_value_and_remedy(verdicts):
    lacking = [(found["label"], found["lacks"], found["message"]) for found in verdicts if found.get("lacks")]
    assert not lacking, lacking[:10]


def test_refusals_take_less_than_fifty_milliseconds_of_cpu(verdicts):
    """Of the CPU, not of the clock; parsing of a whole command line included. One in a thousand may be disturbed."""
    seconds = np.array([found["seconds"] for found in verdicts])
    assert np.median(seconds) < 0.005
    assert np.quantile(seconds, 0.999) < 0.05, [found["label"] for found in verdicts if found["seconds"] > 0.05][:10]


def test_the_checks_of_this_file_notice_what_slips_through():
    from oracles.bad_inputs import verdict

    assert verdict(lambda: sg.NormalFormGame([[1.0]], [[1.0]]))["outcome"].startswith("accepted")
    assert verdict(lambda: [][1])["outcome"].startswith("foreign: IndexError")

    def vague():
        raise sg.InputError("E-INPUT-001", "x", found="", allowed="y", remedy="z", position=(1,))

    assert verdict(vague, position=(0,))["lacks"] == ["found", "position (0,), said (1,)"]


def test_damaged_and_hostile_files_are_read_or_refused_and_nothing_else_happens(tmp_path):
    """4,000 damaged copies and more than 350 hostile files: no foreign error, no code run, nothing written."""
    found = json.loads(run("oracles.hostile", str(tmp_path), "4000", folder=tmp_path))
    assert found["cases"] >= 4_350
    assert not found["foreign"], found["foreign"]
    assert not found["events"], found["events"]
    assert found["found"].get("hostile: read", 0) <= 40, found["found"]  # names that are only text
    assert found["found"]["damaged: refused"] > 1_500
    assert not (tmp_path / "hacked").exists()
    assert found["slowest"] < 5.0


def test_the_watchman_of_the_hostile_files_sees_what_it_should(tmp_path):
    """The twin: a reader with the bug planted, which unpickles, is noticed."""
    program = (
        "import pickle, oracles.hostile as hostile\n"
        "hostile.read = lambda path, game: pickle.loads(pickle.dumps(print)) and 'read'\n"
        "hostile.main()\n"
    )
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(TESTS)!r}); {program}"]
    command[2] = f"import sys\nsys.path.insert(0, {str(TESTS)!r})\n{program}"
    done = subprocess.run([*command, str(tmp_path), "3"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert any("pickle.find_class" in event for event in json.loads(done.stdout)["events"]), done.stderr[-500:]
