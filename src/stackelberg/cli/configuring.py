"""Experiment files as people and programs read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from .._disk import write_whole
from .._errors import StackelbergError
from .._record import dumps
from ..experiments.running.runner import learners_of
from ..experiments.spec import experiment_to_json, read_experiment
from . import errors


WIDTH = 100
"""Lists that are shorter than this stand on one line."""


def shown(path: str, changes: Mapping[str, Any], out: Path | None, *, as_json: bool) -> str:
    """The experiment in a file, complete, as TOML or JSON; `out` gets what its suffix says."""
    data = experiment_to_json(read_experiment(path, changes))
    texts = {".json": dumps(data), ".toml": toml(data)}
    if out is not None:
        write_whole(out, texts[out.suffix.lower()].encode())
    return texts[".json" if as_json else ".toml"]


def validated(paths: Sequence[str], changes: Mapping[str, Any]) -> tuple[dict[str, Any], str, int]:
    """The verdict on each file as an object and as lines, and the exit code of the worst."""
    rows, lines, code = [], [], errors.OK
    for path in paths:
        try:
            experiment = read_experiment(path, changes)
            learners = learners_of(experiment)
        except StackelbergError as problem:
            parts = errors.describe(problem)
            code = max(code, errors.exit_code(problem))
            rows.append({"path": path, "valid": False, "error": parts})
            place = " ".join(parts[key] for key in ("code", "place") if key in parts)
            lines.append(f"{path}: {place}")
            lines += [f"  {key:<8} {parts[key]}" for key in ("found", "allowed", "remedy") if key in parts]
        else:
            seeds = len(experiment.seeds)
            facts = {"num_steps": experiment.num_steps, "seeds": seeds, "settings": learners.size}
            rows.append({"path": path, "valid": True, **facts})
            lines.append(f"{path}: ok, {experiment.num_steps} steps, seeds {seeds}, settings {learners.size}")
    return {"valid": code == errors.OK, "experiments": rows}, "\n".join(lines), code


def toml(data: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    """`data` as TOML that people read: plain values first, then a table for each object, short lists on one line."""
    plain = {name: entry for name, entry in data.items() if not isinstance(entry, Mapping)}
    tables = {name: entry for name, entry in data.items() if isinstance(entry, Mapping)}
    heading = [f"[{'.'.join(map(_key, path))}]"] if path and (plain or not tables) else []
    lines = [f"{_key(name)} = {_value(entry)}" for name, entry in plain.items()]
    parts = ["\n".join([*heading, *lines]) + "\n"] if heading or lines else []
    return "\n".join([*parts, *(toml(entry, (*path, name)) for name, entry in tables.items())])


def _value(entry: Any, indent: int = 0) -> str:
    if isinstance(entry, Mapping):
        return "{ " + ", ".join(f"{_key(name)} = {_value(inner)}" for name, inner in entry.items()) + " }"
    if not isinstance(entry, list):
        return tomli_w.dumps({"x": entry})[4:].rstrip("\n")
    parts = [_value(part, indent + 4) for part in entry]
    line = "[" + ", ".join(parts) + "]"
    if len(line) + indent <= WIDTH and "\n" not in line:
        return line
    blank = " " * (indent + 4)
    return "[\n" + "".join(f"{blank}{part},\n" for part in parts) + " " * indent + "]"


def _key(name: str) -> str:
    return tomli_w.dumps({name: 0}).rpartition(" = ")[0]
