"""Environments that run in Python, several copies side by side: any PettingZoo parallel or Gymnasium environment."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool, Float

from ... import _boundary as boundary
from ..._errors import InputError
from ..environment import Space
from .spaces import Converted, check_begun, from_gymnasium_space


Policy: TypeAlias = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""Actions `(copies, ...)` for observations `(copies, ...)` of one seat."""


@dataclass(frozen=True, eq=False)
class HostTransition:
    """What one step made in every copy.

    - `observations`: one array `(copies, ...)` for each seat, of the next episode where one has ended.
    - `last_observations`: the same, of the episode that was.  `rewards`: `(copies, seats)`.  `is_over`: `(copies,)`.
    """

    observations: tuple[np.ndarray, ...]
    last_observations: tuple[np.ndarray, ...]
    rewards: Float[np.ndarray, "copies seats"]
    is_over: Bool[np.ndarray, "copies"]


@dataclass(frozen=True, eq=False)
class Rollout:
    """What all seats saw, did and were paid: `(steps, copies, ...)`, one array for each seat; `is_over` as it was."""

    observations: tuple[np.ndarray, ...]
    actions: tuple[np.ndarray, ...]
    rewards: Float[np.ndarray, "steps copies seats"]
    is_over: Bool[np.ndarray, "steps copies"]


class HostEnvironment(ABC):
    """An environment of another library, in `num_copies` copies that are stepped one after the other in Python.

    It cannot be traced, batched or compiled: learners of this package that run on the device do not take it. Seats are
    in the order of `names`, the leader first. A copy whose episode ends starts the next one by itself.
    """

    names: tuple[str, ...]
    observation_spaces: tuple[Space, ...]
    action_spaces: tuple[Space, ...]
    num_copies: int

    @abstractmethod
    def reset(self, seed: int = 0) -> tuple[np.ndarray, ...]:
        """First observations `(copies, ...)` of each seat; copy i is seeded by `seed` + i."""

    @abstractmethod
    def step(self, actions: Sequence[np.ndarray]) -> HostTransition:
        """One step of every copy; `actions` holds an array `(copies, ...)` for each seat.

        Raises `InputError` before the first `reset`.
        """

    def rollout(self, policies: Sequence[Policy], num_steps: Any, seed: Any = 0) -> Rollout:
        """`num_steps` steps of every copy, by one policy for each seat, from first observations on."""
        steps = boundary.whole_number("num_steps", num_steps, low=1)
        number = boundary.whole_number("seed", seed, low=0)
        if len(policies) != len(self.names):
            raise InputError(
                boundary.SHAPE,
                "policies",
                found=f"there are {len(policies)}",
                allowed=f"one is needed for each of the {len(self.names)} seats: {', '.join(self.names)}",
                remedy="Give a function (observations, generator) -> actions for each of them.",
            )
        generator = np.random.default_rng(number)
        observations, made = self.reset(number), []
        for _ in range(steps):
            actions = tuple(policy(seen, generator) for policy, seen in zip(policies, observations, strict=True))
            here = self.step(actions)
            made.append((observations, actions, here.rewards, here.is_over))
            observations = here.observations
        seats = range(len(self.names))
        return Rollout(
            tuple(np.stack([one[0][seat] for one in made]) for seat in seats),
            tuple(np.stack([one[1][seat] for one in made]) for seat in seats),
            np.stack([one[2] for one in made]),
            np.stack([one[3] for one in made]),
        )


