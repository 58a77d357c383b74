"""Leaders of farsighted followers: `OptimisticMaximumLikelihood` (OMLE) and `PessimisticMaximumLikelihood` (PMLE)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._learner import Metrics
from .._runs import Metric
from .._types import AnyArray, Key
from ..play.agent import AbstractAgent
from ..play.base import Belief
from ..play.markov_world import MarkovEpisode, MarkovRules
from .agents import MEANINGS
from .bonus import PRESETS, Preset
from .farsighted_likelihood import fitted_farsighted
from .model import Model
from .model_planning import FORMS, Form, ModelPlan, Possible, Search, planned
from .model_uncertainty import leader_side, proved_width, spread
from .myopic_likelihood import zero_weights
from .record import PlayRecord, Schedule
from .surprise import Surprise


MOST_WEIGHTS = 4_000
"""Of the follower: their covariance is kept whole."""


class ModelKnowledge(eqx.Module):
    """The record, the follower's weights, the plan, how surprising answers were, the gradient left at the estimate."""

    record: PlayRecord
    weights: Float[AnyArray, "h k d"]
    plan: ModelPlan
    surprise: Surprise
    slope: Float[AnyArray, ""]


class AbstractModelAgent(AbstractAgent):
    """What the two have in common: an estimate of the whole model, an ellipsoid around it, and a policy for both."""

    capacity: eqx.AbstractVar[int]
    newton_steps: eqx.AbstractVar[int]
    form: eqx.AbstractVar[Form]
    width: eqx.AbstractVar[float]
    preset: eqx.AbstractVar[Preset]
    ridge: eqx.AbstractVar[float]
    num_starts: eqx.AbstractVar[int]
    num_steps: eqx.AbstractVar[int]
    learning_rate: eqx.AbstractVar[float]

    @property
    def max_steps(self) -> int:
        """One step is one episode."""
        return self.capacity

    def recommend(self, rules: MarkovRules, state: ModelKnowledge) -> Float[AnyArray, "h s *b a"]:
        """Its plan."""
        del rules
        return state.plan.commitment

    def belief(self, rules: MarkovRules, state: ModelKnowledge) -> Belief | None:
        """The response and the action values under the model that the present plan is made for."""
        del rules
        return state.plan.belief

    def blank(self, rules: MarkovRules, num_rows: int, sign: int, key: Key) -> ModelKnowledge:
        """Nothing seen, and the plan for that."""
        weights = zero_weights(rules)
        if weights.size > MOST_WEIGHTS:
            raise InputError(
                boundary.INCONSISTENT,
                "world",
                found=f"{weights.size} weights of the follower's reward",
                allowed=f"at most {MOST_WEIGHTS}, for their covariance is kept whole",
                remedy="Give features: follower_features=(h, s, a, b, d) with a smaller d.",
            )
        record = PlayRecord.empty(rules, num_rows)
        return self.renewed(rules, record, weights, rules.uniform_commitment(), Surprise.nothing(), sign, key)

    def renewed(
        self,
        rules: MarkovRules,
        record: PlayRecord,
        weights: Float[AnyArray, "h k d"],
        present: Float[AnyArray, "h s *b a"],
        surprise: Surprise,
        sign: int,
        key: Key,
    ) -> ModelKnowledge:
        """The estimate from all that was seen, and the plan for it."""
        ridge = jnp.asarray(self.ridge) / jnp.asarray(rules.inverse_temperature) ** 2
        reward, law = leader_side(rules, record)
        found = fitted_farsighted(rules, record, law, weights, ridge, self.newton_steps)
        model = Model(found.weights, reward, law)
        around = spread(rules, record, law, found.information, ridge)
        search = Search(self.num_starts, self.num_steps, self.learning_rate)
        width = self.width if self.preset == "calibrated" else proved_width(rules, self.capacity, self.ridge)
        possible = Possible(rules, model, around, width, sign)
        plan = planned(possible, record, self.form, present, search, key)
        return ModelKnowledge(record, found.weights, plan, surprise, found.slope)


