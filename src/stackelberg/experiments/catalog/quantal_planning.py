"""Planning against a quantal follower: agreement of solvers, followers who look ahead, size: quantal:E5, E11, E21."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..._claims import Budget, Claim
from ..._record import Estimate, Record
from ..._types import AnyArray
from ...calculus.precision import exact
from ...calculus.simplex import quantal_choice, soft_average
from ...followers.quantal_response import QuantalResponse
from ...games.domains.linear_quadratic import LinearQuadraticGame
from ...games.generators_markov import random_markov_game
from ...games.markov import MarkovGame
from ...solvers.markov.gradient_ascent import GradientAscent
from ...solvers.quantal.batch import quantal_batch
from ...solvers.quantal.climb import best_of_starts
from ...solvers.quantal.column_generation import column_generation
from ...solvers.quantal.prescription import best_prescriptions
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .measuring import curves, mean


RATES = (1.0, 5.0, 20.0)
NUM_COLUMNS = 4
NUM_EACH: dict[Budget, int] = {"smoke": 4, "small": 15, "full": 56}
"""Games for each number of actions (2, 3, 4) and each inverse temperature."""


@exact
def many_starts(payoff: Float[np.ndarray, "n a b"], logit: Float[np.ndarray, "n a b"]) -> Float[np.ndarray, "n"]:
    """The leader's value of the best mixture that ascent finds from many starts, without the certified search."""
    num_rows = payoff.shape[1]
    drawn = np.random.default_rng(1).dirichlet(np.full(num_rows, 0.5), 64)
    starts = np.concatenate([np.eye(num_rows), np.full((1, num_rows), 1.0 / num_rows), drawn])

    def one(game: tuple[AnyArray, AnyArray]) -> AnyArray:
        gain, appeal = game
        value = lambda x: jnp.sum(quantal_choice(x @ appeal, 1.0) * (x @ gain))
        return best_of_starts(value, jnp.asarray(starts), 32, 400)[1]

    return np.asarray(jax.jit(lambda *games: jax.lax.map(one, games))(jnp.asarray(payoff), jnp.asarray(logit)))


@exact
def rival_prescriptions(
    payoff: Float[np.ndarray, "n a b"], logit: Float[np.ndarray, "n a b"]
) -> Float[np.ndarray, "n"]:
    """The best of every pure prescription and of ascent from 32 of them and from random ones."""
    _, num_rows, num_columns = payoff.shape
    pure = np.stack(np.meshgrid(*[np.arange(num_rows)] * num_columns, indexing="ij"), axis=-1).reshape(-1, num_columns)
    drawn = np.random.default_rng(2).dirichlet(np.ones(num_rows), (64, num_columns))
    starts = jnp.asarray(np.concatenate([np.eye(num_rows)[pure], drawn]))

    def one(game: tuple[AnyArray, AnyArray]) -> AnyArray:
        gain, appeal = game
        value = lambda x: jnp.sum(quantal_choice(jnp.sum(x * appeal.T, -1), 1.0) * jnp.sum(x * gain.T, -1))
        return best_of_starts(value, starts, 32, 200)[1]

    return np.asarray(jax.jit(lambda *games: jax.lax.map(one, games))(jnp.asarray(payoff), jnp.asarray(logit)))


