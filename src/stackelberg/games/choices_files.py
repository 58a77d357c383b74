"""Logs of observed choices as CSV: one documented schema, checked cell by cell.

    commitment.up,commitment.down,action,count,period,type
    0.5,0.5,left,31,0,1

Columns: `commitment.<name of a leader's action or target>` (all of them, or none for simultaneous play), or
`commitment_id` naming a row of a second table; `action`, by name or by number from 1; and, when wanted, `count` (1 when
left out), `period`, `type` (by name or number from 1) and `player` (leader or follower, simultaneous play only). A
column `share` holds published frequencies: the row then stands for share × count plays.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .. import _boundary as boundary
from .._disk import SIZE_LIMIT, PathName, as_path, decoded, printable, read_bytes, write_whole
from .._errors import InputError
from .base import AbstractGame
from .choices import MAX_ROWS, Choices, commitment_names, follower_names, type_names
from .csv_table import CsvTable, bad_cells, parsed, read_table, table_of


COLUMN = "E-TABLE-005"

PLAYERS = ("leader", "follower")
PREFIX = "commitment."


def read_choices(
    path: PathName, game: AbstractGame, *, commitments: PathName | None = None, limit: int = SIZE_LIMIT
) -> Choices:
    """The log of choices in the CSV file `path`, checked against `game`.

    `commitments` is a second CSV (columns `commitment_id`, `commitment.<name>`...) for logs that name a commitment
    instead of repeating it. Raises `FileError` when the bytes are not such a table, and `InputError` naming line,
    column, value, what is allowed and what to do, when a cell cannot be used; all bad cells are counted.
    """
    return _choices_of(read_table(path, limit, MAX_ROWS), game, commitments, limit)


def read_growing(path: PathName, game: AbstractGame, *, limit: int = SIZE_LIMIT) -> tuple[Choices | None, str]:
    """The same of a log that somebody is still writing, and a remark about what was left out.

    A last line that has no end yet is left for the next time; a log with nothing but its header, or that is not there
    yet, gives `None`. Without a column `period` every row is a period of its own.
    """
    shown = printable(str(path))
    place = as_path(path)
    if not place.exists() and place.parent.is_dir() and not place.is_symlink():
        return None, f"{shown} is not there yet: nothing has been observed."
    whole, mark, tail = decoded(read_bytes(path, limit=limit), shown).rpartition("\n")
    remark = "The last line has no end yet and was left for the next time." if tail.strip() else ""
    if len(whole.strip().splitlines()) <= 1:
        return None, remark or f"{shown} has no rows yet: nothing has been observed."
    table = table_of(whole + mark, shown, MAX_ROWS)
    choices = _choices_of(table, game, None, limit)
    if "period" not in table.header:
        choices = replace(choices, period=np.arange(len(choices)))
    return choices, remark


def _choices_of(table: CsvTable, game: AbstractGame, commitments: PathName | None, limit: int) -> Choices:
    names = commitment_names(game)
    _check_header(table, names, "action")
    wide = [PREFIX + name for name in names]
    rows = None
    if "commitment_id" in table.header:
        rows = _by_identifier(table, wide, commitments, limit)
    elif any(column.startswith(PREFIX) for column in table.header):
        rows = _matrix(table, wide)
    columns: dict[str, Any] = {}
    by_leader = None
    if "player" in table.header:
        by_leader = parsed(table, "player", _one_word(PLAYERS), "it must be leader or follower") == 0
    columns["action"] = _actions(table, game, by_leader)
    if "count" in table.header:
        columns["count"] = parsed(table, "count", _count, "it must be a whole number of at least 0")
    if "share" in table.header:
        columns["count"] = columns.get("count", 1.0) * parsed(table, "share", _share, "it must lie in [0, 1]")
    if "period" in table.header:
        columns["period"] = parsed(table, "period", _count, "it must be a whole number of at least 0")
    if "type" in table.header:
        columns["type"] = _types(table, game)
    choices = Choices.of(commitment=rows, by_leader=by_leader, **columns)
    try:
        return choices.check(game)
    except InputError as problem:
        raise _in_line(table, problem) from problem


def write_choices(choices: Choices, path: PathName, game: AbstractGame) -> None:
    """Write a log as CSV with the names of `game`; read back, it is the same up to rounding."""
    header = ["action", "count", "period", "type"]
    leader, follower = commitment_names(game), follower_names(game)
    actions = [
        (leader if is_leader else follower)[k] for k, is_leader in zip(choices.action, choices.by_leader, strict=True)
    ]
    types = type_names(game)
    labels = [types[k] if k < len(types) else str(k + 1) for k in choices.type]
    columns = [actions, [str(int(count)) for count in choices.count], choices.period.tolist(), labels]
    if np.any(choices.count != np.round(choices.count)):
        totals = _group_totals(choices)
        shares = choices.count / np.maximum(totals, 1.0)
        header = [*header, "share"]
        columns = [actions, [str(int(t)) for t in totals], *columns[2:], [repr(share) for share in shares.tolist()]]
    if choices.commitment is None:
        header, columns = ["player", *header], [[PLAYERS[0 if k else 1] for k in choices.by_leader], *columns]
    else:
        header = [PREFIX + name for name in leader] + header
        columns = [[repr(value) for value in column] for column in choices.commitment.T.tolist()] + columns
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(zip(*columns, strict=True))
    write_whole(path, text.getvalue().encode())


def choices_template(game: AbstractGame) -> str:
    """A CSV with the columns that logs of `game` have, and one row for each action, to be filled in."""
    names, follower, types = commitment_names(game), follower_names(game), type_names(game)
    share = [repr(float(value)) for value in np.asarray(game.uniform_commitment())]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*(PREFIX + name for name in names), "action", "count", "period", "type"])
    writer.writerows([*share, action, 0, 0, kind] for kind in types for action in follower)
    return text.getvalue()


def _check_header(table: CsvTable, names: Sequence[str], *required: str) -> None:
    known = [PREFIX + name for name in names]
    known += ["commitment_id", "action", "count", "share", "period", "type", "player"]
    for index, column in enumerate(table.header):
        if column not in known:
            near = difflib.get_close_matches(column[:200], known, n=1, cutoff=0.4)
            raise _header_error(
                table,
                f"the column {printable(repr(column), 60)} is not known",
                "columns are " + ", ".join(known[:30]),
                f"Did you mean {near[0]!r}?" if near else "Rename or remove it.",
            )
        if column in table.header[:index]:
            raise _header_error(
                table, f"the column {column!r} stands there twice", "columns must differ", "Remove one of the two."
            )
    for column in required:
        if column not in table.header:
            raise _header_error(table, f"the column {column!r} is missing", "it must be there", "Add it.")
    wide = [column for column in table.header if column.startswith(PREFIX)]
    missing = [PREFIX + name for name in names if PREFIX + name not in wide]
    if wide and missing:
        raise _header_error(
            table,
            f"the column {missing[0]!r} is missing",
            "a commitment needs a column for every action of the leader",
            "Add it, with 0 where the action is not played.",
        )
    if wide and "commitment_id" in table.header and "action" in table.header:
        raise _header_error(
            table,
            "the commitment stands there twice, by columns and by commitment_id",
            "one of the two is needed",
            "Remove the column commitment_id, or move the columns to the second table.",
        )


def _header_error(table: CsvTable, found: str, allowed: str, remedy: str) -> InputError:
    return InputError(COLUMN, table.shown, position="line 1", found=found, allowed=allowed, remedy=remedy)


def _number(cell: str) -> float:
    value = float(cell)
    if not np.isfinite(value) or "_" in cell:
        raise ValueError(cell)
    return value


def _count(cell: str) -> float:
    value = _number(cell)
    if value < 0 or value != round(value) or value > 2**53:
        raise ValueError(cell)
    return value


def _share(cell: str) -> float:
    value = _number(cell)
    if not 0.0 <= value <= 1.0:
        raise ValueError(cell)
    return value


def _one_word(words: Sequence[str]) -> Callable[[str], float]:
    """Reads a name out of `words`, or else its number from 1, as its number from 0."""
    places = {word: float(index) for index, word in enumerate(words)}

    def parse(cell: str) -> float:
        if cell in places:
            return places[cell]
        number = int(cell)
        if not 1 <= number <= len(words):
            raise ValueError(cell)
        return float(number - 1)

    return parse


def _naming(words: Sequence[str], what: str) -> str:
    listed = ", ".join(printable(word, 30) for word in words[:12]) + (", ..." if len(words) > 12 else "")
    return f"it must be {what} by name ({listed}) or by number from 1 to {len(words)}"


def _actions(table: CsvTable, game: AbstractGame, by_leader: np.ndarray | None) -> np.ndarray:
    follower = follower_names(game)
    if by_leader is None:
        return parsed(table, "action", _one_word(follower), _naming(follower, "an action of the follower"))
    actions = np.zeros(len(table.rows))
    for rows, words, seat in ((by_leader, commitment_names(game), "leader"), (~by_leader, follower, "follower")):
        part = CsvTable(table.shown, table.header, *_picked(table, rows))
        actions[rows] = parsed(part, "action", _one_word(words), _naming(words, f"an action of the {seat}"))
    return actions


def _picked(table: CsvTable, keep: np.ndarray) -> tuple[list[int], list[list[str]]]:
    kept = np.flatnonzero(keep)
    return [table.lines[index] for index in kept], [table.rows[index] for index in kept]


def _types(table: CsvTable, game: AbstractGame) -> np.ndarray:
    types = type_names(game)
    if len(types) > 1:
        return parsed(table, "type", _one_word(types), _naming(types, "a type of the follower"))
    labels = table.column("type")  # in a game without types they label subjects, and any words will do
    return np.unique(labels, return_inverse=True)[1]


def _matrix(table: CsvTable, wide: Sequence[str]) -> np.ndarray:
    allowed = "it must be a finite number (a probability, or a coverage)"
    return np.column_stack([parsed(table, column, _number, allowed) for column in wide])


def _by_identifier(table: CsvTable, wide: Sequence[str], second: PathName | None, limit: int) -> np.ndarray:
    if second is None:
        raise _header_error(
            table,
            "commitments are given by commitment_id, and no second table was named",
            "a CSV with the columns commitment_id and " + ", ".join(wide[:5]) + " is needed",
            "Name it: read_choices(..., commitments=path).",
        )
    other = read_table(second, limit, MAX_ROWS)
    _check_header(other, [column.removeprefix(PREFIX) for column in wide], "commitment_id", *wide)
    values = _matrix(other, wide)
    places: dict[str, float] = {}
    for index, word in enumerate(other.column("commitment_id")):
        if word in places:
            raise bad_cells(other, "commitment_id", [index], "identifiers must differ")
        places[word] = float(index)
    chosen = parsed(table, "commitment_id", places.__getitem__, f"it must stand in {other.shown}")
    return values[chosen.astype(int)]


def _in_line(table: CsvTable, problem: InputError) -> InputError:
    """The same complaint, at the line of the file instead of the row of the array."""
    if not isinstance(problem.position, tuple) or not problem.position:
        return problem
    return InputError(
        problem.code,
        table.shown,
        position=f"line {table.lines[problem.position[0]]}, {problem.field}",
        found=problem.found,
        allowed=problem.allowed,
        remedy=problem.remedy,
    )


def _group_totals(choices: Choices) -> np.ndarray:
    """The plays that each row is a share of: all that answered one commitment, by one type, in one period."""
    parts = [choices.by_leader, choices.type, choices.period]
    if choices.commitment is not None:
        parts += list(choices.commitment.reshape(len(choices), -1).T)
    _, group = np.unique(np.column_stack(parts), axis=0, return_inverse=True)
    totals = np.bincount(group.reshape(-1), choices.count)[group.reshape(-1)]
    bad = np.abs(totals - np.round(totals)) > 1e-6
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            boundary.TYPE,
            "count",
            position=(row,),
            found=f"the counts of its commitment, type and period add up to {totals[row]:.17g}",
            allowed="fractional counts can be written as shares of a whole number of plays only",
            remedy="Give counts that are whole, or frequencies times a whole number of plays.",
        )
    return np.round(totals)
