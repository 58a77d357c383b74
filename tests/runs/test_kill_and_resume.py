"""A run that is killed anywhere, or loses power, goes on to the same bits, and nothing that was saved is lost."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import stackelberg as sg
from stackelberg.experiments.running import metrics_log, runner
from stackelberg.experiments.running.disk import Disk

from . import faults
from .faults import AFTER, BEFORE, BOTH, CONTENT, ENTRIES, TORN, FaultyDisk, ForgetfulDisk, Quick


STEPS = 30
PARTS = 24


def in_parts(everyday=1):
    """All cases in 24 parts, of which some run every day and the rest in `make soak`."""
    long = [pytest.param(part, marks=pytest.mark.soak) for part in range(everyday, PARTS)]
    return pytest.mark.parametrize("part", [*range(everyday), *long])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The folder of a run that nothing happened to, all of its operations, and every place where it can be killed."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    disk = FaultyDisk()
    sg.run(faults.experiment(STEPS), folder, disk=disk)
    points = [(k, when) for k in range(len(disk.operations)) for when in (BEFORE, AFTER)]
    points += [(k, TORN) for k in range(len(disk.operations)) if disk.can_be_torn(k)]
    return faults.finals(folder), disk.operations, sorted(points)


def saved(operations):
    """The step of the newest checkpoint that these operations have committed: renamed, and the folder synced."""
    step, waiting = 0, 0
    for operation, *arguments in operations:
        if operation == "rename" and arguments[1].name.isdigit():
            waiting = int(arguments[1].name)
        elif operation == "sync" and arguments[0].name == "checkpoints":
            step = waiting
    return step


def goes_on(place, expected, at_least=0, sessions=None):
    """Resume with a disk that works, and hold what comes out to the undisturbed run."""
    was_complete = (place / "result.json").exists()
    record = sg.run(faults.experiment(STEPS), place, disk=Quick())
    assert faults.finals(place) == expected
    assert record.steps.tolist() == list(range(1, STEPS + 1))  # none twice, none missing
    assert record.is_complete()
    assert not record.notes
    assert not sg.verify(place).problems
    found = record.provenance["sessions"]
    assert was_complete or found[-1]["from_step"] >= at_least
    assert sessions is None or len(found) <= sessions
    return record


def test_there_are_at_least_five_hundred_kill_points(undisturbed):
    assert len(undisturbed[2]) >= 500


@in_parts()
def test_a_run_killed_at_any_operation_goes_on_to_the_same_bits(undisturbed, tmp_path, part):
    """Before, after, and in the middle of each; the last checkpoint before the kill is where the run goes on."""
    expected, _, points = undisturbed
    for k, when in points[part::PARTS]:
        place = tmp_path / f"{k}-{when}" / "run"
        place.parent.mkdir()
        killer = FaultyDisk(k, when)
        with pytest.raises(faults.Killed):
            sg.run(faults.experiment(STEPS), place, disk=killer)
        goes_on(place, expected, saved(killer.operations[: k + (when == AFTER)]), sessions=2)


@in_parts()
def test_a_run_killed_again_while_it_resumes_goes_on_to_the_same_bits(undisturbed, tmp_path, part):
    """Two kills, and three, the later ones in the first operations after the start, where a run tidies up."""
    expected, _, points = undisturbed
    for number, (k, when) in enumerate(points[7::17][part::PARTS]):
        for again in (number % 23, 23 + number % 11):
            place = tmp_path / f"{k}-{when}-{again}" / "run"
            place.parent.mkdir()
            done = 0
            for at, how in ((k, when), (again, BEFORE), (again // 2, AFTER)):
                killer = FaultyDisk(at, how)
                with faults.killed() as found:
                    sg.run(faults.experiment(STEPS), place, disk=killer)
                done = max(done, saved(killer.operations[:at] if found else killer.operations))
            goes_on(place, expected, done)


@in_parts()
@pytest.mark.parametrize("loses", [ENTRIES, CONTENT, BOTH])
def test_a_power_cut_at_any_operation_loses_nothing_that_was_committed(undisturbed, tmp_path, part, loses):
    """What was not synced is lost: names, contents, or both. The run goes on from its last checkpoint, to the same."""
    expected, operations, _ = undisturbed
    shift = [ENTRIES, CONTENT, BOTH].index(loses)
    for k in range(len(operations))[(part + 8 * shift) % PARTS :: PARTS]:
        root = tmp_path / f"{k}"
        root.mkdir()
        memory = ForgetfulDisk(root, loses)
        killer = FaultyDisk(k, AFTER, disk=memory)
        with pytest.raises(faults.Killed):
            sg.run(faults.experiment(STEPS), root / "run", disk=killer)
        memory.cut()
        goes_on(root / "run", expected, saved(killer.operations))


def test_the_model_of_power_cuts_notices_a_sync_that_is_left_out(undisturbed, tmp_path):
    """Twins: without the syncs of files, of folders, or of the log's name, something that was committed is lost."""
    expected, operations, _ = undisturbed
    for name, leaves_out in (
        ("files", lambda path: path.suffix == ".safetensors"),
        ("folders", lambda path: path.name == "checkpoints"),
        ("log", lambda path: path.name == "metrics.jsonl"),
    ):
        root = tmp_path / name
        root.mkdir()
        memory = ForgetfulDisk(root)
        right = memory.sync
        memory.sync = lambda path, right=right, leaves_out=leaves_out: None if leaves_out(path) else right(path)
        killer = FaultyDisk(len(operations) - 20, AFTER, disk=memory)
        with pytest.raises(faults.Killed):
            sg.run(faults.experiment(STEPS), root / "run", disk=killer)
        memory.cut()
        with pytest.raises(AssertionError):
            goes_on(root / "run", expected, saved(killer.operations))


