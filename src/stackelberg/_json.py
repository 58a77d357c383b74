"""JSON text to plain values, strictly: no doubled keys, no NaN, no endless nesting, errors with line and column."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from ._disk import place_in, printable
from ._errors import FileError, NonFiniteError


SYNTAX, DOUBLED, NESTED, MANY = "E-FILE-006", "E-FILE-007", "E-FILE-008", "E-FILE-012"
NOT_FINITE = "E-INPUT-001"

DEPTH_LIMIT = 64
ENTRY_LIMIT = 20_000_000

_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:]|[^\s"\[\]{},:]+', re.DOTALL)
_CONSTANTS = ("NaN", "Infinity", "-Infinity")


class _Doubled(ValueError):
    """An object names one key twice."""


class _Constant(ValueError):
    """A literal that JSON does not have."""


def parse_json(text: str, shown: str) -> Any:
    """The value that `text` writes. `shown` names the file in messages."""
    _check_size(text, shown)
    try:
        return json.loads(text, object_pairs_hook=_without_doubles, parse_constant=_refuse_constant)
    except _Doubled as problem:
        line, column = _place_of_doubled(text)
        raise FileError(
            DOUBLED,
            shown,
            found=f"line {line}, column {column}: the key {printable(str(problem), 60)!r} stands there twice",
            remedy="Remove one of the two",
        ) from problem
    except _Constant as problem:
        raise _not_finite(text, shown, str(problem)) from problem
    except json.JSONDecodeError as problem:
        raise FileError(
            SYNTAX,
            shown,
            found=f"line {problem.lineno}, column {problem.colno}: {problem.msg.lower()}",
            remedy="Correct the JSON text there, or just before",
        ) from problem
    except RecursionError as problem:
        raise _too_deep(shown) from problem
    except ValueError as problem:  # a whole number of thousands of digits
        raise FileError(
            SYNTAX,
            shown,
            found="a whole number has too many digits",
            remedy="Write it in floating point, such as 1e300",
        ) from problem


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Doubled(key)
            seen.add(key)
    return result


def _refuse_constant(name: str) -> Any:
    raise _Constant(name)


def _check_size(text: str, shown: str) -> None:
    # Brackets and commas are counted outside of strings, in NumPy, before anything recurses or is allocated.
    marks = np.frombuffer(_STRING.sub("", text).encode("utf-8", "replace"), dtype=np.uint8)
    steps = np.isin(marks, np.frombuffer(b"[{", np.uint8)).astype(np.int8)
    steps -= np.isin(marks, np.frombuffer(b"]}", np.uint8)).astype(np.int8)
    if steps.size and int(np.cumsum(steps, dtype=np.int64).max()) > DEPTH_LIMIT:
        raise _too_deep(shown)
    entries = int(np.count_nonzero(marks == ord(",")))
    if entries > ENTRY_LIMIT:
        raise FileError(
            MANY,
            shown,
            found=f"it has {entries:,} entries, and at most {ENTRY_LIMIT:,} are read",
            remedy="Store games of that size as .npz",
        )


def _too_deep(shown: str) -> FileError:
    return FileError(
        NESTED,
        shown,
        found=f"its brackets are nested more than {DEPTH_LIMIT} deep",
        remedy="This is no game: the deepest array of a game has four axes",
    )


def _not_finite(text: str, shown: str, name: str) -> NonFiniteError:
    for index, token, keys in _walk(text):
        if token in _CONSTANTS:
            line, column = place_in(text, index)
            field = ".".join(key for key in keys if isinstance(key, str)) or "value"
            position = ",".join(str(key) for key in keys if isinstance(key, int))
            where = f"line {line}, column {column}"
            return NonFiniteError(
                NOT_FINITE,
                f"{shown}: {field}",
                position=f"entry [{position}], {where}" if position else where,
                found=f"{token} is not finite",
                allowed="every number must be finite",
                remedy="Correct the entry, or remove the action or row that it belongs to.",
            )
    raise AssertionError(f"{name} was met by the parser and must be in the text")


def _place_of_doubled(text: str) -> tuple[int, int]:
    seen: list[set[str]] = []
    previous: tuple[int, str] | None = None
    for index, token, _ in _walk(text):
        if token == "{":
            seen.append(set())
        elif token == "}" and seen:
            seen.pop()
        elif token == ":" and previous is not None and seen:
            key = json.loads(previous[1])
            if key in seen[-1]:
                return place_in(text, previous[0])
            seen[-1].add(key)
        previous = (index, token)
    return 1, 1


def _walk(text: str) -> Iterator[tuple[int, str, list[str | int]]]:
    """Each token with its index and the keys and positions that lead to it; only run to explain an error."""
    keys: list[str | int] = []
    previous = ""
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token == ":" and keys and previous.startswith('"'):
            keys[-1] = json.loads(previous)
        yield match.start(), token, keys
        if token == "{":
            keys.append("")
        elif token == "[":
            keys.append(0)
        elif token in "]}" and keys:
            keys.pop()
        elif token == "," and keys and isinstance(keys[-1], int):
            keys[-1] += 1
        previous = token
