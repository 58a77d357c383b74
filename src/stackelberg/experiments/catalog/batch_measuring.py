"""Logs of small worlds, and many learners on them as one compiled call: what the experiments on logs share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..._types import AnyArray
from ...batch.cloning import cloned
from ...batch.learning import climbed
from ...batch.problem import Problem, problem_of
from ...batch.reward_scale import RewardScale
from ...batch.stackelberg_learner import StackelbergLearner, as_commitment
from ...calculus.precision import exact
from ...games.dataset import Dataset
from ...games.decision_process import DecisionProcess
from ...games.logs import process_log
from ...rl.batch_policy import SoftmaxTable


SOURCE = "Zhou and Qu (2023), the objects of its abstract; the experiment is ours"

NUM_STEPS = 400
"""Of Adam at 0.1, for tables."""


def table_task(
    process: DecisionProcess,
    policy: Float[AnyArray, "s a"],
    num_rows: int,
    seed: int,
    reward_range: tuple[float, float],
    reward_deviation: Any = None,
    **settings: Any,
) -> Problem:
    """A log of a policy in a process."""
    data = process_log(process, policy, num_rows, seed, reward_deviation=reward_deviation)
    return of_log(data, process.discount, reward_range, **settings)


def of_log(data: Dataset, discount: float, reward_range: tuple[float, float], **settings: Any) -> Problem:
    """A log that is there already, and the policy cloned from it."""
    return problem_of(data, cloned(data), RewardScale(*reward_range, discount), **settings)


@exact
def policies(learners: Sequence[StackelbergLearner], num_steps: int = NUM_STEPS) -> Float[np.ndarray, "g s a"]:
    """What each learner's policy is after so many steps: learners of equal sizes, in turn, compiled once."""
    stacked = jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *learners)
    return np.asarray(_learned(stacked, num_steps))


@eqx.filter_jit
def _learned(learners: StackelbergLearner, num_steps: int) -> Float[AnyArray, "g s a"]:
    arrays, rest = eqx.partition(learners, eqx.is_array)

    def one(leaves):
        return as_commitment(climbed(eqx.combine(leaves, rest), num_steps)[0])

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
