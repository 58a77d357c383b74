"""Leaders that learn to commit by acting in the `StackelbergPOMDP`: what all of them have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Float

from .. import _boundary as boundary
from .._learner import Metrics
from .._runs import Metric
from .._types import AnyArray, Key
from ..calculus.simplex import weight
from ..followers.query import Act
from ..followers.stackelberg_pomdp import StackelbergPOMDP, Trajectory
from ..games.environment import Box, Discrete
from ..rl.learner import AbstractEpisodeLearner
from ..rl.policy import AbstractPolicy, blank_policy


EXAMPLE = 'sg.StackelbergPOMDP(sg.pretrained_follower(sg.iterated_matrix_game("chicken")))'


class Learned(eqx.Module):
    """What a leader has learned.

    - `policy`: how it acts.  `critic`: what it expects to be paid, where it keeps that apart.
    - `moments`: of its optimiser.  `oracles`: at the end of its last episodes, where followers are kept.
    """

    policy: AbstractPolicy
    critic: Any
    moments: Any
    oracles: Any


class Lesson(eqx.Module):
    """Episodes `(e, n)`, and what else is needed to learn from them.

    - `oracles`: at the ends of the episodes, where followers are kept.  `noise`: how policies were shaken.
    - `policies`: of the contextual follower that was met, where it was learned before in the same run.
    """

    made: Trajectory
    oracles: Any
    noise: Any = None
    policies: Any = None


class AbstractLeader(AbstractEpisodeLearner):
    """A leader that plays `num_episodes` episodes of its decision process in a step, and learns from them."""

    process: eqx.AbstractVar[StackelbergPOMDP]
    num_episodes: eqx.AbstractVar[int]

    @property
    @abstractmethod
    def hidden(self) -> tuple[int, ...]:
        """Widths of the hidden layers of its network; none for a table."""

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """What every leader records."""
        return {"sampled_return": Metric("leader's mean return while it explores", "payoff", "leader", "higher")}

    @abstractmethod
    def improved(self, state: Learned, lesson: Lesson, n: Any, key: Key) -> tuple[Learned, Metrics]:
        """The state after learning from these episodes."""

    def exploring(self, state: Learned, n: Any) -> Act:
        """How it acts while it learns: here its policy draws."""
        del n
        return lambda observation, key: jr.categorical(key, state.policy.log_choice(observation))

    def init(self, key: Key) -> Learned:
        """A policy near uniform, and followers that know nothing."""
        of_policy, of_oracles = jr.split(key)
        actions = self.process.action_spaces[0]
        num_actions = actions.size if isinstance(actions, Discrete) else actions.shape[0]
        policy = blank_policy(self.process.observation_spaces[0], num_actions, self.hidden, of_policy)
        oracles = None
        if self.process.keeps_followers:
            oracles = jax.vmap(self.process.oracle.init)(jr.split(of_oracles, self.num_episodes))
        return self.begun(policy, oracles)

    @abstractmethod
    def begun(self, policy: AbstractPolicy, oracles: Any) -> Learned:
        """The state before the first step."""

    def sample(self, state: Learned, n: Any, key: Key) -> Lesson:
        """Episodes of the present policy."""
        act, keys = self.exploring(state, n), jr.split(key, self.num_episodes)
        made, oracles = jax.vmap(lambda key, before: self.process.episode(act, key, before))(keys, state.oracles)
        return Lesson(made, None if state.oracles is None else oracles)

    def update(self, state: Learned, batch: Lesson, n: Any, key: Key) -> tuple[Learned, Metrics]:
        """Learn from the episodes."""
        state, metrics = self.improved(state, batch, n, key)
        state = Learned(state.policy, state.critic, state.moments, batch.oracles)
        paid = jnp.sum(jnp.where(batch.made.is_query, 0.0, batch.made.rewards), axis=1)
        return state, {"sampled_return": jnp.mean(paid), **metrics}

    def chances(self, state: Learned) -> Float[AnyArray, "o a"]:
        """The logit choice of what its policy holds, for each observation of the game.

        Where it learns logits these are how it explores; where it learns worths, or shakes itself, they are near that.
        """
        space = boundary.instance("process", self.process.game.observation_spaces[0], Discrete, "counted observations")
        return weight(jax.vmap(state.policy.log_choice)(self.process.shows_phase * space.size + jnp.arange(space.size)))

    def commitment(self, state: Learned) -> Float[AnyArray, "o a"]:
        """How it plays, for each observation of the game: its likeliest action, or its mixture where it commits to one.

        Of a leader that sees the phase, how it plays and not what it promises.
        """
        space = boundary.instance("process", self.process.game.observation_spaces[0], Discrete, "counted observations")
        shown = self.process.shows_phase * space.size + jnp.arange(space.size)
        log_choice = jax.vmap(state.policy.log_choice)(shown)
        if isinstance(self.process.action_spaces[0], Box):
            return weight(log_choice)
        return jax.nn.one_hot(jnp.argmax(log_choice, axis=-1), log_choice.shape[-1])


def returns_to_go(made: Trajectory) -> Float[AnyArray, "e n"]:
    """What is still paid from each step on: a query gets all of it."""
    return jnp.cumsum(made.rewards[:, ::-1], axis=1)[:, ::-1]


def mean_by_observation(
    made: Trajectory, values: Float[AnyArray, "e n"], num_observations: int
) -> Float[AnyArray, "o"]:
    """The mean over the counted steps of each observation; 0 where there is none."""
    counts = made.is_counted.astype(values.dtype)
    total = jnp.zeros(num_observations).at[made.observations].add(values * counts)
    seen = jnp.zeros(num_observations).at[made.observations].add(counts)
    return total / jnp.maximum(seen, 1.0)
