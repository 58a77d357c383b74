"""How regret grows with the size of a game: quantal:E14."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..._claims import Budget, Claim
from ...followers.quantal_response import QuantalResponse
from ...games.generators_markov import random_markov_game
from ...games.markov import MarkovGame
from ...play.markov_world import MarkovWorld
from ...quantal.agents import OptimisticValueIteration
from ...quantal.bonus import Uncertainty
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .measuring import curves, exponent, kept, mean
from .quantal_regret import played, solved


RATE = 5.0

ORDER = "order (d^{3/2} + d) H² √T for MLE-OVI, derived anew: an upper bound, whose exponents need not be reached"

HORIZONS: dict[Budget, tuple[int, ...]] = {"smoke": (1, 3), "small": (1, 2, 3), "full": (1, 2, 3, 4, 5)}
ACTIONS: dict[Budget, tuple[int, ...]] = {"smoke": (), "small": (2, 3, 4), "full": (2, 3, 4, 5, 6)}
DIMENSIONS: dict[Budget, tuple[int, ...]] = {"smoke": (), "small": (4, 8, 16), "full": (4, 6, 8, 12, 16)}
SCALING_GAMES: dict[Budget, int] = {"smoke": 8, "small": 8, "full": 16}
SCALING_SEEDS: dict[Budget, int] = {"smoke": 8, "small": 8, "full": 32}
SCALING_EPISODES: dict[Budget, int] = {"smoke": 300, "small": 1_000, "full": 10_000}

LEADER_BONUS = 1.0
"""Twice the standard deviation that a payment of 0 or 1 can have. With 0.3, the default, some runs stay long with what
they underestimate, and what is measured is how often."""


def linear_world(dimension: int, seed: int, num_states: int = 8) -> MarkovWorld:
    """A game over two stages in which both rewards and the law of the next state are linear in random features.

    Features are points of a simplex, each a mixture of about two corners whatever `dimension` is, so that payoffs
    spread equally; corners have rewards uniform in [0, 1] and laws from a Dirichlet distribution.
    """
    rng = np.random.default_rng(seed)
    features = rng.dirichlet(np.full(dimension, 1.0 / dimension), (2, num_states, 2, 2))
    rewards = np.einsum("hsabd,pd->phsab", features, rng.random((2, dimension)))
    laws = np.einsum("hsabd,dt->hsabt", features, rng.dirichlet(np.ones(num_states), dimension))
    game = MarkovGame(
        rewards[0],
        rewards[1],
        laws / laws.sum(axis=-1, keepdims=True),
        np.full(num_states, 1.0 / num_states),
        follower_discount=0.0,
        title=f"Linear Markov game in {dimension} features",
    )
    return MarkovWorld(game, QuantalResponse(RATE, discount=0.0), leader_features=features, follower_features=features)


def _same_stages(horizon: int, seed: int) -> MarkovWorld:
    """The stage of one random game `horizon` times over: sizes differ in how often it is played and in nothing else."""
    one = random_markov_game(2, 2, 2, 1, seed=seed)
    reward, other, law = (np.asarray(table)[0] for table in (one.leader_reward, one.follower_reward, one.transition))
    title = f"Random Markov game of {horizon} equal stages"
    game = MarkovGame(reward, other, law, one.initial, horizon=horizon, follower_discount=0.0, title=title)
    return MarkovWorld(game, QuantalResponse(RATE, discount=0.0))


def _more_actions(num_actions: int, seed: int) -> MarkovWorld:
    return MarkovWorld(
        random_markov_game(2, num_actions, num_actions, 2, seed=seed), QuantalResponse(RATE, discount=0.0)
    )


def _scaling(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    """Final regret of MLE-OVI, one size after the other, the rest held."""
    del on_progress
    games, seeds, episodes = SCALING_GAMES[budget], SCALING_SEEDS[budget], SCALING_EPISODES[budget]
    families: dict[str, tuple[tuple[int, ...], Callable[[int, int], MarkovWorld], str, tuple[float, ...]]] = {
        "horizon": (HORIZONS[budget], _same_stages, "stages", (2.0,)),
        "features": (DIMENSIONS[budget], linear_world, "features", (1.0, 1.5)),
        "actions": (ACTIONS[budget], _more_actions, "actions of each player", (2.0, 3.0)),
    }
    measured, records = {}, {}
    for name, (sizes, world, label, orders) in families.items():
        if not sizes:
            continue
        regret = np.stack([_final(folder, name, size, world, games, seeds, episodes) for size in sizes])
        measured[name] = exponent(np.array(sizes, float), regret, "seeds")
        if name == "horizon":
            measured["grows"] = mean(regret[-1] - regret[0], "seeds, paired")
        records[name] = curves(
            np.array(sizes, float),
            {"MLE-OVI, g-aware bonus": regret},
            guides=orders,
            x_label=label,
            y_label=f"leader's regret after {episodes:,} episodes (payoff)",
            title=f"How regret grows with the number of {label}",
        )
    return Evidence(measured, records)


def _final(
    folder: Path,
    name: str,
    size: int,
    world: Callable[[int, int], MarkovWorld],
    games: int,
    seeds: int,
    episodes: int,
) -> Float[np.ndarray, "s"]:
    """Regret at the end, mean over games."""
    agent = OptimisticValueIteration(episodes, uncertainty=Uncertainty(leader_bonus=LEADER_BONUS))
    play = lambda: played(agent, solved([world(size, seed) for seed in range(games)]), episodes, seeds)
    found = kept(folder, f"{name} {size} {episodes}x{seeds}", play)
    return found["announced_suboptimality"].sum(axis=0).mean(axis=0)


def _at_most(name: str, statement: str, order: float) -> Claim:
    return Claim(name, statement, ORDER, order, "at most", 0.0, "small", 8)


SCALING = Reproduction(
    "quantal:E14",
    "How regret grows with stages, features and actions",
    ORDER,
    (
        Claim(
            "grows",
            "Regret over three equal stages less that over one.",
            "measured",
            0.0,
            "at least",
            0.0,
            "smoke",
            8,
            "payoff",
        ),
        _at_most("horizon", "The exponent of regret in the number of stages.", 2.0),
        _at_most("features", "The exponent of regret in the number of features.", 1.5),
        _at_most(
            "actions",
            "The exponent of regret in the number of actions of each player, whose square is the number of weights.",
            3.0,
        ),
    ),
    _scaling,
)

ENTRIES = (SCALING,)
