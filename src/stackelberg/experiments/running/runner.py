"""One run in one folder: started, recorded, saved, stopped, and gone on with. The same call again resumes.

At every moment the folder holds a state from which the run goes on to the same bits: checkpoints are whole or absent,
the log is cut back to the checkpoint it is resumed from, and `result.json` appears last, at once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np

from ... import _boundary as boundary
from ..._disk import PathName, printable
from ..._errors import RunError
from ..._learner import NonFiniteStepError, Run, chunks, start
from ..._loop.precision import precise
from ..._loop.randomness import golden_bits
from ..._loop.stacking import Learners, stack
from ..._runs import Metric, RunRecord
from ..digests import canonical, digest, sealed
from ..experiment import Experiment
from ..spec import config_hash, experiment_to_json, variants
from . import checkpoints, failures, processes, provenance, reading
from .disk import DISK, AbstractDisk, commit_file, sweep_away
from .folder import (
    CHECKPOINTS,
    EXPERIMENT,
    PROVENANCE,
    RESULT,
    Guarded,
    check_space,
    is_empty,
    made,
    opened,
    run_path,
)
from .lock import LOCK, locked
from .metrics_log import LOG, MetricsLog, Place, holds
from .progress import Progress, Rate
from .reading import RESULT_SCHEMA
from .same import MISMATCH as MISMATCH, check_same
from .sinks import Sink, Sinks


NOT_FRESH, OTHER_BITS, STOPPED = "E-RUN-009", "E-RUN-010", "E-RUN-011"

SHARE = 0.01
"""The part of its time that a run may spend on saving, when nothing else is said."""

PORTION = 0.5
"""Seconds of steps between two looks at signals, at most: each costs milliseconds where a state is large."""

AT_LEAST = 5.0
"""Seconds between two checkpoints, when nothing else is said."""


class StoppedError(RunError):
    """A run was asked to stop, and did, after saving; the same call goes on with it."""

    def __init__(self, folder: Path, step: int, signal: int) -> None:
        self.step, self.signal = step, signal
        super().__init__(
            STOPPED,
            printable(str(folder)),
            found=f"stopped after step {step}, which is saved",
            remedy="Start the same command again: the run goes on from there",
        )


def run(
    experiment: Experiment,
    path: PathName,
    *,
    fresh: bool = False,
    sinks: Sequence[Sink] = (),
    on_progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], int] = lambda: 0,
    devices: Any = None,
    disk: AbstractDisk = DISK,
) -> RunRecord:
    """Run `experiment` in the folder `path`, or go on with the run that is there, and read the record back.

    - `fresh`: refuse a folder that already holds something.  `sinks`: who else gets the metrics.
    - `on_progress`: called before and after every portion of a fraction of a second, and before saving.
    - `stop`: asked after every portion; a number other than 0 (a signal) saves and raises `StoppedError`.
    - `devices`: on how many, or "all": seeds are divided among them where that goes evenly, otherwise the minibatch.
      Numbers agree up to rounding. Processes joined by `jax.distributed` make the same call; the first one writes.
    - `disk`: the file system.

    Raises `RunError` before anything is changed when the folder is in use, holds another experiment, or cannot keep the
    run; `NonFiniteStepError` after saving the last good state and the batch of the failing step.
    """
    experiment = boundary.instance("experiment", experiment, Experiment, "sg.read_experiment('experiment.toml')")
    folder = run_path(path)
    if processes.is_follower():
        step, signal = processes.follow(experiment, learners_of(experiment).on_devices(devices, len(experiment.seeds)))
        if signal:
            raise StoppedError(folder, step, signal)
        processes.said()  # the folder is whole
        return reading.read_run(folder)
    if fresh and not is_empty(folder):
        raise _not_fresh(folder)
    made(disk, folder)
    with locked(folder):
        if fresh and not is_empty(folder, but=(LOCK,)):
            raise _not_fresh(folder)
        opened(disk, folder)
        check_same(experiment, folder)
        is_due = not reading.verified_result(folder)
        learners = learners_of(experiment).on_devices(devices, len(experiment.seeds)) if is_due else None
        processes.said(int(is_due))
        if learners is not None:
            tell = on_progress or (lambda _: None)
            _Runner(experiment, learners, folder, Guarded(disk), tuple(sinks), tell, stop)()
    processes.said()
    return reading.read_run(folder)


class _Runner:
    """One process's work on one folder, under its lock."""

    def __init__(
        self,
        experiment: Experiment,
        learners: Learners,
        folder: Path,
        disk: AbstractDisk,
        sinks: tuple[Sink, ...],
        on_progress: Callable[[Progress], None],
        stop: Callable[[], int],
    ) -> None:
        self.experiment, self.folder, self.disk = experiment, folder, disk
        self.sinks, self.on_progress, self.stop = Sinks(sinks, self._remark), on_progress, stop
        self.learners = learners
        self.golden = golden_bits()
        self.notes: list[str] = []
        self.facts = {
            "config": config_hash(experiment),
            "precision": self.learners.precision,
            "seeds": list(experiment.seeds),
            "settings": self.learners.size,
        }

    def __call__(self) -> None:
        sweep_away(self.disk, self.folder)
        sweep_away(self.disk, self.folder / CHECKPOINTS)
        fresh = start(self.learners, self.experiment.seeds)
        check_space(self.disk, self.folder, _space(fresh, self.experiment))
        run, place = self._resumed(processes.whole(fresh, self.learners))
        run = processes.shared(run, fresh, self.learners)
        self._introduce(run)
        self.log = MetricsLog(self.disk, self.folder / LOG, place)
        self.sinks.open(self.folder, experiment_to_json(self.experiment), run.n)
        try:
            self._finish(self._loop(run))
        finally:
            self.sinks.close()

    def _resumed(self, skeleton: Run) -> tuple[Run, Place]:
        """The newest state that verifies and whose part of the log is intact; what was skipped is noted."""
        for name in reversed(checkpoints.names(self.folder / CHECKPOINTS)):
            try:
                found = checkpoints.load(self.folder / CHECKPOINTS / name, skeleton, self.learners.precision)
                place = Place.of(found.facts["log"])
                if canonical({key: found.facts.get(key) for key in self.facts}) != canonical(self.facts):
                    raise ValueError("it belongs to another experiment")
                if found.run.n > self.experiment.num_steps:
                    raise ValueError("it goes on beyond the end of the run")
                if not holds(self.folder / LOG, place):
                    raise ValueError("the log of metrics before it is damaged")
                if found.facts.get("random_bits") != self.golden:
                    raise self._other_bits()
            except ValueError as problem:
                self.notes.append(f"checkpoint {name} was not used: {printable(str(problem))}.")
                self.disk.rename(
                    self.folder / CHECKPOINTS / name, _free_name(self.folder / CHECKPOINTS / f"damaged-{name}")
                )
                continue
            return found.run, place
        if self.notes:
            self.notes.append("No checkpoint could be used: the run starts again from its first step.")
        return skeleton, Place()

    def _introduce(self, run: Run) -> None:
        """What is run and by what, written before the first step."""
        used = self.learners.placement
        now = provenance.environment(self.experiment.learner) | ({"num_devices": 1} if used is None else used.to_json())
        before = reading.provenance_of(self.folder, self.facts["config"])
        try:
            reading.experiment_of(self.folder)
        except ValueError as problem:
            if os.path.lexists(self.folder / EXPERIMENT) or before or run.n:
                self.notes.append(f"experiment.json was written anew: {problem}.")
            commit_file(self.disk, self.folder / EXPERIMENT, _experiment_bytes(self.experiment))
        if before:
            changes = provenance.changed(before["environment"], now)
            if run.n and changes:
                self.notes.append(f"Resumed at step {run.n} under other conditions: {'; '.join(changes)}.")
        elif os.path.lexists(self.folder / PROVENANCE) or run.n:
            self.notes.append("provenance.json was damaged and is written anew: earlier sessions are not known.")
        described = {
            "schema": provenance.SCHEMA,
            "config": self.facts["config"],
            "environment": before.get("environment", now),
            "sessions": [*before.get("sessions", []), provenance.session(run.n)],
            "notes": [*before.get("notes", []), *self.notes],
            "certificate": _certificate(self.experiment),
            "meanings": {name: meaning.to_json() for name, meaning in meanings(self.experiment).items()},
        }
        commit_file(self.disk, self.folder / PROVENANCE, sealed(described))

    def _other_bits(self) -> RunError:
        versions = reading.provenance_of(self.folder).get("environment", {}).get("versions")
        before = versions.get("jax", "as it was") if isinstance(versions, dict) else "as it was"
        return RunError(
            OTHER_BITS,
            printable(str(self.folder)),
            found="this version of JAX draws other random numbers than the one that started the run",
            remedy=f"Install jax {printable(str(before), 40)}, or start a fresh run in another folder",
        )

    def _remark(self, words: str) -> None:
        """One more note in the record of the run, of what happened while it went on."""
        described = {**reading.provenance_of(self.folder), "schema": provenance.SCHEMA}
        described["notes"] = [*described.get("notes", []), words]
        commit_file(self.disk, self.folder / PROVENANCE, sealed(described))

    def _loop(self, run: Run) -> Run:
        experiment = self.experiment
        saved_at, cost = time.monotonic(), 0.0
        speed, rate, latest = Rate(time.monotonic()), 0.0, {}
        show = lambda note: self.on_progress(Progress(run.n, experiment.num_steps, rate, latest, note))
        portions = chunks(
            self.learners,
            run,
            experiment.num_steps,
            monitor_every=experiment.monitor_every,
            boundary_every=experiment.checkpoint_every,
            seconds=PORTION,
            clock=processes.clock,
        )
        try:
            show("compiling")
            for reached, metrics in portions:
                self._record(run.n, metrics)
                now = time.monotonic()
                rate, latest = speed.after(reached.n - run.n, now), latest | _latest(metrics)
                run = reached
                show("training")
                signal = self.stop() if run.n < experiment.num_steps else 0
                is_due = not signal and self._is_due(run, now - saved_at, cost)
                processes.said(signal or (processes.SAVE if is_due else processes.GO_ON))
                if signal:
                    show("saving")
                    self._save(run)
                    raise StoppedError(self.folder, run.n, signal)
                if is_due:
                    show("saving")
                    self._save(run)
                    saved_at = time.monotonic()
                    cost = saved_at - now
        except NonFiniteStepError as problem:
            self._record(run.n, dict(problem.metrics))
            self._save(problem.run)
            failures.write(self.disk, self.folder, experiment, problem, self.learners.precision)
            raise
        return run

    def _is_due(self, run: Run, since: float, cost: float) -> bool:
        if self.experiment.checkpoint_every is not None:
            return run.n % self.experiment.checkpoint_every == 0 and run.n < self.experiment.num_steps
        return since > max(AT_LEAST, cost / SHARE) and run.n < self.experiment.num_steps

    def _record(self, before: int, metrics: dict[str, np.ndarray]) -> None:
        length = len(next(iter(metrics.values()), ()))
        for i in range(length):
            step = before + i + 1
            is_watched = step % self.experiment.monitor_every == 0
            if step % self.experiment.record_every == 0 or is_watched or step == self.experiment.num_steps:
                row = {name: values[i] for name, values in metrics.items()}
                self.log.add(step, row)
                self.sinks.write(step, row)

    def _save(self, run: Run) -> str:
        run = processes.whole(run, self.learners)
        place = self.log.committed()
        log = {"size": place.size, "sha256": place.sha256}
        facts = {**self.facts, "random_bits": self.golden, "log": log}
        return checkpoints.save(self.disk, self.folder / CHECKPOINTS, run, facts, self.learners.precision)

    def _finish(self, run: Run) -> None:
        manifest = self._save(run)
        place = self.log.committed()
        result = {
            "schema": RESULT_SCHEMA,
            "config": self.facts["config"],
            "num_steps": run.n,
            "seeds": list(self.experiment.seeds),
            "settings": self.learners.size,
            "checkpoint": {"name": checkpoints.name_of(run.n), "manifest": manifest},
            "log": {"size": place.size, "sha256": place.sha256},
            "experiment": digest(reading.experiment_of(self.folder)),
        }
        commit_file(self.disk, self.folder / RESULT, sealed(result))


