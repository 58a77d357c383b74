"""Answers to a follower that is no quantal response: models that expect one to err in another way, learned with it.

A population of quantal responses with one reward R and inverse temperatures κ λ,

    ν(b; x) = Σ_k m(k) softmax(κ(k) λ q(b)),    q(b) = Σ_a x(a|b) R(a, b),

holds both that are used here:

- "contamination": κ = (1, 0), m = (1 - ε, ε). With probability ε the follower picks any action, all alike.
- "mixed rates": log κ normal around 0 with standard deviation σ, by Gauss-Hermite quadrature. The follower's inverse
  temperature is another one at every stage of every episode (a mixed logit).

R and ε (or σ) are fitted together by expectation-maximisation: with the probability that an answer came from part k as
its weight, R maximises an ordinary likelihood in which part k was shown the announcement κ(k) x. That is the same
likelihood that a leader without doubts maximises, so that `fitted` does it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._learner import Metrics
from .._runs import Metric
from .._types import AnyArray, Key
from ..calculus.simplex import quantal_choice, weight
from ..play.agent import AbstractAgent
from ..play.base import Belief
from ..play.markov_world import MarkovEpisode, MarkovRules
from ..solvers.quantal.climb import best_of_starts, candidates
from .agents import MEANINGS
from .bonus import Uncertainty
from .leader_model import action_values
from .myopic_likelihood import fitted, reward_table, zero_weights
from .record import PlayRecord, Schedule
from .value_iteration import Known, Planned, known


Departure: TypeAlias = Literal["contamination", "mixed rates"]

DEPARTURES: tuple[Departure, ...] = ("contamination", "mixed rates")

PRIOR_PLAYS, PRIOR_SIZE = 20.0, {"contamination": 0.05, "mixed rates": 0.3}
"""ε and σ start at these, as if so many plays had told them: a log of a few plays says little about either."""


class Population(eqx.Module):
    """A follower with one reward and several inverse temperatures.

    - `weights`: `(h, k, d)`, as in `ResponseEstimate`.  `information`: of the answers whose part is known, which is
      more than what answers alone tell.  `slope`: the gradient left at the last step.
    - `size`: ε, or σ.
    """

    weights: Float[AnyArray, "h k d"]
    information: Float[AnyArray, "h k d d"]
    slope: Float[AnyArray, ""]
    size: Float[AnyArray, ""]


def unfitted(rules: MarkovRules, departure: Departure) -> Population:
    """What is thought of a follower that was never seen."""
    weights = zero_weights(rules)
    information = jnp.zeros((*weights.shape, weights.shape[-1]))
    return Population(weights, information, jnp.zeros(()), jnp.asarray(PRIOR_SIZE[departure]))


def parts(
    departure: Departure, size: Float[AnyArray, ""] | float, num_nodes: int
) -> tuple[Float[AnyArray, "k"], Float[AnyArray, "k"]]:
    """Factors κ of the inverse temperature and shares m of the parts of the population."""
    if departure == "contamination":
        return jnp.asarray([1.0, 0.0]), jnp.stack([1.0 - jnp.asarray(size), jnp.asarray(size)])
    places, shares = np.polynomial.hermite_e.hermegauss(num_nodes)
    return weight(jnp.asarray(size) * places), jnp.asarray(shares / shares.sum())


def population_choice(
    value: Float[AnyArray, "*n b"],
    inverse_temperature: Float[AnyArray, ""] | float,
    scales: Float[AnyArray, "k"],
    shares: Float[AnyArray, "k"],
) -> tuple[Float[AnyArray, "*n b"], Float[AnyArray, "k *n b"]]:
    """The population's choice between actions of these values, and what each part adds to it."""
    each = jax.vmap(lambda scale: quantal_choice(value, scale * inverse_temperature))(scales)
    added = shares.reshape(-1, *[1] * jnp.ndim(value)) * each
    return jnp.sum(added, axis=0), added


def population_fitted(
    rules: MarkovRules,
    record: PlayRecord,
    start: Population,
    ridge: Float[AnyArray, ""] | float,
    num_steps: int,
    departure: Departure,
    num_nodes: int = 5,
) -> Population:
    """Expectation-maximisation from `start`, with one Newton step for the reward in each of `num_steps` rounds.

    The likelihood never falls but for the shares' prior (`PRIOR_PLAYS`); its maximum need not be unique.
    """
    letters = "nhsba,hsab->nhsb" if rules.is_prescription else "nhsa,hsab->nhsb"
    announced = jnp.asarray(record.commitment)

    def step(held, _):
        scales, shares = parts(departure, held.size, num_nodes)
        value = jnp.einsum(letters, announced, reward_table(rules, held.weights))
        choice, added = population_choice(value, rules.inverse_temperature, scales, shares)
        answers = record.answers * added / jnp.maximum(choice, 1e-300)
        # The part that answers alike whatever is announced tells nothing about the reward.
        moving = slice(0, 1) if departure == "contamination" else slice(None)
        seen = dataclasses.replace(
            record,
            commitment=_together(scales[moving].reshape(-1, *[1] * announced.ndim) * announced),
            answers=_together(answers[moving]),
        )
        found = fitted(rules, seen, held.weights, jnp.asarray(ridge), 1)
        size = _size(departure, held.size, jnp.sum(answers, axis=(1, 2, 3, 4)), num_nodes)
        return Population(found.weights, found.information, found.slope, size), None

    held, _ = jax.lax.scan(step, start, length=num_steps)
    return held


