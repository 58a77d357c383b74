"""How a run is watched: drawn on a terminal, a line now and then elsewhere, nothing at all with `--quiet`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Protocol, runtime_checkable

from .._runs import Metric
from ..experiments.running.progress import Progress


EVERY = 5.0
"""Seconds between two lines."""

STOPPING = "stopping after this step; once more to leave at once"


@runtime_checkable
class Display(Protocol):
    """Shows how far a run is."""

    def __call__(self, progress: Progress) -> None:
        """What is known now."""

    def stopping(self) -> None:
        """A signal has asked the run to stop."""


class Silent:
    """Shows nothing."""

    def __call__(self, progress: Progress) -> None:
        """Nothing."""

    def stopping(self) -> None:
        """Nothing."""


class Lines:
    """A line when the run starts, then one every few seconds; a reader that has left stops no run."""

    def __init__(self, name: str, meanings: Mapping[str, Metric]) -> None:
        self._name, self._meanings = name, meanings
        self._written = -EVERY
        self._started = False

    def __call__(self, progress: Progress) -> None:
        """A line, when it is time for one."""
        if not self._started:
            self._started = True
            self._write(f"{self._name}: {beginning(progress)}; compiling")
        elif progress.note == "training" and time.monotonic() - self._written >= EVERY:
            metric = headline(progress.latest, self._meanings)
            shown = "" if metric is None else f", {label(self._meaning(metric))} {progress.latest[metric]:.4g}"
            pace = f", {speed(progress.rate)}" if progress.rate else ""
            words = f"step {progress.step} of {progress.num_steps}{pace}{shown}"
            self._write(f"{self._name}: {words}")

    def stopping(self) -> None:
        """One line."""
        self._write(STOPPING)

    def _meaning(self, metric: str) -> Metric:
        return self._meanings.get(metric, Metric(metric.replace("_", " ")))

    def _write(self, words: str) -> None:
        self._written = time.monotonic()
        say(words)


class Screen:
    """A bar, the speed, the time left, and the latest metrics, drawn again and again in place."""

    def __init__(self, name: str, meanings: Mapping[str, Metric], console: Any) -> None:
        from rich.progress import BarColumn, Progress as Bar, SpinnerColumn, TextColumn

        self._name, self._meanings, self._console = name, meanings, console
        self._latest: Progress | None = None
        self._is_stopping = False
        self._bar = Bar(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[words]}", justify="right"),
            console=console,
            expand=True,
        )
        self._task = self._bar.add_task("starting", total=None, words="")

    def __call__(self, progress: Progress) -> None:
        """What is known now; the screen takes it up at its next turn."""
        if self._latest is None and progress.step:
            self._console.print(f"{self._name}: {beginning(progress)}", highlight=False, markup=False)
        self._latest = progress
        words = f"{progress.step}/{progress.num_steps}"
        if progress.rate:
            left = duration((progress.num_steps - progress.step) / progress.rate)
            words += f"  {speed(progress.rate)}  {left} left"
        self._bar.update(
            self._task,
            description="stopping" if self._is_stopping else progress.note,
            total=progress.num_steps,
            completed=progress.step,
            words=words,
        )

    def stopping(self) -> None:
        """Said at once, and shown until the end."""
        self._is_stopping = True
        self._bar.update(self._task, description="stopping")
        self._console.print(STOPPING, highlight=False)

    def __rich__(self) -> Any:
        from rich.console import Group
        from rich.table import Table

        if self._latest is None or not self._latest.latest:
            return Group(self._bar)
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2))
        table.add_column(no_wrap=True, overflow="ellipsis", style="dim")
        table.add_column(justify="right", no_wrap=True)
        latest = self._latest.latest
        for metric in [name for name in self._meanings if name in latest]:
            table.add_row(label(self._meanings[metric]), f"{latest[metric]:.4g}")
        return Group(self._bar, table)


@contextmanager
def display(name: str, learner: Any, monitor: Any, *, quiet: bool) -> Iterator[Display]:
    """How the run called `name` is shown, on standard error, while a block runs; nothing of it stays on a terminal."""
    meanings = {**learner.meanings, **({} if monitor is None else monitor.meanings)}
    if quiet:
        yield Silent()
    elif not is_drawn():
        yield Lines(name, meanings)
    else:
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True)
        screen = Screen(name, meanings, console)
        with Live(screen, console=console, transient=True, refresh_per_second=8):
            yield screen


def say(words: str) -> None:
    """A line to standard error; where nobody reads any more, the work goes on all the same."""
    with suppress(OSError, ValueError):
        print(words, file=sys.stderr, flush=True)


def is_drawn() -> bool:
    """Whether there is a terminal on which something can be drawn in place."""
    return sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def beginning(progress: Progress) -> str:
    """Where a run starts, in words."""
    if progress.step:
        return f"going on after step {progress.step} of {progress.num_steps}"
    return f"{progress.num_steps} steps"


def headline(latest: Mapping[str, float], meanings: Mapping[str, Metric]) -> str | None:
    """The one metric that says most, among those that were measured."""
    known = [name for name in meanings if name in latest]
    by_worth = sorted(known, key=lambda name: worth(name, meanings[name]))
    return by_worth[0] if by_worth else next(iter(latest), None)


def worth(name: str, meaning: Metric) -> tuple[bool, bool, bool]:
    """A key that sorts metrics: what falls to its best before what rises, the leader's before the follower's."""
    return name != "suboptimality", meaning.seat != "leader", meaning.better == "neither"


def label(meaning: Metric) -> str:
    """The label of a metric with its unit."""
    return f"{meaning.label} ({meaning.unit})" if meaning.unit else meaning.label


def speed(rate: float) -> str:
    """Steps a second, in two digits or more."""
    return f"{rate:.0f} steps/s" if rate >= 10.0 else f"{rate:.2g} steps/s"


def duration(seconds: float) -> str:
    """Seconds as h:mm:ss, or m:ss below an hour."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
