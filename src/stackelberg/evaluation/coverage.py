"""Where the leader's resources go and where attacks are expected, to be tabulated and drawn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _boundary as boundary
from .._errors import InputError
from .._record import Record
from ..followers.base import AbstractFollower
from ..games.security import SecurityGame


def coverage_map(
    game: SecurityGame, coverage: Any, follower: AbstractFollower, grid: tuple[int, int] | None = None
) -> Record:
    """Coverage and attack probability of each target, on a grid of rows × columns filled row by row.

    `grid` is a square when left out. Raises `InputError` when it does not have one cell for each target.
    """
    game = boundary.instance("game", game, SecurityGame, "sg.patrol_park()")
    follower = boundary.instance("follower", follower, AbstractFollower, "sg.QuantalResponse(1.0)")
    commitment = game.check_commitment(coverage)
    side = math.isqrt(game.num_targets)
    rows, columns = (side, side) if grid is None else boundary.whole_numbers("grid", grid, axes=(2,), low=1).tolist()
    if rows * columns != game.num_targets:
        raise InputError(
            boundary.SHAPE,
            "grid",
            found=f"{rows} × {columns} cells are {rows * columns}",
            allowed=f"one cell for each of the {game.num_targets} targets is needed",
            remedy="Give grid=(rows, columns).",
        )
    response = follower(game, commitment)
    value = float(game.leader_value(commitment, response))
    return Record(
        "coverage",
        {"coverage": np.asarray(commitment), "attack": np.asarray(response)},
        {
            "grid": [rows, columns],
            "targets": list(game.targets),
            "leader_value": value,
            "title": f"Coverage and expected attacks; leader's value {value:.4g} an attack",
        },
    )
