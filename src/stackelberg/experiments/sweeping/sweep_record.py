"""The record of a sweep: what its jobs have achieved, by what verifies in their folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..._disk import PathName, as_path
from ..._runs import Metric, RunRecord
from ..digests import sha256
from ..experiment import Experiment
from ..running.folder import EXPERIMENT
from ..running.reading import read_run, verified_result
from ..spec import experiment_to_json, settings
from .attempts import attempts_of
from .job import story_of
from .jobs import JOBS, SWEEP, Job, Table, check_partition, read_table


PROVENANCE = "stackelberg-sweep-provenance/1"


def read_record(path: PathName) -> RunRecord:
    """The record of a run or of a sweep, whichever is in the folder. Raises `RunError` when neither is."""
    return read_sweep(path) if (as_path(path) / SWEEP).is_file() else read_run(path)


def read_sweep(path: PathName) -> RunRecord:
    """The record of a sweep, finished or not.

    Only runs whose results verify are read; every other setting and seed is NaN, and `status` says why: "failed",
    "incomplete" (begun) or "missing". A note counts them, and another tells of each failure.
    """
    table = read_table(path)
    check_partition(table, str(path))
    folder = as_path(path)
    found = {job.id: _verified_record(folder, job) for job in table.jobs}
    chosen, seeds = settings(table.experiment), table.experiment.seeds
    records = [record for record in found.values() if record is not None]
    steps = np.unique(np.concatenate([record.steps for record in records])) if records else np.zeros(0, np.int64)
    names = list(dict.fromkeys(name for record in records for name in record.metrics))
    metrics = {name: np.full((len(steps), len(chosen), len(seeds)), np.nan) for name in names}
    status = np.full((len(chosen), len(seeds)), "missing", "<U16")
    for job in table.jobs:
        places, columns = list(job.settings), [seeds.index(seed) for seed in job.seeds]
        record = found[job.id]
        status[np.ix_(places, columns)] = _status(folder, job) if record is None else "complete"
        if record is not None:
            rows = np.searchsorted(steps, record.steps).tolist()
            for name, values in record.metrics.items():
                metrics[name][np.ix_(rows, places, columns)] = values
    tried = attempts_of(folder)
    return RunRecord(
        name=folder.resolve().name,
        title=table.experiment.title or folder.resolve().name,
        steps=steps,
        metrics=metrics,
        settings=chosen,
        seeds=seeds,
        num_steps=max([table.experiment.num_steps, *(record.num_steps for record in records)]),
        status=status,
        meanings=_meanings(table.experiment),
        experiment=experiment_to_json(table.experiment),
        provenance=_provenance(table, found, tried),
        certificate=records[0].certificate if len(chosen) == 1 and records else None,
        notes=(*_counted(status), *_stories(folder, table, found, tried), *_own_notes(found)),
    )


def is_complete(folder: Path, job: Job) -> bool:
    """Whether the result of `job` verifies, and is the one of this job."""
    result = verified_result(folder / JOBS / job.id)
    return result is not None and result["config"] == job.config and tuple(result["seeds"]) == job.seeds


def _verified_record(folder: Path, job: Job) -> RunRecord | None:
    if not is_complete(folder, job):
        return None
    record = read_run(folder / JOBS / job.id)
    is_its_own = record.seeds == job.seeds and len(record.settings) == len(job.settings) and record.is_complete()
    return record if is_its_own else None


def _status(folder: Path, job: Job) -> str:
    run = folder / JOBS / job.id
    if story_of(run, job.config).get("is_final"):
        return "failed"
    return "incomplete" if (run / EXPERIMENT).is_file() else "missing"


def _meanings(experiment: Experiment) -> dict[str, Metric]:
    watched = {} if experiment.monitor is None else experiment.monitor.meanings
    return {**experiment.learner.meanings, **watched}


def _counted(status: np.ndarray) -> list[str]:
    words = {word: int(np.sum(status == word)) for word in ("failed", "incomplete", "missing")}
    parts = [f"{count} {word}" for word, count in words.items() if count]
    if not parts:
        return []
    return [f"{int(np.sum(status == 'complete'))} of {status.size} runs are complete; {', '.join(parts)}."]


def _stories(folder: Path, table: Table, found: dict[str, Any], tried: list[dict[str, Any]]) -> list[str]:
    last = {entry["job"]: entry["ended"] for entry in tried}
    notes = []
    for job in table.jobs:
        if found[job.id] is not None:
            continue
        if story := story_of(folder / JOBS / job.id, job.config):
            notes.append(f"Job {job.id} failed: {story['message']}")
        elif job.id in last:
            notes.append(f"Job {job.id} is not complete: {last[job.id]}.")
    return notes


def _own_notes(found: dict[str, Any]) -> list[str]:
    return [f"Job {id}: {note}" for id, record in found.items() if record is not None for note in record.notes]


def _provenance(table: Table, found: dict[str, Any], tried: list[dict[str, Any]]) -> dict[str, Any]:
    """Where the numbers come from; environments are listed once each."""
    environments: dict[str, Any] = {}
    rows = []
    for job in table.jobs:
        record = found[job.id]
        row = job.to_json() | {"attempts": sum(entry["job"] == job.id for entry in tried)}
        if record is not None:
            place = record.provenance.get("environment", {})
            name = sha256(repr(sorted(place.items())).encode())[:8]
            environments[name] = place
            row |= {"environment": name, "sessions": len(record.provenance.get("sessions", []))}
        rows.append(row)
    retried = [entry for entry in tried if entry["ended"] != "complete"]
    return {"schema": PROVENANCE, "environments": environments, "jobs": rows, "interrupted_attempts": retried}
