"""Signals end the command at once with 128 + n, also where an exception would be swallowed."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest


HEARD = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
"""Whoever runs the tests may have switched Ctrl-C off, as a shell does for what it runs in the background."""

PROGRAM = (
    HEARD
    + """
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
)


@contextmanager
def started(program, **options):
    """The program, once it says that it is ready; it does not outlive the test."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", program], **pipes, **options) as running:
        try:
            assert running.stdout is not None
            assert running.stdout.readline() == "ready\n"
            yield running
        finally:
            running.kill()


@pytest.mark.parametrize("body", ["time.sleep(60)", "sum(range(1000))"], ids=["asleep", "busy"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command_with_128_and_its_number(number, body):
    with started(PROGRAM.format(body=body)) as program:
        program.send_signal(number)
        out, err = program.communicate(timeout=60)
        assert program.returncode == 128 + number
        assert "swallowed" not in out
        assert err == ("interrupted\n" if number == signal.SIGINT else "ended\n")


def test_many_signals_in_a_row_end_it_in_the_same_way():
    with started(PROGRAM.format(body="time.sleep(60)")) as program:
        for _ in range(20):
            if program.poll() is None:
                program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=60)
        assert program.returncode == 130
        assert "Traceback" not in out + err


def test_the_usual_exception_would_have_been_swallowed():
    """The planted bug: without the handler the same program survives Ctrl-C."""
    with started(PROGRAM.replace("interrupts.install()", "interrupts").format(body="time.sleep(60)")) as program:
        assert program.stdout is not None
        program.send_signal(signal.SIGINT)
        assert program.stdout.readline() == "swallowed KeyboardInterrupt\n"


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
    """Wherever the signal hits: no exception, the code is 130, and no half of a file is left behind."""
    program = HEARD + (
        "import sys\nfrom stackelberg.cli import app, interrupts, main\n"
        "install = interrupts.install\n"
        "interrupts.install = lambda: [install(), print('ready', flush=True)]\n"
        "sys.argv = ['stackelberg', 'demo', '--out', 'demo']\nmain()\n"
    )
    with started(program, cwd=tmp_path, env={**os.environ, "STACKELBERG_CACHE": ""}) as running:
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
        assert (running.returncode, out, err) == (130, "", "interrupted\n")
    assert list(tmp_path.iterdir()) == []
