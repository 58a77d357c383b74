"""A matrix game played several times in a row, where both remember what was played last.

A player sees nothing at first (observation 0) and then the last `depth` rounds, or what there was of them. With n
actions of the leader and m of the follower, the round (a, b) is the digit a + n b where a player remembers both
actions, and the opponent's action alone where it does not; the memory of l rounds is the number that their digits make,
the latest last, counted after all shorter memories. (With depth 1, both actions and n = m = 2 that is 0 at the start,
then 1 + a + 2 b.)

Commitments `(o, a)` are policies of the leader on what it remembers, responses `(p, b)` of the follower on what the
follower remembers. Neither sees how many rounds are left.
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
from ...calculus.simplex import logarithm
from ..base import AbstractGame, AbstractProblem
from ..environment import AbstractEnvironment, Box, Discrete, Space, Transition
from ..markov import MarkovGame


Sight: TypeAlias = Literal["both", "opponent"]

SIGHTS: tuple[Sight, ...] = ("both", "opponent")

MOST_POLICIES = 4096
"""Deterministic policies of a follower that are gone through one by one."""


class Round(eqx.Module):
    """Where play stands: the number of rounds played, and what they were."""

    time: Int[AnyArray, ""]
    history: Int[AnyArray, ""]


class IteratedMatrixGame(AbstractGame, AbstractEnvironment):
    """A matrix game that is repeated `num_steps` times, by players who remember the last `depth` rounds.

    - `leader_payoff`, `follower_payoff`: `(a, b)`.
    - `num_steps`: how many rounds.  `depth`: how many of them are remembered.
    - `sight`: "both" when the players remember both actions, "opponent" when each remembers the other's alone.
    - `is_mixed`: whether the leader says a mixture `(a,)` each time, from which its action is drawn. Asked about a
      memory it then answers by a mixture too.

    Values are sums over rounds, undiscounted. Raises `InputError` naming the field.
    """

    leader_payoff: Float[AnyArray, "a b"]
    follower_payoff: Float[AnyArray, "a b"]
    num_steps: int = eqx.field(static=True)
    depth: int = eqx.field(static=True)
    sight: Sight = eqx.field(static=True)
    is_mixed: bool = eqx.field(static=True)

    def __init__(
        self,
        leader_payoff: Any,
        follower_payoff: Any,
        num_steps: Any = 10,
        depth: Any = 1,
        sight: Any = "both",
        is_mixed: Any = False,
    ) -> None:
        self.leader_payoff = boundary.real_array("leader_payoff", leader_payoff, axes=("a", "b"))
        self.follower_payoff = boundary.real_array(
            "follower_payoff", follower_payoff, axes=np.shape(self.leader_payoff)
        )
        self.num_steps = boundary.whole_number("num_steps", num_steps, low=1)
        self.depth = boundary.whole_number("depth", depth, low=0)
        self.sight = boundary.one_of("sight", sight, SIGHTS)  # type: ignore[assignment]
        self.is_mixed = boundary.boolean("is_mixed", is_mixed)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of actions, the leader's first."""
        num_rows, num_columns = np.shape(self.leader_payoff)
        return num_rows, num_columns

    @property
    def observation_spaces(self) -> tuple[Discrete, Discrete]:
        """Memories of the leader and of the follower."""
        return tuple(Discrete(int(seen.max()) + 1) for seen in self._seen)  # type: ignore[return-value]

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
        if self.is_mixed:
            a = jr.categorical(key, logarithm(jnp.asarray(a)))
        history = jnp.asarray(self._next)[state.history, a, b]
        rewards = jnp.stack([jnp.asarray(self.leader_payoff)[a, b], jnp.asarray(self.follower_payoff)[a, b]])
        sees = tuple(jnp.asarray(seen)[history] for seen in self._seen)
        return Transition(Round(state.time + 1, history), sees, rewards, state.time + 1 >= self.num_steps)

    def induce(self, commitment: Float[AnyArray, "o a"]) -> IteratedResponse:
        """What the follower faces once the leader has said how it answers each memory."""
        return IteratedResponse(self, commitment)

    def leader_value(self, commitment: Float[AnyArray, "o a"], response: Float[AnyArray, "p b"]) -> Float[AnyArray, ""]:
        """The leader's expected sum of payoffs."""
        return self.values(commitment, response)[0]

    def values(self, commitment: Float[AnyArray, "o a"], response: Float[AnyArray, "p b"]) -> Float[AnyArray, "2"]:
        """Expected sums of payoffs of leader and follower, exactly: the law of the memory is carried forward."""
        sees, answers = self._seen
        joint = jnp.asarray(commitment)[sees][:, :, None] * jnp.asarray(response)[answers][:, None, :]
        payoffs = jnp.stack([jnp.asarray(self.leader_payoff), jnp.asarray(self.follower_payoff)])
        paid = jnp.einsum("hab,uab->hu", joint, payoffs)
        moves = jnp.einsum("hab,habk->hk", joint, jnp.asarray(self._moves, joint.dtype))

        def forward(carry, _):
            law, total = carry
            return (law @ moves, total + law @ paid), None

        start = jnp.zeros(len(sees), joint.dtype).at[0].set(1.0)
        (_, total), _ = jax.lax.scan(forward, (start, jnp.zeros(2, paid.dtype)), length=self.num_steps)
        return total

    def policies(self, seat: int) -> Float[np.ndarray, "k o a"]:
        """All deterministic policies of a seat (0 the leader, 1 the follower), in the order of their actions.

        Raises `InputError` where there are more than 4,096.
        """
        count, num_actions = self.observation_spaces[seat].size, self.shape[seat]
        if num_actions**count > MOST_POLICIES:
            raise InputError(
                boundary.RANGE,
                "depth",
                found=f"a player with {count} memories and {num_actions} actions has {num_actions}^{count} policies",
                allowed=f"at most {MOST_POLICIES} are gone through one by one",
                remedy="Take a smaller depth, or game.as_markov(), whose best responses are found stage by stage.",
            )
        actions = np.array(list(itertools.product(range(num_actions), repeat=count)), dtype=int)
        return np.eye(num_actions)[actions]

    def as_markov(self) -> MarkovGame:
        """The same as a game over stages whose states are memories of both actions: its follower sees the time.

        Where players remember both actions a commitment `(o, a)` here is the commitment `(s, a)` there.
        """
        start = np.eye(len(self._lengths))[0]
        everywhere = lambda payoff: np.broadcast_to(np.asarray(payoff), (len(start), *self.shape))
        leader, follower = everywhere(self.leader_payoff), everywhere(self.follower_payoff)
        return MarkovGame(leader, follower, self._moves, start, horizon=self.num_steps)

    def check_commitment(self, commitment: object) -> Float[AnyArray, "o a"]:
        """A distribution over rows for each memory of the leader."""
        rows = boundary.real_array("commitment", commitment, axes=(self.observation_spaces[0].size, self.shape[0]))
        return boundary.distribution("commitment", rows)

    def uniform_commitment(self) -> Float[AnyArray, "o a"]:
        """Even odds whatever is remembered."""
        count, num_rows = self.observation_spaces[0].size, self.shape[0]
        return np.full((count, num_rows), 1.0 / num_rows)

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


