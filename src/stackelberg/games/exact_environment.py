"""Environments with one follower and counted observations whose values are known exactly."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._types import AnyArray, Ties
from ..calculus.stationary import iterated_values
from .base import AbstractGame, AbstractProblem
from .environment import AbstractEnvironment, Box, Space
from .pure_policies import pure_policies


MOST_POLICIES = 4096
"""Deterministic policies of a player that are gone through one by one."""


class AbstractExactEnvironment(AbstractGame, AbstractEnvironment):
    """A game that can be played step by step, and whose values are known for every pair of policies.

    Commitments `(o, a)` and responses `(p, b)` are rows of chances, one for each observation of the seat.
    """

    @abstractmethod
    def values(self, commitment: Float[AnyArray, "o a"], response: Float[AnyArray, "p b"]) -> Float[AnyArray, "2"]:
        """The expected sums of rewards of leader and follower."""

    def values_of_all(
        self, commitment: Float[AnyArray, "o a"], responses: Float[AnyArray, "k p b"]
    ) -> Float[AnyArray, "2 k"]:
        """`values` against each of the responses."""
        return jax.vmap(lambda response: self.values(commitment, response), out_axes=1)(responses)

    @property
    @abstractmethod
    def follower_range(self) -> Float[AnyArray, ""] | float:
        """How far the follower's sums of rewards can be apart: ties are judged by a fraction of it."""

    def induce(self, commitment: Float[AnyArray, "o a"]) -> StationaryResponse:
        """What the follower faces once the leader has said how it answers each observation."""
        return StationaryResponse(self, commitment)

    def leader_value(self, commitment: Float[AnyArray, "o a"], response: Float[AnyArray, "p b"]) -> Float[AnyArray, ""]:
        """The leader's expected sum of rewards."""
        return self.values(commitment, response)[0]

    def policies(self, seat: int) -> Float[np.ndarray, "k o a"]:
        """All deterministic policies of a seat (0 the leader, 1 the follower), in the order of their actions.

        Raises `InputError` where there are more than 4,096.
        """
        count, num_actions = _size(self.observation_spaces[seat]), _size(self.action_spaces[seat])
        remedy = (
            "Take a smaller game (a smaller depth, fewer messages). For iterated games game.as_markov() has best "
            "responses that are found stage by stage."
        )
        return pure_policies("game", count, num_actions, rows="observations", most=MOST_POLICIES, remedy=remedy)

    def check_commitment(self, commitment: object) -> Float[AnyArray, "o a"]:
        """A distribution over the leader's actions for each of its observations."""
        axes = (_size(self.observation_spaces[0]), _size(self.action_spaces[0]))
        return boundary.distribution("commitment", boundary.real_array("commitment", commitment, axes=axes))

    def uniform_commitment(self) -> Float[AnyArray, "o a"]:
        """Even odds whatever is observed."""
        count, num_actions = _size(self.observation_spaces[0]), _size(self.action_spaces[0])
        return np.full((count, num_actions), 1.0 / num_actions)


class StationaryResponse(AbstractProblem):
    """Such a game with the leader's seat filled. Responses `(p, b)` see the follower's observation and nothing else."""

    game: AbstractExactEnvironment
    commitment: Float[AnyArray, "o a"]

    def value(self, response: Float[AnyArray, "p b"]) -> Float[AnyArray, ""]:
        """The follower's expected sum of rewards."""
        return self.game.values(self.commitment, response)[1]

    def best_response(
        self, ties: Ties = "leader", tolerance: Float[AnyArray, ""] | float = 0.0
    ) -> Float[AnyArray, "p b"]:
        """The best deterministic policy, by going through all of them.

        Among policies within `tolerance` × the follower's range (and rounding), ties go to the `leader`, or to its
        `adversary`; "uniform" is refused, since a mixture of policies is no policy.
        """
        if ties == "uniform":
            raise InputError(
                boundary.INCONSISTENT,
                "ties",
                found="'uniform'",
                allowed="'leader' or 'adversary': a mixture of policies is not a policy on observations",
                remedy="Take one of the two, and see how far their values are apart.",
            )
        policies = jnp.asarray(self.game.policies(1))
        of_leader, own = self.game.values_of_all(self.commitment, policies)
        slack = (tolerance + 32.0 * jnp.finfo(own.dtype).eps) * self.game.follower_range
        worth = of_leader if ties == "leader" else -of_leader
        is_best = own >= jnp.max(own) - slack
        return policies[jnp.argmax(jnp.where(is_best, worth, -jnp.inf))]

    def quantal_response(
        self, inverse_temperature: Float[AnyArray, ""] | float, discount: Float[AnyArray, ""] | float | None = None
    ) -> Float[AnyArray, "p b"]:
        """Refused: soft backward induction needs to see the time."""
        del inverse_temperature, discount
        raise InputError(
            boundary.INCONSISTENT,
            "follower",
            found="a quantal follower whose policy does not see the time",
            allowed="best responses, or a follower who sees the time",
            remedy="Of an iterated game take game.as_markov(), a game over stages with the memories as states.",
        )


