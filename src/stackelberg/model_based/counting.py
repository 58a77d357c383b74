"""A world that is learned by counting and planned in: model-as-leader and policy-as-leader as settings of one loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Bool, Float, Int

from .. import _boundary as boundary
from .._errors import InputError
from .._learner import Metrics, Precision
from .._record import Record
from .._runs import Metric
from .._types import AnyArray, Key
from ..calculus.simplex import drawn, quantal_choice
from ..games.decision_process import DecisionProcess, first_best
from ..games.model_game import EXAMPLE
from ..games.row_balls import MOST_CERTAIN, ball_radius, completed_in_balls
from ..rl.learner import AbstractCompiledLearner
from .policy_ascent import ascent
from .where_wrong import WHERE, where_wrong


Unknown: TypeAlias = Literal["as counted", "best", "worst"]


class Counted(eqx.Module):
    """What is known after some steps.

    - `counts`: `(s, a, s)`.  `members`: `(m, s, a, s)`, of an ensemble, with the key of their draws; none
      for a single model.  `recent`: `(w,)`, the transitions of the window as numbers of cells; -1 for none yet.
    - `logits`, `policy`, `model`: of the players.  `promised`: return of the policy in the model.
    - `place`, `time`: where the episode is.
    - `behaviour`: `(s, a)`, what plays in this episode where it is not the policy; `is_noise`: whether it does.
    """

    counts: Float[AnyArray, "s a s"]
    members: Float[AnyArray, "m s a s"]
    of_members: AnyArray
    recent: Int[AnyArray, "w"]
    logits: Float[AnyArray, "s a"]
    policy: Float[AnyArray, "s a"]
    model: Float[AnyArray, "s a s"]
    promised: Float[AnyArray, ""]
    place: Int[AnyArray, ""]
    time: Int[AnyArray, ""]
    behaviour: Float[AnyArray, "s a"]
    is_noise: Bool[AnyArray, ""]


class Moved(eqx.Module):
    """One step in the world, and the players that made it."""

    place: Int[AnyArray, ""]
    action: Int[AnyArray, ""]
    then: Int[AnyArray, ""]
    policy: Float[AnyArray, "s a"]
    model: Float[AnyArray, "s a s"]


class CountingModel(AbstractCompiledLearner):
    """Counts what it meets, takes the mean as its model, and plays the policy that plans in it; one real step a step.

    - `process`: the world, of which one transition a step is seen; rewards and ends are known.
    - `policy_steps`: natural policy-gradient steps for each fit, counted as the process counts (policy-as-leader: 1 to
      5); 0 plans to the end at `planning_discount`, the first of tied actions (model-as-leader).
    - `learning_rate`: of those steps.  `window`: how many of the last transitions are counted; 0 for all of them.
    - `prior`: pseudo-counts of each row, spread evenly.  `members`: of an ensemble, in the mean of which the policy
      plans; each counts every transition as often as a Poisson law of mean 1 says (the bootstrap, online).
    - `noise`: the share of episodes that are played by a policy drawn at random, each row from a flat Dirichlet law.
    - `plan_every`: after how many real steps the model is fitted and the policy plans anew.
    - `exploration`: the share of actions drawn at random.  `initial_steps`: so many steps at first are all random.
    - `unknown`: what a row counts for that was met fewer than `unknown_below` times: "best" pays the highest reward for
      ever (R-max), "worst" the lowest (MOReL).
    - `level`: where it is above 0 there is no threshold: every row is the best, or the worst, within the ball of the L1
      norm that holds all true rows for ever with this probability: UCRL2's optimism, and robust planning. Needs
      `policy_steps` 0 and an `unknown` other than "as counted".  `width`: by which its radii are multiplied; below 1
      nothing is guaranteed, and far fewer steps are needed.

    Where the policy alone gathers the data, a model that is right about it may be wrong about everything better: the
    trap of model-as-leader. All further settings are ways out of it.
    """

    process: DecisionProcess
    policy_steps: int = eqx.field(static=True)
    planning_discount: float
    learning_rate: float
    window: int = eqx.field(static=True)
    prior: float
    members: int = eqx.field(static=True)
    noise: float
    exploration: float
    initial_steps: float
    unknown: Unknown = eqx.field(static=True)
    unknown_below: float
    level: float
    width: float
    is_in_balls: bool = eqx.field(static=True)
    plan_every: int = eqx.field(static=True)

    def __init__(
        self,
        process: Any,
        policy_steps: Any = 0,
        planning_discount: Any = 0.99,
        learning_rate: Any = 0.1,
        window: Any = 0,
        prior: Any = 1.0,
        noise: Any = 0.0,
        exploration: Any = 0.0,
        initial_steps: Any = 0,
        unknown: Any = "as counted",
        unknown_below: Any = 1.0,
        level: Any = 0.0,
        width: Any = 1.0,
        plan_every: Any = 1,
        members: Any = 1,
    ) -> None:
        self.process = boundary.instance("process", process, DecisionProcess, EXAMPLE)
        self.policy_steps = boundary.whole_number("policy_steps", policy_steps, low=0)
        self.planning_discount = boundary.real_number("planning_discount", planning_discount, low=0.0, high=0.9999)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)
        self.window = boundary.whole_number("window", window, low=0)
        self.prior = boundary.real_number("prior", prior, low=0.0, low_open=True)
        self.members = boundary.whole_number("members", members, low=1)
        self.noise = boundary.real_number("noise", noise, low=0.0, high=1.0)
        self.exploration = boundary.real_number("exploration", exploration, low=0.0, high=1.0)
        self.initial_steps = boundary.real_number("initial_steps", initial_steps, low=0.0)
        self.unknown = boundary.one_of("unknown", unknown, ("as counted", "best", "worst"))  # type: ignore[assignment]
        self.unknown_below = boundary.real_number("unknown_below", unknown_below, low=0.0)
        self.level = boundary.real_number("level", level, low=0.0, high=MOST_CERTAIN)
        self.width = boundary.real_number("width", width, low=0.0)
        self.is_in_balls = self.level > 0.0
        if self.is_in_balls and (self.policy_steps or self.unknown == "as counted"):
            raise InputError(
                boundary.INCONSISTENT,
                "level",
                found=f"it is {self.level:g} with unknown = {self.unknown!r} and policy_steps = {self.policy_steps}",
                allowed='a level above 0 goes with unknown = "best" or "worst" and policy_steps = 0',
                remedy="Say which way rows are to be tilted, or leave the level out.",
            )
        self.plan_every = boundary.whole_number("plan_every", plan_every, low=1)

    @property
    def precision(self) -> Precision:
        """Plans are exact."""
        return "float64"

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """What the learner knows itself; what the world pays is a monitor's."""
        return {
            "promised": Metric("return in its own model", "reward", "leader", "higher"),
            "rows_met": Metric("rows of the model that were ever met", "rows", "leader"),
        }

    def init(self, key: Key) -> Counted:
        """Nothing counted; the first episode begins."""
        num_states, num_actions = self.process.shape
        blank = jnp.zeros((num_states, num_actions, num_states))
        logits = jnp.zeros((num_states, num_actions))
        begun = self._begin(key)
        recent = jnp.full(self.window, -1, dtype=int)
        members = jnp.zeros((self.members if self.members > 1 else 0, *blank.shape))
        counted = (blank, members, jr.key_data(jr.fold_in(key, 1)), recent)
        return self._planned(
            Counted(*counted, logits, quantal_choice(logits, 1.0), blank, jnp.zeros(()), *begun)  # type: ignore
        )

    def sample(self, state: Counted, n: Any, key: Key) -> Moved:
        """One step in the world."""
        of_action, of_chance, of_law = jr.split(key, 3)
        num_actions = self.process.shape[1]
        plays = jnp.where(state.is_noise, state.behaviour, state.policy)[state.place]
        is_random = (jr.uniform(of_chance) < self.exploration) | (jnp.asarray(n) < self.initial_steps)
        plays = jnp.where(is_random, 1.0 / num_actions, plays)
        action = drawn(plays, jr.uniform(of_action))
        then = drawn(jnp.asarray(self.process.transition)[state.place, action], jr.uniform(of_law))
        return Moved(state.place, action, then, state.policy, state.model)

    def update(self, state: Counted, batch: Moved, n: Any, key: Key) -> tuple[Counted, Metrics]:
        """Count, fit, plan, and go on or begin a new episode."""
        cell = (batch.place, batch.action, batch.then)
        counts, recent = jnp.asarray(state.counts).at[cell].add(1.0), state.recent
        members = jnp.asarray(state.members).at[:, *cell].add(self._times(state, n))
        if self.window:
            slot = n % self.window
            gone, flat = recent[slot], jnp.ravel_multi_index(cell, counts.shape, mode="clip")
            once, left = jnp.where(gone >= 0, 1.0, 0.0), jnp.unravel_index(jnp.maximum(gone, 0), counts.shape)
            counts = counts.at[left].add(-once)
            members = members.at[:, *left].add(-once * self._times(state, n - self.window))
            recent = jnp.asarray(recent).at[slot].set(flat)
        is_over = jnp.asarray(self.process.is_terminal)[batch.then]
        if self.process.horizon is not None:
            is_over = is_over | (state.time + 1 >= self.process.horizon)
        begun = self._begin(key)
        goes_on = (batch.then, state.time + 1, state.behaviour, state.is_noise)
        now = [jnp.where(is_over, fresh, old) for fresh, old in zip(begun, goes_on, strict=True)]
        told = (state.logits, state.policy, state.model, state.promised)
        after = Counted(counts, members, state.of_members, recent, *told, *now)  # type: ignore[arg-type]
        if self.plan_every > 1:
            after = jax.lax.cond(n % self.plan_every == 0, lambda one: self._planned(one), lambda one: one, after)
        else:
            after = self._planned(after)
        rows_met = jnp.sum(jnp.any(counts > 0.0, axis=-1)).astype(float)
        return after, {"promised": after.promised, "rows_met": rows_met}

    def commitment(self, state: Counted) -> Float[AnyArray, "s a"]:
        """The policy that it plays."""
        return state.policy

    def pictured(self, state: Counted) -> Mapping[str, Record]:
        """Where its model is wrong, and where its policy goes."""
        return {WHERE: where_wrong(self.process, state.policy, state.model)}

    def _times(self, state: Counted, n: Any) -> Float[AnyArray, "m"]:
        """How often each member counts the transition of step n: the same whenever it is asked."""
        if self.members == 1:
            return jnp.zeros(0)
        key = jr.fold_in(jr.wrap_key_data(jnp.asarray(state.of_members)), jnp.asarray(n, dtype=jnp.uint32))
        return jr.poisson(key, 1.0, (self.members,)).astype(jnp.result_type(float))

    def _begin(self, key: Key) -> tuple[AnyArray, ...]:
        """A first state, the time, and who plays."""
        of_place, of_policy, of_noise = jr.split(key, 3)
        num_states, num_actions = self.process.shape
        behaviour = jr.dirichlet(of_policy, jnp.ones(num_actions), (num_states,))
        is_noise = jr.uniform(of_noise) < self.noise
        return drawn(self.process.initial, jr.uniform(of_place)), jnp.asarray(0), behaviour, is_noise

    def _planned(self, state: Counted) -> Counted:
        """The state with its model fitted to the counts and its policy improved in it."""
        num_states = self.process.shape[0]
        total = jnp.sum(state.counts, axis=-1, keepdims=True)
        model = counted_model(self.process, state.counts, self.prior)
        if self.members > 1:
            each = jax.vmap(lambda counts: counted_model(self.process, counts, self.prior))(state.members)
            model = jnp.mean(each, axis=0)
        is_known = (total >= self.unknown_below) | jnp.asarray(self.process.is_terminal)[:, None, None]
        is_known = is_known | (self.unknown == "as counted")
        if self.policy_steps:
            step = lambda _, logits: logits + self.learning_rate * ascent(self.process, logits, model, "natural")[0]
            logits = jax.lax.fori_loop(0, self.policy_steps, step, state.logits)
            policy = quantal_choice(logits, 1.0)
        elif self.is_in_balls:
            logits, planner = state.logits, self.process.counted(discount=self.planning_discount)
            middle = jnp.where(total > 0.0, state.counts / jnp.maximum(total, 1.0), 1.0 / num_states)
            radius = self.width * ball_radius(total[..., 0], num_states, self.level)
            tilted, _ = completed_in_balls(planner, middle, radius, "best" if self.unknown == "best" else "worst")
            policy = first_best(self.process.expected_reward(tilted), tilted, self.planning_discount)
        else:
            logits, reward = state.logits, jnp.asarray(self.process.reward)
            extreme = jnp.max(reward) if self.unknown == "best" else jnp.min(reward)
            paid = jnp.where(is_known[..., 0], self.process.expected_reward(model), extreme)
            law = jnp.where(is_known, model, jnp.eye(num_states)[:, None, :])
            policy = first_best(paid, self.process.closed(law), self.planning_discount)
        counted = (state.counts, state.members, state.of_members, state.recent)
        fields = (*counted, logits, policy, model, jnp.asarray(self.process.value(policy, model)))
        return Counted(*fields, state.place, state.time, state.behaviour, state.is_noise)


def counted_model(process: DecisionProcess, counts: Float[AnyArray, "s a s"], prior: Any) -> Float[AnyArray, "s a s"]:
    """The mean of what was counted and of `prior` pseudo-counts in each row, spread evenly."""
    total = jnp.sum(counts, axis=-1, keepdims=True)
    return process.closed((counts + prior / process.shape[0]) / (total + prior))
