"""Finite classes searched exactly, and a joint fit on chains: quantal:E15."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from ..._claims import Budget, Claim, Relation
from ..._record import Estimate, Record
from ..._types import AnyArray, Key
from ...calculus.precision import exact
from ...followers.quantal_response import QuantalResponse
from ...games.domains.chain import chain_features, chain_game
from ...games.generators_markov import random_markov_game
from ...play.agent import AbstractAgent
from ...play.markov_world import MarkovWorld
from ...play.suboptimality import Suboptimality
from ...quantal.agents import OptimisticValueIteration
from ...quantal.bonus import PRESETS, Preset
from ...quantal.class_radii import radii
from ...quantal.finite_class import class_around, class_for_policies
from ...quantal.hypotheses import allows
from ...quantal.joint_fit import PlanningAfterEstimation
from ...quantal.record import PlayRecord
from ...quantal.version_space import OptimisticVersionSpace, PessimisticVersionSpace
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .measuring import curves, kept, late_slope, mean, regret_curves, share
from .quantal_regret import missed_by_uniform, played, solved


RATE = 5.0
SHAPE = (2, 2, 2, 2)
"""States, leader's actions, follower's actions, stages."""

CLASS_SIZE = 30
NUM_GAMES: dict[Budget, int] = {"smoke": 1, "small": 4, "full": 6}
NUM_RUNS: dict[Budget, int] = {"smoke": 16, "small": 16, "full": 64}
NUM_EPISODES: dict[Budget, int] = {"smoke": 300, "small": 2_000, "full": 10_000}
LOG_SIZES: dict[Budget, tuple[int, ...]] = {
    "smoke": (50, 200),
    "small": (50, 200, 800),
    "full": (50, 200, 800, 3_200),
}

CLASSES = "MLE-GOLF and MLE-BCP (Chen, Wang and Yang, 2023, as recalled); radii and constants are ours"


def _human() -> QuantalResponse:
    return QuantalResponse(RATE, discount=0.0)


def _traced(tree: Any) -> Any:
    """Floats as arrays, so that games of one shape are one compiled program."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, float | np.ndarray) else leaf, tree)


@exact
def online(seed: int, num_episodes: int, num_runs: int, preset: Preset) -> dict[str, np.ndarray]:
    """Runs of MLE-GOLF on one game, in one compiled call.

    `missing`: `(n, s)`, to the best in every episode.  `is_kept`: `(n, s)`, whether the truth was held possible when
    the leader planned after it (true where it did not plan).
    """
    place = MarkovWorld(random_markov_game(*SHAPE, seed=seed), _human())
    drawn = class_around(place.game, place.rules, CLASS_SIZE, seed)
    agent = OptimisticVersionSpace(drawn.classes, num_episodes, preset=preset)
    keys = jr.split(jr.key(seed), num_runs)
    value, is_kept = _online(_traced(agent), _traced(place), jnp.int32(drawn.place), keys)
    return {"missing": float(Suboptimality(place).best_value) - np.asarray(value).T, "is_kept": np.asarray(is_kept).T}


@eqx.filter_jit
def _online(agent: OptimisticVersionSpace, place: MarkovWorld, truth: AnyArray, keys: Key) -> tuple[AnyArray, AnyArray]:
    rules = place.rules
    within = radii(rules, agent.classes, agent.preset, agent.level, agent.capacity)
    hypothesis = jnp.full(rules.horizon, truth)

    def run(key: Key) -> tuple[AnyArray, AnyArray]:
        def episode(state: Any, now: tuple[AnyArray, Key]) -> tuple[Any, tuple[AnyArray, AnyArray]]:
            n, key = now
            announced = agent.announce(rules, state, n, key)
            state, _ = agent.observe(rules, state, place.play(announced, key), n, key)
            value = place.game.leader_value(announced, place.follower(place.game, announced))
            look = lambda: allows(rules, state.record, agent.classes, state.plans.worth, within, hypothesis, hypothesis)
            return state, (value, jax.lax.cond(agent.schedule.is_due(n), look, lambda: jnp.asarray(True)))

        number = jnp.arange(agent.capacity)
        return jax.lax.scan(episode, agent.init(rules, key), (number, jr.split(key, agent.capacity)))[1]

    return jax.vmap(run)(keys)


@exact
def offline(
    seed: int, sizes: tuple[int, ...], num_logs: int, preset: Preset, *, is_pessimistic: bool
) -> dict[str, np.ndarray]:
    """Plans of MLE-BCP from logs of random announcements, of each size, on one game.

    `promise`, `value`: `(k, n)`, what each plan promised and what it is worth.  `best`: the most that any is worth.
    """
    place = MarkovWorld(random_markov_game(*SHAPE, seed=seed), _human())
    known = class_for_policies(place.game, place.rules, CLASS_SIZE, seed)
    agent = PessimisticVersionSpace(
        known.classes, sizes[-1], known.policies, preset=preset, is_pessimistic=is_pessimistic
    )
    keys = jr.split(jr.key(seed), num_logs)
    found = [np.asarray(_offline(_traced(agent), _traced(place), jnp.int32(size), keys)) for size in sizes]
    promise, value = np.moveaxis(np.array(found), 1, 0)
    return {"promise": promise, "value": value, "best": np.asarray(Suboptimality(place).best_value)}


