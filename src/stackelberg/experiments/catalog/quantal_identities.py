"""The performance-difference lemma and what actions can tell, on random games: quantal:E1, E1b and E2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy import stats

from ..._claims import Budget, Claim
from ..._record import Estimate
from ..._types import AnyArray
from ...calculus.precision import exact
from ...calculus.simplex import log_quantal_choice, logarithm
from ...evaluation.performance_difference import farsighted_error, regret_terms
from ...followers.gauge import gauge_dimension
from ...followers.quantal_response import QuantalResponse
from ...games.generators_markov import random_markov_game
from ...games.markov import MarkovGame
from ..running.runner import Progress
from .base import Evidence, Reproduction


NUM_GAMES = 300
RATES = (0.5, 1.0, 3.0, 8.0)
DISCOUNTS = (0.0, 0.5, 0.9, 1.0)
SHAPES = ((2, 2, 2, 2), (1, 3, 2, 2), (2, 2, 3, 2), (3, 2, 2, 1), (2, 3, 3, 3))
"""Of E2: states, leader's actions, follower's actions, stages."""

SCALES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
LEMMA = "the performance-difference lemma, derived anew"


class Case(NamedTuple):
    """A game, an estimate of it, a policy, and an estimate of the leader's action values."""

    game: MarkovGame
    estimated: MarkovGame
    commitment: Float[AnyArray, "..."]
    action_value: Float[AnyArray, "..."]
    rate: Float[AnyArray, ""]


def cases(
    num_games: int, shape: tuple[int, int, int, int], *, is_prescription: bool, scale: float | None = None
) -> Case:
    """Random cases as one tree with a first axis; the estimate is another random game, or `scale` away from the truth.

    Inverse temperatures and discounts go through all their combinations.
    """
    num_states, num_rows, num_columns, horizon = shape
    made = []
    for seed in range(num_games):
        discount = DISCOUNTS[seed // len(RATES) % len(DISCOUNTS)]
        one, other = (
            random_markov_game(*shape, follower_discount=discount, seed=2 * seed + offset) for offset in (0, 1)
        )
        share = 1.0 if scale is None else scale
        mixed = lambda a, b, share=share: (1.0 - share) * np.asarray(a) + share * np.asarray(b)
        estimated = MarkovGame(
            one.leader_reward,
            mixed(one.follower_reward, other.follower_reward),
            mixed(one.transition, other.transition),
            one.initial,
            follower_discount=discount,
            title=one.title,
        )
        rng = np.random.default_rng(seed)
        between = (num_columns,) if is_prescription else ()
        policy = rng.dirichlet(np.ones(num_rows), (horizon, num_states, *between))
        value = horizon * rng.random((horizon, num_states, num_rows, num_columns))
        made.append(Case(one, estimated, policy, value, np.asarray(RATES[seed % len(RATES)])))
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *made)


class Checked(NamedTuple):
    """What was measured of each case: residuals, and how much of each bound is used."""

    residual: Float[AnyArray, "n"]
    first_order: Float[AnyArray, "n"]
    second_order: Float[AnyArray, "n"]
    hellinger: Float[AnyArray, "n"]
    variance: Float[AnyArray, "n"]
    farsighted: Float[AnyArray, "n"]


@exact
def checked(case: Case) -> Checked:
    """All cases in one compiled call."""
    return _checked(jax.tree.map(jnp.asarray, case))


@jax.jit
def _checked(case: Case) -> Checked:
    return jax.vmap(_check)(case)


def _check(case: Case) -> Checked:
    human = QuantalResponse(case.rate)
    response, expected = human(case.game, case.commitment), human(case.estimated, case.commitment)
    terms = regret_terms(case.game, case.commitment, response, expected, case.action_value)
    used = lambda value, bound: jnp.max(jnp.abs(value) / jnp.maximum(bound, 1e-300))
    error = farsighted_error(case.game, case.estimated, case.commitment, case.rate)
    # Var(Q̃ - Q) ≤ 8 (1/λ + B/2)² × squared Hellinger distance, with B the largest advantage of the two.
    logs = [log_quantal_choice(jnp.asarray(values), 1.0) for values in (_logs(response), _logs(expected))]
    reach = 1.0 / case.rate + 0.5 * jnp.maximum(-jnp.min(logs[0]), -jnp.min(logs[1])) / case.rate
    spread = jnp.sum(response * error.direct**2, axis=-1) - jnp.sum(response * error.direct, axis=-1) ** 2
    distance = 1.0 - jnp.sum(jnp.sqrt(response * expected), axis=-1)
    return Checked(
        jnp.abs(terms.residual),
        used(terms.first_order, terms.first_order_bound),
        used(terms.second_order, terms.second_order_bound),
        used(terms.response, terms.hellinger_bound),
        used(spread, 8.0 * reach**2 * distance),
        jnp.max(jnp.abs(error.total - error.direct)),
    )


def _logs(response: Float[AnyArray, "*h b"]) -> Float[AnyArray, "*h b"]:
    return logarithm(jnp.maximum(jnp.asarray(response), 1e-300))


