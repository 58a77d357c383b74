"""Crossing a fence that is patrolled: the leader commits to how it walks, the follower picks where and when."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float, Int

from ... import _boundary as boundary
from ..._types import AnyArray, Key
from ..environment import Discrete, Transition
from ..exact_environment import AbstractEndlessEnvironment, Decisions
from ..markov import MarkovGame


FOLLOWER_GAINS = (0.6, 0.5, 0.5, 0.7, 0.3, 1.0, 1.0, 0.7)
LEADER_GAINS = (1.0, 0.7, 0.7, 0.9, 0.4, 0.1, 0.8, 0.5)
"""Of the deterministic leaders 1 in 73 comes within 5 % of the best one."""

ON, TURN = 0, 1
STAY, LEFT, RIGHT, UP = range(4)


class Standing(eqx.Module):
    """Steps so far, and the number of the state."""

    time: Int[AnyArray, ""]
    place: Int[AnyArray, ""]


class CrossingGame(AbstractEndlessEnvironment):
    """A guard walks along a fence of n columns; a follower on this side wants to be on the other.

    - `follower_gains`, `leader_gains`: `(n,)`, what a crossing at each column pays them. A guard who would rather have
      nobody through has negative ones; one who guides has its favourite gates.
    - `reach`: how many columns to either side the guard catches.
    - `caught`: what being caught pays the leader and costs the follower.
    - `discount`: the chance that play goes on after a step, in [0, 1).  `num_steps`: after which it is cut.

    The leader sees its column x and its heading (observation x + n × heading, 0 to the right) and goes on or turns on
    the spot; at an end it turns. The follower sees everything, and stays, goes left or right, or up: from this side
    onto the fence, and from the fence to the other side, which ends the game, as being within the guard's reach on the
    fence does. Its observation is x + n (heading + 2 (column + n on the fence)). The guard starts at column 0, heading
    right, the follower at a column drawn evenly. With 8 columns there are 256 states and 65,536 deterministic leaders.

    `values` are those without the cut: sums discounted by `discount`.
    """

    follower_gains: Float[AnyArray, "n"]
    leader_gains: Float[AnyArray, "n"]
    reach: int = eqx.field(static=True)
    caught: float
    discount: float = eqx.field(static=True)
    num_steps: int = eqx.field(static=True)

    def __init__(
        self,
        follower_gains: Any = FOLLOWER_GAINS,
        leader_gains: Any = LEADER_GAINS,
        reach: Any = 1,
        caught: Any = 1.0,
        discount: Any = 0.98,
        num_steps: Any = 60,
    ) -> None:
        self.follower_gains = boundary.real_array("follower_gains", follower_gains, axes=("n",))
        sizes = np.shape(self.follower_gains)
        self.leader_gains = boundary.real_array("leader_gains", leader_gains, axes=sizes)
        self.reach = boundary.whole_number("reach", reach, low=0)
        self.caught = boundary.real_number("caught", caught, low=0.0)
        self.discount = boundary.real_number("discount", discount, low=0.0, high=1.0)
        self.num_steps = boundary.whole_number("num_steps", num_steps, low=1)

    @property
    def num_columns(self) -> int:
        """n."""
        return int(np.shape(self.follower_gains)[0])

    @property
    def observation_spaces(self) -> tuple[Discrete, Discrete]:
        """Where the guard is; where both are."""
        return Discrete(2 * self.num_columns), Discrete(4 * self.num_columns**2)

    @property
    def action_spaces(self) -> tuple[Discrete, Discrete]:
        """Go on or turn; stay, left, right, up."""
        return Discrete(2), Discrete(4)

    @property
    def follower_range(self) -> Any:
        """From being caught to the largest gain."""
        return jnp.max(jnp.asarray(self.follower_gains)) + self.caught

    def reset(self, key: Key) -> tuple[Standing, tuple[AnyArray, ...]]:
        """The follower's column is drawn."""
        place = 2 * self.num_columns * jr.randint(key, (), 0, self.num_columns)
        return Standing(jnp.int32(0), place), (jnp.int32(0), place)

    def step(self, state: Standing, actions: tuple[AnyArray, ...], key: Key) -> Transition:
        """Both move; play goes on with the chance `discount`."""
        a, b = actions
        following, payoffs, is_over = self._tables
        place = jnp.asarray(following)[state.place, a, b]
        stops = jr.uniform(key) >= self.discount
        rewards = jnp.tensordot(self._prices, jnp.asarray(payoffs)[:, state.place, a, b], 1)
        time = state.time + 1
        ends = jnp.asarray(is_over)[state.place, a, b] | stops | (time >= self.num_steps)
        return Transition(Standing(time, place), (place % (2 * self.num_columns), place), rewards, ends)

    def values(self, commitment: Float[AnyArray, "o a"], response: Float[AnyArray, "p b"]) -> Float[AnyArray, "2"]:
        """Discounted sums."""
        return self.endless_values(commitment, response)

    @property
    def chance_to_go_on(self) -> float:
        """The discount."""
        return self.discount

    def decisions(self, commitment: Float[AnyArray, "o a"]) -> Decisions:
        """Rewards and what follows, averaged over what the guard does."""
        policy = self._everywhere(commitment)
        following, payoffs, is_over = self._tables
        rewards = jnp.einsum("uk,ksab,sa->usb", self._prices, jnp.asarray(payoffs, policy.dtype), policy)
        goes_on = policy[:, :, None] * ~is_over
        onwards = lambda value: jnp.sum(goes_on * value[jnp.asarray(following)], axis=1)
        return Decisions(rewards.astype(policy.dtype), onwards, jnp.asarray(self._start, policy.dtype))

    def as_markov(self) -> MarkovGame:
        """The same without the cut, with one more state, in which all is over. Policies are on all states, `(s, a)`."""
        following, payoffs, is_over = self._tables
        size = len(following)
        law = np.eye(size + 1)[np.where(is_over, size, following)]
        law = np.concatenate([law, np.broadcast_to(np.eye(size + 1)[size], (1, 2, 4, size + 1))])
        rewards = np.einsum("uk,ksab->usab", np.asarray(self._prices), payoffs)
        rewards = np.concatenate([rewards, np.zeros((2, 1, 2, 4))], axis=1)
        start = np.append(self._start, 0.0)
        return MarkovGame(rewards[0], rewards[1], law, start, leader_discount=float(self.discount))

    def _everywhere(self, commitment: Float[AnyArray, "o a"]) -> Float[AnyArray, "s a"]:
        return jnp.tile(jnp.asarray(commitment), (2 * self.num_columns, 1))

    @property
    def _prices(self) -> Float[AnyArray, "2 k"]:
        """What leader and follower are paid for a crossing at each column, and for a catch."""
        of_leader, gains = jnp.asarray(self.leader_gains), jnp.asarray(self.follower_gains)
        caught = jnp.stack([jnp.asarray(self.caught), -jnp.asarray(self.caught)])
        return jnp.concatenate([jnp.stack([of_leader, gains]), caught[:, None].astype(gains.dtype)], axis=1)

    @property
    def _start(self) -> Float[np.ndarray, "s"]:
        start = np.zeros(4 * self.num_columns**2)
        start[2 * self.num_columns * np.arange(self.num_columns)] = 1.0 / self.num_columns
        return start

    @property
    def _tables(self) -> tuple[Int[np.ndarray, "s a b"], Int[np.ndarray, "k s a b"], Any]:
        """The next state, what happened (crossings by column, a catch), and whether that ended the game."""
        n = self.num_columns
        place, a, b = np.meshgrid(np.arange(4 * n * n), np.arange(2), np.arange(4), indexing="ij")
        x, heading = place % n, place // n % 2
        column, is_on_fence = place // (2 * n) % n, place // (2 * n * n)
        ahead = x + 1 - 2 * heading
        is_blocked = (ahead < 0) | (ahead >= n)
        turns = (a == TURN) | is_blocked
        x, heading = np.where(turns, x, ahead), np.where(turns, 1 - heading, heading)
        crosses = (b == UP) & (is_on_fence == 1)
        fence = np.where(b == UP, 1, is_on_fence)
        moved = np.clip(column + (b == RIGHT) - (b == LEFT), 0, n - 1)
        is_caught = ~crosses & (fence == 1) & (np.abs(x - moved) <= self.reach)
        happened = np.stack([crosses & (column == one) for one in range(n)] + [is_caught])
        following = x + n * (heading + 2 * (moved + n * fence))
        return following.astype(np.int32), happened.astype(np.int32), crosses | is_caught
