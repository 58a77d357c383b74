"""Planning from a log: plug-in and pessimistic plans, on average and in the tail: quantal:E8, E9 and E16."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from ..._claims import Budget, Claim, Relation
from ..._record import Estimate
from ..._types import AnyArray, Key
from ...calculus.precision import exact
from ...followers.quantal_response import QuantalResponse
from ...games.generators_markov import random_markov_game
from ...games.markov import MarkovGame
from ...play.markov_world import MarkovWorld
from ...play.suboptimality import Suboptimality
from ...quantal.bonus import Uncertainty
from ...quantal.myopic_likelihood import fitted, zero_weights
from ...quantal.record import PlayRecord
from ...quantal.value_iteration import known, planned
from ...solvers.markov.backward_induction import BackwardInduction
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .measuring import curves, exponent, mean


SIZES = (50, 200, 800, 3200)
GRID = 51
Behaviour: TypeAlias = Literal["uniform", "narrow"]

METHODS: Mapping[str, tuple[float, Uncertainty]] = {
    "plug-in": (0.0, Uncertainty()),
    "pessimistic, g-aware": (-1.0, Uncertainty()),
    "pessimistic, exact support": (-1.0, Uncertainty(scheme="S1")),
    "pessimistic, trace": (-1.0, Uncertainty(form="trace")),
}


def _world(seed: int) -> MarkovWorld:
    return MarkovWorld(random_markov_game(2, 2, 3, 2, seed=seed), QuantalResponse(5.0, discount=0.0))


@exact
def suboptimality(
    places: list[MarkovWorld], behaviour: Behaviour, sizes: tuple[int, ...], num_logs: int, method: str
) -> Float[np.ndarray, "k n"]:
    """What the plan from each log of each size misses, over all games and logs: one compiled program a method."""
    sign, uncertainty = METHODS[method]
    mixtures = jnp.stack([jnp.linspace(0.0, 1.0, GRID), 1.0 - jnp.linspace(0.0, 1.0, GRID)], axis=-1)
    run = _runner(sign, uncertainty, sizes[-1])
    rows = []
    for size in sizes:
        found = []
        for place in places:
            best = Suboptimality(place).best_value
            near = _near_optimal(place)
            keys = jr.split(jr.fold_in(jr.key(1), size), num_logs)
            traced = jax.tree.map(
                lambda leaf: jnp.asarray(leaf) if isinstance(leaf, float | np.ndarray) else leaf, place
            )
            value = run(traced, mixtures, jnp.asarray(near), jnp.asarray(behaviour == "narrow"), jnp.int32(size), keys)
            found.append(best - np.asarray(value))
        rows.append(np.concatenate(found))
    return np.stack(rows)


def _near_optimal(place: MarkovWorld) -> Int[np.ndarray, "h s"]:
    """The place on the grid of what the exact plan announces at each stage and state."""
    assert isinstance(place.follower, QuantalResponse)
    plan = np.asarray(BackwardInduction(place.follower)(place.game).commitment)
    return np.rint(plan[..., 0] * (GRID - 1)).astype(np.int32)


@functools.lru_cache(maxsize=16)
def _runner(sign: float, uncertainty: Uncertainty, capacity: int) -> Callable[..., AnyArray]:
    def one(
        place: MarkovWorld, mixtures: AnyArray, near: AnyArray, narrow: AnyArray, size: AnyArray, key: Key
    ) -> AnyArray:
        rules = place.rules
        horizon, num_states, *_ = rules.shape
        index_key, play_key = jr.split(key)
        shape = (capacity, horizon, num_states)
        first, second, third = jr.split(index_key, 3)
        anywhere = jr.randint(first, shape, 0, GRID)
        close = jnp.clip(near + jr.randint(second, shape, -8, 9), 0, GRID - 1)
        middle = jnp.clip(GRID // 2 + jr.randint(second, shape, -8, 9), 0, GRID - 1)
        index = jnp.where(narrow, jnp.where(jr.bernoulli(third, 0.5, shape), close, middle), anywhere)
        episodes = jax.vmap(place.play)(mixtures[index], jr.split(play_key, capacity))
        kept = (jnp.arange(capacity) < size).astype(float)
        taken = jnp.take_along_axis(index, episodes.states[..., None], axis=-1)[..., 0]
        announced = jnp.broadcast_to(mixtures[:, None, None, :], (GRID, *rules.uniform_commitment().shape))
        # The likelihood of a myopic follower falls apart by stage and state: rows are places of the grid.
        record = PlayRecord.of(rules, announced, episodes, taken, kept)
        return _value(place, record, sign, uncertainty, capacity)

    return jax.jit(lambda *given: jax.lax.map(functools.partial(one, *given[:-1]), given[-1], batch_size=8))


def _value(
    place: MarkovWorld,
    record: PlayRecord,
    sign: float,
    uncertainty: Uncertainty,
    capacity: int,
    bounds: tuple[float, float] | None = None,
) -> Float[AnyArray, ""]:
    """The true value of the plan from a record; `bounds` of the leader's reward are those of the game if left out."""
    rules = place.rules
    if bounds is not None:
        rules = eqx.tree_at(lambda rules: (rules.reward_low, rules.reward_high), rules, bounds)
    ridge = 1e-2 / jnp.asarray(rules.inverse_temperature) ** 2
    found = fitted(rules, record, zero_weights(rules), ridge, 20)
    follower = known(rules, record, found.weights, found.information, uncertainty, capacity)
    plan = planned(rules, record, follower, uncertainty, sign, "quantal", capacity)
    return place.game.leader_value(plan.commitment, place.follower(place.game, plan.commitment))


