"""Rows of a table of claims: what was said, by whom, what was expected, what was measured, whether it holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import _boundary as boundary
from .._errors import InputError
from .._record import plain
from .cells import visible
from .summary import number, together


NEEDED = ("statement", "source", "expected", "measured", "holds")

_HOLDS = {True: "yes", False: "no", None: "not measured"}


@dataclass(frozen=True)
class ClaimRow:
    """A claim in words, each fit to be shown."""

    statement: str
    source: str
    expected: str
    measured: str
    holds: str


def as_data(claims: Sequence[Any]) -> list[dict[str, Any]]:
    """Claims as plain mappings with `statement`, `source`, `expected`, `measured` and `holds`.

    Each claim is such a mapping or has it as its `to_json()`. Raises `InputError` on one that lacks an entry.
    """
    found = [plain(claim.to_json() if hasattr(claim, "to_json") else claim) for claim in claims]
    for place, claim in enumerate(found):
        missing = [name for name in NEEDED if name not in claim] if isinstance(claim, dict) else list(NEEDED)
        if missing or claim["holds"] not in _HOLDS:
            raise InputError(
                boundary.INCONSISTENT,
                "claims",
                position=(place,),
                found=f"{', '.join(missing)} missing" if missing else f"`holds` is {boundary.shown(claim['holds'])}",
                allowed=f"a claim has {', '.join(NEEDED)}; `holds` is true, false or null",
                remedy="Give what was claimed and measured, or null for what was not measured yet.",
            )
    return found


def claim_rows(claims: Sequence[Mapping[str, Any]]) -> list[ClaimRow]:
    """The rows of a table of what `as_data` gave."""
    return [_row(claim) for claim in claims]


def _row(claim: Mapping[str, Any]) -> ClaimRow:
    unit = f" {claim['unit']}" if claim.get("unit") else ""
    relation = "" if claim.get("relation") in (None, "equals") else f"{claim['relation']} "
    tolerance = claim.get("tolerance") or 0
    margin = f" (tolerance {number(tolerance)})" if tolerance else ""
    measured = claim["measured"]
    if measured is None:
        shown = "not measured"
    elif isinstance(measured, int | float):
        ends = (claim.get("low", math.nan), claim.get("high", math.nan))
        shown = together(float(measured), *(float(end) if isinstance(end, int | float) else math.nan for end in ends))
    else:
        shown = str(measured)
    expected = claim["expected"]
    words = number(float(expected)) if isinstance(expected, int | float) else str(expected)
    return ClaimRow(
        visible(claim["statement"]),
        visible(claim["source"]),
        visible(f"{relation}{words}{unit}{margin}"),
        visible(f"{shown}{unit if measured is not None else ''}"),
        _HOLDS[claim["holds"]],
    )
