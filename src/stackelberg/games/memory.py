"""Logs of what is seen only in part: what is remembered of the past stands in for a state.

A memory is begun with the first observation of an episode, goes on with each action and what was seen after it, and
shows a row of numbers. The same memory makes the rows of a log (`windows.remembered`) and is carried along in a world
(`remembering`), so that what is learned from the one can be played in the other.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from .. import _boundary as boundary
from .._types import AnyArray, Key
from .control import AbstractControl, Act, Observe, Played


class AbstractMemory(eqx.Module):
    """What is remembered of an episode; actions are vectors, one-hot where they are counted."""

    @abstractmethod
    def first(self, observation: Float[AnyArray, "d"]) -> Any:
        """Where an episode begins."""

    @abstractmethod
    def later(self, memory: Any, action: Float[AnyArray, "k"], observation: Float[AnyArray, "d"]) -> Any:
        """After an action and what was seen then."""

    @abstractmethod
    def shown(self, memory: Any) -> Float[AnyArray, "e"]:
        """What a policy and a critic are given."""


class Window(AbstractMemory):
    """The last observations and the actions between them.

    - `length`: H ≥ 1, how many observations.  `action_size`: of an action as a vector.
    - `is_difference`: whether an older observation is shown as what changed from it to the next one: the same
      information (a linear map with an inverse), but small changes are not lost beside large places.

    Shown are o_t, and then for each k from 1 to H - 1 the observation k steps ago, the action k steps ago, and 1.
    Before the start of an episode all of these are 0, the last one too: it tells what is not there from what is 0.
    """

    length: int = eqx.field(static=True)
    action_size: int = eqx.field(static=True)
    is_difference: bool = eqx.field(static=True)

    def __init__(self, length: Any, action_size: Any, is_difference: Any = False) -> None:
        self.length = boundary.whole_number("length", length, low=1)
        self.action_size = boundary.whole_number("action_size", action_size, low=1)
        self.is_difference = boundary.boolean("is_difference", is_difference)

    def first(self, observation: Float[AnyArray, "d"]) -> Any:
        """Nothing before it."""
        observation = jnp.asarray(observation)
        before = (self.length - 1) * (observation.shape[0] + self.action_size + 1)
        return observation, jnp.zeros(before, observation.dtype)

    def later(self, memory: Any, action: Float[AnyArray, "k"], observation: Float[AnyArray, "d"]) -> Any:
        """The oldest goes."""
        last, before = memory
        longer = jnp.concatenate([last, jnp.asarray(action, last.dtype), jnp.ones(1, last.dtype), before])
        return jnp.asarray(observation), longer[: before.shape[0]]

    def shown(self, memory: Any) -> Float[AnyArray, "e"]:
        """All of it."""
        last, before = memory
        if not self.is_difference or self.length == 1:
            return jnp.concatenate([last, before])
        size = last.shape[0]
        blocks = before.reshape(self.length - 1, -1)
        newer = jnp.concatenate([last[None], blocks[:-1, :size]])
        changed = blocks[:, -1:] * (newer - blocks[:, :size])
        return jnp.concatenate([last, jnp.concatenate([changed, blocks[:, size:]], axis=-1).reshape(-1)])


def remembering(
    environment: AbstractControl, memory: AbstractMemory, act: Act, key: Key, num_episodes: int, observe: Observe
) -> Played:
    """Episodes that start anew, each action chosen by `act(what the memory shows, key)`.

    - `observe`: what is seen of states, `(..., d)`. In the answer `state` and `then` are the states themselves.
    """

    def one(key):
        of_start, of_steps = jax.random.split(key)

        def step(carry, key):
            whole, kept, is_on = carry
            of_act, of_world = jax.random.split(key)
            state = environment.seen(whole)
            action = act(memory.shown(kept), of_act)
            made = environment.advanced(whole, action, of_world)
            is_over = jnp.asarray(made.is_over, dtype=is_on.dtype)
            row = Played(state, action, made.then, made.reward, is_over, is_on)
            return (made.whole, memory.later(kept, action, observe(made.then)), is_on * (1.0 - is_over)), row

        whole = environment.begun(of_start)
        start = (whole, memory.first(observe(environment.seen(whole))), jnp.ones(()))
        return jax.lax.scan(step, start, jax.random.split(of_steps, environment.num_steps))[1]

    return jax.vmap(one)(jax.random.split(key, num_episodes))
