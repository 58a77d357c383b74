"""Leaders that differentiate through the follower, in games without an end: oracles:good-shepherd."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..._claims import Budget, Claim
from ..._learner import advance, start
from ..._loop.stacking import stack
from ..._record import Estimate
from ...deep.through_followers import (
    AbstractThroughFollowers,
    LeaderThroughLearning,
    LeaderThroughResponse,
    MarkovTruth,
)
from ...games.domains.ordinal import iterated_matrix_game
from ...games.markov import MarkovGame
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .measuring import grouped_bars, kept, mean, plain_curves, share


DISCOUNT = 0.96

DETERMINISTIC = {"hidden_queries": 4.0, "chicken": 4.0, "prisoners_dilemma": 3.04}
"""Best deterministic commitments of memory one, payoff a round."""

GAMES = tuple(DETERMINISTIC)

GROUP = 8
"""Starts of which the best one counts."""

FOUND = 3.99

OURS, RATIONAL = "soft response, ever more rational", "soft response, rational from the start"
K20, K100, ALONG = "20 learning steps", "100 learning steps", "20 steps, paid along the way"
GENTLE, EVOLVED = "20 small learning steps", "20 learning steps, evolution strategies"

METHODS: Mapping[str, Callable[[MarkovGame], AbstractThroughFollowers]] = {
    OURS: LeaderThroughResponse,
    RATIONAL: lambda game: LeaderThroughResponse(game, inverse_temperature=30.0),
    K20: LeaderThroughLearning,
    K100: lambda game: LeaderThroughLearning(game, num_updates=100),
    ALONG: lambda game: LeaderThroughLearning(game, counts="all"),
    GENTLE: lambda game: LeaderThroughLearning(game, update_size=1.0 - DISCOUNT),
    EVOLVED: lambda game: LeaderThroughLearning(game, slopes="evolution", num_followers=4),
}
"""In all of them 400 steps of Adam at rate 0.05 from logits that are drawn from a standard normal law."""

NUM_GROUPS: dict[Budget, dict[str, int]] = {
    "smoke": {OURS: 16, K20: 2},
    "small": {OURS: 64, RATIONAL: 8, K20: 8, K100: 4, ALONG: 8, GENTLE: 8, EVOLVED: 4},
    "full": {OURS: 64, RATIONAL: 64, K20: 64, K100: 16, ALONG: 64, GENTLE: 64, EVOLVED: 16},
}
NUM_STEPS = 400


def _shepherd(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    groups, measured = NUM_GROUPS[budget], {}
    ends: dict[str, list[Estimate]] = {game: [] for game in GAMES}
    curves: dict[str, Float[np.ndarray, "k s"]] = {}
    steps = np.zeros(0)
    for name, count in groups.items():
        found = kept(folder, f"{name} {count}", lambda name=name, count=count: _climbed(METHODS[name], count * GROUP))
        curves[name], steps = found[GAMES[0]], found["steps"].astype(float)
        for game in GAMES:
            last = found[game][-1]
            best = last.reshape(count, GROUP).max(axis=1)
            ends[game].append(mean(last, "starts"))
            if game == GAMES[2]:
                measured[f"{game}, {name}: best of 8"] = mean(best, "groups")
                continue
            measured[f"{game}, {name}: starts"] = share(int((last >= FOUND).sum()), last.size, "starts")
            measured[f"{game}, {name}: best of 8"] = share(int((best >= FOUND).sum()), count, "groups")
            if name == OURS:
                missed = Estimate.exact(float((best < FOUND).mean()), f"{(best < FOUND).sum()} of {count} groups")
                measured[f"{game}: groups missed"] = missed
    bars = grouped_bars(
        [ends[game] for game in GAMES],
        names=[game.replace("_", " ") for game in GAMES],
        terms=list(groups),
        y_label="leader's value, follower best-responds (payoff a round)",
        title="Climbing through the follower's answer and through its learning",
        marks=list(DETERMINISTIC.values()),
        mark_label="best deterministic commitment",
    )
    drawn = plain_curves(
        steps,
        curves,
        x_label="steps of the leader",
        y_label="leader's value, follower best-responds (payoff a round)",
        title="The game of hidden queries, without an end",
    )
    return Evidence(measured, {"values": bars, "climbs": drawn})


def _climbed(make: Callable[[MarkovGame], AbstractThroughFollowers], num_starts: int) -> dict[str, np.ndarray]:
    """Values by game, `(lines, starts)`, against best responses with ties against the leader."""
    games = [iterated_matrix_game(name).as_markov(DISCOUNT) for name in GAMES]
    learners = stack([make(game) for game in games], [MarkovTruth(game) for game in games])
    _, metrics = advance(
        learners, start(learners, range(num_starts)), NUM_STEPS, monitor_every=NUM_STEPS // 40, last=NUM_STEPS
    )
    lines = np.flatnonzero(np.isfinite(metrics["adverse_value"][:, 0, 0]))
    values = (1.0 - DISCOUNT) * metrics["adverse_value"][lines]
    return {"steps": lines + 1} | {name: values[:, place] for place, name in enumerate(GAMES)}


SOURCE = "Balaguer et al. (2022), section 3, for climbing through learners; exact values by linear systems, ours"

SHEPHERD = Reproduction(
    "oracles:good-shepherd",
    "The derivative of the follower's answer finds threats that the derivative of its learning misses",
    SOURCE,
    (
        *(
            Claim(
                f"{game}: groups missed",
                f"Groups of 8 starts whose best one is worth less than 3.99 of 4 in {game.replace('_', ' ')}, "
                "climbing through the soft response.",
                "ours to reach: 95 of 100 groups find it",
                0.05,
                "at most",
                0.0,
                "smoke",
                16,
                "share",
            )
            for game in GAMES[:2]
        ),
        Claim(
            f"{GAMES[0]}, {K20}: starts",
            "Starts that find it when the derivative is taken through 20 learning steps of size 1.",
            "ours, measured before: 1 in 8",
            0.5,
            "at most",
            0.0,
            "small",
            64,
            "share",
        ),
        Claim(
            f"{GAMES[0]}, {GENTLE}: starts",
            "The same with steps of a 25th of that size, after which the follower is still soft.",
            "ours: what counts is how rational the follower is, not how the derivative is taken",
            0.9,
            "at least",
            0.0,
            "small",
            64,
            "share",
        ),
        Claim(
            f"{GAMES[2]}, {OURS}: best of 8",
            "The best of 8 starts in the prisoner's dilemma, where a mixture is worth up to 3.5.",
            "the best deterministic commitment is worth 3.04; the closed form of the best mixture 3.5",
            3.4,
            "at least",
            0.0,
            "smoke",
            16,
            "payoff",
        ),
    ),
    _shepherd,
)

ENTRIES = (SHEPHERD,)
