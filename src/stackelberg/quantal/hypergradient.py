"""Ascent by sampled hypergradients: what a leader does who follows slopes instead of keeping a confidence set.

The probability of a play is Π π(a | s, b) ν(b | s; π) P(s'), and two of the three factors move with the policy. So,
with R the return that is left from a stage on,

    ∇J = E Σ_h (∇ log π(a_h | s_h) + ∇ log ν_h(b_h | s_h; π)) (R_h - baseline),

where the second score goes through the follower's whole soft backward induction. Hypergradients of this kind are those
of Thoma et al. (2024, HPGD) and Kudo et al. (2026, BC-HG), who are told the follower's reward or sample its critic.
Departure: here the follower's reward is learned by maximum likelihood from the same plays, so that this leader is told
no more than the others.

There is a way without the second score: to announce a deterministic policy c drawn from π, which he answers, and to
climb E R(c) by ∇J = E Σ ∇ log π(c_h(s) | s) (R - baseline), over all stages and states, played or not. That is
REINFORCE in the Stackelberg POMDP of Gerstgrasser and Parkes (2023), where every answer to a query is an action.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Float

from .. import _boundary as boundary
from .._learner import Metrics
from .._runs import Metric
from .._types import AnyArray, Key
from ..calculus.simplex import log_quantal_choice, quantal_choice, weight
from ..play.agent import AbstractAgent
from ..play.base import Belief
from ..play.markov_world import MarkovEpisode, MarkovRules
from .farsighted_likelihood import fitted_farsighted
from .model import log_answers
from .model_uncertainty import leader_side
from .myopic_likelihood import zero_weights
from .record import PlayRecord


FORGETTING = 0.98
"""Of the baseline, an episode."""


class Climbing(eqx.Module):
    """The record, the follower's weights, the policy as logits with Adam's moments, and the sum of this batch."""

    record: PlayRecord
    weights: Float[AnyArray, "h k d"]
    law: Float[AnyArray, "h s a b t"]
    logits: Float[AnyArray, "h s *b a"]
    moments: Any
    total: Float[AnyArray, "h s *b a"]
    baseline: Float[AnyArray, "h"]


class SampledHypergradient(AbstractAgent):
    """Announce a policy for a batch of episodes, move it along the sampled hypergradient, announce the next.

    - `capacity`: how many episodes there is room for.  `batch`: episodes for each announcement.
    - `learning_rate`: of Adam on the logits of the policy.
    - `is_aware`: whether the follower's score is counted; without it the follower is a part of the environment.
    - `is_drawn`: whether each announcement is a deterministic policy drawn from its own. The follower's score is then
      not needed, and its likelihood is not maximised.
    - `newton_steps`, `ridge`: of the likelihood, as for `OptimisticMaximumLikelihood`.
    """

    capacity: int
    batch: int
    learning_rate: float
    is_aware: bool = eqx.field(static=True)
    is_drawn: bool = eqx.field(static=True)
    newton_steps: int
    ridge: float

    def __init__(
        self,
        capacity: Any = 2000,
        batch: Any = 10,
        learning_rate: Any = 0.1,
        is_aware: Any = True,
        newton_steps: Any = 2,
        ridge: Any = 1.0,
        is_drawn: Any = False,
    ) -> None:
        self.capacity = boundary.whole_number("capacity", capacity, low=1)
        self.batch = boundary.whole_number("batch", batch, low=1)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)
        self.is_aware = boundary.boolean("is_aware", is_aware)
        self.is_drawn = boundary.boolean("is_drawn", is_drawn)
        self.newton_steps = boundary.whole_number("newton_steps", newton_steps, low=1)
        self.ridge = boundary.real_number("ridge", ridge, low=0.0, low_open=True)

    @property
    def max_steps(self) -> int:
        """One step is one episode."""
        return self.capacity

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """What it compares returns with."""
        return {"baseline": Metric("return that the leader is used to", "payoff", "leader", "higher")}

    def init(self, rules: MarkovRules, key: Key) -> Climbing:
        """Uniform play."""
        del key
        rows = self.capacity if self.is_drawn else -(-self.capacity // self.batch)
        record = PlayRecord.empty(rules, rows)
        logits = jnp.zeros_like(rules.uniform_commitment())
        _, law = leader_side(rules, record)
        moments = self._adam.init(logits)
        return Climbing(record, zero_weights(rules), law, logits, moments, 0.0 * logits, jnp.zeros(rules.horizon))

    def announce(self, rules: MarkovRules, state: Climbing, n: Any, key: Key) -> Float[AnyArray, "h s *b a"]:
        """The present policy, or one drawn from it."""
        del n
        policy = self.recommend(rules, state)
        if not self.is_drawn:
            return policy
        return jax.nn.one_hot(jr.categorical(key, state.logits), policy.shape[-1], dtype=policy.dtype)

    def observe(
        self, rules: MarkovRules, state: Climbing, episode: MarkovEpisode, n: Any, key: Key
    ) -> tuple[Climbing, Metrics]:
        """Add the episode's slope; at the end of a batch move, and estimate the follower anew."""
        del key
        left = jnp.cumsum(episode.rewards[::-1])[::-1]
        baseline = jnp.where(jnp.asarray(n) == 0, left, state.baseline)
        total = state.total + self.slope(rules, state, episode, left - baseline)
        state = Climbing(
            state.record.add(episode, n if self.is_drawn else jnp.asarray(n) // self.batch),
            state.weights,
            state.law,
            state.logits,
            state.moments,
            total,
            FORGETTING * baseline + (1.0 - FORGETTING) * left,
        )
        is_due = (jnp.asarray(n) + 1) % self.batch == 0
        state = jax.lax.cond(is_due, lambda: self._moved(rules, state), lambda: state)
        return state, {"baseline": state.baseline[0]}

    def slope(
        self, rules: MarkovRules, state: Climbing, episode: MarkovEpisode, gain: Float[AnyArray, "h"]
    ) -> Float[AnyArray, "h s *b a"]:
        """One episode's estimate of the gradient of the leader's value in the logits, for returns less a baseline."""
        stages, s = jnp.arange(rules.horizon), episode.states
        place = (stages, s, episode.follower_actions) if rules.is_prescription else (stages, s)

        def score(logits):
            log_policy = log_quantal_choice(logits, 1.0)
            if self.is_drawn:
                return gain[0] * jnp.sum(jnp.where(episode.commitment > 0.5, log_policy, 0.0))
            own = log_policy[(*place, episode.leader_actions)]
            if not self.is_aware:
                return jnp.sum(gain * own)
            answers = log_answers(rules, state.weights, state.law, weight(log_policy))
            return jnp.sum(gain * (own + answers[stages, s, episode.follower_actions]))

        return jax.grad(score)(state.logits)

    def recommend(self, rules: MarkovRules, state: Climbing) -> Float[AnyArray, "h s *b a"]:
        """The present policy."""
        del rules
        return quantal_choice(state.logits, 1.0)

    def belief(self, rules: MarkovRules, state: Climbing) -> Belief | None:
        """None: it promises nothing."""
        del rules, state
        return None

    @property
    def _adam(self) -> optax.GradientTransformation:
        return optax.scale_by_adam()

    def _moved(self, rules: MarkovRules, state: Climbing) -> Climbing:
        push, moments = self._adam.update(state.total, state.moments)
        logits = state.logits + self.learning_rate * jnp.asarray(push)
        weights, law = state.weights, state.law
        if self.is_aware and not self.is_drawn:
            ridge = jnp.asarray(self.ridge) / jnp.asarray(rules.inverse_temperature) ** 2
            _, law = leader_side(rules, state.record)
            weights = fitted_farsighted(rules, state.record, law, weights, ridge, self.newton_steps).weights
        return Climbing(state.record, weights, law, logits, moments, jnp.zeros_like(logits), state.baseline)
