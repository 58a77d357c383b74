"""Gambit's `.nfg` files: two-player games in normal form, in both variants of the format.

    NFG 1 R "title" { "row player" "column player" }
    { { "up" "down" } { "left" "right" } }        or only the counts: { 2 2 }
    "comment"                                      optional

    payoff variant:    the payoffs of each contingency, row player's first, the rows running fastest
    outcome variant:   { { "name" 1, 2 } ... } and then, for each contingency, the number of its outcome (0: nothing
                       is paid to anybody)

Numbers are whole (`-3`), decimal (`.5`, `6E2`) or rational (`1/3`), and are read as the nearest float64. Format: the
file formats chapter of the Gambit manual (Savani and Turocy, 2025). The first player is the leader.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NoReturn

import numpy as np

from .._disk import place_in, printable
from .._errors import FileError
from .normal_form import NormalFormGame


SYNTAX, PLAYERS, COUNT = "E-NFG-001", "E-NFG-002", "E-NFG-003"

CELL_LIMIT = 20_000_000
"""The largest number of contingencies that a file may announce."""

_TOKEN = re.compile(r'\s*(?:("[^"\\]*(?:\\.[^"\\]*)*")|([{},])|([^\s{},"]+)|(\Z)|(.))', re.DOTALL)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:/\d+|(?:\.\d*)?(?:[eE][+-]?\d{1,9})?)|\.\d+(?:[eE][+-]?\d{1,9})?)", re.ASCII)
_LENGTH = 4_000  # of a number, in characters: longer ones are no payoffs, and take time to convert
_ESCAPED = re.compile(r'\\(["\\])')


def read_nfg(text: str, shown: str) -> NormalFormGame:
    """The game that `text` describes; `shown` names the file in messages.

    Raises `FileError` with line and column on a syntax error, and on games that do not have two players. Empty and
    doubled names of strategies are made distinct by a number.
    """
    reader = _Reader(text, shown)
    title = _prologue(reader)
    players = reader.strings("the names of the players")
    if len(players) != 2:
        raise FileError(
            PLAYERS,
            shown,
            found=f"the game has {len(players)} player{'s' if len(players) != 1 else ''}, and two are needed",
            remedy="Write a game of a leader (the first player) and one follower (the second)",
        )
    names = _strategies(reader)
    if reader.next_is('"'):
        reader.string("the comment")
    rows, columns = (len(side) for side in names)
    _check_count(rows * columns, shown, len(text))
    payoffs = _outcomes(reader, rows * columns) if reader.next_is("{") else _payoffs(reader, rows * columns)
    reader.finish()
    table = payoffs.reshape(columns, rows, 2).transpose(2, 1, 0)
    return NormalFormGame(
        table[0], table[1], leader_actions=_distinct(names[0]), follower_actions=_distinct(names[1]), title=title
    )


def write_nfg(game: NormalFormGame) -> str:
    """`game` in the payoff variant; each number is the shortest decimal that reads back to the same float64."""
    players = '{ "leader" "follower" }'
    strategies = "\n".join(
        "{ " + " ".join(_quoted(name) for name in names) + " }"
        for names in (game.leader_actions, game.follower_actions)
    )
    table = np.stack([np.asarray(game.leader_payoff), np.asarray(game.follower_payoff)])
    lines = (
        " ".join(f"{_written(x)} {_written(y)}" for x, y in column) for column in table.transpose(2, 1, 0).tolist()
    )
    return f'NFG 1 R {_quoted(game.title)} {players}\n\n{{ {strategies}\n}}\n""\n\n' + "\n".join(lines) + "\n"


class _Reader:
    """Tokens one after the other, each with its place."""

    def __init__(self, text: str, shown: str) -> None:
        self.text, self.shown, self.index = text, shown, 0
        self._step()

    def _step(self) -> None:
        match = _TOKEN.match(self.text, self.index)
        assert match is not None  # its last two alternatives match anything
        group = match.lastindex or 4
        self.token, self.start, self.index = match.group(group), match.start(group), match.end()
        if group == 5:
            self.fail("a name in double quotes that is not closed")

    def next_is(self, mark: str) -> bool:
        return self.token.startswith(mark)

    def take(self) -> str:
        token = self.token
        self._step()
        return token

    def expect(self, mark: str, what: str) -> None:
        if self.token != mark:
            self.fail(f"{what} was expected, that is {mark!r}")
        self._step()

    def string(self, what: str) -> str:
        if not self.next_is('"'):
            self.fail(f"{what} was expected, in double quotes")
        return _ESCAPED.sub(r"\1", self.take()[1:-1])

    def strings(self, what: str) -> list[str]:
        self.expect("{", what)
        found = []
        while not self.next_is("}"):
            found.append(self.string(f"one of {what}"))
        self._step()
        return found

    def number(self, what: str) -> float:
        value = self.value(self.token)
        if value is None:
            self.fail(f"{what} was expected, a number such as 2, -0.5 or 1/3")
        self._step()
        return value

    def whole(self, what: str, low: int, high: int) -> int:
        if not re.fullmatch(r"\d{1,18}", self.token, re.ASCII) or not low <= int(self.token) <= high:
            self.fail(f"{what} was expected, a whole number from {low} to {high}")
        return int(self.take())

    @staticmethod
    def value(token: str) -> float | None:
        """The nearest float64 of a number as Gambit writes it; `None` for anything else and for what overflows."""
        if len(token) > _LENGTH or not _NUMBER.fullmatch(token):
            return None
        try:
            number = float(Fraction(token)) if "/" in token else float(token)
        except (OverflowError, ZeroDivisionError):
            return None
        return number if np.isfinite(number) else None

    def finish(self) -> None:
        if self.token:
            self.fail("the end of the file was expected")

    def fail(self, what: str) -> NoReturn:
        line, column = place_in(self.text, self.start)
        found = f"{printable(self.token, 40)!r} stands there" if self.token else "the file ends there"
        raise FileError(
            SYNTAX,
            self.shown,
            found=f"line {line}, column {column}: {found}; {what}",
            remedy="Correct the file there; the format is described in the docs under files and formats",
        )


def _prologue(reader: _Reader) -> str:
    reader.expect("NFG", "the mark of a game file in normal form")
    reader.expect("1", "version 1 of the format")
    if reader.token not in ("R", "D"):
        reader.fail("the letter R (or D) was expected")
    reader.take()
    return " ".join(reader.string("the title").split())


def _strategies(reader: _Reader) -> list[list[str]]:
    reader.expect("{", "the strategies of both players")
    named = reader.next_is("{")
    names = [_named(reader, seat) if named else _counted(reader, seat) for seat in ("first", "second")]
    reader.expect("}", "the end of the strategies")
    return names


def _named(reader: _Reader, seat: str) -> list[str]:
    names = reader.strings(f"the {seat} player's strategies")
    if not names:
        reader.fail(f"the {seat} player needs at least one strategy; a list of names")
    return names


def _counted(reader: _Reader, seat: str) -> list[str]:
    # No file can hold payoffs for more strategies than it has characters: nothing larger is ever allocated.
    return [""] * reader.whole(f"the number of the {seat} player's strategies", 1, len(reader.text))


def _check_count(cells: int, shown: str, characters: int) -> None:
    if cells > min(CELL_LIMIT, characters):
        raise FileError(
            COUNT,
            shown,
            found=f"it announces {cells:,} contingencies, more than its {characters:,} characters can hold or than the "
            f"{CELL_LIMIT:,} that are read",
            remedy="Check the numbers of strategies; store games of that size as .npz",
        )


def _payoffs(reader: _Reader, cells: int) -> np.ndarray:
    # Split no further than needed: what is left over stays in one last word, which is no number.
    words = reader.text[reader.start :].split(maxsplit=2 * cells)
    values = [reader.value(word) for word in words]
    if len(values) == 2 * cells and None not in values:  # the usual case, without a place for each token
        reader.index = len(reader.text)
        reader.take()
        return np.array(values, dtype=np.float64).reshape(cells, 2)
    seats = ("leader", "follower")
    return np.array(
        [[reader.number(f"payoff {cell + 1} of {cells} of the {seat}") for seat in seats] for cell in range(cells)]
    )


def _outcomes(reader: _Reader, cells: int) -> np.ndarray:
    reader.expect("{", "the outcomes")
    outcomes = [[0.0, 0.0]]
    while reader.next_is("{"):
        outcomes.append(_outcome(reader, len(outcomes)))
    reader.expect("}", "the end of the outcomes")
    last = len(outcomes) - 1
    chosen = [reader.whole(f"the outcome of contingency {cell + 1} of {cells}", 0, last) for cell in range(cells)]
    return np.array(outcomes)[chosen]


def _outcome(reader: _Reader, number: int) -> list[float]:
    reader.expect("{", "an outcome")
    reader.string(f"the name of outcome {number}")
    payoffs = []
    for seat in ("leader", "follower"):
        payoffs.append(reader.number(f"the payoff of the {seat} in outcome {number}"))
        if reader.next_is(","):
            reader.take()
    reader.expect("}", f"the end of outcome {number}")
    return payoffs


def _distinct(names: Sequence[str]) -> list[str]:
    """Names without control characters, empty and doubled ones made distinct by their number."""
    clean = [" ".join("".join(mark if mark.isprintable() else " " for mark in name).split()) for name in names]
    taken = {name for name in clean if name}
    result: list[str] = []
    used: set[str] = set()
    for number, name in enumerate(clean, start=1):
        candidate = name or (str(number) if str(number) not in taken else f"_{number}")
        while candidate in used:
            candidate = f"{candidate}_{number}"
        used.add(candidate)
        result.append(candidate)
    return result


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _written(number: Any) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < 2**53 and str(number) != "-0.0" else repr(number)
