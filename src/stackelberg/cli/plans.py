"""Plans as the verbs make, describe and draw them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _boundary as boundary
from .._errors import InputError
from .._record import Record
from ..followers.base import AbstractFollower
from ..followers.best_response import BestResponse
from ..games.base import AbstractGame
from ..solvers.plan import SCHEMA as SCHEMA, Plan, plan_from_json
from .inputs import read_json
from .methods import method


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
    return plan_from_json(read_json(path), path)


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
