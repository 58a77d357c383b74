"""Textbook and benchmark games by name, each with its source and a published or certified answer.

names()             what there is
entry("ochs")       game, description, source, answer
answer_key()        all answers, as JSON: a suite that other software can be tested against
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import _boundary as boundary
from .._disk import PathName, write_whole
from .._record import dumps
from .base import AbstractGame
from .catalog_entry import CatalogEntry
from .catalog_generated import GENERATED
from .catalog_kinds import KINDS
from .catalog_textbook import TEXTBOOK
from .files import game_to_json


__all__ = ["CatalogEntry", "answer_key", "catalog", "catalog_game", "entry", "names", "write_answer_key"]

SCHEMA = "stackelberg-catalog/1"

_ENTRIES = {item.name: item for item in (*TEXTBOOK, *GENERATED, *KINDS)}


def catalog() -> tuple[CatalogEntry, ...]:
    """Every entry, in the order of the docs."""
    return tuple(_ENTRIES.values())


def names() -> tuple[str, ...]:
    """The names of all games in the catalog."""
    return tuple(_ENTRIES)


def entry(name: str) -> CatalogEntry:
    """The entry called `name`; `InputError` suggests the nearest name otherwise."""
    return _ENTRIES[boundary.one_of("name", name, _ENTRIES)]


def catalog_game(name: str) -> AbstractGame:
    """The game called `name`."""
    return entry(name).game


def answer_key() -> dict[str, Any]:
    """Every game with its answer, in JSON's own types."""
    games = {item.name: item.answer() | {"game": game_to_json(item.game)} for item in catalog()}
    return {"schema": SCHEMA, "games": games}


def write_answer_key(path: PathName | Path) -> None:
    """Write the answer key as JSON."""
    write_whole(path, dumps(answer_key()).encode())
