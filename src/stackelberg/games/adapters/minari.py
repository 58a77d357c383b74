"""Logs from and to Minari's data sets of single-agent play."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ... import _boundary as boundary
from ..._errors import InputError, MissingExtraError
from ..dataset import Dataset


def from_minari(dataset: Any) -> Dataset:
    """The transitions of a Minari data set whose observations are vectors (or numbers of states).

    Discrete actions become numbers from 0; those of a box are mapped to [-1, 1]. Raises `InputError` for other spaces.
    """
    kinds = [type(space).__name__ for space in (dataset.observation_space, dataset.action_space)]
    for field, kind in zip(("observation_space", "action_space"), kinds, strict=True):
        if kind not in ("Box", "Discrete"):
            raise InputError(
                boundary.TYPE,
                field,
                found=f"it is of the kind {kind}",
                allowed="a Box or a Discrete space is needed",
                remedy="Flatten it first, with minari's own wrappers, or build a Dataset from your arrays.",
            )
    parts: dict[str, list[np.ndarray]] = {name: [] for name in ("now", "then", "action", "reward", "over", "cut")}
    for episode in dataset.iterate_episodes():
        seen = np.asarray(episode.observations, dtype=float)
        seen = seen.reshape(len(seen), -1)
        actions = np.asarray(episode.actions, dtype=float)
        cut = np.asarray(episode.truncations, dtype=float)
        over = np.asarray(episode.terminations, dtype=float)
        cut[-1] = float(not over[-1])
        columns = (seen[:-1], seen[1:], actions.reshape(len(actions), -1), np.asarray(episode.rewards), over, cut)
        for name, values in zip(parts, columns, strict=True):
            parts[name].append(np.asarray(values, dtype=float))
    now, then, action, reward, over, cut = (np.concatenate(values) for values in parts.values())
    first, second = dataset.observation_space, dataset.action_space
    if kinds[1] == "Discrete":
        action = action - float(second.start)
    else:
        low, high = (np.asarray(end, dtype=float).ravel() for end in (second.low, second.high))
        action = np.clip(2.0 * (action - low) / (high - low) - 1.0, -1.0, 1.0)
    lengths = [len(values) for values in parts["reward"]]
    return Dataset(
        now - (float(first.start) if kinds[0] == "Discrete" else 0.0),
        action,
        reward,
        then - (float(first.start) if kinds[0] == "Discrete" else 0.0),
        over,
        cut,
        np.repeat(np.arange(len(lengths)), lengths),
        num_actions=int(second.n) if kinds[1] == "Discrete" else 0,
        num_states=int(first.n) if kinds[0] == "Discrete" else 0,
    )


def to_minari(data: Dataset, dataset_id: str) -> Any:
    """A Minari data set of a log, stored where Minari keeps its own; it has no place for propensities.

    `dataset_id`: as "mine/log-v0". Needs the extra `logs`.
    """
    boundary.instance("data", data, Dataset, 'sg.read_log("log.csv")')
    try:
        import minari
        from gymnasium import spaces
        from minari.data_collector import EpisodeBuffer
    except ImportError as problem:
        raise MissingExtraError("logs", "a Minari data set") from problem
    counted: Any = spaces.Discrete(data.num_states) if data.num_states else None
    seen = counted or spaces.Box(-np.inf, np.inf, data.observation.shape[1:], dtype=np.float64)
    width = data.action.shape[1:]
    acted: Any = spaces.Discrete(data.num_actions) if data.num_actions else spaces.Box(-1.0, 1.0, width, np.float64)
    buffer: Any = EpisodeBuffer  # its annotations leave out the arrays that it takes
    buffers, first = [], np.flatnonzero(data.is_first)
    for number, (begin, end) in enumerate(zip(first, [*first[1:], len(data)], strict=True)):
        rows = slice(int(begin), int(end))
        observations = np.concatenate([data.observation[rows], data.next_observation[int(end) - 1 : int(end)]])
        buffers.append(
            buffer(
                id=number,
                observations=observations[:, 0].astype(int) if data.num_states else observations,
                actions=data.chosen[rows] if data.num_actions else data.action[rows],
                rewards=data.reward[rows].tolist(),
                terminations=data.terminal[rows].tolist(),
                truncations=data.truncated[rows].tolist(),
            )
        )
    with warnings.catch_warnings():
        # That no environment and no author is named is so by nature of a log.
        warnings.simplefilter("ignore", UserWarning)
        return minari.create_dataset_from_buffers(
            dataset_id, buffer=buffers, observation_space=seen, action_space=acted, data_format="hdf5"
        )
