"""The agents of value iteration: `OptimisticValueIteration` (MLE-OVI) and `PessimisticValueIteration` (MLE-PVI)."""

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
from .._runs import Alarm, Metric
from .._types import AnyArray, Key
from ..play.agent import AbstractAgent
from ..play.base import Belief
from ..play.markov_world import MarkovEpisode, MarkovRules
from .bonus import Uncertainty
from .myopic_likelihood import fitted, zero_weights
from .record import PlayRecord, Schedule
from .surprise import Surprise
from .value_iteration import ASSUMED, Assumed, Known, Planned, known, planned


class Knowledge(eqx.Module):
    """What the agents carry: the record, the estimate, the plan, and how surprising the answers have been."""

    record: PlayRecord
    weights: Float[AnyArray, "h k d"]
    information: Float[AnyArray, "h k d d"]
    plan: Planned
    surprise: Surprise
    slope: Float[AnyArray, ""]


MEANINGS = {
    "promised_value": Metric("value that the leader expects of its announcement", "payoff", "leader"),
    "surprise": Metric(
        "surprise at the follower's answers",
        "standard deviations",
        "follower",
        alarm=Alarm(
            4.0,
            "The answers are not those of the estimated quantal response, and confidence sets do not hold: try another "
            "inverse temperature or discount, or a robust agent, and look at `stress`.",
        ),
    ),
    "saturation": Metric(
        "largest probability of an answer",
        "",
        "follower",
        alarm=Alarm(
            1.0 - 1e-4,
            "Some answers hardly vary any more and tell nothing of the reward: keep `ridge` at 0.1 or more, or "
            "announce mixtures between which the follower is nearly indifferent.",
        ),
    ),
    "at_cap": Metric(
        "share of bonuses at their cap",
        "",
        "leader",
        "lower",
        Alarm(0.5, 'Bonuses say nothing about what is good: use `preset = "calibrated"`, or play more episodes.'),
    ),
    "slope": Metric(
        "gradient of the likelihood at the estimate, a play",
        "1/payoff",
        "follower",
        "lower",
        Alarm(1e-3, "The likelihood is not at its maximum: raise `newton_steps`."),
    ),
}


