"""Tasks of Gymnasium as worlds to control: MuJoCo's and classic control, whose simulators can be set to any state."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Bool, Float, Int32

from ... import _boundary as boundary
from ..._errors import InputError
from ..._types import AnyArray, Key
from ..control import AbstractControl, Advanced
from .gymnasium_logs import HostTask
from .spaces import gymnasium_library


NOT_A_TASK, NOT_PURE = "E-ADAPTER-003", "E-ADAPTER-004"
TRIED, NARROWEST = 1_000, 1e-2
"""Random steps from which sizes of features are taken, and the least of them."""


class GymnasiumControl(AbstractControl):
    """A task of Gymnasium whose simulator can be set to any state: MuJoCo's tasks and classic control.

    - `task`: its name, "Hopper-v5" say.  `num_steps`: the longest that an episode can be, the task's own when left out.

    What is seen is the observation, in one row. The simulator's whole state (for MuJoCo that of integration, warm start
    included, bit for bit) is carried along, so that a step is a function of it and of the action: runs can be stopped,
    resumed and repeated like all others, and copies and seeds side by side share one simulator. Actions in [-1, 1] are
    mapped to the task's bounds and clipped there; `scale` is the deviation of each feature in 1,000 random steps.
    What steps pay and where episodes end is known to the simulator only: a model has to learn both.

    Departure: what MuJoCo derives from a state (places of bodies) is brought up to date before every step, where
    Gymnasium leaves it one substep behind.

    Raises `InputError` for tasks that are not there, that are not made of arrays, or that do not do the same again from
    the same state.
    """

    task: str = eqx.field(static=True)
    num_steps: int = eqx.field(static=True)
    num_features: int = eqx.field(static=True)
    num_actions: int = eqx.field(static=True)
    action_size: int = eqx.field(static=True)

    def __init__(self, task: Any, num_steps: Any = None) -> None:
        self.task = boundary.text("task", task)
        simulator = _simulator(self.task)
        longest = simulator.longest if num_steps is None else num_steps
        self.num_steps = boundary.whole_number("num_steps", longest, low=1)
        self.num_features, self.num_actions = simulator.num_features, simulator.task.num_actions
        self.action_size = simulator.action_size

    @property
    def is_open(self) -> bool:
        """Only the simulator knows."""
        return False

    @property
    def scale(self) -> Float[AnyArray, "d"]:
        """Their deviation in random play."""
        return _simulator(self.task).scale

    def begun(self, key: Key) -> Any:
        """The simulator in which an episode begins, seeded by 32 bits of the key, and what is seen."""
        simulator = _simulator(self.task)
        words, row = simulator.shapes()
        begin = functools.partial(simulator.begun, dtype=row.dtype)
        return jax.pure_callback(begin, (words, row), jr.bits(key), vmap_method="broadcast_all")

    def seen(self, whole: Any) -> Float[AnyArray, "d"]:
        """The observation."""
        return whole[1]

    def advanced(self, whole: Any, action: Float[AnyArray, "k"], key: Key) -> Advanced:
        """One step of the simulator; all that is left to chance is its own."""
        del key
        simulator = _simulator(self.task)
        words, row = simulator.shapes()
        number, truth = jax.ShapeDtypeStruct((), row.dtype), jax.ShapeDtypeStruct((), jnp.dtype(bool))
        shapes = (words, row, number, truth)
        advance = functools.partial(simulator.advanced, dtype=row.dtype)
        made = jax.pure_callback(advance, shapes, whole[0], action, vmap_method="broadcast_all")
        return Advanced((made[0], made[1]), made[1], made[2], made[3])

    def reset(self, key: Key) -> Float[AnyArray, "d"]:
        """A first observation."""
        return self.seen(self.begun(key))

    def settled(self, state: Float[AnyArray, "d"]) -> Float[AnyArray, "d"]:
        """Within the bounds of observations."""
        low, high = _simulator(self.task).bounds
        return jnp.clip(state, low, high)

    def step(self, state: Float[AnyArray, "d"], action: Float[AnyArray, "k"], key: Key) -> Float[AnyArray, "d"]:
        """Refused: an observation is less than the simulator's state."""
        raise self._hidden("the next state")

    def reward(
        self, state: Float[AnyArray, "d"], action: Float[AnyArray, "k"], then: Float[AnyArray, "d"]
    ) -> Float[AnyArray, ""]:
        """Refused: only the simulator knows."""
        raise self._hidden("what a step pays")

    def is_over(self, then: Float[AnyArray, "d"]) -> Bool[AnyArray, ""]:
        """Refused: only the simulator knows."""
        raise self._hidden("where an episode ends")

    def _hidden(self, what: str) -> InputError:
        return InputError(
            boundary.INCONSISTENT,
            "environment",
            found=f"{what} was asked of what is seen of {self.task}",
            allowed="only its simulator knows: `advanced` asks it",
            remedy="Let the model learn it: knows_reward=False, knows_end=False.",
        )


