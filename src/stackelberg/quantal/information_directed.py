"""Announcements that are chosen for what they tell: as little regret as possible for what is learned.

At each stage and state, with W(x) the leader's value of announcing x by its estimates, w(x) the g-aware width of it and
x⁺ the most optimistic announcement, the leader announces the x that minimises

    (W(x⁺) + w(x⁺) - W(x) + w(x))² / I(x),      I(x) = Var_{b ~ ν(x)} [ Σ_a x(a) (K v)(a, b) ] / (R² vᵀ K v),

where v is the derivative of W(x⁺) in the follower's reward and K = R² (Σ + ridge)⁻¹ its covariance: one play of x adds
the covariance of its averaged features to Σ, and so takes the share I(x), to first order, off the squared width of x⁺.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from .. import _boundary as boundary
from .._learner import Metrics
from .._runs import Metric
from .._types import AnyArray, Key
from ..calculus.simplex import quantal_choice
from ..play.agent import AbstractAgent
from ..play.base import Belief
from ..play.markov_world import MarkovEpisode, MarkovRules
from ..solvers.quantal.climb import best_of_starts, candidates
from .agents import MEANINGS, Knowledge, blank, counted, estimated, metrics_of
from .bonus import Uncertainty
from .leader_model import action_values
from .record import PlayRecord, Schedule
from .value_iteration import Known, Planned, known


SMALLEST = 1e-12
"""Information below this counts as none."""


class Directed(eqx.Module):
    """What is known with the plan that is announced, and the optimistic plan beside it."""

    knowledge: Knowledge
    optimistic: Float[AnyArray, "h s *b a"]


class InformationDirected(AbstractAgent):
    """Announce what costs least regret for what it tells; see the module for the ratio that is minimised.

    What counts as information is about the follower; the leader's own values are optimistic, as for
    `OptimisticValueIteration`, whose settings `capacity`, `refit_every`, `newton_steps`, `uncertainty` and `ridge` are.
    The widths are the g-aware ones whatever `uncertainty.form` and `uncertainty.scheme` say.

    The ratio and its deterministic minimiser are those of Kirschner and Krause (2018) for bandits with noise of unequal
    size, after Russo and Van Roy (2014). Departure: announcements answered by a quantal follower, stage by stage.
    """

    capacity: int
    refit_every: int
    newton_steps: int
    uncertainty: Uncertainty
    ridge: float

    def __init__(
        self,
        capacity: Any = 2000,
        refit_every: Any = 20,
        newton_steps: Any = 3,
        uncertainty: Any = None,
        ridge: Any = 1e-2,
    ) -> None:
        self.capacity = boundary.whole_number("capacity", capacity, low=1)
        self.refit_every = boundary.whole_number("refit_every", refit_every, low=1)
        self.newton_steps = boundary.whole_number("newton_steps", newton_steps, low=1)
        given = Uncertainty() if uncertainty is None else uncertainty
        self.uncertainty = boundary.instance("uncertainty", given, Uncertainty, "sg.Uncertainty()")
        self.ridge = boundary.real_number("ridge", ridge, low=0.0, low_open=True)

    @property
    def max_steps(self) -> int:
        """One step is one episode."""
        return self.capacity

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """What tells whether the run can be trusted."""
        return MEANINGS

    def init(self, rules: MarkovRules, key: Key) -> Directed:
        """Nothing seen."""
        del key
        one = self.uncertainty
        state = blank(rules, self._schedule.num_rows, one, 1.0, "quantal", self.capacity)
        follower = known(rules, state.record, state.weights, state.information, one, self.capacity)
        return self._directed(rules, state, follower)

    def announce(self, rules: MarkovRules, state: Directed, n: Any, key: Key) -> Float[AnyArray, "h s *b a"]:
        """The plan that learns at the least cost."""
        del rules, n, key
        return state.knowledge.plan.commitment

    def observe(
        self, rules: MarkovRules, state: Directed, episode: MarkovEpisode, n: Any, key: Key
    ) -> tuple[Directed, Metrics]:
        """Count what happened; when a new announcement is due, estimate and plan anew."""
        del key
        schedule = self._schedule
        state = Directed(counted(state.knowledge, episode, schedule.row(n)), state.optimistic)
        state = jax.lax.cond(schedule.is_due(n), lambda: self._renewed(rules, state), lambda: state)
        return state, metrics_of(rules, state.knowledge)

    def recommend(self, rules: MarkovRules, state: Directed) -> Float[AnyArray, "h s *b a"]:
        """The optimistic plan."""
        del rules
        return state.optimistic

    def belief(self, rules: MarkovRules, state: Directed) -> Belief:
        """The response to the present plan, and the action values behind it."""
        del rules
        return state.knowledge.plan.belief

    @property
    def _schedule(self) -> Schedule:
        return Schedule(self.capacity, self.refit_every)

    def _renewed(self, rules: MarkovRules, state: Directed) -> Directed:
        one = state.knowledge
        return self._directed(
            rules, *estimated(rules, one, self.uncertainty, self.ridge, self.newton_steps, self.capacity)
        )

    def _directed(self, rules: MarkovRules, state: Knowledge, follower: Known) -> Directed:
        plan, optimistic = directed(rules, state.record, follower, self.uncertainty, self.capacity)
        return Directed(replace(state, plan=plan), optimistic)


def directed(
    rules: MarkovRules, record: PlayRecord, follower: Known, uncertainty: Uncertainty, num_episodes: int
) -> tuple[Planned, Float[AnyArray, "h s *b a"]]:
    """The plan of the least ratio, stage by stage from the last, and the optimistic one.

    `value` of the plan is that of the optimistic one: what may follow is worth as much as it can be.
    """
    radius = uncertainty.squared_radius(rules, num_episodes)

    def stage(following, now):
        h, reward, covariance = now
        value = action_values(rules, record, h, following, uncertainty, 1.0, num_episodes)
        low = (rules.horizon - h) * jnp.asarray(rules.reward_low)
        span = (rules.horizon - h) * (jnp.asarray(rules.reward_high) - jnp.asarray(rules.reward_low))
        choose = lambda *state: _decided(rules, uncertainty, span, radius, *state)
        chosen, optimistic, worth, response, is_capped = jax.vmap(choose)(value, reward, covariance)
        return jnp.clip(worth, low, low + span), (chosen, optimistic, worth, response, value, is_capped)

    stages = (jnp.arange(rules.horizon), follower.reward, follower.covariance)
    _, made = jax.lax.scan(stage, jnp.zeros(len(rules.states)), stages, reverse=True)
    chosen, optimistic, worth, response, value, is_capped = made
    return Planned(chosen, worth, Belief(response, value), jnp.mean(is_capped)), optimistic


def _decided(
    rules: MarkovRules,
    uncertainty: Uncertainty,
    span: Float[AnyArray, ""],
    radius: Float[AnyArray, ""] | float,
    value: Float[AnyArray, "a b"],
    reward: Float[AnyArray, "a b"],
    covariance: Float[AnyArray, "a b a b"],
) -> tuple[
    Float[AnyArray, "*b a"], Float[AnyArray, "*b a"], Float[AnyArray, ""], Float[AnyArray, "b"], Float[AnyArray, ""]
]:
    """At one stage and state: what is announced, the optimistic announcement and its worth, and what is expected."""
    rate = jnp.asarray(rules.inverse_temperature)
    num_rows, num_columns = value.shape

    def faced(commitment):
        """The mixtures, the answer, the worth, the derivative of it in the follower's reward, and its width."""
        rows = commitment if rules.is_prescription else jnp.broadcast_to(commitment, (num_columns, num_rows))
        gain = jnp.sum(rows.T * value, axis=0)
        choice = quantal_choice(jnp.sum(rows.T * reward, axis=0), rate)
        worth = jnp.sum(choice * gain)
        slope = rate * rows.T * choice * (gain - worth)
        variance = jnp.sum(slope[:, :, None, None] * covariance * slope[None, None, :, :])
        width = uncertainty.follower_bonus * jnp.minimum(jnp.sqrt(jnp.maximum(variance, 0.0) + 1e-16), span)
        return rows, choice, worth, slope, width

    def hoped(commitment):
        _, _, worth, _, width = faced(commitment)
        return worth + width

    mixtures = jnp.asarray(candidates(num_rows))
    if rules.is_prescription:
        mixtures = jnp.broadcast_to(mixtures[:, None, :], (mixtures.shape[0], num_columns, num_rows))
    optimistic, most = best_of_starts(hoped, mixtures)
    _, _, _, slope, widest = faced(optimistic)
    pull = jnp.sum(covariance * slope[None, None, :, :], axis=(2, 3))
    whole = jnp.maximum(jnp.sum(slope * pull), 1e-16)

    def told(commitment):
        """Minus the ratio."""
        rows, choice, worth, _, width = faced(commitment)
        seen = jnp.sum(rows.T * pull, axis=0)
        information = jnp.sum(choice * (seen - jnp.sum(choice * seen)) ** 2) / (radius * whole)
        return -((most - worth + width) ** 2) / (information + SMALLEST)

    chosen, _ = best_of_starts(told, jnp.concatenate([mixtures, optimistic[None]]))
    limit = uncertainty.follower_bonus * span
    is_capped = (widest >= limit) & (limit > 0.0)
    return chosen, optimistic, most, faced(chosen)[1], is_capped.astype(float)