def _together(stack: Float[AnyArray, "k n *rest"]) -> Float[AnyArray, "m *rest"]:
    return stack.reshape(-1, *stack.shape[2:])


def _size(
    departure: Departure, size: Float[AnyArray, ""], plays: Float[AnyArray, "k"], num_nodes: int
) -> Float[AnyArray, ""]:
    """ε or σ that fit how many answers are expected to have come from each part."""
    start, total = PRIOR_SIZE[departure], jnp.sum(plays) + PRIOR_PLAYS
    if departure == "contamination":
        return (plays[1] + PRIOR_PLAYS * start) / total
    places, _ = np.polynomial.hermite_e.hermegauss(num_nodes)
    return jnp.sqrt((jnp.sum(plays * (size * places) ** 2) + PRIOR_PLAYS * start**2) / total)


def population_planned(
    rules: MarkovRules,
    record: PlayRecord,
    follower: Known,
    scales: Float[AnyArray, "k"],
    shares: Float[AnyArray, "k"],
    uncertainty: Uncertainty,
    sign: float,
    num_episodes: int,
) -> Planned:
    """Value iteration as in `planned`, against a population; the follower's bonus is the g-aware one."""

    def stage(following, now):
        h, reward, covariance = now
        value = action_values(rules, record, h, following, uncertainty, sign, num_episodes)
        low = (rules.horizon - h) * jnp.asarray(rules.reward_low)
        span = (rules.horizon - h) * (jnp.asarray(rules.reward_high) - jnp.asarray(rules.reward_low))
        choose = lambda *state: _decided(rules, scales, shares, uncertainty, sign, span, *state)
        commitment, worth, response, is_capped = jax.vmap(choose)(value, reward, covariance)
        return jnp.clip(worth, low, low + span), (commitment, worth, response, value, is_capped)

    stages = (jnp.arange(rules.horizon), follower.reward, follower.covariance)
    _, made = jax.lax.scan(stage, jnp.zeros(len(rules.states)), stages, reverse=True)
    commitment, worth, response, value, is_capped = made
    return Planned(commitment, worth, Belief(response, value), jnp.mean(is_capped))


def _decided(
    rules: MarkovRules,
    scales: Float[AnyArray, "k"],
    shares: Float[AnyArray, "k"],
    uncertainty: Uncertainty,
    sign: float,
    span: Float[AnyArray, ""],
    value: Float[AnyArray, "a b"],
    reward: Float[AnyArray, "a b"],
    covariance: Float[AnyArray, "a b a b"],
) -> tuple[Float[AnyArray, "*b a"], Float[AnyArray, ""], Float[AnyArray, "b"], Float[AnyArray, ""]]:
    """The best announcement at one stage and state, its worth, the answer expected, and whether its bonus is capped."""
    rate = jnp.asarray(rules.inverse_temperature)
    num_rows, num_columns = value.shape

    def faced(commitment):
        rows = commitment if rules.is_prescription else jnp.broadcast_to(commitment, (num_columns, num_rows))
        gain = jnp.sum(rows.T * value, axis=0)
        choice, added = population_choice(jnp.sum(rows.T * reward, axis=0), rate, scales, shares)
        # The derivative of the leader's value in the follower's values, part by part.
        means = jnp.sum(added * gain, axis=-1, keepdims=True) / jnp.maximum(shares[:, None], 1e-300)
        through = rows.T * jnp.sum(rate * scales[:, None] * added * (gain - means), axis=0)
        variance = jnp.sum(through[:, :, None, None] * covariance * through[None, None, :, :])
        width = jnp.minimum(jnp.sqrt(jnp.maximum(variance, 0.0) + 1e-16), span)
        return choice, jnp.sum(choice * gain), uncertainty.follower_bonus * width

    def objective(commitment):
        _, worth, width = faced(commitment)
        return worth + sign * width

    mixtures = jnp.asarray(candidates(num_rows))
    if rules.is_prescription:
        mixtures = jnp.broadcast_to(mixtures[:, None, :], (mixtures.shape[0], num_columns, num_rows))
    commitment, worth = best_of_starts(objective, mixtures)
    choice, _, width = faced(commitment)
    most = uncertainty.follower_bonus * span
    return commitment, worth, choice, ((width >= most) & (most > 0.0)).astype(float)


