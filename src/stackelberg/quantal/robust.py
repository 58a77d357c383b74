"""The leader who doubts that its follower is a quantal response, and learns how far from one it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from .. import _boundary as boundary
from .._learner import Metrics
from .._runs import Metric
from .._types import AnyArray, Key
from ..play.agent import AbstractAgent
from ..play.base import Belief
from ..play.markov_world import MarkovEpisode, MarkovRules
from .agents import MEANINGS
from .bonus import Uncertainty
from .population import DEPARTURES, Departure, Population, parts, population_fitted, population_planned, unfitted
from .record import PlayRecord, Schedule
from .value_iteration import Planned, known


class Doubt(eqx.Module):
    """The record, the population that explains it, and the plan."""

    record: PlayRecord
    follower: Population
    plan: Planned


class RobustValueIteration(AbstractAgent):
    """Optimistic value iteration for a leader who doubts that its follower is a quantal response.

    - `departure`: "contamination" or "mixed rates", see `population`: what else the follower may be.  `num_nodes`: of
      the quadrature over rates.
    - `capacity`, `refit_every`, `ridge`, `uncertainty`: as for `OptimisticValueIteration`; the follower's bonus is the
      g-aware one whatever `uncertainty.form` says.
    - `newton_steps`: of the fit at each refit, from where the last one ended.

    Where the follower is a quantal response ε (or σ²) becomes small, and the two learners become one.
    """

    capacity: int
    refit_every: int
    newton_steps: int
    departure: Departure = eqx.field(static=True)
    num_nodes: int
    uncertainty: Uncertainty
    ridge: float

    def __init__(
        self,
        capacity: Any = 2000,
        refit_every: Any = 20,
        newton_steps: Any = 3,
        departure: Any = "contamination",
        num_nodes: Any = 5,
        uncertainty: Any = None,
        ridge: Any = 1e-2,
    ) -> None:
        self.capacity = boundary.whole_number("capacity", capacity, low=1)
        self.refit_every = boundary.whole_number("refit_every", refit_every, low=1)
        self.newton_steps = boundary.whole_number("newton_steps", newton_steps, low=1)
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
            "share of answers by chance" if self.departure == "contamination" else "variance of log inverse temperature"
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
            rules, state.record, state.follower, ridge, self.newton_steps, self.departure, self.num_nodes
        )
        return Doubt(state.record, follower, self._plan(rules, state.record, follower))

    def _plan(self, rules: MarkovRules, record: PlayRecord, follower: Population) -> Planned:
        seen = known(rules, record, follower.weights, follower.information, self.uncertainty, self.capacity)
        scales, shares = parts(self.departure, follower.size, self.num_nodes)
        return population_planned(rules, record, seen, scales, shares, self.uncertainty, 1.0, self.capacity)
