"""The contextual follower: one policy for all leaders, which takes the leader's answers as context.

It asks for the leader's answer to each observation once, and plays π(b | own observation, answers): learned beforehand
against random leaders, it is a query oracle that needs a handful of queries (Gerstgrasser and Parkes, 2023, section 4).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._types import AnyArray, Ties
from ..games.environment import AbstractEnvironment, Discrete, Space
from ..games.exact_environment import AbstractExactEnvironment
from .asking_all import AbstractContextual, Answers, counted


MOST_CONTEXTS = 4096
"""Deterministic leaders of which each has a row of the table."""


class ContextualTable(AbstractContextual):
    """A contextual follower that looks its policy up, for leaders that answer by one action.

    - `environment`: the game, with one follower and counted observations.
    - `policies`: `(c, p, b)`, for each context c the chances of its actions at each observation. The answers to
      observations 0, 1, 2 … are the digits of c, the first one the highest, to the base of the leader's actions. Left
      out, it plays evenly: a follower that has yet to learn.
    """

    environment: AbstractEnvironment
    policies: Float[AnyArray, "c p b"]

    def __init__(self, environment: Any, policies: Any = None) -> None:
        example = 'sg.iterated_matrix_game("prisoners_dilemma")'
        self.environment = boundary.instance("environment", environment, AbstractEnvironment, example)
        seen, actions = environment.observation_spaces[1], environment.action_spaces[1]
        shape = num_contexts(environment), _size(seen), _size(actions)
        chances = np.full(shape, 1.0 / shape[-1]) if policies is None else policies
        self.policies = boundary.distribution("policies", boundary.real_array("policies", chances, axes=shape))

    def response(self, state: Answers) -> tuple[Float[AnyArray, "p b"]]:
        """The row of these answers."""
        return (jnp.asarray(self.policies)[context_of(state.table)],)


def exact_contextual(game: Any, ties: Ties = "leader") -> ContextualTable:
    """The contextual follower that has learned all there is to learn: the exact best response to every leader.

    Of a game whose values are known, among policies on the follower's observations; `ties` as for `ExactOracle`.
    """
    example = 'sg.iterated_matrix_game("prisoners_dilemma")'
    game = boundary.instance("game", game, AbstractExactEnvironment, example)
    num_contexts(game)
    with jax.enable_x64(True):
        answer = jax.jit(jax.vmap(lambda commitment: game.induce(commitment).best_response(ties)))
        return ContextualTable(game, np.asarray(answer(jnp.asarray(game.policies(0)))))


def _size(space: Space) -> int:
    return boundary.instance("environment", space, Discrete, "a follower with counted observations and actions").size


def context_of(table: Float[AnyArray, "o a"]) -> AnyArray:
    """The number of a deterministic leader: its answers as digits."""
    num_observations, num_actions = table.shape
    powers = num_actions ** np.arange(num_observations - 1, -1, -1)
    return jnp.sum(jnp.argmax(table, axis=-1) * powers)


def num_contexts(environment: AbstractEnvironment) -> int:
    """How many deterministic leaders there are; `InputError` where they are too many for a table."""
    actions = boundary.instance("environment", environment.action_spaces[0], Discrete, "a game with counted actions")
    count = actions.size ** counted(environment).size
    if count > MOST_CONTEXTS:
        raise InputError(
            boundary.RANGE,
            "environment",
            found=f"there are {actions.size}^{counted(environment).size} deterministic leaders",
            allowed=f"a table holds at most {MOST_CONTEXTS}",
            remedy="Take a network: sg.ContextualNetwork.",
        )
    return count
