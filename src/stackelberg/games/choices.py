"""What followers were seen to do: one schema for logs of choices, checked once.

A row says: under this commitment, a follower of this type chose this action, so many times, in this period. Logs of
simultaneous play have no commitment; their rows say which of the two players chose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from .. import _boundary as boundary
from .._errors import InputError
from .base import AbstractGame


MAX_ROWS = 5_000_000


@dataclass(frozen=True, eq=False)
class Choices:
    """A log of observed choices, one row for each distinct observation.

    - `commitment`: what the leader had announced, `(n, ...)`; `None` for simultaneous play, where nothing is announced.
    - `action`: number of the action chosen, from 0.
    - `count`: how often: at least 0, whole unless it stands for a published frequency (see `from_frequencies`).
    - `period`: when, a whole number from 0 (all 0 when left out).
    - `type`: number of the follower's type, from 0 (all 0 when left out).
    - `by_leader`: whether the leader made this choice; true only in simultaneous play.

    Raises `InputError` when a column is not of this kind or the columns differ in length. That actions, types and
    commitments exist in a game is checked by `check(game)`.
    """

    commitment: Float[np.ndarray, "n *k"] | None
    action: Int[np.ndarray, "n"]
    count: Float[np.ndarray, "n"]
    period: Int[np.ndarray, "n"]
    type: Int[np.ndarray, "n"]
    by_leader: Bool[np.ndarray, "n"]

    @classmethod
    def of(
        cls,
        action: Any,
        *,
        commitment: Any = None,
        count: Any = None,
        period: Any = None,
        type: Any = None,  # the schema's own word
        by_leader: Any = None,
    ) -> Choices:
        """A log from plain columns; `count` defaults to 1 a row, one `commitment` is taken to hold for every row."""
        chosen = boundary.whole_numbers("action", action, axes=("n",))
        n = len(chosen)
        columns = {
            name: np.zeros(n, np.int64) if values is None else boundary.whole_numbers(name, values, axes=(n,))
            for name, values in (("period", period), ("type", type))
        }
        counts = np.ones(n) if count is None else boundary.real_array("count", count, axes=(n,), low=0.0)
        seats = np.zeros(n, bool) if by_leader is None else _booleans("by_leader", by_leader, n)
        return cls(_rows_of(commitment, n), chosen, counts, by_leader=seats, **columns)

    def __post_init__(self) -> None:
        if self.commitment is not None and bool(self.by_leader.any()):
            raise InputError(
                boundary.INCONSISTENT,
                "by_leader",
                position=(int(np.argmax(self.by_leader)),),
                found="a choice of the leader stands in a log that has commitments",
                allowed="the leader's own choices are counted only in simultaneous play",
                remedy="Leave out the commitments, or the leader's rows.",
            )
        if not self.count.sum() > 0:
            raise InputError(
                boundary.EMPTY,
                "count",
                found="the log holds no choice",
                allowed="at least one choice must have been observed",
                remedy="Check the column `count`.",
            )

    def __len__(self) -> int:
        return len(self.action)

    @property
    def num_plays(self) -> float:
        """Number of choices observed (of both players, in simultaneous play)."""
        return float(self.count.sum())

    def where(self, keep: Bool[np.ndarray, "n"]) -> Choices:
        """The rows marked true, for instance `choices.where(choices.period < 10)`."""
        commitment = None if self.commitment is None else self.commitment[keep]
        rest = (self.action, self.count, self.period, self.type, self.by_leader)
        return Choices(commitment, *(column[keep] for column in rest))

    def check(self, game: AbstractGame) -> Choices:
        """This log with its commitments checked by `game`; `InputError` names the first row that does not fit it."""
        num_actions, num_types = follower_shape(game)
        limits = np.where(self.by_leader, len(game.uniform_commitment()), num_actions)
        _check_below("action", self.action, limits)
        if num_types > 1 or self.type.any():
            _check_below("type", self.type, np.full(len(self), max(num_types, 1)) if num_types > 1 else _any_type(self))
        if self.commitment is None:
            return self
        distinct, inverse = np.unique(self.commitment, axis=0, return_inverse=True)
        checked = np.stack([_checked_commitment(game, row, index, inverse) for index, row in enumerate(distinct)])
        rest = (self.action, self.count, self.period, self.type, self.by_leader)
        return Choices(checked[inverse.reshape(-1)], *rest)

    def table(self, game: AbstractGame) -> ChoiceTable:
        """The counts of a checked log, one row for each distinct commitment and type that were met."""
        num_actions, _ = follower_shape(game)
        leader, follower = self.by_leader, ~self.by_leader
        leader_counts = np.bincount(self.action[leader], self.count[leader], len(game.uniform_commitment())).astype(
            float
        )
        if self.commitment is None:
            counts = np.bincount(self.action[follower], self.count[follower], num_actions).astype(float)[None]
            return ChoiceTable(None, np.zeros(1, np.int64), counts, leader_counts)
        flat = self.commitment.reshape(len(self), -1)
        keys, first, inverse = np.unique(
            np.column_stack([flat, self.type]), axis=0, return_index=True, return_inverse=True
        )
        counts = np.zeros((len(keys), num_actions))
        np.add.at(counts, (inverse.reshape(-1), self.action), self.count)
        seen = counts.sum(axis=1) > 0
        return ChoiceTable(self.commitment[first][seen], self.type[first][seen], counts[seen], leader_counts)


@dataclass(frozen=True, eq=False)
class ChoiceTable:
    """A log collapsed to what a likelihood needs; its size does not grow with the number of plays.

    - `commitment`: the distinct commitments met, `(c, ...)`, or `None` for simultaneous play.
    - `type`: the follower's type in each context.
    - `counts`: how often each action was chosen there, `(c, b)`.
    - `leader_counts`: how often the leader chose each of its own actions in simultaneous play.
    """

    commitment: Float[np.ndarray, "c *k"] | None
    type: Int[np.ndarray, "c"]
    counts: Float[np.ndarray, "c b"]
    leader_counts: Float[np.ndarray, "a"]

    @property
    def cells(self) -> Float[np.ndarray, "m"]:
        """All counts in one row: contexts × actions, or the leader's and then the follower's in simultaneous play."""
        return self.counts.reshape(-1) if self.commitment is not None else np.append(self.leader_counts, self.counts)

    @property
    def has_one_class(self) -> bool:
        """Whether every choice of the follower was one and the same action."""
        return int((self.counts.sum(axis=0) > 0).sum()) <= 1


def from_frequencies(leader: Any, follower: Any, num_plays: float | int) -> Choices:
    """Simultaneous play known only by published frequencies: `frequency × num_plays` choices each.

    Rounded frequencies give fractional counts, and the likelihood takes them as they are: fits then reproduce what
    is published from the same table.
    """
    shares = [
        boundary.distribution(name, values, axes=("n",))
        for name, values in (("leader", leader), ("follower", follower))
    ]
    plays = boundary.real_number("num_plays", num_plays, low=0.0, low_open=True)
    return Choices.of(
        np.concatenate([np.arange(len(share)) for share in shares]),
        count=plays * np.concatenate(shares),
        by_leader=np.repeat([True, False], [len(share) for share in shares]),
    )


def follower_shape(game: AbstractGame) -> tuple[int, int]:
    """Number of the follower's actions, and of its types (0 when the game has none)."""
    shape = np.shape(game.induce(game.uniform_commitment()).best_response())
    return int(shape[-1]), int(shape[0]) if len(shape) > 1 else 0


