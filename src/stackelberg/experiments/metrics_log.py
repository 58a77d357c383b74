"""The log of metrics: one JSON object a line, only ever appended to, each line with a check of its own.

    {"step": 20, "metrics": {"estimate": [[4.8, 5.1]]}, "crc": "1f0c22ab"}

`metrics` holds one list per setting, in it one number per seed. A log whose last line was torn by a crash, or which
goes on beyond the checkpoint that a run is resumed from, is cut back; no step ever stands in it twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .digests import crc
from .disk import AbstractDisk


LOG = "metrics.jsonl"


@dataclass(frozen=True)
class Place:
    """How much of the log belongs to a state: bytes, and the SHA-256 of them."""

    size: int = 0
    sha256: str = hashlib.sha256().hexdigest()


class MetricsLog:
    """A log that is being written. Lines wait in memory until `flush`, so that a step costs no system call."""

    def __init__(self, disk: AbstractDisk, path: Path, place: Place) -> None:
        """Go on at `place`, which was checked; whatever stands after it is cut off."""
        self._disk, self._path = disk, path
        self._digest = hashlib.sha256(path.read_bytes()[: place.size] if place.size else b"")
        self._size = place.size
        self._waiting = bytearray()
        if path.exists() and path.stat().st_size > place.size:
            disk.truncate(path, place.size)
            disk.sync(path)

    def add(self, step: int, metrics: Mapping[str, np.ndarray]) -> None:
        """One line; a metric that was not measured (NaN) is left out."""
        self._waiting += line(step, metrics)

    def flush(self) -> None:
        """What waits is written, in one piece."""
        if self._waiting:
            data = bytes(self._waiting)
            self._disk.append(self._path, data)
            self._digest.update(data)
            self._size += len(data)
            self._waiting.clear()

    def committed(self) -> Place:
        """Everything written and synced, and where that leaves the log."""
        self.flush()
        if self._size:
            self._disk.sync(self._path)
        return Place(self._size, self._digest.hexdigest())


def line(step: int, metrics: Mapping[str, np.ndarray]) -> bytes:
    """One line of the log."""
    numbers = {name: values.tolist() for name, values in metrics.items() if np.isfinite(values).all()}
    body = json.dumps({"step": step, "metrics": numbers}, separators=(",", ":"), allow_nan=False).encode()
    return body[:-1] + b',"crc":"' + crc(body).encode() + b'"}\n'


def holds(path: Path, place: Place) -> bool:
    """Whether the log starts with exactly what belongs to `place`."""
    if place.size == 0:
        return True
    try:
        with path.open("rb") as file:
            data = file.read(place.size)
    except OSError:
        return False
    return len(data) == place.size and hashlib.sha256(data).hexdigest() == place.sha256


def read_lines(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The intact lines of a log up to the first damaged one, and a note about what was left out."""
    if not path.is_file():
        return [], []
    pieces = path.read_bytes().split(b"\n")
    lines: list[dict[str, Any]] = []
    for number, piece in enumerate(pieces, 1):
        if not piece and number == len(pieces):
            return lines, []
        parsed = parse(piece)
        if parsed is None:
            is_torn = number == len(pieces)
            what = "its last line is torn" if is_torn else f"line {number} is damaged, and what follows is not used"
            return lines, [f"{path.name}: {what}."]
        lines.append(parsed)
    return lines, [f"{path.name}: its last line has no end."]


def parse(piece: bytes) -> dict[str, Any] | None:
    """One line as it was written, or None when it is not."""
    body, mark, check = piece.rpartition(b',"crc":"')
    if not mark or check != crc(body + b"}").encode() + b'"}':
        return None
    try:
        found = json.loads(body + b"}")
    except (ValueError, RecursionError):
        return None
    is_whole = isinstance(found, dict) and isinstance(found.get("step"), int) and isinstance(found.get("metrics"), dict)
    return found if is_whole else None


def curves(lines: Sequence[Mapping[str, Any]], settings: int, seeds: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Steps `(k,)` and metrics `(k, g, s)` of the lines, NaN where a line has no such metric."""
    steps = np.array([entry["step"] for entry in lines], np.int64)
    names = dict.fromkeys(name for entry in lines for name in entry["metrics"])
    metrics = {name: np.full((len(lines), settings, seeds), np.nan) for name in names}
    for k, entry in enumerate(lines):
        for name, values in entry["metrics"].items():
            metrics[name][k] = values
    return steps, metrics
