"""A follower that gets to know the leader in a few plays and remembers: `RecurrentFollower`, learned beforehand.

The recurrent variant of the contextual follower (Gerstgrasser and Parkes, 2023, section 4): no answers are handed to
it, it finds out by playing, and what it has found out is the state of a recurrent network (as in "RL²", Duan et al.,
2016).
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.flatten_util import ravel_pytree
from jaxtyping import Bool, Float, Int

from .. import _boundary as boundary
from .._types import AnyArray, Key
from ..calculus.simplex import log_quantal_choice, logarithm
from ..games.environment import AbstractEnvironment
from ..rl.policy import network
from .query import AbstractQueryOracle
from .trials import Trial, first_trial, only_follower, trial_step


EXAMPLE = 'sg.iterated_matrix_game("prisoners_dilemma")'


class Recurrent(eqx.Module):
    """A cell that remembers what was seen, done and paid, and a policy on the present observation and the memory."""

    cell: eqx.nn.GRUCell
    policy: eqx.nn.MLP

    def log_choice(self, observation: Float[AnyArray, "p"], memory: Float[AnyArray, "h"]) -> Float[AnyArray, "b"]:
        """Of all actions; the observation is one-hot."""
        return log_quantal_choice(self.policy(jnp.concatenate([observation, memory])), 1.0)

    def remembered(self, memory: Float[AnyArray, "h"], made: tuple[AnyArray, ...]) -> Float[AnyArray, "h"]:
        """The memory after a step (observation, action, both one-hot, reward, whether a play has ended)."""
        seen, done, reward, is_over = made
        felt = jnp.sign(reward) * logarithm(1.0 + jnp.abs(reward))
        return self.cell(
            jnp.concatenate([seen, done, felt[None], jnp.asarray(is_over, felt.dtype)[None]]), jnp.asarray(memory)
        )


class GettingToKnow(eqx.Module):
    """What the follower remembers `(h,)`, and where its trials stand; `key` is that of the whole phase."""

    memory: Float[AnyArray, "h"]
    trial: Trial
    key: Key


class RecurrentFollower(AbstractQueryOracle):
    """A follower that plays `num_trials` games against the leader, and then keeps to what it remembers of them.

    - `environment`: a game with one follower, whose observations and actions are counted.
    - `weights`: `(w,)`, of its networks in a row, as a run of `RecurrentTraining` saves them; or the networks
      themselves. Left out, it has yet to learn.
    - `num_trials`: games; where they end early it plays more of them, in as many steps. Every step is a query.
    - `width`: of the memory and of the policy's hidden layer.
    - `exploration`: the chance of an action at random in a trial. Without it a follower that plays well without knowing
      the leader finds out nothing about it.

    While it tries it draws its actions; its response is the likeliest action at each observation, with the memory as
    it is after the last trial. So the response is fixed while the leader is paid, and the leader's episode is a query
    phase and a play like any other.
    """

    environment: AbstractEnvironment
    weights: Recurrent
    num_trials: int = eqx.field(static=True)
    width: int = eqx.field(static=True)
    exploration: float

    def __init__(
        self, environment: Any, weights: Any = None, num_trials: Any = 3, width: Any = 32, exploration: Any = 0.5
    ) -> None:
        self.environment = boundary.instance("environment", environment, AbstractEnvironment, EXAMPLE)
        self.num_trials = boundary.whole_number("num_trials", num_trials, low=1)
        self.width = boundary.whole_number("width", width, low=1)
        self.exploration = boundary.real_number("exploration", exploration, low=0.0, high=1.0)
        blank = blank_recurrent(self.environment, self.width, jax.random.key(0))
        if weights is None or isinstance(weights, Recurrent):
            self.weights = blank if weights is None else weights
        else:
            row, whole = ravel_pytree(blank)
            self.weights = whole(jnp.asarray(boundary.real_array("weights", weights, axes=row.shape), row.dtype))

    @property
    def num_queries(self) -> int:
        """One for each step of each trial."""
        return self.num_trials * self.environment.num_steps

    def init(self, key: Key) -> GettingToKnow:
        """Nothing is remembered."""
        return self._begun(jnp.zeros(self.width), key)

    def again(self, state: GettingToKnow, key: Key) -> GettingToKnow:
        """It goes on with what it remembers of the leader that was."""
        return self._begun(state.memory, key)

    def query(self, state: GettingToKnow) -> AnyArray:
        """What the leader sees of the trial."""
        return state.trial.observations[0]

    def answer(self, state: GettingToKnow, action: AnyArray) -> tuple[GettingToKnow, Float[AnyArray, ""]]:
        """One step of the trial, remembered."""
        of_action, of_trial = jr.split(jr.fold_in(state.key, state.trial.count))
        num_seen, num_actions = only_follower(self.environment)
        seen = jax.nn.one_hot(state.trial.observations[1], num_seen)
        chosen, _ = tried(of_action, self.weights.log_choice(seen, state.memory), self.exploration)
        trial, paid, is_over = trial_step(self.environment, state.trial, (action, chosen), of_trial, self.num_queries)
        passed = (seen, jax.nn.one_hot(chosen, num_actions), paid[1], is_over)
        return GettingToKnow(self.weights.remembered(state.memory, passed), trial, state.key), paid[0]

    def response(self, state: GettingToKnow) -> tuple[Float[AnyArray, "p b"]]:
        """What it does at each observation, by what it remembers."""
        num_seen, num_actions = only_follower(self.environment)
        log_choice = jax.vmap(lambda seen: self.weights.log_choice(seen, state.memory))(jnp.eye(num_seen))
        return (jax.nn.one_hot(jnp.argmax(log_choice, axis=-1), num_actions),)

    def _begun(self, memory: Float[AnyArray, "h"], key: Key) -> GettingToKnow:
        return GettingToKnow(memory, first_trial(self.environment, jr.fold_in(key, 0)), jr.fold_in(key, 1))


def tried(key: Key, log_choice: Float[AnyArray, "b"], exploration: Any) -> tuple[Int[AnyArray, ""], Bool[AnyArray, ""]]:
    """An action, by the policy or at random, and which of the two."""
    of_chance, of_policy, of_chosen = jr.split(key, 3)
    is_random = jr.uniform(of_chance) < exploration
    own, other = jr.categorical(of_policy, log_choice), jr.randint(of_chosen, (), 0, log_choice.shape[0])
    return jnp.where(is_random, other, own).astype(jnp.int32), is_random


def blank_recurrent(environment: AbstractEnvironment, width: int, key: Key) -> Recurrent:
    """Networks whose policy is near uniform."""
    num_seen, num_actions = only_follower(environment)
    of_cell, of_policy = jr.split(key)
    cell = eqx.nn.GRUCell(num_seen + num_actions + 2, width, key=of_cell)
    return Recurrent(cell, network(num_seen + width, num_actions, (width,), of_policy, last=0.01))
