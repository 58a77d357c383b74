"""Worlds of continuous states that one decision maker controls: what deep world models are models of."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from .._types import AnyArray, Key


Act: TypeAlias = Callable[[AnyArray, Key], AnyArray]
"""What is done in a state."""

Observe: TypeAlias = Callable[[AnyArray], AnyArray]
"""What is seen of states, row by row."""


class Advanced(NamedTuple):
    """What one step made: the world `whole` after it, the state that is seen, what was paid, and whether it ended."""

    whole: Any
    then: Float[AnyArray, "d"]
    reward: Float[AnyArray, ""]
    is_over: Bool[AnyArray, ""]


class AbstractControl(eqx.Module):
    """A world whose state is a vector that is seen whole; what steps pay and where episodes end is known to everybody.

    - `num_steps`: the longest that an episode can be.  `num_features`: of the state.
    - `num_actions`: how many actions there are, or 0 where actions are vectors in [-1, 1]; `action_size`: their length.
    - `scale`: `(d,)`, a typical size of each feature.

    Where actions are counted, an action is given one-hot, so that it is a vector of floats everywhere.

    Episodes are played by `begun`, `seen` and `advanced`, which say the same as `reset`, `step`, `reward` and `is_over`
    where a state is all that there is. A simulator of another library keeps more than it shows: it has these three
    only, and is not open.
    """

    num_steps: eqx.AbstractVar[int]
    num_features: eqx.AbstractVar[int]
    num_actions: eqx.AbstractVar[int]
    action_size: eqx.AbstractVar[int]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Of the state, with units, for pictures."""
        return tuple(f"feature {number + 1}" for number in range(self.num_features))

    @property
    def is_open(self) -> bool:
        """Whether the next state, the reward and the end can be computed from what is seen."""
        return True

    @property
    @abstractmethod
    def scale(self) -> Float[AnyArray, "d"]:
        """Of each feature."""

    @abstractmethod
    def reset(self, key: Key) -> Float[AnyArray, "d"]:
        """A first state."""

    @abstractmethod
    def step(self, state: Float[AnyArray, "d"], action: Float[AnyArray, "k"], key: Key) -> Float[AnyArray, "d"]:
        """The next state."""

    @abstractmethod
    def settled(self, state: Float[AnyArray, "d"]) -> Float[AnyArray, "d"]:
        """The state of the world that is nearest to a vector which a model imagined: what is known to be impossible."""

    @abstractmethod
    def reward(
        self, state: Float[AnyArray, "d"], action: Float[AnyArray, "k"], then: Float[AnyArray, "d"]
    ) -> Float[AnyArray, ""]:
        """What that step pays."""

    @abstractmethod
    def is_over(self, then: Float[AnyArray, "d"]) -> Bool[AnyArray, ""]:
        """Whether an episode ends in this state."""

    def begun(self, key: Key) -> Any:
        """A world in which an episode begins."""
        return self.reset(key)

    def seen(self, whole: Any) -> Float[AnyArray, "d"]:
        """The state that is seen of it."""
        return whole

    def advanced(self, whole: Any, action: Float[AnyArray, "k"], key: Key) -> Advanced:
        """One step on."""
        state = self.seen(whole)
        then = self.step(state, action, key)
        return Advanced(then, then, self.reward(state, action, then), self.is_over(then))


class Played(NamedTuple):
    """Episodes side by side, each as long as the longest can be.

    - `state`, `action`, `then`, `reward`, `is_over`: of each step.  `is_on`: 1 until the episode has ended, then 0.
    """

    state: Float[AnyArray, "n t d"]
    action: Float[AnyArray, "n t k"]
    then: Float[AnyArray, "n t d"]
    reward: Float[AnyArray, "n t"]
    is_over: Float[AnyArray, "n t"]
    is_on: Float[AnyArray, "n t"]


def episodes_of(environment: AbstractControl, act: Act, key: Key, num_episodes: int) -> Played:
    """Episodes that start anew, each action chosen by `act(state, key)`."""

    def one(key):
        of_start, of_steps = jax.random.split(key)

        def step(carry, key):
            whole, is_on = carry
            of_act, of_world = jax.random.split(key)
            state = environment.seen(whole)
            action = act(state, of_act)
            made = environment.advanced(whole, action, of_world)
            is_over = jnp.asarray(made.is_over, dtype=is_on.dtype)
            return (made.whole, is_on * (1.0 - is_over)), Played(state, action, made.then, made.reward, is_over, is_on)

        start = (environment.begun(of_start), jnp.ones(()))
        return jax.lax.scan(step, start, jax.random.split(of_steps, environment.num_steps))[1]

    return jax.vmap(one)(jax.random.split(key, num_episodes))


def episode_returns(environment: AbstractControl, act: Act, key: Key, num_episodes: int) -> Float[AnyArray, "n"]:
    """What episodes pay that start anew, each action chosen by `act(state, key)`."""
    played = episodes_of(environment, act, key, num_episodes)
    return jnp.sum(played.reward * played.is_on, axis=-1)
