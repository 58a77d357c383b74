"""A noisy follower of unknown type: the best commitment found by ascent, with a bound from each type on its own."""

from __future__ import annotations

import dataclasses
import time

import numpy as np

from ..._record import Solution
from ...followers.base import AbstractFollower
from ...games.bayesian import BayesianGame
from ...games.normal_form import NormalFormGame
from ..certified import certified
from .ascent import ascend
from .normal_form import SUPREMUM, Effort, check_memory, search
from .program import QuantalProgram, quantal_program


EPS = np.finfo(np.float64).eps

APART = (
    "The gap that remains is proven, not estimated: the bound lets the leader announce something else to each type, so "
    "that more time need not close it, and the optimum may be the value found."
)


def best_against_types(game: BayesianGame, follower: AbstractFollower, effort: Effort) -> Solution:
    """The best strategy found; no strategy is worth more than what the types are worth apart, weighted by the prior."""
    started = time.perf_counter()
    played = np.flatnonzero(np.asarray(game.prior) > 0.0)
    prior = np.asarray(game.prior)[played]
    games = [NormalFormGame(game.leader_payoff[kind], game.follower_payoff[kind]) for kind in played]
    programs = [quantal_program(one, follower) for one in games]
    apart = []
    for number, program in enumerate(programs):
        check_memory(program, effort.memory_limit)
        apart.append(search(program, _share(effort, len(programs) - number)))
    uppers = [program.restore(found.upper) + program.rounding for program, found in zip(programs, apart, strict=True)]
    # All types' payoffs to the leader on one scale, that of the largest range: only their sum matters.
    largest = max(int(program.leader.exponent[0]) for program in programs)
    payoff = np.stack([np.ldexp(one.payoff, int(one.leader.exponent[0]) - largest) for one in programs])
    logit = np.stack([program.logit for program in programs])
    candidates = np.stack([found.commitment for found in apart])
    climbed = ascend(payoff[None], logit[None], prior[None], candidates[None])
    commitment = climbed.commitment[0]
    response = np.asarray(follower(game, commitment))
    upper = float(prior @ np.array(uppers))
    span = float(np.ptp(np.asarray(game.leader_payoff)[played]))
    is_even = np.isinf([program.precision for program in programs]).any()
    return certified(
        game,
        commitment,
        response,
        upper=upper,
        tolerance=effort.tolerance * span,
        rounding=2.0 * sum(program.rounding for program in programs),
        noise=span * max(_noise(program) for program in programs),
        solver="QuantalStackelberg",
        proof="the best value of each type on its own, weighted by the prior",
        closed="supremum" if is_even else "optimal",
        notes=(SUPREMUM,) if is_even else (),
        open_notes=(APART,),
        statistics={"cells": sum(found.cells for found in apart), "seconds": time.perf_counter() - started},
    )


def _noise(program: QuantalProgram) -> float:
    """How much of the leader's payoff range may move because the follower compares rounded payoffs."""
    ends = (0.0, float(np.max(program.appeal)))
    size = max(abs(float(program.follower.restore(np.array([end]))[0])) for end in ends)
    relative = float(np.ldexp(size, -int(program.follower.exponent[0])))
    return min(4.0 * sum(program.payoff.shape) * EPS * min(program.precision, 1.0 / EPS) * max(relative, 1.0), 1.0)


def _share(effort: Effort, remaining: int) -> Effort:
    """An even part of the time that is left."""
    if effort.deadline is None:
        return effort
    now = time.monotonic()
    return dataclasses.replace(effort, deadline=now + max(effort.deadline - now, 0.0) / (remaining + 1))
