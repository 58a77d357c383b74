"""Who is quickest against a follower who looks ahead, in games with twenty states: quantal:E18."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..._claims import Budget, Claim
from ..._record import Estimate
from ...followers.quantal_response import QuantalResponse
from ...games.generators_markov import random_markov_game
from ...play.agent import AbstractAgent
from ...play.markov_world import MarkovWorld
from ...quantal.agents import OptimisticValueIteration
from ...quantal.hypergradient import SampledHypergradient
from ...quantal.model_agents import OptimisticMaximumLikelihood
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .measuring import curves, kept, mean, spaced
from .quantal_regret import missed_by_uniform, played, solved


SHAPE = (20, 2, 2, 5)
"""States, leader's actions, follower's actions, stages."""

NUM_GAMES: dict[Budget, int] = {"smoke": 1, "small": 6, "full": 8}
NUM_EPISODES: dict[Budget, int] = {"smoke": 40, "small": 1_000, "full": 4_000}

OURS, SLOPE, BLIND, DRAWN, MYOPIC, CERTAIN = (
    "OMLE",
    "sampled hypergradient",
    "sampled gradient, follower part of the environment",
    "Stackelberg POMDP, contextual follower",
    "MLE-OVI: takes him for myopic",
    "takes the estimate as true",
)


def leaders(budget: Budget) -> Mapping[str, AbstractAgent]:
    """Those that keep a model, one that takes the follower for myopic, and three that follow slopes.

    The last one announces what it draws, as in a Stackelberg POMDP. Its follower answers every announcement at once, as
    a contextual follower does who has learned beforehand; the episodes of that would come on top.
    """
    episodes = NUM_EPISODES[budget]
    search = {"refit_every": 10, "num_starts": 3, "num_steps": 30, "newton_steps": 1}
    found: dict[str, AbstractAgent] = {
        OURS: OptimisticMaximumLikelihood(episodes, **search),
        SLOPE: SampledHypergradient(episodes, learning_rate=0.2, newton_steps=1),
    }
    if budget == "smoke":
        return found
    return {
        **found,
        CERTAIN: OptimisticMaximumLikelihood(episodes, width=0.0, **search),
        MYOPIC: OptimisticValueIteration(episodes),
        BLIND: SampledHypergradient(episodes, learning_rate=0.2, is_aware=False),
        DRAWN: SampledHypergradient(episodes, learning_rate=0.2, is_drawn=True),
    }


def _race(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    episodes = NUM_EPISODES[budget]
    human = QuantalResponse(5.0)
    games = [
        random_markov_game(*SHAPE, seed=seed, follower_discount=0.9, concentration=0.1)
        for seed in range(NUM_GAMES[budget])
    ]
    truths = solved([MarkovWorld(game, human) for game in games], "found")
    reach = np.array([missed_by_uniform(truth) for truth in truths])
    best = np.array([truth.best_value for truth in truths])
    share, worth = {}, {}
    for name, agent in leaders(budget).items():
        one = kept(folder, f"{name} {episodes}x{len(truths)}", lambda a=agent: played(a, truths, episodes, 1))
        missing = one["announced_suboptimality"][..., 0]
        share[name], worth[name] = 1.0 - missing / reach, 1.0 - missing / best
    late = {name: one[-episodes // 5 :].mean(axis=0) for name, one in share.items()}
    measured: dict[str, Estimate] = {"ahead": _over_games(late[OURS] - late[SLOPE])}
    for name, one in share.items():
        measured[f"share at the end: {name}"] = _over_games(late[name])
        for goal in (0.5, 0.9):
            measured[f"episodes to {goal:.0%}: {name}"] = _over_games(_first(one, goal))
    arrived = {name: _first(one, 0.9) for name, one in worth.items()}
    for name, one in arrived.items():
        measured[f"episodes to 90% of the value: {name}"] = _over_games(one)
        measured[f"sooner than: {name}"] = _over_games(arrived[OURS] - one)
    if budget == "smoke":
        return Evidence(measured)
    across = spaced(episodes)
    drawn = curves(
        across.astype(float),
        {name: np.maximum(1.0 - _smooth(one)[across - 1], 1e-3) for name, one in share.items()},
        x_label="episodes",
        y_label="missing of the way to the best policy (share)",
        title="Twenty states, five stages, a follower who looks ahead",
    )
    return Evidence(measured, {"race": drawn})


def _smooth(share: Float[np.ndarray, "n g"]) -> Float[np.ndarray, "n g"]:
    """The mean over the last twentieth of the run before each episode, or what there is of it."""
    window = max(len(share) // 20, 1)
    total = np.cumsum(np.vstack([np.zeros((1, share.shape[1])), share]), axis=0)
    first = np.maximum(np.arange(1, len(share) + 1) - window, 0)
    last = np.arange(1, len(share) + 1)
    return (total[last] - total[first]) / (last - first)[:, None]


def _first(share: Float[np.ndarray, "n g"], goal: float) -> Float[np.ndarray, "g"]:
    """The first episode at which that mean reaches the goal; the length of the run where none does."""
    reached = _smooth(share) >= goal
    return np.where(reached.any(axis=0), reached.argmax(axis=0) + 1.0, float(len(share)))


def _over_games(values: Float[np.ndarray, "g"]) -> Estimate:
    return Estimate.exact(float(values[0])) if len(values) == 1 else mean(values, "games")


RACE = Reproduction(
    "quantal:E18",
    "The race against a follower who looks ahead, with twenty states",
    "measured; hypergradients after Thoma et al. (2024) and Kudo et al. (2026), with the follower learned",
    (
        Claim(
            "ahead",
            "Of the way from uniform play to the best known policy, how much further OMLE is at the end.",
            "measured",
            0.1,
            "at least",
            0.0,
            "smoke",
            1,
        ),
        *(
            Claim(
                f"sooner than: {name}",
                f"Episodes to 90 % of the best known value (or the length of the run): OMLE less {words}.",
                "measured",
                0.0,
                "at most",
                0.0,
                "small",
                6,
                "episodes",
            )
            for name, words in (
                (SLOPE, "the sampled hypergradient"),
                (BLIND, "the gradient for which the follower is a part of the environment"),
                (DRAWN, "the Stackelberg POMDP"),
            )
        ),
    ),
    _race,
)

ENTRIES = (RACE,)
