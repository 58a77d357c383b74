"""Games from and to files: Gambit's `.nfg`, JSON and NPZ, chosen by the suffix, checked at the boundary.

A JSON file is `{"schema": "stackelberg-game/1", "kind": "normal-form", ...}` with the arguments of the game's
constructor; an NPZ file holds the same names as arrays and is read without pickle. Float64 survive bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import _codec as codec
from .._boundary import one_of
from .._disk import SIZE_LIMIT, PathName, decoded, printable, read_bytes, write_whole
from .._errors import FileError, InputError
from .._json import parse_json
from . import npz
from .base import AbstractGame
from .bayesian import BayesianGame
from .domains.tariff import TariffGame
from .markov import MarkovGame
from .nfg import read_nfg, write_nfg
from .normal_form import NormalFormGame
from .security import SecurityGame
from .stamped import as_lines, in_file, unstamped
from .suffixes import SUFFIX as SUFFIX, SUFFIXES as SUFFIXES, game_suffix
from .templates import TEMPLATES


SCHEMA_MARK, NOT_WRITABLE = "E-FILE-010", "E-FILE-011"

SCHEMA = "stackelberg-game/1"

GAMES: dict[str, type] = {
    "normal-form": NormalFormGame,
    "bayesian": BayesianGame,
    "security": SecurityGame,
    "markov": MarkovGame,
    "tariff": TariffGame,
}
"""The kinds of games that files can hold, by the name that stands in them."""


@dataclass(frozen=True)
class GameSummary:
    """What a game file holds: kind, title, shape of each array, range of each payoff, and what to be aware of."""

    path: str
    kind: str
    title: str
    shapes: dict[str, tuple[int, ...]]
    ranges: dict[str, tuple[float, float]]
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """The summary in JSON's own types."""
        return {
            "path": self.path,
            "kind": self.kind,
            "title": self.title,
            "shapes": {name: list(shape) for name, shape in self.shapes.items()},
            "ranges": {name: list(ends) for name, ends in self.ranges.items()},
            "notes": list(self.notes),
        }


def read_game(path: PathName, *, limit: int = SIZE_LIMIT) -> AbstractGame:
    """The game in a `.nfg`, `.json` or `.npz` file of at most `limit` bytes.

    Raises `FileError` when the file cannot be read as its suffix says (with line and column), and `InputError` when
    what it says is not a game (with field, position, value and remedy).
    """
    suffix = game_suffix(path)
    shown = printable(str(path))
    data = read_bytes(path, limit=limit)
    try:
        return _READERS[suffix](data, shown, limit)
    except InputError as problem:
        raise in_file(shown, problem) from problem


def write_game(game: AbstractGame, path: PathName) -> None:
    """Write `game` to a `.json`, `.npz` or (normal form only) `.nfg` file, whole or not at all."""
    suffix = game_suffix(path)
    codec.kind_of(game, GAMES)
    write_whole(path, _WRITERS[suffix](game, printable(str(path))))


def check_game(path: PathName, *, limit: int = SIZE_LIMIT) -> GameSummary:
    """Read a game file and say what it holds; raises what `read_game` raises."""
    game = read_game(path, limit=limit)
    fields = codec.fields_of(game)
    arrays = {name: np.asarray(entry) for name, entry in fields.items() if hasattr(entry, "__array__")}
    return GameSummary(
        path=str(path),
        kind=codec.kind_of(game, GAMES),
        title=str(fields.get("title", "")),
        shapes={name: array.shape for name, array in arrays.items()},
        ranges={name: (float(array.min()), float(array.max())) for name, array in arrays.items() if array.size},
        notes=_notes(arrays),
    )


def game_template(kind: str) -> AbstractGame:
    """A small game of the kind named, to be written to a file and changed by hand."""
    return TEMPLATES[one_of("kind", kind, TEMPLATES)]()


def game_to_json(game: AbstractGame) -> dict[str, Any]:
    """`game` as the JSON object that its file holds."""
    return {"schema": SCHEMA} | codec.encode(game, GAMES)


def game_from_json(data: Any) -> AbstractGame:
    """The game that a JSON object describes."""
    allowed = f'a game file starts with {{"schema": "{SCHEMA}", "kind": ...}}'
    remedy = "Add the line, or check that this is a game and not a follower, a plan or a record."
    return codec.decode(unstamped(data, SCHEMA, SCHEMA_MARK, allowed, remedy), GAMES)


def _read_json(data: bytes, shown: str, limit: int) -> AbstractGame:
    del limit
    return game_from_json(parse_json(decoded(data, shown), shown))


def _write_json(game: AbstractGame, shown: str) -> bytes:
    del shown
    return as_lines(game_to_json(game))


def _read_nfg(data: bytes, shown: str, limit: int) -> AbstractGame:
    del limit
    return read_nfg(decoded(data, shown), shown)


def _write_nfg(game: AbstractGame, shown: str) -> bytes:
    if not isinstance(game, NormalFormGame):
        raise FileError(
            NOT_WRITABLE,
            shown,
            found=f"a {type(game).__name__} cannot be written as .nfg, which holds payoff matrices only",
            remedy="Use the suffix .json or .npz",
        )
    return write_nfg(game).encode()


def _read_npz(data: bytes, shown: str, limit: int) -> AbstractGame:
    return game_from_json(npz.read_arrays(data, shown, limit))


def _write_npz(game: AbstractGame, shown: str) -> bytes:
    del shown
    return npz.write_arrays({"schema": SCHEMA, "kind": codec.kind_of(game, GAMES)} | codec.fields_of(game))


_READERS: dict[str, Callable[[bytes, str, int], AbstractGame]] = {
    ".json": _read_json,
    ".nfg": _read_nfg,
    ".npz": _read_npz,
}
_WRITERS: dict[str, Callable[[AbstractGame, str], bytes]] = {
    ".json": _write_json,
    ".nfg": _write_nfg,
    ".npz": _write_npz,
}


def _notes(arrays: dict[str, np.ndarray]) -> tuple[str, ...]:
    notes = []
    for name, array in arrays.items():
        spread = float(array.max()) - float(array.min()) if array.size else 0.0
        if name.endswith("payoff") and spread == 0.0:
            notes.append(f"{name} is the same everywhere.")
        elif spread and np.abs(array).max() > 1e12 * spread:
            notes.append(f"{name} differs only beyond its twelfth digit: float64 may have merged payoffs.")
    return tuple(notes)