class OptimisticMaximumLikelihood(AbstractModelAgent):
    """OMLE: plan for the best model that the data leave possible, announce the plan, learn from the answers.

    For followers that look ahead; the whole of a policy is announced before each episode, since the answer depends on
    all of it.

    - `capacity`: how many episodes there is room for.  `refit_every`: after n episodes the next n / `refit_every` share
      one announcement (one at least).  `newton_steps`: of Fisher scoring at each refit.
    - `form`: "support", "delta method", "likelihood" or "posterior", see `model_planning`.  `width`: of the confidence
      set, in standard deviations of the leader's value; 0 takes the estimate as true.
    - `preset`: "calibrated" uses `width`. "theory" replaces it by `model_uncertainty.proved_width`, ten times as wide
      and more, with which any feasible run stays without an idea of what is good. Proved is that the set of the form
      "likelihood" then holds the true model in all episodes with probability 0.95; the other forms take the same width
      around a quadratic approximation, for which nothing is proved. None of them finds the maximum with certainty.
    - `ridge`: what is known of the follower's rewards beforehand, as 1 / variance (1/payoff²).
    - `num_starts`, `num_steps`, `learning_rate`: of the search for a policy.

    Chen, Wang and Yang (2023) optimise over the set of all models whose likelihood is near the largest, which nobody
    can do exactly; the forms are ours.
    """

    capacity: int
    refit_every: int
    newton_steps: int
    form: Form = eqx.field(static=True)
    width: float
    preset: Preset = eqx.field(static=True)
    ridge: float
    num_starts: int
    num_steps: int
    learning_rate: float

    def __init__(
        self,
        capacity: Any = 2000,
        refit_every: Any = 20,
        newton_steps: Any = 3,
        form: Any = "support",
        width: Any = 2.0,
        preset: Any = "calibrated",
        ridge: Any = 1.0,
        num_starts: Any = 6,
        num_steps: Any = 80,
        learning_rate: Any = 0.2,
    ) -> None:
        self.refit_every = boundary.whole_number("refit_every", refit_every, low=1)
        self.capacity = boundary.whole_number("capacity", capacity, low=1)
        self.newton_steps = boundary.whole_number("newton_steps", newton_steps, low=1)
        self.form = boundary.one_of("form", form, FORMS)  # type: ignore[assignment]
        self.width = boundary.real_number("width", width, low=0.0)
        self.preset = boundary.one_of("preset", preset, PRESETS)  # type: ignore[assignment]
        self.ridge = boundary.real_number("ridge", ridge, low=0.0, low_open=True)
        self.num_starts = boundary.whole_number("num_starts", num_starts, low=1)
        self.num_steps = boundary.whole_number("num_steps", num_steps, low=1)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """What tells whether the run can be trusted."""
        return {name: MEANINGS[name] for name in ("promised_value", "surprise", "saturation", "slope")}

    def init(self, rules: MarkovRules, key: Key) -> ModelKnowledge:
        """Nothing seen: whatever the prior leaves possible."""
        return self.blank(rules, self.schedule.num_rows, 1, key)

    def announce(self, rules: MarkovRules, state: ModelKnowledge, n: Any, key: Key) -> Float[AnyArray, "h s *b a"]:
        """The present plan."""
        del rules, n, key
        return state.plan.commitment

    def observe(
        self, rules: MarkovRules, state: ModelKnowledge, episode: MarkovEpisode, n: Any, key: Key
    ) -> tuple[ModelKnowledge, Metrics]:
        """Count what happened; when a new announcement is due, estimate and plan anew."""
        surprise = state.surprise.after(state.plan.response, episode)
        record = state.record.add(episode, self.schedule.row(n))
        kept = replace(state, record=record, surprise=surprise)
        renew = lambda: self.renewed(rules, record, state.weights, state.plan.commitment, surprise, 1, key)
        state = jax.lax.cond(self.schedule.is_due(n), renew, lambda: kept)
        return state, {
            "promised_value": state.plan.value,
            "surprise": state.surprise.deviations,
            "saturation": jnp.max(state.plan.response),
            "slope": state.slope,
        }

    @property
    def schedule(self) -> Schedule:
        """When it announces anew."""
        return Schedule(self.capacity, self.refit_every)


class PessimisticMaximumLikelihood(AbstractModelAgent):
    """PMLE: the policy whose value is best in the worst model that a log leaves possible.

    It announces what a log says was announced (uniform play when it is asked for itself), observes, and recommends. Its
    settings are those of `OptimisticMaximumLikelihood`; `is_pessimistic=False` takes the estimate as true.
    """

    capacity: int
    newton_steps: int
    form: Form = eqx.field(static=True)
    width: float
    preset: Preset = eqx.field(static=True)
    is_pessimistic: bool = eqx.field(static=True)
    ridge: float
    num_starts: int
    num_steps: int
    learning_rate: float

    def __init__(
        self,
        capacity: Any = 2000,
        newton_steps: Any = 30,
        form: Any = "support",
        width: Any = 2.0,
        preset: Any = "calibrated",
        is_pessimistic: Any = True,
        ridge: Any = 1.0,
        num_starts: Any = 12,
        num_steps: Any = 200,
        learning_rate: Any = 0.1,
    ) -> None:
        self.is_pessimistic = boundary.boolean("is_pessimistic", is_pessimistic)
        self.capacity = boundary.whole_number("capacity", capacity, low=1)
        self.newton_steps = boundary.whole_number("newton_steps", newton_steps, low=1)
        self.form = boundary.one_of("form", form, FORMS)  # type: ignore[assignment]
        self.width = boundary.real_number("width", width, low=0.0)
        self.preset = boundary.one_of("preset", preset, PRESETS)  # type: ignore[assignment]
        self.ridge = boundary.real_number("ridge", ridge, low=0.0, low_open=True)
        self.num_starts = boundary.whole_number("num_starts", num_starts, low=1)
        self.num_steps = boundary.whole_number("num_steps", num_steps, low=1)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """How much of the log was seen."""
        return {"observed": Metric("episodes observed", "", "neither")}

    def init(self, rules: MarkovRules, key: Key) -> ModelKnowledge:
        """Nothing seen."""
        return self.blank(rules, self.capacity, self._sign, key)

    def announce(self, rules: MarkovRules, state: ModelKnowledge, n: Any, key: Key) -> Float[AnyArray, "h s *b a"]:
        """Uniform play: it gathers nothing by itself."""
        del state, n, key
        return rules.uniform_commitment()

    def observe(
        self, rules: MarkovRules, state: ModelKnowledge, episode: MarkovEpisode, n: Any, key: Key
    ) -> tuple[ModelKnowledge, Metrics]:
        """Count what happened; the plan is made when it is asked for."""
        del rules, key
        record = state.record.add(episode, n)
        return replace(state, record=record), {"observed": jnp.sum(record.answers[:, 0])}

    def recommend(self, rules: MarkovRules, state: ModelKnowledge) -> Float[AnyArray, "h s *b a"]:
        """The pessimistic plan for what was observed."""
        return self.planned(rules, state).commitment

    def planned(self, rules: MarkovRules, state: ModelKnowledge) -> ModelPlan:
        """The plan with the value that it guarantees, as far as the confidence set holds the truth."""
        present, key = state.plan.commitment, jax.random.key(0)
        return self.renewed(rules, state.record, state.weights, present, state.surprise, self._sign, key).plan

    @property
    def _sign(self) -> int:
        return -1 if self.is_pessimistic else 0
