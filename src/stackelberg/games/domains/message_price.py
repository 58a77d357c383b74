"""Messages, and then prices one after the other: the mechanism of Brero et al. (2022), for one item."""

from __future__ import annotations

import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float, Int

from ... import _boundary as boundary
from ..._errors import InputError
from ..._types import AnyArray, Key
from ...calculus.simplex import logarithm
from ..environment import Discrete, Transition
from ..several_followers import AbstractSeveralFollowers


MOST_PROFILES = 4096
"""Profiles of types, and of messages."""

MOST_ENTRIES = 2**24
"""Of the largest table in `values`: types, messages and visited followers by offers."""


class Selling(eqx.Module):
    """Steps so far, every follower's type, the number of the messages, and which followers have been asked (bits)."""

    time: Int[AnyArray, ""]
    types: Int[AnyArray, "n"]
    messages: Int[AnyArray, ""]
    visited: Int[AnyArray, ""]


class MessagePriceGame(AbstractSeveralFollowers):
    """One item for n followers, who first send a message each and are then offered it one after the other.

    - `item_values`: `(n, t)`, what the item is worth to a follower of each type.
    - `probabilities`: `(n, t)`, of types, which are independent; even where left out.
    - `num_messages`: m.  `prices`: `(p,)`, those that can be asked. Left out, they are all values and what lies midway
      between neighbours.

    Step 0: all followers, who see their own type, send a message. Then, up to n times: the leader, who sees all
    messages and who has been asked, names a follower and a price; the follower buys if the item is worth that to it,
    which is its dominant answer and built in. The leader is paid the value of who gets the item less the highest value,
    so that 0 is full efficiency; a follower what the item is worth to it less the price.

    The leader observes 0 at first and then 1 + visited + 2ⁿ messages, both counted in digits by follower, the first one
    lowest. Its action is follower + n × price; where that follower has been asked, it means the next who has not been.
    Followers observe their type, and t once they have sent their message.
    """

    item_values: Float[AnyArray, "n t"]
    probabilities: Float[AnyArray, "n t"]
    num_messages: int = eqx.field(static=True)
    prices: Float[AnyArray, "p"]
    num_steps: int = eqx.field(static=True)

    def __init__(self, item_values: Any, probabilities: Any = None, num_messages: Any = 2, prices: Any = None) -> None:
        self.item_values = boundary.real_array("item_values", item_values, axes=("n", "t"), low=0.0)
        shape = np.shape(self.item_values)
        even = np.full(shape, 1.0 / shape[1])
        self.probabilities = boundary.distribution(
            "probabilities",
            boundary.real_array("probabilities", even if probabilities is None else probabilities, axes=shape),
        )
        self.num_messages = boundary.whole_number("num_messages", num_messages, low=1)
        own = np.unique(self.item_values)
        between = np.unique(np.concatenate([own, (own[1:] + own[:-1]) / 2.0]))
        self.prices = boundary.real_array("prices", between if prices is None else prices, axes=("p",), low=0.0)
        self.num_steps = 1 + shape[0]
        if max(shape[1], self.num_messages) ** shape[0] > MOST_PROFILES:
            raise InputError(
                boundary.RANGE,
                "item_values",
                found=f"{shape[0]} followers with {shape[1]} types and {self.num_messages} messages",
                allowed=f"at most {MOST_PROFILES} profiles of types and of messages",
                remedy="Take fewer followers, types or messages.",
            )
        num_entries = (2 * shape[1] * self.num_messages) ** shape[0] * shape[0] * len(self.prices)
        if num_entries > MOST_ENTRIES:
            raise InputError(
                boundary.RANGE,
                "item_values",
                found=f"{shape[0]} followers with {shape[1]} types and {self.num_messages} messages, "
                f"and {len(self.prices)} prices: {num_entries:,} cases",
                allowed=f"at most {MOST_ENTRIES:,} cases, (2 types × messages)^followers × followers × prices",
                remedy="Take fewer followers, types or messages, or say which prices can be asked.",
            )

    @property
    def num_followers(self) -> int:
        """n."""
        return int(np.shape(self.item_values)[0])

    @property
    def observation_spaces(self) -> tuple[Discrete, ...]:
        """Messages and who was asked; types."""
        count, num_types = np.shape(self.item_values)
        return Discrete(1 + (2 * self.num_messages) ** count), *(Discrete(num_types + 1) for _ in range(count))

    @property
    def action_spaces(self) -> tuple[Discrete, ...]:
        """Followers with prices; messages."""
        count = self.num_followers
        return Discrete(count * len(self.prices)), *(Discrete(self.num_messages) for _ in range(count))

    def num_deciding(self, seat: int) -> int:
        """At its types, before it has said anything."""
        return self.shape_of(0)[0] if seat == 0 else int(np.shape(self.item_values)[1])

    @property
    def follower_range(self) -> Any:
        """Of a value less a price."""
        return jnp.max(jnp.asarray(self.item_values)) + jnp.max(jnp.asarray(self.prices))

    def reset(self, key: Key) -> tuple[Selling, tuple[AnyArray, ...]]:
        """Types are drawn."""
        keys = jr.split(key, self.num_followers)
        types = jax.vmap(lambda one, law: jr.categorical(one, logarithm(law)))(keys, jnp.asarray(self.probabilities))
        nothing, types = jnp.int32(0), types.astype(jnp.int32)
        return Selling(nothing, types, nothing, nothing), (nothing, *types)

    def step(self, state: Selling, actions: tuple[AnyArray, ...], key: Key) -> Transition:
        """Messages are sent; or somebody is asked."""
        del key
        offer, *sent = actions
        count, is_first = self.num_followers, state.time == 0
        said = sum((message * self.num_messages**seat for seat, message in enumerate(sent)), jnp.int32(0))
        messages = jnp.where(is_first, said, state.messages).astype(jnp.int32)
        worth = jnp.asarray(self.item_values)[jnp.arange(count), state.types]
        asked = jnp.asarray(self._asked)[state.visited, offer]
        price = jnp.asarray(self.prices)[offer // count]
        buys = ~is_first & (worth[asked] >= price)
        visited = jnp.where(is_first, 0, state.visited | (1 << asked)).astype(jnp.int32)
        is_over = buys | (state.time == count)
        best = jnp.max(worth)
        welfare = jnp.where(buys, worth[asked], 0.0) - best
        own = jnp.where(buys & (jnp.arange(count) == asked), worth - price, 0.0)
        rewards = jnp.concatenate([jnp.where(is_over, welfare, 0.0)[None], own])
        over = jnp.int32(np.shape(self.item_values)[1])
        seen = (1 + visited + 2**count * messages, *([over] * count))
        return Transition(Selling(state.time + 1, state.types, messages, visited), seen, rewards, is_over)

    def values(
        self, commitment: Float[AnyArray, "o a"], responses: tuple[Float[AnyArray, "_ _"], ...]
    ) -> Float[AnyArray, "seats"]:
        """Expected payoffs: over all types and messages, with the law of who has been asked carried along."""
        count, m = self.num_followers, self.num_messages
        num_types = np.shape(self.item_values)[1]
        types = np.array(list(itertools.product(range(num_types), repeat=count)))
        said = np.array(list(itertools.product(range(m), repeat=count)))
        worth = jnp.asarray(self.item_values)[np.arange(count), types]  # (k, n)
        best = jnp.max(worth, axis=1)
        chances = jnp.prod(jnp.asarray(self.probabilities)[np.arange(count), types], axis=1)[:, None]
        for seat, table in enumerate(responses):
            chances = chances * jnp.asarray(table)[types[:, seat]][:, said[:, seat]]  # (k, messages)
        offers = jnp.asarray(commitment)[1:].reshape(m**count, 2**count, -1)
        offers = offers[said @ m ** np.arange(count)]  # (messages, visited, a)
        asks = jnp.repeat(jnp.asarray(self.prices), count)
        law = jnp.zeros((len(types), len(said), 2**count), chances.dtype).at[..., 0].set(chances)
        paid = jnp.zeros(1 + count, chances.dtype)
        for visited in sorted(range(2**count), key=int.bit_count)[:-1]:
            asked = self._asked[visited]
            buys = worth[:, asked] >= asks
            joint = law[:, :, visited, None] * offers[None, :, visited]
            sold = jnp.sum(joint, axis=1) * buys
            left = joint * ~buys[:, None]
            paid = paid.at[0].add(jnp.sum(sold * (worth[:, asked] - best[:, None])))
            paid = paid.at[1 + asked].add(jnp.sum(sold * (worth[:, asked] - asks), axis=0))
            for seat in np.unique(asked):
                law = law.at[:, :, visited | 1 << int(seat)].add(jnp.sum(left[..., asked == seat], axis=-1))
        return paid.at[0].add(-jnp.sum(law[..., -1] * best[:, None]))

    @property
    def _asked(self) -> Int[np.ndarray, "v a"]:
        """Who is asked by each action when some have been asked; anybody once all have."""
        count = self.num_followers
        named = np.arange(count * len(self.prices)) % count
        order = lambda visited, one: next(
            (seat % count for seat in range(one, one + count) if not visited >> seat % count & 1), one
        )
        return np.array([[order(visited, one) for one in named] for visited in range(2**count)])


def information_game(num_messages: Any = 2, prices: Any = None) -> MessagePriceGame:
    """Two followers of whom one should be asked what it is worth to it (Brero et al., 2022, setting "PI").

    The first values the item at 0.2 (with probability 0.8) or 1, the second at 0 or 0.4 (even odds).
    """
    return MessagePriceGame([[0.2, 1.0], [0.0, 0.4]], [[0.8, 0.2], [0.5, 0.5]], num_messages, prices)


def message_space_game(num_types: Any = 3, num_messages: Any = 2, prices: Any = None) -> MessagePriceGame:
    """Two followers whose values are uniform on t numbers from 0 to 1 (Brero et al., 2022, setting "MSGSpace")."""
    count = boundary.whole_number("num_types", num_types, low=2)
    return MessagePriceGame(np.tile(np.linspace(0.0, 1.0, count), (2, 1)), None, num_messages, prices)