def _identities(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del budget, folder, on_progress
    shape = (4, 3, 3, 4)
    parts = [checked(cases(NUM_GAMES, shape, is_prescription=kind)) for kind in (False, True)]
    largest = {name: max(float(np.max(getattr(part, name))) for part in parts) for name in Checked._fields}
    method = f"largest of {2 * NUM_GAMES} games"
    return Evidence({name: Estimate(value, value, value, method) for name, value in largest.items()})


@exact
def sizes(case: Case) -> tuple[Float[AnyArray, "n"], Float[AnyArray, "n"]]:
    """The first- and second-order terms of each case, in absolute value and summed over stages."""

    def one(case: Case) -> tuple[AnyArray, AnyArray]:
        human = QuantalResponse(case.rate)
        response, expected = human(case.game, case.commitment), human(case.estimated, case.commitment)
        terms = regret_terms(case.game, case.commitment, response, expected, case.action_value)
        return jnp.sum(jnp.abs(terms.first_order)), jnp.sum(jnp.abs(terms.second_order))

    return jax.jit(jax.vmap(one))(jax.tree.map(jnp.asarray, case))


def slopes(shape: tuple[int, int, int, int], num_games: int) -> Float[np.ndarray, "n two"]:
    """The exponents of both terms in the size of the error, one pair for each game, between 1e-4 and 1e-2."""
    small = SCALES[:3]
    found = [sizes(cases(num_games, shape, is_prescription=False, scale=scale)) for scale in small]
    logs = np.log(np.maximum(np.array(found), 1e-300))  # (scales, two, games)
    return np.stack([np.polyfit(np.log(small), logs[:, order], 1)[0] for order in (0, 1)], axis=-1)


SIZES = {
    "smoke": ((2, 2, 2, 2), (4, 3, 3, 4)),
    "small": ((2, 2, 2, 2), (4, 3, 3, 4), (10, 2, 2, 2), (2, 10, 2, 2), (2, 2, 10, 2), (2, 2, 2, 10)),
    "full": ((2, 2, 2, 2), (4, 3, 3, 4), (10, 2, 2, 2), (2, 10, 2, 2), (2, 2, 10, 2), (2, 2, 2, 10), (10, 10, 10, 10)),
}


def _orders(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del folder, on_progress
    found = np.concatenate([slopes(shape, 32) for shape in SIZES[budget]])
    return Evidence({name: _mean(found[:, place]) for place, name in enumerate(("first", "second"))})


def _mean(values: Float[np.ndarray, "n"]) -> Estimate:
    middle, error = float(np.mean(values)), float(stats.sem(values))
    low, high = stats.t.interval(0.95, len(values) - 1, middle, error)
    return Estimate(middle, float(low), float(high), f"mean of {len(values)} games, 95% Student interval")


@exact
def free_directions(
    shape: tuple[int, int, int, int], discount: float, *, is_prescription: bool, num_policies: int = 40
) -> int:
    """Directions of the reward that leave the answers to many random announcements alone, by singular values."""
    num_states, num_rows, num_columns, horizon = shape
    game = random_markov_game(*shape, follower_discount=discount, seed=7)
    between = (num_columns,) if is_prescription else ()
    draws = np.random.default_rng(3).dirichlet(np.ones(num_rows), (num_policies, horizon, num_states, *between))

    def logs(reward: Float[AnyArray, "h s a b"]) -> AnyArray:
        changed = MarkovGame(
            game.leader_reward, reward, game.transition, game.initial, follower_discount=discount, title=game.title
        )
        answers = jax.vmap(lambda policy: QuantalResponse(2.0)(changed, policy))(jnp.asarray(draws))
        return _logs(answers).reshape(-1)

    jacobian = jax.jit(jax.jacrev(logs))(jnp.asarray(game.follower_reward))
    size = int(np.prod(game.follower_reward.shape))
    values = np.linalg.svd(np.asarray(jacobian).reshape(-1, size), compute_uv=False)
    return size - int(np.sum(values > 1e-9 * values[0]))


def _free(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del folder, on_progress
    wrong = 0
    shapes = SHAPES[: 2 if budget == "smoke" else len(SHAPES)]
    for shape in shapes:
        for discount in (0.0, 0.9):
            for kind in (False, True):
                num_states, num_rows, _, horizon = shape
                told = gauge_dimension(
                    horizon, num_states, num_rows, is_prescription=kind, is_farsighted=discount > 0.0
                )
                wrong += free_directions(shape, discount, is_prescription=kind) != told
    return Evidence({"dimensions": Estimate.exact(float(wrong))})


def _claim(name: str, statement: str, expected: float, relation: str, tolerance: float, n: int) -> Claim:
    return Claim(name, statement, LEMMA, expected, relation, tolerance, "smoke", n)  # type: ignore[arg-type]


IDENTITIES = Reproduction(
    "quantal:E1",
    "The performance-difference lemma on random games",
    LEMMA,
    (
        _claim("residual", "The identity leaves rounding only.", 0.0, "at most", 1e-10, 600),
        _claim("farsighted", "The error of a farsighted follower adds up stage by stage.", 0.0, "at most", 1e-10, 600),
        _claim("first_order", "No first-order term is above its bound (used share).", 1.0, "at most", 1e-9, 600),
        _claim("second_order", "No second-order term is above its bound (used share).", 1.0, "at most", 1e-9, 600),
        _claim("hellinger", "No response error is above its Hellinger bound (used share).", 1.0, "at most", 1e-9, 600),
        _claim("variance", "Var(Q̃ - Q) ≤ 8 (1/λ + B/2)² × Hellinger² (used share).", 1.0, "at most", 1e-9, 600),
    ),
    _identities,
)

ORDERS = Reproduction(
    "quantal:E1b",
    "The lemma's terms across the size of the error",
    LEMMA,
    (
        _claim("first", "The first-order term grows with the error.", 1.0, "equals", 0.05, 64),
        _claim("second", "The second-order term grows with its square.", 2.0, "equals", 0.1, 64),
    ),
    _orders,
)

FREE = Reproduction(
    "quantal:E2",
    "What the follower's actions cannot tell about its reward",
    "counting shaping and row constants",
    (_claim("dimensions", "Counted and measured dimensions that differ.", 0.0, "equals", 0.0, 20),),
    _free,
)

ENTRIES = (IDENTITIES, ORDERS, FREE)
