"""Of many processes that start on one folder at the same time, exactly one runs, and the others are told which."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import stackelberg as sg
from stackelberg.experiments.running import lock

from . import faults
from .faults import Quick


TESTS = str(Path(__file__).parent.parent)

LIGHT = """
import sys, time
from pathlib import Path
from stackelberg.experiments.running import folder, lock
from stackelberg.experiments.running.disk import DISK
from stackelberg._errors import RunError
assert "jax" not in sys.modules
place = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
try:
    folder.made(DISK, place)
    with lock.locked(place):
        folder.opened(DISK, place)
        print("running", flush=True)
        sys.stdin.readline()
except RunError as error:
    print(error.code, error, flush=True)
"""

REAL = """
import sys
sys.path.insert(0, {tests!r})
import jax
jax.config.update("jax_compilation_cache_dir", {cache!r})
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
import stackelberg as sg
from runs import faults
faults.register()
print("ready", flush=True)
sys.stdin.readline()
waits = lambda progress: sys.stdin.readline() if progress.step == 30 and progress.note == "training" else None
try:
    sg.run(faults.experiment(30), sys.argv[1], on_progress=waits)
    print("running", flush=True)
except sg.RunError as error:
    print(error.code, error, flush=True)
"""


def started(program, folder, number):
    """So many processes, all at the line before the folder is touched."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(number)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    return processes


def released(processes):
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()


def refusals(processes, owner):
    """Every other process names the owner, by number and machine; or lost the race before it could write its name."""
    said = [process.stdout.readline() for process in processes if process is not owner]
    assert all(words.startswith("E-RUN-002 ") for words in said), [
        words for words in said if not words.startswith("E-RUN-002")
    ][:3]
    named = [words for words in said if f"process {owner.pid} on {socket.gethostname()}" in words]
    unnamed = [words for words in said if "it has not written its name yet" in words]
    assert len(named) + len(unnamed) == len(said)
    return len(named)


def test_of_fifty_simultaneous_starts_exactly_one_runs(tmp_path):
    folder = tmp_path / "deep" / "er" / "run"
    processes = started(LIGHT, folder, 50)
    released(processes)
    held = [json.loads((folder / "run.lock").read_text())["pid"] for _ in [0] if wait_for(folder / "run.lock")]
    owner = next(process for process in processes if process.pid == held[0])
    named = refusals(processes, owner)
    assert named >= 25
    assert owner.stdout.readline() == "running\n"
    for process in processes:
        process.communicate("\n")
        assert process.returncode == 0
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoints", "run.lock"]


def wait_for(path, seconds=20.0):
    import time

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if path.exists() and path.read_text().endswith("\n"):
            return True
        time.sleep(0.01)
    raise AssertionError("nobody took the lock")


@pytest.mark.soak
def test_of_fifty_simultaneous_runs_exactly_one_trains(tmp_path):
    """Whole processes of `sg.run`, 25 at a time because of their memory, twice on folders of their own."""
    program = REAL.format(tests=TESTS, cache=str(tmp_path / "cache"))
    for attempt in range(2):
        folder = tmp_path / f"run{attempt}"
        processes = started(program, folder, 25)
        released(processes)
        wait_for(folder / "run.lock")
        pid = json.loads((folder / "run.lock").read_text())["pid"]
        owner = next(process for process in processes if process.pid == pid)
        refusals(processes, owner)
        assert owner.communicate("\n")[0] == "running\n"
        for process in processes:
            process.communicate()
            assert process.returncode == 0
        record = sg.read_run(folder)
        assert record.is_complete()
        assert record.steps.tolist() == list(range(1, 31))
        assert len(record.provenance["sessions"]) == 1
        assert not sg.verify(folder).problems


def test_without_the_lock_two_would_run(tmp_path, monkeypatch):
    """The twin: a lock that is not taken lets a second start in."""
    with lock.locked(tmp_path), pytest.raises(sg.RunError, match="E-RUN-002"), lock.locked(tmp_path):
        pass
    monkeypatch.setattr(lock, "_take", lambda handle, folder: None)
    with lock.locked(tmp_path), lock.locked(tmp_path):
        pass


def test_a_second_run_in_the_same_process_is_refused_and_changes_nothing(tmp_path):
    folder = tmp_path / "run"
    seen = []

    def again(progress):
        if progress.step == 4 and not seen:
            before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
            with pytest.raises(sg.RunError) as caught:
                sg.run(faults.experiment(12), folder, disk=Quick())
            assert f"process {os.getpid()} on {socket.gethostname()}" in str(caught.value)
            assert re.search(r"since \d{4}-\d\d-\d\dT", str(caught.value))
            assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
            seen.append(caught.value.code)

    sg.run(faults.experiment(12), folder, on_progress=again, disk=Quick())
    assert seen == ["E-RUN-002"]


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff", b'{"pid": "x"}', b'{"pid": 1, "host": "\x1b[31m", "since": 1}', b"9" * 9999]
)
def test_whatever_stands_in_the_lock_the_refusal_is_one_of_ours(tmp_path, content):
    with lock.locked(tmp_path):
        (tmp_path / "run.lock").write_bytes(content)
        with pytest.raises(sg.RunError, match="E-RUN-002") as caught, lock.locked(tmp_path):
            pass
    assert str(caught.value).isprintable()


def test_the_lock_of_a_process_that_is_gone_is_free(tmp_path):
    """Whoever held it: the system gave it back."""
    (tmp_path / "run.lock").write_text(json.dumps(lock.owner() | {"pid": 1}) + "\n")
    with lock.locked(tmp_path):
        assert json.loads((tmp_path / "run.lock").read_text())["pid"] == os.getpid()
