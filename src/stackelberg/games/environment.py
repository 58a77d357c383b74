"""Games that are played step by step by several seats at once, as pure functions.

    state, observations = environment.reset(key)
    made = environment.step(state, actions, key)      # state, observations, rewards, is_over

Seat 0 is the leader's, the others are the followers'. All seats act at once, and each sees its own observation only.
Everything can be traced, batched and scanned; arrays keep their shapes.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, TypeAlias

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Bool, Float

from .._types import AnyArray, Key


class Discrete(eqx.Module):
    """The whole numbers 0 … `size` - 1."""

    size: int = eqx.field(static=True)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one element."""
        return ()

    def contains(self, value: AnyArray) -> Bool[AnyArray, ""]:
        """Whether all of `value` lies in the space."""
        return jnp.all((jnp.asarray(value) >= 0) & (jnp.asarray(value) < self.size))


class Box(eqx.Module):
    """Arrays of one shape with entries from `low` to `high`."""

    shape: tuple[int, ...] = eqx.field(static=True)
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)

    def contains(self, value: AnyArray) -> Bool[AnyArray, ""]:
        """Whether all of `value` lies in the space."""
        return jnp.all((jnp.asarray(value) >= self.low) & (jnp.asarray(value) <= self.high))


Space: TypeAlias = Discrete | Box


class Transition(eqx.Module):
    """What one step made.

    - `observations`: one for each seat.  `rewards`: `(seats,)`.  `is_over`: whether the episode ended with this step.
    """

    state: Any
    observations: tuple[AnyArray, ...]
    rewards: Float[AnyArray, "seats"]
    is_over: Bool[AnyArray, ""]


class AbstractEnvironment(eqx.Module):
    """A game played step by step. Its payoffs are traced, so that one compiled program serves every game of a shape.

    - `observation_spaces`, `action_spaces`: of each seat.  `num_steps`: the longest that an episode can be.
    """

    num_steps: eqx.AbstractVar[int]

    @property
    @abstractmethod
    def observation_spaces(self) -> tuple[Space, ...]:
        """What each seat can see."""

    @property
    @abstractmethod
    def action_spaces(self) -> tuple[Space, ...]:
        """What each seat can do."""

    @abstractmethod
    def reset(self, key: Key) -> tuple[Any, tuple[AnyArray, ...]]:
        """A first state, and what each seat sees of it."""

    @abstractmethod
    def step(self, state: Any, actions: tuple[AnyArray, ...], key: Key) -> Transition:
        """All seats act at once. What follows the end of an episode is of no account."""

    @property
    def num_seats(self) -> int:
        """Of the leader and all followers."""
        return len(self.action_spaces)
