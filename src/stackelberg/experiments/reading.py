"""What stands in a run's folder, read back and verified. Nothing is repaired here, and nothing is believed."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .._disk import PathName, printable
from .._errors import InputError, RunError
from .._runs import Metric, RunRecord
from . import checkpoints
from .digests import sha256, unsealed
from .folder import CHECKPOINTS, EXPERIMENT, FAILURES, PROVENANCE, RESULT, existing
from .metrics_log import LOG, Place, curves, holds, read_lines
from .spec import SCHEMA as EXPERIMENT_SCHEMA, experiment_from_json


DAMAGED = "E-RUN-012"

RESULT_SCHEMA = "stackelberg-result/1"
PROVENANCE_SCHEMA = "stackelberg-provenance/1"


@dataclass(frozen=True)
class Verification:
    """Whether everything in a run's folder is what was written, and what is not, each a sentence."""

    path: str
    status: str
    step: int
    problems: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"path": self.path, "status": self.status, "step": self.step, "problems": list(self.problems)}


def experiment_of(folder: Path) -> dict[str, Any]:
    """The experiment of a run as plain values, or a `ValueError`."""
    return unsealed((folder / EXPERIMENT).read_bytes(), EXPERIMENT_SCHEMA)


def provenance_of(folder: Path) -> dict[str, Any]:
    """What is known of where a run comes from; nothing when it was never written, or is damaged."""
    try:
        return unsealed((folder / PROVENANCE).read_bytes(), PROVENANCE_SCHEMA)
    except (OSError, ValueError):
        return {}


def verified_result(folder: Path) -> dict[str, Any] | None:
    """What `result.json` says, when it, the log and the final checkpoint are all as they were written."""
    return None if result_problems(folder) else unsealed((folder / RESULT).read_bytes(), RESULT_SCHEMA)


def result_problems(folder: Path) -> list[str]:
    """What speaks against the result of a run; a run without one is not complete."""
    try:
        result = unsealed((folder / RESULT).read_bytes(), RESULT_SCHEMA)
    except FileNotFoundError:
        return ["result.json is not there: the run is not complete."]
    except (OSError, ValueError) as problem:
        return [f"result.json is damaged: {problem}."]
    problems = []
    try:
        if sha256((folder / EXPERIMENT).read_bytes()) != result["experiment"]:
            problems.append("experiment.json is not the one that the result belongs to.")
    except OSError:
        problems.append("experiment.json is missing.")
    if not holds(folder / LOG, Place(**result["log"])) or (folder / LOG).stat().st_size != result["log"]["size"]:
        problems.append("metrics.jsonl is not the one that the result belongs to.")
    try:
        _, facts, manifest = checkpoints.verified(folder / CHECKPOINTS / result["checkpoint"]["name"])
        if manifest != result["checkpoint"]["manifest"] or facts["config"] != result["config"]:
            problems.append("the final checkpoint is not the one that the result belongs to.")
    except (ValueError, KeyError, TypeError) as problem:
        problems.append(f"the final checkpoint is damaged: {problem}.")
    return problems


def verify(path: PathName) -> Verification:
    """Check every file of a run against the fingerprints that were written with it."""
    folder = existing(path)
    problems = []
    try:
        experiment_from_json(experiment_of(folder))
    except (ValueError, InputError) as problem:
        problems.append(f"experiment.json is damaged: {problem}.")
    if (folder / PROVENANCE).exists() and not provenance_of(folder):
        problems.append("provenance.json is damaged.")
    step = 0
    for name in checkpoints.names(folder / CHECKPOINTS):
        try:
            _, facts, _ = checkpoints.verified(folder / CHECKPOINTS / name)
            if not holds(folder / LOG, Place(**facts["log"])):
                raise ValueError("the log of metrics before it is damaged")
            step = max(step, int(name))
        except (ValueError, KeyError, TypeError) as problem:
            problems.append(f"checkpoint {name} is damaged: {problem}.")
    _, notes = read_lines(folder / LOG)
    problems += notes
    if (folder / RESULT).exists():
        problems += result_problems(folder)
    return Verification(str(path), status_of(folder), step, tuple(problems))


def status_of(folder: Path) -> str:
    """ "complete", "failed" (a step was not finite) or "incomplete"."""
    if verified_result(folder) is not None:
        return "complete"
    return "failed" if any((folder / FAILURES).glob("step-*")) else "incomplete"


def read_run(path: PathName) -> RunRecord:
    """The record of a run, complete or not; what is damaged is left out, and a note says so."""
    folder = existing(path)
    try:
        data = experiment_of(folder)
    except ValueError as problem:
        raise RunError(
            DAMAGED,
            printable(str(folder / EXPERIMENT)),
            found=str(problem),
            remedy="Start the run again with its experiment: what is intact is used",
        ) from problem
    experiment = experiment_from_json(data)
    origin = provenance_of(folder)
    lines, notes = read_lines(folder / LOG)
    chosen = tuple(
        dict(zip(experiment.over, values, strict=True)) for values in itertools.product(*experiment.over.values())
    )
    steps, metrics = curves(lines, len(chosen), len(experiment.seeds))
    status = status_of(folder)
    return RunRecord(
        name=folder.resolve().name,
        title=experiment.title or folder.resolve().name,
        steps=steps,
        metrics=metrics,
        settings=chosen,
        seeds=experiment.seeds,
        num_steps=experiment.num_steps,
        status=np.full((len(chosen), len(experiment.seeds)), status),
        meanings=_meanings(experiment),
        experiment=data,
        provenance=origin,
        certificate=origin.get("certificate"),
        notes=(*origin.get("notes", []), *notes, *_resumes(experiment)),
    )


def find_runs(path: PathName) -> list[Path]:
    """The folders of runs in `path` and below, itself included; folders of checkpoints are not entered."""
    place = Path(path)
    if (place / EXPERIMENT).is_file():
        return [place]
    inner = sorted(entry for entry in place.iterdir() if entry.is_dir() and not entry.is_symlink())
    return [run for entry in inner for run in find_runs(entry)]


def _meanings(experiment: Any) -> Mapping[str, Metric]:
    watched = {} if experiment.monitor is None else experiment.monitor.meanings
    return {**experiment.learner.meanings, **watched}


def _resumes(experiment: Any) -> list[str]:
    if experiment.learner.resume == "exact":
        return []
    return ["Something outside of this run remembers: resumed runs agree in distribution, not bit for bit."]