def _not_fresh(folder: Path) -> RunError:
    return RunError(
        NOT_FRESH,
        printable(str(folder)),
        found="it is not empty, and a fresh run was asked for",
        remedy="Name another folder, or leave --fresh away to go on with what is there",
    )


def meanings(experiment: Experiment) -> dict[str, Metric]:
    """What every metric of an experiment is."""
    watched = {} if experiment.monitor is None else experiment.monitor.meanings
    return {**experiment.learner.meanings, **watched}


def learners_of(experiment: Experiment) -> Learners:
    """The learners and attached monitors of all settings, as one stack."""
    each = variants(experiment)
    monitors = [None if one.monitor is None else one.monitor.attached(one.learner) for one in each]
    return stack([one.learner for one in each], monitors)


def _experiment_bytes(experiment: Experiment) -> bytes:
    return sealed({**experiment_to_json(experiment)})


def _certificate(experiment: Experiment) -> Any:
    if experiment.monitor is None or experiment.over:
        return None
    certificate = experiment.monitor.attached(experiment.learner).certificate()
    return None if certificate is None else certificate.to_json()


def _space(run: Run, experiment: Experiment) -> int:
    """Bytes that the checkpoints and the log may come to, generously."""
    with precise(experiment.learner.precision):
        state = sum(int(np.prod(leaf.shape)) * 8 for leaf in jax.tree.leaves(run.state) if eqx.is_array(leaf))
    lines = experiment.num_steps // min(experiment.record_every, experiment.monitor_every) + 1
    log = lines * (60 + 16 * (30 + 20 * run.key.size))
    return 2**20 + (checkpoints.KEPT + 2) * (state + 2**16) + log


def _latest(metrics: dict[str, np.ndarray]) -> dict[str, float]:
    """The last value of each metric, its mean over settings and seeds."""
    found = {}
    for name, values in metrics.items():
        rows = np.isfinite(values).all(axis=(1, 2))
        if rows.any():
            found[name] = float(values[np.flatnonzero(rows)[-1]].mean())
    return found


def _free_name(path: Path) -> Path:
    for number in range(1, 1000):
        tried = path.with_name(f"{path.name}-{number}")
        if not tried.exists():
            return tried
    raise FileExistsError(str(path))
