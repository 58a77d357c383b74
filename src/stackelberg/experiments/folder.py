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
from pathlib import Path

from .._disk import PathName, as_path, printable
from .._errors import RunError
from .disk import TEMPORARY, AbstractDisk


BAD_NAME, UNUSABLE, NO_SPACE, NOT_A_RUN = "E-RUN-004", "E-RUN-005", "E-RUN-006", "E-RUN-007"

EXPERIMENT, PROVENANCE, RESULT = "experiment.json", "provenance.json", "result.json"
CHECKPOINTS, FAILURES = "checkpoints", "failures"

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


def opened(disk: AbstractDisk, folder: Path) -> None:
    """Make the folder and what it needs, or say at once why nothing can be kept there."""
    try:
        for part in [*reversed(folder.parents), folder, folder / CHECKPOINTS]:
            if not part.is_dir():
                disk.make_folder(part)
        probe = folder / f"{TEMPORARY}probe-{os.getpid()}"
        disk.write(probe, b"a run can be kept here\n")
        disk.sync(probe)
        disk.remove(probe)
    except OSError as problem:
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


def unusable(folder: Path, problem: OSError) -> RunError:
    """The error for a folder, or a disk, that does not take what is written."""
    reason = (problem.strerror or str(problem) or type(problem).__name__).lower()
    remedy = {
        errno.ENOSPC: "Free some space and start the same command again: the run goes on from its last checkpoint",
        errno.EDQUOT: "Free some space and start the same command again: the run goes on from its last checkpoint",
        errno.EROFS: "Name a folder on a disk that can be written to",
        errno.EACCES: "Ask for the permission, or name another folder",
        errno.EPERM: "Ask for the permission, or name another folder",
        errno.ENOTDIR: "A part of the path is a file: name another folder",
        errno.EEXIST: "A file has that name: name another folder",
        errno.ELOOP: "Its symbolic links lead in a circle: name another folder",
    }.get(problem.errno or 0, "Look at the disk, then start the same command again: the run goes on where it was")
    return RunError(
        NO_SPACE if problem.errno in (errno.ENOSPC, errno.EDQUOT) else UNUSABLE,
        printable(str(folder)),
        found=f"it cannot be written to ({reason})",
        remedy=remedy,
    )


def existing(path: PathName) -> Path:
    """A folder that holds a run, or `RunError`."""
    place = as_path(path)
    if not (place / EXPERIMENT).is_file():
        raise RunError(
            NOT_A_RUN,
            printable(str(path)),
            found="there is no run: no experiment.json in it" if place.is_dir() else "there is no such folder",
            remedy="Check the name; `stackelberg runs list FOLDER` shows what there is",
        )
    return place
