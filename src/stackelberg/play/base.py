"""The seam of play: a world answers announcements, and shows of itself only its rules."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import equinox as eqx
from jaxtyping import Float

from .._types import AnyArray, Key
from ..followers.base import AbstractFollower


class Belief(eqx.Module):
    """What a leader expected of a game over stages when it made an announcement.

    - `response`: `(h, s, b)`, the follower's answer to it.
    - `action_value`: `(h, s, a, b)`, the leader's value of each pair of actions at a stage and state.
    """

    response: Float[AnyArray, "h s b"]
    action_value: Float[AnyArray, "h s a b"]


class Meeting(eqx.Module):
    """One announcement, what followed it, and what the leader had expected (None where it does not say)."""

    episode: Any
    belief: Belief | None

    @property
    def commitment(self) -> Float[AnyArray, "..."]:
        """What was announced."""
        return self.episode.commitment


class AbstractWorld(eqx.Module):
    """A game and the follower that plays it.

    `num_plays` says how often the follower answers each announcement. An episode has at least `commitment`, what was
    announced, and `leader_reward`, what the leader was paid in all.
    """

    game: eqx.AbstractVar[Any]
    follower: eqx.AbstractVar[AbstractFollower]
    num_plays: eqx.AbstractVar[int]

    @property
    @abstractmethod
    def rules(self) -> Any:
        """What the leader may know; no leaf of it is the follower's reward or the dynamics."""

    @abstractmethod
    def play(self, commitment: Float[AnyArray, "..."], key: Key) -> Any:
        """What follows `commitment`: an episode."""
