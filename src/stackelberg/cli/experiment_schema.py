"""The JSON Schema of experiment files, made from what reads them: the table of kinds, their constructors and checks.

A field is required when the constructor has no default for it. What it may be is read off the check that the
constructor makes of it (`boundary.whole_number("capacity", capacity, low=1)`) and, where there is none, off its
annotation; its description is the bullet of the class's docstring.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from .. import _codec as codec
from ..experiments.experiment import Experiment
from ..experiments.spec import SCHEMA, TABLE
from ..games.catalog import names
from ..games.files import GAMES


DIALECT = "https://json-schema.org/draft/2020-12/schema"

NUMBERS = {"$ref": "#/$defs/numbers"}
NAMES = {"type": "array", "items": {"type": "string", "minLength": 1}, "uniqueItems": True, "minItems": 1}

SEEDS = {"type": "integer", "minimum": 0, "maximum": 2**32 - 1}
SPECIAL: dict[str, dict[str, Any]] = {
    "seeds": {
        "anyOf": [
            {"type": "integer", "minimum": 1},
            {"type": "array", "items": SEEDS, "uniqueItems": True, "minItems": 1},
        ]
    },
    "over": {"type": "object", "additionalProperties": {"type": "array", "minItems": 1, "uniqueItems": True}},
}
"""Fields of an experiment that its constructor checks in a way of its own."""


def experiment_schema() -> dict[str, Any]:
    """The schema of a whole experiment file, with one definition for each kind of part."""
    parts = {kind: cls for kind, cls in TABLE.items() if cls is not Experiment}
    whole = _object(Experiment, {"schema": {"const": SCHEMA}})
    return {
        "$schema": DIALECT,
        "$id": SCHEMA,
        "title": "An experiment of stackelberg",
        **whole,
        "$defs": {
            **{kind: _object(cls, {"kind": {"const": kind}}) for kind, cls in parts.items()},
            "catalog": _closed(
                {"kind": {"const": "catalog"}, "name": {"enum": list(names())}}, "A game of the catalog."
            ),
            "file": _closed(
                {"kind": {"const": "file"}, "path": {"type": "string", "pattern": r"\.(json|npz|nfg)$"}},
                "A game in a file; the path is counted from the folder of this one.",
            ),
            "numbers": {
                "description": "A number, or rows of numbers.",
                "anyOf": [{"type": "number"}, {"type": "array", "items": NUMBERS, "minItems": 1}],
            },
        },
    }


def _object(cls: type, marks: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of one class: `marks` are fields that are no arguments of it."""
    told = _bullets(cls)
    found, properties, required = _checks(cls), dict(marks), list(marks)
    for name, parameter in codec.arguments(cls).items():
        shape = SPECIAL[name] if cls is Experiment and name in SPECIAL else _shape(cls, name, found.get(name, []))
        more: dict[str, Any] = {"description": told[name]} if name in told else {}
        if parameter.default is inspect.Parameter.empty:
            required.append(name)
        elif isinstance(parameter.default, int | float | str) and parameter.default != "":
            more["default"] = parameter.default
        properties[name] = {**shape, **more}
    summary = (inspect.getdoc(cls) or "").split("\n\n")[0].replace("\n", " ")
    return _closed(properties, summary, required)


def _closed(properties: Mapping[str, Any], description: str, required: list[str] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": dict(properties),
        "required": list(properties) if required is None else required,
        "additionalProperties": False,
    }


def _shape(cls: type, name: str, checks: list[ast.Call]) -> dict[str, Any]:
    """What a field may be, by the checks of the constructor; by its annotation where there are none."""
    scope = vars(sys.modules[cls.__module__])
    depth = _depth(_annotation(cls, name))
    shapes = [shape for call in checks if (shape := _by_check(call, scope, depth)) is not None]
    if NUMBERS in shapes:
        return NUMBERS  # checked twice: first in any shape, then in the one that follows from another field
    return shapes[0] if shapes else _by_annotation(_annotation(cls, name))


