"""What a leader loses for ever against a follower that changes between episodes: who forgets, and who does not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from ..._learner import advance, start
from ..._loop.stacking import stack
from ...games.generators_markov import random_markov_game
from ...play.agent import AbstractAgent, Repeated
from ...play.base import AbstractWorld
from ...play.changing_world import DriftingWorld, RememberingWorld
from ...play.suboptimality import Suboptimality
from ...quantal.agents import OptimisticValueIteration
from .misspecified_floors import SHAPE, TRUTHS, places


STILL, DRIFTING, WAVING, REMEMBERING = "does not change", "drifts", "goes and comes back", "remembers, 0.9"
CHANGES = (STILL, DRIFTING, WAVING, REMEMBERING)
KEEPS, FORGETS = "keeps all", "forgets"

NUM_PHASES = 11
OTHER = 1000
"""Added to the seed of a game: the game whose follower's reward the drift goes to."""


def forgetful(num_episodes: int) -> Mapping[str, AbstractAgent]:
    """The leader that weighs all answers alike, and one whose memory is a fifth of the run."""
    return {
        KEEPS: OptimisticValueIteration(num_episodes),
        FORGETS: OptimisticValueIteration(num_episodes, memory=max(num_episodes // 5, 2)),
    }


def changing_places(change: str, num_episodes: int) -> list[AbstractWorld]:
    """The games of E6 with a quantal follower that changes; a drift takes the whole run, a wave half of it."""
    still = places(TRUTHS["quantal"])
    if change == STILL:
        return list(still)
    if change == REMEMBERING:
        return [RememberingWorld(world, 0.9) for world in still]
    path, period = ("line", num_episodes) if change == DRIFTING else ("wave", max(num_episodes // 2, 1))
    after = [random_markov_game(*SHAPE, seed=OTHER + seed).follower_reward for seed in range(len(still))]
    return [DriftingWorld(world, reward, period, path, NUM_PHASES) for world, reward in zip(still, after, strict=True)]


def changing_floors(agent: AbstractAgent, change: str, num_episodes: int, num_seeds: int) -> Float[np.ndarray, "g s"]:
    """The mean suboptimality of what is announced in the last quarter, counted every tenth episode."""
    worlds = changing_places(change, num_episodes)
    learners = stack([Repeated(agent, world) for world in worlds], [Suboptimality(world) for world in worlds])
    run, parts = start(learners, range(num_seeds)), []
    while run.n < num_episodes:
        run, metrics = advance(learners, run, min(1000, num_episodes - run.n), monitor_every=10, last=num_episodes)
        parts.append(metrics["announced_suboptimality"])
    return np.nanmean(np.concatenate(parts)[-num_episodes // 4 :], axis=0)
