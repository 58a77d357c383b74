"""What a leader loses for ever against a follower that is no quantal response: in the limit of a log, and online."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..._learner import advance, start
from ..._loop.stacking import stack
from ..._types import AnyArray
from ...calculus.precision import exact
from ...followers.base import AbstractFollower
from ...followers.behavioural import Mixture, Trembling
from ...followers.best_response import BestResponse
from ...followers.misspecified import AttributeResponse, DistortedPerception
from ...followers.quantal_response import QuantalResponse
from ...games.generators_markov import random_markov_game
from ...games.markov import MarkovGame
from ...play.agent import AbstractAgent, Repeated
from ...play.markov_world import MarkovRules, MarkovWorld
from ...play.suboptimality import Suboptimality
from ...quantal.agents import OptimisticValueIteration
from ...quantal.bonus import Uncertainty
from ...quantal.myopic_likelihood import fitted, zero_weights
from ...quantal.population import Departure, parts, population_fitted, population_planned, unfitted
from ...quantal.record import PlayRecord
from ...quantal.robust import RobustValueIteration
from ...quantal.value_iteration import known, planned
from ...solvers.markov.backward_induction import BackwardInduction
from ...solvers.markov.gradient_ascent import GradientAscent


SHAPE = (2, 2, 3, 2)
"""States, leader's actions, follower's actions, stages."""

RATE = 5.0
NUM_GAMES = 6
GRID = 2_001

TRUTHS: Mapping[str, AbstractFollower] = {
    "quantal": QuantalResponse(RATE, discount=0.0),
    "half the inverse temperature": QuantalResponse(0.5 * RATE, discount=0.0),
    "twice the inverse temperature": QuantalResponse(2.0 * RATE, discount=0.0),
    "attributes": AttributeResponse([-4.0, 3.0, 2.0]),
    "trembling, 0.1": Trembling(QuantalResponse(RATE, discount=0.0), 0.1),
    "trembling, 0.2": Trembling(QuantalResponse(RATE, discount=0.0), 0.2),
    "trembling, 0.5": Trembling(QuantalResponse(RATE, discount=0.0), 0.5),
    "two inverse temperatures": Mixture(
        [QuantalResponse(1.0, discount=0.0), QuantalResponse(25.0, discount=0.0)], [0.5, 0.5]
    ),
    "overweights what is rare": DistortedPerception(QuantalResponse(RATE, discount=0.0), 0.5),
    "underweights what is rare": DistortedPerception(QuantalResponse(RATE, discount=0.0), 2.0),
    "farsighted": QuantalResponse(RATE, discount=0.95),
    "best response": BestResponse(),
}
"""What the follower is; the leader expects a myopic quantal response of inverse temperature 5."""

ABSORBED = ("quantal", "half the inverse temperature", "twice the inverse temperature", "attributes")
"""Followers whose logits are affine in the announcement: another reward explains them, and nothing is lost."""

PLAIN, CONTAMINATION, RATES = "plug-in", "contamination", "mixed rates"
ANSWERS = (PLAIN, CONTAMINATION, RATES)
CERTAIN = Uncertainty(leader_bonus=0.0, follower_bonus=0.0)


def leaders(capacity: int) -> Mapping[str, AbstractAgent]:
    """The leader that believes in quantal response, and those that doubt it."""
    return {
        PLAIN: OptimisticValueIteration(capacity),
        CONTAMINATION: RobustValueIteration(capacity, departure="contamination"),
        RATES: RobustValueIteration(capacity, departure="mixed rates"),
    }


def places(truth: AbstractFollower, num_games: int = NUM_GAMES) -> list[MarkovWorld]:
    """The games of E6 with this follower; the leader knows its reward, so that what it lacks is about the follower."""
    expected = QuantalResponse(RATE, discount=0.0)
    return [
        MarkovWorld(random_markov_game(*SHAPE, seed=seed), truth, reward_known=True, expected=expected)
        for seed in range(num_games)
    ]


def best_value(game: MarkovGame, truth: AbstractFollower) -> float:
    """The most that the leader can get: with a proof where there is one, found otherwise.

    Against a myopic follower the answer at a stage and state depends on what is announced there, so that backward
    induction over a grid of 2,001 mixtures finds the best but for the grid (two actions of the leader). Against a
    farsighted one it is the best of 64 starts of ascent.
    """
    if isinstance(truth, QuantalResponse) and truth.discount != 0.0:
        return float(GradientAscent(truth)(game).leader_value)
    if isinstance(truth, QuantalResponse | BestResponse):
        return float(BackwardInduction(truth)(game).certificate.upper)
    return searched_value(game, truth)


def searched_value(game: MarkovGame, truth: AbstractFollower) -> float:
    """The value of the best policy on the grid, stage by stage from the last."""
    share = np.linspace(0.0, 1.0, GRID)
    mixtures = np.stack([share, 1.0 - share], axis=-1)
    everywhere = np.broadcast_to(mixtures[:, None, None], (GRID, game.horizon or 1, game.shape[0], 2))
    response = answers(game, truth, everywhere)
    value = np.zeros(game.shape[0])
    for h in reversed(range(game.horizon or 1)):
        worth = game.leader_reward[h] + game.transition[h] @ value
        value = np.einsum("na,sab,nsb->ns", mixtures, worth, response[:, h]).max(axis=0)
    return float(game.initial @ value)


@exact
def answers(
    game: MarkovGame, truth: AbstractFollower, policies: Float[AnyArray, "n h s a"]
) -> Float[AnyArray, "n h s b"]:
    """What the follower does under each of many policies."""
    traced = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), (game, truth))
    return _answers(traced[0], traced[1], jnp.asarray(policies))


@eqx.filter_jit
def _answers(game: MarkovGame, truth: AbstractFollower, policies: Any) -> Any:
    return jax.vmap(lambda policy: truth.respond(game, policy))(policies)


class Limit(eqx.Module):
    """What each leader would announce after a log without end, `(g, h, s, a)`, by name; and the ε, σ² that it found."""

    plans: dict[str, Float[AnyArray, "*g h s a"]]
    sizes: dict[str, Float[AnyArray, "*g"]]


def limit_floors(truth: AbstractFollower) -> tuple[dict[str, Float[np.ndarray, "g"]], dict[str, np.ndarray]]:
    """What each leader loses for ever, per game, after endless play under a wide log of announcements."""
    worlds = places(truth)
    records = [endless_record(world) for world in worlds]
    batch = jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf, float) for leaf in leaves]), *records)
    rules = jax.tree.map(
        lambda *leaves: np.stack([np.asarray(leaf, float) for leaf in leaves]), *(world.rules for world in worlds)
    )
    found = _limits(rules, batch)
    best = np.array([best_value(world.game, truth) for world in worlds])
    worth = lambda world, plan: float(world.game.leader_value(plan, truth(world.game, plan)))
    floors = {
        name: best - np.array([worth(world, np.asarray(plan)) for world, plan in zip(worlds, plans, strict=True)])
        for name, plans in found.plans.items()
    }
    return floors, {name: np.asarray(size) for name, size in found.sizes.items()}


def endless_record(world: MarkovWorld, num_rows: int = 25, plays: float = 1e6) -> PlayRecord:
    """Counts that are their own expectations, each stage and state visited alike under mixtures drawn at random."""
    game, shape = world.game, world.rules.shape
    horizon, num_states, num_rows_leader, _ = shape
    announced = np.random.default_rng(0).dirichlet(np.ones(num_rows_leader), (num_rows, horizon, num_states))
    visits = np.full(shape, plays)
    moves = visits[..., None] * game.transition
    return PlayRecord(
        announced,
        plays * np.asarray(answers(game, world.follower, announced)),
        visits,
        visits * game.leader_reward,
        moves,
    )


@exact
def _limits(rules: MarkovRules, records: PlayRecord) -> Limit:
    return _all_limits(*jax.tree.map(jnp.asarray, (rules, records)))


@eqx.filter_jit
def _all_limits(rules: MarkovRules, records: PlayRecord) -> Limit:
    return jax.vmap(_limit)(rules, records)


def _limit(rules: MarkovRules, record: PlayRecord) -> Limit:
    """The plug-in plan of each leader for what it makes of the record."""
    ridge = jnp.asarray(1e-9)
    plain = fitted(rules, record, zero_weights(rules), ridge, 40)
    seen = known(rules, record, plain.weights, plain.information, CERTAIN, 1)
    plans = {PLAIN: planned(rules, record, seen, CERTAIN, 0.0, "quantal", 1).commitment}
    sizes = {}
    departures: tuple[tuple[str, Departure], ...] = ((CONTAMINATION, "contamination"), (RATES, "mixed rates"))
    for name, departure in departures:
        one = population_fitted(rules, record, unfitted(rules, departure), ridge, 60, departure)
        seen = known(rules, record, one.weights, one.information, CERTAIN, 1)
        scales, shares = parts(departure, one.size, 5)
        plans[name] = population_planned(rules, record, seen, scales, shares, CERTAIN, 0.0, 1).commitment
        sizes[name] = one.size
    return Limit(plans, sizes)


def online_floors(
    agent: AbstractAgent, truth: AbstractFollower, num_episodes: int, num_seeds: int
) -> Float[np.ndarray, "g s"]:
    """The mean suboptimality of what is announced in the last quarter, counted every tenth episode."""
    worlds = places(truth)
    learners = stack([Repeated(agent, world) for world in worlds], [measured_by(world) for world in worlds])
    run, parts_ = start(learners, range(num_seeds)), []
    while run.n < num_episodes:
        run, metrics = advance(learners, run, min(1000, num_episodes - run.n), monitor_every=10, last=num_episodes)
        parts_.append(metrics["announced_suboptimality"])
    return np.nanmean(np.concatenate(parts_)[-num_episodes // 4 :], axis=0)


def measured_by(world: MarkovWorld) -> Suboptimality:
    """A monitor that counts from `best_value`."""
    held = lambda monitor: (monitor.world, monitor.best_value)
    best = best_value(world.game, world.follower)
    return eqx.tree_at(held, Suboptimality(), (world, best), is_leaf=lambda leaf: leaf is None)