def test_a_log_that_is_written_twice_would_be_noticed(undisturbed, tmp_path, monkeypatch):
    """The twin of "no step twice": a resume that forgets to cut the log back is caught."""
    expected, operations, _ = undisturbed
    place = tmp_path / "run"
    last = max(k for k, (operation, *_) in enumerate(operations) if operation == "append")
    with pytest.raises(faults.Killed):
        sg.run(faults.experiment(STEPS), place, disk=FaultyDisk(last, AFTER))
    monkeypatch.setattr(Quick, "truncate", lambda self, path, size: None)
    with pytest.raises((AssertionError, sg.RunError)):
        goes_on(place, expected)


def test_steps_in_any_portions_of_time_are_recorded_and_saved_alike(undisturbed, tmp_path, monkeypatch):
    """However long a portion takes, and wherever it ends, the folder is the same."""
    expected, _, _ = undisturbed
    ticks = iter(np.cumsum(np.random.default_rng(0).exponential(0.2, 10_000)))
    monkeypatch.setattr(runner.time, "monotonic", lambda: float(next(ticks)))
    sg.run(faults.experiment(STEPS), tmp_path / "run", disk=Quick())
    assert faults.finals(tmp_path / "run") == expected


def test_a_learner_of_the_package_killed_in_the_middle_goes_on_to_the_same_bits(tmp_path):
    disk = FaultyDisk(disk=Quick())
    sg.run(faults.real_experiment(), tmp_path / "whole", disk=disk)
    expected = faults.finals(tmp_path / "whole")
    for number in range(6):
        k = (2 * number + 1) * len(disk.operations) // 12
        place = tmp_path / f"{k}"
        with pytest.raises(faults.Killed):
            sg.run(faults.real_experiment(), place, disk=FaultyDisk(k, AFTER))
        sg.run(faults.real_experiment(), place, disk=Quick())
        assert faults.finals(place) == expected


PROGRAM = """
import sys
sys.path.insert(0, {tests!r})
import jax
jax.config.update("jax_compilation_cache_dir", {cache!r})
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
import stackelberg as sg
from runs import faults
faults.register()
sg.run(faults.experiment(300, checkpoint_every=5), sys.argv[1], on_progress=lambda p: print(p.step, flush=True))
"""


class Process:
    """A real run in a process of its own, which prints each step that it has come to."""

    def __init__(self, tmp_path):
        tests = str(Path(__file__).parent.parent)
        self.program = PROGRAM.format(tests=tests, cache=str(tmp_path / "cache"))

    def start(self, folder):
        return subprocess.Popen([sys.executable, "-c", self.program, str(folder)], stdout=subprocess.PIPE, text=True)

    def whole(self, folder):
        process = self.start(folder)
        process.communicate()
        assert process.returncode == 0
        return faults.finals(folder)


