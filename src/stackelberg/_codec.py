"""Objects to plain values and back, by the arguments of their constructors and a closed table of names.

An object is written as `{"kind": name, argument: value, ...}`. The table `{name: class}` is passed in, so that a file
can only ever build what its reader expects: no import strings, no code.
"""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ._disk import printable
from ._errors import InputError


UNKNOWN_KIND, UNKNOWN_KEY, MISSING_KEY, NOT_AN_OBJECT = (f"E-CODEC-{number:03d}" for number in range(1, 5))

Table = Mapping[str, type]

_WORDS = {"inf": math.inf, "-inf": -math.inf}


def arguments(cls: type) -> dict[str, inspect.Parameter]:
    """The arguments that the constructor of `cls` takes, in its order."""
    return dict(inspect.signature(cls).parameters)


OWN = "own:"
"""What stands before the name of a class that no table has: it can be written, to tell values apart, and never read."""


def kind_of(value: Any, table: Table, own: type | None = None) -> str:
    """The name under which `table` knows the class of `value`; for other classes below `own` a name to tell it by."""
    for kind, cls in table.items():
        if type(value) is cls:
            return kind
    if own is not None and isinstance(value, own):
        return f"{OWN}{type(value).__qualname__}"
    raise InputError(
        UNKNOWN_KIND,
        "object",
        found=f"a {type(value).__name__} has no name in files",
        allowed="it must be one of " + ", ".join(cls.__name__ for cls in table.values()),
        remedy="Build one of these, or store its arrays yourself.",
    )


def fields_of(value: Any) -> dict[str, Any]:
    """What the constructor of `value` was given, read back from its fields; `None` is left out."""
    try:
        found = {name: getattr(value, name) for name in arguments(type(value))}
    except AttributeError as problem:
        raise InputError(
            UNKNOWN_KIND,
            type(value).__name__,
            found=f"its constructor takes {problem.name!r}, and it has no field of that name",
            allowed="what the constructor of an object takes can be read back from its fields",
            remedy="Keep each argument in a field of the same name.",
        ) from problem
    return {name: entry for name, entry in found.items() if entry is not None}


def encode(value: Any, table: Table, own: type | None = None) -> dict[str, Any]:
    """`value` as `{"kind": ..., argument: ...}` in JSON's own types; float64 survive bit for bit.

    Objects of classes below `own` that the table does not have are written too, see `OWN`; functions by their name.
    """
    fields = {name: _encoded(entry, table, own) for name, entry in fields_of(value).items()}
    return {"kind": kind_of(value, table, own)} | fields


def decode(data: Any, table: Table, field: str = "") -> Any:
    """The object that `data` describes. Unknown and missing keys raise an `InputError` with the nearest name."""
    prefix = f"{field}." if field else ""
    if not isinstance(data, Mapping):
        raise InputError(
            NOT_AN_OBJECT,
            field or "file",
            found=f"a {type(data).__name__} stands there",
            allowed='an object such as {"kind": "normal-form", ...} is needed',
            remedy="Write the fields by name inside braces.",
        )
    if "kind" not in data:
        raise missing(f"{prefix}kind", list(table))
    kind = data["kind"]
    if isinstance(kind, str) and kind.startswith(OWN):
        raise InputError(
            UNKNOWN_KIND,
            f"{prefix}kind",
            found=f"{printable(kind, 60)} is a class of the program that wrote this",
            allowed="files can only name " + ", ".join(table),
            remedy="Start it from that program; records of its runs can be read anywhere.",
        )
    if not isinstance(kind, str) or kind not in table:
        raise unknown(UNKNOWN_KIND, f"{prefix}kind", kind, list(table))
    wanted = arguments(table[kind])
    given = {name: entry for name, entry in data.items() if name != "kind"}
    for name in given:
        if name not in wanted:
            raise unknown(UNKNOWN_KEY, f"{prefix}{printable(str(name), 60)}", name, list(wanted))
    for name, parameter in wanted.items():
        if parameter.default is inspect.Parameter.empty and name not in given:
            raise missing(f"{prefix}{name}", list(wanted))
    built = {name: _decoded(entry, wanted[name], table, f"{prefix}{name}") for name, entry in given.items()}
    return table[kind](**built)


def _encoded(entry: Any, table: Table, own: type | None) -> Any:
    if type(entry) in table.values() or (own is not None and isinstance(entry, own)):
        return encode(entry, table, own)
    if own is not None and callable(entry):
        return {"kind": f"{OWN}function", "name": getattr(entry, "__qualname__", type(entry).__qualname__)}
    if isinstance(entry, tuple | list):
        return [_encoded(part, table, own) for part in entry]
    if hasattr(entry, "__array__"):
        entry = np.asarray(entry).tolist()
    if isinstance(entry, float) and math.isinf(entry):
        return str(entry)
    return entry


def _decoded(entry: Any, parameter: inspect.Parameter, table: Table, field: str) -> Any:
    if isinstance(entry, Mapping) and "Mapping" not in str(parameter.annotation):
        return decode(entry, table, field)
    if isinstance(entry, list) and any(isinstance(part, Mapping) for part in entry):
        return [decode(part, table, f"{field}[{index}]") for index, part in enumerate(entry)]
    if isinstance(entry, str) and "float" in str(parameter.annotation):
        return _WORDS.get(entry, entry)  # JSON has no word for infinity, which an inverse temperature may be
    return entry


def unknown(code: str, field: str, name: Any, known: list[str]) -> InputError:
    """The error for a name that is none of those `known`; the nearest one is suggested."""
    near = difflib.get_close_matches(str(name)[:100], known, n=1, cutoff=0.4)
    return InputError(
        code,
        field,
        found=f"{printable(repr(name), 60)} is not known",
        allowed="it must be one of " + ", ".join(known),
        remedy=f"Did you mean {near[0]!r}?" if near else "Use one of the names above.",
    )


def missing(field: str, known: list[str]) -> InputError:
    """The error for something that was left out."""
    return InputError(
        MISSING_KEY,
        field,
        found="it is missing",
        allowed="it must be given; what may be given: " + ", ".join(known),
        remedy="Add it.",
    )
