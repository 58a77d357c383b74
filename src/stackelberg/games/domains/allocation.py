"""Allocating one of three items to a follower who can say a word (Brero et al., 2022, "simple allocation")."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Float, Int

from ... import _boundary as boundary
from ..._types import AnyArray, Key
from ..environment import Discrete, Transition
from ..exact_environment import AbstractExactEnvironment


NUM_TYPES = 3


class Request(eqx.Module):
    """Whether the word has been said, and the follower's type."""

    time: Int[AnyArray, ""]
    type: Int[AnyArray, ""]


class AllocationGame(AbstractExactEnvironment):
    """The follower wants one of three items, sends one of m messages, and the leader gives it an item.

    - `num_messages`: m, how many words there are.

    The type is uniform. First the follower, who sees its type, sends a message; then the leader, who sees the message,
    picks the item. Both are paid 1 if it is the wanted one. The leader observes 0 before the message and 1 + message
    then; the follower its type, and 3 once it has sent. The best value is min(m, 3) / 3.
    """

    num_messages: int = eqx.field(static=True)
    num_steps: int = eqx.field(static=True)

    def __init__(self, num_messages: Any = 3) -> None:
        self.num_messages = boundary.whole_number("num_messages", num_messages, low=1)
        self.num_steps = 2

    @property
    def observation_spaces(self) -> tuple[Discrete, Discrete]:
        """The message, if there is one; the type."""
        return Discrete(1 + self.num_messages), Discrete(NUM_TYPES + 1)

    @property
    def action_spaces(self) -> tuple[Discrete, Discrete]:
        """Items and messages."""
        return Discrete(NUM_TYPES), Discrete(self.num_messages)

    @property
    def follower_range(self) -> float:
        """0 to 1."""
        return 1.0

    def reset(self, key: Key) -> tuple[Request, tuple[AnyArray, ...]]:
        """A type is drawn."""
        wanted = jr.randint(key, (), 0, NUM_TYPES)
        return Request(jnp.int32(0), wanted), (jnp.int32(0), wanted)

    def step(self, state: Request, actions: tuple[AnyArray, ...], key: Key) -> Transition:
        """The message, and then the item; what the other seat does meanwhile is of no account."""
        del key
        item, message = actions
        is_last = state.time == 1
        paid = jnp.where(is_last & (item == state.type), 1.0, 0.0)
        seen = (jnp.where(is_last, 0, 1 + message), jnp.int32(NUM_TYPES))
        return Transition(Request(state.time + 1, state.type), seen, jnp.stack([paid, paid]), is_last)

    def values(self, commitment: Float[AnyArray, "o a"], response: Float[AnyArray, "p b"]) -> Float[AnyArray, "2"]:
        """The chance that the item is the wanted one, for both."""
        given = jnp.asarray(response)[:NUM_TYPES] @ jnp.asarray(commitment)[1:]
        return jnp.full(2, jnp.trace(given) / NUM_TYPES)
