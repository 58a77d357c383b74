"""How often each job of a sweep was tried and how that ended: one JSON object a line, with a check of its own."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from ..digests import crc
from ..running.disk import AbstractDisk, content


ATTEMPTS = "attempts.jsonl"


def note(disk: AbstractDisk, folder: Path, job: str, ended: str) -> None:
    """One line more. A line that is torn by a crash is skipped by readers; nothing is decided by these lines."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    body = json.dumps({"job": job, "ended": ended, "at": at}, separators=(",", ":")).encode()
    disk.append(folder / ATTEMPTS, body[:-1] + b',"crc":"' + crc(body).encode() + b'"}\n')


def attempts_of(folder: Path) -> list[dict[str, Any]]:
    """Every attempt that is known of, in order."""
    try:
        pieces = content(folder / ATTEMPTS).split(b"\n")
    except ValueError:
        return []
    return [entry for piece in pieces if (entry := _parsed(piece))]


def _parsed(piece: bytes) -> dict[str, Any] | None:
    body, mark, check = piece.rpartition(b',"crc":"')
    if not mark or check != crc(body + b"}").encode() + b'"}':
        return None
    try:
        entry = json.loads(body + b"}")
    except (ValueError, RecursionError):
        return None
    is_whole = isinstance(entry, dict) and all(isinstance(entry.get(name), str) for name in ("job", "ended", "at"))
    return entry if is_whole else None