class OptimisticValueIteration(AbstractAgent):
    """MLE-OVI: plan for the best that the data leave possible, announce it, learn from the answers.

    - `capacity`: how many episodes there is room for.  `refit_every`: after n episodes the next n / `refit_every` share
      one announcement (one at least), so that the work grows with the logarithm of their number.
    - `uncertainty`: the bonuses.  `assumed`: "quantal"; "best response" takes the follower for one that maximises the
      estimated reward (after Zhong, Yang, Wang and Jordan, 2021), "fixed" for a part of the environment that answers
      the same whatever is announced. Both are there to be compared with.
    - `ridge`: λ² × the penalty on squared weights in the likelihood.  `newton_steps`: at each refit.
    - `memory`: how many episodes' worth of the follower's answers count, for followers that change: before each episode
      the weight of all older answers is multiplied by 1 - 1 / `memory`. None forgets nothing. What the leader is paid
      and where play moves to is never forgotten.
    """

    capacity: int
    refit_every: int
    newton_steps: int
    uncertainty: Uncertainty
    assumed: Assumed = eqx.field(static=True)
    ridge: float
    memory: int | None

    def __init__(
        self,
        capacity: Any = 2000,
        refit_every: Any = 20,
        newton_steps: Any = 3,
        uncertainty: Any = None,
        assumed: Any = "quantal",
        ridge: Any = 1e-2,
        memory: Any = None,
    ) -> None:
        self.capacity = boundary.whole_number("capacity", capacity, low=1)
        self.refit_every = boundary.whole_number("refit_every", refit_every, low=1)
        self.newton_steps = boundary.whole_number("newton_steps", newton_steps, low=1)
        given = Uncertainty() if uncertainty is None else uncertainty
        self.uncertainty = boundary.instance("uncertainty", given, Uncertainty, "sg.Uncertainty()")
        self.assumed = boundary.one_of("assumed", assumed, ASSUMED)  # type: ignore[assignment]
        self.ridge = boundary.real_number("ridge", ridge, low=0.0, low_open=True)
        self.memory = None if memory is None else boundary.whole_number("memory", memory, low=2)

    @property
    def max_steps(self) -> int:
        """One step is one episode."""
        return self.capacity

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """What tells whether the run can be trusted."""
        return MEANINGS

    def init(self, rules: MarkovRules, key: Key) -> Knowledge:
        """Nothing seen: everything is worth as much as it can be."""
        del key
        return blank(rules, self._schedule.num_rows, self.uncertainty, 1.0, self.assumed, self.capacity)

    def announce(self, rules: MarkovRules, state: Knowledge, n: Any, key: Key) -> Float[AnyArray, "h s *b a"]:
        """The present plan."""
        del rules, n, key
        return state.plan.commitment

    def observe(
        self, rules: MarkovRules, state: Knowledge, episode: MarkovEpisode, n: Any, key: Key
    ) -> tuple[Knowledge, Metrics]:
        """Count what happened; when a new announcement is due, estimate and plan anew."""
        del key
        schedule = self._schedule
        if self.memory is not None:
            state = replace(state, record=state.record.faded(1.0 - 1.0 / self.memory))
        state = counted(state, episode, schedule.row(n))
        renew = lambda: _renewed(self, rules, state, 1.0)
        state = jax.lax.cond(schedule.is_due(n), renew, lambda: state)
        return state, metrics_of(rules, state)

    def recommend(self, rules: MarkovRules, state: Knowledge) -> Float[AnyArray, "h s *b a"]:
        """What it would announce next: its plan."""
        del rules
        return state.plan.commitment

    def belief(self, rules: MarkovRules, state: Knowledge) -> Belief:
        """The response and the action values behind the present plan."""
        del rules
        return state.plan.belief

    @property
    def _schedule(self) -> Schedule:
        return Schedule(self.capacity, self.refit_every, self.memory)


class PessimisticValueIteration(AbstractAgent):
    """MLE-PVI: the policy whose value is best in the worst case that the log leaves possible.

    It announces what a log says was announced (uniform play when it is asked for itself), observes, and recommends. Its
    settings are those of `OptimisticValueIteration`; every episode of the log may have an announcement of its own, and
    `capacity` is how many there are. `is_pessimistic=False` takes the estimates as true: the plug-in plan.
    """

    capacity: int
    newton_steps: int
    uncertainty: Uncertainty
    assumed: Assumed = eqx.field(static=True)
    is_pessimistic: bool = eqx.field(static=True)
    ridge: float

    def __init__(
        self,
        capacity: Any = 2000,
        newton_steps: Any = 30,
        uncertainty: Any = None,
        assumed: Any = "quantal",
        is_pessimistic: Any = True,
        ridge: Any = 1e-2,
    ) -> None:
        self.capacity = boundary.whole_number("capacity", capacity, low=1)
        self.newton_steps = boundary.whole_number("newton_steps", newton_steps, low=1)
        given = Uncertainty() if uncertainty is None else uncertainty
        self.uncertainty = boundary.instance("uncertainty", given, Uncertainty, "sg.Uncertainty()")
        self.assumed = boundary.one_of("assumed", assumed, ASSUMED)  # type: ignore[assignment]
        self.is_pessimistic = boundary.boolean("is_pessimistic", is_pessimistic)
        self.ridge = boundary.real_number("ridge", ridge, low=0.0, low_open=True)

    @property
    def max_steps(self) -> int:
        """One row of the record for each episode of the log."""
        return self.capacity

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """How much of the log was seen."""
        return {"observed": Metric("episodes observed", "", "neither")}

    def init(self, rules: MarkovRules, key: Key) -> Knowledge:
        """Nothing seen: everything is worth as little as it can be."""
        del key
        return blank(rules, self.capacity, self.uncertainty, self._sign, self.assumed, self.capacity)

    def announce(self, rules: MarkovRules, state: Knowledge, n: Any, key: Key) -> Float[AnyArray, "h s *b a"]:
        """Uniform play: it gathers nothing by itself."""
        del state, n, key
        return rules.uniform_commitment()

    def observe(
        self, rules: MarkovRules, state: Knowledge, episode: MarkovEpisode, n: Any, key: Key
    ) -> tuple[Knowledge, Metrics]:
        """Count what happened; the plan is made when it is asked for."""
        del rules, key
        state = counted(state, episode, n)
        return state, {"observed": jnp.sum(state.record.answers[:, 0])}

    def recommend(self, rules: MarkovRules, state: Knowledge) -> Float[AnyArray, "h s *b a"]:
        """The pessimistic plan for what was observed."""
        return self.planned(rules, state).commitment

    def planned(self, rules: MarkovRules, state: Knowledge) -> Planned:
        """The plan with the value that it guarantees, as far as the confidence set holds the truth."""
        return _renewed(self, rules, state, self._sign).plan

    def belief(self, rules: MarkovRules, state: Knowledge) -> Belief:
        """What it expected before it saw the log."""
        del rules
        return state.plan.belief

    @property
    def _sign(self) -> float:
        return -1.0 if self.is_pessimistic else 0.0


