"""The seam between a sweep and whatever runs its jobs. What a job achieved is read from its folder, never from here."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ...._errors import MissingExtraError as MissingExtraError


QUIET = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}
"""One single-threaded process per core is faster than processes that share their threads."""


@dataclass(frozen=True)
class Task:
    """A job that is to be worked on: an experiment's file, and the folder of its run."""

    id: str
    experiment: Path
    folder: Path

    def command(self, *options: str) -> list[str]:
        """What does it, as the arguments of a process."""
        module = "stackelberg.experiments.sweeping.job"
        return [sys.executable, "-m", module, str(self.experiment), str(self.folder), *options]


@dataclass(frozen=True)
class Ending:
    """That a task is no longer worked on, and how that looked from outside: an exit code, negative for a signal.

    `code` is None where nothing is known but that it ended. `words` are for the record.
    """

    id: str
    code: int | None
    words: str


class AbstractBackend(ABC):
    """Works on tasks, some at a time, until it is closed; used as a context."""

    @property
    @abstractmethod
    def slots(self) -> int:
        """How many tasks it takes at a time."""

    @abstractmethod
    def submit(self, tasks: Sequence[Task]) -> None:
        """Begin to work on these. Returns at once."""

    @abstractmethod
    def ended(self, seconds: float) -> list[Ending]:
        """Tasks that have come to an end since the last call; waits at most about `seconds` for one."""

    @abstractmethod
    def close(self) -> None:
        """End whatever is still being worked on, and wait until it has ended. A run's folder survives that.

        Called twice it does nothing more.
        """

    def __enter__(self) -> AbstractBackend:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None):
        self.close()


def quiet(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` with what makes a process single-threaded, where it does not say otherwise itself."""
    flags = environment.get("XLA_FLAGS", "")
    own = dict(QUIET)
    if "xla_cpu_multi_thread_eigen" not in flags:
        own["XLA_FLAGS"] = f"{flags} {QUIET['XLA_FLAGS']}".strip()
    else:
        own["XLA_FLAGS"] = flags
    kept = {name: environment[name] for name in QUIET if name in environment and name != "XLA_FLAGS"}
    return {**environment, **own, **kept}


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
