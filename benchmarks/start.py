"""What a newcomer waits for: help, import, the first certified answer. Wall seconds of whole processes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from .measure import Row


COMMANDS = {
    "stackelberg --help": ([sys.executable, "-m", "stackelberg.cli", "--help"], 0.5),
    "import stackelberg and its solvers": ([sys.executable, "-c", "import stackelberg as sg; sg.solve"], 2.0),
    "stackelberg solve conitzer-sandholm": (
        [sys.executable, "-m", "stackelberg.cli", "solve", "conitzer-sandholm"],
        10.0,
    ),
}


def rows(repeats: int = 5) -> list[Row]:
    """One row per command: the median of `repeats` runs after a warm-up."""
    return [row(name, command, target, repeats) for name, (command, target) in COMMANDS.items()]


def row(name: str, command: list[str], target: float, repeats: int) -> Row:
    """Time one command."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    middle = statistics.median(times[1:])
    return Row("start", name, middle, "", None, None, None, None, target, note="wall time")
