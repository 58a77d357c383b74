"""A grid over any fields of an experiment × its seeds, as jobs that survive whatever ends them.

The driver hands out jobs, and believes nothing but what stands in their folders: a job is done when its result
verifies. One that died is tried again, and goes on from its own checkpoint; one that would fail again is not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ... import _boundary as boundary
from ..._disk import PathName, printable
from ..._errors import RunError
from ..._runs import RunRecord
from ..experiment import Experiment
from ..running.disk import DISK, commit_file, sweep_away
from ..running.folder import run_path, unusable
from ..running.lock import LOCK, LOCKED, locked
from ..running.runner import learners_of
from ..running.same import differences
from ..spec import write_experiment
from . import attempts
from .backends.base import AbstractBackend, Ending, Task, usable_cores
from .backends.here import ThisProcess
from .backends.local import LocalProcesses
from .job import BUSY, story_of
from .jobs import JOBS, SWEEP, Job, Table, identity, planned, read_table, table_bytes
from .sweep_record import is_complete, read_sweep


ANOTHER, STOPPED = "E-SWEEP-004", "E-SWEEP-005"

PLACES = ("local", "ray", "slurm", "batch")

PAUSE, LONGEST_PAUSE = 0.25, 30.0
"""Seconds before a job is tried again: twice as long each time."""


@dataclass(frozen=True)
class SweepProgress:
    """How far a sweep is: jobs that are done, failed, and being worked on, and how often one was tried again."""

    done: int
    failed: int
    running: int
    num_jobs: int
    retried: int
    note: str = ""


class StoppedSweepError(RunError):
    """A sweep was asked to stop, and did; the same call goes on with it."""

    def __init__(self, folder: Path, done: int, num_jobs: int, signal: int) -> None:
        self.done, self.signal = done, signal
        super().__init__(
            STOPPED,
            printable(str(folder)),
            found=f"stopped with {done} of {num_jobs} jobs done; the others go on from their last checkpoint",
            remedy="Start the same sweep again: it goes on from there",
        )


def sweep(
    experiment: Experiment,
    over: Mapping[str, Any],
    path: PathName,
    *,
    on: Any = "local",
    seeds_per_job: Any = None,
    workers: Any = None,
    retries: Any = 3,
    on_progress: Callable[[SweepProgress], None] | None = None,
    stop: Callable[[], int] = lambda: 0,
    **options: Any,
) -> RunRecord:
    """Run `experiment` for all combinations of what `over` varies, in the folder `path`, or go on with what is there.

    - `over`: dotted fields with the values that they take, such as {"learner.agent.ridge": [1e-3, 1e-2],
      "learner.world.num_plays": [1, 10]}; what the experiment itself varies belongs to the grid too.
    - `on`: "local" (processes of this machine), "ray" (a Ray cluster, by default one on this machine), "slurm" (through
      submitit), or "batch": everything as one compiled run in this process, for which only floats can be varied. A
      backend of your own may be given instead.
    - `seeds_per_job`: how many seeds run together as one job; all of them when left out.
    - `workers`: how many jobs at a time, where this process decides that: one for each core when left out.
    - `retries`: how often a job that died is tried again. A step that is not finite, or an input that is wrong, would
      only fail again: such a job is "failed" at once, and its reason is noted in the record.
    - `on_progress`: called when something has changed.  `stop`: asked all the time; a number other than 0 (a signal)
      ends the jobs, which save, and raises `StoppedSweepError`.
    - `options`: for Ray `address`; for Slurm `time`, `memory`, `partition`, ...: see the backends.

    The record covers all settings and seeds; what is not complete is NaN there, and counted in a note. The same call
    again skips what is complete. Raises `RunError` before anything is changed when the folder is in use or holds
    another sweep; `InputError` naming the field for a grid that cannot be run; `MissingExtraError`.
    """
    experiment = boundary.instance("experiment", experiment, Experiment, "sg.read_experiment('experiment.toml')")
    size = None if seeds_per_job is None else boundary.whole_number("seeds_per_job", seeds_per_job, low=1)
    count = usable_cores() if workers is None else boundary.whole_number("workers", workers, low=1)
    tries = boundary.whole_number("retries", retries, low=0)
    backend = on if isinstance(on, AbstractBackend) else None
    place = "yours" if backend is not None else boundary.one_of("on", on, PLACES)
    table, experiments = planned(experiment, over, None if place == "batch" else size, place == "batch")
    if place == "batch":
        learners_of(table.experiment)  # says now which field cannot be varied in one compiled run
    folder = run_path(path)
    _open(folder)
    with locked(folder):
        _check_same(table, folder)
        driver = _Driver(table, folder, tries, on_progress or (lambda _: None), stop)
        try:
            if driver.waiting:
                with _backend(place, count, folder, stop, options) if backend is None else backend as backend:
                    _prepare(table, experiments, folder)
                    driver.drive(backend)
        except OSError as problem:
            raise problem if isinstance(problem, RunError) else unusable(folder, problem) from problem
    return read_sweep(folder)


class _Driver:
    """One process's work on one sweep, under its lock."""

    def __init__(
        self,
        table: Table,
        folder: Path,
        retries: int,
        on_progress: Callable[[SweepProgress], None],
        stop: Callable[[], int],
    ) -> None:
        self.jobs = {job.id: job for job in table.jobs}
        self.folder, self.retries = folder, retries
        self.on_progress, self.stop = on_progress, stop
        self.done = {job.id for job in table.jobs if is_complete(folder, job)}
        self.failed = {id for id, job in self.jobs.items() if id not in self.done and self._has_failed(job)}
        self.waiting = {id: 0.0 for id in self.jobs if id not in self.done | self.failed}
        self.running: set[str] = set()
        self.tried = dict.fromkeys(self.jobs, 0)
        self.busy = dict.fromkeys(self.jobs, 0)

        self._report()

    def drive(self, backend: AbstractBackend) -> None:
        """Let all jobs that wait be worked on, until each of them is done, failed, or given up."""
        while self.waiting or self.running:
            self._submit(backend)
            for ending in backend.ended(0.2):
                self._take(ending)
            if signal := self.stop():
                backend.close()
                raise StoppedSweepError(self.folder, len(self.done), len(self.jobs), signal)

    def _submit(self, backend: AbstractBackend) -> None:
        now = time.monotonic()
        ready = [id for id, moment in self.waiting.items() if moment <= now]
        chosen = ready[: max(backend.slots - len(self.running), 0)]
        if chosen:
            backend.submit([self._task(id) for id in chosen])
            for id in chosen:
                del self.waiting[id]
            self.running |= set(chosen)
            self._report()
        elif not self.running:
            time.sleep(0.05)

    def _take(self, ending: Ending) -> None:
        """What to do with a job that ended: its folder decides, the exit code only explains."""
        job, id = self.jobs[ending.id], ending.id
        self.running.discard(id)
        if is_complete(self.folder, job):
            self.done.add(id)
            words = "complete"
        elif self._has_failed(job):
            self.failed.add(id)
            words = f"failed: {story_of(self._run_folder(id), job.config)['code']}"
        elif ending.code == BUSY or _is_held(self._run_folder(id)):
            self.busy[id] += 1  # someone else works on it, perhaps for a driver that has died: theirs counts as well
            self._again(id, self.busy[id])
            words = "another process works on it"
        else:
            self.tried[id] += 1
            words = ending.words
            if self.tried[id] <= self.retries:
                self._again(id, self.tried[id])
            else:
                self.failed.add(id)
                words += "; given up"
        attempts.note(DISK, self.folder, id, words)
        self._report(f"{id}: {words}")

    def _again(self, id: str, times: int) -> None:
        self.waiting[id] = time.monotonic() + min(PAUSE * 2 ** (times - 1), LONGEST_PAUSE)

    def _has_failed(self, job: Job) -> bool:
        return bool(story_of(self._run_folder(job.id), job.config).get("is_final"))

    def _run_folder(self, id: str) -> Path:
        return self.folder / JOBS / id

    def _task(self, id: str) -> Task:
        folder = self._run_folder(id).absolute()
        return Task(id, folder.with_name(f"{id}.json"), folder)

    def _report(self, note: str = "") -> None:
        retried = sum(self.tried.values())
        done, failed, running = len(self.done), len(self.failed), len(self.running)
        self.on_progress(SweepProgress(done, failed, running, len(self.jobs), retried, note))