@pytest.mark.parametrize("kills", [2, pytest.param(60, marks=pytest.mark.soak)])
def test_a_process_that_is_really_killed_at_random_times_goes_on_to_the_same_bits(tmp_path, kills):
    program = Process(tmp_path)
    expected = program.whole(tmp_path / "whole")
    rng = np.random.default_rng(kills)
    done, runs = 0, 0
    while done < kills:
        folder = tmp_path / f"run{runs}"
        runs += 1
        for _ in range(8 if done < kills else 0):
            process = program.start(folder)
            assert process.stdout is not None
            process.stdout.readline()  # it is compiled, or about to be
            time.sleep(float(rng.uniform(0.0, 0.5)))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            was_killed = process.returncode == -signal.SIGKILL
            done += was_killed
            if not was_killed or done >= kills:
                break
        assert program.whole(folder) == expected
        assert faults.steps_of(folder) == sorted({*range(1, 301)})
        assert not sg.verify(folder).problems


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("points", [4, pytest.param(60, marks=pytest.mark.soak)])
def test_a_run_that_is_asked_to_stop_saves_and_says_so_wherever_it_is(undisturbed, tmp_path, number, points):
    """A signal that sets a flag, asked for after every portion: the run stops at once, and goes on to the same bits."""
    expected, _, _ = undisturbed
    rng = np.random.default_rng(number)
    for point in range(points):
        folder, asked = tmp_path / f"{point}", []
        limit = int(rng.integers(1, 18))
        caught = []
        before = signal.signal(number, lambda number, _, caught=caught: caught.append(number))
        try:

            def on_progress(progress, asked=asked, limit=limit):
                asked.append(progress.step)
                if len(asked) == limit:
                    signal.raise_signal(number)

            stop = lambda caught=caught: caught[0] if caught else 0
            with pytest.raises(sg.StoppedError) as error:
                sg.run(faults.experiment(STEPS), folder, on_progress=on_progress, stop=stop, disk=Quick())
        finally:
            signal.signal(number, before)
        assert error.value.signal == number
        assert error.value.code == "E-RUN-011"
        steps = error.value.step
        assert (folder / "checkpoints" / f"{steps:012d}").is_dir()
        assert faults.steps_of(folder) == list(range(1, steps + 1))
        goes_on(folder, expected, at_least=steps)


def test_short_writes_and_interruptions_of_the_system_are_gone_on_with(tmp_path, monkeypatch):
    """The system may take fewer bytes than it is given: the rest follows."""
    data, right = os.urandom(10_000), os.write
    monkeypatch.setattr(os, "write", lambda handle, view: right(handle, view[: 1 + len(view) // 3]))
    Disk().write(tmp_path / "file", data)
    Disk().append(tmp_path / "file", data)
    assert (tmp_path / "file").read_bytes() == 2 * data


def test_the_disk_writes_through_no_link_and_into_no_pipe(tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"untouched")
    (tmp_path / "link").symlink_to(outside)
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        for attempt in (
            lambda path: Disk().append(path, b"x"),
            lambda path: Disk().truncate(path, 0),
            lambda path: Disk().write(path, b"x"),
        ):
            with pytest.raises(OSError, match=r"link|pipe") as error:
                attempt(tmp_path / name)
            assert error.value.errno in (errno.ELOOP, errno.ENXIO, errno.EINVAL, errno.EEXIST)
    assert outside.read_bytes() == b"untouched"


def test_a_log_is_read_back_as_it_was_written_at_every_cut_of_its_last_lines(undisturbed, tmp_path):
    """Cut at each byte of the last three lines: whole lines are read, the torn one is dropped and reported."""
    data = undisturbed[0]["metrics.jsonl"]
    lines = data.splitlines(keepends=True)
    start = len(data) - sum(map(len, lines[-3:]))
    path = tmp_path / metrics_log.LOG
    for size in range(start, len(data)):
        path.write_bytes(data[:size])
        whole = data[: size + 1].count(b"\n")  # a line that lacks nothing but its end is whole
        found, notes = metrics_log.read_lines(path, (1, 2))
        assert [entry["step"] for entry in found] == list(range(1, whole + 1))
        assert len(notes) == (not data[:size].endswith(b"\n"))
