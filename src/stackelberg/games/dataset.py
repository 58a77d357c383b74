"""Logs of one decision maker: transitions in the order in which they were met, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float, Int

from .. import _boundary as boundary
from .._errors import InputError


APART = 1e-6
"""How far an observation may be from what the row before said would come next, as a part of its column's range."""


class Dataset(eqx.Module):
    """Transitions of a decision process that somebody else played, and nothing more.

    - `observation`, `next_observation`: `(n, d)`, before and after each step.
    - `action`: `(n, k)`, numbers in [-1, 1]; with `num_actions`, `(n, 1)` whole numbers from 0 on.
    - `reward`: `(n,)`.
    - `terminal`: `(n,)`, where the process ended, so that nothing comes after: a death, a fall, a goal.
    - `truncated`: `(n,)`, where the log stops and the process would have gone on: a time limit.
    - `episode`: `(n,)`, the number of the episode of each row, rows of an episode together and in order.
    - `propensity`: `(n,)`, the probability (a density, where actions are continuous) with which whoever acted took the
      action; None where it is not known.
    - `num_actions`: of discrete actions; 0 where they are continuous.  `num_states`: where the observation is the
      number of a state, how many there are; otherwise 0.
    - `is_independent`: whether rows are single transitions that belong to no episode.
    - `names`: of the observation's entries; a number of a state is called state.

    Raises `InputError` where an entry is not finite, lengths disagree, an action or state is out of range, an episode
    is in pieces, goes on after its end, has no end, or is not in order (the next observation of a row must be the
    observation of the row after it), and where a propensity is not a probability.
    """

    observation: Float[np.ndarray, "n d"]
    action: Float[np.ndarray, "n k"]
    reward: Float[np.ndarray, "n"]
    next_observation: Float[np.ndarray, "n d"]
    terminal: Bool[np.ndarray, "n"]
    truncated: Bool[np.ndarray, "n"]
    episode: Int[np.ndarray, "n"]
    propensity: Float[np.ndarray, "n"] | None
    num_actions: int = eqx.field(static=True)
    num_states: int = eqx.field(static=True)
    is_independent: bool = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self,
        observation: Any,
        action: Any,
        reward: Any,
        next_observation: Any,
        terminal: Any,
        truncated: Any = None,
        episode: Any = None,
        propensity: Any = None,
        *,
        num_actions: Any = 0,
        num_states: Any = 0,
        is_independent: Any = False,
        names: Any = None,
    ) -> None:
        self.num_actions = boundary.whole_number("num_actions", num_actions, low=0)
        self.num_states = boundary.whole_number("num_states", num_states, low=0)
        self.is_independent = boundary.boolean("is_independent", is_independent)
        self.observation = boundary.real_array("observation", _columns(observation), axes=("n", "d"))
        rows, width = self.observation.shape
        self.next_observation = boundary.real_array("next_observation", _columns(next_observation), axes=(rows, width))
        self.action = boundary.real_array("action", _columns(action), axes=(rows, "k"))
        self.reward = boundary.real_array("reward", reward, axes=(rows,))
        self.terminal = _flags("terminal", terminal, rows)
        self.truncated = _flags("truncated", np.zeros(rows) if truncated is None else truncated, rows)
        if self.num_actions:
            boundary.whole_numbers("action", self.action, axes=(rows, 1), low=0, high=self.num_actions - 1)
        else:
            boundary.real_array("action", self.action, low=-1.0, high=1.0)
        if self.num_states:
            for field, values in (("observation", self.observation), ("next_observation", self.next_observation)):
                boundary.whole_numbers(field, values, axes=(rows, 1), low=0, high=self.num_states - 1)
        self.names = ("state",) if self.num_states else boundary.labels("names", names, width)
        self.propensity = None
        if propensity is not None:
            self.propensity = _propensities(propensity, rows, self.num_actions)
        over = self.terminal | self.truncated
        if self.is_independent:
            self.episode = np.arange(rows)
            return
        if episode is None:
            self.episode = np.concatenate([[0], np.cumsum(over)[:-1]])
        else:
            self.episode = boundary.whole_numbers("episode", episode, axes=(rows,))
        _check_episodes(self.episode, over)
        _check_order(self.episode, self.observation, self.next_observation)

    def __len__(self) -> int:
        return self.observation.shape[0]

    @property
    def state(self) -> Int[np.ndarray, "n"]:
        """The number of the state, where states can be counted."""
        return self.observation[:, 0].astype(int)

    @property
    def next_state(self) -> Int[np.ndarray, "n"]:
        """The number of the next state."""
        return self.next_observation[:, 0].astype(int)

    @property
    def chosen(self) -> Int[np.ndarray, "n"]:
        """The number of the action, where actions can be counted."""
        return self.action[:, 0].astype(int)

    @property
    def is_first(self) -> Bool[np.ndarray, "n"]:
        """Where an episode begins (everywhere, where rows belong to none)."""
        return np.concatenate([[True], np.diff(self.episode) != 0])

    @property
    def starts(self) -> Float[np.ndarray, "k d"]:
        """The first observation of each episode."""
        return self.observation[self.is_first]

    @property
    def num_episodes(self) -> int:
        """How many there are."""
        return int(np.sum(self.is_first))

    @property
    def steps(self) -> Int[np.ndarray, "n"]:
        """How many steps of its episode came before each row."""
        first = np.flatnonzero(self.is_first)
        return np.arange(len(self)) - np.repeat(first, np.diff(np.append(first, len(self))))

    def returns(self, discount: float = 1.0) -> Float[np.ndarray, "k"]:
        """The (discounted) sum of rewards of each episode, as far as it was logged."""
        paid = self.reward * float(discount) ** self.steps
        return np.add.reduceat(paid, np.flatnonzero(self.is_first))

    def taken(self, rows: Any) -> Dataset:
        """Some of the rows, by number or by mask, as single transitions; with whole episodes, use `episodes`."""
        return self._of(np.asarray(rows), is_independent=True)

    def episodes(self, numbers: Any) -> Dataset:
        """Some of the episodes, by their place in the log from 0 on, each as often as it is named."""
        first = np.flatnonzero(self.is_first)
        ends = np.append(first[1:], len(self))
        chosen = boundary.whole_numbers("numbers", numbers, axes=("k",), low=0, high=len(first) - 1)
        rows = np.concatenate([np.arange(int(first[k]), int(ends[k])) for k in chosen])
        made = np.repeat(np.arange(len(chosen)), ends[chosen] - first[chosen])
        return self._of(rows, episode=made, is_independent=self.is_independent)

    def _of(self, rows: Any, episode: Any = None, is_independent: bool = False) -> Dataset:
        return Dataset(
            self.observation[rows],
            self.action[rows],
            self.reward[rows],
            self.next_observation[rows],
            self.terminal[rows],
            self.truncated[rows],
            episode,
            None if self.propensity is None else self.propensity[rows],
            num_actions=self.num_actions,
            num_states=self.num_states,
            is_independent=is_independent,
            names=self.names,
        )


