"""Checks on what a person hands in: once, in NumPy float64, before JAX sees it.

Each check returns the value in the one form that the package works with, or raises an `InputError` that names
the field, the position, the value found, the range allowed, and what to do.
"""

from __future__ import annotations

import difflib
import math
import numbers
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from ._errors import InputError, NonFiniteError
from ._real import (
    DISTRIBUTION,
    EMPTY,
    INCONSISTENT,
    MERGED as MERGED,
    NAME,
    NOT_FINITE,
    RAGGED as RAGGED,
    RANGE,
    SHAPE,
    TYPE,
    as_real,
    exactly,
    first_of,
    shown,
)


T = TypeVar("T")

PROBABILITY_TOLERANCE = 1e-9

_CONTROL = ("Cc", "Cs", "Zl", "Zp")
_REORDER = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def is_traced(value: Any) -> bool:
    """Whether `value` is a JAX array that has no concrete value yet; its checks were made before the trace."""
    return hasattr(value, "aval") and hasattr(value, "_trace")


def real_array(
    field: str,
    value: Any,
    *,
    axes: Sequence[str | int] | None = None,
    low: float | None = None,
    high: float | None = None,
) -> Any:
    """An array of finite real numbers, as NumPy float64.

    - `axes`: one entry per dimension; an integer fixes its size, a word only names it. `None`: any shape.
    - `low`, `high`: the closed range in which every entry must lie.

    A value that JAX is tracing passes unchanged. Raises `InputError` naming the first bad cell.
    """
    if is_traced(value):
        return value
    array = as_real(field, value)
    if axes is not None:
        _check_shape(field, array, axes)
    bad = ~np.isfinite(array)
    if bad.any():
        position = first_of(bad)
        raise NonFiniteError(
            NOT_FINITE,
            field,
            position=position,
            found=f"{array[position]} is not finite ({int(bad.sum())} such {_cells(int(bad.sum()))})",
            allowed="every entry must be a finite number",
            remedy="Correct the entry, or remove the action or row that it belongs to.",
        )
    for limit, outside, word in ((low, np.less, "at least"), (high, np.greater, "at most")):
        if limit is not None:
            bad = outside(array, limit)
            if bad.any():
                position = first_of(bad)
                raise InputError(
                    RANGE,
                    field,
                    position=position,
                    found=f"{array[position]:.17g} is out of range ({int(bad.sum())} such {_cells(int(bad.sum()))})",
                    allowed=f"every entry must be {word} {limit:g}",
                    remedy="Correct the entry, or check the column and the units it comes from.",
                )
    return array


def real_number(
    field: str,
    value: Any,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    low_open: bool = False,
    infinite: bool = False,
) -> Any:
    """One real number in `[low, high]` (`(low, high]` with `low_open`), as a Python float; traced values pass.

    `infinite=True` also admits infinity where `high` does.
    """
    if is_traced(value):
        return value
    if (isinstance(value, np.ndarray) and value.ndim == 0) or hasattr(value, "__jax_array__"):
        value = np.asarray(value).item()
    elif hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise InputError(
            TYPE,
            field,
            found=f"{shown(value)} is of type {type(value).__name__}",
            allowed="one real number is needed",
            remedy="Give a plain number, such as 5.0.",
        )
    number = exactly(field, value)
    if math.isnan(number) or (math.isinf(number) and not infinite):
        raise NonFiniteError(
            NOT_FINITE,
            field,
            found=f"{number} is not finite",
            allowed="a finite number is needed",
            remedy="Give a finite number.",
        )
    if number < low or number > high or (low_open and number == low):
        opening = "(" if low_open else "["
        closing = "]" if infinite or math.isfinite(high) else ")"
        raise InputError(
            RANGE,
            field,
            found=f"{number:.17g} is out of range",
            allowed=f"it must lie in {opening}{low:g}, {high:g}{closing}",
            remedy="Give a number inside that range.",
        )
    return number


