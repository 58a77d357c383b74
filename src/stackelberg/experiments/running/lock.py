"""One process at a time in a run folder. Imports nothing heavy: a second process is refused at once."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..._disk import printable
from ..._errors import RunError
from .disk import opened_file
from .folder import unusable


LOCKED, NO_LOCKS = "E-RUN-002", "E-RUN-003"

LOCK = "run.lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` while a block runs; `RunError` names the owner when another process does.

    The system itself gives the lock back when its owner ends, however that happens, so that no lock is ever stale.
    """
    try:
        handle = opened_file(folder / LOCK, os.O_RDWR | os.O_CREAT)
    except OSError as problem:
        raise unusable(folder / LOCK, problem) from problem
    try:
        _take(handle, folder)
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps(owner()).encode() + b"\n", 0)
        except OSError as problem:
            raise unusable(folder / LOCK, problem) from problem
        yield
    finally:
        os.close(handle)


def owner() -> dict[str, Any]:
    """This process: its number, its machine and this start of it, and since when."""
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "boot": boot(),
        "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def boot() -> str:
    """Which start of the machine this is; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _take(handle: int, folder: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        take = lambda: msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        take = lambda: fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        take()
    except (BlockingIOError, PermissionError) as problem:
        raise RunError(
            LOCKED,
            printable(str(folder)),
            found=f"another process works in it: {_described(handle)}",
            remedy="Wait for it, stop it, or name another folder",
        ) from problem
    except OSError as problem:
        raise RunError(
            NO_LOCKS,
            printable(str(folder)),
            found=f"its file system gives no locks ({problem.strerror})",
            remedy="Use a folder on a local disk, or a network file system with locks",
        ) from problem


def _described(handle: int) -> str:
    try:
        held = json.loads(os.pread(handle, 4096, 0))
        return printable(f"process {int(held['pid'])} on {held['host']!s:.80}, since {held['since']!s:.40}")
    except (ValueError, KeyError, TypeError, OSError):
        return "it has not written its name yet"