class FromPettingZoo(HostEnvironment):
    """A PettingZoo parallel environment; see `from_pettingzoo`."""

    def __init__(self, make: Callable[[], Any], leader: str | None, num_copies: int) -> None:
        self._copies = [make() for _ in range(num_copies)]
        agents = list(self._copies[0].possible_agents)
        first = agents[0] if leader is None else boundary.one_of("leader", leader, agents)
        self.names = (first, *(name for name in agents if name != first))
        self.num_copies = num_copies
        env = self._copies[0]
        self._seen = [from_gymnasium_space(name, env.observation_space(name)) for name in self.names]
        self._done = [from_gymnasium_space(name, env.action_space(name)) for name in self.names]
        self.observation_spaces = tuple(one.space for one in self._seen)
        self.action_spaces = tuple(one.space for one in self._done)
        self._latest: list[list[np.ndarray]] = []

    def reset(self, seed: int = 0) -> tuple[np.ndarray, ...]:
        """See `HostEnvironment`."""
        self._latest = [self._begun(copy, seed + number) for number, copy in enumerate(self._copies)]
        return _columns(self._latest)

    def step(self, actions: Sequence[np.ndarray]) -> HostTransition:
        """Seats that have left early are paid nothing, and see what they saw last."""
        check_begun(bool(self._latest))
        rewards, over = np.zeros((self.num_copies, len(self.names))), np.zeros(self.num_copies, bool)
        last = []
        for number, copy in enumerate(self._copies):
            present = set(copy.agents)
            chosen = {
                name: convert.bring_out(actions[seat][number])
                for seat, (name, convert) in enumerate(zip(self.names, self._done, strict=True))
                if name in present
            }
            seen, paid, *_ = copy.step(chosen)
            self._latest[number] = [
                convert.bring_in(seen[name]) if name in seen else before
                for name, convert, before in zip(self.names, self._seen, self._latest[number], strict=True)
            ]
            rewards[number] = [float(paid.get(name, 0.0)) for name in self.names]
            over[number] = not copy.agents
            last.append(self._latest[number])
            if over[number]:
                self._latest[number] = self._begun(copy, None)
        return HostTransition(_columns(self._latest), _columns(last), rewards, over)

    def _begun(self, copy: Any, seed: int | None) -> list[np.ndarray]:
        seen = (copy.reset() if seed is None else copy.reset(seed=seed))[0]
        return [convert.bring_in(seen[name]) for name, convert in zip(self.names, self._seen, strict=True)]


class FromGymnasium(HostEnvironment):
    """A Gymnasium environment, with one seat; see `from_gymnasium`."""

    def __init__(self, make: Callable[[], Any], seat: str, num_copies: int) -> None:
        self._copies = [make() for _ in range(num_copies)]
        self.names, self.num_copies = (seat,), num_copies
        self._seen: Converted = from_gymnasium_space(seat, self._copies[0].observation_space)
        self._done: Converted = from_gymnasium_space(seat, self._copies[0].action_space)
        self.observation_spaces, self.action_spaces = (self._seen.space,), (self._done.space,)
        self._has_begun = False

    def reset(self, seed: int = 0) -> tuple[np.ndarray, ...]:
        """See `HostEnvironment`."""
        seen = [copy.reset(seed=seed + number)[0] for number, copy in enumerate(self._copies)]
        self._has_begun = True
        return (np.stack([self._seen.bring_in(one) for one in seen]),)

    def step(self, actions: Sequence[np.ndarray]) -> HostTransition:
        """An episode is over when it is terminated or truncated."""
        check_begun(self._has_begun)
        rewards, over = np.zeros((self.num_copies, 1)), np.zeros(self.num_copies, bool)
        now, last = [], []
        for number, copy in enumerate(self._copies):
            seen, paid, terminated, truncated, _ = copy.step(self._done.bring_out(actions[0][number]))
            rewards[number], over[number] = float(paid), bool(terminated or truncated)
            last.append([self._seen.bring_in(seen)])
            now.append([self._seen.bring_in(copy.reset()[0])] if over[number] else last[-1])
        return HostTransition(_columns(now), _columns(last), rewards, over)


def from_pettingzoo(make: Callable[[], Any], leader: str | None = None, num_copies: Any = 1) -> HostEnvironment:
    """Any PettingZoo parallel environment as a `HostEnvironment`.

    - `make`: a function that makes one, called `num_copies` times.
    - `leader`: the agent that sits in seat 0, the first one when left out.

    Raises `InputError` for spaces that are not counted or boxes, and where PettingZoo is not installed.
    """
    return FromPettingZoo(make, leader, boundary.whole_number("num_copies", num_copies, low=1))


def from_gymnasium(make: Callable[[], Any], seat: str = "follower", num_copies: Any = 1) -> HostEnvironment:
    """Any Gymnasium environment as a `HostEnvironment` with the one seat called `seat`; see `from_pettingzoo`."""
    return FromGymnasium(make, seat, boundary.whole_number("num_copies", num_copies, low=1))


def _columns(rows: Sequence[Sequence[np.ndarray]]) -> tuple[np.ndarray, ...]:
    """One array for each seat from one list for each copy."""
    return tuple(np.stack(column) for column in zip(*rows, strict=True))
