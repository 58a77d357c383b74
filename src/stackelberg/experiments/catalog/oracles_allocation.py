"""Allocating an item to a follower who can say a word: oracles:allocation."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from ..._claims import Budget, Claim
from ..._record import Estimate
from ...deep.after_pretraining import AfterPretraining
from ...deep.policy_gradient import LeaderReinforce
from ...followers.contextual import ContextualTable
from ...followers.stackelberg_pomdp import StackelbergPOMDP
from ...games.domains.allocation import AllocationGame
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .measuring import grouped_bars, kept, mean
from .oracles_matrix_games import learned


MESSAGES = (1, 2, 3)

NUM_SEEDS: dict[Budget, int] = {"smoke": 8, "small": 32, "full": 128}
PRETRAINING, NUM_STEPS = 300, 300


def _allocation(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    seeds, measured, rows = NUM_SEEDS[budget], {}, []
    for count in MESSAGES:
        process = StackelbergPOMDP(ContextualTable(AllocationGame(count)), 8, fixes_answers=True)
        learner = AfterPretraining(LeaderReinforce(process), PRETRAINING, num_tries=16)
        make = functools.partial(learned, {str(count): learner}, PRETRAINING, NUM_STEPS, seeds)
        last = kept(folder, f"{count} messages {seeds}", make)["leader_value"][-1, 0]
        measured[f"{count} messages"] = Estimate.exact(float(last.min()), f"the least of {seeds} seeds")
        rows.append([mean(last, "seeds")])
    drawn = grouped_bars(
        rows,
        names=[f"{count} messages" if count > 1 else "1 message" for count in MESSAGES],
        terms=["REINFORCE, contextual follower"],
        y_label="chance that the item is the wanted one",
        title="Allocation with messages",
        marks=[count / 3 for count in MESSAGES],
        mark_label="best, min(m, 3) / 3",
    )
    return Evidence(measured, {"values": drawn})


ALLOCATION = Reproduction(
    "oracles:allocation",
    "As many items can be told apart as there are messages",
    "the game of Brero et al. (2022); values by enumeration, ours",
    tuple(
        Claim(
            f"{count} messages",
            f"With {count} message{'s' * (count > 1)}, the worst seed: welfare once the follower best-responds.",
            "min(m, 3) / 3, by brute force over all deterministic policies of both",
            count / 3,
            "equals",
            1e-6,
            "smoke",
            8,
        )
        for count in MESSAGES
    ),
    _allocation,
)

ENTRIES = (ALLOCATION,)
