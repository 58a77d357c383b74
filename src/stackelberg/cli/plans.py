"""A plan: a game, the follower that is expected, and what was solved; in one file that `stress` and `plot` read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._record import Record
from ..followers.base import AbstractFollower
from ..followers.best_response import BestResponse
from ..followers.files import follower_from_json, follower_to_json
from ..games.base import AbstractGame
from ..games.files import game_from_json, game_to_json
from .inputs import read_json
from .methods import method


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

    @property
    def commitment(self) -> Float[np.ndarray, "..."]:
        """What the leader announces, checked again by the game."""
        return np.asarray(self.game.check_commitment(self.answer["commitment"]))

    def to_json(self) -> dict[str, Any]:
        """The answer first, then what it answers."""
        described = {"game": game_to_json(self.game), "follower": follower_to_json(self.follower)}
        return self.answer | described | ({} if self.fit is None else {"fit": self.fit})


def make(
    game: AbstractGame,
    follower: AbstractFollower,
    fit: dict[str, Any] | None = None,
    *,
    announcement: str = "strategy",
    tolerance: float = 1e-6,
    time_limit: float | None = None,
    seed: int = 0,
) -> Plan:
    """Solve `game` against `follower`; `fit` is what the follower was taken from."""
    solution = method(game, follower, announcement, tolerance, time_limit, seed)(game)
    return Plan(game, follower, solution.to_json(), fit)


def read_plan(path: str) -> Plan:
    """The plan in a file that `stackelberg solve --out` wrote."""
    data = read_json(path)
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise InputError(
            boundary.INCONSISTENT,
            path,
            found="this is not a plan",
            allowed=f'a plan starts with "schema": "{SCHEMA}"',
            remedy="Make one with `stackelberg solve GAME --out plan.json`.",
        )
    for name in ("game", "follower", "commitment", "leader_value"):
        if name not in data:
            raise InputError(
                boundary.INCONSISTENT,
                f"{path}: {name}",
                found="it is missing",
                allowed="a plan holds schema, game, follower, commitment, leader_value and certificate",
                remedy="Solve the game again with --out.",
            )
    answer = {name: value for name, value in data.items() if name not in ("schema", "game", "follower", "fit")}
    return Plan(game_from_json(data["game"]), follower_from_json(data["follower"]), answer, data.get("fit"))


def action_names(game: AbstractGame, count: int, *fields: str) -> list[str]:
    """The names that a game has for actions, targets or cells; numbers from 1 where it has none."""
    for field in fields:
        if (names := getattr(game, field, None)) is not None and len(names) == count:
            return [str(name) for name in names]
    return [str(number) for number in range(1, count + 1)]


LEADER_NAMES = ("leader_actions", "targets", "target_names", "actions")
FOLLOWER_NAMES = ("follower_actions", "targets", "target_names", "actions")


def describe(follower: AbstractFollower) -> str:
    """A follower in a few words, with its unit where it has one."""
    if isinstance(follower, BestResponse):
        return f"best response, ties to the {follower.ties}"
    precision = getattr(follower, "inverse_temperature", None)
    if precision is not None:
        return f"quantal response, inverse temperature {float(precision):g} (1/payoff)"
    return type(follower).__name__


def describe_briefly(follower: AbstractFollower) -> str:
    """A follower in the fewest words, for a legend."""
    precision = getattr(follower, "inverse_temperature", None)
    return describe(follower) if precision is None else f"inverse temperature {float(precision):g}"


def solution_record(plan: Plan) -> Record:
    """What is announced and what is answered, for the picture; policies and types are averaged over."""
    commitment, response = np.asarray(plan.answer["commitment"]), np.asarray(plan.answer["response"])
    if commitment.ndim > 1 or response.ndim > 1:
        raise InputError(
            boundary.SHAPE,
            "plan.commitment",
            found=f"its shape is {commitment.shape}, and the response's {response.shape}",
            allowed="one strategy of each player can be drawn as bars",
            remedy="Draw it as --kind policy, or read the JSON.",
        )
    return Record(
        "solution",
        {"commitment": commitment, "response": response},
        {
            "leader_actions": action_names(plan.game, len(commitment), *LEADER_NAMES),
            "follower_actions": action_names(plan.game, len(response), *FOLLOWER_NAMES),
            "title": str(getattr(plan.game, "title", "")),
        },
    )
