"""How well the follower's answers tell its reward: rates, the law of the likelihood ratio, coverage: quantal:E3, E4."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float
from scipy import stats

from ..._claims import Budget, Claim
from ..._record import Estimate, Record
from ..._types import AnyArray, Key
from ...calculus.precision import exact
from ...followers.quantal_response import QuantalResponse
from ...games.generators_markov import random_markov_game
from ...play.markov_world import MarkovRules, MarkovWorld
from ...quantal.bonus import effective_dimension, likelihood_radius
from ...quantal.myopic_likelihood import fitted, log_likelihood, reward_table, zero_weights
from ...quantal.record import PlayRecord
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .measuring import exponent, mean, share


SIZE = 3
"""Actions of each player, in a game of one state and one stage."""

NUM_MIXTURES = 40
RATES = (1.0, 5.0)
NUM_REPLICATIONS: dict[Budget, int] = {"smoke": 200, "small": 2_000, "full": 2_000}
NUM_PLAYS = (100, 400, 1600, 6400)
COVERED = (50, 200, 1000)
WILKS = "Wilks (1938): twice the log-likelihood ratio tends to χ² with as many degrees as answers can tell"


class Replicated(NamedTuple):
    """Of each replication: twice the likelihood ratio, and the error of the centred reward."""

    statistic: Float[AnyArray, "n"]
    error: Float[AnyArray, "n"]


def world(rate: float) -> MarkovWorld:
    """One state, one stage; what the leader gets does not matter here."""
    return MarkovWorld(random_markov_game(1, SIZE, SIZE, 1, seed=0), QuantalResponse(rate, discount=0.0))


@exact
def replicated(place: MarkovWorld, num_plays: int, num_replications: int) -> Replicated:
    """Plays under forty mixtures drawn once, spread evenly, and the maximum of the likelihood: all in one call."""
    rules = place.rules
    announced = np.random.default_rng(0).dirichlet(np.ones(SIZE), (NUM_MIXTURES, 1, 1))
    answers = jax.vmap(lambda policy: place.follower(place.game, policy))(jnp.asarray(announced))
    keys = jr.split(jr.key(num_plays), num_replications)
    truth = jnp.asarray(place.game.follower_reward)
    return _replicated(rules, jnp.asarray(announced), answers, truth, keys, num_plays)


def _replicated(
    rules: MarkovRules,
    announced: Float[AnyArray, "m 1 1 a"],
    response: Float[AnyArray, "m 1 1 b"],
    truth: Float[AnyArray, "1 1 a b"],
    keys: Key,
    num_plays: int,
) -> Replicated:
    def one(key: Key) -> Replicated:
        mixture_key, answer_key = jr.split(key)
        chosen = jr.randint(mixture_key, (num_plays,), 0, NUM_MIXTURES)
        edges = jnp.cumsum(response[chosen, 0, 0], axis=-1)
        taken = jnp.sum(jr.uniform(answer_key, (num_plays, 1)) * edges[:, -1:] >= edges[:, :-1], axis=-1)
        counts = jnp.zeros(response.shape).at[chosen, 0, 0, taken].add(1.0)
        blank = PlayRecord.empty(rules, NUM_MIXTURES)
        record = PlayRecord(announced, counts, blank.visits, blank.paid, blank.moves)
        found = fitted(rules, record, zero_weights(rules), jnp.asarray(1e-7), 40)
        likelihood = lambda weights: jnp.sum(log_likelihood(rules, record, weights))
        error = reward_table(rules, found.weights) - (truth - jnp.mean(truth, axis=-1, keepdims=True))
        ratio = 2.0 * (likelihood(found.weights) - likelihood(truth.reshape(1, 1, -1)))
        return Replicated(ratio, jnp.sqrt(jnp.sum(error**2)))

    return jax.jit(lambda keys: jax.lax.map(one, keys, batch_size=100))(keys)


def _rate(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del folder, on_progress
    count = min(NUM_REPLICATIONS[budget], 1000)
    measured: dict[str, Estimate] = {}
    records: dict[str, Record] = {}
    for rate in RATES[1:] if budget == "smoke" else RATES:
        place = world(rate)
        found = {plays: replicated(place, plays, count) for plays in NUM_PLAYS}
        errors = np.stack([np.asarray(one.error) ** 2 for one in found.values()])
        squared = exponent(np.array(NUM_PLAYS, float), errors, "replications")
        half = Estimate(squared.value / 2, squared.low / 2, squared.high / 2, squared.method)
        measured[f"rate {rate:g}"] = half
        measured[f"wilks {rate:g}"] = mean(np.asarray(found[NUM_PLAYS[-1]].statistic), "replications")
        degrees = effective_dimension(place.rules)
        records[f"likelihood-ratio-{rate:g}"] = Record(
            "likelihood ratio",
            {"statistic": np.stack([np.asarray(found[plays].statistic) for plays in (100, 1600)], axis=-1)},
            {
                "names": [f"{plays} plays" for plays in (100, 1600)],
                "degrees": degrees,
                "title": f"Likelihood ratio at the truth, inverse temperature {rate:g}",
            },
        )
    return Evidence(measured, records)


def _coverage(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del folder, on_progress
    count, measured = NUM_REPLICATIONS[budget], {}
    for rate in RATES[1:] if budget == "smoke" else RATES:
        place = world(rate)
        calibrated = float(stats.chi2.ppf(0.95, effective_dimension(place.rules)))
        for plays in COVERED:
            statistic = np.asarray(replicated(place, plays, count).statistic)
            proved = 2.0 * float(likelihood_radius(place.rules, plays, 0.05))
            measured[f"calibrated {rate:g}, {plays} plays"] = share(
                int(np.sum(statistic <= calibrated)), count, "replications"
            )
            measured[f"theory {rate:g}, {plays} plays"] = share(int(np.sum(statistic <= proved)), count, "replications")
    return Evidence(measured)


def _budget(rate: float) -> Budget:
    return "smoke" if rate == RATES[1] else "small"


LIKELIHOOD = Reproduction(
    "quantal:E3",
    "How well answers tell the follower's reward",
    WILKS,
    tuple(
        claim
        for rate in RATES
        for claim in (
            Claim(
                f"rate {rate:g}",
                f"At inverse temperature {rate:g} the root mean square error falls as the root of the number of plays.",
                "asymptotic normality of the maximum likelihood estimate",
                -0.5,
                "equals",
                0.1,
                _budget(rate),
                200,
            ),
            Claim(
                f"wilks {rate:g}",
                f"At inverse temperature {rate:g} twice the likelihood ratio has mean 6, with no constraint.",
                WILKS,
                6.0,
                "equals",
                0.5,
                "small",
                1000,
            ),
        )
    ),
    _rate,
)

COVERAGE = Reproduction(
    "quantal:E4",
    "How often confidence sets hold the follower's reward",
    WILKS,
    tuple(
        claim
        for rate in RATES
        for plays in COVERED
        for claim in (
            Claim(
                f"calibrated {rate:g}, {plays} plays",
                f"The calibrated 95 % set after {plays} plays at inverse temperature {rate:g}.",
                WILKS,
                0.95,
                "equals",
                0.03,
                "small",
                2000,
            ),
            Claim(
                f"theory {rate:g}, {plays} plays",
                f"The proved set after {plays} plays at inverse temperature {rate:g} always holds it.",
                "the covering argument, at confidence 0.95",
                0.95,
                "at least",
                0.0,
                _budget(rate),
                2000,
            ),
        )
    ),
    _coverage,
)

ENTRIES = (LIKELIHOOD, COVERAGE)
