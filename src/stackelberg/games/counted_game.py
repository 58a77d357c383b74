"""A game known from counted steps, whose follower sees the state: `CountedGame`."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float, Int

from .. import _boundary as boundary
from .._errors import InputError
from .._types import AnyArray, Key
from ..calculus.simplex import drawn
from .environment import Box, Discrete, Space, Transition
from .exact_environment import AbstractEndlessEnvironment, Decisions


class Under(eqx.Module):
    """The number of the state, and steps so far."""

    place: Int[AnyArray, ""]
    time: Int[AnyArray, ""]


class CountedGame(AbstractEndlessEnvironment):
    """The game that steps of play speak for: it can be played in place of the one that they come from.

    - `following`, `counts`: `(s, a, b, k)`, the states that followed a step, and how often each of them did; where
      there were fewer than k the counts of the others are 0.  `ends`: `(s, a, b)`, how often the game ended instead.
    - `paid`: `(2, s, a, b)`, what leader and follower were paid in all of them, summed.
    - `begins`: `(s,)`, how often a game began there.
    - `leader_sees`: `(s,)`, the leader's observation; the follower's is s.  `num_seen`: the leader's observations.
    - `num_steps`: after which a game is cut.  `is_mixed`: whether the leader commits to mixtures.

    Chances are shares of what was counted, and rewards means. A step after which play never went on is an end; after
    all others play stops with one chance, the share of stops among them (`chance_to_go_on` is 1 less that), so that a
    state that was seen twice is not taken for one without risk. A step that was never made ends the game and pays the
    follower the least that was ever seen, and the leader too.

    Raises `InputError` for counts below 0, for shapes that do not fit, and where nothing was counted.
    """

    following: Int[AnyArray, "s a b k"]
    chances: Float[AnyArray, "s a b k"]
    rewards: Float[AnyArray, "2 s a b"]
    start: Float[AnyArray, "s"]
    leader_sees: Int[AnyArray, "s"]
    visits: Float[AnyArray, "s a b"]
    going_on: float = eqx.field(static=True)
    num_seen: int = eqx.field(static=True)
    num_steps: int = eqx.field(static=True)
    is_mixed: bool = eqx.field(static=True)

    def __init__(
        self,
        following: Any,
        counts: Any,
        ends: Any,
        paid: Any,
        begins: Any,
        leader_sees: Any,
        num_seen: Any,
        num_steps: Any,
        is_mixed: Any = False,
    ) -> None:
        count = boundary.real_array("counts", counts, axes=("s", "a", "b", "k"), low=0.0)
        after = boundary.whole_numbers("following", following, axes=count.shape, high=count.shape[0] - 1)
        over = boundary.real_array("ends", ends, axes=count.shape[:-1], low=0.0)
        totals = boundary.real_array("paid", paid, axes=(2, *over.shape))
        began = boundary.real_array("begins", begins, axes=over.shape[:1], low=0.0)
        self.num_seen = boundary.whole_number("num_seen", num_seen, low=1)
        self.num_steps = boundary.whole_number("num_steps", num_steps, low=1)
        self.is_mixed = boundary.boolean("is_mixed", is_mixed)
        sees = boundary.whole_numbers("leader_sees", leader_sees, axes=over.shape[:1], high=self.num_seen - 1)
        self.leader_sees = sees.astype(np.int32)
        went, visits = count.sum(axis=-1), count.sum(axis=-1) + over
        if not began.sum() or not visits.sum():
            raise InputError(
                boundary.INCONSISTENT,
                "begins" if not began.sum() else "counts",
                found="nothing but zeros",
                allowed="at least one game that began, and one step",
                remedy="Play the game first: sg.counted_game(environment, num_steps=50_000).",
            )
        can_go_on = went > 0
        stops = float(over[can_go_on].sum() / max(visits[can_go_on].sum(), 1.0))
        mean = totals / np.maximum(visits, 1.0)
        least = mean.min(axis=(1, 2, 3), where=visits > 0, initial=np.inf)
        self.following = after.astype(np.int32)
        self.chances = (count / np.maximum(went, 1.0)[..., None]).astype(np.float32)
        self.rewards = np.where(visits > 0, mean, least[:, None, None, None]).astype(np.float32)
        self.start = (began / began.sum()).astype(np.float32)
        self.visits = visits.astype(np.float32)
        self.going_on = 1.0 - stops

    @property
    def observation_spaces(self) -> tuple[Discrete, Discrete]:
        """What the leader sees; the state."""
        return Discrete(self.num_seen), Discrete(self.visits.shape[0])

    @property
    def action_spaces(self) -> tuple[Space, Space]:
        """As in the game that was played."""
        num_actions = self.visits.shape[1]
        return Box((num_actions,), 0.0, 1.0) if self.is_mixed else Discrete(num_actions), Discrete(self.visits.shape[2])

    @property
    def chance_to_go_on(self) -> float:
        """After a step that is no end."""
        return self.going_on

    @property
    def follower_range(self) -> Any:
        """The spread of a step's reward, times the length of a game."""
        own = jnp.asarray(self.rewards)[1]
        length = min(self.num_steps, 1.0 / max(1.0 - self.going_on, 1e-6))
        return length * (jnp.max(own) - jnp.min(own))

    def reset(self, key: Key) -> tuple[Under, tuple[AnyArray, ...]]:
        """A state as games begin."""
        place = drawn(self.start, jr.uniform(key))
        return Under(place, jnp.int32(0)), (jnp.asarray(self.leader_sees)[place], place)

    def step(self, state: Under, actions: tuple[AnyArray, ...], key: Key) -> Transition:
        """By the shares."""
        of_mixture, of_next, of_stop = jr.split(key, 3)
        a, b = actions
        a = drawn(a, jr.uniform(of_mixture)) if self.is_mixed else a
        chances = jnp.asarray(self.chances)[state.place, a, b]
        place = jnp.asarray(self.following)[state.place, a, b, drawn(chances, jr.uniform(of_next))]
        time, stops = state.time + 1, jr.uniform(of_stop) >= self.going_on
        is_over = ~jnp.any(chances > 0.0) | stops | (time >= self.num_steps)
        rewards = jnp.asarray(self.rewards)[:, state.place, a, b]
        return Transition(Under(place, time), (jnp.asarray(self.leader_sees)[place], place), rewards, is_over)

    def decisions(self, commitment: Float[AnyArray, "o a"]) -> Decisions:
        """Averaged over what the leader does."""
        policy = jnp.asarray(commitment)[jnp.asarray(self.leader_sees)]
        chances = jnp.asarray(self.chances, policy.dtype) * policy[:, :, None, None]
        rewards = jnp.einsum("usab,sa->usb", jnp.asarray(self.rewards, policy.dtype), policy)
        onwards = lambda value: jnp.sum(chances * value[jnp.asarray(self.following)], axis=(1, 3))
        return Decisions(rewards, onwards, jnp.asarray(self.start, policy.dtype))

    def values(self, commitment: Float[AnyArray, "o a"], response: Float[AnyArray, "p b"]) -> Float[AnyArray, "2"]:
        """Sums discounted by the chance to go on; over `num_steps` steps where no game was ever stopped."""
        if self.going_on < 1.0:
            return self.endless_values(commitment, response)
        made = self.decisions(commitment)
        response = jnp.asarray(response, made.rewards.dtype)
        update = lambda value, reward: jnp.sum(response * (reward + made.onwards(value)), axis=-1)
        worth = lambda reward: jax.lax.fori_loop(
            0, self.num_steps, lambda _, value: update(value, reward), jnp.zeros_like(made.start)
        )
        return jnp.stack([made.start @ worth(reward) for reward in made.rewards])
