"""The seam of play: a world answers announcements, and shows of itself only its rules."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import equinox as eqx
from jaxtyping import Float, Int

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
    """One announcement, what followed it, and what the leader had expected (None where it does not say).

    Where the follower changes also what decides how it was: `n`, the number of announcements before, and `memory`, what
    it remembered of them; None elsewhere.
    """

    episode: Any
    belief: Belief | None
    n: Any = None
    memory: Any = None

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


class AbstractChangingWorld(AbstractWorld):
    """A world whose follower is not the same in every episode: it changes by itself, or by what was announced before.

    By itself it goes through `num_phases` phases, one or more; within one the follower differs by its memory only.
    """

    num_phases: eqx.AbstractVar[int]

    @abstractmethod
    def memory(self) -> Any:
        """What the follower remembers before the first announcement; None for one who never remembers anything."""

    @abstractmethod
    def at(self, n: Any, memory: Any) -> AbstractWorld:
        """The world as it is in episode n, counted from 0, with what is remembered by then."""

    @abstractmethod
    def remembered(self, memory: Any, commitment: Float[AnyArray, "..."]) -> Any:
        """What the follower remembers after one announcement more."""

    @abstractmethod
    def phase(self, n: Any) -> Int[AnyArray, ""]:
        """The phase of episode n, counted from 0."""

    @abstractmethod
    def settled(self, phase: Any) -> AbstractWorld:
        """The world that stays in this phase, and whose follower was announced the same for ever."""

    def play(self, commitment: Float[AnyArray, "..."], key: Key) -> Any:
        """What follows the first announcement."""
        return self.at(0, self.memory()).play(commitment, key)


def as_it_was(world: AbstractWorld, meeting: Meeting) -> AbstractWorld:
    """The world of that meeting: the same one, unless it changes."""
    return world.at(meeting.n, meeting.memory) if isinstance(world, AbstractChangingWorld) else world