def whole_number(field: str, value: Any, *, low: int = 0, high: int | None = None) -> int:
    """One whole number in `[low, high]`, as a Python int."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        raise InputError(
            TYPE,
            field,
            found=f"{shown(value)} is of type {type(value).__name__}",
            allowed="one whole number is needed",
            remedy="Give a whole number, such as 3.",
        )
    number = int(value)
    if number < low or (high is not None and number > high):
        raise InputError(
            RANGE,
            field,
            found=f"{number} is out of range",
            allowed=f"it must be at least {low}" + ("" if high is None else f" and at most {high}"),
            remedy="Give a whole number inside that range.",
        )
    return number


def boolean(field: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(
            TYPE,
            field,
            found=f"{shown(value)} is of type {type(value).__name__}",
            allowed="True or False is needed",
            remedy="Give True or False.",
        )
    return bool(value)


def whole_numbers(
    field: str, value: Any, *, axes: Sequence[str | int] | None = None, low: int = 0, high: int | None = None
) -> np.ndarray:
    """An array of whole numbers in `[low, high]`, as int64. Floats are taken only when they are whole."""
    array = real_array(field, value, axes=axes)
    fractional = array != np.round(array)
    if fractional.any():
        position = first_of(fractional)
        raise InputError(
            TYPE,
            field,
            position=position,
            found=f"{array[position]:.17g} is not a whole number",
            allowed="every entry must be a whole number",
            remedy="Counts and indices are whole numbers; check the column that it comes from.",
        )
    real_array(field, array, low=float(low), high=min(2.0**53, math.inf if high is None else float(high)))
    return array.astype(np.int64)


def distribution(field: str, value: Any, *, axes: Sequence[str | int] | None = None) -> Any:
    """Probabilities over the last axis: at least 0, summing to 1 within 1e-9, then renormalised exactly.

    Sums further from 1 are an error, never repaired: a strategy that misses a tenth of its mass is a mistake.
    """
    if is_traced(value):
        return value
    array = real_array(field, value, axes=axes)
    if array.ndim == 0 or array.shape[-1] == 0:
        raise InputError(
            EMPTY,
            field,
            found=f"the shape is {array.shape}",
            allowed="a distribution needs at least one entry",
            remedy="Give one probability for each action.",
        )
    negative = array < -PROBABILITY_TOLERANCE
    if negative.any():
        position = first_of(negative)
        raise InputError(
            RANGE,
            field,
            position=position,
            found=f"{array[position]:.17g} is negative",
            allowed="probabilities must be at least 0",
            remedy="Correct the entry.",
        )
    if array.size and array.max() > 1.0 + PROBABILITY_TOLERANCE:
        position = first_of(array > 1.0 + PROBABILITY_TOLERANCE)
        raise InputError(
            RANGE,
            field,
            position=position,
            found=f"{array[position]:.17g} is more than 1",
            allowed="probabilities must be at most 1",
            remedy="Divide by the sum if these are weights; otherwise correct the entry.",
        )
    total = array.sum(axis=-1)
    wrong = np.abs(total - 1.0) > PROBABILITY_TOLERANCE
    if np.any(wrong):
        position = first_of(np.atleast_1d(wrong)) if total.ndim else ()
        amount = float(total[position]) if total.ndim else float(total)
        raise InputError(
            DISTRIBUTION,
            field,
            position=position,
            found=f"the probabilities sum to {amount:.17g}",
            allowed=f"they must sum to 1 within {PROBABILITY_TOLERANCE:g}",
            remedy="Divide by their sum if they are weights; otherwise look for a missing or doubled action.",
        )
    array = np.maximum(array, 0.0)
    total = array.sum(axis=-1, keepdims=True)
    # What sums to 1 up to rounding stays as it is, so that writing and reading again changes no bit.
    return np.where(np.abs(total - 1.0) <= 2.0 * np.finfo(float).eps * array.shape[-1], array, array / total)


def instance(field: str, value: Any, kind: type[T], example: str) -> T:
    """An object of one kind; `example` is how to get one."""
    if isinstance(value, kind):
        return value
    raise InputError(
        TYPE,
        field,
        found=f"{shown(value)} is of type {type(value).__name__}",
        allowed=f"a {kind.__name__.removeprefix('Abstract')} is needed",
        remedy=f"Give one, such as {example}.",
    )


def instances(field: str, values: Any, kind: type[T], example: str) -> tuple[T, ...]:
    """At least one object of one kind, in a list or tuple."""
    if not isinstance(values, list | tuple):
        raise InputError(
            TYPE,
            field,
            found=f"{shown(values)} is of type {type(values).__name__}",
            allowed=f"a list is needed, each entry a {kind.__name__.removeprefix('Abstract')}",
            remedy=f"Give a list, such as [{example}].",
        )
    if not values:
        raise InputError(
            EMPTY, field, found="the list is empty", allowed="at least one entry is needed", remedy=f"Give [{example}]."
        )
    return tuple(instance(f"{field}[{index}]", value, kind, example) for index, value in enumerate(values))


def one_of(field: str, value: Any, names: Iterable[str]) -> str:
    """One word out of a closed list; the nearest one is suggested otherwise."""
    known = list(names)
    if isinstance(value, str) and value in known:
        return value
    near = difflib.get_close_matches(str(value)[:100], known, n=1, cutoff=0.4)
    raise InputError(
        NAME,
        field,
        found=f"{shown(value)} is not known",
        allowed="it must be one of " + ", ".join(known),
        remedy=f"Did you mean {near[0]!r}?" if near else "Pick one of the names above.",
    )


def labels(field: str, value: Any, count: int) -> tuple[str, ...]:
    """`count` distinct, non-empty words that name actions, targets, types or states; `None`: numbered from 1."""
    if value is None:
        return tuple(str(number) for number in range(1, count + 1))
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
        raise InputError(
            TYPE,
            field,
            found=f"{shown(value)} is of type {type(value).__name__}",
            allowed="a list of names is needed",
            remedy='Give a list such as ["up", "down"].',
        )
    names = tuple(value)
    if len(names) != count:
        raise InputError(
            SHAPE,
            field,
            found=f"there are {len(names)} names",
            allowed=f"{count} are needed, one for each",
            remedy="Add or remove names, or leave the field out.",
        )
    seen: set[str] = set()
    for index, name in enumerate(names):
        if not isinstance(name, str) or not name.strip() or not is_plain(name):
            raise InputError(
                TYPE,
                field,
                position=(index,),
                found=f"{shown(name)} is not a name",
                allowed="names are non-empty text without control characters",
                remedy="Rename it.",
            )
        if name in seen:
            raise InputError(
                INCONSISTENT,
                field,
                position=(index,),
                found=f"{shown(name)} stands there twice",
                allowed="names must differ",
                remedy="Rename one of them.",
            )
        seen.add(name)
    return tuple(str(name) for name in names)


def text(field: str, value: Any) -> str:
    """One line of text, possibly empty, without control characters: a title."""
    if isinstance(value, str) and is_plain(value):
        return str(value)
    raise InputError(
        TYPE,
        field,
        found=f"{shown(value)} is of type {type(value).__name__}"
        + (", with control characters" * isinstance(value, str)),
        allowed="one line of text without control characters is needed",
        remedy='Give text such as "Patrol of the north".',
    )


def is_plain(name: str) -> bool:
    """Whether `name` has no control characters, line ends, halves of characters or marks that reorder text."""
    return name.isprintable() or not any(unicodedata.category(mark) in _CONTROL or mark in _REORDER for mark in name)


def _check_shape(field: str, array: np.ndarray, axes: Sequence[str | int]) -> None:
    wanted = "(" + ", ".join(str(axis) for axis in axes) + ("," if len(axes) == 1 else "") + ")"
    sizes_agree = array.ndim == len(axes) and all(
        isinstance(axis, str) or axis == size for axis, size in zip(axes, array.shape, strict=True)
    )
    if not sizes_agree:
        raise InputError(
            SHAPE,
            field,
            found=f"its shape is {array.shape}",
            allowed=f"the shape must be {wanted}",
            remedy="Check that no axis is missing or transposed: leader's actions come before the follower's.",
        )
    if array.size == 0:
        raise InputError(
            EMPTY,
            field,
            found=f"its shape is {array.shape}",
            allowed="there must be at least one entry along every axis",
            remedy="Give at least one action, target, state or type.",
        )


def _cells(count: int) -> str:
    return "cell" if count == 1 else "cells"
