"""The log of metrics: one JSON object a line, only ever appended to, each line with a check of its own.

    {"step": 20, "metrics": {"estimate": [[4.8, 5.1]]}, "crc": "1f0c22ab"}

`metrics` holds one list per setting, in it one number per seed. A log whose last line was torn by a crash, or which
goes on beyond the checkpoint that a run is resumed from, is cut back; no step ever stands in it twice.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..digests import crc
from .disk import LOG_LIMIT, AbstractDisk, content, is_file
from .folder import LOG


__all__ = ["LOG", "MetricsLog", "Place", "curves", "holds", "line", "parse", "read_lines"]


@dataclass(frozen=True)
class Place:
    """How much of the log belongs to a state: bytes, and the SHA-256 of them."""

    size: int = 0
    sha256: str = hashlib.sha256().hexdigest()

    @classmethod
    def of(cls, entry: Any) -> Place:
        """What a file says of a place, or a `ValueError`."""
        is_place = isinstance(entry, dict) and sorted(entry) == ["sha256", "size"]
        if not is_place or type(entry["size"]) is not int or not 0 <= entry["size"] <= LOG_LIMIT:
            raise ValueError("it does not say where the log of metrics stood")
        return cls(entry["size"], str(entry["sha256"]))


class MetricsLog:
    """A log that is being written. Lines wait in memory until `flush`, so that a step costs no system call."""

    def __init__(self, disk: AbstractDisk, path: Path, place: Place) -> None:
        """Go on at `place`, which was checked; whatever stands after it is cut off."""
        self._disk, self._path = disk, path
        self._digest = _digest(path, place.size)
        self._size = place.size
        self._waiting = bytearray()
        if not is_file(path):
            disk.append(path, b"")
            disk.sync(path)
            disk.sync(path.parent)  # without it a power cut could leave checkpoints that speak of a log that is lost
        elif path.stat().st_size > place.size:
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
    try:
        return _digest(path, place.size).hexdigest() == place.sha256
    except (OSError, ValueError):
        return False


def _digest(path: Path, size: int) -> Any:
    """The SHA-256 of the first `size` bytes of a log, read piece by piece; `ValueError` when it has not so many."""
    digest, left = hashlib.sha256(), size
    if not left:
        return digest
    if not is_file(path):
        raise ValueError(f"{path.name} is no file")
    with path.open("rb") as file:
        while left:
            piece = file.read(min(left, 2**20))
            if not piece:
                raise ValueError(f"{path.name} is shorter than it was")
            digest.update(piece)
            left -= len(piece)
    return digest


def read_lines(path: Path, shape: tuple[int, int] | None = None) -> tuple[list[dict[str, Any]], list[str]]:
    """The intact lines of a log up to the first damaged one, and a note about what was left out.

    Steps rise from line to line; every metric is a table of numbers, of `shape` (settings, seeds) where that is said.
    """
    try:
        pieces = content(path, LOG_LIMIT).split(b"\n") if os.path.lexists(path) else [b""]
    except ValueError as problem:
        return [], [f"{problem}."]
    lines: list[dict[str, Any]] = []
    last = 0
    for number, piece in enumerate(pieces, 1):
        if not piece and number == len(pieces):
            return lines, []
        parsed = parse(piece)
        if parsed is None or not _fits(parsed, shape):
            is_torn = number == len(pieces)
            what = "its last line is torn" if is_torn else f"line {number} is damaged, and what follows is not used"
            return lines, [f"{path.name}: {what}."]
        if parsed["step"] <= last:
            return lines, [f"{path.name}: line {number} repeats step {parsed['step']}, and what follows is not used."]
        last = parsed["step"]
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
    is_whole = isinstance(found, dict) and type(found.get("step")) is int and isinstance(found.get("metrics"), dict)
    return found if is_whole and abs(found["step"]) < 2**62 else None


def _fits(parsed: Mapping[str, Any], shape: tuple[int, int] | None) -> bool:
    for values in parsed["metrics"].values():
        try:
            array = np.asarray(values)
        except ValueError:  # rows of different lengths
            return False
        if array.ndim != 2 or array.dtype.kind not in "if" or shape not in (None, array.shape):
            return False
        if not np.isfinite(array).all():
            return False
    return True


def curves(lines: Sequence[Mapping[str, Any]], settings: int, seeds: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Steps `(k,)` and metrics `(k, g, s)` of the lines, NaN where a line has no such metric."""
    steps = np.array([entry["step"] for entry in lines], np.int64)
    names = dict.fromkeys(name for entry in lines for name in entry["metrics"])
    metrics = {name: np.full((len(lines), settings, seeds), np.nan) for name in names}
    for k, entry in enumerate(lines):
        for name, values in entry["metrics"].items():
            metrics[name][k] = values
    return steps, metrics
