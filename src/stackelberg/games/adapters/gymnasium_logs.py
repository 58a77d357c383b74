"""Logs of Gymnasium tasks, and what a policy earns there: for tasks that are no pure functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from ... import _boundary as boundary
from ..._errors import InputError
from ..dataset import Dataset


HostAct: TypeAlias = Callable[[Any, np.random.Generator], Any]
"""An action for an observation `(d,)`: a number from 0 on, or a vector with entries in [-1, 1]."""


class HostTask:
    """A task with flat observations and actions as logs have them."""

    def __init__(self, env: Any) -> None:
        kinds = {name: type(getattr(env, name, None)).__name__ for name in ("observation_space", "action_space")}
        for name, kind in kinds.items():
            if kind not in ("Box", "Discrete"):
                raise InputError(
                    boundary.TYPE,
                    name,
                    found=f"it is of the kind {kind}",
                    allowed="a Box or a Discrete space is needed",
                    remedy="Flatten it with one of gymnasium.wrappers, and give the wrapped task.",
                )
        self.env, seen, self.actions = env, env.observation_space, env.action_space
        self.num_states = int(seen.n) if kinds["observation_space"] == "Discrete" else 0
        self.num_actions = int(self.actions.n) if kinds["action_space"] == "Discrete" else 0
        self.first_state = float(seen.start) if self.num_states else 0.0
        if self.num_actions:
            return
        self.low, self.high = (np.asarray(end, dtype=float) for end in (self.actions.low, self.actions.high))
        if not np.all(np.isfinite(self.low) & np.isfinite(self.high)):
            raise InputError(
                boundary.RANGE,
                "action_space",
                found="an action has no bounds",
                allowed="each entry lies between two numbers",
                remedy="Wrap the task in gymnasium.wrappers.ClipAction or RescaleAction with bounds.",
            )

    def shown(self, observation: Any) -> Float[np.ndarray, "d"]:
        """An observation as a row of a log."""
        return np.asarray(observation, dtype=float).ravel() - self.first_state

    def told(self, action: Any) -> tuple[Any, Float[np.ndarray, "k"]]:
        """An action as the task takes it, and as a log has it."""
        if self.num_actions:
            number = boundary.whole_number("action", action, low=0, high=self.num_actions - 1)
            return self.actions.start + number, np.array([float(number)])
        row = boundary.real_array("action", np.ravel(action), axes=(self.low.size,), low=-1.0, high=1.0)
        mapped = self.low + 0.5 * (row.reshape(self.low.shape) + 1.0) * (self.high - self.low)
        return mapped.astype(self.actions.dtype), row


def gymnasium_log(env: Any, act: HostAct, num_rows: Any, seed: Any = 0) -> Dataset:
    """`num_rows` transitions of a Gymnasium task, `gymnasium.make("Acrobot-v1")` say, in whole episodes.

    - `act(observation, generator)`: a number from 0 on where actions are discrete, otherwise a vector in [-1, 1] that
      is mapped to the bounds of the task.
    - `seed`: of the first episode and of the generator; the following episodes go on from it.

    An end by a time limit is `truncated`; the last episode is cut where the rows run out. Raises `InputError` for
    spaces other than Box and Discrete, or actions without bounds.
    """
    rows = boundary.whole_number("num_rows", num_rows, low=1)
    begin = boundary.whole_number("seed", seed, low=0)
    task, generator = HostTask(env), np.random.Generator(np.random.Philox([begin, 41]))
    made: dict[str, list[Any]] = {name: [] for name in ("now", "action", "reward", "then", "over", "cut", "episode")}
    seen, episode = task.shown(env.reset(seed=begin)[0]), 0
    for row in range(rows):
        action, kept = task.told(act(seen, generator))
        after, reward, over, cut, _ = env.step(action)
        then = task.shown(after)
        is_last = bool(over or cut)
        is_cut = not over and (bool(cut) or row == rows - 1)
        fields = (seen, kept, float(reward), then, bool(over), is_cut, episode)
        for name, value in zip(made, fields, strict=True):
            made[name].append(value)
        seen = then
        if is_last and row < rows - 1:
            seen, episode = task.shown(env.reset()[0]), episode + 1
    each = {name: np.asarray(values) for name, values in made.items()}
    return Dataset(
        each["now"],
        each["action"],
        each["reward"],
        each["then"],
        each["over"],
        each["cut"],
        each["episode"],
        num_actions=task.num_actions,
        num_states=task.num_states,
    )


def gymnasium_returns(env: Any, act: HostAct, num_episodes: Any = 10, seed: Any = 0) -> Float[np.ndarray, "e"]:
    """The undiscounted return of each of some episodes of a Gymnasium task; `act` as in `gymnasium_log`."""
    episodes = boundary.whole_number("num_episodes", num_episodes, low=1)
    begin = boundary.whole_number("seed", seed, low=0)
    task, generator = HostTask(env), np.random.Generator(np.random.Philox([begin, 43]))
    found = np.zeros(episodes)
    for number in range(episodes):
        seen, is_on = task.shown(env.reset(seed=begin + number)[0]), True
        while is_on:
            after, reward, over, cut, _ = env.step(task.told(act(seen, generator))[0])
            found[number] += float(reward)
            seen, is_on = task.shown(after), not (over or cut)
    return found
