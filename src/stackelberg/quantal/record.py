"""What a leader has seen of a game over stages, as counts: all that likelihoods and regressions need.

Rows are announcements. Between two refits the same one is announced again, so that the log grows with the number of
different announcements and not with the number of episodes.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from .._types import AnyArray
from ..play.markov_world import MarkovEpisode, MarkovRules


class PlayRecord(eqx.Module):
    """Counts of what was announced and played.

    - `commitment`: `(n, h, s, a)` or `(n, h, s, b, a)`, one row for each announcement.
    - `answers`: `(n, h, s, b)`, how often each answer was given to it.
    - `visits`: `(h, s, a, b)`.  `paid`: `(h, s, a, b)`, the leader's rewards summed.  `moves`: `(h, s, a, b, s)`, to
      where the play went on; nothing is counted after the last stage.
    """

    commitment: Float[AnyArray, "n h s *b a"]
    answers: Float[AnyArray, "n h s b"]
    visits: Float[AnyArray, "h s a b"]
    paid: Float[AnyArray, "h s a b"]
    moves: Float[AnyArray, "h s a b t"]

    @classmethod
    def empty(cls, rules: MarkovRules, capacity: int) -> PlayRecord:
        """Room for `capacity` different announcements."""
        horizon, num_states, num_rows, num_columns = rules.shape
        announced = rules.uniform_commitment()
        return cls(
            jnp.broadcast_to(announced, (capacity, *announced.shape)) + 0.0,
            jnp.zeros((capacity, horizon, num_states, num_columns)),
            jnp.zeros((horizon, num_states, num_rows, num_columns)),
            jnp.zeros((horizon, num_states, num_rows, num_columns)),
            jnp.zeros((horizon, num_states, num_rows, num_columns, num_states)),
        )

    @classmethod
    def of(
        cls,
        rules: MarkovRules,
        commitment: Float[AnyArray, "m h s *b a"],
        episodes: MarkovEpisode,
        row: Int[AnyArray, "n"] | Int[AnyArray, "n h"],
        share: Float[AnyArray, "n"] | float = 1.0,
    ) -> PlayRecord:
        """Many episodes at once, as `add` counts them one by one.

        - `commitment`: the announcement of each row.  `row`: of each episode, or of each of its stages where the
          follower is myopic.  `share`: how often each episode counts.
        """
        blank, h = cls.empty(rules, len(commitment)), np.arange(rules.horizon)
        s, a, b = episodes.states, episodes.leader_actions, episodes.follower_actions
        row = jnp.broadcast_to(row if row.ndim == 2 else row[:, None], s.shape)
        once = jnp.broadcast_to(jnp.asarray(share, float).reshape(-1, 1), s.shape)
        moved = h[:-1], s[:, :-1], a[:, :-1], b[:, :-1], s[:, 1:]
        return cls(
            commitment,
            jnp.asarray(blank.answers).at[row, h, s, b].add(once),
            jnp.asarray(blank.visits).at[h, s, a, b].add(once),
            jnp.asarray(blank.paid).at[h, s, a, b].add(once * episodes.rewards),
            jnp.asarray(blank.moves).at[moved].add(once[:, :-1]),
        )

    def add(self, episode: MarkovEpisode, row: Int[AnyArray, ""] | int) -> PlayRecord:
        """One episode more, written to `row`.

        A row beyond the last, or another announcement than the one that its row already has answers to, makes the
        record NaN, so that the run stops.
        """
        horizon = self.visits.shape[0]
        h = np.arange(horizon)
        s, a, b = episode.states, episode.leader_actions, episode.follower_actions
        is_full = jnp.asarray(row) >= self.answers.shape[0]
        row = jnp.minimum(jnp.asarray(row), self.answers.shape[0] - 1)
        is_other = jnp.any(jnp.asarray(self.commitment)[row] != episode.commitment) & jnp.any(
            jnp.asarray(self.answers)[row] > 0.0
        )
        once = jnp.where(is_full | is_other, jnp.nan, 1.0)
        return PlayRecord(
            jnp.asarray(self.commitment).at[row].set(episode.commitment),
            jnp.asarray(self.answers).at[row, h, s, b].add(once),
            jnp.asarray(self.visits).at[h, s, a, b].add(once),
            jnp.asarray(self.paid).at[h, s, a, b].add(episode.rewards),
            jnp.asarray(self.moves).at[h[:-1], s[:-1], a[:-1], b[:-1], s[1:]].add(once),
        )

    def faded(self, share: float) -> PlayRecord:
        """The record with this share of each answer left; what is known of the leader's own payoffs and moves stays."""
        return PlayRecord(self.commitment, share * self.answers, self.visits, self.paid, self.moves)


class Schedule(eqx.Module):
    """When a new announcement is made: after n episodes the next n / `every` share one (one at least).

    `capacity` is the number of episodes there is room for. With `most` n counts as that many at the most, so that
    announcements go on changing as often as then.
    """

    capacity: int = eqx.field(static=True)
    every: int = eqx.field(static=True)
    most: int | None = eqx.field(static=True, default=None)

    @property
    def is_new(self) -> Bool[np.ndarray, "n"]:
        """`(capacity,)`: whether episode n, counted from 0, is the first one of a new announcement."""
        new, n = np.zeros(self.capacity, bool), 0
        while n < self.capacity:
            new[n] = True
            counted = n if self.most is None else min(n, self.most)
            n += max(1, counted // self.every)
        return new

    @property
    def num_rows(self) -> int:
        """How many announcements that makes."""
        return int(self.is_new.sum())

    def row(self, n: Int[AnyArray, ""] | int) -> Int[AnyArray, ""]:
        """The row to which episode n belongs."""
        return jnp.asarray(np.cumsum(self.is_new) - 1, jnp.int32)[n]

    def is_due(self, n: Int[AnyArray, ""] | int) -> Bool[AnyArray, ""]:
        """Whether a new plan is needed after episode n."""
        return jnp.asarray(np.append(self.is_new[1:], True))[n]