NUM_GAMES: dict[Budget, int] = {"smoke": 2, "small": 6, "full": 6}
NUM_LOGS: dict[Budget, int] = {"smoke": 16, "small": 64, "full": 256}
NUM_NARROW: dict[Budget, int] = {"smoke": 2, "small": 24, "full": 48}
"""Games whose logs are narrow: intervals of a tail are over games."""


def _logs(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del folder, on_progress
    places = [_world(seed) for seed in range(NUM_GAMES[budget])]
    methods = ["plug-in", "pessimistic, g-aware"] if budget == "smoke" else list(METHODS)
    sizes = SIZES[:3] if budget == "smoke" else SIZES
    found = {name: suboptimality(places, "uniform", sizes, NUM_LOGS[budget], name) for name in methods}
    several = [_world(seed) for seed in range(NUM_NARROW[budget])]
    narrow = {name: suboptimality(several, "narrow", sizes[:1], NUM_LOGS[budget], name)[0] for name in methods[:2]}
    across = np.array(sizes, float)
    careful, plain = found["pessimistic, g-aware"], found["plug-in"]
    by_game = {name: values.reshape(-1, NUM_LOGS[budget]) for name, values in narrow.items()}
    tail = {name: np.quantile(values, 0.9, axis=-1) for name, values in by_game.items()}
    measured = {
        "rate": exponent(across, np.maximum(plain, 0.0), "logs"),
        "average": mean(plain[-1] - careful[-1], "logs, paired"),
        "tail": mean(tail["plug-in"] - tail["pessimistic, g-aware"], "games"),
        "narrow average": mean(
            by_game["plug-in"].mean(axis=-1) - by_game["pessimistic, g-aware"].mean(axis=-1), "games"
        ),
    }
    drawn = curves(
        across,
        {name: np.maximum(values, 1e-7) for name, values in found.items()},
        guides=(-0.5, -1.0),
        x_label="episodes in the log",
        y_label="leader's suboptimality (payoff)",
        title="Planning from a log of uniform announcements",
    )
    return Evidence(measured, {"suboptimality": drawn})


REACH = 4.0
"""Numbers of answers further than so many roots of the number of plays from their mean are left out: 8 deviations."""


@exact
def hard_family(num_plays: int, method: str, most: int, rate: float = 3.0) -> Float[np.ndarray, "2"]:
    """What a plan misses on the family on which none misses less than 1/√K; for either sign of the reward, exactly.

    The leader knows its reward: 1 if it announces its first action and the follower takes its first, ½ for its second
    action. The follower's reward is ±2 / (λ √K) for its first action under the leader's first, 0 elsewhere. The log
    holds K plays of the leader's first action, so that all it tells is how often the follower took its first: the
    expectation is a sum over that number. `most` is the largest K that the same compiled program is used for.
    """
    sign, uncertainty = METHODS[method]
    away = int(np.ceil(REACH * np.sqrt(most)))
    first = num_plays // 2 + np.arange(-away, away + 1)
    run = _hard_runner(sign, uncertainty, rate)
    missed = []
    for side in (1.0, -1.0):
        size = side * 2.0 / (rate * np.sqrt(num_plays))
        answer = 1.0 / (1.0 + np.exp(-rate * size))
        weight = stats.binom.pmf(first, num_plays, answer)
        value = run(jnp.asarray(size), jnp.asarray(np.clip(first, 0, num_plays), float), jnp.asarray(float(num_plays)))
        missed.append(np.sum(weight * (max(answer, 0.5) - np.asarray(value))) / np.sum(weight))
    return np.array(missed)


@functools.lru_cache(maxsize=8)
def _hard_runner(sign: float, uncertainty: Uncertainty, rate: float) -> Callable[..., AnyArray]:
    def one(size: AnyArray, first: AnyArray, num_plays: AnyArray) -> AnyArray:
        game = MarkovGame(
            np.array([[[[1.0, 0.0], [0.5, 0.5]]]]),
            jnp.zeros((1, 1, 2, 2)).at[0, 0, 0, 0].set(size),
            np.ones((1, 1, 2, 2, 1)),
            np.ones(1),
            follower_discount=0.0,
            title="hard family",
        )
        place = MarkovWorld(game, QuantalResponse(rate, discount=0.0), reward_noise="none", reward_known=True)
        blank = PlayRecord.empty(place.rules, 1)
        counts = jnp.stack([first, num_plays - first])[None, None, None]
        record = PlayRecord(jnp.asarray([[[[1.0, 0.0]]]]), counts, blank.visits, blank.paid, blank.moves)
        return _value(place, record, sign, uncertainty, 1)

    return jax.jit(jax.vmap(one, in_axes=(None, 0, None)))


def _hard(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del folder, on_progress
    sizes = SIZES[:3] if budget == "smoke" else (*SIZES, 12800)
    across = np.array(sizes, float)
    names = ("plug-in",) if budget == "smoke" else ("plug-in", "pessimistic, g-aware")
    found = {name: np.stack([hard_family(size, name, sizes[-1]) for size in sizes]) for name in names}
    measured: dict[str, Estimate] = {}
    for name, values in found.items():
        slope = np.polyfit(np.log(across), np.log(values.mean(axis=1)), 1)[0]
        measured[f"rate, {name}"] = Estimate.exact(float(slope))
        measured[f"scaled, {name}"] = Estimate.exact(float(values[-1].mean() * np.sqrt(across[-1])))
    drawn = curves(
        across,
        found,
        guides=(-0.5,),
        x_label="plays in the log",
        y_label="leader's suboptimality, mean and range over the two signs (payoff)",
        title="The hard family: 1/√K",
    )
    return Evidence(measured, {"suboptimality": drawn})


@exact
def uneven(num_plays: int, num_logs: int, method: str, rate: float = 3.0) -> Float[np.ndarray, "n"]:
    """Eight pure actions, the two best with half of the plays each and the others with three: what plans miss.

    The leader is paid 1 with its reward as the probability, and 0 otherwise.
    """
    sign, uncertainty = METHODS[method]
    counts = np.full(8, 3)

    def one(key: Key) -> AnyArray:
        game_key, answer_key, pay_key = jr.split(key, 3)
        reward = jr.uniform(game_key, (2, 1, 1, 8, 2))
        game = MarkovGame(
            reward[0], reward[1], jnp.ones((1, 1, 8, 2, 1)), jnp.ones(1), follower_discount=0.0, title="uneven"
        )
        place = MarkovWorld(game, QuantalResponse(rate, discount=0.0))
        pure = jnp.eye(8)[:, None, None, :]
        answers = jax.vmap(lambda policy: place.follower(game, policy))(pure)[:, 0, 0]
        values = jnp.sum(answers * reward[0, 0, 0], axis=-1)
        rank = jnp.argsort(jnp.argsort(-values))
        plays = jnp.where(rank < 2, num_plays // 2, jnp.asarray(counts))
        first = jr.binomial(answer_key, plays, answers[:, 0], dtype=float)
        seen = jnp.stack([first, plays - first], axis=-1)
        wins = jr.binomial(pay_key, seen, reward[0, 0, 0], dtype=float)
        blank = PlayRecord.empty(place.rules, 8)
        record = PlayRecord(pure, seen[:, None, None], seen[None, None], wins[None, None], blank.moves)
        grid = jnp.concatenate([jnp.eye(8), jr.dirichlet(jr.key(5), jnp.full(8, 0.3), (2000,))])
        worth = lambda x: place.game.leader_value(x[None, None], place.follower(place.game, x[None, None]))
        return jnp.max(jax.vmap(worth)(grid)) - _value(place, record, sign, uncertainty, num_plays, (0.0, 1.0))

    keys = jr.split(jr.key(3), num_logs)
    return np.asarray(jax.jit(lambda keys: jax.lax.map(one, keys, batch_size=16))(keys))


def _uneven(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del folder, on_progress
    sizes = (1600,) if budget == "smoke" else (100, 400, 1600)
    count = {"smoke": 64, "small": 400, "full": 6000}[budget]
    found = {
        name: np.stack([uneven(size, count, name) for size in sizes]) for name in ("plug-in", "pessimistic, g-aware")
    }
    measured: dict[str, Estimate] = {name: mean(values[-1], "logs") for name, values in found.items()}
    measured["gain"] = mean(found["plug-in"][-1] - found["pessimistic, g-aware"][-1], "logs, paired")
    if budget == "smoke":
        return Evidence(measured)
    drawn = curves(
        np.array(sizes, float),
        found,
        x_label="plays of the two good actions",
        y_label="leader's suboptimality (payoff)",
        title="Where the log hardly tells of six actions of eight",
    )
    return Evidence(measured, {"suboptimality": drawn})


def _claim(
    name: str,
    statement: str,
    source: str,
    expected: float,
    relation: Relation,
    tolerance: float,
    budget: Budget,
    n: int,
) -> Claim:
    unit = "" if name.startswith("rate") else "payoff"
    return Claim(name, statement, source, expected, relation, tolerance, budget, n, unit)


SMOOTH = "the optimum is smooth, so that the loss is of second order in the error of the estimate"
BY_TWO_POINTS = "two-point argument: signs that K plays cannot tell apart"
LUCKIEST = "the plug-in plan believes its luckiest action"

LOGS = Reproduction(
    "quantal:E8",
    "Plug-in and pessimistic plans from a log",
    SMOOTH,
    (
        _claim("average", "Pessimism gains nothing on average over well covered logs.", SMOOTH, 0.0, "at most", 0.0,
               "smoke", 32),
        _claim("rate", "The plug-in plan's loss falls about as 1/K, faster than 1/√K.", SMOOTH, -0.75, "at most", 0.0,
               "smoke", 32),
        _claim("tail", "From narrow logs of 50 episodes it gains in the worst tenth of the logs.", "measured", 0.0,
               "at least", 0.0, "small", 24),
        _claim("narrow average", "On average over them it gains little.", "measured", 0.02, "at most", 0.0, "small",
               24),
    ),
    _logs,
)  # fmt: skip

HARD = Reproduction(
    "quantal:E9",
    "The hard family: no plan errs less than 1/√K",
    BY_TWO_POINTS,
    (
        _claim("rate, plug-in", "The plug-in plan's loss falls as the root of the number of plays.", BY_TWO_POINTS,
               -0.5, "equals", 0.05, "smoke", 3),
        _claim("rate, pessimistic, g-aware", "So does that of the pessimistic plan.", BY_TWO_POINTS, -0.5, "equals",
               0.05, "small", 5),
        _claim("scaled, plug-in", "Loss × √K tends to Φ(-1) / 2.", "normal limit of the number of answers",
               float(stats.norm.cdf(-1.0)) / 2.0, "equals", 0.01, "small", 5),
    ),
    _hard,
)  # fmt: skip

UNEVEN = Reproduction(
    "quantal:E16",
    "Where pessimism is needed",
    LUCKIEST,
    (
        _claim("gain", "What pessimism gains at 1,600 plays.", LUCKIEST, 0.0, "at least", 0.0, "smoke", 64),
        _claim("pessimistic, g-aware", "The pessimistic plan's loss at 1,600 plays.", "measured beforehand: 0.050",
               0.06, "at most", 0.0, "small", 400),
        _claim("plug-in", "The plug-in plan's loss at 1,600 plays.", "measured beforehand: 0.159", 0.14, "at least",
               0.0, "full", 6000),
    ),
    _uneven,
)  # fmt: skip

ENTRIES = (LOGS, HARD, UNEVEN)