class Doubt(eqx.Module):
    """The record, the population that explains it, and the plan."""

    record: PlayRecord
    follower: Population
    plan: Planned


class RobustValueIteration(AbstractAgent):
    """Optimistic value iteration for a leader who doubts that its follower is a quantal response.

    - `departure`: "contamination" or "mixed rates", see the module: what else the follower may be.  `num_nodes`: of the
      quadrature over rates.
    - `capacity`, `refit_every`, `ridge`, `uncertainty`: as for `OptimisticValueIteration`; the follower's bonus is the
      g-aware one whatever `uncertainty.form` says.
    - `rounds`: of expectation-maximisation at each refit, from where the last one ended.

    Where the follower is a quantal response ε and σ go to 0, and the two learners become one.
    """

    capacity: int
    refit_every: int
    rounds: int
    departure: Departure = eqx.field(static=True)
    num_nodes: int
    uncertainty: Uncertainty
    ridge: float

    def __init__(
        self,
        capacity: Any = 2000,
        refit_every: Any = 20,
        rounds: Any = 4,
        departure: Any = "contamination",
        num_nodes: Any = 5,
        uncertainty: Any = None,
        ridge: Any = 1e-2,
    ) -> None:
        self.capacity = boundary.whole_number("capacity", capacity, low=1)
        self.refit_every = boundary.whole_number("refit_every", refit_every, low=1)
        self.rounds = boundary.whole_number("rounds", rounds, low=1)
        self.departure = boundary.one_of("departure", departure, DEPARTURES)  # type: ignore[assignment]
        self.num_nodes = boundary.whole_number("num_nodes", num_nodes, low=2, high=64)
        given = Uncertainty() if uncertainty is None else uncertainty
        self.uncertainty = boundary.instance("uncertainty", given, Uncertainty, "sg.Uncertainty()")
        self.ridge = boundary.real_number("ridge", ridge, low=0.0, low_open=True)

    @property
    def max_steps(self) -> int:
        """One step is one episode."""
        return self.capacity

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """What it expects, and how far from a quantal response it takes the follower to be."""
        word = (
            "share of answers by chance" if self.departure == "contamination" else "spread of log inverse temperature"
        )
        return {
            **{name: MEANINGS[name] for name in ("promised_value", "at_cap", "slope")},
            "departure": Metric(word, "", "follower"),
        }

    def init(self, rules: MarkovRules, key: Key) -> Doubt:
        """Nothing seen."""
        del key
        record = PlayRecord.empty(rules, self._schedule.num_rows)
        follower = unfitted(rules, self.departure)
        return Doubt(record, follower, self._plan(rules, record, follower))

    def announce(self, rules: MarkovRules, state: Doubt, n: Any, key: Key) -> Float[AnyArray, "h s *b a"]:
        """The present plan."""
        del rules, n, key
        return state.plan.commitment

    def observe(
        self, rules: MarkovRules, state: Doubt, episode: MarkovEpisode, n: Any, key: Key
    ) -> tuple[Doubt, Metrics]:
        """Count what happened; when a new announcement is due, estimate and plan anew."""
        del key
        schedule = self._schedule
        state = Doubt(state.record.add(episode, schedule.row(n)), state.follower, state.plan)
        state = jax.lax.cond(schedule.is_due(n), lambda: self._renewed(rules, state), lambda: state)
        return state, {
            "promised_value": jnp.asarray(rules.initial) @ state.plan.value[0],
            "at_cap": state.plan.at_cap,
            "slope": state.follower.slope,
            "departure": state.follower.size,
        }

    def recommend(self, rules: MarkovRules, state: Doubt) -> Float[AnyArray, "h s *b a"]:
        """What it would announce next: its plan."""
        del rules
        return state.plan.commitment

    def belief(self, rules: MarkovRules, state: Doubt) -> Belief:
        """The response and the action values behind the present plan."""
        del rules
        return state.plan.belief

    @property
    def _schedule(self) -> Schedule:
        return Schedule(self.capacity, self.refit_every)

    def _renewed(self, rules: MarkovRules, state: Doubt) -> Doubt:
        ridge = jnp.asarray(self.ridge) / jnp.asarray(rules.inverse_temperature) ** 2
        follower = population_fitted(
            rules, state.record, state.follower, ridge, self.rounds, self.departure, self.num_nodes
        )
        return Doubt(state.record, follower, self._plan(rules, state.record, follower))

    def _plan(self, rules: MarkovRules, record: PlayRecord, follower: Population) -> Planned:
        seen = known(rules, record, follower.weights, follower.information, self.uncertainty, self.capacity)
        scales, shares = parts(self.departure, follower.size, self.num_nodes)
        return population_planned(rules, record, seen, scales, shares, self.uncertainty, 1.0, self.capacity)
