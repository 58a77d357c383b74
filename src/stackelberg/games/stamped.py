"""JSON files that say what they hold: the line `"schema"`, a field on each further line, errors that name the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .._disk import printable
from .._errors import InputError


def unstamped(data: Any, schema: str, code: str, allowed: str, remedy: str) -> dict[str, Any]:
    """The fields of an object that says it is of `schema`; `InputError` with `code` about others."""
    if isinstance(data, dict) and data.get("schema") == schema:
        return {name: entry for name, entry in data.items() if name != "schema"}
    found = printable(repr(data.get("schema", "nothing")) if isinstance(data, dict) else type(data).__name__, 60)
    raise InputError(code, "schema", found=f"{found} stands there", allowed=allowed, remedy=remedy)


def as_lines(fields: Mapping[str, Any]) -> bytes:
    """The text of an object, one line for each field: matrices stay readable and files small."""
    lines = (
        f"  {json.dumps(name)}: {json.dumps(entry, ensure_ascii=False, allow_nan=False)}"
        for name, entry in fields.items()
    )
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def in_file(shown: str, problem: InputError) -> InputError:
    """The same error, saying in which file."""
    if problem.field.startswith(shown):
        return problem
    return type(problem)(
        problem.code,
        f"{shown}: {problem.field}",
        position=problem.position,
        found=problem.found,
        allowed=problem.allowed,
        remedy=problem.remedy,
    )
