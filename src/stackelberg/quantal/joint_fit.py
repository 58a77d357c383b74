"""Planning after estimation: one fit of the follower's reward and the leader's values together, then greedy planning.

Confidence sets of general classes are hard to search. With R the follower's reward, U the leader's values, W(s) the
leader's value of the best announcement at a state, and N(c) the plays of a cell (state and pair of actions), the fit is

    min over (R, U) of  - c0 √n W_1  +  c1 Σ_h Σ_c N(c) (U_h(c) - Ū_h(c))² / Δ_h²  -  c2 log-likelihood of R

with Ū(c) the mean over the plays of the cell of payment plus W of the next state, and Δ_h the range of the return. The
first term is optimism; the second is the loss of U less the least loss that any table reaches on the same targets,
so that noise is not mistaken for error. The form is our reconstruction of "planning after estimation" (an anonymous
follow-up, 2024, of which reviews were at hand); Chen, Wang and Yang (2023) use confidence sets.

The class is anything that maps parameters to two tables: numbers of their own for every cell, or two networks that read
features of the cell. A network for R gives a reward for each pair of actions, which is then averaged over the
announced mixture: the response stays what it is for a table, linear inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

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
from ..play.agent import AbstractAgent
from ..play.base import Belief
from ..play.markov_world import MarkovEpisode, MarkovRules
from .joint_loss import Guess, answers, bellman_loss, best_announcements, log_loss, polished, worths
from .record import PlayRecord, Schedule


Model: TypeAlias = Literal["table", "network"]

MODELS: tuple[Model, ...] = ("table", "network")

LEARNING_RATES: Mapping[Model, float] = {"table": 0.1, "network": 0.02}
"""Of Adam, where none is given."""

HEAD_STARTS: Mapping[Model, float] = {"table": 2.0, "network": 1.2}
"""Added to outputs before they are squashed: values start at 88 % of their range in both models."""


class Fitted(eqx.Module):
    """What the agent carries.

    - `record`: of play.  `parameters`: of the class.  `commitment`, `belief`: of the present plan.
    - `promise`: W of the first stage.  `bellman`: the second term above, for each play.  `surprise`: minus the
      log-likelihood of the answers, for each play.
    """

    record: PlayRecord
    parameters: Any
    commitment: Float[AnyArray, "h s *b a"]
    belief: Belief
    promise: Float[AnyArray, ""]
    bellman: Float[AnyArray, ""]
    surprise: Float[AnyArray, ""]


MEANINGS = {
    "promised_value": Metric("value that the leader expects of its announcement", "payoff", "leader"),
    "bellman_loss": Metric("Bellman loss of the fit, a play, in squared ranges", "", "leader", "lower"),
    "log_loss": Metric("log loss of the fit on the answers, a play", "nats", "follower", "lower"),
}


class PlanningAfterEstimation(AbstractAgent):
    """Fit reward and values together with a push towards promising ones, plan greedily, announce.

    - `model`: "table" or "network".  `width`, `depth`: of each network; it reads `rules.leader_features` or
      `rules.follower_features`, and where there are none the numbers of stage, state and actions as one-hot vectors.
    - `capacity`: how many episodes there is room for.  `refit_every`: after n episodes the next n / `refit_every`
      share one announcement (one at least).
    - `fit_steps`, `learning_rate`: of Adam at each refit, from where the last one ended; the rate falls to 0 in it.
      Left out, it starts at 0.1 for tables and 0.02 for networks.
    - `optimism`, `bellman`, `likelihood`: c0, c1, c2 of the module.  `ridge`: λ² × the penalty on squared rewards.
    """

    capacity: int
    refit_every: int
    model: Model = eqx.field(static=True)
    width: int
    depth: int
    fit_steps: int
    learning_rate: float
    optimism: float
    bellman: float
    likelihood: float
    ridge: float

    def __init__(
        self,
        capacity: Any = 2000,
        refit_every: Any = 20,
        model: Any = "table",
        width: Any = 32,
        depth: Any = 2,
        fit_steps: Any = 60,
        learning_rate: Any = None,
        optimism: Any = 0.3,
        bellman: Any = 1.0,
        likelihood: Any = 1.0,
        ridge: Any = 1e-2,
    ) -> None:
        self.capacity = boundary.whole_number("capacity", capacity, low=1)
        self.refit_every = boundary.whole_number("refit_every", refit_every, low=1)
        self.model = boundary.one_of("model", model, MODELS)  # type: ignore[assignment]
        self.width = boundary.whole_number("width", width, low=1)
        self.depth = boundary.whole_number("depth", depth, low=1)
        self.fit_steps = boundary.whole_number("fit_steps", fit_steps, low=1)
        rate = LEARNING_RATES[self.model] if learning_rate is None else learning_rate
        self.learning_rate = boundary.real_number("learning_rate", rate, low=0.0, low_open=True)
        self.optimism = boundary.real_number("optimism", optimism, low=0.0)
        self.bellman = boundary.real_number("bellman", bellman, low=0.0, low_open=True)
        self.likelihood = boundary.real_number("likelihood", likelihood, low=0.0, low_open=True)
        self.ridge = boundary.real_number("ridge", ridge, low=0.0)

    @property
    def max_steps(self) -> int:
        """One step is one episode."""
        return self.capacity

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """What tells whether the fit can be trusted."""
        return MEANINGS

    @property
    def schedule(self) -> Schedule:
        """When it fits anew."""
        return Schedule(self.capacity, self.refit_every)

    def init(self, rules: MarkovRules, key: Key) -> Fitted:
        """Nothing seen: values near the most that they can be, and a follower that does not care."""
        record = PlayRecord.empty(rules, self.schedule.num_rows)
        return self._planned(rules, record, self._blank(rules, key))

    def announce(self, rules: MarkovRules, state: Fitted, n: Any, key: Key) -> Float[AnyArray, "h s *b a"]:
        """The present plan."""
        del rules, n, key
        return state.commitment

    def observe(
        self, rules: MarkovRules, state: Fitted, episode: MarkovEpisode, n: Any, key: Key
    ) -> tuple[Fitted, Metrics]:
        """Count what happened; when a new announcement is due, fit and plan anew."""
        del key
        record = state.record.add(episode, self.schedule.row(n))
        kept = Fitted(
            record, state.parameters, state.commitment, state.belief, state.promise, state.bellman, state.surprise
        )
        renew = lambda: self._planned(rules, record, self.fitted(rules, record, state.parameters))
        state = jax.lax.cond(self.schedule.is_due(n), renew, lambda: kept)
        return state, {
            "promised_value": state.promise,
            "bellman_loss": state.bellman,
            "log_loss": state.surprise,
        }

    def recommend(self, rules: MarkovRules, state: Fitted) -> Float[AnyArray, "h s *b a"]:
        """What it would announce next: its plan."""
        del rules
        return state.commitment

    def belief(self, rules: MarkovRules, state: Fitted) -> Belief:
        """The response and the action values of the fit."""
        del rules
        return state.belief

    def fitted(self, rules: MarkovRules, record: PlayRecord, parameters: Any) -> Any:
        """The parameters after `fit_steps` steps of Adam on the objective of the module."""
        adam = optax.scale_by_adam()
        slope = jax.grad(lambda parameters: self.objective(rules, record, parameters))

        def step(carry, left):
            parameters, moments = carry
            push, moments = adam.update(slope(parameters), moments)
            moved = jax.tree.map(lambda old, push: old - self.learning_rate * left * push, parameters, push)
            return (moved, moments), None

        left = jnp.linspace(1.0, 0.0, self.fit_steps, endpoint=False)
        (parameters, _), _ = jax.lax.scan(step, (parameters, adam.init(parameters)), left)
        return parameters

    def objective(self, rules: MarkovRules, record: PlayRecord, parameters: Any) -> Float[AnyArray, ""]:
        """What the fit minimises, for each play."""
        guess = self.guess(rules, parameters)
        worth = worths(rules, guess, best_announcements(rules, guess))
        plays = jnp.maximum(jnp.sum(record.visits) / rules.horizon, 1.0)
        promise = jnp.sum(jnp.asarray(rules.initial) * worth[0])
        rate = jnp.asarray(rules.inverse_temperature)
        total = (
            -self.optimism * jnp.sqrt(plays) * promise
            + self.bellman * bellman_loss(rules, record, guess.value, worth)
            + self.likelihood * log_loss(rules, record, guess.reward)
            + 0.5 * self.ridge * jnp.sum((rate * guess.reward) ** 2)
        )
        return total / plays

    def guess(self, rules: MarkovRules, parameters: Any) -> Guess:
        """The two tables that the parameters stand for; values are kept between their bounds."""
        if self.model == "network":
            networks = eqx.combine(parameters, self._frame(rules))
            tables = tuple(_applied(network, inputs) for network, inputs in zip(networks, _inputs(rules), strict=True))
        else:
            tables = parameters
        left = jnp.arange(rules.horizon, 0, -1.0)[:, None, None, None]
        low, high = jnp.asarray(rules.reward_low), jnp.asarray(rules.reward_high)
        return Guess(tables[0], left * (low + (high - low) * self._squashed(tables[1])))

    def _squashed(self, output: Float[AnyArray, "h s a b"]) -> Float[AnyArray, "h s a b"]:
        """To between 0 and 1.

        For networks by x / √(1 + x²), whose slope falls as a power: optimism can drive all outputs far up before much
        was seen, and with the logistic function, whose slope vanishes there, one fit in four never came back.
        """
        moved = HEAD_STARTS[self.model] + output
        if self.model == "table":
            return jax.nn.sigmoid(moved)
        return 0.5 + 0.5 * moved / jnp.sqrt(1.0 + moved**2)

    def _blank(self, rules: MarkovRules, key: Key) -> Any:
        if self.model == "network":
            return eqx.filter(self._networks(rules, key), eqx.is_array)
        return jnp.zeros(rules.shape), jnp.zeros(rules.shape)

    def _networks(self, rules: MarkovRules, key: Key) -> tuple[eqx.nn.MLP, eqx.nn.MLP]:
        sizes = [inputs.shape[-1] for inputs in _inputs(rules)]
        made = [
            eqx.nn.MLP(size, "scalar", self.width, self.depth, jax.nn.silu, key=part)
            for size, part in zip(sizes, jr.split(key), strict=True)
        ]
        return made[0], made[1]

    def _frame(self, rules: MarkovRules) -> Any:
        """The networks without their numbers."""
        shapes = eqx.filter_eval_shape(lambda: self._networks(rules, jr.key(0)))
        return eqx.filter(shapes, lambda leaf: not isinstance(leaf, jax.ShapeDtypeStruct))

    def _planned(self, rules: MarkovRules, record: PlayRecord, parameters: Any) -> Fitted:
        guess = self.guess(rules, parameters)
        commitment = polished(rules, guess)
        worth = worths(rules, guess, commitment)
        plays = jnp.maximum(jnp.sum(record.visits) / rules.horizon, 1.0)
        return Fitted(
            record,
            parameters,
            commitment,
            Belief(answers(rules, guess, commitment), guess.value),
            jnp.sum(jnp.asarray(rules.initial) * worth[0]),
            bellman_loss(rules, record, guess.value, worth) / plays,
            log_loss(rules, record, guess.reward) / plays,
        )


def _inputs(rules: MarkovRules) -> tuple[Float[AnyArray, "h s a b d"], Float[AnyArray, "h s a b e"]]:
    """What the networks of reward and value read of each cell."""
    named = jnp.meshgrid(*(jnp.arange(size) for size in rules.shape), indexing="ij")
    plain = jnp.concatenate(
        [jax.nn.one_hot(place, size) for place, size in zip(named, rules.shape, strict=True)], axis=-1
    )
    given = (rules.follower_features, rules.leader_features)
    first, second = (plain if features is None else jnp.asarray(features) for features in given)
    return first, second


def _applied(network: eqx.nn.MLP, inputs: Float[AnyArray, "h s a b d"]) -> Float[AnyArray, "h s a b"]:
    return jax.vmap(network)(jnp.asarray(inputs).reshape(-1, inputs.shape[-1])).reshape(inputs.shape[:-1])