class Simulator:
    """One task, set to a state before every step; all worlds of its name share it."""

    def __init__(self, name: str) -> None:
        env = _made(name)
        longest = env.spec.max_episode_steps if env.spec is not None else None
        self.env, self.longest, self.lock = env.unwrapped, int(longest or TRIED), threading.Lock()
        self.task = HostTask(self.env)
        if self.task.num_states:
            raise InputError(
                NOT_PURE,
                "task",
                found=f"what is seen of {name} is the number of a state",
                allowed="observations are rows of numbers",
                remedy="Build a sg.DecisionProcess from its table of transitions.",
            )
        space = self.env.observation_space
        self.num_features = int(np.prod(space.shape))
        self.action_size = self.task.num_actions or self.task.low.size
        self.bounds = np.ravel(space.low).astype(np.float32), np.ravel(space.high).astype(np.float32)
        self.env.reset(seed=0)
        self.saved, self.restore = _keeper(name, self.env)
        self.num_words = self._words().size
        self.scale = self._tried(name)

    def shapes(self) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
        """Of the simulator's state, and of an observation."""
        row = jax.ShapeDtypeStruct((self.num_features,), jnp.result_type(float))
        return jax.ShapeDtypeStruct((self.num_words,), jnp.dtype(np.int32)), row

    def begun(self, seeds: Any, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
        """First states and observations, one for each seed."""
        seeds = np.asarray(seeds)
        with self.lock:
            made = [(self.task.shown(self.env.reset(seed=int(seed))[0]), self._words()) for seed in seeds.ravel()]
        rows, words = zip(*made, strict=True)
        return _stacked(words, seeds.shape), _stacked(rows, seeds.shape).astype(dtype)

    def advanced(self, words: Any, actions: Any, dtype: Any) -> tuple[np.ndarray, ...]:
        """States, observations, rewards and ends after one step from each state."""
        words, actions = np.asarray(words), np.asarray(actions)
        lead = words.shape[:-1]
        rows = zip(words.reshape(-1, words.shape[-1]), actions.reshape(-1, actions.shape[-1]), strict=True)
        with self.lock:
            made = [self._one(state, action) for state, action in rows]
        after, seen, paid, over = zip(*made, strict=True)
        return (
            _stacked(after, lead),
            _stacked(seen, lead).astype(dtype),
            np.asarray(paid, dtype).reshape(lead),
            np.asarray(over, bool).reshape(lead),
        )

    def _one(self, words: Int32[np.ndarray, "w"], action: Any) -> tuple[np.ndarray, np.ndarray, float, bool]:
        self.restore(np.ascontiguousarray(words).view(np.float64))
        chosen = int(np.argmax(action)) if self.task.num_actions else np.clip(action, -1.0, 1.0)
        seen, paid, over, *_ = self.env.step(self.task.told(chosen)[0])
        return self._words(), self.task.shown(seen), float(paid), bool(over)

    def _words(self) -> Int32[np.ndarray, "w"]:
        """The state bit for bit, in words that every device carries as they are."""
        return np.ascontiguousarray(self.saved(), dtype=np.float64).view(np.int32).copy()

    def _tried(self, name: str) -> Float[np.ndarray, "d"]:
        """The size of each feature; every tenth step is made twice, and must be the same."""
        generator, shown = np.random.default_rng(0), []
        words = self.begun(np.array(0), float)[0]
        for step in range(TRIED):
            action = generator.uniform(-1.0, 1.0, self.action_size)
            after, seen, paid, over = self.advanced(words, action, float)
            if step % 10 == 0:
                self.env.reset(seed=step)
                again = self.advanced(words, action, float)
                if not all(
                    np.array_equal(one, other) for one, other in zip((after, seen, paid, over), again, strict=True)
                ):
                    raise _not_pure(name, "it does another thing from the same state")
            shown.append(seen)
            words = self.begun(np.array(step), float)[0] if over else after
        return np.maximum(np.std(np.asarray(shown), axis=0), NARROWEST)


@functools.cache
def _simulator(name: str) -> Simulator:
    return Simulator(name)


def _made(name: str) -> Any:
    """The task of that name; names that would import a module are none."""
    library = gymnasium_library()
    refused = lambda found: InputError(
        NOT_A_TASK,
        "task",
        found=found,
        allowed="a task that Gymnasium has registered, by its name",
        remedy='MuJoCo\'s tasks need pip install "stackelberg[mujoco]"; gymnasium.pprint_registry() lists all.',
    )
    if ":" in name:
        raise refused(f"{name!r} would import a module")
    try:
        return library.make(name)
    except (library.error.Error, ImportError) as problem:
        raise refused(str(problem).strip().split("\n")[0] or f"{name!r} cannot be made") from problem


def _keeper(name: str, env: Any) -> tuple[Callable[[], Any], Callable[[np.ndarray], None]]:
    """How the whole state of a simulator is read and set."""
    if hasattr(env, "model") and hasattr(env, "data"):
        import mujoco as library

        mujoco: Any = library
        kept = mujoco.mjtState.mjSTATE_INTEGRATION
        size = mujoco.mj_stateSize(env.model, kept)

        def saved() -> np.ndarray:
            state = np.zeros(size)
            mujoco.mj_getState(env.model, env.data, state, kept)
            return state

        def restore(state: np.ndarray) -> None:
            mujoco.mj_setState(env.model, env.data, state, kept)
            mujoco.mj_forward(env.model, env.data)
            mujoco.mj_setState(env.model, env.data, state, kept)

        return saved, restore
    if np.asarray(getattr(env, "state", None)).ndim != 1:
        raise _not_pure(name, "its simulator has no state that could be set")

    def put(state: np.ndarray) -> None:
        env.state = state.copy()
        if hasattr(env, "steps_beyond_terminated"):
            env.steps_beyond_terminated = None

    return lambda: np.asarray(env.state, dtype=float), put


def _not_pure(name: str, why: str) -> InputError:
    return InputError(
        NOT_PURE,
        "task",
        found=f"{name}: {why}",
        allowed="tasks of MuJoCo and of classic control, whose simulators can be set to any state",
        remedy="Learn from its log: sg.gymnasium_log(env, act, num_rows).",
    )


def _stacked(rows: Sequence[Any], lead: tuple[int, ...]) -> np.ndarray:
    return np.stack(rows).reshape(*lead, -1)