@eqx.filter_jit
def _offline(agent: PessimisticVersionSpace, place: MarkovWorld, size: AnyArray, keys: Key) -> AnyArray:
    rules = place.rules

    def one(key: Key) -> AnyArray:
        mixing, playing = jr.split(key)
        shape = (agent.capacity, *rules.uniform_commitment().shape[:-1])
        announced = jr.dirichlet(mixing, jnp.ones(len(rules.leader_actions)), shape)
        episodes = jax.vmap(place.play)(announced, jr.split(playing, agent.capacity))
        number = jnp.arange(agent.capacity)
        record = PlayRecord.of(rules, announced, episodes, number, (number < size).astype(float))
        choice = agent.chosen(rules, replace(agent.init(rules, key), record=record))
        worth = place.game.leader_value(choice.commitment, place.follower(place.game, choice.commitment))
        return jnp.stack([choice.promise, worth])

    return jax.lax.map(one, keys, batch_size=4).T


class Measured(NamedTuple):
    """One part of an experiment: numbers by claim, and pictures."""

    claims: dict[str, Estimate]
    records: dict[str, Record]


def _counted_runs(holding: int, total: int, what: str) -> Estimate:
    """How many, of these very runs: nothing is inferred beyond them."""
    return Estimate(float(holding), float(holding), float(holding), f"count, {total} {what}")


def _spaces(budget: Budget, folder: Path) -> Measured:
    """MLE-GOLF with both radii: who keeps the truth, and how regret grows."""
    games, runs, episodes = range(NUM_GAMES[budget]), NUM_RUNS[budget], NUM_EPISODES[budget]
    missing, is_kept = {}, {}
    for preset in PRESETS:
        found = [
            kept(folder, f"{preset} {seed} {episodes}x{runs}", lambda s=seed, p=preset: online(s, episodes, runs, p))
            for seed in games
        ]
        missing[preset] = np.cumsum(np.mean([one["missing"] for one in found], axis=0), axis=0)
        is_kept[preset] = np.concatenate([one["is_kept"].all(axis=0) for one in found])
    slope = {name: late_slope(one, "runs a game") for name, one in missing.items()}
    total = is_kept["theory"].size
    drawn = regret_curves(
        {f"MLE-GOLF, {name} radii": one for name, one in missing.items()},
        f"Regret with {CLASS_SIZE} rewards and {CLASS_SIZE} values a stage",
    )
    claims = {
        "excluded": _counted_runs(int(np.sum(~is_kept["theory"])), total, "runs"),
        "kept: calibrated": share(int(np.sum(is_kept["calibrated"])), total, "runs"),
        "slope": slope["calibrated"],
        "slope: theory": slope["theory"],
    }
    return Measured(claims, {"regret": drawn})


def _logs(budget: Budget, folder: Path) -> Measured:
    """MLE-BCP from logs: what it promises, and what its plans miss."""
    games, runs, sizes = range(NUM_GAMES[budget]), NUM_RUNS[budget], LOG_SIZES[budget]
    planners: dict[str, tuple[Preset, bool]] = {"theory radii": ("theory", True)}
    if budget != "smoke":
        planners |= {"calibrated radii": ("calibrated", True), "best fit": ("calibrated", False)}
    excess, missing = {}, {}
    for name, (preset, careful) in planners.items():
        found = [
            kept(
                folder,
                f"{name} {seed} {sizes[-1]}x{runs}",
                lambda s=seed, p=preset, c=careful: offline(s, sizes, runs, p, is_pessimistic=c),
            )
            for seed in games
        ]
        excess[name] = np.stack([one["promise"] - one["value"] for one in found])
        missing[name] = np.mean([one["best"] - one["value"] for one in found], axis=0)
    above = {name: int(np.sum(one > 1e-9)) for name, one in excess.items()}
    claims = {"promise": _counted_runs(above["theory radii"], excess["theory radii"].size, "logs")}
    if budget != "smoke":
        for name in ("calibrated radii", "best fit"):
            claims[f"promise: {name}"] = share(above[name], excess[name].size, "logs")
    drawn = curves(
        np.array(sizes, float),
        {f"MLE-BCP, {name}": np.maximum(one, 1e-5) for name, one in missing.items()},
        guides=(-0.5,),
        x_label="episodes in the log",
        y_label="leader's suboptimality (payoff)",
        title="Planning from a log with a finite class",
    )
    return Measured(claims, {"suboptimality": drawn})


CHAINS: dict[Budget, tuple[int, ...]] = {"smoke": (50,), "small": (50, 200), "full": (50, 100, 200)}
CHAIN_GAMES: dict[Budget, int] = {"smoke": 1, "small": 2, "full": 4}
CHAIN_SEEDS: dict[Budget, int] = {"smoke": 4, "small": 4, "full": 16}
CHAIN_EPISODES: dict[Budget, int] = {"smoke": 200, "small": 400, "full": 4_000}

