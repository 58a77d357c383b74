"""Earlier approaches as points of one design space, with the condition that each keeps or drops: oracles:instances."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..._claims import Budget, Claim
from ..._learner import AbstractLearner, advance, start
from ..._loop.stacking import stack
from ..._record import Estimate
from ...deep.evolution import LeaderEvolution
from ...deep.leaders import AbstractLeader
from ...deep.policy_gradient import LeaderReinforce
from ...deep.through_followers import (
    AbstractThroughFollowers,
    LeaderThroughLearning,
    LeaderThroughResponse,
    MarkovTruth,
)
from ...deep.truth import BestResponseTruth
from ...followers.asking_all import ExactOracle
from ...followers.contextual import exact_contextual
from ...followers.inner_q_learning import InnerQLearning
from ...followers.stackelberg_pomdp import StackelbergPOMDP
from ...games.domains.iterated_matrix import IteratedMatrixGame
from ...games.domains.ordinal import iterated_matrix_game
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .measuring import grouped_bars, kept, mean
from .oracles_shepherd import DETERMINISTIC, DISCOUNT


GAMES: Mapping[str, tuple[tuple[int, int, str], float]] = {
    "prisoners_dilemma": ((5, 1, "opponent"), 16.0),
    "hidden_queries": ((5, 1, "opponent"), 20.0),
}
"""Rounds, memory and what is remembered; the best deterministic commitment, by enumeration."""


class Instance(NamedTuple):
    """An approach: what it is here, what it keeps or drops, and how many steps it takes, in episodes of 64.

    Where the game `is_known` it goes on without an end, and nothing is asked.
    """

    make: Callable[[IteratedMatrixGame], AbstractLearner]
    condition: str
    num_steps: int
    is_known: bool = False


def _reinforce(oracle: Callable[[IteratedMatrixGame], object], **flags: object) -> Callable[..., AbstractLearner]:
    return lambda game: LeaderReinforce(StackelbergPOMDP(oracle(game), **flags))  # type: ignore[arg-type]


def _inner(num_trials: int) -> Callable[[IteratedMatrixGame], InnerQLearning]:
    """Followers whose entries start in the middle of what five rounds can pay."""
    return lambda game: InnerQLearning(game, num_trials, initial_worth=12.0)


INSTANCES: Mapping[str, Instance] = {
    "contextual follower": Instance(_reinforce(exact_contextual, fixes_answers=True), "keeps all", 400),
    "two levels at once": Instance(
        _reinforce(_inner(1), fixes_answers=True, keeps_followers=True, pays_queries=True),
        "followers go on, the leader is paid while they learn",
        400,
    ),
    "inner loop, paid along the way": Instance(
        _reinforce(_inner(30), fixes_answers=True, pays_queries=True), "the leader is paid while followers learn", 300
    ),
    "inner loop, paid in the end": Instance(_reinforce(_inner(30), fixes_answers=True), "keeps all", 300),
    "best responses, queries hidden": Instance(
        _reinforce(ExactOracle, fixes_answers=True, hides_queries=True), "queries are hidden", 400
    ),
    "bandit over commitments": Instance(
        lambda game: LeaderEvolution(StackelbergPOMDP(ExactOracle(game), hides_queries=True)),
        "whole episodes are compared: nothing need be kept",
        400,
    ),
    "through the response's conditions": Instance(
        lambda game: LeaderThroughResponse(game.as_markov(DISCOUNT)), "no queries", 400, is_known=True
    ),
    "through the learning of followers": Instance(
        lambda game: LeaderThroughLearning(game.as_markov(DISCOUNT)), "no queries", 400, is_known=True
    ),
}
"""AI Economist (Zheng et al.), Good Shepherd as published and repaired (Balaguer et al.), best-response queries, bandit
reinforcement learning of commitments (Bai et al.), differentiation of optimality conditions (Wang et al.), and
meta-gradients, each reduced to its idea."""

QUICK = ("contextual follower", "best responses, queries hidden", "bandit over commitments")

NUM_SEEDS: dict[Budget, int] = {"smoke": 4, "small": 32, "full": 64}


def _instances(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    seeds, measured = NUM_SEEDS[budget], {}
    names = [name for name in INSTANCES if budget != "smoke" or name in QUICK]
    bars: list[list[Estimate]] = []
    for name in names:
        found = kept(folder, f"{name} {seeds}", lambda name=name: _learned(INSTANCES[name], seeds))
        row = [mean(found[game] / GAMES[game][1], "seeds") for game in GAMES]
        bars.append(row)
        for game, entry in zip(GAMES, row, strict=True):
            measured[f"{game}: {name}"] = entry
    drawn = grouped_bars(
        bars,
        names=names,
        terms=[game.replace("_", " ") for game in GAMES],
        y_label="leader's value, followers best-respond (share of the best)",
        title="Earlier approaches in one design space",
        marks=[1.0] * len(names),
        mark_label="best deterministic commitment",
    )
    return Evidence(measured, {"values": drawn})


def _learned(instance: Instance, num_seeds: int) -> dict[str, np.ndarray]:
    """Final values by game; of leaders without an end what they are worth in as many rounds, in proportion."""
    found = {}
    for name, ((num_steps, depth, sight), best) in GAMES.items():
        game = iterated_matrix_game(name, num_steps, depth, sight)  # type: ignore[arg-type]
        learner = instance.make(iterated_matrix_game(name) if instance.is_known else game)
        if isinstance(learner, AbstractThroughFollowers):
            monitor, scale = MarkovTruth(learner.game), (1.0 - DISCOUNT) * best / DETERMINISTIC[name]
        else:
            assert isinstance(learner, AbstractLeader)
            monitor, scale = BestResponseTruth(learner.process), 1.0
        learners = stack([learner], [monitor])
        steps = instance.num_steps
        _, metrics = advance(learners, start(learners, range(num_seeds)), steps, monitor_every=steps, last=steps)
        found[name] = scale * metrics["adverse_value"][-1, 0]
    return found


_SOURCE = "values by enumeration, ours"


def _claim(name: str, game: str, statement: str, expected: float, relation: str, budget: Budget) -> Claim:
    return Claim(
        f"{game}: {name}",
        statement,
        _SOURCE,
        expected,
        relation,  # type: ignore[arg-type]
        0.01 if relation == "equals" else 0.0,
        budget,
        NUM_SEEDS[budget],
        "share",
    )


INSTANCES_ENTRY = Reproduction(
    "oracles:instances",
    "Earlier approaches as points of one design space",
    "Gerstgrasser and Parkes (2023), section 3; each approach reduced to its idea, ours",
    (
        _claim(QUICK[0], "hidden_queries", "Contextual follower: share of the best value.", 1.0, "equals", "smoke"),
        _claim(QUICK[1], "hidden_queries", "Queries not learned from: share of it.", 0.75, "at most", "smoke"),
        _claim(QUICK[2], "hidden_queries", "Bandit over commitments: share of it.", 1.0, "equals", "smoke"),
        _claim(
            "two levels at once", "prisoners_dilemma", "Two levels at once: share of the best.", 0.9, "at most", "small"
        ),
    ),
    _instances,
)

ENTRIES = (INSTANCES_ENTRY,)