def _agreement(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del folder, on_progress
    strategy, prescribed, closed = [], [], []
    for num_rows in (2, 3, 4):
        for place, rate in enumerate(RATES):
            rng = np.random.default_rng((num_rows, place))
            payoff, other = rng.random((2, NUM_EACH[budget], num_rows, NUM_COLUMNS))
            certified = quantal_batch(payoff, other, rate)
            strategy.append(certified.leader_values - many_starts(payoff, rate * other))
            closed.append(certified.gaps)
            exact_ones = np.asarray(best_prescriptions(payoff, rate * other).value)
            prescribed.append(rival_prescriptions(payoff, rate * other) - exact_ones)
    worst = lambda parts: Estimate.exact(float(np.max(np.concatenate(parts))))
    measured = {"strategies": worst(strategy), "prescriptions": worst(prescribed), "gap": worst(closed)}
    return Evidence(measured)


def backward(game: MarkovGame, rate: float) -> Float[np.ndarray, "h s a"]:
    """The policy of a leader that plans from the last stage to the first, taking what it will do later as given."""
    assert game.horizon is not None
    horizon, (num_states, num_rows, _) = game.horizon, game.shape
    leader = np.broadcast_to(game.leader_reward, (horizon, *game.shape))
    follower = np.broadcast_to(game.follower_reward, (horizon, *game.shape))
    law = np.broadcast_to(game.transition, (horizon, *game.transition.shape[-4:]))
    own, other, policy = np.zeros(num_states), np.zeros(num_states), np.zeros((horizon, num_states, num_rows))
    for h in reversed(range(horizon)):
        payoff, appeal = leader[h] + law[h] @ own, follower[h] + game.follower_discount * law[h] @ other
        policy[h] = quantal_batch(payoff, appeal, rate).commitments
        faced = np.einsum("sa,sab->sb", policy[h], appeal)
        response = np.asarray(quantal_choice(faced, rate))
        own = np.sum(response * np.einsum("sa,sab->sb", policy[h], payoff), axis=-1)
        other = np.asarray(soft_average(faced, rate))
    return policy


def _ahead(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del folder, on_progress
    measured: dict[str, Estimate] = {}
    num_games = {"smoke": 3, "small": 12, "full": 24}[budget]
    for discount, rate in ((0.0, 8.0), (0.9, 2.0), (0.9, 8.0)):
        human, gaps, shares = QuantalResponse(rate), [], []
        for seed in range(num_games):
            game = random_markov_game(3, 2, 2, 3, seed=seed, follower_discount=discount)
            found = GradientAscent(human, num_starts=48, num_steps=600)(game)
            policy = exact(backward)(game, rate)
            gaps.append(float(found.leader_value) - float(game.leader_value(policy, human(game, policy))))
            shares.append(float(found.statistics["agreeing"]))
        name = "myopic" if discount == 0.0 else f"rate {rate:g}"
        measured[f"mean gap, {name}"] = mean(np.array(gaps), "games")
        measured[f"largest gap, {name}"] = Estimate.exact(max(gaps))
        measured[f"least gap, {name}"] = Estimate.exact(min(gaps))
        measured[f"agreeing starts, {name}"] = mean(np.array(shares), "games")
    return Evidence(measured)


SIZES: dict[Budget, tuple[int, ...]] = {"smoke": (4, 16), "small": (4, 16, 64), "full": (4, 16, 64, 256)}


def _sizes(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del folder, on_progress
    sizes, repeats = SIZES[budget], 3
    seconds = {name: np.zeros((len(sizes), repeats)) for name in ("prescriptions", "strategies", "column generation")}
    gaps, below = [], []
    for place, size in enumerate(sizes):
        payoff, other = np.random.default_rng(size).random((2, repeats + 1, size, size))
        for game in range(repeats + 1):  # the first one compiles
            pair = payoff[game], other[game]
            timed, values = {}, {}
            for name, plan in (
                ("prescriptions", lambda u, r: best_prescriptions(u, 5.0 * r)),
                ("strategies", lambda u, r: quantal_batch(u[None], r[None], 5.0)),
                ("column generation", lambda u, r: column_generation(u, r, 5.0)),
            ):
                begun = time.perf_counter()
                values[name] = jax.block_until_ready(plan(*pair))
                timed[name] = time.perf_counter() - begun
            if game:
                for name, spent in timed.items():
                    seconds[name][place, game - 1] = spent
                gaps.append(float(values["prescriptions"].upper) - float(values["prescriptions"].value))
                best = float(values["strategies"].leader_values[0])
                below.append(best - float(values["column generation"].value))
    drawn: dict[str, Record] = {}
    if len(sizes) > 2:
        drawn["seconds"] = curves(
            np.array(sizes, float),
            seconds,
            guides=(1.0, 2.0),
            x_label="actions of each player",
            y_label="time for one plan (s)",
            title="Planning against a quantal follower, inverse temperature 5",
        )
    measured = {
        "prescriptions": Estimate.exact(max(gaps)),
        "column generation": Estimate.exact(max(below)),
        "continuous": Estimate.exact(_continuous()),
    }
    for name, spent in seconds.items():
        measured[f"seconds, {name}"] = mean(spent[-1], "plans of the largest size")
    return Evidence(measured, drawn)


def _continuous() -> float:
    """The largest difference between the closed form and quadrature, over games with continuous actions."""
    worst = 0.0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        game = LinearQuadraticGame(
            rng.uniform(0.5, 2.0), rng.normal(), rng.normal(), leader_curvature=3.0, answer_curvature=0.5, cross=0.2
        )
        worst = max(worst, abs(game.best(5.0).value - game.best_by_quadrature(5.0)[1]))
    return worst


SAME = "both search the same problem; one of them proves it"
TIMING = "what is announced for later changes the answer now"


def _claim(name: str, statement: str, source: str, most: float, tolerance: float, budget: Budget, n: int) -> Claim:
    return Claim(name, statement, source, most, "at most", tolerance, budget, n, "payoff")


AGREEMENT = Reproduction(
    "quantal:E5",
    "Agreement of solvers for one stage",
    SAME,
    (
        _claim("strategies", "The most by which the certified search beats many starts.", SAME, 0.0, 1e-6, "smoke", 36),
        _claim("prescriptions", "The most by which any method beats the exact prescription.", "the solver is exact",
               0.0, 1e-9, "smoke", 36),
        _claim("gap", "The largest gap that the certified search leaves.", SAME, 0.0, 1e-6, "smoke", 36),
    ),
    _agreement,
)  # fmt: skip

AHEAD = Reproduction(
    "quantal:E11",
    "Planning for a follower who looks ahead",
    TIMING,
    (
        _claim("largest gap, myopic", "Against a myopic follower planning backward is optimal.", "stages fall apart",
               0.0, 1e-5, "smoke", 3),
        Claim("largest gap, rate 8", "What planning backward misses at inverse temperature 8 and discount 0.9.", TIMING,
              0.01, "at least", 0.0, "small", 12, "payoff"),
        Claim("least gap, rate 8", "Planning backward never beats the best of many starts.", TIMING, 0.0, "at least",
              1e-6, "smoke", 3, "payoff"),
    ),
    _ahead,
)  # fmt: skip

SIZE = Reproduction(
    "quantal:E21",
    "Many actions, and continuous ones",
    "measured; closed form for continuous actions",
    (
        _claim("prescriptions", "The largest gap of exact prescriptions, at every size.", "the solver is exact", 0.0,
               1e-9, "smoke", 6),
        _claim("column generation", "The most by which column generation stays below the search over all actions.",
               "an optimum mixes few actions", 0.0, 1e-6, "smoke", 6),
        _claim("continuous", "The largest difference between closed form and quadrature.", "normal answers", 0.0, 1e-8,
               "smoke", 20),
    ),
    _sizes,
)  # fmt: skip

ENTRIES = (AGREEMENT, AHEAD, SIZE)
