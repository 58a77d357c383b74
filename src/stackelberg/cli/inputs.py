"""What the verbs are given: games by file or catalog name, followers by word or file, numbers as text.

Imported by the verbs when they run, never by `--help`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import _boundary as boundary
from .._disk import read_text
from .._json import parse_json
from ..followers.base import AbstractFollower
from ..followers.best_response import BestResponse
from ..followers.files import follower_from_json
from ..followers.quantal_response import QuantalResponse
from ..games.base import AbstractGame
from ..games.files import read_game
from . import early


FIT_SCHEMA = "stackelberg-fit/1"


def load_game(word: str) -> AbstractGame:
    """The game in the file `word`, or the one that the catalog knows by that name."""
    if early.is_file(word):
        return read_game(word)
    from ..games import catalog

    return catalog.entry(boundary.one_of("GAME", word, catalog.names())).game


def load_follower(words: str, ties: str = "leader") -> AbstractFollower:
    """The follower that `--response` describes, see `early.response`."""
    match early.response(words, ties):
        case "best", who:
            return BestResponse(who)  # type: ignore[arg-type]
        case "quantal", inverse_temperature:
            return QuantalResponse(inverse_temperature)
        case "suqr", weights:
            from ..followers.behavioural import SUQR

            return SUQR(weights)
        case _, path:
            return read_follower(path)


def read_json(path: str | Path) -> Any:
    """What a JSON file holds; `FileError` with line and column where it is not JSON."""
    return parse_json(read_text(path), str(path))


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
