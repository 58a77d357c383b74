"""Oracles that ask for the leader's answer to each of its observations once, and know the leader by these answers."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Float, Int

from .. import _boundary as boundary
from .._types import AnyArray, Key, Ties
from ..games.environment import AbstractEnvironment, Discrete
from ..games.exact_environment import AbstractExactEnvironment
from .query import AbstractQueryOracle


TIES: tuple[Ties, ...] = ("leader", "adversary")


class Answers(eqx.Module):
    """The answers so far: `(o, a)`, a row of chances for each observation, uniform where none was given yet."""

    table: Float[AnyArray, "o a"]
    count: Int[AnyArray, ""]


class AbstractAskingAll(AbstractQueryOracle):
    """Asks about observation 0, 1, 2 … of the leader."""

    @property
    def num_queries(self) -> int:
        """One for each observation."""
        return counted(self.environment).size

    def init(self, key: Key) -> Answers:
        """Nothing was answered."""
        del key
        space = self.environment.action_spaces[0]
        num_actions = space.size if isinstance(space, Discrete) else space.shape[0]
        return Answers(jnp.full((self.num_queries, num_actions), 1.0 / num_actions), jnp.int32(0))

    def again(self, state: Answers, key: Key) -> Answers:
        """Nothing: answers of another leader tell nothing about this one."""
        del state
        return self.init(key)

    def query(self, state: Answers) -> AnyArray:
        """The next observation; the last one again after the last."""
        return jnp.minimum(state.count, self.num_queries - 1)

    def answer(self, state: Answers, action: AnyArray) -> tuple[Answers, Float[AnyArray, ""]]:
        """Note it down. An action is a number, or a row of chances where the leader can say them."""
        row = action if jnp.ndim(action) else jnp.eye(state.table.shape[1])[action]
        return Answers(jnp.asarray(state.table).at[state.count].set(row), state.count + 1), jnp.zeros(())


class AbstractContextual(AbstractAskingAll):
    """Followers who look the answers up in what they have learned beforehand, their `policies`."""

    policies: eqx.AbstractVar[Any]


class ExactOracle(AbstractAskingAll):
    """The exact best response to the answers, among policies that do not see the time, found by going through them.

    - `environment`: a game whose values are known exactly, such as an iterated matrix game.
    - `ties`: "leader" or "adversary", who gains when followers are indifferent.
    """

    environment: AbstractEnvironment
    ties: Ties = eqx.field(static=True)

    def __init__(self, environment: Any, ties: Any = "leader") -> None:
        example = 'sg.iterated_matrix_game("prisoners_dilemma")'
        self.environment = boundary.instance("environment", environment, AbstractExactEnvironment, example)
        self.ties = boundary.one_of("ties", ties, TIES)  # type: ignore[assignment]

    def response(self, state: Answers) -> tuple[Float[AnyArray, "p b"]]:
        """The follower's policy."""
        assert isinstance(self.environment, AbstractExactEnvironment)
        return (self.environment.induce(state.table).best_response(self.ties),)


def counted(environment: AbstractEnvironment) -> Discrete:
    """The leader's observations, where they can be counted; `InputError` where they cannot."""
    return boundary.instance(
        "environment", environment.observation_spaces[0], Discrete, "a game whose observations are counted"
    )
