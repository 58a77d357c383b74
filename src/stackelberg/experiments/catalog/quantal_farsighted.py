"""Farsighted followers: what their answers tell, and what a constraint on rewards costs: quantal:E10, E19."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float

from ..._claims import Budget, Claim
from ..._record import Estimate, Record
from ..._types import AnyArray, Key
from ...calculus.precision import exact
from ...calculus.simplex import weight
from ...followers.gauge import anchored, gauge_dimension
from ...followers.quantal_response import QuantalResponse
from ...games.generators_markov import random_markov_game
from ...games.markov import MarkovGame
from ...play.markov_world import MarkovRules, MarkovWorld
from ...quantal.farsighted_likelihood import fitted_farsighted, log_likelihood
from ...quantal.model import Model, log_answers
from ...quantal.model_planning import Search, best_under
from ...quantal.myopic_likelihood import zero_weights
from ...quantal.record import PlayRecord
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .measuring import curves, exponent, mean


SHAPE = (2, 2, 2, 3)
"""States, leader's actions, follower's actions, stages."""

NUM_POLICIES = 40
WILKS = "Wilks (1938), with as many degrees as answers can tell: weights less what potential shaping leaves free"


def world(seed: int, rate: float, discount: float) -> MarkovWorld:
    """A random game with a follower that looks ahead."""
    return MarkovWorld(random_markov_game(*SHAPE, seed=seed, follower_discount=discount), QuantalResponse(rate))


class Replicated(NamedTuple):
    """Of each replication: twice the likelihood ratio, and the total variation of answers to unseen policies."""

    statistic: Float[AnyArray, "n"]
    distance: Float[AnyArray, "n"]


def _policies(number: int, seed: int) -> Float[np.ndarray, "n h s a"]:
    num_states, num_rows, _, horizon = SHAPE
    return np.random.default_rng(seed).dirichlet(np.ones(num_rows), (number, horizon, num_states))


@exact
def replicated(place: MarkovWorld, num_plays: int, num_replications: int, is_constrained: bool = False) -> Replicated:
    """Plays under forty policies drawn once, and the maximum of the likelihood with the dynamics known, in one call.

    `is_constrained` asks for rewards whose rows sum to 0, as a linear class.
    """
    free, truth = place.rules, jnp.asarray(place.game.follower_reward)
    rules = _thought(place, is_constrained)
    announced, unseen, law = _policies(NUM_POLICIES, 0), _policies(50, 1), jnp.asarray(place.game.transition)
    target = truth.reshape(zero_weights(free).shape)

    def one(key: Key) -> Replicated:
        record = _played(place, jnp.asarray(announced), num_plays, key)
        found = fitted_farsighted(rules, record, law, zero_weights(rules), 1e-6, 15)
        gained = log_likelihood(rules, record, law, found.weights) - log_likelihood(free, record, law, target)
        mine = jax.vmap(lambda policy: weight(log_answers(rules, found.weights, law, policy)))(unseen)
        right = jax.vmap(lambda policy: weight(log_answers(free, target, law, policy)))(unseen)
        return Replicated(2.0 * gained, jnp.mean(0.5 * jnp.sum(jnp.abs(mine - right), axis=-1)))

    keys = jr.split(jr.key(num_plays), num_replications)
    return jax.jit(lambda keys: jax.lax.map(one, keys, batch_size=20))(keys)


def _thought(place: MarkovWorld, is_constrained: bool, reward_known: bool = False) -> MarkovRules:
    """The rules as a leader has them who asks for rewards whose rows sum to 0, or who does not."""
    features = _centred_features(place.rules) if is_constrained else None
    return MarkovWorld(place.game, place.follower, reward_known=reward_known, follower_features=features).rules


def _centred_features(rules: MarkovRules) -> Float[np.ndarray, "h s a b d"]:
    """A basis, at each state, of the rewards whose rows sum to 0."""
    horizon, num_states, num_rows, num_columns = rules.shape
    basis = np.linalg.svd(np.ones((1, num_columns)))[2][1:]  # (b - 1, b)
    blocks = np.einsum("st,ac,kb->sabtck", np.eye(num_states), np.eye(num_rows), basis)
    flat = blocks.reshape(num_states, num_rows, num_columns, -1)
    return np.broadcast_to(flat, (horizon, *flat.shape)).copy()


def _played(place: MarkovWorld, announced: Float[AnyArray, "m h s a"], num_plays: int, key: Key) -> PlayRecord:
    """Plays under policies chosen evenly."""
    which_key, play_key = jr.split(key)
    which = jr.randint(which_key, (num_plays,), 0, len(announced))
    episodes = jax.vmap(place.play)(announced[which], jr.split(play_key, num_plays))
    return PlayRecord.of(place.rules, announced, episodes, which)


def _told(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del folder, on_progress
    place, count = world(0, 3.0, 0.9), {"smoke": 60, "small": 1000, "full": 2000}[budget]
    sizes = (100, 400, 1600) if budget == "smoke" else (100, 400, 1600, 6400)
    found = {size: replicated(place, size, count) for size in sizes}
    distance = np.stack([np.asarray(one.distance) for one in found.values()])
    horizon, num_states, num_rows, num_columns = place.rules.shape
    free = gauge_dimension(horizon, num_states, num_rows, is_prescription=False, is_farsighted=True)
    degrees = horizon * num_states * num_rows * num_columns - free
    histogram = Record(
        "likelihood ratio",
        {"statistic": np.stack([np.asarray(found[size].statistic) for size in (100, 1600)], axis=-1)},
        {"names": ["100 plays", "1600 plays"], "degrees": degrees, "title": "Likelihood ratio, farsighted follower"},
    )
    drawn = curves(
        np.array(sizes, float),
        {"no constraint": distance},
        guides=(-0.5,),
        x_label="plays",
        y_label="total variation of answers to unseen policies",
        title="How well answers tell of a farsighted follower",
    )
    measured = {
        "rate": exponent(np.array(sizes, float), distance, "replications"),
        "wilks": mean(np.asarray(found[sizes[-1]].statistic), "replications"),
    }
    return Evidence(measured, {"likelihood-ratio": histogram, "distance": drawn})


@exact
def losses(place: MarkovWorld, num_plays: int, num_replications: int, is_constrained: bool) -> Float[np.ndarray, "n"]:
    """What the leader misses when it plans for the estimate; its own reward and the dynamics are known."""
    rules = _thought(place, is_constrained, reward_known=True)
    law, reward = jnp.asarray(place.game.transition), jnp.asarray(place.game.leader_reward)
    search, announced = Search(8, 150, 0.15), _policies(NUM_POLICIES, 0)
    uniform = rules.uniform_commitment()
    worth = lambda policy: place.game.leader_value(policy, place.follower(place.game, policy))
    target = jnp.asarray(place.game.follower_reward).reshape(zero_weights(place.rules).shape)
    best = worth(best_under(place.rules, Model(target, reward, law), uniform, Search(32, 300, 0.1)))

    def one(key: Key) -> AnyArray:
        record = _played(place, jnp.asarray(announced), num_plays, key)
        found = fitted_farsighted(rules, record, law, zero_weights(rules), 1e-4, 15)
        return best - worth(best_under(rules, Model(found.weights, reward, law), uniform, search))

    keys = jr.split(jr.key(num_plays), num_replications)
    return np.asarray(jax.jit(lambda keys: jax.lax.map(one, keys, batch_size=10))(keys))


def _constrained(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del folder, on_progress
    place, count = _violating(), {"smoke": 40, "small": 200, "full": 1000}[budget]
    sizes = (400, 1600) if budget == "smoke" else (100, 400, 1600, 6400)
    free = np.stack([np.asarray(replicated(place, size, count).distance) for size in sizes])
    tied = np.stack([np.asarray(replicated(place, size, count, True).distance) for size in sizes])
    measured = {
        "floor": mean(tied[-1], "replications"),
        "free": mean(free[-1], "replications"),
        "anchor": Estimate.exact(_anchor_error(place)),
    }
    if budget != "smoke":
        few = count // 4
        missed = losses(place, sizes[-1], few, True) - losses(place, sizes[-1], few, False)
        measured["missed"] = mean(missed, "replications, paired")
    drawn = curves(
        np.array(sizes, float),
        {"no constraint, or anchored": free, "rows sum to 0": tied},
        guides=(-0.5,),
        x_label="plays",
        y_label="total variation of answers to unseen policies",
        title="A constraint that the reward does not meet",
    )
    return Evidence(measured, {"distance": drawn})


def _violating() -> MarkovWorld:
    """A random game in which the follower also gets something that depends on the state and the leader's action."""
    place = world(0, 3.0, 0.9)
    offset = np.random.default_rng(0).normal(size=(*place.rules.shape[:3], 1))
    return eqx.tree_at(lambda place: place.game.follower_reward, place, place.game.follower_reward + offset)


