"""Nested data for a page: names, values in words, and what stands below them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._record import plain
from .cells import visible


MOST_LEVELS = 12
MOST_LETTERS = 300


@dataclass(frozen=True)
class Node:
    """A name with either a value in words or further nodes."""

    name: str
    text: str
    below: tuple[Node, ...] = ()


def nodes(value: Mapping[str, Any], levels: int = MOST_LEVELS) -> tuple[Node, ...]:
    """The entries of a mapping; lists of mappings are numbered from 1, everything else is one line."""
    return tuple(_node(str(name), entry, levels) for name, entry in plain(value).items())


def _node(name: str, value: Any, levels: int) -> Node:
    below: Sequence[tuple[str, Any]] = ()
    if isinstance(value, dict):
        below = list(value.items())
    elif isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
        below = [(str(place), entry) for place, entry in enumerate(value, 1)]
    shown = visible(name, 80)
    if below and levels > 1:
        return Node(shown, "", tuple(_node(inner, entry, levels - 1) for inner, entry in below))
    return Node(shown, visible(_words(value), MOST_LETTERS))


def _words(value: Any) -> str:
    if isinstance(value, str):
        return value or "(empty)"
    if value is None or value == [] or value == {}:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(value, ensure_ascii=False)
