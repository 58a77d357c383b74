"""Text that people wrote, made harmless where it is shown: in cells of a CSV, in pictures, on a page."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any


FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # spreadsheets also read the wide forms

_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_JOINERS = "\u200c\u200d"  # Persian words and some emoji need them; they hide nothing


def csv_text(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows as CSV with newlines; numbers are written so that they read back exactly, text as `cell` has it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([cell(header) for header in headers])
    writer.writerows([cell(value) for value in row] for row in rows)
    return text.getvalue()


def cell(value: Any) -> Any:
    """`value` for a CSV: text that a spreadsheet would run as a formula gets a leading apostrophe; numbers stay.

    Control characters, halves of characters and marks that reorder text are left out.
    """
    if not isinstance(value, str):
        return value
    kept = (
        value
        if value.isprintable()
        else "".join(" " if mark in "\t\n\r" else mark for mark in value if mark in "\t\n\r" or not is_unseen(mark))
    )
    runs = value.startswith(FORMULA_STARTS) or kept.lstrip().startswith(FORMULA_STARTS)
    return f"'{kept}" if runs else kept


def is_unseen(mark: str) -> bool:
    """Whether a character is a control, a mark without a shape, or half a character."""
    return unicodedata.category(mark) in _UNSEEN and mark not in _JOINERS


def visible(value: Any, limit: int | None = None) -> str:
    """`value` as text in which nothing is hidden: an unseen character becomes its number, as in `\\u202e`.

    Line ends and tabs become blanks; with `limit`, longer text ends in an ellipsis.
    """
    text = value if isinstance(value, str) else str(value)
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + "…"
    return text if text.isprintable() else "".join(_shown(mark) for mark in text)


def _shown(mark: str) -> str:
    if mark in "\t\n\r":
        return " "
    if not is_unseen(mark):
        return mark
    return f"\\u{ord(mark):04x}" if ord(mark) < 0x10000 else f"\\U{ord(mark):08x}"