class IteratedResponse(AbstractProblem):
    """An iterated matrix game with the leader's seat filled. Responses `(p, b)` do not see the time."""

    game: IteratedMatrixGame
    commitment: Float[AnyArray, "o a"]

    def value(self, response: Float[AnyArray, "p b"]) -> Float[AnyArray, ""]:
        """The follower's expected sum of payoffs."""
        return self.game.values(self.commitment, response)[1]

    def best_response(self, ties: Ties = "leader", tolerance: float = 0.0) -> Float[AnyArray, "p b"]:
        """The best deterministic policy that does not see the time, by going through all of them.

        Among policies within `tolerance` × the largest possible range of the return (and rounding), ties go to the
        `leader`, or to its `adversary`; "uniform" is refused, since a mixture of policies is no policy.
        """
        if ties == "uniform":
            raise InputError(
                boundary.INCONSISTENT,
                "ties",
                found="'uniform'",
                allowed="'leader' or 'adversary': a mixture of policies is not a policy on memories",
                remedy="Take one of the two, and see how far their values are apart.",
            )
        policies = jnp.asarray(self.game.policies(1))
        of_leader, own = jax.vmap(lambda response: self.game.values(self.commitment, response), out_axes=1)(policies)
        payoff = jnp.asarray(self.game.follower_payoff)
        span = (jnp.max(payoff) - jnp.min(payoff)) * self.game.num_steps
        slack = (tolerance + 32.0 * jnp.finfo(own.dtype).eps) * span
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
            remedy="Use game.as_markov(), a game over stages with the memories as states.",
        )


def _numbered(memories: list[list[int]], base: int) -> Int[np.ndarray, "m"]:
    """Numbers of memories with `base` digits, the shorter ones first."""
    before = [sum(base**shorter for shorter in range(len(kept))) for kept in memories]
    codes = [int(sum(digit * base**power for power, digit in enumerate(reversed(kept)))) for kept in memories]
    return np.array([start + code for start, code in zip(before, codes, strict=True)], dtype=np.int32)
