"""Tables in CSV, read strictly: every cell that cannot be used is named by line, column and value."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .._disk import PathName, decoded, printable, read_bytes
from .._errors import FileError, InputError


TABLE, ROW_LENGTH, TOO_MANY_ROWS, CELL = (f"E-TABLE-{number:03d}" for number in range(1, 5))

SHOWN = 5  # further bad cells that a message lists


@dataclass(frozen=True)
class CsvTable:
    """Cells as text, without surrounding blanks; `lines` are the numbers of the rows' lines in the file."""

    shown: str
    header: list[str]
    lines: list[int]
    rows: list[list[str]]

    def column(self, name: str) -> list[str]:
        index = self.header.index(name)
        return [row[index] for row in self.rows]


def read_table(path: PathName, limit: int, max_rows: int) -> CsvTable:
    """The table in a regular UTF-8 file of at most `limit` bytes and `max_rows` rows; empty lines are skipped."""
    shown = printable(str(path))
    return table_of(decoded(read_bytes(path, limit=limit), shown), shown, max_rows)


def table_of(text: str, shown: str, max_rows: int) -> CsvTable:
    """The table that `text` writes; `shown` names the file in messages."""
    reader = csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""), strict=True)
    lines, rows, header = [], [], None
    try:
        for row in reader:
            if not row or all(not cell.strip() for cell in row):
                continue
            if header is None:
                header = [cell.strip() for cell in row]
                continue
            if len(row) != len(header):
                raise FileError(
                    ROW_LENGTH,
                    shown,
                    found=f"line {reader.line_num} has {len(row)} cells and the header {len(header)}",
                    remedy="Give every row one cell for each column; put quotes around names that contain a comma",
                )
            lines.append(reader.line_num)
            rows.append([cell.strip() for cell in row])
            if len(rows) > max_rows:
                raise FileError(
                    TOO_MANY_ROWS,
                    shown,
                    found=f"it has more than {max_rows:,} rows",
                    remedy="Add up equal rows in the column count first",
                )
    except csv.Error as problem:
        raise FileError(
            TABLE,
            shown,
            found=f"line {reader.line_num}: {problem}",
            remedy="Write plain CSV: commas between cells, quotes in pairs",
        ) from problem
    if header is None or not rows:
        raise FileError(
            TABLE,
            shown,
            found="it holds no rows" if header else "it is empty",
            remedy="Write a header line and a row for each observation; `stackelberg games new` writes a template",
        )
    return CsvTable(shown, header, lines, rows)


def parsed(table: CsvTable, column: str, parse: Callable[[str], float], allowed: str) -> np.ndarray:
    """One column, parsed cell by cell; the error names the first bad cell and counts the others."""
    values, bad = np.zeros(len(table.rows)), []
    known: dict[str, float | None] = {}
    for index, cell in enumerate(table.column(column)):
        if cell not in known:
            known[cell] = _tried(parse, cell)
        value = known[cell]
        if value is None:
            bad.append(index)
        else:
            values[index] = value
    if bad:
        raise bad_cells(table, column, bad, allowed)
    return values


def _tried(parse: Callable[[str], float], cell: str) -> float | None:
    try:
        return parse(cell)
    except (ValueError, KeyError, OverflowError):
        return None


def bad_cells(table: CsvTable, column: str, bad: Sequence[int], allowed: str) -> InputError:
    """The complaint about the rows `bad` of a column: the first in full, some of the others, and their number."""
    cells = table.column(column)
    first, *others = bad
    more = ", ".join(f"line {table.lines[index]}: {printable(repr(cells[index]), 30)}" for index in others[:SHOWN])
    rest = f" ({len(bad)} bad cells in this column; also {more})" if others else ""
    return InputError(
        CELL,
        table.shown,
        position=f"line {table.lines[first]}, column {column!r}",
        found=f"{printable(repr(cells[first]), 60)} cannot be used{rest}",
        allowed=allowed,
        remedy="Correct the cell, or remove the row.",
    )
