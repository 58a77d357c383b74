"""The seam of everything that learns, and the only loop: `start`, `advance`, `train`.

A learner says how it starts, what data a step draws, and what it makes of them; the loop below runs every learner.
Step n uses nothing but the state, n and a key that is folded from n, so that 4 + 6 steps are 10 steps, bit for bit, and
a run can stop and go on anywhere.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from . import _boundary as boundary
from ._errors import NonFiniteResultError
from ._loop.chunk import CAPACITY, chunk_on_device, chunk_on_host, first_non_finite, sampled, together
from ._loop.precision import precise
from ._loop.randomness import INIT, SAMPLE, UPDATE, role, seed_keys
from ._loop.stacking import Learners, stacked
from ._record import Certificate, Record
from ._runs import Metric
from ._types import AnyArray, Key


Metrics: TypeAlias = Mapping[str, Any]
Resume: TypeAlias = Literal["exact", "statistical"]
Precision: TypeAlias = Literal["float32", "float64"]


class AbstractLearner(eqx.Module):
    """Something that improves the leader's commitment step by step.

    Its fields are its settings. Floats among them are traced, so that settings that differ in floats alone run as one
    compiled call; everything else decides what is compiled. State, batch and metrics are trees of arrays whose shapes
    never change; state and metrics must stay finite, and a step after which they are not ends the run.

    - `precision`: "float32" or "float64"; the loop enters it around every call.
    - `on_host`: whether a step must run in Python (an outside environment, say). The loop then calls it step by step.
    - `resume`: "exact" when a step depends on (state, n, key) alone; "statistical" when something outside remembers.
    - `max_steps`: how many steps there is room for (the capacity of a log, say); None where there is no limit.
    - `meanings`: what each metric is.
    """

    @property
    @abstractmethod
    def precision(self) -> Precision:
        """Of the arithmetic."""

    @property
    @abstractmethod
    def on_host(self) -> bool:
        """Whether steps run in Python."""

    @property
    @abstractmethod
    def resume(self) -> Resume:
        """How well a run can be gone on with."""

    @property
    @abstractmethod
    def max_steps(self) -> int | None:
        """The most steps there is room for."""

    @property
    @abstractmethod
    def meanings(self) -> Mapping[str, Metric]:
        """What is recorded."""

    @abstractmethod
    def init(self, key: Key) -> Any:
        """The state before the first step."""

    @abstractmethod
    def sample(self, state: Any, n: Any, key: Key) -> Any:
        """The data of step n (episodes, a minibatch), or `()`. Drawn again from a checkpoint they are the same."""

    @abstractmethod
    def update(self, state: Any, batch: Any, n: Any, key: Key) -> tuple[Any, Metrics]:
        """The state after step n, and numbers to record. Schedules depend on `n`, which is never batched."""

    @abstractmethod
    def commitment(self, state: Any) -> AnyArray:
        """What the leader would announce now."""

    def pictured(self, state: Any) -> Mapping[str, Record]:
        """What a person would look at of the state of one seed, by caption; nothing for most learners."""
        del state
        return {}

    def step(self, state: Any, n: Any, key: Key) -> tuple[Any, Metrics]:
        """Step n: `sample`, then `update`, each with a key of its own. The loop does no more than this."""
        batch = self.sample(state, n, role(key, SAMPLE))
        return self.update(state, batch, n, role(key, UPDATE))


class AbstractMonitor(eqx.Module):
    """Measures what a learner may not see: it holds the true game, and the loop calls it every so many steps."""

    @property
    @abstractmethod
    def meanings(self) -> Mapping[str, Metric]:
        """What is measured."""

    @abstractmethod
    def attached(self, learner: AbstractLearner) -> AbstractMonitor:
        """The monitor for this learner, filled with what was left out and can be taken from it."""

    @abstractmethod
    def certificate(self) -> Certificate | None:
        """What was proved about the truth that is measured against, if anything."""

    @abstractmethod
    def __call__(self, commitment: AnyArray, batch: Any, key: Key) -> Metrics:
        """Numbers to record about the present `commitment` and the `batch` of the step just made."""


@dataclass(frozen=True, eq=False)
class Run:
    """A learner in motion, and all that a checkpoint holds: `state` after `n` steps of every setting and seed.

    Arrays of `state` start with axes `(g, s)`; `key` is `(g, s)` and never changes.
    """

    state: Any
    n: int
    key: Key


class NonFiniteStepError(NonFiniteResultError):
    """A step made a NaN or an infinity.

    `run` is the last good state, `metrics` what was recorded up to it, `batch` the data of the failing step, `setting`
    and `seed` where it happened (positions), `names` the leaves and metrics that are not finite.
    """

    code = "E-RUN-001"

    def __init__(self, run: Run, metrics: Metrics, batch: Any, setting: int, seed: int, names: tuple[str, ...]) -> None:
        self.run, self.metrics, self.batch = run, metrics, batch
        self.setting, self.seed, self.names = setting, seed, names
        super().__init__(
            f"{self.code} step {run.n + 1}: {', '.join(names[:6])} of setting {setting}, seed number {seed}, is not "
            f"finite. The state after step {run.n} is intact; lower the learning rate, or look at its batch."
        )


def start(learners: AbstractLearner | Learners, seeds: Any = (0,)) -> Run:
    """The run of every setting and seed before its first step."""
    learners = stacked(learners)
    with precise(learners.precision):
        key = seed_keys(seeds, learners.size)
        if learners.placement is not None:
            key = learners.placement.put(key)
        init = _init_each if learners.on_host else _init_compiled
        return Run(init(learners, role(key, INIT)), 0, key)


def advance(
    learners: AbstractLearner | Learners,
    run: Run,
    num_steps: int,
    *,
    monitor_every: int = 1,
    last: int | None = None,
) -> tuple[Run, dict[str, np.ndarray]]:
    """`num_steps` more steps; metrics are NumPy arrays `(num_steps, g, s)`.

    Metrics of the monitor are measured after steps that are multiples of `monitor_every`, and after step `last`; in
    between they are NaN. The same steps in any portions give the same bits. Raises `NonFiniteStepError`.
    """
    learners = stacked(learners)
    recorded: list[Metrics] = []
    done = 0
    while done < num_steps:
        length = min(num_steps - done, CAPACITY)
        run, metrics = _advance(learners, run, length, monitor_every, -1 if last is None else last)
        recorded.append(metrics)
        done += length
    return run, joined(recorded)


def chunks(
    learners: AbstractLearner | Learners,
    run: Run,
    num_steps: int,
    *,
    monitor_every: int = 1,
    boundary_every: int | None = None,
    seconds: float = 0.25,
    clock: Callable[[], float],
) -> Iterator[tuple[Run, dict[str, np.ndarray]]]:
    """The run up to step `num_steps`, in portions of about `seconds`, none across a multiple of `boundary_every`."""
    learners = stacked(learners)
    length = 1
    while run.n < num_steps:
        room = num_steps - run.n
        if boundary_every is not None:
            room = min(room, boundary_every - run.n % boundary_every)
        portion = min(length, room, CAPACITY)
        before = clock()
        run, metrics = _advance(learners, run, portion, monitor_every, num_steps)
        spent = clock() - before
        # The first call compiles, and says nothing about the next.
        length = min(2 * length, CAPACITY) if spent < seconds / 2 or length == 1 else max(length // 2, 1)
        yield run, metrics


def train(
    learner: AbstractLearner | Learners,
    num_steps: int,
    seeds: Any = (0,),
    *,
    monitor_every: int = 1,
    devices: Any = None,
) -> tuple[Run, dict[str, np.ndarray]]:
    """A run from its start to step `num_steps`, held in memory; `sg.run` does the same in a folder that survives.

    `devices`: on how many, or "all": seeds are divided among them where that goes evenly, otherwise the minibatch.
    """
    steps = boundary.whole_number("num_steps", num_steps, low=0)
    every = boundary.whole_number("monitor_every", monitor_every, low=1)
    learners = stacked(learner)
    if devices is not None:
        learners = learners.on_devices(devices, len(seeds))
    return advance(learners, start(learners, seeds), steps, monitor_every=every, last=steps)


def commitments(learners: AbstractLearner | Learners, run: Run) -> np.ndarray:
    """What every setting and seed would announce now, `(g, s, ...)`."""
    learners = stacked(learners)
    with precise(learners.precision):
        if learners.on_host:
            return learners.each(lambda learner, _, state: np.asarray(learner.commitment(state)), run.state)
        made = _commitments_compiled(learners, run.state)
        return np.asarray(made if learners.placement is None else learners.placement.fetched(made))


def joined(recorded: Sequence[Metrics]) -> dict[str, np.ndarray]:
    """Portions of metrics as one; a metric that a portion lacks is NaN there."""
    return together([dict(part) for part in recorded])


def _advance(
    learners: Learners, run: Run, length: int, monitor_every: int, last: int
) -> tuple[Run, dict[str, np.ndarray]]:
    with precise(learners.precision):
        make = chunk_on_host if learners.on_host else chunk_on_device
        made = make(learners, run.state, run.key, run.n, length, monitor_every, last)
        reached = replace(run, state=made.state, n=run.n + made.length)
        if made.failure is None:
            return reached, made.metrics
        failure = made.failure if learners.placement is None else learners.placement.fetched(made.failure)
        setting, seed, names = first_non_finite(failure)
        batch = sampled(learners, reached.state, reached.key, reached.n, setting, seed)
        raise NonFiniteStepError(reached, made.metrics, batch, setting, seed, names)


@eqx.filter_jit
def _init_compiled(learners: Learners, key: Key) -> Any:
    made = learners.batched(lambda learner, _, key: learner.init(key), key)
    # A weak type would be lost after the first chunk, and everything compiled twice.
    state = jax.tree.map(lambda leaf: leaf.astype(leaf.dtype) if _is_plain(leaf) else leaf, made)
    return state if learners.placement is None else learners.placement.held(state)


def _is_plain(leaf: Any) -> bool:
    return eqx.is_array(leaf) and not jnp.issubdtype(leaf.dtype, jax.dtypes.extended)


def _init_each(learners: Learners, key: Key) -> Any:
    return learners.each(lambda learner, _, key: learner.init(key), key)


@eqx.filter_jit
def _commitments_compiled(learners: Learners, state: Any) -> Any:
    return learners.batched(lambda learner, _, state: learner.commitment(state), state)