def blank(
    rules: MarkovRules, num_rows: int, uncertainty: Uncertainty, sign: float, assumed: Assumed, num_episodes: int
) -> Knowledge:
    """What is known before anything was seen, and the plan for that."""
    record, weights = PlayRecord.empty(rules, num_rows), zero_weights(rules)
    information = jnp.zeros((*weights.shape, weights.shape[-1]))
    follower = known(rules, record, weights, information, uncertainty, num_episodes)
    plan = planned(rules, record, follower, uncertainty, sign, assumed, num_episodes)
    return Knowledge(record, weights, information, plan, Surprise.nothing(), jnp.zeros(()))


def counted(state: Knowledge, episode: MarkovEpisode, row: Any) -> Knowledge:
    """One episode more, and how surprising its answers were to whoever expected what the plan expects."""
    surprise = state.surprise.after(state.plan.belief.response, episode)
    record = state.record.add(episode, row)
    return Knowledge(record, state.weights, state.information, state.plan, surprise, state.slope)


def estimated(
    rules: MarkovRules, state: Knowledge, uncertainty: Uncertainty, ridge: Any, newton_steps: int, num_episodes: int
) -> tuple[Knowledge, Known]:
    """The estimate from all that was seen, the plan left as it is, and the follower as it is seen from there."""
    scaled = jnp.asarray(ridge) / jnp.asarray(rules.inverse_temperature) ** 2
    found = fitted(rules, state.record, state.weights, scaled, newton_steps)
    follower = known(rules, state.record, found.weights, found.information, uncertainty, num_episodes)
    learned = Knowledge(state.record, found.weights, found.information, state.plan, state.surprise, found.slope)
    return learned, follower


def _renewed(
    agent: OptimisticValueIteration | PessimisticValueIteration, rules: MarkovRules, state: Knowledge, sign: float
) -> Knowledge:
    """The estimate from all that was seen, and the plan for it."""
    state, follower = estimated(rules, state, agent.uncertainty, agent.ridge, agent.newton_steps, agent.capacity)
    plan = planned(rules, state.record, follower, agent.uncertainty, sign, agent.assumed, agent.capacity)
    return replace(state, plan=plan)


def metrics_of(rules: MarkovRules, state: Knowledge) -> Metrics:
    """What is recorded of it."""
    return {
        "promised_value": jnp.asarray(rules.initial) @ state.plan.value[0],
        "surprise": state.surprise.deviations,
        "saturation": jnp.max(state.plan.belief.response),
        "at_cap": state.plan.at_cap,
        "slope": state.slope,
    }