def joined_logs(logs: Sequence[Dataset]) -> Dataset:
    """Logs of one kind as one, one after the other, without propensities where one of them has none."""
    together = lambda name: np.concatenate([getattr(log, name) for log in logs])
    names = ("observation", "action", "reward", "next_observation", "terminal", "truncated")
    known = all(log.propensity is not None for log in logs)
    first = logs[0]
    return Dataset(
        *(together(name) for name in names),
        propensity=together("propensity") if known else None,
        num_actions=first.num_actions,
        num_states=first.num_states,
        is_independent=first.is_independent,
        names=first.names,
    )


def _columns(values: Any) -> Any:
    """A list of numbers as one column."""
    return np.asarray(values)[:, None] if np.ndim(values) == 1 else values


def _flags(field: str, values: Any, rows: int) -> Bool[np.ndarray, "n"]:
    plain = np.asarray(values, dtype=float) if np.asarray(values).dtype == bool else values
    return boundary.whole_numbers(field, plain, axes=(rows,), low=0, high=1).astype(bool)


def _propensities(values: Any, rows: int, num_actions: int) -> Float[np.ndarray, "n"]:
    found = boundary.real_array("propensity", values, axes=(rows,), low=0.0, high=1.0 if num_actions else None)
    if np.any(found == 0.0):
        raise InputError(
            boundary.RANGE,
            "propensity",
            position=(int(np.argmax(found == 0.0)),),
            found="it is 0",
            allowed="an action that was taken had a probability above 0",
            remedy="Correct it, or leave propensities out where they are not known.",
        )
    return found


def _check_episodes(episode: Int[np.ndarray, "n"], over: Bool[np.ndarray, "n"]) -> None:
    """Each in one piece, ending at its last row and nowhere before."""
    is_last = np.append(np.diff(episode) != 0, True)
    numbers, counts = np.unique(episode[is_last], return_counts=True)
    if np.any(counts > 1):
        number = numbers[np.argmax(counts > 1)]
        raise InputError(
            boundary.INCONSISTENT,
            "episode",
            position=(int(np.flatnonzero(is_last & (episode == number))[0]),),
            found=f"episode {number} is in {counts.max()} pieces",
            allowed="the rows of an episode stand together, in order",
            remedy="Sort the log by episode and time; it looks shuffled.",
        )
    early = over & ~is_last
    if np.any(early):
        raise InputError(
            boundary.INCONSISTENT,
            "episode",
            position=(int(np.argmax(early)),),
            found=f"episode {episode[np.argmax(early)]} goes on after its end ({int(early.sum())} such rows)",
            allowed="only the last row of an episode is terminal or truncated",
            remedy="Start a new episode there, or correct the flag.",
        )
    open_ended = is_last & ~over
    if np.any(open_ended):
        raise InputError(
            boundary.INCONSISTENT,
            "terminal",
            position=(int(np.argmax(open_ended)),),
            found=f"{int(open_ended.sum())} of {int(is_last.sum())} episodes have no end",
            allowed="the last row of an episode is terminal (the process ended) or truncated (the log stops)",
            remedy="Mark it: what comes after a terminal row is worth nothing, after a truncated one it is not. "
            "Rows that belong to no episode: is_independent=True.",
        )


def _check_order(episode: Int[np.ndarray, "n"], now: Float[np.ndarray, "n d"], then: Float[np.ndarray, "n d"]) -> None:
    span = np.maximum(np.ptp(now, axis=0), np.finfo(float).tiny)
    follows = episode[1:] == episode[:-1]
    off = follows & np.any(np.abs(now[1:] - then[:-1]) > APART * span, axis=-1)
    if np.any(off):
        row = int(np.argmax(off))
        raise InputError(
            boundary.INCONSISTENT,
            "next_observation",
            position=(row,),
            found=f"it is not the observation of the next row ({int(off.sum())} of {int(follows.sum())} rows of an "
            "episode do not follow from the row before)",
            allowed="the rows of an episode stand in the order in which they happened",
            remedy="Sort the log by episode and time. Rows that belong to no episode: is_independent=True.",
        )
