"""Query oracles: followers who learn about the leader only by asking (Gerstgrasser and Parkes, 2023, section 3).

An oracle submits observations of the leader one after the other, is told an action for each, and in the end says how
the followers play:

    state = oracle.init(key)
    state, _ = oracle.answer(state, action)      # the leader's action for oracle.query(state), `num_queries` times
    response = oracle.response(state)
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Float

from .._types import AnyArray, Key
from ..calculus.simplex import logarithm
from ..games.environment import AbstractEnvironment


Act: TypeAlias = Callable[[AnyArray, Key], AnyArray]
"""The leader: an action for an observation."""


class AbstractQueryOracle(eqx.Module):
    """How followers answer a leader of whom they know only what it answers when it is asked.

    It asks `num_queries` times. Its state is a tree of arrays; its `response` is what `follow` plays by.
    """

    environment: eqx.AbstractVar[AbstractEnvironment]

    @property
    @abstractmethod
    def num_queries(self) -> int:
        """How often it asks."""

    @abstractmethod
    def init(self, key: Key) -> Any:
        """The state before the first query."""

    @abstractmethod
    def again(self, state: Any, key: Key) -> Any:
        """The state before the first query of the next leader episode, for followers that go on where they were."""

    @abstractmethod
    def query(self, state: Any) -> AnyArray:
        """The observation of the leader that it asks about."""

    @abstractmethod
    def answer(self, state: Any, action: AnyArray) -> tuple[Any, Float[AnyArray, ""]]:
        """The state once the leader has answered `action`, and what the leader earned while followers tried it out."""

    @abstractmethod
    def response(self, state: Any) -> Any:
        """How the followers play once all queries are answered."""

    def drawn(self, response: Any, key: Key) -> Any:
        """What one play goes by: the response itself, unless it is a lottery that is drawn once for all followers."""
        del key
        return response

    def follow(self, response: Any, observations: tuple[AnyArray, ...], key: Key) -> tuple[AnyArray, ...]:
        """The followers' actions. Here `response` holds a table of probabilities `(p, b)` for each follower."""
        keys = jr.split(key, len(response))
        draw = lambda table, seen, key: jr.categorical(key, logarithm(jnp.asarray(table)[seen]))
        return tuple(map(draw, response, observations, keys))

    def asked(self, act: Act, state: Any, key: Key) -> tuple[Any, Asked]:
        """All queries in a row, answered by `act`."""

        def step(state, n):
            observation = self.query(state)
            action = act(observation, jr.fold_in(key, n))
            state, earned = self.answer(state, action)
            return state, Asked(observation, action, earned)

        return jax.lax.scan(step, state, jnp.arange(self.num_queries))


class Asked(eqx.Module):
    """Queries, answers, and what the leader would have earned by them."""

    observations: AnyArray
    actions: AnyArray
    earned: Float[AnyArray, "*n"]
