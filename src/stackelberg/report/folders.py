"""Folders for what is written, made as needed."""

from __future__ import annotations

from pathlib import Path

from .._disk import UNWRITABLE, printable
from .._errors import FileError


def make_folder(folder: Path, what: str) -> None:
    """Make `folder` and those above it; a `FileError` says which `what` cannot be written where."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise FileError(
            UNWRITABLE,
            printable(str(folder)),
            found=f"the {what} cannot be written ({problem.strerror or problem})",
            remedy="Choose a folder that exists or can be made, with room and permission to write.",
        ) from problem
