"""What to compare with, with a model of the follower: explore and commit, posterior sampling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Bool, Float

from .. import _boundary as boundary
from .._learner import Metrics
from .._runs import Metric
from .._types import AnyArray, Key
from ..play.agent import AbstractAgent
from ..play.base import Belief
from ..play.markov_world import MarkovEpisode, MarkovRules
from .agents import MEANINGS
from .bonus import Uncertainty
from .leader_model import action_values
from .myopic_likelihood import fitted, zero_weights
from .record import PlayRecord, Schedule
from .value_iteration import Planned, known, planned


CERTAIN = Uncertainty(leader_bonus=0.0, follower_bonus=0.0)

TOLD: Mapping[str, Metric] = {name: MEANINGS[name] for name in ("promised_value", "slope")}


class Learned(eqx.Module):
    """The record, the follower's weights by maximum likelihood, the plan, and the gradient left at the estimate."""

    record: PlayRecord
    weights: Float[AnyArray, "h k d"]
    plan: Planned
    slope: Float[AnyArray, ""]


class ExploreThenCommit(AbstractAgent):
    """PURE: announce pure strategies in turn, estimate the follower, then commit to the plan that takes it as true.

    For the first `num_exploring` episodes the leader announces one pure action at all stages and states, each action in
    turn; then the plan for the maximum likelihood estimate. A regret of the order of `num_exploring` plus the number of
    episodes left over √`num_exploring`: with a fixed number of exploring episodes it grows in proportion to the time.

    - `capacity`: how many episodes there is room for.  `ridge`, `newton_steps`: of the likelihood, as for
      `OptimisticValueIteration`.
    - `keeps_learning`: whether the estimate and the plan are renewed afterwards; after n episodes the next
      n / `refit_every` share one announcement.

    Wu, Shen, Fang and Xu (2022), Section 4, for one-shot games. Departure: they query pure strategies in a matrix game
    and stop at the estimate; the plan, and stages, are added here.
    """

    capacity: int
    num_exploring: int
    keeps_learning: bool = eqx.field(static=True)
    refit_every: int
    newton_steps: int
    ridge: float

    def __init__(
        self,
        capacity: Any = 2000,
        num_exploring: Any = 200,
        keeps_learning: Any = False,
        refit_every: Any = 20,
        newton_steps: Any = 20,
        ridge: Any = 1e-2,
    ) -> None:
        self.capacity = boundary.whole_number("capacity", capacity, low=1)
        self.num_exploring = boundary.whole_number("num_exploring", num_exploring, low=1, high=self.capacity)
        self.keeps_learning = boundary.boolean("keeps_learning", keeps_learning)
        self.refit_every = boundary.whole_number("refit_every", refit_every, low=1)
        self.newton_steps = boundary.whole_number("newton_steps", newton_steps, low=1)
        self.ridge = boundary.real_number("ridge", ridge, low=0.0, low_open=True)

    @property
    def max_steps(self) -> int:
        """One step is one episode."""
        return self.capacity

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """What it expects, and whether the likelihood is at its maximum."""
        return TOLD

    def init(self, rules: MarkovRules, key: Key) -> Learned:
        """Nothing seen."""
        del key
        return _unlearned(rules, rules.shape[2] + int(self._is_new.sum()), self.capacity)

    def announce(self, rules: MarkovRules, state: Learned, n: Any, key: Key) -> Float[AnyArray, "h s *b a"]:
        """A pure action while exploring, the plan afterwards."""
        del key
        num_rows = rules.shape[2]
        pure = jnp.zeros_like(rules.uniform_commitment()).at[..., jnp.asarray(n) % num_rows].set(1.0)
        return jnp.where(jnp.asarray(n) < self.num_exploring, pure, state.plan.commitment)

    def observe(
        self, rules: MarkovRules, state: Learned, episode: MarkovEpisode, n: Any, key: Key
    ) -> tuple[Learned, Metrics]:
        """Count what happened; estimate and plan when exploring is over, and whenever a new plan is due later."""
        del key
        num_rows, is_new, episodes = rules.shape[2], self._is_new, np.arange(self.capacity)
        row = np.where(episodes < self.num_exploring, episodes % num_rows, num_rows + np.cumsum(is_new) - 1)
        record = state.record.add(episode, jnp.asarray(row, jnp.int32)[n])
        state = Learned(record, state.weights, state.plan, state.slope)
        is_due = jnp.asarray(np.append(is_new[1:], self.capacity == self.num_exploring))[n]
        state = jax.lax.cond(is_due, lambda: self._renewed(rules, state), lambda: state)
        return state, _told(rules, state)

    def recommend(self, rules: MarkovRules, state: Learned) -> Float[AnyArray, "h s *b a"]:
        """The present plan; uniform play before there is one."""
        del rules
        return state.plan.commitment

    def belief(self, rules: MarkovRules, state: Learned) -> Belief | None:
        """None: while exploring it expects nothing."""
        del rules, state
        return None

    @property
    def _is_new(self) -> Bool[np.ndarray, "n"]:
        """Whether episode n is the first one of a new plan."""
        episodes = np.arange(self.capacity)
        if not self.keeps_learning:
            return episodes == self.num_exploring
        return Schedule(self.capacity, self.refit_every).is_new & (episodes > self.num_exploring) | (
            episodes == self.num_exploring
        )

    def _renewed(self, rules: MarkovRules, state: Learned) -> Learned:
        ridge = jnp.asarray(self.ridge) / jnp.asarray(rules.inverse_temperature) ** 2
        found = fitted(rules, state.record, state.weights, ridge, self.newton_steps)
        return Learned(
            state.record,
            found.weights,
            _plain_plan(rules, state.record, found.weights, found.information, self.capacity),
            found.slope,
        )


