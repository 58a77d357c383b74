"""A follower that learns from scratch, within the leader's episode, by proximal policy optimisation: `InnerPPO`."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Bool, Float, Int

from .. import _boundary as boundary
from .._types import AnyArray, Key
from ..games.environment import AbstractEnvironment, Discrete
from ..rl.policy import AbstractPolicy, blank_policy
from ..rl.proximal import clipped_objective, generalised_advantages
from .query import AbstractQueryOracle, Act, Asked
from .trials import Trial, first_trial, only_follower, trial_step


class Tried(eqx.Module):
    """What the follower saw, did and was paid in the steps `(n,)` since it learned last."""

    observations: Int[AnyArray, "*n"]
    actions: Int[AnyArray, "*n"]
    scores: Float[AnyArray, "*n"]
    rewards: Float[AnyArray, "*n"]
    is_over: Bool[AnyArray, "*n"]


class Practising(eqx.Module):
    """The follower's policy, what it expects at each observation, its optimiser's moments, and where its trials stand.

    `key` is that of the whole phase.
    """

    policy: AbstractPolicy
    expected: Float[AnyArray, "p"]
    moments: Any
    tried: Tried
    trial: Trial
    key: Key


class InnerPPO(AbstractQueryOracle):
    """A policy that plays `num_updates` × `num_trials` games against the leader, and learns after every `num_trials`.

    Where games end early it plays more of them, in as many steps. Every step of a trial is a query, as for
    `InnerQLearning`. Its response is the greedy policy.

    - `environment`: a game with one follower, whose observations and actions are counted.
    - `num_updates`: how often it learns.  `num_trials`: games in between.
    - `num_epochs`: steps of Adam on all of them.  `learning_rate`: of Adam.  `clip`: of the ratio of probabilities.
    - `entropy`: weight of the policy's entropy; advantages are scaled to variance 1.
    - `width`, `num_layers`: of the hidden layers of a network; width 0 for a table of logits.

    What is expected at an observation is a running mean of what was still paid there.
    """

    environment: AbstractEnvironment
    num_updates: int = eqx.field(static=True)
    num_trials: int = eqx.field(static=True)
    num_epochs: int = eqx.field(static=True)
    learning_rate: float
    clip: float
    entropy: float
    width: int = eqx.field(static=True)
    num_layers: int = eqx.field(static=True)

    def __init__(
        self,
        environment: Any,
        num_updates: Any = 40,
        num_trials: Any = 10,
        num_epochs: Any = 4,
        learning_rate: Any = 0.1,
        clip: Any = 0.2,
        entropy: Any = 0.01,
        width: Any = 0,
        num_layers: Any = 2,
    ) -> None:
        example = 'sg.iterated_matrix_game("prisoners_dilemma")'
        self.environment = boundary.instance("environment", environment, AbstractEnvironment, example)
        self.num_updates = boundary.whole_number("num_updates", num_updates, low=1)
        self.num_trials = boundary.whole_number("num_trials", num_trials, low=1)
        self.num_epochs = boundary.whole_number("num_epochs", num_epochs, low=1)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)
        self.clip = boundary.real_number("clip", clip, low=0.0, high=1.0, low_open=True)
        self.entropy = boundary.real_number("entropy", entropy, low=0.0)
        self.width = boundary.whole_number("width", width, low=0)
        self.num_layers = boundary.whole_number("num_layers", num_layers, low=1)
        only_follower(self.environment)

    @property
    def num_queries(self) -> int:
        """One for each step of each trial."""
        return self.num_updates * self._num_between

    def init(self, key: Key) -> Practising:
        """A policy near uniform that expects nothing, and the first trial."""
        of_policy, rest = jr.split(key)
        seen, num_actions = only_follower(self.environment)
        hidden = (self.width,) * self.num_layers if self.width else ()
        policy = blank_policy(Discrete(seen), num_actions, hidden, of_policy)
        learned = eqx.filter(policy, eqx.is_inexact_array)
        return self._begun(policy, jnp.zeros(seen), self._adam.init(learned), rest)

    def again(self, state: Practising, key: Key) -> Practising:
        """It goes on with what it has learned of the leader that was."""
        return self._begun(state.policy, state.expected, state.moments, key)

    def query(self, state: Practising) -> AnyArray:
        """What the leader sees of the trial."""
        return state.trial.observations[0]

    def answer(self, state: Practising, action: AnyArray) -> tuple[Practising, Float[AnyArray, ""]]:
        """One step of the trial; after the last of `num_trials`, learning."""
        state, earned = self._tried(state, action)
        is_due = state.trial.count % self._num_between == 0
        return jax.lax.cond(is_due, lambda: self._improved(state), lambda: state), earned

    def asked(self, act: Act, state: Practising, key: Key) -> tuple[Practising, Asked]:
        """The same in parts, each followed by learning: batched, a condition costs both its sides every time."""

        def step(state, n):
            observation = self.query(state)
            action = act(observation, jr.fold_in(key, n))
            state, earned = self._tried(state, action)
            return state, Asked(observation, action, earned)

        def part(state, steps):
            state, made = jax.lax.scan(step, state, steps)
            return self._improved(state), made

        numbers = jnp.arange(self.num_queries).reshape(self.num_updates, -1)
        state, made = jax.lax.scan(part, state, numbers)
        return state, jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), made)

    def response(self, state: Practising) -> tuple[Float[AnyArray, "p b"]]:
        """The greedy policy."""
        num_seen, num_actions = only_follower(self.environment)
        log_choice = jax.vmap(state.policy.log_choice)(jnp.arange(num_seen))
        return (jax.nn.one_hot(jnp.argmax(log_choice, axis=-1), num_actions),)

    def _tried(self, state: Practising, action: AnyArray) -> tuple[Practising, Float[AnyArray, ""]]:
        """One step of the trial, noted down."""
        trial = state.trial
        of_action, of_trial = jr.split(jr.fold_in(state.key, trial.count))
        own = trial.observations[1]
        log_choice = jnp.asarray(state.policy.log_choice(own))
        chosen = jr.categorical(of_action, log_choice).astype(jnp.int32)
        after, paid, is_over = trial_step(self.environment, trial, (action, chosen), of_trial, self.num_queries)
        here = Tried(own, chosen, log_choice[chosen], paid[1], is_over)
        place = trial.count % self._num_between
        note = lambda leaf, now: jnp.asarray(leaf).at[place].set(jnp.asarray(now).astype(leaf.dtype))
        tried = jax.tree.map(note, state.tried, here)
        return Practising(state.policy, state.expected, state.moments, tried, after, state.key), paid[0]

    def _improved(self, state: Practising) -> Practising:
        """Some steps of Adam on what was tried; what a game under way will still pay is not waited for."""
        tried, expected = state.tried, jnp.asarray(state.expected)
        left = generalised_advantages(tried.rewards, 1.0 - tried.is_over, 1.0)
        seen = jnp.zeros_like(expected).at[tried.observations].add(1.0)
        mean = jnp.zeros_like(expected).at[tried.observations].add(left) / jnp.maximum(seen, 1.0)
        expected = jnp.where(seen > 0.0, expected + 0.5 * (mean - expected), expected)
        gain = left - expected[tried.observations]
        gain = (gain - jnp.mean(gain)) / (jnp.std(gain) + 1e-6)
        numbers, rest = eqx.partition(state.policy, eqx.is_inexact_array)

        def loss(numbers):
            log_choice = jax.vmap(eqx.combine(numbers, rest).log_choice)(tried.observations)
            objective = clipped_objective(log_choice, tried.actions, tried.scores, gain, self.clip, self.entropy)
            return -jnp.mean(objective)

        def epoch(carry, _):
            numbers, moments = carry
            push, moments = self._adam.update(jax.grad(loss)(numbers), moments)
            return (jax.tree.map(lambda leaf, move: leaf - self.learning_rate * move, numbers, push), moments), None

        (numbers, moments), _ = jax.lax.scan(epoch, (numbers, state.moments), length=self.num_epochs)
        learned = (eqx.combine(numbers, rest), expected, moments)
        return eqx.tree_at(lambda one: (one.policy, one.expected, one.moments), state, learned)

    def _begun(self, policy: AbstractPolicy, expected: Float[AnyArray, "p"], moments: Any, key: Key) -> Practising:
        none, nothing = jnp.zeros(self._num_between, jnp.int32), jnp.zeros(self._num_between)
        tried = Tried(none, none, nothing, nothing, none.astype(bool))
        trial = first_trial(self.environment, jr.fold_in(key, 0))
        return Practising(policy, expected, moments, tried, trial, jr.fold_in(key, 1))

    @property
    def _num_between(self) -> int:
        """Queries between two times that it learns."""
        return self.num_trials * self.environment.num_steps

    @property
    def _adam(self) -> optax.GradientTransformation:
        return optax.scale_by_adam()