def _rows_of(commitment: Any, n: int) -> Float[np.ndarray, "n *k"] | None:
    if commitment is None:
        return None
    array = boundary.real_array("commitment", commitment)
    if array.ndim == 1:
        array = np.tile(array, (n, 1))
    if array.ndim == 0 or len(array) != n:
        raise InputError(
            boundary.SHAPE,
            "commitment",
            found=f"its shape is {array.shape}",
            allowed=f"one commitment for each of the {n} rows is needed",
            remedy="Repeat the commitment in every row where it held, or give one for all rows.",
        )
    return array


def _booleans(field: str, values: Any, n: int) -> Bool[np.ndarray, "n"]:
    array = np.asarray(values)
    if array.dtype != bool or array.shape != (n,):
        raise InputError(
            boundary.TYPE,
            field,
            found=f"it is of type {array.dtype} and shape {array.shape}",
            allowed=f"{n} values true or false are needed",
            remedy="Give one true or false for each row.",
        )
    return array


def _check_below(field: str, values: Int[np.ndarray, "n"], limits: Int[np.ndarray, "n"]) -> None:
    bad = values >= limits
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            boundary.RANGE,
            field,
            position=(row,),
            found=f"{values[row]} does not exist in this game ({int(bad.sum())} such rows)",
            allowed=f"it must be a whole number from 0 to {limits[row] - 1}",
            remedy="Check that the log belongs to this game, and that numbers start from 0.",
        )


def _any_type(choices: Choices) -> Int[np.ndarray, "n"]:
    """Types in the log of a game without types are labels of subjects: any will do."""
    return np.full(len(choices), np.iinfo(np.int64).max)


def _checked_commitment(game: AbstractGame, row: np.ndarray, index: int, inverse: np.ndarray) -> np.ndarray:
    try:
        return np.asarray(game.check_commitment(row))
    except InputError as problem:
        place = int(np.argmax(inverse.reshape(-1) == index))
        raise InputError(
            problem.code,
            "commitment",
            position=(place,),
            found=problem.found,
            allowed=problem.allowed,
            remedy=problem.remedy,
        ) from problem


def commitment_names(game: AbstractGame) -> tuple[str, ...]:
    """The names of what a commitment of `game` has entries for: the leader's actions, or targets."""
    return _names(game, ("leader_actions", "targets"), len(game.uniform_commitment()))


def follower_names(game: AbstractGame) -> tuple[str, ...]:
    """The names of the follower's actions: what it can do, or the targets that it can attack."""
    return _names(game, ("follower_actions", "targets"), follower_shape(game)[0])


def type_names(game: AbstractGame) -> tuple[str, ...]:
    """The names of the follower's types, one in games without types."""
    return _names(game, ("types", "follower_types"), max(follower_shape(game)[1], 1))


def _names(game: AbstractGame, fields: tuple[str, ...], count: int) -> tuple[str, ...]:
    """The first of these fields that names `count` things, or the numbers from 1."""
    for name in fields:
        names = getattr(game, name, None)
        if isinstance(names, tuple) and len(names) == count:
            return names
    return tuple(str(number) for number in range(1, count + 1))
