"""MLE-GOLF and MLE-BCP for finite classes: the most or the least that any hypothesis promises which the log allows.

A hypothesis (R, U) stays while, at every stage, L(R) ≤ min L + β and U explains what was paid and what (R, U) says of
the next state nearly as well as the best function would: l(U; U', R') - min l ≤ β_U. Then

    MLE-GOLF (online)    announce what is best for the (R, U) that promises most;
    MLE-BCP (offline)    recommend the policy whose worst (R, U) promises most, U judged under that policy.

Both are Chen, Wang and Yang (2023) as recalled. They share all code: the sign says most or least, and W(s; U, R) is the
value of the best announcement or that of a policy.

The search among all hypotheses is exact, see `hypotheses`.
"""

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
from .bonus import PRESETS, Preset
from .class_radii import Radii, radii
from .finite_class import FiniteClass, Greedy, greedy, responses, worth_under
from .hypotheses import Extreme, extreme, surplus
from .record import PlayRecord, Schedule


class Choice(eqx.Module):
    """A plan, what is expected of it, and how much the log leaves open: `promise` to `misfit` as in `Extreme`."""

    commitment: Float[AnyArray, "h s *b a"]
    belief: Belief
    promise: Float[AnyArray, ""]
    num_rewards: Float[AnyArray, ""]
    num_values: Float[AnyArray, ""]
    misfit: Float[AnyArray, ""]

    @property
    def metrics(self) -> Metrics:
        """What is recorded of it."""
        return {
            "promised_value": self.promise,
            "num_rewards": self.num_rewards,
            "num_values": self.num_values,
            "misfit": self.misfit,
        }


class Hypotheses(eqx.Module):
    """What the agents carry.

    - `record`: of play.  `plans`: made once, the best announcements of all hypotheses, or the policies to choose from.
    - `choice`: the present plan.
    """

    record: PlayRecord
    plans: Any
    choice: Choice


MEANINGS = {
    "promised_value": Metric("value that the leader expects of its announcement", "payoff", "leader"),
    "num_rewards": Metric("follower rewards not ruled out, a stage", "", "follower"),
    "num_values": Metric("leader values not ruled out, a stage", "", "leader"),
    "misfit": Metric("excess of the best values beyond the radius", "", "leader", "lower"),
}


def choice_of(
    rules: MarkovRules, classes: FiniteClass, commitment: Float[AnyArray, "h s *b a"], found: Extreme
) -> Choice:
    """A plan with what the hypothesis behind it expects."""
    stages = jnp.arange(rules.horizon)
    reward = jnp.asarray(classes.follower_reward)[found.reward, stages]
    belief = Belief(responses(rules, reward, commitment), jnp.asarray(classes.leader_value)[found.value, stages])
    return Choice(commitment, belief, found.promise, found.num_rewards, found.num_values, found.misfit)


def fitting(rules: MarkovRules, classes: FiniteClass) -> FiniteClass:
    """The class, if it is one of this game; raises `InputError`."""
    boundary.real_array("classes.follower_reward", classes.follower_reward, axes=("k", *rules.shape))
    return classes


class OptimisticVersionSpace(AbstractAgent):
    """MLE-GOLF: announce what is best if the most promising hypothesis is true that the log allows.

    - `classes`: what is held possible.  `capacity`: how many episodes there is room for.  `refit_every`: after n
      episodes the next n / `refit_every` share one announcement (one at least).
    - `preset`, `level`: of the radii, see `radii`.
    """

    classes: FiniteClass
    capacity: int
    refit_every: int
    preset: Preset = eqx.field(static=True)
    level: float = eqx.field(static=True)

    def __init__(
        self,
        classes: Any,
        capacity: Any = 2000,
        refit_every: Any = 20,
        preset: Any = "calibrated",
        level: Any = 0.95,
    ) -> None:
        self.classes = boundary.instance("classes", classes, FiniteClass, "sg.FiniteClass(rewards, values)")
        self.capacity = boundary.whole_number("capacity", capacity, low=1)
        self.refit_every = boundary.whole_number("refit_every", refit_every, low=1)
        self.preset = boundary.one_of("preset", preset, PRESETS)  # type: ignore[assignment]
        self.level = float(boundary.real_number("level", level, low=0.0, high=0.9999, low_open=True))

    @property
    def max_steps(self) -> int:
        """One step is one episode."""
        return self.capacity

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """What tells whether the run can be trusted."""
        return MEANINGS

    @property
    def schedule(self) -> Schedule:
        """When it plans anew."""
        return Schedule(self.capacity, self.refit_every)

    def init(self, rules: MarkovRules, key: Key) -> Hypotheses:
        """Nothing seen: everything is possible."""
        del key
        plans = greedy(rules, fitting(rules, self.classes))
        record = PlayRecord.empty(rules, self.schedule.num_rows)
        return Hypotheses(record, plans, self._chosen(rules, record, plans))

    def announce(self, rules: MarkovRules, state: Hypotheses, n: Any, key: Key) -> Float[AnyArray, "h s *b a"]:
        """The present plan."""
        del rules, n, key
        return state.choice.commitment

    def observe(
        self, rules: MarkovRules, state: Hypotheses, episode: MarkovEpisode, n: Any, key: Key
    ) -> tuple[Hypotheses, Metrics]:
        """Count what happened; when a new announcement is due, rule out and plan anew."""
        del key
        record = state.record.add(episode, self.schedule.row(n))
        renew = lambda: self._chosen(rules, record, state.plans)
        choice = jax.lax.cond(self.schedule.is_due(n), renew, lambda: state.choice)
        state = Hypotheses(record, state.plans, choice)
        return state, state.choice.metrics

    def recommend(self, rules: MarkovRules, state: Hypotheses) -> Float[AnyArray, "h s *b a"]:
        """What it would announce next: its plan."""
        del rules
        return state.choice.commitment

    def belief(self, rules: MarkovRules, state: Hypotheses) -> Belief:
        """The response and the action values of the hypothesis behind the present plan."""
        del rules
        return state.choice.belief

    def _chosen(self, rules: MarkovRules, record: PlayRecord, plans: Greedy) -> Choice:
        within = radii(rules, self.classes, self.preset, self.level, self.capacity)
        found = extreme(rules, record, self.classes, surplus(rules, record, self.classes), plans.worth, within, 1.0)
        commitment = jnp.asarray(plans.commitment)[found.reward, found.value, jnp.arange(rules.horizon)]
        return choice_of(rules, self.classes, commitment, found)


