"""Runs as lists, configurations and verdicts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._disk import printable
from .._errors import RunError
from .._runs import RunRecord
from ..experiments.running.folder import EXPERIMENT, NOT_A_RUN
from ..experiments.running.reading import Verification, find_runs, verify
from ..experiments.sweeping.jobs import SWEEP
from ..experiments.sweeping.sweep_record import read_record
from ..report.summary import number
from ..report.tables import Table
from . import described
from .live import worth


def found_in(folder: Path) -> list[dict[str, Any]]:
    """What is known of every run in `folder` and below."""
    return [_entry(path) for path in _runs_and_sweeps(folder)] if folder.is_dir() else []


def _runs_and_sweeps(folder: Path) -> Iterator[Path]:
    """Folders of runs and sweeps in `folder` and below, itself included; the jobs of a sweep are not listed."""
    if (folder / EXPERIMENT).is_file() or (folder / SWEEP).is_file():
        yield folder
        return
    for inner in sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.is_symlink()):
        yield from _runs_and_sweeps(inner)


def _entry(path: Path) -> dict[str, Any]:
    written = max((file.stat().st_mtime for file in path.iterdir() if file.suffix in (".json", ".jsonl")), default=0.0)
    entry: dict[str, Any] = {
        "path": str(path),
        "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(written)),
    }
    try:
        record = read_record(path)
    except (RunError, ValueError) as problem:
        return entry | {"status": "damaged", "problem": str(problem)}
    finals = {}
    for name in sorted(record.metrics, key=lambda name: worth(name, record.meaning(name))):
        values = record.final(name)
        finals[name] = float(np.mean(values)) if np.isfinite(values).all() else None
    return entry | {
        "title": record.title,
        "status": described.status(record),
        "step": described.last_step(record),
        "num_steps": record.num_steps,
        "runs": record.status.size,
        "complete": int(np.sum(record.status == "complete")),
        "metrics": finals,
    }


def table(found: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each run; a metric that all have in common stands in the header."""
    firsts = [next(iter(entry.get("metrics", {}).items()), None) for entry in found]
    names = {first[0] for first in firsts if first is not None}
    common = names.pop() if len(names) == 1 else ""
    rows = []
    for entry, first in zip(found, firsts, strict=True):
        final = "" if first is None else _shown(first[1]) if common else f"{first[0]} {_shown(first[1])}"
        steps = f"{entry['step']}/{entry['num_steps']}" if "step" in entry else ""
        done = f"{entry['complete']}/{entry['runs']}" if "runs" in entry else ""
        written = entry["written"].replace("T", " ").removesuffix("Z")[:16]
        rows.append((entry["path"], entry["status"], steps, done, final, written))
    headers = ("run", "status", "step", "seeds", common or "final mean", "written (UTC)")
    return Table(headers, rows, right=frozenset({"step", "seeds", common}))


def _shown(value: float | None) -> str:
    return "–" if value is None else number(value)


def configuration(record: RunRecord) -> Table:
    """What was run, field by field, and by what."""
    experiment = {name: value for name, value in record.experiment.items() if name not in ("schema", "digest")}
    environment = record.provenance.get("environment", {})
    versions = environment.get("versions", {})
    sessions = record.provenance.get("sessions", [])
    origin = [
        ("device", environment.get("device", "unknown")),
        (
            "versions",
            ", ".join(f"{name} {versions[name]}" for name in ("stackelberg", "jax", "python") if name in versions),
        ),
        ("sessions", ", ".join(f"from step {one.get('from_step')}" for one in sessions)),
        ("configuration", str(record.provenance.get("config", "unknown"))[:16]),
    ]
    return Table(("", ""), [*_flat(experiment), *((name, printable(str(value))) for name, value in origin)])


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """The leaves of an experiment by dotted name; long lists are only described."""
    if isinstance(value, Mapping) and value:
        for key, entry in value.items():
            yield from _flat(entry, f"{name}.{key}" if name else str(key))
        return
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) > 72 and isinstance(value, list):
        text = (
            "numbers of shape " + " × ".join(map(str, np.shape(value)))
            if _is_numeric(value)
            else f"{len(value)} entries"
        )
    yield name, printable(text)


def _is_numeric(value: list[Any]) -> bool:
    return np.asarray(value, object).dtype == object and not isinstance(value[0], str | Mapping)


def verified(paths: Sequence[str]) -> list[Verification]:
    """What is wrong with each run that is named, or is below a folder that is named."""
    return [verify(run) for path in paths for run in _runs_of(path)]


def _runs_of(path: str) -> list[Path]:
    place = Path(path)
    runs = find_runs(place) if place.is_dir() else []
    if not runs:
        raise RunError(
            NOT_A_RUN,
            printable(path),
            found="there is no run in it" if place.is_dir() else "there is no such folder",
            remedy="Check the name; `stackelberg runs list FOLDER` shows what there is",
        )
    return runs


def verdict(found: Verification) -> str:
    """One line for an intact run, and one more for each problem of another."""
    state = f"{found.path}: {found.status}, step {found.step}, " + ("DAMAGED" if found.problems else "intact")
    return "\n  ".join([state, *found.problems])
