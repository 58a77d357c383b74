"""Logs by recipe: what a policy would have left behind in a world, with the probabilities of its actions."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._types import AnyArray, Key
from .control import AbstractControl, Act, Observe, episodes_of
from .dataset import Dataset
from .decision_process import DecisionProcess
from .memory import AbstractMemory, remembering


EPISODE = 50


def process_log(
    process: DecisionProcess,
    policy: Any,
    num_rows: Any,
    seed: Any = 0,
    *,
    episode_length: Any = None,
    reward_deviation: Any = None,
) -> Dataset:
    """`num_rows` transitions of a policy `(s, a)` in a decision process, in episodes that begin anew.

    - `episode_length`: after how many steps an episode is cut, not ended; the horizon of the process when left out, and
      50 where it has none.
    - `reward_deviation`: `(s, a)`, the standard deviation of normal noise on each reward; none when left out.
    """
    law = process.check_policy(policy)
    rows = boundary.whole_number("num_rows", num_rows, low=1)
    length = episode_length if episode_length is not None else process.horizon or EPISODE
    length = boundary.whole_number("episode_length", length, low=1)
    generator = np.random.Generator(np.random.Philox(boundary.whole_number("seed", seed, low=0)))
    spread = np.zeros(process.shape)
    if reward_deviation is not None:
        spread = boundary.real_array("reward_deviation", reward_deviation, axes=process.shape, low=0.0)
    onwards, paid = np.cumsum(process.transition, axis=-1), np.asarray(process.reward)
    choice, first, ends = np.cumsum(law, axis=-1), np.cumsum(process.initial), np.asarray(process.is_terminal)
    made: dict[str, list[Any]] = {name: [] for name in ("state", "action", "reward", "then", "time")}
    place, time = -1, length
    for _ in range(rows):
        if time == length or ends[place]:
            place, time = _one(first, generator), 0
        action = _one(choice[place], generator)
        then = _one(onwards[place, action], generator)
        reward = paid[place, action, then] + spread[place, action] * generator.standard_normal()
        for name, value in zip(made, (place, action, reward, then, time), strict=True):
            made[name].append(value)
        place, time = then, time + 1
    each = {name: np.asarray(values) for name, values in made.items()}
    terminal = ends[each["then"]]
    truncated = (np.append(each["time"][1:] == 0, True)) & ~terminal
    return Dataset(
        each["state"].astype(float),
        each["action"].astype(float),
        each["reward"],
        each["then"].astype(float),
        terminal,
        truncated,
        propensity=law[each["state"], each["action"]],
        num_actions=process.shape[1],
        num_states=process.shape[0],
        names=["state"],
    )


def control_log(
    environment: AbstractControl,
    act: Act,
    num_rows: Any,
    key: Key,
    *,
    observe: Observe = lambda state: state,
    memory: AbstractMemory | None = None,
    sees: Observe | None = None,
    names: Any = None,
) -> Dataset:
    """`num_rows` transitions of whole episodes in a world to control; the last one is cut where the rows run out.

    - `act(state, key)`: an action as the world takes it: a vector in [-1, 1], or one-hot.
    - `observe`: what the log holds of states, all of them when left out; `names` of its entries.
    - `memory`: where there is one, `act` is given what it shows in place of the state.  `sees`: what it is made
      of, what the log holds when left out.
    """
    rows = boundary.whole_number("num_rows", num_rows, low=1)
    if memory is None:
        play = eqx.filter_jit(lambda key: episodes_of(environment, act, key, 16))
    else:
        play = eqx.filter_jit(lambda key: remembering(environment, memory, act, key, 16, sees or observe))
    batches, have, turn = [], 0, 0
    while have < rows:
        played = play(jax.random.fold_in(key, turn))
        kept = np.asarray(played.is_on) > 0.0
        batches.append([np.asarray(part)[kept] for part in played] + [np.asarray(played.is_on.sum(axis=-1))])
        have, turn = have + int(kept.sum()), turn + 1
    state, action, then, reward, over, _ = (np.concatenate([one[k] for one in batches])[:rows] for k in range(6))
    lengths = np.concatenate([one[-1] for one in batches]).astype(int)
    is_last = np.zeros(have, dtype=bool)
    is_last[np.cumsum(lengths) - 1] = True
    is_last = np.append(is_last[: rows - 1], True)
    terminal = (over > 0.0) & is_last
    taken: Float[AnyArray, "n k"] = action
    if environment.num_actions:
        taken = np.argmax(action, axis=-1)[:, None].astype(float)
    return Dataset(
        np.asarray(observe(state), dtype=float),
        taken.astype(float),
        reward,
        np.asarray(observe(then), dtype=float),
        terminal,
        is_last & ~terminal,
        num_actions=environment.num_actions,
        names=names,
    )


def _one(edges: Float[np.ndarray, "k"], generator: np.random.Generator) -> int:
    """One of k by the distribution function `edges`."""
    return int(np.searchsorted(edges[:-1], generator.random() * edges[-1], side="right"))
