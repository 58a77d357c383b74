"""Followers that are not the same in every episode: one whose reward drifts, one who remembers what was announced."""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from .. import _boundary as boundary
from .._types import AnyArray, Key
from ..calculus.precision import exact
from ..followers.base import AbstractFollower
from ..games.base import AbstractGame
from ..games.markov import MarkovGame
from .base import AbstractChangingWorld
from .markov_world import MarkovRules, MarkovWorld


Path: TypeAlias = Literal["line", "wave"]

PATHS: tuple[Path, ...] = ("line", "wave")


class AbstractChangingPlay(AbstractChangingWorld):
    """Play over stages whose follower changes: all else is that of `world`, and the leader is not told of it."""

    world: eqx.AbstractVar[MarkovWorld]

    @property
    def game(self) -> MarkovGame:  # type: ignore[override]
        """The game before anything changed."""
        return self.world.game

    @property
    def follower(self) -> AbstractFollower:  # type: ignore[override]
        """Who plays, before anything changed."""
        return self.world.follower

    @property
    def num_plays(self) -> int:  # type: ignore[override]
        """One play of all stages after each announcement."""
        return self.world.num_plays

    @property
    def rules(self) -> MarkovRules:
        """What the leader may know."""
        return self.world.rules


class DriftingWorld(AbstractChangingPlay):
    """Play over stages with a follower whose reward moves, step by step, from that of its game to another and back.

    In episode n the reward is (1 - u) × that of `world.game` + u × `reward_after`, with u the path rounded to one of
    `num_phases` equal steps, so that the best value of each can be solved beforehand.

    - `world`: the `MarkovWorld` of the first episode.  `reward_after`: of the shape of `world.game.follower_reward`.
    - `path`: "line", u = n / `num_episodes` and 1 from then on; "wave", u = ½ - ½ cos 2π n / `num_episodes`.

    Raises `InputError` naming the field.
    """

    world: MarkovWorld
    reward_after: Float[AnyArray, "*h s a b"]
    num_episodes: int
    path: Path = eqx.field(static=True)
    num_phases: int

    def __init__(
        self, world: Any, reward_after: Any, num_episodes: Any, path: Any = "line", num_phases: Any = 21
    ) -> None:
        self.world = boundary.instance("world", world, MarkovWorld, "sg.MarkovWorld(game, sg.QuantalResponse(5.0))")
        shape = np.shape(self.world.game.follower_reward)
        self.reward_after = boundary.real_array("reward_after", reward_after, axes=shape)
        self.num_episodes = boundary.whole_number("num_episodes", num_episodes, low=1)
        self.path = boundary.one_of("path", path, PATHS)  # type: ignore[assignment]
        self.num_phases = boundary.whole_number("num_phases", num_phases, low=2, high=1000)

    def memory(self) -> None:
        """It remembers nothing."""
        return

    def phase(self, n: Int[AnyArray, ""] | int) -> Int[AnyArray, ""]:
        """The step of the path that is nearest to it in episode n."""
        passed = jnp.asarray(n, float) / self.num_episodes
        share = jnp.minimum(passed, 1.0) if self.path == "line" else 0.5 - 0.5 * jnp.cos(2.0 * math.pi * passed)
        return jnp.round(share * (self.num_phases - 1)).astype(jnp.int32)

    def settled(self, phase: Int[AnyArray, ""] | int) -> MarkovWorld:
        """The world whose reward stays where it is in this phase."""
        share = phase / (self.num_phases - 1)
        reward = (1.0 - share) * self.world.game.follower_reward + share * self.reward_after
        return eqx.tree_at(lambda world: world.game.follower_reward, self.world, reward)

    def at(self, n: Int[AnyArray, ""] | int, memory: None) -> MarkovWorld:
        """The world of episode n."""
        del memory
        return self.settled(self.phase(n))

    def remembered(self, memory: None, commitment: Float[AnyArray, "..."]) -> None:
        """Nothing."""
        del memory, commitment


class RememberingWorld(AbstractChangingPlay):
    """Play over stages with a follower who answers to a running average of what was announced, and not to the last.

    It answers to y(n) = (1 - `weight`) x(n) + `weight` y(n - 1), with x(n) the n-th announcement and y(-1) uniform.
    Actions of the leader are drawn from x(n), and what is best is counted among announcements that are held for good: a
    leader who changes faster than the follower's memory may do better than that for a while.

    - `world`: the `MarkovWorld` of a follower without memory.  `weight`: of the past, at least 0 and below 1.

    Raises `InputError` naming the field.
    """

    world: MarkovWorld
    weight: float | Float[AnyArray, ""]

    def __init__(self, world: Any, weight: float | Float[AnyArray, ""]) -> None:
        self.world = boundary.instance("world", world, MarkovWorld, "sg.MarkovWorld(game, sg.QuantalResponse(5.0))")
        self.weight = boundary.real_number("weight", weight, low=0.0, high=0.9999)

    @property
    def num_phases(self) -> int:  # type: ignore[override]
        """It does not change by itself."""
        return 1

    def memory(self) -> Float[AnyArray, "h s *b a"]:
        """Uniform play."""
        return self.world.rules.uniform_commitment()

    def phase(self, n: Int[AnyArray, ""] | int) -> Int[AnyArray, ""]:
        """The only one."""
        return 0 * jnp.asarray(n, jnp.int32)

    def settled(self, phase: Int[AnyArray, ""] | int) -> MarkovWorld:
        """The world of a leader who announces the same for ever."""
        del phase
        return self.world

    def at(self, n: Int[AnyArray, ""] | int, memory: Float[AnyArray, "h s *b a"]) -> MarkovWorld:
        """The world whose follower has this in mind from before."""
        del n
        follower = AveragedPerception(self.world.follower, self.weight, memory)
        return eqx.tree_at(lambda world: world.follower, self.world, follower)

    def remembered(
        self, memory: Float[AnyArray, "h s *b a"], commitment: Float[AnyArray, "h s *b a"]
    ) -> Float[AnyArray, "h s *b a"]:
        """What it has just answered to."""
        return averaged(commitment, memory, self.weight)


class AveragedPerception(AbstractFollower):
    """Answers as `follower` would to (1 - `weight`) × what is announced + `weight` × `past`.

    - `past`: of the shape of the announcement.
    """

    follower: AbstractFollower
    weight: float | Float[AnyArray, ""]
    past: Float[AnyArray, "..."]

    @exact
    def respond(
        self,
        game: AbstractGame,
        commitment: Float[AnyArray, "..."],
        *,
        start: Float[AnyArray, "..."] | None = None,
        key: Key | None = None,
    ) -> Float[AnyArray, "..."]:
        """The follower's answer to the average."""
        seen = averaged(commitment, self.past, self.weight)
        return self.follower.respond(game, seen, start=start, key=key)


def averaged(
    commitment: Float[AnyArray, "..."], past: Float[AnyArray, "..."], weight: float | Float[AnyArray, ""]
) -> Float[AnyArray, "..."]:
    """What is announced and what was, weighed."""
    return (1.0 - weight) * jnp.asarray(commitment) + weight * jnp.asarray(past)
