"""What can be seen of an argument before anything heavy is imported: missing files, unknown names, bad syntax.

JAX takes a second to import; a mistyped word is answered before that.
"""

from __future__ import annotations

import json
import math
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeAlias

from .._disk import read_bytes
from .._errors import InputError, NonFiniteError
from ..games.suffixes import game_suffix


MODELS = {
    "quantal": "QuantalModel",
    "suqr": "SUQRModel",
    "weights": "WeightsModel",
    "payoffs": "PayoffModel",
    "qre": "QuantalEquilibriumModel",
    "level-k": "LevelKModel",
    "trembling": "TremblingModel",
    "uniform": "UniformModel",
}
"""What `--model` takes, with the names in Python; a test compares with the models that can be fitted."""

Described: TypeAlias = (
    tuple[Literal["best"], str]
    | tuple[Literal["quantal"], float]
    | tuple[Literal["suqr"], list[float]]
    | tuple[Literal["file"], str]
)
"""A follower as `--response` describes it."""


def catalog() -> list[dict[str, Any]]:
    """Name, description, source and answers of every game of the catalog, as `docs/catalog_table.py` stored them."""
    return _stored("catalog.json")


def processes() -> list[dict[str, Any]]:
    """Name, description and answers of every decision process by name, stored likewise."""
    return _stored("processes.json")


def _stored(name: str) -> list[dict[str, Any]]:
    return json.loads(resources.files("stackelberg.cli").joinpath("stored", name).read_text("utf-8"))


def is_file(word: str) -> bool:
    """Whether `word` names a file: it has a suffix, or it exists."""
    return bool(Path(word).suffix) or Path(word).exists()


def game(word: str) -> None:
    """Refuse a file that is not there, a suffix that no game has, and a name that the catalog does not know."""
    if is_file(word):
        game_suffix(word)
        file(word)
    else:
        one_of("GAME", word, [entry["name"] for entry in catalog()])


def process(word: str) -> None:
    """Refuse a file that is not there, and a name that no process has."""
    if is_file(word):
        file(word)
    else:
        one_of("PROCESS", word, [entry["name"] for entry in processes()])


def file(path: str | None) -> None:
    """Refuse a file that is missing, or no regular file."""
    if path is not None and not Path(path).is_file():
        read_bytes(path)


def models(words: str) -> list[str]:
    """The models in a list such as "quantal,suqr"."""
    return [one_of("--model", word.strip(), MODELS) for word in words.split(",")]


def response(words: str, ties: str = "leader") -> Described:
    """What `--response` describes: best, quantal:5, suqr:FILE, suqr:-9.8,0.4,0.2, or a file of `fit`."""
    name, _, rest = words.partition(":")
    if name == "best" and not rest:
        return "best", one_of("--ties", ties, ("leader", "adversary", "uniform"))
    if name == "quantal" and rest:
        return "quantal", number("--response", rest)
    if name == "suqr" and rest:
        weights = rest.split(",")
        if any(character.isdigit() for character in weights[0]) and not Path(rest).exists():
            return "suqr", [number("--response", word) for word in weights]
        file(rest)
        return "file", rest
    if is_file(words):
        file(words)
        return "file", words
    raise InputError(
        "E-INPUT-008",
        "--response",
        found=f"{words!r} describes no follower",
        allowed="it must be best, quantal:NUMBER, suqr:FILE, suqr:W1,W2,W3, or a file that `stackelberg fit` wrote",
        remedy="For an inverse temperature of 5 write quantal:5.",
    )


def number(field: str, word: str) -> float:
    """A number written at the command line; "inf" is a number too, "nan" is refused as what it is."""
    try:
        value = float(word)
    except ValueError:
        raise InputError(
            "E-INPUT-003",
            field,
            found=f"{word!r} is not a number",
            allowed="a number is needed",
            remedy="Write it as 5, 0.5, 1e3 or inf.",
        ) from None
    return finite(field, value, infinite=True)


def finite(field: str, value: float, *, infinite: bool = False) -> float:
    """`value`, or `NonFiniteError`; `infinite=True` lets infinities pass."""
    if math.isfinite(value) or (infinite and not math.isnan(value)):
        return value
    raise NonFiniteError(
        "E-INPUT-001",
        field,
        found=f"{value} is not finite",
        allowed="a number is needed" if infinite else "a finite number is needed",
        remedy="Give a number such as 0.5, or leave the option out.",
    )


def one_of(field: str, word: str, known: Any) -> str:
    """`word` when it is known; the message of the boundary otherwise, which costs the import of NumPy."""
    if word not in known:
        from .. import _boundary as boundary

        return boundary.one_of(field, word, known)
    return word
