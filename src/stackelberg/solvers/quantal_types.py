"""A noisy follower of unknown type: the best commitment found by ascent, with a bound from each type on its own."""

from __future__ import annotations

import dataclasses
import time

import numpy as np

from .._record import Certificate, Estimate, Solution
from ..followers.base import AbstractFollower
from ..games.bayesian import BayesianGame
from ..games.normal_form import NormalFormGame
from .quantal_ascent import ascend
from .quantal_normal_form import FLOOR, Effort, check_memory, search
from .quantal_program import quantal_program


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
    value = float(game.leader_value(commitment, response))
    problem = game.induce(commitment)
    follower_value = float(problem.value(response))
    upper = max(float(prior @ np.array(uppers)), value)
    span = float(np.ptp(np.asarray(game.leader_payoff)[played]))
    status = "optimal" if upper - value <= effort.tolerance * span else "bounded"
    return Solution(
        commitment=commitment,
        response=response,
        leader_value=Estimate(value, value, upper, status),
        follower_value=Estimate.exact(follower_value),
        certificate=Certificate(
            lower=value,
            upper=upper,
            follower_regret=max(float(problem.value(problem.best_response())) - follower_value, 0.0),
            status=status,
            method="the best value of each type on its own, weighted by the prior",
            notes=() if status == "optimal" else (FLOOR,),
        ),
        method="QuantalStackelberg",
        statistics={"cells": sum(found.cells for found in apart), "seconds": time.perf_counter() - started},
    )


def _share(effort: Effort, remaining: int) -> Effort:
    """An even part of the time that is left."""
    if effort.deadline is None:
        return effort
    now = time.monotonic()
    return dataclasses.replace(effort, deadline=now + max(effort.deadline - now, 0.0) / (remaining + 1))
