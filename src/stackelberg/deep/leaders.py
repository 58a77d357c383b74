"""Leaders that learn to commit by acting in the `StackelbergPOMDP`: what all have in common, and two policy gradients."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Float

from .._learner import AbstractLearner, Metrics, Precision, Resume
from .._runs import Metric
from .._types import AnyArray, Key
from ..followers.stackelberg_pomdp import StackelbergPOMDP, Trajectory
from ..games.environment import Discrete
from ..rl.policy import AbstractPolicy, blank_policy


class Learned(eqx.Module):
    """A policy and a baseline, their moments, and the oracles of the last episodes, where these are kept."""

    policy: AbstractPolicy
    baseline: Any
    moments: Any
    oracles: Any


class AbstractLeader(AbstractLearner):
    """A leader that plays `num_episodes` episodes of its decision process in a step, and learns from them."""

    process: eqx.AbstractVar[StackelbergPOMDP]
    num_episodes: eqx.AbstractVar[int]
    hidden: eqx.AbstractVar[tuple[int, ...]]

    @property
    def precision(self) -> Precision:
        """Samples are noisy; float32 is enough."""
        return "float32"

    @property
    def on_host(self) -> bool:
        """Environments are pure functions."""
        return False

    @property
    def resume(self) -> Resume:
        """Nothing outside of the state remembers."""
        return "exact"

    @property
    def max_steps(self) -> int | None:
        """No limit."""
        return None

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """What is recorded of every leader."""
        return {"sampled_return": Metric("leader's mean return while it explores", "payoff", "leader", "higher")}

    def sample(self, state: Learned, n: Any, key: Key) -> tuple[Trajectory, Any]:
        """Episodes of the present policy."""
        del n
        act = lambda observation, key: jr.categorical(key, state.policy.log_choice(observation))
        keys = jr.split(key, self.num_episodes)
        if state.oracles is None:
            return jax.vmap(lambda key: self.process.episode(act, key)[0])(keys), None
        return jax.vmap(lambda key, before: self.process.episode(act, key, before))(keys, state.oracles)

    def commitment(self, state: Learned) -> Float[AnyArray, "o a"]:
        """The greedy policy, as one row of chances for each observation of the game."""
        space = self.process.game.observation_spaces[0]
        assert isinstance(space, Discrete)
        last = self.process.shows_phase * space.size
        log_choice = jax.vmap(state.policy.log_choice)(last + jnp.arange(space.size))
        return jax.nn.one_hot(jnp.argmax(log_choice, axis=-1), log_choice.shape[-1])

    @abstractmethod
    def improved(self, state: Learned, made: Trajectory, n: Any, key: Key) -> tuple[Learned, Metrics]:
        """The state after learning from these episodes."""

    def update(self, state: Learned, batch: tuple[Trajectory, Any], n: Any, key: Key) -> tuple[Learned, Metrics]:
        """Learn from the episodes."""
        made, oracles = batch
        state, metrics = self.improved(state, made, n, key)
        state = Learned(state.policy, state.baseline, state.moments, oracles)
        return state, {"sampled_return": jnp.mean(jnp.sum(made.rewards, axis=1)), **metrics}

    def _blank(self, key: Key) -> tuple[AbstractPolicy, Any]:
        """A policy, and the oracles' first states where they are kept."""
        of_policy, of_oracles = jr.split(key)
        space, actions = self.process.observation_spaces[0], self.process.action_spaces[0]
        assert isinstance(actions, Discrete)
        policy = blank_policy(space, actions.size, self.hidden, of_policy)
        oracles = None
        if self.process.keeps_followers:
            oracles = jax.vmap(self.process.oracle.init)(jr.split(of_oracles, self.num_episodes))
        return policy, oracles


def returns_to_go(made: Trajectory) -> Float[AnyArray, "e n"]:
    """What is still to be paid from each step on: queries get all of it."""
    return jnp.cumsum(made.rewards[:, ::-1], axis=1)[:, ::-1]
