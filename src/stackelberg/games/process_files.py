"""Decision processes from and to JSON files, checked at the boundary.

A file is `{"schema": "stackelberg-process/1", "kind": "decision-process", ...}`, with what `DecisionProcess` takes.
"""

from __future__ import annotations

from typing import Any

from .. import _codec as codec
from .._disk import SIZE_LIMIT, PathName, decoded, printable, read_bytes, write_whole
from .._errors import InputError
from .._json import parse_json
from .decision_process import DecisionProcess
from .stamped import as_lines, in_file, unstamped


SCHEMA_MARK = "E-FILE-013"

SCHEMA = "stackelberg-process/1"

PROCESS: dict[str, type] = {"decision-process": DecisionProcess}


def read_process(path: PathName, *, limit: int = SIZE_LIMIT) -> DecisionProcess:
    """The decision process in a JSON file of at most `limit` bytes.

    Raises `FileError` when the file cannot be read (with line and column), and `InputError` when what it says is not a
    process (with field, position, value and remedy).
    """
    shown = printable(str(path))
    data = parse_json(decoded(read_bytes(path, limit=limit), shown), shown)
    allowed = f'the file of a process starts with {{"schema": "{SCHEMA}", "kind": "decision-process", ...}}'
    remedy = "Write one with `stackelberg process new FILE`, or check that this is no game and no log."
    try:
        return codec.decode(unstamped(data, SCHEMA, SCHEMA_MARK, allowed, remedy), PROCESS)
    except InputError as problem:
        raise in_file(shown, problem) from problem


def write_process(process: DecisionProcess, path: PathName) -> None:
    """Write a decision process to a JSON file, whole or not at all; numbers survive bit for bit."""
    write_whole(path, as_lines(process_to_json(process)))


def process_to_json(process: DecisionProcess) -> dict[str, Any]:
    """`process` as the JSON object that its file holds."""
    return {"schema": SCHEMA} | codec.encode(process, PROCESS)
