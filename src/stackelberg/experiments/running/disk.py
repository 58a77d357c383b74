"""The file system, as few operations as runs need, so that a test can fail or kill at every one of them.

What is committed is written to another name, synced, renamed, and the folder synced: a reader meets the old or all of
the new, whenever the power goes.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import final


TEMPORARY = ".tmp-"
"""What is not committed has a name that starts like this; whoever holds the lock may sweep it away."""


class AbstractDisk(ABC):
    """What changes the file system."""

    @abstractmethod
    def make_folder(self, path: Path) -> None:
        """A new folder; its parent exists."""

    @abstractmethod
    def write(self, path: Path, data: bytes) -> None:
        """A new file with this content."""

    @abstractmethod
    def append(self, path: Path, data: bytes) -> None:
        """More at the end of a file, in one write; the file is made when missing."""

    @abstractmethod
    def truncate(self, path: Path, size: int) -> None:
        """Only the first `size` bytes of a file stay."""

    @abstractmethod
    def sync(self, path: Path) -> None:
        """What was written to a file or folder is on the disk."""

    @abstractmethod
    def rename(self, old: Path, new: Path) -> None:
        """Another name, at once; a file that has it already is replaced."""

    @abstractmethod
    def remove(self, path: Path) -> None:
        """One file or empty folder less."""

    @abstractmethod
    def free(self, path: Path) -> int:
        """Bytes that can still be written."""


@final
class Disk(AbstractDisk):
    """The operating system's."""

    def make_folder(self, path: Path) -> None:
        path.mkdir()

    def write(self, path: Path, data: bytes) -> None:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        _pour(handle, data)

    def append(self, path: Path, data: bytes) -> None:
        _pour(opened_file(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), data)

    def truncate(self, path: Path, size: int) -> None:
        handle = opened_file(path, os.O_WRONLY)
        try:
            os.ftruncate(handle, size)
        finally:
            os.close(handle)

    def sync(self, path: Path) -> None:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def rename(self, old: Path, new: Path) -> None:
        os.replace(old, new)

    def remove(self, path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()

    def free(self, path: Path) -> int:
        return shutil.disk_usage(path).free


DISK = Disk()

LIMIT = 64 * 2**20
"""The largest file that is read of those which a run writes once, arrays apart, in bytes."""

ARRAYS_LIMIT, LOG_LIMIT = 2**36, 2**40
"""The same for arrays, where nothing tells how large they must be, and for the log."""


def content(path: Path, limit: int = LIMIT) -> bytes:
    """All bytes of a regular file that is no link and has at most `limit`; a `ValueError` says why there are none."""
    try:
        handle = opened_file(path, os.O_RDONLY)
        with os.fdopen(handle, "rb") as file:
            size = os.fstat(handle).st_size
            data = file.read(size + 1) if size <= limit else None
    except FileNotFoundError as problem:
        raise ValueError(f"{path.name} is missing") from problem
    except (OSError, ValueError, MemoryError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem) or type(problem).__name__
        raise ValueError(f"{path.name} cannot be read ({reason.lower()})") from problem
    if data is None:
        raise ValueError(f"{path.name} has more than {limit:,} bytes")
    return data


def is_file(path: Path) -> bool:
    """Whether a regular file, and no link to one, stands there."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Whether a folder, and no link to one, stands there."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def commit_folder(disk: AbstractDisk, final_name: Path, files: Mapping[str, bytes]) -> None:
    """A folder with these files under `final_name`, whole or not at all; there must be none of that name yet."""
    temporary = _temporary(final_name)
    disk.make_folder(temporary)
    for name, data in files.items():
        disk.write(temporary / name, data)
        disk.sync(temporary / name)
    disk.sync(temporary)
    disk.rename(temporary, final_name)
    disk.sync(final_name.parent)


def commit_file(disk: AbstractDisk, final_name: Path, data: bytes) -> None:
    """A file with this content under `final_name`, whole or not at all; an older one is replaced."""
    temporary = _temporary(final_name)
    disk.write(temporary, data)
    disk.sync(temporary)
    disk.rename(temporary, final_name)
    disk.sync(final_name.parent)


def discard(disk: AbstractDisk, path: Path) -> None:
    """Take a file or folder away: first its name, then its bytes, so that none is ever met half."""
    if not path.name.startswith(TEMPORARY):
        temporary = _temporary(path)
        disk.rename(path, temporary)
        path = temporary
    if path.is_dir() and not path.is_symlink():
        for inner in sorted(path.iterdir()):
            discard_inner(disk, inner)
    disk.remove(path)


def discard_inner(disk: AbstractDisk, path: Path) -> None:
    """Everything below a folder that has lost its name already."""
    if path.is_dir() and not path.is_symlink():
        for inner in sorted(path.iterdir()):
            discard_inner(disk, inner)
    disk.remove(path)


def sweep_away(disk: AbstractDisk, folder: Path) -> None:
    """Remove what earlier processes did not finish writing."""
    for path in sorted(folder.glob(f"{TEMPORARY}*")):
        discard(disk, path)


def _temporary(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY}{path.name[:80]}-{os.getpid()}-{secrets.token_hex(4)}")


def opened_file(path: Path, flags: int) -> int:
    """A handle of a regular file: a link is not followed to what it names, and a pipe is not waited for."""
    special = (getattr(os, name, 0) for name in ("O_BINARY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC"))
    for flag in special:
        flags |= flag
    handle = os.open(path, flags, 0o666)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return handle


def _pour(handle: int, data: bytes) -> None:
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
    finally:
        os.close(handle)
