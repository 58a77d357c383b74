"""A leader with a memory of its own, which is blank whenever a play starts: `WithLeaderMemory`."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from ... import _boundary as boundary
from ..._errors import InputError
from ..._types import AnyArray, Key
from ..environment import Discrete, Transition
from ..exact_environment import AbstractExactEnvironment
from ..rounds import Rounds
from .iterated_matrix import IteratedMatrixGame


class Remembering(eqx.Module):
    """Where the game stands, and what the leader remembers."""

    game: Any
    memory: Int[AnyArray, ""]


class WithLeaderMemory(AbstractExactEnvironment):
    """The same game for a leader that is an automaton: it sees its memory, and writes it anew with every action.

    - `game`: an iterated matrix game in which the leader picks actions and the follower does not see the time.
    - `num_memories`: m, how many states the leader's memory has; 1 is the game itself.

    The leader's observation is o + num_observations × memory and its action a + num_actions × next memory. A memory
    belongs to the game's state: every play, and every trial play of a follower who learns by trying, starts with
    memory 0. So a commitment is a finite-state controller, whoever asks about all of its observations knows all of it,
    and oracles and leaders take it like any other game. This is the extension of Gerstgrasser and Parkes (2023) to
    leaders with a state, for states that can be counted.
    """

    game: IteratedMatrixGame
    num_memories: int = eqx.field(static=True)

    def __init__(self, game: Any, num_memories: Any = 2) -> None:
        self.game = boundary.instance("game", game, IteratedMatrixGame, 'sg.iterated_matrix_game("chicken")')
        self.num_memories = boundary.whole_number("num_memories", num_memories, low=1)
        boundary.instance("game", game.action_spaces[0], Discrete, "a game in which the leader picks actions")
        if game.continuation < 1.0 or game.follower_sees_time:
            raise InputError(
                boundary.INCONSISTENT,
                "game",
                found="it goes on by chance, or its follower sees the time",
                allowed="a number of rounds, and a follower who sees its memory alone: the leader's is hidden from it",
                remedy="Leave continuation and follower_sees_time out.",
            )

    @property
    def num_steps(self) -> int:  # type: ignore[override]
        """Of the game."""
        return self.game.num_steps

    @property
    def observation_spaces(self) -> tuple[Discrete, Discrete]:
        """The leader's with its memory."""
        own, others = self.game.observation_spaces
        return Discrete(own.size * self.num_memories), others

    @property
    def action_spaces(self) -> tuple[Discrete, Discrete]:
        """The leader's with its next memory."""
        num_rows, num_columns = self.game.shape
        return Discrete(num_rows * self.num_memories), Discrete(num_columns)

    @property
    def follower_range(self) -> Any:
        """Of the game."""
        return self.game.follower_range

    def reset(self, key: Key) -> tuple[Remembering, tuple[AnyArray, ...]]:
        """The memory is blank."""
        state, observations = self.game.reset(key)
        return Remembering(state, jnp.int32(0)), observations

    def step(self, state: Remembering, actions: tuple[AnyArray, ...], key: Key) -> Transition:
        """One round, and what the leader wants to remember of it."""
        does, b = actions
        num_rows, num_observations = self.game.shape[0], self.game.observation_spaces[0].size
        made = self.game.step(state.game, (does % num_rows, b), key)
        memory = (does // num_rows).astype(jnp.int32)
        own, others = made.observations
        seen = (own + num_observations * memory, others)
        return Transition(Remembering(made.state, memory), seen, made.rewards, made.is_over)

    def values(self, commitment: Float[AnyArray, "o a"], response: Float[AnyArray, "p b"]) -> Float[AnyArray, "2"]:
        """Expected sums of payoffs."""
        return self._rounds.values(commitment, response, self.num_steps)

    def values_of_all(
        self, commitment: Float[AnyArray, "o a"], responses: Float[AnyArray, "k p b"]
    ) -> Float[AnyArray, "2 k"]:
        """The same for many policies of the follower at once."""
        return self._rounds.values_of_all(commitment, responses, self.num_steps)

    @property
    def _rounds(self) -> Rounds:
        """States are s + num_states × memory."""
        plain, count = self.game.rounds, self.num_memories
        size, memories = len(plain.following), np.arange(count)
        num_observations = self.game.observation_spaces[0].size
        following = plain.following[:, None] + size * memories[:, None, None]  # (s, next memory, a, b)
        following = following.reshape(size, -1, self.game.shape[1])
        return Rounds(
            np.concatenate([plain.leader_sees + num_observations * memory for memory in memories]),
            np.tile(plain.follower_sees, count),
            jnp.tile(plain.payoffs, (1, count, count, 1)),
            np.tile(following, (count, 1, 1)),
        )