TABLE, NETWORK, VALUE_ITERATION = "joint fit, tables", "joint fit, networks", "MLE-OVI, tables"


def chains(num_states: int, num_games: int, *, with_features: bool) -> list[MarkovWorld]:
    """Chains of one length with a myopic follower, described by features of the place or by number alone."""
    made = []
    for seed in range(num_games):
        game = chain_game(num_states, horizon=3, seed=seed)
        features = chain_features(game) if with_features else None
        made.append(MarkovWorld(game, _human(), leader_features=features, follower_features=features))
    return made


def chain_leaders(capacity: int) -> dict[str, tuple[AbstractAgent, bool]]:
    """Who is compared on chains, and whether it reads features."""
    fit = functools.partial(PlanningAfterEstimation, capacity, 10, optimism=0.1)
    return {
        TABLE: (fit(), False),
        NETWORK: (fit(model="network", width=16), True),
        VALUE_ITERATION: (OptimisticValueIteration(capacity, 10), False),
    }


def _chains(budget: Budget, folder: Path) -> Measured:
    """The joint fit on chains: the share of what uniform play misses that it wins in the last quarter, and regret."""
    episodes, games, seeds = CHAIN_EPISODES[budget], CHAIN_GAMES[budget], CHAIN_SEEDS[budget]
    leaders = chain_leaders(episodes)
    if budget == "smoke":
        leaders = {TABLE: leaders[TABLE]}
    claims, records = {}, {}
    for size in CHAINS[budget]:
        kinds = {False, *(kind for _, kind in leaders.values())}
        truths = {kind: solved(chains(size, games, with_features=kind)) for kind in kinds}
        start = np.array([missed_by_uniform(truth) for truth in truths[False]])
        found = {
            name: kept(
                folder,
                f"chain {size} {name} {episodes}x{seeds}",
                lambda a=agent, t=truths[kind]: played(a, t, episodes, seeds),
            )["announced_suboptimality"]
            for name, (agent, kind) in leaders.items()
        }
        won = {name: 1.0 - one[-episodes // 4 :].mean(axis=0) / start[:, None] for name, one in found.items()}
        claims |= {f"won: {name}, {size} states": mean(one.mean(axis=0), "seeds") for name, one in won.items()}
        total = {name: np.cumsum(one, axis=0).mean(axis=1) for name, one in found.items()}
        if NETWORK in total:
            claims[f"networks, {size} states"] = mean(total[NETWORK][-1] - total[TABLE][-1], "seeds, paired")
        records[f"chain {size}"] = regret_curves(total, f"A chain of {size} states: tables and networks")
    return Measured(claims, records)


def _classes(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    parts = [measure(budget, folder) for measure in (_spaces, _logs, _chains)]
    return Evidence(
        {name: one for part in parts for name, one in part.claims.items()},
        {name: one for part in parts for name, one in part.records.items()},
    )


VILLE = "Ville's inequality, for the radii as derived in `class_radii`"


def _decided(
    name: str,
    statement: str,
    relation: Relation,
    expected: float,
    budget: Budget,
    n: int,
    source: str = "measured",
    tolerance: float = 0.0,
) -> Claim:
    return Claim(name, statement, source, expected, relation, tolerance, budget, n)


FINITE = Reproduction(
    "quantal:E15",
    "Finite classes searched exactly, and a joint fit of tables and networks",
    CLASSES,
    (
        _decided("excluded", "Runs that ever exclude the truth at theory radii.", "equals", 0.0, "smoke", 16, VILLE),
        _decided(
            "promise", "Plans from logs that promise more than they are worth.", "equals", 0.0, "smoke", 32, VILLE
        ),
        _decided(
            "slope", "The log-log slope of MLE-GOLF's regret, calibrated radii.", "at most", 0.9, "smoke", 16, CLASSES
        ),
        _decided(
            f"won: {TABLE}, 50 states",
            "The share of what uniform play misses that tables win in the last quarter, on a chain.",
            "at least",
            0.25,
            "smoke",
            4,
        ),
        _decided(
            "kept: calibrated",
            "The share of runs that never exclude the truth at calibrated radii, whose level is 95 % at one time.",
            "at least",
            0.95,
            "small",
            64,
            "limit law of the likelihood ratio",
            0.1,
        ),
        _decided(
            "promise: calibrated radii",
            "The share of plans with calibrated radii that promise more than they are worth.",
            "at most",
            0.05,
            "small",
            192,
            "limit law of the likelihood ratio",
        ),
        _decided(
            "promise: best fit",
            "The same share without pessimism, which is what pessimism is for.",
            "at least",
            0.05,
            "small",
            192,
        ),
        _decided(
            f"won: {NETWORK}, 50 states",
            "The share of what uniform play misses that networks win in the last quarter.",
            "at least",
            0.5,
            "small",
            4,
        ),
        *(
            _decided(
                f"networks, {size} states",
                f"Regret of networks, which read the place, less that of tables, on chains of {size} states.",
                "at most",
                0.0,
                "small",
                4,
                "fewer numbers to learn",
            )
            for size in (50, 200)
        ),
    ),
    _classes,
)

ENTRIES = (FINITE,)
