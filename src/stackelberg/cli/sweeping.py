"""The work of `sweep`: all jobs, watched, until their end or until a signal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .._runs import RunRecord
from ..experiments.spec import read_experiment
from ..experiments.sweeping.sweep import SweepProgress, sweep
from . import interrupts
from .live import EVERY, is_drawn, say


STOPPING = "stopping: the jobs save and end; once more to leave at once"


def sweep_file(
    path: str, changes: Mapping[str, Any], grid: Mapping[str, Any], folder: Path, quiet: bool, asked: Mapping[str, Any]
) -> RunRecord:
    """Sweep the experiment in a file over `grid`; the first signal lets the jobs save, a second one leaves."""
    experiment = read_experiment(path, changes)
    with display(str(folder), quiet) as show, interrupts.finishing(lambda: None if quiet else say(STOPPING)) as stop:
        return sweep(experiment, grid, folder, on_progress=show, stop=stop, **asked)


@contextmanager
def display(name: str, quiet: bool) -> Iterator[Callable[[SweepProgress], None]]:
    """A bar over jobs on a terminal, a line now and then elsewhere, nothing with `quiet`."""
    if quiet:
        yield lambda _: None
    elif not is_drawn():
        yield _Lines(name)
    else:
        from rich.console import Console
        from rich.progress import BarColumn, Progress as Bar, SpinnerColumn, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with Bar(*columns, console=console, transient=True) as bar:
            task = bar.add_task("jobs", total=None)

            def show(progress: SweepProgress) -> None:
                bar.update(task, description=words(progress), total=progress.num_jobs, completed=progress.done)
                if progress.note and not progress.note.endswith(": complete"):
                    console.print(progress.note, highlight=False, markup=False)

            yield show


class _Lines:
    """A line when it starts, when a job failed, and every few seconds."""

    def __init__(self, name: str) -> None:
        self._name, self._written = name, -EVERY

    def __call__(self, progress: SweepProgress) -> None:
        is_news = bool(progress.note) and not progress.note.endswith(": complete")
        if is_news or time.monotonic() - self._written >= EVERY:
            self._written = time.monotonic()
            say(f"{self._name}: {words(progress)}" + (f"; {progress.note}" if is_news else ""))


def words(progress: SweepProgress) -> str:
    """How many jobs are where."""
    parts = [f"{progress.done}/{progress.num_jobs} jobs done", f"{progress.running} running"]
    parts += [f"{progress.failed} failed"] if progress.failed else []
    parts += [f"{progress.retried} tried again"] if progress.retried else []
    return ", ".join(parts)