class AbstractEndlessEnvironment(AbstractExactEnvironment):
    """A game that goes on by chance, in which the follower sees the state: best responses by value iteration.

    Where `chance_to_go_on` is 1 it ends after a number of rounds, and policies are gone through one by one.
    """

    @property
    @abstractmethod
    def chance_to_go_on(self) -> float:
        """After each step, apart from steps that end the game."""

    @abstractmethod
    def decisions(self, commitment: Float[AnyArray, "o a"]) -> Decisions:
        """What the follower's actions pay, and lead to, under a commitment."""

    def endless_values(
        self, commitment: Float[AnyArray, "o a"], response: Float[AnyArray, "p b"]
    ) -> Float[AnyArray, "2"]:
        """Sums discounted by the chance to go on."""
        made = self.decisions(commitment)
        response, discount = jnp.asarray(response, made.rewards.dtype), self.chance_to_go_on

        def worth(reward):
            update = lambda value: jnp.sum(response * (reward + discount * made.onwards(value)), axis=-1)
            return iterated_values(update, reward.shape[0], reward.dtype)[0]

        return jnp.stack([made.start @ worth(reward) for reward in made.rewards])

    def induce(self, commitment: Float[AnyArray, "o a"]) -> StationaryResponse:
        """What the follower faces."""
        return (EndlessResponse if self.chance_to_go_on < 1.0 else StationaryResponse)(self, commitment)


@dataclass(frozen=True, eq=False)
class Decisions:
    """A decision process of the follower without an end.

    - `rewards`: `(2, p, b)`, the leader's and its own.  `start`: `(p,)`.
    - `onwards`: from values `(p,)` of observations to the expected value of the next one `(p, b)`, 0 once all is over.
    """

    rewards: jax.Array
    onwards: Callable[[AnyArray], jax.Array]
    start: jax.Array


class EndlessResponse(StationaryResponse):
    """The follower's decision process where play goes on by chance."""

    def best_response(
        self, ties: Ties = "leader", tolerance: Float[AnyArray, ""] | float = 0.0
    ) -> Float[AnyArray, "p b"]:
        """By value iteration; "uniform" spreads over tied actions.

        Actions count as tied within `tolerance` × the follower's range and the proven error of the values. A second
        iteration over tied actions serves the leader, or its adversary.
        """
        game = self.game
        assert isinstance(game, AbstractEndlessEnvironment)
        made, discount = game.decisions(self.commitment), game.chance_to_go_on
        of_leader, own = made.rewards
        worth = lambda reward, value: reward + discount * made.onwards(value)
        value, change = iterated_values(lambda value: jnp.max(worth(own, value), axis=-1), own.shape[0], own.dtype)
        action_value = worth(own, value)
        slack = tolerance * jnp.asarray(game.follower_range, own.dtype) + 2.0 * change / (1.0 - discount)
        tied = action_value >= jnp.max(action_value, axis=-1, keepdims=True) - slack - 8.0 * jnp.finfo(own.dtype).eps
        if ties == "uniform":
            return tied / jnp.sum(tied, axis=-1, keepdims=True)
        reward = -of_leader if ties == "adversary" else of_leader
        among = lambda value: jnp.where(tied, worth(reward, value), -jnp.inf)
        value, _ = iterated_values(lambda value: jnp.max(among(value), axis=-1), own.shape[0], own.dtype)
        return jax.nn.one_hot(jnp.argmax(among(value), axis=-1), own.shape[-1], dtype=own.dtype)


def _size(space: Space) -> int:
    """Numbers of observations or actions; of mixtures, of what they mix."""
    return space.shape[0] if isinstance(space, Box) else space.size
