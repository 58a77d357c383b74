"""Bytes from and to the disk: bounded, regular files only, and written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path
from typing import Any, TypeAlias

from ._errors import FileError


UNREADABLE, NOT_REGULAR, TOO_LARGE, UNWRITABLE, NOT_TEXT = (f"E-FILE-{number:03d}" for number in range(1, 6))

PathName: TypeAlias = str | os.PathLike[str] | Any
"""The name of a file, checked when it is used; anything else gets a `FileError`, not a complaint about types."""

SIZE_LIMIT = 256 * 2**20
"""The largest file that is read unless the caller asks for more, in bytes."""

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def as_path(path: PathName) -> Path:
    """`path` as a `Path`, or a `FileError` when it cannot be the name of a file."""
    if not isinstance(path, str | os.PathLike) or isinstance(os.fspath(path), bytes):
        raise FileError(
            UNREADABLE,
            "path",
            found=f"the name of a file is needed, not a {type(path).__name__}",
            remedy='Give text or a pathlib.Path, such as "game.json"',
        )
    name = os.fspath(path)
    if not name or "\0" in name:
        raise FileError(
            UNREADABLE,
            printable(name) or "path",
            found="the name is empty" if not name else "the name contains the character NUL",
            remedy="Give the name of a file",
        )
    return Path(name)


def read_bytes(path: PathName, *, limit: int = SIZE_LIMIT) -> bytes:
    """All bytes of a regular file of at most `limit` bytes.

    Directories, pipes, devices, sockets, missing files, symbolic links that lead nowhere and larger files raise a
    `FileError`; nothing is opened before its kind is known, so that a pipe cannot block and a device is not touched.
    """
    place = as_path(path)
    shown = printable(str(place))
    try:
        _check_regular(shown, os.stat(place).st_mode)
        handle = os.open(place, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(file.fileno())
            _check_regular(shown, status.st_mode)
            _check_size(shown, status.st_size, limit)
            data = file.read(limit + 1)
    except FileError:
        raise
    except (OSError, ValueError) as problem:
        raise FileError(
            UNREADABLE, shown, found=f"it cannot be read ({_reason(problem)})", remedy=_remedy(problem)
        ) from problem
    _check_size(shown, len(data), limit)
    return data


def read_text(path: PathName, *, limit: int = SIZE_LIMIT) -> str:
    """The text of a UTF-8 file; a byte-order mark is dropped, and line ends become newlines."""
    return decoded(read_bytes(path, limit=limit), printable(str(path)))


def decoded(data: bytes, shown: str) -> str:
    """`data` as text: UTF-8 with or without a byte-order mark, any line ends, no NUL."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise FileError(
            NOT_TEXT,
            shown,
            found=f"line {line}, byte {problem.start}: 0x{data[problem.start]:02x} is not UTF-8 text",
            remedy="Save the file as UTF-8",
        ) from problem
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        line, column = place_in(text, text.index("\0"))
        raise FileError(
            NOT_TEXT,
            shown,
            found=f"line {line}, column {column}: the character NUL",
            remedy="This is not a text file, or it was damaged; save it again",
        )
    return text


def write_whole(path: PathName, data: bytes) -> None:
    """Put `data` at `path` so that a reader finds either the old file or all of the new one, whatever happens."""
    place = as_path(path)
    shown = printable(str(place))
    temporary = None
    try:
        place = place.resolve()  # write through a symbolic link, do not replace it
        if place.is_symlink():  # a loop: from Python 3.13 on `resolve` leaves it as it is
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if place.exists():
            _check_regular(shown, place.stat().st_mode)
        temporary = place.with_name(f".{place.name[:100]}.{secrets.token_hex(8)}.tmp")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, place)
        temporary = None
        _sync_folder(place.parent)
    except FileError:
        raise
    except (OSError, ValueError, RuntimeError) as problem:  # before 3.13 `resolve` raises RuntimeError on a loop
        raise FileError(
            UNWRITABLE, shown, found=f"it cannot be written ({_reason(problem)})", remedy=_remedy(problem)
        ) from problem
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


def place_in(text: str, index: int) -> tuple[int, int]:
    """Line and column of `text[index]`, both counted from 1."""
    return text.count("\n", 0, index) + 1, index - (text.rfind("\n", 0, index) + 1) + 1


def printable(text: str, limit: int = 200) -> str:
    """`text` fit for a message: no control characters, not endless."""
    clean = "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in text[:limit])
    return clean + ("…" if len(text) > limit else "")


def _check_regular(shown: str, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((name for matches, name in _KINDS if matches(mode)), "something else")
        raise FileError(
            NOT_REGULAR, shown, found=f"it is {kind}, not a regular file", remedy="Give the name of a regular file"
        )


def _check_size(shown: str, size: int, limit: int) -> None:
    if size > limit:
        raise FileError(
            TOO_LARGE,
            shown,
            found=f"it has {size:,} bytes or more, and at most {limit:,} are read",
            remedy="Check that it is the right file; a larger limit can be given as `limit`",
        )


def _sync_folder(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # some systems do not open folders; the rename itself is done
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def _reason(problem: Exception) -> str:
    return (getattr(problem, "strerror", None) or str(problem) or type(problem).__name__).lower()


def _remedy(problem: Exception) -> str:
    return {
        errno.ENOENT: "Check the spelling of the name and the folder that you are in",
        errno.ENOTDIR: "Check the spelling of the name: a part of it is a file, not a folder",
        errno.EACCES: "Ask for the permission, or use another folder",
        errno.EPERM: "Ask for the permission, or use another folder",
        errno.EROFS: "Use a folder that can be written to",
        errno.ELOOP: "Its symbolic links lead in a circle; give the file itself",
        errno.ENAMETOOLONG: "Give a shorter name",
        errno.ENOSPC: "Free some space, or use another disk",
    }.get(getattr(problem, "errno", None) or 0, "Check the name and try again")
