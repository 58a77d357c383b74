"""Logs of play over stages, in which the announcement is mandatory: without it nothing can be told of the follower.

A log is a text file of JSON lines. The first one describes what is played, each further one is an episode:

    {"schema": "stackelberg-play/1", "horizon": 2, "states": ["low", "high"], "leader_actions": ["open", "closed"],
     "follower_actions": ["fish", "wait"], "initial": [0.5, 0.5], "reward_low": 0, "reward_high": 1}
    {"announcement": [[[0.5, 0.5], [1, 0]], [[1, 0], [1, 0]]], "states": ["low", "high"],
     "leader_actions": ["open", "open"], "follower_actions": ["fish", "wait"], "rewards": [0.2, 1.0]}

An announcement is `(h, s, a)`, or `(h, s, b, a)` for prescriptions; all of a log have one form. States and actions
stand by name or by number from 0. Optional in the first line: `inverse_temperature` (1: the unit of the follower's
reward), `follower_discount` (0: it looks at the present stage only).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _boundary as boundary
from .._disk import PathName, printable, read_text, write_whole
from .._errors import FileError, InputError
from .._json import parse_json
from .markov_world import MarkovEpisode, MarkovRules


SCHEMA = "stackelberg-play/1"

SCHEMA_MARK = "E-PLAY-001"

HEADER = ("schema", "horizon", "states", "leader_actions", "follower_actions", "initial", "reward_low", "reward_high")
OPTIONAL = {"inverse_temperature": 1.0, "follower_discount": 0.0}
FIELDS = ("announcement", "states", "leader_actions", "follower_actions", "rewards")


@dataclass(frozen=True, eq=False)
class PlayLog:
    """What was played: the rules, and all episodes with a first axis n in the order of the log."""

    rules: MarkovRules
    episodes: MarkovEpisode

    @property
    def num_episodes(self) -> int:
        """How many there are."""
        return int(self.episodes.states.shape[0])


def read_play(path: PathName) -> PlayLog:
    """The log in a file.

    Raises `FileError` where it cannot be read and `InputError` naming the line and the field that is wrong: an
    announcement that is missing or no distribution, a name that the first line does not have, an episode of another
    length, a reward out of the range that the first line gives.
    """
    shown = printable(str(path))
    lines = [(place, line) for place, line in enumerate(read_text(path).splitlines(), start=1) if line.strip()]
    if not lines:
        raise _damaged(shown, 1, "the file is empty", "Write the first line: what is played.")
    header = parse_json(lines[0][1], f"{shown}, line 1")
    if not isinstance(header, Mapping) or header.get("schema") != SCHEMA:
        raise _damaged(shown, 1, "this is not a log of play", f'Start the first line with "schema": "{SCHEMA}".')
    episodes, form = [], None
    shape = _shape(header)
    for place, line in lines[1:]:
        one = _episode(parse_json(line, f"{shown}, line {place}"), header, shape, f"line {place}")
        announced = one["announcement"].ndim
        if form is not None and announced != form:
            raise InputError(
                boundary.SHAPE,
                f"line {place}: announcement",
                found="it is a prescription and earlier ones are not, or the other way round",
                allowed="all announcements of a log have one form",
                remedy="Keep two logs, or write strategies as prescriptions whose rows agree.",
            )
        form = announced
        episodes.append(one)
    return PlayLog(_rules(header, shape, form == 4), _stacked(episodes, shape, form == 4))


def write_play(path: PathName, log: PlayLog) -> None:
    """Write `log` so that `read_play` gives it back, numbers to the last bit."""
    rules, episodes = log.rules, log.episodes
    header = {
        "schema": SCHEMA,
        "horizon": rules.horizon,
        "states": list(rules.states),
        "leader_actions": list(rules.leader_actions),
        "follower_actions": list(rules.follower_actions),
        "initial": np.asarray(rules.initial).tolist(),
        "reward_low": float(rules.reward_low),
        "reward_high": float(rules.reward_high),
        "inverse_temperature": float(rules.inverse_temperature),
        "follower_discount": float(rules.follower_discount),
    }
    rows = [header]
    for place in range(log.num_episodes):
        rows.append(
            {
                "announcement": np.asarray(episodes.commitment)[place].tolist(),
                "states": np.asarray(episodes.states)[place].tolist(),
                "leader_actions": np.asarray(episodes.leader_actions)[place].tolist(),
                "follower_actions": np.asarray(episodes.follower_actions)[place].tolist(),
                "rewards": np.asarray(episodes.rewards)[place].tolist(),
            }
        )
    write_whole(path, "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows).encode())


def _shape(header: Mapping[str, Any]) -> tuple[int, int, int, int]:
    _check_names(header, HEADER, tuple(OPTIONAL), "line 1")
    counts = []
    for name in HEADER[2:5]:
        if not isinstance(header[name], list) or not header[name]:
            raise InputError(
                boundary.TYPE,
                f"line 1: {name}",
                found=boundary.shown(header[name]),
                allowed="a list of names",
                remedy=f'Write "{name}": ["one", "other"].',
            )
        counts.append(len(boundary.labels(f"line 1: {name}", header[name], len(header[name]))))
    return boundary.whole_number("line 1: horizon", header["horizon"], low=1, high=10_000), *counts  # type: ignore[return-value]


def _rules(header: Mapping[str, Any], shape: tuple[int, int, int, int], is_prescription: bool) -> MarkovRules:
    settings = OPTIONAL | {name: header[name] for name in OPTIONAL if name in header}
    return MarkovRules(
        boundary.distribution("line 1: initial", header["initial"], axes=(shape[1],)),
        boundary.real_number("line 1: inverse_temperature", settings["inverse_temperature"], low=0.0, low_open=True),
        boundary.real_number("line 1: follower_discount", settings["follower_discount"], low=0.0, high=1.0),
        boundary.real_number("line 1: reward_low", header["reward_low"]),
        boundary.real_number("line 1: reward_high", header["reward_high"], low=float(header["reward_low"])),
        None,
        None,
        None,
        is_prescription,
        shape[0],
        tuple(header["states"]),
        tuple(header["leader_actions"]),
        tuple(header["follower_actions"]),
    )


def _episode(
    data: Any, header: Mapping[str, Any], shape: tuple[int, int, int, int], place: str
) -> dict[str, np.ndarray]:
    if not isinstance(data, Mapping):
        data = {}
    _check_names(data, FIELDS, (), place)
    horizon, num_states, num_rows, num_columns = shape
    announced = boundary.real_array(f"{place}: announcement", data["announcement"])
    between = (num_columns,) if announced.ndim == 4 else ()
    axes = (horizon, num_states, *between, num_rows)
    rewards = boundary.real_array(f"{place}: rewards", data["rewards"], axes=(horizon,))
    low, high = float(header["reward_low"]), float(header["reward_high"])
    outside = np.flatnonzero((rewards < low) | (rewards > high))
    if outside.size:
        raise InputError(
            boundary.RANGE,
            f"{place}: rewards",
            position=(int(outside[0]),),
            found=f"{rewards[outside[0]]:g}",
            allowed=f"rewards of this log lie in [{low:g}, {high:g}]",
            remedy="Correct the entry, or reward_low and reward_high in the first line.",
        )
    return {
        "announcement": boundary.distribution(f"{place}: announcement", announced, axes=axes),
        "rewards": rewards,
        **{
            name: _numbers(data[name], header[name], horizon, f"{place}: {name}")
            for name in ("states", "leader_actions", "follower_actions")
        },
    }


def _numbers(values: Any, names: Sequence[str], horizon: int, field: str) -> np.ndarray:
    """Places of names, or numbers as they are."""
    if not isinstance(values, list) or len(values) != horizon:
        count = len(values) if isinstance(values, list) else "no list"
        raise InputError(
            boundary.SHAPE,
            field,
            found=f"{count} entries",
            allowed=f"one for each of the {horizon} stages",
            remedy="Write what happened at every stage.",
        )
    found = [
        names.index(boundary.one_of(field, value, names))
        if isinstance(value, str)
        else boundary.whole_number(field, value, high=len(names) - 1)
        for value in values
    ]
    return np.asarray(found, np.int32)


def _check_names(data: Mapping[str, Any], needed: Sequence[str], optional: Sequence[str], place: str) -> None:
    for name in needed:
        if name not in data:
            why = " (without it nothing can be told of the follower)" if name == "announcement" else ""
            raise InputError(
                boundary.INCONSISTENT,
                f"{place}: {name}",
                found="it is missing",
                allowed=f"{', '.join(needed)} are needed{why}",
                remedy=f'Add "{name}".',
            )
    for name in data:
        boundary.one_of(place, name, [*needed, *optional])


def _stacked(
    episodes: Sequence[dict[str, np.ndarray]], shape: tuple[int, int, int, int], is_prescription: bool
) -> MarkovEpisode:
    horizon, num_states, num_rows, num_columns = shape
    between = (num_columns,) if is_prescription else ()
    blank = {
        "announcement": np.zeros((0, horizon, num_states, *between, num_rows)),
        "rewards": np.zeros((0, horizon)),
        **{name: np.zeros((0, horizon), np.int32) for name in FIELDS[1:4]},
    }
    columns = {name: np.stack([one[name] for one in episodes]) if episodes else blank[name] for name in FIELDS}
    return MarkovEpisode(
        columns["announcement"],
        columns["states"],
        columns["leader_actions"],
        columns["follower_actions"],
        columns["rewards"],
    )


def _damaged(shown: str, line: int, found: str, remedy: str) -> FileError:
    return FileError(SCHEMA_MARK, f"{shown}, line {line}", found=found, remedy=remedy)
