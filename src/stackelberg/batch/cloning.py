"""Behaviour cloning: the policy that most likely left the log behind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float, Int

from .. import _boundary as boundary
from .._learner import Metrics, Precision, advance, start
from .._runs import Metric
from .._types import AnyArray, Key
from ..calculus.simplex import logarithm_on_host
from ..games.dataset import Dataset
from ..rl.adam import at_rest, moved
from ..rl.batch_policy import AbstractBatchPolicy, SoftmaxTable, TanhGaussian, blank_batch_policy
from ..rl.learner import AbstractCompiledLearner
from .features import scales
from .stackelberg_learner import Leading, as_commitment


EXAMPLE = 'sg.read_log("log.csv")'

HIDDEN = (32, 32)


class Cloning(AbstractCompiledLearner):
    """Adam on the likelihood of the log's actions, by minibatches.

    - `data`: the log.  `policy`: where it starts.  `batch_size`: rows for each step.  `learning_rate`: of Adam.
    """

    observation: Float[AnyArray, "n d"]
    action: Float[AnyArray, "n k"]
    policy: AbstractBatchPolicy
    batch_size: int = eqx.field(static=True)
    learning_rate: float

    def __init__(self, data: Any, policy: Any, batch_size: Any = 256, learning_rate: Any = 3e-3) -> None:
        log = boundary.instance("data", data, Dataset, EXAMPLE)
        self.observation, self.action = log.observation, log.action
        self.policy = boundary.instance("policy", policy, AbstractBatchPolicy, "sg.blank_batch_policy(...)")
        self.batch_size = boundary.whole_number("batch_size", batch_size, low=1)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)

    @property
    def precision(self) -> Precision:
        """A likelihood needs no more."""
        return "float32"

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """The likelihood."""
        return {"log_likelihood": Metric("mean log-likelihood of the log's actions", "", "leader", "higher")}

    def init(self, key: Key) -> Leading:
        """The policy to start from."""
        del key
        policy = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), self.policy)
        return Leading(policy, at_rest(policy))

    def sample(self, state: Any, n: Any, key: Key) -> Int[AnyArray, "b"]:
        """Rows."""
        return jr.randint(key, (self.batch_size,), 0, self.observation.shape[0])

    def update(self, state: Leading, batch: Any, n: Any, key: Key) -> tuple[Leading, Metrics]:
        """One step up."""
        seen, done = jnp.asarray(self.observation)[batch], jnp.asarray(self.action)[batch]
        loss = lambda policy: -jnp.mean(policy.log_chance(seen, done))
        value, slope = eqx.filter_value_and_grad(loss)(state.policy)
        policy, memory = moved(state.policy, state.memory, slope, self.learning_rate)
        return Leading(policy, memory), {"log_likelihood": -value}

    def commitment(self, state: Leading) -> AnyArray:
        """The policy as one array."""
        return as_commitment(state.policy)


def cloned(
    data: Dataset,
    *,
    hidden: tuple[int, ...] = HIDDEN,
    num_steps: Any = 1_000,
    pseudo_count: Any = 0.1,
    deviation: Any = None,
    seed: Any = 0,
) -> AbstractBatchPolicy:
    """The policy that imitates a log.

    Where states and actions can be counted: the shares of each state's actions, with `pseudo_count` for each action.
    Otherwise a network of `hidden` layers, by `num_steps` steps of Adam.

    `deviation`: where actions are continuous, what the normal draw inside tanh gets in place of the likeliest one. That
    is one number for all states, and a wide one where many of the log's actions stand at the edge, since tanh gets
    there only far out: greedy actions then imitate the log well, and draws badly.
    """
    boundary.instance("data", data, Dataset, EXAMPLE)
    wide = None if deviation is None else boundary.real_number("deviation", deviation, low=0.0, low_open=True)
    if data.num_states and data.num_actions:
        counts = np.full((data.num_states, data.num_actions), float(pseudo_count))
        np.add.at(counts, (data.state, data.chosen), 1.0)
        return SoftmaxTable(logarithm_on_host(counts / counts.sum(axis=-1, keepdims=True)))
    by = scales(data.observation)
    key = jr.key(boundary.whole_number("seed", seed, low=0))
    blank = blank_batch_policy(
        data.num_actions, data.num_states, data.action.shape[1], by.centre, by.scale, hidden, key
    )
    learner = Cloning(data, blank)
    run, _ = advance(learner, start(learner, (seed,)), boundary.whole_number("num_steps", num_steps, low=1))
    made = jax.tree.map(lambda leaf: np.asarray(leaf[0, 0], dtype=np.float64), run.state.policy)
    if wide is None or not isinstance(made, TanhGaussian):
        return made
    return eqx.tree_at(lambda one: one.log_deviation, made, logarithm_on_host(np.full_like(made.log_deviation, wide)))