def _anchor_error(place: MarkovWorld) -> float:
    """The largest change of any answer when the reward is replaced by its anchored representative."""
    game: MarkovGame = place.game
    rate = float(place.rules.inverse_temperature)
    other = eqx.tree_at(lambda game: game.follower_reward, game, np.asarray(anchored(game, rate)))
    answers = [[place.follower(one, policy) for policy in _policies(20, 2)] for one in (game, other)]
    return float(np.max(np.abs(np.asarray(answers[0]) - np.asarray(answers[1]))))


NORMAL = "asymptotic normality of the maximum likelihood estimate"
SHAPING = "the constraint is met by no reward that answers alike, for a follower that looks ahead"

LIKELIHOOD = Reproduction(
    "quantal:E10",
    "How well answers tell of a farsighted follower, with no constraint",
    WILKS,
    (
        Claim("rate", "The error about answers to unseen policies falls as the root of the number of plays.", NORMAL,
               -0.5, "equals", 0.1, "smoke", 60),
        Claim("wilks", "Twice the likelihood ratio has mean 24 - 8 = 16.", WILKS, 16.0, "equals", 1.0, "small", 1000),
    ),
    _told,
)  # fmt: skip

CONSTRAINED = Reproduction(
    "quantal:E19",
    "A reward that violates the linear constraint",
    SHAPING,
    (
        Claim("floor", "With rows that sum to 0 the error about answers stays above a hundredth.", SHAPING, 0.01,
               "at least", 0.0, "smoke", 40),
        Claim("anchor", "The anchored reward answers as the true one does.", "potential shaping", 0.0, "at most",
               1e-12, "smoke", 20),
        Claim("missed", "What the leader misses for the constraint, at 6,400 plays, is next to nothing.", "measured",
               0.0, "equals", 1e-3, "small", 50, "payoff"),
    ),
    _constrained,
)  # fmt: skip

ENTRIES = (LIKELIHOOD, CONSTRAINED)
