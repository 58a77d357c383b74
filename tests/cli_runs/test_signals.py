"""A run that is stopped by signals, and gone on with, ends in the same state as one that was never disturbed."""

import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from .conftest import COMMAND, EXPERIMENT
from .tensorboard import scalars


OFTEN = EXPERIMENT.replace("checkpoint_every = 60", "checkpoint_every = 5")

HEARD = "import signal\nfor n in (2, 15, 1): signal.signal(n, signal.SIG_DFL)\n"
"""Whoever runs the tests may have switched signals off."""

AS_A_SHELL = HEARD + "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"
"""Becomes the command that stands behind it: started in the background, that would be born deaf to SIGINT."""

BLOCK = (
    HEARD
    + """
import os, sys, time
from stackelberg.cli import interrupts

say = lambda words: os.write(1, words.encode() + b"\\n")

interrupts.install()
with interrupts.finishing(lambda: say("asked"), grace={grace}) as asked:
    asked.is_idle = {idle}
    say("ready")
    deadline = time.monotonic() + {seconds}
    while time.monotonic() < deadline and not (asked() and {obeys}):
        time.sleep(0.01)
say(f"ended by itself {{int(asked())}}")
time.sleep({after})
"""
)


@contextmanager
def started(**settings):
    program = BLOCK.format(**{"grace": 60, "idle": False, "seconds": 60, "obeys": True, "after": 0, **settings})
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", program], **pipes) as running:
        try:
            assert running.stdout is not None
            assert running.stdout.readline() == "ready\n"
            yield running
        finally:
            running.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_only_asks(number):
    with started() as program:
        program.send_signal(number)
        out, err = program.communicate(timeout=30)
        assert (program.returncode, err) == (0, "")
        assert sorted(out.splitlines()) == ["asked", f"ended by itself {int(number)}"]  # two threads print


def test_a_second_signal_leaves_at_once():
    with started(obeys=False) as program:
        program.send_signal(signal.SIGTERM)
        assert program.stdout.readline() == "asked\n"
        program.send_signal(signal.SIGINT)
        _, err = program.communicate(timeout=30)
        assert (program.returncode, err) == (130, "interrupted\n")


def test_a_block_that_takes_too_long_is_left():
    with started(obeys=False, grace=0.3) as program:
        program.send_signal(signal.SIGTERM)
        _, err = program.communicate(timeout=30)
        assert program.returncode == 143
        assert err == "ended: it took too long; what was saved before is whole\n"


def test_where_nothing_would_be_lost_the_first_signal_leaves():
    with started(idle=True) as program:
        program.send_signal(signal.SIGHUP)
        out, err = program.communicate(timeout=30)
        assert (program.returncode, out, err) == (129, "", "ended\n")


def test_after_the_block_signals_end_the_command_again_and_the_clock_is_stopped():
    with started(grace=0.5, after=60) as program:
        program.send_signal(signal.SIGTERM)
        assert sorted(program.stdout.readline() for _ in range(2)) == ["asked\n", "ended by itself 15\n"]
        time.sleep(1.0)
        assert program.poll() is None
        program.send_signal(signal.SIGINT)
        assert program.wait(timeout=30) == 130


def checkpoints(run):
    place = run / "checkpoints"
    return {path.name for path in place.iterdir() if path.name.isdigit()} if place.is_dir() else set()


def interrupted(folder, environment, number):
    """The command, sent `number` after its first new checkpoint; its code, what it said, and how long it took."""
    known = checkpoints(folder / "runs" / "small")
    words = [sys.executable, "-c", AS_A_SHELL, *COMMAND, "train", "small.toml", "--sink", "tensorboard"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, cwd=folder, env=environment, **pipes) as running:
        try:
            deadline = time.monotonic() + 240
            while not checkpoints(folder / "runs" / "small") - known:
                assert running.poll() is None, running.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.005)
            running.send_signal(number)
            began = time.monotonic()
            out, err = running.communicate(timeout=60)
            return running.returncode, out, err, time.monotonic() - began
        finally:
            running.kill()


def stopped_twice(folder, environment):
    """The run stopped by SIGINT and then by SIGTERM; False when it was done before a signal could reach it."""
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        returned, out, err, seconds = interrupted(folder, environment, number)
        if returned == 0:
            return False
        assert (returned, out) == (code, ""), err
        assert seconds < 10
        assert "stopped after step" in err
        assert "Start the same command again" in err
        assert "Traceback" not in err
    return True


def test_two_signals_later_the_run_is_the_undisturbed_one_bit_for_bit(tmp_path, environment, command, finished):
    """It saves often here, so that a busy machine has the time to wake this process up before the run ends; where it
    does not, the run is started afresh. How often it saves changes no number."""
    for attempt in range(5):
        (tmp_path / str(attempt)).mkdir()
        (tmp_path / str(attempt) / "small.toml").write_text(OFTEN)
        if stopped_twice(tmp_path / str(attempt), environment):
            break
    folder = tmp_path / str(attempt)
    last = max(map(int, checkpoints(folder / "runs" / "small")))
    assert last < 600
    done = command(folder, "train", "small.toml", "--sink", "tensorboard")
    assert done.returncode == 0, done.stderr
    assert f"going on after step {last} of 600" in done.stderr
    one, other = finished / "runs" / "small", folder / "runs" / "small"
    for name in ("metrics.jsonl", "checkpoints/000000000600/arrays.safetensors"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert done.stdout == (finished / "printed.txt").read_text()
    assert scalars(one / "tensorboard") == scalars(other / "tensorboard")
