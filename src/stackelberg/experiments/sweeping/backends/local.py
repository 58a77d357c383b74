"""Jobs as processes of this machine, so many at a time. They end with the process that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import IO, final

from .base import AbstractBackend, Ending, Task, quiet


PATIENCE = 10.0
"""Seconds in which a job that is asked to end may still save."""


@final
class LocalProcesses(AbstractBackend):
    """`workers` single-threaded processes. What a job prints goes to `ID.log` beside its folder."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._running: dict[str, tuple[subprocess.Popen[bytes], IO[bytes]]] = {}

    @property
    def slots(self) -> int:
        return self._workers

    def submit(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            log = task.folder.with_name(f"{task.id}.log").open("ab")
            # The job leaves when its standard input ends, which happens however this process ends.
            process = subprocess.Popen(
                task.command("--leave-at-end-of-input"),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=quiet(os.environ),
                start_new_session=True,  # Ctrl-C is for this process, which lets the job save
            )
            self._running[task.id] = process, log

    def ended(self, seconds: float) -> list[Ending]:
        until = time.monotonic() + seconds
        while True:
            found = [self._ending(id, code) for id, code in self._codes() if code is not None]
            if found or time.monotonic() >= until or not self._running:
                return found
            time.sleep(0.02)

    def close(self) -> None:
        for process, _ in self._running.values():
            if process.poll() is None:
                process.terminate()
        until = time.monotonic() + PATIENCE
        for id, (process, _) in list(self._running.items()):
            try:
                process.wait(max(until - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self._ending(id, process.returncode)

    def _codes(self) -> list[tuple[str, int | None]]:
        return [(id, process.poll()) for id, (process, _) in self._running.items()]

    def _ending(self, id: str, code: int) -> Ending:
        process, log = self._running.pop(id)
        if process.stdin is not None:
            process.stdin.close()
        log.close()
        return Ending(id, code, described(code))


def described(code: int | None) -> str:
    """An exit code in words."""
    if code is None:
        return "lost"
    if code < 0:
        names = {number.value: number.name for number in signal.Signals}
        return f"killed by {names.get(-code, f'signal {-code}')}"
    return f"ended with exit code {code}"
