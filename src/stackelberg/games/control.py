"""Worlds of continuous states that one decision maker controls: what deep world models are models of."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from .._types import AnyArray, Key


Act: TypeAlias = Callable[[AnyArray, Key], AnyArray]
"""What is done in a state."""


class AbstractControl(eqx.Module):
    """A world whose state is a vector that is seen whole; what steps pay and where episodes end is known to everybody.

    - `num_steps`: the longest that an episode can be.  `num_features`: of the state.
    - `num_actions`: how many actions there are, or 0 where actions are vectors in [-1, 1]; `action_size`: their length.
    - `scale`: `(d,)`, a typical size of each feature.

    Where actions are counted, an action is given one-hot, so that it is a vector of floats everywhere.
    """

    num_steps: eqx.AbstractVar[int]
    num_features: ClassVar[int]
    num_actions: ClassVar[int]
    action_size: ClassVar[int]

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


def episode_returns(environment: AbstractControl, act: Act, key: Key, num_episodes: int) -> Float[AnyArray, "n"]:
    """What episodes pay that start anew, each action chosen by `act(state, key)`."""

    def one(key):
        of_start, of_steps = jax.random.split(key)

        def step(carry, key):
            state, total, is_on = carry
            of_act, of_world = jax.random.split(key)
            action = act(state, of_act)
            then = environment.step(state, action, of_world)
            total = total + is_on * environment.reward(state, action, then)
            return (then, total, is_on * (1.0 - environment.is_over(then))), None

        start = (environment.reset(of_start), jnp.zeros(()), jnp.ones(()))
        (_, total, _), _ = jax.lax.scan(step, start, jax.random.split(of_steps, environment.num_steps))
        return total

    return jax.vmap(one)(jax.random.split(key, num_episodes))