class PosteriorSampling(AbstractAgent):
    """Plan as if a draw from the posterior were true, announce the plan, learn from the answers.

    The follower's weights are drawn from the Laplace approximation of their posterior, normal around the maximum of the
    likelihood with covariance (λ² (Σ + ridge))⁻¹; the leader's value of each pair of actions gets normal noise of the
    size of its bonus, drawn independently (randomised value functions). A new draw is made with every new announcement.

    - `capacity`, `refit_every`, `newton_steps`, `ridge`: as for `OptimisticValueIteration`.
    - `uncertainty`: its `leader_bonus` is the size of the noise, its `follower_bonus` a factor of the standard
      deviations of the draw, its `ridge` times 1/λ² is added to Σ.
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
        """What it expects, and whether the likelihood is at its maximum."""
        return TOLD

    def init(self, rules: MarkovRules, key: Key) -> Learned:
        """Nothing seen; the first plan is for a draw from the prior."""
        blank = _unlearned(rules, self._schedule.num_rows, self.capacity)
        return self._drawn(rules, blank, jnp.zeros((*blank.weights.shape, blank.weights.shape[-1])), key)

    def announce(self, rules: MarkovRules, state: Learned, n: Any, key: Key) -> Float[AnyArray, "h s *b a"]:
        """The plan for the present draw."""
        del rules, n, key
        return state.plan.commitment

    def observe(
        self, rules: MarkovRules, state: Learned, episode: MarkovEpisode, n: Any, key: Key
    ) -> tuple[Learned, Metrics]:
        """Count what happened; when a new announcement is due, estimate, draw and plan anew."""
        schedule = self._schedule
        state = Learned(state.record.add(episode, schedule.row(n)), state.weights, state.plan, state.slope)
        renew = lambda: self._renewed(rules, state, key)
        state = jax.lax.cond(schedule.is_due(n), renew, lambda: state)
        return state, _told(rules, state)

    def recommend(self, rules: MarkovRules, state: Learned) -> Float[AnyArray, "h s *b a"]:
        """The plan for the present draw."""
        del rules
        return state.plan.commitment

    def belief(self, rules: MarkovRules, state: Learned) -> Belief:
        """The response and the action values of the draw."""
        del rules
        return state.plan.belief

    @property
    def _schedule(self) -> Schedule:
        return Schedule(self.capacity, self.refit_every)

    def _renewed(self, rules: MarkovRules, state: Learned, key: Key) -> Learned:
        ridge = jnp.asarray(self.ridge) / jnp.asarray(rules.inverse_temperature) ** 2
        found = fitted(rules, state.record, state.weights, ridge, self.newton_steps)
        state = Learned(state.record, found.weights, state.plan, found.slope)
        return self._drawn(rules, state, found.information, key)

    def drawn_weights(
        self, rules: MarkovRules, weights: Float[AnyArray, "h k d"], information: Float[AnyArray, "h k d d"], key: Key
    ) -> Float[AnyArray, "h k d"]:
        """The follower's weights, drawn from the normal law around `weights`."""
        precision = information + self.uncertainty.added(rules) * jnp.eye(information.shape[-1])
        normal = jr.normal(key, weights.shape)[..., None]
        step = jax.scipy.linalg.solve_triangular(jnp.linalg.cholesky(precision), normal, lower=True, trans=1)[..., 0]
        return weights + self.uncertainty.follower_bonus * step / jnp.asarray(rules.inverse_temperature)

    def _drawn(self, rules: MarkovRules, state: Learned, information: Float[AnyArray, "h k d d"], key: Key) -> Learned:
        """The plan for a draw from what is known."""
        weights_key, values_key = jr.split(key)
        weights = self.drawn_weights(rules, state.weights, information, weights_key)
        noise = jr.normal(values_key, rules.shape) * _leader_noise(rules, state.record, self.uncertainty, self.capacity)
        plan = _plain_plan(rules, state.record, weights, information, self.capacity, noise)
        return Learned(state.record, state.weights, plan, state.slope)


def _unlearned(rules: MarkovRules, num_rows: int, capacity: int) -> Learned:
    record, weights = PlayRecord.empty(rules, num_rows), zero_weights(rules)
    information = jnp.zeros((*weights.shape, weights.shape[-1]))
    return Learned(record, weights, _plain_plan(rules, record, weights, information, capacity), jnp.zeros(()))


def _plain_plan(
    rules: MarkovRules,
    record: PlayRecord,
    weights: Float[AnyArray, "h k d"],
    information: Float[AnyArray, "h k d d"],
    capacity: int,
    noise: Float[AnyArray, "h s a b"] | float = 0.0,
) -> Planned:
    """The plan that takes these weights, and the leader's estimated values plus `noise`, as true."""
    follower = known(rules, record, weights, information, CERTAIN, capacity)
    return planned(rules, record, follower, CERTAIN, 0.0, "quantal", capacity, noise)


def _leader_noise(
    rules: MarkovRules, record: PlayRecord, uncertainty: Uncertainty, capacity: int
) -> Float[AnyArray, "h s a b"]:
    """The size of the leader's bonus on each pair of actions, whatever comes later."""
    nothing = jnp.zeros(len(rules.states))
    value = lambda h, sign: action_values(rules, record, h, nothing, uncertainty, sign, capacity)
    return jax.vmap(lambda h: value(h, 1.0) - value(h, 0.0))(jnp.arange(rules.horizon))


def _told(rules: MarkovRules, state: Learned) -> Metrics:
    return {"promised_value": jnp.asarray(rules.initial) @ state.plan.value[0], "slope": state.slope}
