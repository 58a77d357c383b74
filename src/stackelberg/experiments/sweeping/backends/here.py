"""Jobs in this very process, one after the other: for a sweep that is one compiled run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

from .base import AbstractBackend, Ending, Task


@final
class ThisProcess(AbstractBackend):
    """Works on a task when its ending is asked for. `stop` is asked by the run while it goes on."""

    def __init__(self, stop: Callable[[], int] = lambda: 0) -> None:
        self._tasks: list[Task] = []
        self._stop = stop

    @property
    def slots(self) -> int:
        return 1

    def submit(self, tasks: Sequence[Task]) -> None:
        self._tasks += tasks

    def ended(self, seconds: float) -> list[Ending]:
        from ..job import work

        del seconds
        if not self._tasks:
            return []
        task = self._tasks.pop(0)
        code = work(task.experiment, task.folder, self._stop)
        return [Ending(task.id, code, f"ended with exit code {code}")]

    def close(self) -> None:
        self._tasks.clear()
