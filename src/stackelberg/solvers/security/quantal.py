"""The best coverage against an attacker that chooses by logits: quantal response, SUQR, linear attraction."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from ... import _boundary as boundary
from ..._errors import InputError, NonFiniteResultError
from ..._record import Solution
from ...calculus.precision import exact
from ...followers.base import AbstractFollower, AbstractLogitFollower
from ...followers.quantal_response import QuantalResponse
from ...games.security import SecurityGame
from ..certified import certified
from ..rescale import rescale
from .attraction import search_attraction
from .patrols import maximise_patrols
from .separable_logit import EPSILON, SeparableLogit, maximise


LogitFollower: TypeAlias = AbstractLogitFollower | QuantalResponse

CONVEX = "weak duality of the fractional program at its optimum, rounding included"
BRANCHED = "branch and bound on boxes of coverage, each bounded by the envelope of its terms"


@exact
def security_quantal(
    game: SecurityGame, follower: AbstractFollower, tolerance: float = 1e-6, time_limit: float | None = None
) -> Solution:
    """The coverage that is best for the leader when `follower` attacks each target with probability ∝ exp(logit).

    Coverage that deters (every logit falls with it) makes the problem convex after a change of variables, so that the
    optimum is global and proven to rounding; schedules keep it so. Coverage that attracts does not, and is searched by
    branch and bound. `tolerance` is a fraction of the range of the leader's payoffs; `time_limit` is in seconds. A
    bound that stays further from the value has the status "bounded".

    Yang, Ordóñez and Tambe (2012) for the change of variables. Departures: the inner problem is solved in closed form
    up to one multiplier, and the bound is a proof, not a discretisation.

    Raises `InputError` when the follower has no logits that are affine in coverage (mixtures, best responses, an
    infinite inverse temperature).
    """
    started = time.perf_counter()
    tolerance = boundary.real_number("tolerance", tolerance, low=0.0, high=1.0, low_open=True)
    problem = logit_problem(game, follower)
    leader = rescale(np.stack([problem.base[0], problem.base[0] + problem.gain[0]])[None])
    low, high = leader.scaled[0]
    problem = replace(problem, base=low[None], gain=np.maximum(high - low, 0.0)[None])
    deadline = math.inf if time_limit is None else started + boundary.real_number("time_limit", time_limit, low=0.0)
    gap = tolerance * float(np.max(high))
    proof = CONVEX
    if np.any(problem.slope > 0.0):
        coverage, _, upper, steps = search_attraction(game, problem, gap, deadline)
        proof = BRANCHED
    elif game.schedules is None:
        best = maximise(problem, deadline)
        coverage, upper, steps = best.x[0], float(best.upper[0]), best.steps
    else:
        coverage, _, upper, steps = maximise_patrols(game, problem, gap, deadline)
    coverage = np.asarray(game.check_commitment(coverage))
    blur = _blur(game, follower, problem, coverage) * float(np.max(high))
    rounding = float(leader.restore_difference(np.array([blur]))[0]) + 4.0 * float(np.spacing(_largest(game)))
    closed = max(
        tolerance * float(np.max(game.leader_covered) - np.min(game.leader_uncovered)),
        16.0 * float(np.spacing(_largest(game))),
    )
    return certified(
        game,
        coverage,
        np.asarray(follower.respond(game, coverage)),
        upper=min(float(leader.restore(np.array([upper]))[0]) + rounding, float(np.max(game.leader_covered))),
        tolerance=closed - rounding,  # where rounding explains a larger gap, it is a gap all the same
        rounding=rounding,
        solver="SecurityQuantal",
        proof=proof,
        statistics={"steps": steps, "seconds": time.perf_counter() - started},
    )


def logit_problem(game: SecurityGame, follower: AbstractFollower) -> SeparableLogit:
    """What the leader maximises, as one separable problem: logits read off at no and at full coverage.

    The logit of a target is affine in its own coverage alone; the budget is left out when there are schedules.
    """
    if not isinstance(follower, LogitFollower) or math.isinf(getattr(follower, "inverse_temperature", 0.0)):
        raise InputError(
            boundary.INCONSISTENT,
            "follower",
            found=f"{follower} has no finite logits that are affine in coverage",
            allowed="a QuantalResponse of finite inverse temperature, SUQR or LinearResponse is needed",
            remedy="Use SecurityLP for a best-responding follower, and GradientAscent for others.",
        )
    nothing = np.zeros(game.num_targets)
    offset = np.asarray(follower.logits(game, nothing))
    slope = np.asarray(follower.logits(game, nothing + 1.0)) - offset
    if not np.all(np.isfinite(offset) & np.isfinite(slope)):
        raise NonFiniteResultError(
            f"{NonFiniteResultError.code} follower: its logits overflow (payoff × inverse temperature is beyond "
            "1e308). Lower the inverse temperature, or use SecurityLP, which is its limit."
        )
    uncovered = np.asarray(game.leader_uncovered)
    return SeparableLogit(
        slope=slope[None],
        offset=(offset - np.max(offset))[None],
        gain=(np.asarray(game.leader_covered) - uncovered)[None],
        base=uncovered[None],
        low=nothing[None],
        high=_reachable(game)[None],
        budget=np.array([float(game.resources)]) if game.schedules is None else None,
    )


def _blur(
    game: SecurityGame, follower: AbstractFollower, problem: SeparableLogit, coverage: Float[np.ndarray, "n"]
) -> float:
    """By which fraction of the leader's range rounding of the logits can move a value: at most 1.

    Where all logits are within d of what they should be, every probability is right but for a factor of e^(2d).
    Measured at `coverage`, since a follower computes its logits in its own order, and estimated from their size.
    """
    assert isinstance(follower, LogitFollower)
    logits = np.asarray(follower.logits(game, coverage))
    affine = problem.offset[0] + problem.slope[0] * coverage
    measured = np.ptp(logits - affine)
    size = np.max(np.abs(logits)) + np.max(np.abs(problem.offset)) + np.max(np.abs(problem.slope))
    return min(1.0, 4.0 * (float(measured) + 4.0 * EPSILON * float(size)) + 16.0 * EPSILON)


def _largest(game: SecurityGame) -> float:
    """The largest payoff of the leader, in size."""
    return float(max(np.max(np.abs(game.leader_covered)), np.max(np.abs(game.leader_uncovered))))


def _reachable(game: SecurityGame) -> Float[np.ndarray, "n"]:
    """The highest coverage of each target on its own."""
    if game.schedules is None:
        return np.full(game.num_targets, min(1.0, float(game.resources)))
    rows, limit = game.patrols()
    return rows.max(axis=0) * min(1.0, limit)
