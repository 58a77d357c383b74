"""Many games of one shape, laid out for the solvers: payoffs on [0, 1], the follower's action first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclass(frozen=True)
class Games:
    """A batch of games on [0, 1].

    - `leader`, `follower`: payoffs, the follower's action first.
    - `equal`: which of the follower's columns are equal; None where it does not matter (strong family).
    """

    leader: Float[np.ndarray, "n b a"]
    follower: Float[np.ndarray, "n b a"]
    equal: Bool[np.ndarray, "n b b"] | None = None

    @classmethod
    def build(cls, leader: Float[np.ndarray, "n a b"], follower: Float[np.ndarray, "n a b"], *, compare: bool) -> Games:
        """The games with payoffs `(n, a, b)`; `compare` looks for equal columns."""
        games = cls(*(np.ascontiguousarray(np.swapaxes(payoff, 1, 2)) for payoff in (leader, follower)))
        return games.compared() if compare else games

    def compared(self) -> Games:
        """With the comparison of the follower's columns."""
        # One column at a time: comparing all pairs at once would need b times the memory.
        equal = [np.all(self.follower == self.follower[:, b, None], axis=2) for b in range(self.num_columns)]
        return Games(self.leader, self.follower, np.stack(equal, axis=1))

    @property
    def num_games(self) -> int:
        return self.leader.shape[0]

    @property
    def num_rows(self) -> int:
        """The leader's actions."""
        return self.leader.shape[2]

    @property
    def num_columns(self) -> int:
        """The follower's actions."""
        return self.leader.shape[1]

    def take(self, which: Int[np.ndarray, "m"]) -> Games:
        """Some of the games."""
        equal = None if self.equal is None else self.equal[which]
        return Games(self.leader[which], self.follower[which], equal)

    def padded(self) -> Games:
        """With copies of the leader's first action and follower actions that it never takes, to a rounded shape."""
        rows, columns = _rounded(self.num_rows) - self.num_rows, _rounded(self.num_columns) - self.num_columns
        if not (rows or columns):
            return self
        leader = np.pad(self.leader, ((0, 0), (0, columns), (0, rows)))
        follower = np.pad(self.follower, ((0, 0), (0, columns), (0, rows)), constant_values=-1.0)
        for payoff in (leader, follower):
            payoff[:, :, self.num_rows :] = payoff[:, :, :1]
        equal = None if self.equal is None else np.pad(self.equal, ((0, 0), (0, columns), (0, columns)))
        return Games(leader, follower, equal)


def _rounded(size: int) -> int:
    """`size` rounded up, to a multiple of 4 when small and by a sixteenth at most beyond: few shapes are compiled."""
    step = 4 if size <= 8 else max(2, 1 << max(size.bit_length() - 5, 0))
    return -(-size // step) * step
