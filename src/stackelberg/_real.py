"""What a person hands in as numbers, as exact float64 or an error that points at the entry."""

from __future__ import annotations

import numbers
import reprlib
from typing import Any

import numpy as np

from ._errors import InputError


NOT_FINITE, SHAPE, TYPE, RANGE, DISTRIBUTION, EMPTY, RAGGED, NAME, INCONSISTENT, MERGED = (
    f"E-INPUT-{number:03d}" for number in range(1, 11)
)

_DEPTH = 32  # NumPy has at most 64 axes, and no array of this package more than 5

_REPR = reprlib.Repr()
_REPR.maxlevel, _REPR.maxlist, _REPR.maxtuple, _REPR.maxdict = 3, 4, 4, 3
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 60


def shown(value: Any) -> str:
    """`value` for a message: never long, never deep, and without failing."""
    try:
        return _REPR.repr(value)
    except Exception:  # a foreign __repr__ may raise anything, and this is only a message
        return f"<{type(value).__name__}>"


def as_real(field: str, value: Any) -> np.ndarray:
    """`value` as float64, exactly. Text, true/false, complex numbers, dates and masked cells raise an `InputError`."""
    if isinstance(value, np.ma.MaskedArray):
        return _unmasked(field, value)
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError) as problem:
        raise _ragged(field, value) from problem
    is_list = isinstance(value, list | tuple)
    if array.dtype.kind == "O" or (is_list and array.dtype.kind in "Ub"):
        return _objects_as_real(field, np.asarray(value, dtype=object))
    if array.dtype.kind not in "iuf":
        first = (0,) * array.ndim if array.size else None
        raise _not_real(field, array[first] if array.size else array.dtype, first)
    if is_list and array.size:
        _check_entries(field, value, array)
    if array.dtype.kind in "iu":
        _check_whole(field, array)
    with np.errstate(over="ignore"):  # what overflows becomes infinite, and is named as such
        return np.array(array, dtype=np.float64)


def exactly(field: str, value: Any, position: tuple[int, ...] = ()) -> float:
    """One real number as float64; whole numbers must be float64 numbers, fractions are rounded to the nearest."""
    try:
        number = float(value)
    except OverflowError as problem:
        raise _merged(field, position, "the number is too large for float64") from problem
    if isinstance(value, numbers.Integral) and int(number) != int(value):
        raise _merged(field, position, f"{shown(value)} is not a float64 number")
    return number


def _check_whole(field: str, array: np.ndarray) -> None:
    if array.size and array.dtype.itemsize == 8 and (array.max() > 2**53 or array.min() < -(2**53)):
        inexact = array.astype(np.float64).astype(object) != array.astype(object)
        if inexact.any():
            position = first_of(inexact)
            raise _merged(field, position, f"{array[position]} is not a float64 number")


def _check_entries(field: str, value: Any, array: np.ndarray) -> None:
    # NumPy reads [1.0, True] as [1.0, 1.0] and rounds whole numbers that stand among floats: both are caught here.
    entries = np.asarray(value, dtype=object)
    types = set(map(type, entries.ravel().tolist()))
    if {bool, np.bool_} & types or (int in types and array.dtype.kind == "f" and np.abs(array).max() >= 2.0**53):
        _objects_as_real(field, entries)


def _objects_as_real(field: str, array: np.ndarray) -> np.ndarray:
    result = np.empty(array.shape, dtype=np.float64)
    for position, entry in np.ndenumerate(array):
        if isinstance(entry, list | tuple | np.ndarray):
            raise _ragged(field, array.tolist())
        if isinstance(entry, bool | np.bool_) or not isinstance(entry, numbers.Real):
            raise _not_real(field, entry, position)
        result[position] = exactly(field, entry, position)
    return result


def _unmasked(field: str, value: np.ma.MaskedArray) -> np.ndarray:
    mask = np.ma.getmaskarray(value)
    if mask.any():
        raise InputError(
            TYPE,
            field,
            position=first_of(mask),
            found=f"the entry is masked ({int(mask.sum())} such)",
            allowed="every entry must be a number",
            remedy="Fill the gaps, or remove the rows that have them.",
        )
    return as_real(field, value.data)


def first_of(mask: np.ndarray) -> tuple[int, ...]:
    """The first true cell."""
    return tuple(int(index) for index in np.argwhere(mask)[0])


def _ragged(field: str, value: Any) -> InputError:
    position = _first_ragged(value, _lengths(value))
    return InputError(
        RAGGED,
        field,
        position=position,
        found="this row has another length than its neighbours, or is no row",
        allowed="a rectangular array of numbers is needed",
        remedy="Give every row the same number of entries.",
    )


def _lengths(value: Any) -> list[int]:
    """The length of `value`, of its first entry, and so on."""
    lengths = []
    while isinstance(value, list | tuple | np.ndarray) and len(lengths) < _DEPTH:
        lengths.append(len(value))
        if not len(value):
            break
        value = value[0]
    return lengths


def _first_ragged(value: Any, lengths: list[int], position: tuple[int, ...] = ()) -> tuple[int, ...] | None:
    """The place of the first row whose length is not that of its first neighbour."""
    is_row = isinstance(value, list | tuple | np.ndarray)
    if is_row != bool(lengths) or (is_row and len(value) != lengths[0]):
        return position
    if is_row:
        for index, entry in enumerate(value):
            found = _first_ragged(entry, lengths[1:], (*position, index))
            if found is not None:
                return found
    return None


def _not_real(field: str, entry: Any, position: tuple[int, ...] | None) -> InputError:
    return InputError(
        TYPE,
        field,
        position=position,
        found=f"{shown(entry)} is of type {type(entry).__name__}",
        allowed="real numbers are needed (whole numbers or floats)",
        remedy="Convert it to a number first: text, true/false, dates and complex numbers are not taken.",
    )


def _merged(field: str, position: tuple[int, ...], found: str) -> InputError:
    return InputError(
        MERGED,
        field,
        position=position,
        found=found,
        allowed="whole numbers are stored exactly up to 2^53, and no number may exceed 1.8e308",
        remedy="Rescale the numbers (payoffs may be divided by any positive constant).",
    )
