"""Names, files and folders that try something come to nothing: no code runs, and nothing is written elsewhere."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


TESTS = Path(__file__).parent.parent


def met(folder, stride, before=""):
    """All cases in a process of their own, outside of the type checker, as users run the package."""
    program = (
        f"import sys\nsys.path.insert(0, {str(TESTS)!r})\nfrom runs import hostile_runs\n{before}\nhostile_runs.main()"
    )
    command = [sys.executable, "-c", program, str(folder), str(stride)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("stride", [12, pytest.param(1, marks=pytest.mark.soak)])
def test_hostile_runs_are_refused_or_harmless_and_nothing_else_happens(tmp_path, stride):
    """More than 2,500 in all; those that are gone on with end as if nothing had been there."""
    found = met(tmp_path, stride)
    print(json.dumps({name: found[name] for name in ("cases", "found", "slowest")}, indent=1))
    assert found["cases"] >= (2_500 if stride == 1 else 1_100)
    assert not found["events"], list(found["events"])[:10]
    assert not found["foreign"], found["foreign"][:10]
    assert found["left"] == ["killed", "names", "whole"]
    assert not found["names"]
    assert found["slowest"] < 10.0


def test_the_watchman_of_these_tests_sees_what_it_should(tmp_path):
    """The twin: a loader of arrays that unpickles what is no array, and one that follows links, are noticed."""
    unpickles = (
        "import pickle\n"
        "from stackelberg.experiments.running import checkpoints\n"
        "right = checkpoints.load_tensors\n"
        "def load(data):\n"
        "    return pickle.loads(data) if data[:1] == b'\\x80' else right(data)\n"
        "checkpoints.load_tensors = load\n"
        "hostile_runs.EXECUTES += ('os.system',)\n"
        "real = hostile_runs.folders\n"
        "hostile_runs.folders = lambda: ((name, change) for name, change in real() if name.startswith('arrays'))\n"
        "hostile_runs.names = hostile_runs.experiments = lambda: ()\n"
        "hostile_runs.Bomb.__reduce__ = lambda self: (len, ([],))\n"
    )
    found = met(tmp_path, 1, unpickles)
    assert any("pickle.find_class" in event for event in found["events"])


def test_a_writer_that_follows_links_would_be_noticed(tmp_path):
    follows = (
        "import os, stat\n"
        "from stackelberg.experiments.running import disk, folder, lock\n"
        "plain = lambda path, flags: os.open(path, flags, 0o666)\n"
        "disk.opened_file = lock.opened_file = plain\n"
        "folder.is_file = disk.is_file = lambda path: path.is_file()\n"
        "real = hostile_runs.folders\n"
        "hostile_runs.folders = lambda: ((name, change) for name, change in real() if name == 'link run.lock')\n"
        "hostile_runs.names = hostile_runs.experiments = lambda: ()\n"
    )
    found = met(tmp_path, 1, follows)
    assert any("the outside was changed" in words for _, _, words in found["foreign"])