def _by_check(call: ast.Call, scope: Mapping[str, Any], depth: int) -> dict[str, Any] | None:
    """What `boundary.<check>("field", ...)` lets pass; `depth` is that of the annotation."""
    assert isinstance(call.func, ast.Attribute)
    given = {word.arg: _constant(word.value, scope) for word in call.keywords if word.arg is not None}
    positional = [_constant(argument, scope) for argument in call.args]
    match call.func.attr:
        case "whole_number":
            return {"type": "integer", **_limits({"low": 0, **given})}
        case "real_number":
            shape = {"type": "number", **_limits(given)}
            return {"anyOf": [shape, {"const": "inf"}]} if given.get("infinite") else shape
        case "text":
            return {"type": "string"}
        case "labels":
            return NAMES
        case "one_of":
            return {"enum": list(positional[2])}
        case "real_array" | "whole_numbers" | "distribution":
            axes = next((word.value for word in call.keywords if word.arg == "axes"), None)
            if not isinstance(axes, ast.Tuple):
                return NUMBERS
            item = {"type": "number", **(_limits(given) if call.func.attr == "real_array" else {"minimum": 0})}
            is_open = any(isinstance(axis, ast.Starred) for axis in axes.elts)
            return _nested(depth if is_open else len(axes.elts), item)
        case "instance":
            return _kinds(positional[2])
        case "instances":
            return {"type": "array", "items": _kinds(positional[2]), "minItems": 1}
        case _:
            return None


def _limits(given: Mapping[str, Any]) -> dict[str, Any]:
    low, high = given.get("low"), given.get("high")
    limits: dict[str, Any] = {}
    if low is not None:
        limits["exclusiveMinimum" if given.get("low_open") else "minimum"] = low
    if high is not None:
        limits["maximum"] = high
    return limits


def _nested(depth: int, item: dict[str, Any]) -> dict[str, Any]:
    for _ in range(depth):
        item = {"type": "array", "items": item, "minItems": 1}
    return item


def _kinds(cls: type) -> dict[str, Any]:
    """Every kind of the table that is a `cls`."""
    kinds = [kind for kind, one in TABLE.items() if issubclass(one, cls)]
    kinds += ["catalog", "file"] if any(issubclass(game, cls) for game in GAMES.values()) else []
    return {"oneOf": [{"$ref": f"#/$defs/{kind}"} for kind in kinds]}


def _by_annotation(annotation: str) -> dict[str, Any]:
    words = annotation.replace(" | None", "")
    plain = {"int": "integer", "float": "number", "str": "string", "bool": "boolean"}
    if words in plain:
        return {"type": plain[words]}
    return NAMES if words == "tuple[str, ...]" else NUMBERS


def _annotation(cls: type, name: str) -> str:
    return next(
        (str(one.__annotations__[name]) for one in cls.__mro__ if name in getattr(one, "__annotations__", {})), ""
    )


def _depth(annotation: str) -> int:
    """How many axes an annotation such as "Float[AnyArray, 'a b']" names."""
    found = re.search(r"\[AnyArray, ['\"](.*?)['\"]\]", annotation)
    return len(found.group(1).split()) if found else 0


def _checks(cls: type) -> dict[str, list[ast.Call]]:
    """The calls `boundary.<check>("field", ...)` in the constructor of `cls`, by field."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls.__init__)))
    found: dict[str, list[ast.Call]] = {}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
        ):
            first = node.args[0] if node.args else None
            if node.func.value.id == "boundary" and isinstance(first, ast.Constant):
                found.setdefault(str(first.value), []).append(node)
    return found


def _constant(node: ast.expr, scope: Mapping[str, Any]) -> Any:
    """What an argument of a check is, when it does not depend on what is checked."""
    if isinstance(node, ast.Name):
        return scope.get(node.id)
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _bullets(cls: type) -> dict[str, str]:
    """By field, what the docstring of `cls` says of it in its list of fields."""
    found: dict[str, str] = {}
    for bullet in re.split(r"\n(?=- )|\n\n", inspect.getdoc(cls) or ""):
        if bullet.startswith("- `"):
            for fields, words in _entries(" ".join(bullet[2:].split())):
                found |= dict.fromkeys(fields, words)
    return found


def _entries(bullet: str) -> Iterator[tuple[list[str], str]]:
    """A bullet may speak of several groups of fields: "`prior`: probabilities. `title`: one line."."""
    heads = list(re.finditer(r"(?:^|(?<=[.;] ))((?:`\w+`(?:, | and )?)+): ", bullet))
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        words = bullet[head.end() : None if following is None else following.start()].strip()
        yield re.findall(r"`(\w+)`", head.group(1)), words.removesuffix(";")
