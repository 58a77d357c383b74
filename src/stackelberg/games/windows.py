"""Logs with windows, or with what else is remembered of the past, in place of observations."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._types import AnyArray
from .dataset import Dataset
from .memory import AbstractMemory


def windowed(data: Dataset, length: Any, *, is_difference: Any = False) -> Dataset:
    """The log with windows of `length` observations in place of observations, see `Window`; episodes stay as they are.

    Where the log holds numbers of states, windows are counted too: the new states are the distinct windows that the log
    meets, see `counted_windows`. A length of 1 gives the log back.

    Raises `InputError` where the length is below 1, or above 1 for rows that belong to no episode.
    """
    if data.num_states:
        return counted_windows(data, length)[0]
    size = boundary.whole_number("length", length, low=1)
    if size == 1:
        return data
    now, then = _windows(data, size, boundary.boolean("is_difference", is_difference))
    acts = [f"action {k}" for k in range(_actions(data).shape[1])]
    what = [*(f"change of {name}" if is_difference else name for name in data.names), *acts, "is known"]
    return _with(data, now, then, names=[*data.names, *(f"{one}, {k} ago" for k in range(1, size) for one in what)])


def counted_windows(data: Dataset, length: Any) -> tuple[Dataset, Float[np.ndarray, "s e"]]:
    """A log of numbered states as one of numbered windows, and the window behind each number, in their order."""
    size = boundary.whole_number("length", length, low=1)
    if not data.num_states:
        raise InputError(
            boundary.TYPE,
            "data",
            found="its observations are no numbers of states",
            allowed="windows can be counted where states can",
            remedy="Use windowed, or number the states.",
        )
    if size == 1:
        return data, np.arange(data.num_states, dtype=float)[:, None]
    now, then = _windows(data, size, False)
    windows, number = np.unique(np.concatenate([now, then]), axis=0, return_inverse=True)
    number = number.reshape(2, -1, 1).astype(float)
    return _with(data, number[0], number[1], num_states=len(windows)), windows


def seen_only(data: Dataset, of_state: Any) -> Dataset:
    """A log of numbered states of which only `of_state[state]` is seen, a whole number from 0 on."""
    number = boundary.whole_numbers("of_state", of_state, axes=(data.num_states,), low=0)
    seen = lambda rows: number[rows].astype(float)[:, None]
    return _with(data, seen(data.state), seen(data.next_state), num_states=int(number.max()) + 1)


def remembered(data: Dataset, memory: AbstractMemory) -> Dataset:
    """The log with what a memory shows in place of observations."""
    _check_episodes(data)
    now, then = _shown(memory, data.observation, _actions(data), data.next_observation, data.is_first)
    now, then = np.asarray(now, dtype=float), np.asarray(then, dtype=float)
    return _with(data, now, then, names=[f"memory {k}" for k in range(now.shape[1])])


@eqx.filter_jit
def _shown(memory: AbstractMemory, now: AnyArray, action: AnyArray, then: AnyArray, is_first: AnyArray) -> Any:
    def step(kept, row):
        seen, done, after, begins = row
        kept = jax.tree.map(lambda new, old: jnp.where(begins, new, old), memory.first(seen), kept)
        onwards = memory.later(kept, done, after)
        return onwards, (memory.shown(kept), memory.shown(onwards))

    rows = (jnp.asarray(now), jnp.asarray(action), jnp.asarray(then), jnp.asarray(is_first))
    return jax.lax.scan(step, memory.first(rows[0][0]), rows)[1]


def _windows(data: Dataset, length: int, is_difference: bool) -> tuple[np.ndarray, np.ndarray]:
    """Windows before and after each step, by shifted columns: no loop over rows."""
    _check_episodes(data)
    number, action = np.arange(len(data)), _actions(data)
    blocks, newer = [], data.observation
    after, later = [], data.next_observation
    for ago in range(1, length):
        is_known = (data.steps >= ago)[:, None]
        place = np.maximum(number - ago, 0)
        seen = data.observation[place] * is_known
        blocks += [is_known * (newer - seen) if is_difference else seen, action[place] * is_known, is_known]
        newer = seen
        # After the step, one step more lies behind: what was now is one ago.
        is_known = (data.steps >= ago - 1)[:, None]
        place = np.maximum(number - ago + 1, 0)
        seen = data.observation[place] * is_known
        after += [is_known * (later - seen) if is_difference else seen, action[place] * is_known, is_known]
        later = seen
    return np.concatenate([data.observation, *blocks], axis=-1), np.concatenate([data.next_observation, *after], -1)


def _actions(data: Dataset) -> Float[np.ndarray, "n k"]:
    """As vectors."""
    return np.eye(data.num_actions)[data.action[:, 0].astype(int)] if data.num_actions else data.action


def _check_episodes(data: Dataset) -> None:
    if data.is_independent:
        raise InputError(
            boundary.INCONSISTENT,
            "data",
            found="its rows are single transitions that belong to no episode",
            allowed="what came before a row is known where it stands in an episode",
            remedy="Use a log with whole episodes.",
        )


def _with(data: Dataset, now: AnyArray, then: AnyArray, *, num_states: int = 0, names: Any = None) -> Dataset:
    """The log with other observations."""
    return Dataset(
        now,
        data.action,
        data.reward,
        then,
        data.terminal,
        data.truncated,
        data.episode,
        data.propensity,
        num_actions=data.num_actions,
        num_states=num_states,
        names=names,
    )