def _backend(
    place: str, workers: int, folder: Path, stop: Callable[[], int], options: Mapping[str, Any]
) -> AbstractBackend:
    if place == "ray":
        from .backends.ray_cluster import RayCluster

        return RayCluster(workers, **options)
    if place == "slurm":
        from .backends.slurm import Slurm

        return Slurm(folder.absolute() / "slurm", **options)
    return ThisProcess(stop, **options) if place == "batch" else LocalProcesses(workers, **options)


def _open(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise unusable(folder, problem) from problem


def _check_same(table: Table, folder: Path) -> None:
    """Refuse a folder that holds another sweep, naming what differs, or something that is no sweep."""
    if not (folder / SWEEP).exists():
        strange = [entry.name for entry in folder.iterdir() if entry.name not in (LOCK, JOBS, attempts.ATTEMPTS)]
        if strange := [name for name in strange if not name.startswith(".tmp-")]:
            raise _another(folder, f"it holds no sweep, and something else ({printable(strange[0], 40)})")
        return
    before = read_table(folder)
    if differing := differences(identity(before), identity(table)):
        raise _another(folder, f"it holds another sweep, with {'; '.join(differing[:4])}")
    if [job.config for job in before.jobs] != [job.config for job in table.jobs]:
        raise _another(folder, "it holds the same sweep, written by a version that takes fingerprints in another way")


def _is_held(folder: Path) -> bool:
    """Whether another process has the lock of a run's folder."""
    if not folder.is_dir():
        return False
    try:
        with locked(folder):
            return False
    except RunError as problem:
        return problem.code == LOCKED


def _another(folder: Path, found: str) -> RunError:
    remedy = "Name another folder, or start with the experiment and grid that are in it"
    return RunError(ANOTHER, printable(str(folder)), found=found, remedy=remedy)


def _prepare(table: Table, experiments: Mapping[str, Experiment], folder: Path) -> None:
    """The table and the files of all jobs. Written anew they are the same, byte for byte."""
    sweep_away(DISK, folder)
    if not (folder / SWEEP).exists():
        commit_file(DISK, folder / SWEEP, table_bytes(table))
    (folder / JOBS).mkdir(exist_ok=True)
    sweep_away(DISK, folder / JOBS)
    for job in table.jobs:
        write_experiment(experiments[job.id], folder / JOBS / f"{job.id}.json")
