"""Examples to start from, and checks of what was made of them."""

from __future__ import annotations

from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._disk import write_whole
from .._errors import InputError
from .._record import dumps
from ..followers.simulate import sample_choices
from ..games.base import AbstractGame
from ..games.choices_files import choices_template, read_choices, write_choices
from ..games.domains.tariff import TariffGame
from ..games.files import check_game, game_template, game_to_json, write_game
from ..games.published_choices import ochs_matching_pennies
from ..games.security import SecurityGame
from .inputs import load_follower, load_game


NUM_COMMITMENTS = 20

PUBLISHED = {"ochs": ochs_matching_pennies}


def template(kind: str, game: str | None) -> str:
    """The text of an example: JSON for a game, CSV for `choices`."""
    if kind == "choices":
        return choices_template(load_game(_needed(game)))
    return dumps(game_to_json(game_template(kind)))


def write(kind: str, game: str | None, path: Path) -> None:
    """Write an example; games in the format that the suffix of `path` names."""
    if kind == "choices":
        write_whole(path, template(kind, game).encode())
    else:
        write_game(game_template(kind), path)


def simulate(game: str | None, response: str, plays: int, seed: int, path: Path) -> None:
    """Write a generated log: twenty commitments or fewer, drawn at random, and what the follower answers to them."""
    played, follower = load_game(_needed(game)), load_follower(response)
    commitments = max(1, min(NUM_COMMITMENTS, plays))
    generator = np.random.Generator(np.random.Philox(seed))
    announced = _drawn(played, (commitments, _size(played)), generator)
    each = -(-plays // commitments)
    write_choices(sample_choices(played, follower, announced, each, seed=seed), path, played)


def copy_published(name: str, game: str | None, path: Path) -> None:
    """Write a published table of choices that the package carries."""
    _, choices = PUBLISHED[boundary.one_of("--published", name, PUBLISHED)]()
    write_choices(choices, path, load_game(_needed(game)))


@singledispatch
def _drawn(game: AbstractGame, shape: tuple[int, int], generator: np.random.Generator) -> Float[np.ndarray, "n k"]:
    """Commitments that differ enough to learn from: uniform over the simplex."""
    del game
    return generator.dirichlet(np.ones(shape[1]), size=shape[0])


@_drawn.register
def _(game: SecurityGame, shape: tuple[int, int], generator: np.random.Generator) -> Float[np.ndarray, "n k"]:
    # Guarding less than can be guarded is always possible, with schedules too.
    return np.asarray(game.uniform_commitment()) * generator.random(shape)


@_drawn.register
def _(game: TariffGame, shape: tuple[int, int], generator: np.random.Generator) -> Float[np.ndarray, "n k"]:
    return generator.uniform(float(game.low), float(game.high), shape)


def _size(game: AbstractGame) -> int:
    uniform = np.asarray(game.uniform_commitment())
    if uniform.ndim != 1:
        raise InputError(
            boundary.SHAPE,
            "--game",
            found=f"a commitment of this game has the shape {uniform.shape}",
            allowed="logs can be generated for games whose commitment is one row of numbers",
            remedy="Use sg.sample_choices with commitments of your own.",
        )
    return len(uniform)


def check(file: str, game: str | None) -> tuple[dict[str, Any], list[str]]:
    """What a file holds, as JSON and as lines of text; raises what reading it raises."""
    if Path(file).suffix.lower() == ".csv":
        choices = read_choices(file, load_game(_needed(game)))
        summary = {"path": file, "kind": "choices", "rows": len(choices), "num_plays": choices.num_plays}
        return summary, [f"{file}: a log of {choices.num_plays:g} choices in {len(choices)} rows. No problem found."]
    found = check_game(file)
    lines = [f"{file}: {found.kind}" + (f", {found.title}" if found.title else "")]
    lines += [f"  {name} {shape}" + _range(found.ranges.get(name)) for name, shape in found.shapes.items()]
    lines += [f"  note: {note}" for note in found.notes] or ["  No problem found."]
    return found.to_json(), lines


def _range(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f" from {ends[0]:g} to {ends[1]:g}"


def _needed(game: str | None) -> str:
    if game is None:
        raise InputError(
            boundary.EMPTY,
            "--game",
            found="it is missing",
            allowed="a log of choices belongs to a game",
            remedy="Add --game FILE, or --game NAME for a game of the catalog.",
        )
    return game
