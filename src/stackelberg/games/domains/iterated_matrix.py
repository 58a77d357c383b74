"""A matrix game played several times in a row, where both remember what was played last.

A player sees nothing at first (observation 0) and then the last `depth` rounds, or what there was of them. With n
actions of the leader and m of the follower, the round (a, b) is the digit a + n b where a player remembers both
actions, and the opponent's action alone where it does not; the memory of l rounds is the number that their digits make,
the latest last, counted after all shorter memories. (With depth 1, both actions and n = m = 2 that is 0 at the start,
then 1 + a + 2 b.)

Commitments `(o, a)` are policies of the leader on what it remembers, responses `(p, b)` of the follower on what the
follower remembers. Neither sees how many rounds are left, unless the follower is said to.
"""

from __future__ import annotations

import itertools
from typing import Any, Literal, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float, Int

from ... import _boundary as boundary
from ..._errors import InputError
from ..._types import AnyArray, Key, Ties
from ...calculus.backward_induction import best_then, soft_values
from ...calculus.simplex import logarithm
from ..environment import Box, Discrete, Space, Transition
from ..exact_environment import AbstractEndlessEnvironment, Decisions, StationaryResponse
from ..markov import MarkovGame
from ..rounds import Rounds


Sight: TypeAlias = Literal["both", "opponent"]

SIGHTS: tuple[Sight, ...] = ("both", "opponent")


class Round(eqx.Module):
    """Where play stands: the number of rounds played, and what they were."""

    time: Int[AnyArray, ""]
    history: Int[AnyArray, ""]


