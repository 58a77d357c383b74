"""What stands in a run's folder, read back and verified. Nothing is repaired here, and nothing is believed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..._disk import PathName, printable
from ..._errors import RunError
from ..._runs import Metric, RunRecord
from ..digests import canonical, digest, unsealed
from ..outline import outline
from ..spec import SCHEMA as EXPERIMENT_SCHEMA
from . import checkpoints, failures
from .disk import content
from .folder import CHECKPOINTS, EXPERIMENT, FAILURES, PROVENANCE, RESULT, existing
from .metrics_log import LOG, Place, curves, holds, read_lines


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
    return unsealed(content(folder / EXPERIMENT), EXPERIMENT_SCHEMA)


def provenance_of(folder: Path, config: str = "") -> dict[str, Any]:
    """What is known of where a run comes from; nothing when it was never written, is damaged, or tells of another run.

    `config` is the fingerprint of the experiment that it must tell of, where that is known.
    """
    try:
        found = unsealed(content(folder / PROVENANCE), PROVENANCE_SCHEMA)
    except ValueError:
        return {}
    kinds = {"environment": dict, "sessions": list, "notes": list}
    is_whole = all(isinstance(found.get(name), kind) for name, kind in kinds.items())
    is_whole = is_whole and all(isinstance(note, str) for note in found["notes"])
    is_whole = is_whole and all(isinstance(session, dict) for session in found["sessions"])
    is_whole = is_whole and isinstance(found["environment"].get("versions"), dict)
    is_whole = is_whole and (not config or found.get("config") == config)
    return found if is_whole and isinstance(found.get("certificate"), dict | None) else {}


def verified_result(folder: Path) -> dict[str, Any] | None:
    """What `result.json` says, when it, the log and the final checkpoint are all as they were written."""
    return None if result_problems(folder) else unsealed(content(folder / RESULT), RESULT_SCHEMA)


def result_problems(folder: Path) -> list[str]:
    """What speaks against the result of a run; a run without one is not complete."""
    if not os.path.lexists(folder / RESULT):
        return ["result.json is not there: the run is not complete."]
    try:
        result = unsealed(content(folder / RESULT), RESULT_SCHEMA)
    except ValueError as problem:
        return [f"result.json is damaged: {problem}."]
    problems = []
    try:
        experiment = experiment_of(folder)
        if digest(experiment) != result.get("experiment"):
            problems.append("experiment.json is not the one that the result belongs to.")
        elif canonical(experiment.get("num_steps")) != canonical(result.get("num_steps")):
            problems.append("result.json tells of another number of steps than experiment.json.")
    except ValueError as problem:
        problems.append(f"experiment.json is damaged: {problem}.")
    try:
        place = Place.of(result.get("log"))
        if not holds(folder / LOG, place) or (folder / LOG).stat().st_size != place.size:
            problems.append("metrics.jsonl is not the one that the result belongs to.")
    except (ValueError, OSError):
        problems.append("result.json does not say how long metrics.jsonl is.")
    try:
        named, steps = result.get("checkpoint"), result.get("num_steps")
        name = checkpoints.name_of(steps) if type(steps) is int and 0 <= steps < 10**12 else ""
        _, facts, manifest = checkpoints.verified(folder / CHECKPOINTS / name)
        told = [canonical([source.get(key) for key in ("config", "seeds", "settings")]) for source in (facts, result)]
        if named != {"name": name, "manifest": manifest} or told[0] != told[1]:
            problems.append("the final checkpoint is not the one that the result belongs to.")
    except ValueError as problem:
        problems.append(f"the final checkpoint is damaged: {problem}.")
    return problems


def owners(folder: Path) -> set[str]:
    """The fingerprints of the experiments that the intact checkpoints in a folder belong to."""
    found = set()
    for name in checkpoints.names(folder / CHECKPOINTS):
        try:
            found.add(str(checkpoints.verified(folder / CHECKPOINTS / name)[1].get("config")))
        except ValueError:
            continue
    return found


def verify(path: PathName) -> Verification:
    """Check every file of a run against the fingerprints that were written with it."""
    folder = existing(path)
    problems, shape, config = [], None, ""
    try:
        found = outline(experiment_of(folder))
        shape, config = (len(found.settings), len(found.seeds)), found.config
    except ValueError as problem:
        problems.append(f"experiment.json is damaged: {problem}.")
    if not provenance_of(folder, config):
        problems.append("provenance.json is missing or damaged.")
    step = 0
    for name in checkpoints.names(folder / CHECKPOINTS):
        try:
            _, facts, _ = checkpoints.verified(folder / CHECKPOINTS / name)
            if not holds(folder / LOG, Place.of(facts["log"])):
                raise ValueError("the log of metrics before it is damaged")
            step = max(step, int(name))
        except ValueError as problem:
            problems.append(f"checkpoint {name} is damaged: {problem}.")
    _, notes = read_lines(folder / LOG, shape)
    problems += notes
    if os.path.lexists(folder / RESULT):
        problems += result_problems(folder)
    for place in sorted((folder / FAILURES).glob("step-*")):
        problems += [f"failures/{place.name} is damaged: {words}." for words in failures.problems(place)]
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
        planned = outline(data)
    except ValueError as problem:
        raise RunError(
            DAMAGED,
            printable(str(folder / EXPERIMENT)),
            found=str(problem),
            remedy="Start the run again with its experiment: what is intact is used",
        ) from problem
    origin = provenance_of(folder, planned.config)
    shape = (len(planned.settings), len(planned.seeds))
    lines, notes = read_lines(folder / LOG, shape)
    if not origin:
        notes.append("provenance.json is missing or damaged: where the numbers come from is not known.")
    if os.path.lexists(folder / RESULT):
        notes += result_problems(folder)
    steps, metrics = curves(lines, *shape)
    status, meanings = status_of(folder), _meanings(origin)
    return RunRecord(
        name=folder.resolve().name,
        title=planned.title or folder.resolve().name,
        steps=steps,
        metrics={name: metrics[name] for name in dict.fromkeys([*meanings, *metrics]) if name in metrics},
        settings=planned.settings,
        seeds=planned.seeds,
        num_steps=planned.num_steps,
        status=np.full(shape, status),
        meanings=meanings,
        experiment=data,
        provenance=origin,
        certificate=origin.get("certificate"),
        notes=(*origin.get("notes", []), *notes, *_resumes(origin)),
    )


def find_runs(path: PathName) -> list[Path]:
    """The folders of runs in `path` and below, itself included; folders of checkpoints are not entered."""
    place = Path(path)
    if (place / EXPERIMENT).is_file():
        return [place]
    inner = sorted(entry for entry in place.iterdir() if entry.is_dir() and not entry.is_symlink())
    return [run for entry in inner for run in find_runs(entry)]


def _meanings(origin: Mapping[str, Any]) -> dict[str, Metric]:
    """What the metrics are, as the run said; one that is not as it is written is shown by its name."""
    found = origin.get("meanings")
    meanings = {}
    for name, entry in found.items() if isinstance(found, dict) else ():
        try:
            meanings[str(name)] = Metric.from_json(entry)
        except ValueError:
            continue
    return meanings


def _resumes(origin: Mapping[str, Any]) -> list[str]:
    if origin.get("environment", {}).get("resume", "exact") == "exact":
        return []
    return ["Something outside of this run remembers: resumed runs agree in distribution, not bit for bit."]
