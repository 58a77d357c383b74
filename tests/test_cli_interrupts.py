"""Signals end the command at once with 128 + n, also where an exception would be swallowed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


PROGRAM = """
import sys, time
from stackelberg.cli import interrupts

interrupts.install()
words = ["ready"]
while True:
    try:
        while words:
            print(words.pop(), flush=True)
        {body}
    except BaseException as swallowed:
        print("swallowed", type(swallowed).__name__, flush=True)
"""


def started(body):
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body=body)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    return program


@pytest.mark.parametrize("body", ["time.sleep(60)", "sum(range(1000))"], ids=["asleep", "busy"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command_with_128_and_its_number(number, body):
    with started(body) as program:
        program.send_signal(number)
        out, err = program.communicate(timeout=60)
        assert program.returncode == 128 + number
        assert "swallowed" not in out
        assert err == ("interrupted\n" if number == signal.SIGINT else "ended\n")


def test_many_signals_in_a_row_end_it_in_the_same_way():
    with started("time.sleep(60)") as program:
        for _ in range(20):
            if program.poll() is None:
                program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=60)
        assert program.returncode == 130
        assert "Traceback" not in out + err


def test_the_usual_exception_would_have_been_swallowed():
    """The planted bug: without the handler the same program survives Ctrl-C."""
    program = PROGRAM.replace("interrupts.install()", "interrupts")
    with subprocess.Popen(
        [sys.executable, "-c", program.format(body="time.sleep(60)")], stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        running.send_signal(signal.SIGINT)
        assert running.stdout.readline() == "swallowed KeyboardInterrupt\n"
        running.kill()


def test_a_signal_that_was_switched_off_stays_off():
    """As `nohup` and shells without job control do for what runs in the background."""
    code = (
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from stackelberg.cli import interrupts\ninterrupts.install()\n"
        "assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN\n"
        "assert signal.getsignal(signal.SIGTERM) is interrupts._leave\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_command_itself_is_ended_while_it_computes(tmp_path):
    """Wherever the signal hits after the start: nothing is left behind but whole files, and the code is 130."""
    command = Path(sys.executable).with_name("stackelberg")
    environment = {**os.environ, "STACKELBERG_CACHE": ""}
    with subprocess.Popen(
        [command, "demo", "--out", tmp_path / "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as program:
        wait_until_importing(program.pid)
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=60)
    assert program.returncode == 130
    assert out == b""
    assert err == b"interrupted\n"


def wait_until_importing(pid):
    """Until the process has a second thread: the one that listens, which is there before the first verb runs."""
    while len(list(Path(f"/proc/{pid}/task").iterdir())) < 2:
        time.sleep(0.01)
