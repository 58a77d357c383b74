"""From a commitment, the answer to it and a proven bound to a `Solution`: the same for every solver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from .._errors import SolverError
from .._record import Certificate, Estimate, Solution
from .._types import AnyArray
from ..games.base import AbstractGame


def certified(
    game: AbstractGame,
    commitment: Float[AnyArray, "..."],
    response: Float[AnyArray, "..."],
    *,
    upper: float,
    tolerance: float,
    rounding: float,
    noise: float = 0.0,
    solver: str,
    proof: str,
    closed: str = "optimal",
    notes: tuple[str, ...] = (),
    open_notes: tuple[str, ...] = (),
    statistics: Mapping[str, Any] | None = None,
) -> Solution:
    """The solution with everything that can be recomputed on the game's own payoffs recomputed.

    - `upper`: no commitment is worth more to the leader, as `proof` says in words.
    - `tolerance`: in units of the leader's payoff; a gap within it has the status `closed` ("optimal" or "supremum"), a
      larger one "bounded".
    - `open_notes`: further notes for a solution that stays "bounded".
    - `rounding`: in the same units, what floating point may have put between the bound and the recomputed value.

    - `noise`: in the same units, how far the value may also be off because a follower of large inverse temperature
      answers rounded payoffs. It explains a value above the bound, and closes no gap.

    Raises `SolverError` when the commitment is worth more than the bound and rounding does not explain it: then the
    proof is wrong, and no answer is better than one that says "gap 0".
    """
    problem = game.induce(commitment)
    value, earned = float(game.leader_value(commitment, response)), float(problem.value(response))
    if not upper >= value - rounding - noise:
        raise SolverError(
            f"{SolverError.code} {solver}: its bound {upper:.17g} lies below the value {value:.17g} that it found, by "
            "more than rounding explains. This is a defect: please report the game, and what `stackelberg doctor` says."
        )
    upper = max(upper, value)
    status = closed if upper - value <= tolerance + rounding else "bounded"
    notes = notes + (open_notes if status == "bounded" else ())
    regret = max(float(problem.value(problem.best_response())) - earned, 0.0)
    return Solution(
        commitment=np.asarray(commitment),
        response=np.asarray(response),
        leader_value=Estimate(value, value, upper, status),
        follower_value=Estimate.exact(earned),
        certificate=Certificate(value, upper, regret, status, proof, notes),
        method=solver,
        statistics=dict(statistics or {}),
    )
