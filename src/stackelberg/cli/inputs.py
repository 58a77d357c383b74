"""What the verbs are given: games by file or catalog name, followers by word or file, numbers as text.

Imported by the verbs when they run, never by `--help`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from .. import _boundary as boundary
from .._disk import read_text
from .._errors import InputError
from .._json import parse_json
from .._types import TIES
from ..followers.base import AbstractFollower
from ..followers.best_response import BestResponse
from ..followers.files import follower_from_json
from ..followers.quantal_response import QuantalResponse
from ..games.base import AbstractGame
from ..games.files import read_game


FIT_SCHEMA = "stackelberg-fit/1"


def load_game(word: str) -> AbstractGame:
    """The game in the file `word`, or the one that the catalog knows by that name."""
    if Path(word).suffix or Path(word).exists():
        return read_game(word)
    from ..games import catalog

    return catalog.entry(boundary.one_of("GAME", word, catalog.names())).game


def load_follower(words: str, ties: str = "leader") -> AbstractFollower:
    """The follower that `--response` describes: best, quantal:5, suqr:FILE, suqr:-9.8,0.4,0.2, or a file of `fit`."""
    name, _, rest = words.partition(":")
    if name == "best" and not rest:
        return BestResponse(boundary.one_of("--ties", ties, TIES))  # type: ignore[arg-type]
    if name == "quantal" and rest:
        return QuantalResponse(number("--response", rest))
    if name == "suqr" and rest:
        return _suqr(rest)
    if Path(words).suffix or Path(words).exists():
        return read_follower(words)
    raise InputError(
        boundary.NAME,
        "--response",
        found=f"{words!r} describes no follower",
        allowed="it must be best, quantal:NUMBER, suqr:FILE, suqr:W1,W2,W3, or a file that `stackelberg fit` wrote",
        remedy="For an inverse temperature of 5 write quantal:5.",
    )


def read_json(path: str | Path) -> Any:
    """What a JSON file holds; `FileError` with line and column where it is not JSON."""
    return parse_json(read_text(path), str(path))


def number(field: str, word: str) -> float:
    """A number written at the command line; "inf" is a number too."""
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise InputError(
            boundary.TYPE,
            field,
            found=f"{word!r} is not a number",
            allowed="a number is needed",
            remedy="Write it as 5, 0.5, 1e3 or inf.",
        )
    return value


def read_follower(path: str) -> AbstractFollower:
    """The follower in a file that `stackelberg fit` wrote, or a follower written as JSON on its own."""
    data = read_json(path)
    return follower_from_json(data.get("follower", data) if isinstance(data, dict) else data)


def fit_behind(words: str) -> dict[str, Any] | None:
    """What `fit` wrote, when `--response` names such a file."""
    if not Path(words).exists():
        return None
    data = read_json(words)
    return data if isinstance(data, dict) and data.get("schema") == FIT_SCHEMA else None


def _suqr(rest: str) -> AbstractFollower:
    words = rest.split(",")
    if Path(rest).exists() or not any(character.isdigit() for character in words[0]):
        return read_follower(rest)
    from ..followers.behavioural import SUQR

    return SUQR([number("--response", word) for word in words])
