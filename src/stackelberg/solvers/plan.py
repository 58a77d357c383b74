"""A plan: a game, the follower that is expected, and what was solved; in one file that `stress` and `plot` read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._record import Solution
from ..followers.base import AbstractFollower
from ..followers.files import follower_from_json, follower_to_json
from ..games.base import AbstractGame
from ..games.files import game_from_json, game_to_json


SCHEMA = "stackelberg-solve/1"


@dataclass(frozen=True, eq=False)
class Plan:
    """What `solve` found, with what it was found for.

    - `answer`: `Solution.to_json()` as it was printed, the certificate included.
    - `fit`: what `fit` wrote about the follower, when it came from a log.
    """

    game: AbstractGame
    follower: AbstractFollower
    answer: dict[str, Any]
    fit: dict[str, Any] | None = None

    @classmethod
    def of(cls, game: AbstractGame, follower: AbstractFollower, solution: Solution) -> Plan:
        """The plan of a solution that was found for `game` and `follower`."""
        return cls(game, follower, solution.to_json())

    @property
    def commitment(self) -> Float[np.ndarray, "..."]:
        """What the leader announces, checked again by the game."""
        return np.asarray(self.game.check_commitment(self.answer["commitment"]))

    def to_json(self) -> dict[str, Any]:
        """The answer first, then what it answers."""
        described = {"game": game_to_json(self.game), "follower": follower_to_json(self.follower)}
        return self.answer | described | ({} if self.fit is None else {"fit": self.fit})


def plan_from_json(data: Any, shown: str = "plan") -> Plan:
    """The plan that `stackelberg solve --out` wrote, or `InputError` naming what is missing."""
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise InputError(
            boundary.INCONSISTENT,
            shown,
            found="this is not a plan",
            allowed=f'a plan starts with "schema": "{SCHEMA}"',
            remedy="Make one with `stackelberg solve GAME --out plan.json`.",
        )
    for name in ("game", "follower", "commitment", "leader_value"):
        if name not in data:
            raise InputError(
                boundary.INCONSISTENT,
                f"{shown}: {name}",
                found="it is missing",
                allowed="a plan holds schema, game, follower, commitment, leader_value and certificate",
                remedy="Solve the game again with --out.",
            )
    answer = {name: value for name, value in data.items() if name not in ("schema", "game", "follower", "fit")}
    return Plan(game_from_json(data["game"]), follower_from_json(data["follower"]), answer, data.get("fit"))
