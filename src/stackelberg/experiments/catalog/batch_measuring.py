"""Logs of small worlds, and many learners on them as one compiled call: what the experiments on logs share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float

from ..._types import AnyArray
from ...batch.cloning import cloned
from ...batch.consistency import Moments, RewardScale, moments_of
from ...batch.features import TableFeatures
from ...batch.stackelberg_learner import StackelbergLearner, as_commitment
from ...calculus.precision import exact
from ...games.dataset import Dataset
from ...games.decision_process import DecisionProcess
from ...games.logs import process_log
from ...rl.batch_policy import SoftmaxTable


SOURCE = "Zhou and Qu (2023), the objects of its abstract; the experiment is ours"

NUM_STEPS = 400
"""Of Adam at 0.1, for tables."""


class Task(NamedTuple):
    """A log of a small world, the policy cloned from it, and its averages."""

    data: Dataset
    start: SoftmaxTable
    moments: Moments


@exact
def table_task(
    process: DecisionProcess,
    policy: Float[AnyArray, "s a"],
    num_rows: int,
    seed: int,
    reward_range: tuple[float, float],
    reward_deviation: Any = None,
    **settings: Any,
) -> Task:
    """A log of a policy in a process."""
    data = process_log(process, policy, num_rows, seed, reward_deviation=reward_deviation)
    return of_log(data, process.discount, reward_range, **settings)


@exact
def of_log(data: Dataset, discount: float, reward_range: tuple[float, float], **settings: Any) -> Task:
    """A log that is there already."""
    features = TableFeatures(data.num_states, data.num_actions)
    start = cloned(data)
    assert isinstance(start, SoftmaxTable)
    scale = RewardScale(*reward_range, discount)
    moments = moments_of(data, features, features, scale, policy=start, key=jr.key(0), **settings)
    return Task(data, start, moments)


@exact
def policies(learners: Sequence[StackelbergLearner], num_steps: int = NUM_STEPS) -> Float[np.ndarray, "g s a"]:
    """What each learner's policy is after so many steps: learners of equal sizes, in turn, compiled once."""
    stacked = jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *learners)
    return np.asarray(_learned(stacked, num_steps))


@eqx.filter_jit
def _learned(learners: StackelbergLearner, num_steps: int) -> Float[AnyArray, "g s a"]:
    arrays, rest = eqx.partition(learners, eqx.is_array)

    def one(leaves):
        learner = eqx.combine(leaves, rest)
        step = lambda state, n: (learner.update(state, (), n, jr.key(0))[0], None)
        state, _ = jax.lax.scan(step, learner.init(jr.key(0)), jnp.arange(num_steps))
        return as_commitment(state.policy)

    return jax.lax.map(one, arrays)


def as_table(policy: Float[AnyArray, "s a"]) -> SoftmaxTable:
    """Probabilities as a policy."""
    return SoftmaxTable(np.log(np.maximum(np.asarray(policy), 1e-300)))


@exact
def shares(process: DecisionProcess, tables: Float[AnyArray, "g s a"]) -> Float[np.ndarray, "g"]:
    """What each policy earns as a share of the best."""
    return np.asarray(jax.vmap(process.value)(jnp.asarray(tables)) / process.optimal_value())


def mixed(process: DecisionProcess, share: float) -> Float[np.ndarray, "s a"]:
    """The best action with this probability, and otherwise any."""
    return share * np.asarray(process.best_policy()) + (1.0 - share) / process.shape[1]