class PessimisticVersionSpace(AbstractAgent):
    """MLE-BCP: recommend the policy whose least promise, over all hypotheses that the log allows, is largest.

    It announces uniform play when it is asked for itself, observes a log, and recommends. `capacity` is the number of
    episodes, each with an announcement of its own.

    - `policies`: `(p, h, s, a)` or `(p, h, s, b, a)`, among which it chooses; left out, those that are best for the
      i-th reward and the i-th value at every stage, with i going round, and uniform play.
    - `is_pessimistic`: False takes for each policy the hypothesis that explains the log best.
    """

    classes: FiniteClass
    capacity: int
    policies: Float[AnyArray, "p h s *b a"] | None
    preset: Preset = eqx.field(static=True)
    level: float = eqx.field(static=True)
    is_pessimistic: bool = eqx.field(static=True)

    def __init__(
        self,
        classes: Any,
        capacity: Any = 2000,
        policies: Any = None,
        preset: Any = "calibrated",
        level: Any = 0.95,
        is_pessimistic: Any = True,
    ) -> None:
        self.classes = boundary.instance("classes", classes, FiniteClass, "sg.FiniteClass(rewards, values)")
        self.capacity = boundary.whole_number("capacity", capacity, low=1)
        self.policies = None if policies is None else boundary.distribution("policies", policies)
        self.preset = boundary.one_of("preset", preset, PRESETS)  # type: ignore[assignment]
        self.level = float(boundary.real_number("level", level, low=0.0, high=0.9999, low_open=True))
        self.is_pessimistic = boundary.boolean("is_pessimistic", is_pessimistic)

    @property
    def max_steps(self) -> int:
        """One row of the record for each episode of the log."""
        return self.capacity

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """What tells whether the plan can be trusted."""
        return MEANINGS

    def init(self, rules: MarkovRules, key: Key) -> Hypotheses:
        """Nothing seen: everything is possible, and the worst of it."""
        del key
        policies = self._policies(rules)
        record = PlayRecord.empty(rules, self.capacity)
        return Hypotheses(record, policies, self._chosen(rules, record, policies))

    def announce(self, rules: MarkovRules, state: Hypotheses, n: Any, key: Key) -> Float[AnyArray, "h s *b a"]:
        """Uniform play: it gathers nothing by itself."""
        del state, n, key
        return rules.uniform_commitment()

    def observe(
        self, rules: MarkovRules, state: Hypotheses, episode: MarkovEpisode, n: Any, key: Key
    ) -> tuple[Hypotheses, Metrics]:
        """Count what happened; the plan is made when it is asked for."""
        del rules, key
        state = Hypotheses(state.record.add(episode, n), state.plans, state.choice)
        return state, state.choice.metrics

    def recommend(self, rules: MarkovRules, state: Hypotheses) -> Float[AnyArray, "h s *b a"]:
        """The policy that is best in the worst case that the log allows."""
        return self.chosen(rules, state).commitment

    def chosen(self, rules: MarkovRules, state: Hypotheses) -> Choice:
        """That policy, with the value that it guarantees as far as the truth is among what the log allows."""
        return self._chosen(rules, state.record, state.plans)

    def belief(self, rules: MarkovRules, state: Hypotheses) -> Belief:
        """What it expected before it saw the log."""
        del rules
        return state.choice.belief

    def _policies(self, rules: MarkovRules) -> Float[AnyArray, "p h s *b a"]:
        if self.policies is not None:
            return jnp.asarray(self.policies)
        classes = fitting(rules, self.classes)
        number = jnp.arange(max(classes.num_rewards, classes.num_values))
        plans = jnp.asarray(greedy(rules, classes).commitment)
        best = plans[number % classes.num_rewards, number % classes.num_values]
        return jnp.concatenate([best, rules.uniform_commitment()[None]])

    def _chosen(self, rules: MarkovRules, record: PlayRecord, policies: Float[AnyArray, "p h s *b a"]) -> Choice:
        within = radii(rules, self.classes, self.preset, self.level, self.capacity)
        if not self.is_pessimistic:  # nothing but what explains the log best
            within = Radii(1e-9 * within.response, 1e-9 * within.value)
        lost = surplus(rules, record, self.classes)

        def worst(policy):
            worth = worth_under(rules, self.classes, policy)
            return extreme(rules, record, self.classes, lost, worth, within, -1.0)

        found = jax.lax.map(worst, policies)
        best = jnp.argmax(found.promise)
        return choice_of(rules, self.classes, policies[best], jax.tree.map(lambda leaf: leaf[best], found))
