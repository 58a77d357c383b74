"""Many games of one shape against a quantal follower, solved together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ... import _boundary as boundary
from ..._errors import SolverError
from ...calculus.precision import exact
from ...calculus.simplex import choice_on_host
from ..rescale import rescale
from .ascent import ascend
from .branch_and_bound import branch_and_bound
from .cells import finest_tolerance
from .prescription import best_prescriptions, strong_bound
from .program import AIM, SHARPEST, response_noise


FEW_ACTIONS = 4
MAX_CELLS = 2**22


@dataclass(frozen=True)
class QuantalBatch:
    """One entry for each game.

    - `commitments`: the best strategy found.  `responses`: the follower's choice probabilities.
    - `leader_values`: what it pays, recomputed on the payoffs given.  `upper_bounds`: no strategy pays more.
    - `cells`: how many cells branch and bound looked at, in all games together.
    """

    commitments: Float[np.ndarray, "n a"]
    responses: Float[np.ndarray, "n b"]
    leader_values: Float[np.ndarray, "n"]
    upper_bounds: Float[np.ndarray, "n"]
    cells: int

    @property
    def gaps(self) -> Float[np.ndarray, "n"]:
        """`upper_bounds - leader_values`."""
        return self.upper_bounds - self.leader_values


@exact
def quantal_batch(
    leader_payoff: Any,
    follower_payoff: Any,
    inverse_temperature: Any,
    *,
    tolerance: Any = 1e-6,
    max_cells: Any = None,
) -> QuantalBatch:
    """The best strategy of each game against a quantal follower, in a few compiled calls for all of them.

    - `leader_payoff`, `follower_payoff`: `(n, a, b)`.  `inverse_temperature`: one finite number, or one for each game.
    - `tolerance`: the gap aimed at, as a fraction of each game's leader's payoff range.
    - `max_cells`: how many cells branch and bound may look at; by default 4 million with up to 4 leader's actions,
      and none beyond, where the bound is the best prescription's.
    """
    leader_payoff = boundary.real_array("leader_payoff", leader_payoff, axes=("n", "a", "b"))
    follower_payoff = boundary.real_array("follower_payoff", follower_payoff, axes=leader_payoff.shape)
    num_games, num_actions, _ = leader_payoff.shape
    rate = boundary.real_array("inverse_temperature", inverse_temperature, low=0.0)
    rate = boundary.real_array("inverse_temperature", np.broadcast_to(rate, num_games), axes=(num_games,))
    tolerance = boundary.real_number("tolerance", tolerance, low=0.0, high=1.0, low_open=True)
    leader, follower = rescale(leader_payoff), rescale(follower_payoff)
    with np.errstate(over="ignore"):
        precision = np.ldexp(rate, follower.exponent)
    logit = np.minimum(precision, SHARPEST)[:, None, None] * follower.scaled
    if max_cells is None:
        max_cells = MAX_CELLS if num_actions <= FEW_ACTIONS else 0
    max_cells = boundary.whole_number("max_cells", max_cells)
    climbed = ascend(leader.scaled[:, None], logit[:, None], np.ones((num_games, 1)))
    commitment, upper, cells = climbed.commitment, np.max(leader.scaled, axis=(1, 2)), 0
    is_searchable = precision <= SHARPEST
    searched = np.flatnonzero(is_searchable & (max_cells > 0))
    if len(searched):
        found = branch_and_bound(
            leader.scaled[searched],
            logit[searched],
            commitment[searched],
            climbed.value[searched],
            upper[searched],
            tolerance=AIM * tolerance,
            max_cells=max_cells,
        )
        commitment, cells = np.array(commitment), found.cells
        commitment[searched], upper[searched] = found.commitment, found.upper
    if len(searched) < num_games or np.any(finest_tolerance(logit) > AIM * tolerance):
        relaxed = np.asarray(best_prescriptions(leader.scaled, logit).upper)
        upper = np.minimum(upper, np.where(is_searchable, relaxed, strong_bound(logit, leader.scaled)))
    response, _ = choice_on_host(precision[:, None] * _shortfall((commitment[:, None] @ follower.scaled)[:, 0]))
    value = np.einsum("na,nab,nb->n", commitment, leader_payoff, response)
    rounding = 4.0 * sum(leader_payoff.shape[1:]) * np.spacing(np.max(np.abs(leader_payoff), axis=(1, 2)))
    noise = leader.restore_difference(response_noise(precision, *leader_payoff.shape[1:]))
    upper = agreeing(leader.restore(upper) + rounding, value, rounding + noise)
    return QuantalBatch(commitment, response, value, upper, cells)


def agreeing(
    upper: Float[np.ndarray, "n"], value: Float[np.ndarray, "n"], explained: Float[np.ndarray, "n"]
) -> Float[np.ndarray, "n"]:
    """The bounds, raised to values that lie above them by rounding. Raises `SolverError` where it is by more."""
    wrong = np.flatnonzero(~(value <= upper + explained))
    if len(wrong):
        raise SolverError(
            f"{SolverError.code} quantal_batch: in game {wrong[0]} the bound {upper[wrong[0]]:.17g} lies below the "
            f"value {value[wrong[0]]:.17g} that was found, by more than rounding explains. This is a defect: please "
            "report the game."
        )
    return np.maximum(upper, value)


def _shortfall(values: Float[np.ndarray, "n b"]) -> Float[np.ndarray, "n b"]:
    return values - values.max(axis=1, keepdims=True)
