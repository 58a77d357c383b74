"""A memory that is learned: a recurrent network that foretells what a log sees next, and is then left alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Float, Int

from .. import _boundary as boundary
from .._learner import Metrics, Precision, advance, start
from .._runs import Metric
from .._types import AnyArray, Key
from ..games.dataset import Dataset
from ..games.memory import AbstractMemory
from ..games.windows import remembered
from ..rl.adam import at_rest, moved
from ..rl.learner import AbstractCompiledLearner
from .cloning import EXAMPLE
from .features import scales


class RecurrentMemory(AbstractMemory):
    """The state of a gated recurrent unit (Cho et al., 2014), with the present observation before it.

    - `cell`: takes a standardised observation and the action before it (0 at a start).
    - `centre`, `scale`: `(d,)`, of observations.
    """

    cell: eqx.nn.GRUCell
    centre: Float[AnyArray, "d"]
    scale: Float[AnyArray, "d"]

    def first(self, observation: Float[AnyArray, "d"]) -> Any:
        """From nothing."""
        size = self.cell.input_size - jnp.shape(observation)[0]
        return self._next(jnp.zeros(self.cell.hidden_size), jnp.zeros(size), observation)

    def later(self, memory: Any, action: Float[AnyArray, "k"], observation: Float[AnyArray, "d"]) -> Any:
        """One step on."""
        return self._next(memory[1], action, observation)

    def shown(self, memory: Any) -> Float[AnyArray, "e"]:
        """The observation and the state."""
        return jnp.concatenate([memory[0], memory[1].astype(memory[0].dtype)])

    def _next(self, state: AnyArray, action: AnyArray, observation: AnyArray) -> Any:
        standard = (jnp.asarray(observation) - jnp.asarray(self.centre)) / jnp.asarray(self.scale)
        given = jnp.concatenate([standard, jnp.asarray(action, standard.dtype)]).astype(jnp.result_type(float))
        return jnp.asarray(observation), self.cell(given, jnp.asarray(state, given.dtype))


class Foretelling(NamedTuple):
    """A memory, what reads the next change off it and an action, and the optimiser's memory."""

    memory: RecurrentMemory
    head: eqx.nn.Linear
    moments: Any


class NextObservation(AbstractCompiledLearner):
    """Adam on the squared error of the next change, over stretches of a log.

    - `data`: the log.  `hidden`: size of the state.  `span`: rows of a stretch, through which derivatives go back.
    - `batch_size`: stretches for each step.  `learning_rate`: of Adam.

    A stretch may begin within an episode, from nothing; it begins anew where an episode does. Changes are in units of
    their own spread in the log.
    """

    observation: Float[AnyArray, "n d"]
    action: Float[AnyArray, "n k"]
    change: Float[AnyArray, "n d"]
    is_first: AnyArray
    centre: Float[AnyArray, "d"]
    scale: Float[AnyArray, "d"]
    hidden: int = eqx.field(static=True)
    span: int = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    learning_rate: float

    def __init__(
        self, data: Any, hidden: Any = 16, span: Any = 16, batch_size: Any = 32, learning_rate: Any = 1e-2
    ) -> None:
        log = boundary.instance("data", data, Dataset, EXAMPLE)
        of_change, of_seen = scales(log.next_observation - log.observation), scales(log.observation)
        self.observation, self.is_first = log.observation, log.is_first
        self.action = np.eye(log.num_actions)[log.action[:, 0].astype(int)] if log.num_actions else log.action
        self.change = (log.next_observation - log.observation - of_change.centre) / of_change.scale
        self.centre, self.scale = of_seen.centre, of_seen.scale
        self.hidden = boundary.whole_number("hidden", hidden, low=1)
        self.span = boundary.whole_number("span", span, low=2, high=len(log))
        self.batch_size = boundary.whole_number("batch_size", batch_size, low=1)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)

    @property
    def precision(self) -> Precision:
        """A prediction needs no more."""
        return "float32"

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """The error."""
        return {"error": Metric("mean squared error of the next change", "of its variance", "leader", "lower")}

    def init(self, key: Key) -> Foretelling:
        """A network drawn at random."""
        of_cell, of_head = jr.split(key)
        width, acts = self.observation.shape[1], self.action.shape[1]
        narrow = lambda leaf: jnp.asarray(leaf, jnp.float32)
        memory = RecurrentMemory(
            eqx.nn.GRUCell(width + acts, self.hidden, key=of_cell), narrow(self.centre), narrow(self.scale)
        )
        head = eqx.nn.Linear(self.hidden + acts, width, key=of_head)
        return Foretelling(memory, head, at_rest((memory.cell, head)))

    def sample(self, state: Any, n: Any, key: Key) -> Int[AnyArray, "b t"]:
        """Rows of stretches."""
        begin = jr.randint(key, (self.batch_size, 1), 0, self.observation.shape[0] - self.span + 1)
        return begin + jnp.arange(self.span)

    def update(self, state: Foretelling, batch: Any, n: Any, key: Key) -> tuple[Foretelling, Metrics]:
        """One step down."""
        narrow = lambda leaf: jnp.asarray(leaf, jnp.float32)[batch]
        rows = (narrow(self.observation), narrow(self.action), narrow(self.change), jnp.asarray(self.is_first)[batch])

        def loss(both):
            cell, head = both
            memory = RecurrentMemory(cell, state.memory.centre, state.memory.scale)
            return jnp.mean(
                jax.vmap(lambda seen, done, then, first: _errors(memory, head, seen, done, then, first))(*rows)
            )

        value, slope = eqx.filter_value_and_grad(loss)((state.memory.cell, state.head))
        (cell, head), moments = moved((state.memory.cell, state.head), state.moments, slope, self.learning_rate)
        memory = RecurrentMemory(cell, state.memory.centre, state.memory.scale)
        return Foretelling(memory, head, moments), {"error": value}

    def commitment(self, state: Foretelling) -> AnyArray:
        """All weights in one row."""
        return ravel_pytree(eqx.filter((state.memory.cell, state.head), eqx.is_inexact_array))[0]


def _errors(
    memory: RecurrentMemory, head: Any, seen: AnyArray, done: AnyArray, change: AnyArray, is_first: AnyArray
) -> AnyArray:
    """Of each row of a stretch."""

    def step(carry, row):
        before, state = carry
        now, act, then, begins = row
        keep = 1.0 - begins.astype(now.dtype)
        _, state = memory.later((now, state * keep), before * keep, now)
        told = head(jnp.concatenate([state, act]))
        return (act, state), (told - then) ** 2

    nothing = (jnp.zeros_like(done[0]), jnp.zeros(memory.cell.hidden_size, seen.dtype))
    return jax.lax.scan(step, nothing, (seen, done, change, is_first))[1]


def recurrent(
    data: Dataset, *, hidden: Any = 16, num_steps: Any = 1_000, seed: Any = 0, **settings: Any
) -> tuple[Dataset, RecurrentMemory]:
    """A log with a learned memory's state in place of observations, and that memory, to be carried along in a world.

    - `hidden`: size of the state.  `num_steps`: of Adam.  `settings`: see `NextObservation`.

    The network is not touched any more once the log is made: what is learned from it treats it as given.
    """
    learner = NextObservation(data, hidden, **settings)
    run, _ = advance(learner, start(learner, (seed,)), boundary.whole_number("num_steps", num_steps, low=1))
    memory = jax.tree.map(lambda leaf: np.asarray(leaf[0, 0]), run.state.memory)
    return remembered(data, memory), memory
