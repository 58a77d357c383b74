"""A run's folder: its name, what stands in it, and whether a run can be kept there. Imports nothing heavy.

run.lock            held by the one process that works here
experiment.json     what is run
provenance.json     by which versions, on what machine, in which sessions
metrics.jsonl       the log
checkpoints/        the newest three states
failures/           the last good state and the batch of a step that was not finite
result.json         the sign that the run is complete
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

from ..._disk import PathName, as_path, printable
from ..._errors import RunError
from .disk import TEMPORARY, AbstractDisk, is_file


BAD_NAME, UNUSABLE, NO_SPACE, NOT_A_RUN = "E-RUN-004", "E-RUN-005", "E-RUN-006", "E-RUN-007"

EXPERIMENT, PROVENANCE, RESULT = "experiment.json", "provenance.json", "result.json"
CHECKPOINTS, FAILURES, LOG = "checkpoints", "failures", "metrics.jsonl"

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def run_path(path: PathName) -> Path:
    """`path` as the name of a run folder, checked before anything is made.

    The last part is the run's name: letters, digits, points, dashes and underscores, at most 64, the first a letter or
    digit. Raises `RunError`.
    """
    place = as_path(path)
    name = place.name
    if not NAME.fullmatch(name) or RESERVED.fullmatch(name) or name.endswith(".") or ".." in place.parts:
        raise RunError(
            BAD_NAME,
            printable(str(path)),
            found=f"{printable(name, 80)!r} is not the name of a run"
            if ".." not in place.parts
            else "it leads upwards through '..'",
            remedy="Use letters, digits, '.', '-' and '_', at most 64, starting with a letter or digit",
        )
    return place


def made(disk: AbstractDisk, folder: Path) -> None:
    """Make the folder, or say at once why it cannot be; another process may be making it too."""
    try:
        for part in [*reversed(folder.parents), folder]:
            if part.is_dir():
                continue
            try:
                disk.make_folder(part)
            except FileExistsError:
                if not part.is_dir():
                    raise
            disk.sync(part.parent)
    except (OSError, ValueError) as problem:
        raise unusable(folder, problem) from problem


def opened(disk: AbstractDisk, folder: Path) -> None:
    """Make what a run needs in its folder, or say at once why nothing can be kept there; call it under the lock.

    What has a name of ours must be of our kind: nothing is written through a link, or into a pipe.
    """
    try:
        for name in (EXPERIMENT, PROVENANCE, RESULT, LOG):
            if os.path.lexists(folder / name) and not is_file(folder / name):
                raise OSError(errno.EINVAL, f"{name} is a folder, a link or a device, not a file")
        for name in (CHECKPOINTS, FAILURES):
            if os.path.lexists(folder / name) and not stat.S_ISDIR((folder / name).lstat().st_mode):
                raise OSError(errno.EINVAL, f"{name} is a file or a link, not a folder")
        if not (folder / CHECKPOINTS).is_dir():
            disk.make_folder(folder / CHECKPOINTS)
        any((folder / CHECKPOINTS).iterdir())
        probe = folder / f"{TEMPORARY}probe-{os.getpid()}-{secrets.token_hex(4)}"
        disk.write(probe, b"a run can be kept here\n")
        disk.sync(probe)
        disk.remove(probe)
    except OSError as problem:
        raise unusable(folder, problem) from problem


def is_empty(folder: Path, *, but: tuple[str, ...] = ()) -> bool:
    """Whether nothing stands there yet, except for files of some names."""
    try:
        return not os.path.lexists(folder) or all(entry.name in but for entry in folder.iterdir())
    except (OSError, ValueError) as problem:
        raise unusable(folder, problem) from problem


def check_space(disk: AbstractDisk, folder: Path, needed: int) -> None:
    """Refuse to start what the disk has no room for."""
    free = disk.free(folder)
    if free < needed:
        raise RunError(
            NO_SPACE,
            printable(str(folder)),
            found=f"the disk has {free:,} bytes free, and checkpoints and log may need {needed:,}",
            remedy="Free some space, name a folder on another disk, or record less often (record_every)",
        )


def unusable(folder: Path, problem: OSError | ValueError) -> RunError:
    """The error for a folder, or a disk, that does not take what is written."""
    if isinstance(problem, RunError):
        return problem
    code = getattr(problem, "errno", None)
    reason = getattr(problem, "strerror", None) or str(problem) or type(problem).__name__
    remedy = {
        errno.ENOSPC: "Free some space and start the same command again: the run goes on from its last checkpoint",
        errno.EDQUOT: "Free some space and start the same command again: the run goes on from its last checkpoint",
        errno.EROFS: "Name a folder on a disk that can be written to",
        errno.EACCES: "Ask for the permission, or name another folder",
        errno.EPERM: "Ask for the permission, or name another folder",
        errno.ENOTDIR: "A part of the path is a file: name another folder",
        errno.EEXIST: "A file has that name: name another folder",
        errno.ELOOP: "Its symbolic links lead in a circle: name another folder",
        errno.EINVAL: "Take it away, or name another folder",
        errno.ENAMETOOLONG: "Give a shorter name",
    }.get(code or 0, "Look at the disk, then start the same command again: the run goes on where it was")
    return RunError(
        NO_SPACE if code in (errno.ENOSPC, errno.EDQUOT) else UNUSABLE,
        printable(str(folder)),
        found=f"it cannot be written to ({printable(reason)})",
        remedy=remedy,
    )


@final
class Guarded(AbstractDisk):
    """A disk whose failures are `RunError`s that name the place; what else fails in a run keeps its own name."""

    def __init__(self, disk: AbstractDisk) -> None:
        self._disk = disk

    def make_folder(self, path: Path) -> None:
        _guarded(path, self._disk.make_folder, path)

    def write(self, path: Path, data: bytes) -> None:
        _guarded(path, self._disk.write, path, data)

    def append(self, path: Path, data: bytes) -> None:
        _guarded(path, self._disk.append, path, data)

    def truncate(self, path: Path, size: int) -> None:
        _guarded(path, self._disk.truncate, path, size)

    def sync(self, path: Path) -> None:
        _guarded(path, self._disk.sync, path)

    def rename(self, old: Path, new: Path) -> None:
        _guarded(new, self._disk.rename, old, new)

    def remove(self, path: Path) -> None:
        _guarded(path, self._disk.remove, path)

    def free(self, path: Path) -> int:
        return _guarded(path, self._disk.free, path)


def _guarded(path: Path, operation: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return operation(*arguments)
    except OSError as problem:
        raise unusable(path, problem) from problem


def existing(path: PathName) -> Path:
    """A folder that holds a run, or `RunError`."""
    place = as_path(path)
    if not is_file(place / EXPERIMENT):
        raise RunError(
            NOT_A_RUN,
            printable(str(path)),
            found="there is no run: no experiment.json in it" if os.path.isdir(place) else "there is no such folder",
            remedy="Check the name; `stackelberg runs list FOLDER` shows what there is",
        )
    return place
