"""A leader that commits to mixtures in the prisoner's dilemma: oracles:mixed-commitment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..._claims import Budget, Claim
from ..._learner import advance, commitments, start
from ..._loop.stacking import stack
from ..._record import Estimate
from ...deep.evolution import LeaderEvolution
from ...deep.truth import BestResponseTruth
from ...followers.asking_all import ExactOracle
from ...followers.stackelberg_pomdp import StackelbergPOMDP
from ...games.domains.ordinal import iterated_matrix_game
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .measuring import kept, mean, plain_curves


NUM_SEEDS: dict[Budget, int] = {"smoke": 4, "small": 16, "full": 32}
NUM_STEPS: dict[Budget, int] = {"smoke": 800, "small": 800, "full": 2000}
NUM_PLAYS = 8


def _dilemma(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    seeds, steps = NUM_SEEDS[budget], NUM_STEPS[budget]
    found = kept(folder, f"evolution {steps}x{seeds}", lambda: _learned(steps, seeds))
    last = found["leader_value"][-1]
    measured = {
        "worst": Estimate.exact(float(last.min()), f"the least of {seeds} seeds"),
        "mean": mean(last, "seeds"),
        "time-aware": mean(found["time_aware"], "seeds"),
        "adverse": mean(found["adverse_value"][-1], "seeds"),
    }
    drawn = plain_curves(
        found["steps"].astype(float),
        {"follower does not see the time": found["leader_value"]},
        x_label="steps of the leader, 64 policies tried in each",
        y_label="leader's value, follower best-responds (payoff)",
        title="Mixed commitments in the prisoner's dilemma, ten rounds",
    )
    return Evidence(measured, {"values": drawn})


def _learned(num_steps: int, num_seeds: int) -> dict[str, np.ndarray]:
    game = iterated_matrix_game("prisoners_dilemma", is_mixed=True)
    process = StackelbergPOMDP(ExactOracle(game), NUM_PLAYS)
    leader = LeaderEvolution(
        process, deviation=0.5, least_deviation=0.03, deviation_steps=3 * num_steps // 4, learning_rate=0.02
    )
    learners = stack([leader], [BestResponseTruth(process)])
    every = num_steps // 40
    run, metrics = advance(learners, start(learners, range(num_seeds)), num_steps, monitor_every=every, last=num_steps)
    steps = np.flatnonzero(np.isfinite(metrics["leader_value"][:, 0, 0]))
    aware = game.as_markov()
    policies = commitments(learners, run)[0].astype(float)
    policies /= policies.sum(axis=-1, keepdims=True)
    worth = [float(aware.leader_value(policy, aware.induce(policy).best_response())) for policy in policies]
    values = {name: metrics[name][steps, 0] for name in ("leader_value", "adverse_value")}
    return {"steps": steps + 1, "time_aware": np.array(worth), **values}


MIXED = Reproduction(
    "oracles:mixed-commitment",
    "A leader that commits to mixtures gets more than any deterministic one",
    "ours: the best mixed commitment of memory one is worth 35 against a follower that does not see the time, "
    "as far as search found; the best deterministic one 31",
    (
        Claim(
            "mean",
            "Its value in the prisoner's dilemma, ten rounds, on average over seeds.",
            "the best deterministic commitment, by brute force, is worth 31",
            34.5,
            "at least",
            0.0,
            "smoke",
            4,
            "payoff",
        ),
        Claim("worst", "The same of the worst seed.", "ours to reach", 34.5, "at least", 0.0, "small", 16, "payoff"),
    ),
    _dilemma,
)

ENTRIES = (MIXED,)
