"""Which files hold games: known by their suffix alone, before anything is read."""

from __future__ import annotations

from .._disk import PathName, as_path, printable
from .._errors import FileError


SUFFIX = "E-FILE-009"

SUFFIXES = (".json", ".nfg", ".npz")


def game_suffix(path: PathName) -> str:
    """The suffix of `path` in small letters; `FileError` when it names no format of games."""
    suffix = as_path(path).suffix.lower()
    if suffix in SUFFIXES:
        return suffix
    raise FileError(
        SUFFIX,
        printable(str(path)),
        found=f"the suffix {printable(suffix, 20)!r} names no format of games",
        remedy="Use one of " + ", ".join(SUFFIXES),
    )