class IteratedMatrixGame(AbstractEndlessEnvironment):
    """A matrix game that is repeated `num_steps` times, by players who remember the last `depth` rounds.

    - `leader_payoff`, `follower_payoff`: `(a, b)`.
    - `num_steps`: how many rounds.  `depth`: how many of them are remembered.
    - `sight`: "both" when the players remember both actions, "opponent" when each remembers the other's alone.
    - `is_mixed`: whether the leader says a mixture `(a,)` each time, from which its action is drawn. Asked about a
      memory it then answers by a mixture too.
    - `continuation`: the chance that there is another round, 1 where there always is, up to `num_steps`.
    - `follower_sees_time`: whether the follower also sees which round it is: its observation is its memory + the
      number of memories × the number of rounds played. It needs players that remember both actions and a continuation
      of 1; best responses are then found round by round, from the last one back.

    Values are sums over rounds, undiscounted. With a continuation below 1, which needs players that remember both
    actions, they are those without the cut at `num_steps`, sums discounted by it; and best responses are found by
    value iteration, at any depth. Raises `InputError` naming the field.
    """

    leader_payoff: Float[AnyArray, "a b"]
    follower_payoff: Float[AnyArray, "a b"]
    num_steps: int = eqx.field(static=True)
    depth: int = eqx.field(static=True)
    sight: Sight = eqx.field(static=True)
    is_mixed: bool = eqx.field(static=True)
    continuation: float = eqx.field(static=True)
    follower_sees_time: bool = eqx.field(static=True)

    def __init__(
        self,
        leader_payoff: Any,
        follower_payoff: Any,
        num_steps: Any = 10,
        depth: Any = 1,
        sight: Any = "both",
        is_mixed: Any = False,
        continuation: Any = 1.0,
        follower_sees_time: Any = False,
    ) -> None:
        self.leader_payoff = boundary.real_array("leader_payoff", leader_payoff, axes=("a", "b"))
        self.follower_payoff = boundary.real_array(
            "follower_payoff", follower_payoff, axes=np.shape(self.leader_payoff)
        )
        self.num_steps = boundary.whole_number("num_steps", num_steps, low=1)
        self.depth = boundary.whole_number("depth", depth, low=0)
        self.sight = boundary.one_of("sight", sight, SIGHTS)  # type: ignore[assignment]
        self.is_mixed = boundary.boolean("is_mixed", is_mixed)
        self.continuation = boundary.real_number("continuation", continuation, low=0.0, high=1.0)
        if self.continuation < 1.0 and self.sight != "both":
            raise InputError(
                boundary.INCONSISTENT,
                "continuation",
                found=f"it is {self.continuation:g}, and players remember the {self.sight}'s action alone",
                allowed='play that goes on by chance needs players that remember both actions: sight="both"',
                remedy="Leave the sight out, or the continuation.",
            )
        self.follower_sees_time = boundary.boolean("follower_sees_time", follower_sees_time)
        if self.follower_sees_time and (self.continuation < 1.0 or self.sight != "both"):
            raise InputError(
                boundary.INCONSISTENT,
                "follower_sees_time",
                found=f'the continuation is {self.continuation:g} and the sight "{self.sight}"',
                allowed='a follower who sees the time needs a continuation of 1 and sight="both"',
                remedy="Leave the sight and the continuation out, or the time.",
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of actions, the leader's first."""
        num_rows, num_columns = np.shape(self.leader_payoff)
        return num_rows, num_columns

    @property
    def observation_spaces(self) -> tuple[Discrete, Discrete]:
        """Memories of the leader and of the follower, who may see the time too."""
        own, others = (int(seen.max()) + 1 for seen in self._seen)
        return Discrete(own), Discrete(others * self.num_steps if self.follower_sees_time else others)

    @property
    def action_spaces(self) -> tuple[Space, Space]:
        """Rows (or mixtures of them) and columns."""
        rows = Box((self.shape[0],), 0.0, 1.0) if self.is_mixed else Discrete(self.shape[0])
        return rows, Discrete(self.shape[1])

    def reset(self, key: Key) -> tuple[Round, tuple[AnyArray, ...]]:
        """Nothing has been played."""
        del key
        return Round(jnp.int32(0), jnp.int32(0)), (jnp.int32(0), jnp.int32(0))

    def step(self, state: Round, actions: tuple[AnyArray, ...], key: Key) -> Transition:
        """One round."""
        a, b = actions
        of_row, of_end = jr.split(key) if self.continuation < 1.0 else (key, key)
        if self.is_mixed:
            a = jr.categorical(of_row, logarithm(jnp.asarray(a)))
        history = jnp.asarray(self._next)[state.history, a, b]
        rewards = jnp.stack([jnp.asarray(self.leader_payoff)[a, b], jnp.asarray(self.follower_payoff)[a, b]])
        own, others = (jnp.asarray(seen)[history] for seen in self._seen)
        if self.follower_sees_time:
            others = others + len(self._lengths) * jnp.minimum(state.time + 1, self.num_steps - 1)
        is_over = state.time + 1 >= self.num_steps
        if self.continuation < 1.0:
            is_over = is_over | (jr.uniform(of_end) >= self.continuation)
        return Transition(Round(state.time + 1, history), (own, others), rewards, is_over)

    def values(self, commitment: Float[AnyArray, "o a"], response: Float[AnyArray, "p b"]) -> Float[AnyArray, "2"]:
        """Expected sums of payoffs of leader and follower, exactly: the law of the memory is carried forward."""
        if self.continuation < 1.0:
            return self.endless_values(commitment, response)
        if self.follower_sees_time:
            response = jnp.asarray(response).reshape(self.num_steps, -1, self.shape[1])
        return self.rounds.values(commitment, response, self.num_steps)

    def values_of_all(
        self, commitment: Float[AnyArray, "o a"], responses: Float[AnyArray, "k p b"]
    ) -> Float[AnyArray, "2 k"]:
        """The same for many policies of the follower at once."""
        if self.continuation < 1.0 or self.follower_sees_time:
            return super().values_of_all(commitment, responses)
        return self.rounds.values_of_all(commitment, responses, self.num_steps)

    @property
    def rounds(self) -> Rounds:
        """The game on memories of both actions."""
        payoffs = jnp.stack([jnp.asarray(self.leader_payoff), jnp.asarray(self.follower_payoff)])
        everywhere = jnp.broadcast_to(payoffs[:, None], (2, len(self._lengths), *self.shape))
        return Rounds(*self._seen, everywhere, self._next)

    def induce(self, commitment: Float[AnyArray, "o a"]) -> StationaryResponse:
        """What the follower faces."""
        return StagedResponse(self, commitment) if self.follower_sees_time else super().induce(commitment)

    @property
    def follower_range(self) -> Float[AnyArray, ""]:
        """Of its sums of payoffs."""
        payoff = jnp.asarray(self.follower_payoff)
        span = jnp.max(payoff) - jnp.min(payoff)
        return span * self.num_steps if self.continuation == 1.0 else span / (1.0 - self.continuation)

    @property
    def chance_to_go_on(self) -> float:
        """The continuation."""
        return self.continuation

    def decisions(self, commitment: Float[AnyArray, "o a"]) -> Decisions:
        """Payoffs and what follows, averaged over the leader's action, where both remember both actions."""
        policy = jnp.asarray(commitment)
        payoffs = jnp.stack([jnp.asarray(self.leader_payoff), jnp.asarray(self.follower_payoff)])
        rewards = jnp.einsum("ma,uab->umb", policy, payoffs).astype(policy.dtype)
        onwards = lambda value: jnp.einsum("ma,mab->mb", policy, value[jnp.asarray(self._next)])
        return Decisions(rewards, onwards, jnp.eye(len(policy), dtype=policy.dtype)[0])

    def as_markov(self, discount: Any = None) -> MarkovGame:
        """The same as a game over stages whose states are memories of both actions: its follower sees the time.

        With a `discount` in [0, 1), or a continuation below 1, it is repeated without an end instead, and values are
        discounted sums: times 1 - discount they are payoffs of a round. Where players remember both actions a
        commitment `(o, a)` here is the commitment `(s, a)` there.
        """
        start = np.eye(len(self._lengths))[0]
        everywhere = lambda payoff: np.broadcast_to(np.asarray(payoff), (len(start), *self.shape))
        leader, follower = everywhere(self.leader_payoff), everywhere(self.follower_payoff)
        if discount is None and self.continuation < 1.0:
            discount = self.continuation
        if discount is None:
            return MarkovGame(leader, follower, self._moves, start, horizon=self.num_steps)
        return MarkovGame(leader, follower, self._moves, start, leader_discount=discount)

    @property
    def _lengths(self) -> list[tuple[int, ...]]:
        """All memories of both actions, the shorter ones first, each as the tuple of its rounds."""
        digits = range(self.shape[0] * self.shape[1])
        return [kept for length in range(self.depth + 1) for kept in itertools.product(digits, repeat=length)]

    @property
    def _next(self) -> Int[np.ndarray, "m a b"]:
        """The memory after a round."""
        num_rows, num_columns = self.shape
        place = {kept: number for number, kept in enumerate(self._lengths)}
        after = lambda kept, a, b: place[(*kept, a + num_rows * b)[-self.depth :] if self.depth else ()]
        return np.array(
            [[[after(kept, a, b) for b in range(num_columns)] for a in range(num_rows)] for kept in self._lengths],
            dtype=np.int32,
        )

    @property
    def _moves(self) -> Float[np.ndarray, "m a b m"]:
        """The same as laws."""
        return np.eye(len(self._lengths))[self._next]

    @property
    def _seen(self) -> tuple[Int[np.ndarray, "m"], Int[np.ndarray, "m"]]:
        """What leader and follower see of each memory of both actions."""
        everything = np.arange(len(self._lengths), dtype=np.int32)
        if self.sight == "both":
            return everything, everything
        num_rows, num_columns = self.shape
        others = [[digit // num_rows for digit in kept] for kept in self._lengths]
        own = [[digit % num_rows for digit in kept] for kept in self._lengths]
        return _numbered(others, num_columns), _numbered(own, num_rows)


class StagedResponse(StationaryResponse):
    """The follower's decision process where it sees which round is played."""

    def best_response(
        self, ties: Ties = "leader", tolerance: Float[AnyArray, ""] | float = 0.0
    ) -> Float[AnyArray, "p b"]:
        """By backward induction, ties broken round by round from the last; "uniform" plays all tied actions evenly.

        Actions count as tied within `tolerance` × the range of what is still to be paid, and rounding.
        """
        game = self._iterated
        of_leader, own, law = self._by_stage
        left = jnp.arange(len(own), 0, -1) * jnp.asarray(game.follower_range, own.dtype) / len(own)
        slack = (tolerance + 32.0 * jnp.finfo(own.dtype).eps) * left
        sign = -1.0 if ties == "adversary" else 1.0
        best = best_then(own, sign * of_leader, law, 1.0, 1.0, slack, uniform=ties == "uniform")
        return best.reshape(-1, own.shape[-1])

    def quantal_response(
        self, inverse_temperature: Float[AnyArray, ""] | float, discount: Float[AnyArray, ""] | float | None = None
    ) -> Float[AnyArray, "p b"]:
        """By soft backward induction; `discount` 0 for a myopic follower, left out 1."""
        _, own, law = self._by_stage
        response, _ = soft_values(own, law, inverse_temperature, 1.0 if discount is None else discount)
        return response.reshape(-1, own.shape[-1])

    @property
    def _iterated(self) -> IteratedMatrixGame:
        assert isinstance(self.game, IteratedMatrixGame)
        return self.game

    @property
    def _by_stage(self) -> tuple[Float[AnyArray, "h m b"], Float[AnyArray, "h m b"], Float[AnyArray, "h m b m"]]:
        """The leader's and its own rewards, and laws of the next memory, the same in every round."""
        made = self._iterated.decisions(self.commitment)
        of_leader, own = made.rewards
        law = jnp.moveaxis(jax.vmap(made.onwards)(jnp.eye(len(own), dtype=own.dtype)), 0, -1)
        every = lambda one: jnp.broadcast_to(one, (self._iterated.num_steps, *one.shape))
        return every(of_leader), every(own), every(law)


def _numbered(memories: list[list[int]], base: int) -> Int[np.ndarray, "m"]:
    """Numbers of memories with `base` digits, the shorter ones first."""
    before = [sum(base**shorter for shorter in range(len(kept))) for kept in memories]
    codes = [int(sum(digit * base**power for power, digit in enumerate(reversed(kept)))) for kept in memories]
    return np.array([start + code for start, code in zip(before, codes, strict=True)], dtype=np.int32)
