"""What a user would pick instead, learned from the same log: the rows of the tables of experiments on logs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.random as jr
import numpy as np

from ..._claims import Budget
from ..._learner import advance, start
from ...batch.actor_critic import TD3BC, ImplicitQLearning
from ...batch.adversarial import AdversarialActorCritic
from ...batch.bellman_pessimism import PessimisticSoftIteration, bellman_moments
from ...batch.conservative import ConservativeActorCritic, ConservativeQLearning, fitted_q_iteration
from ...batch.features import features_for
from ...batch.moments import rounded_up
from ...batch.neural_learner import NeuralStackelbergLearner
from ...batch.policy_iteration import policy_iteration
from ...batch.problem import problem_of
from ...batch.reward_scale import RewardScale
from ...batch.tabular import counted_plan
from ...calculus.precision import exact
from ...games.dataset import Dataset
from ...rl.batch_policy import AbstractBatchPolicy


DISCRETE_METHODS = ("cloning", "policy iteration", "fitted Q", "CQL", "Bellman pessimism")
"""Of any log of discrete actions; where states can be counted "counted plan" and "cautious plan" besides."""

TABULAR_METHODS = ("counted plan", "cautious plan")

NETWORKS = ("fitted Q", "CQL")
"""Those that are slow to compile; left out at the smoke budget."""

CONTINUOUS_METHODS = ("cloning", "TD3+BC", "ReBRAC", "IQL", "CQL", "ATAC")

NUM_BATCHES = 2_000
"""Of networks on logs of worlds that can be counted."""

NUM_SWEEPS = 200
"""Steps of soft iteration, each of which solves for the critic."""

BELLMAN_WEIGHT = 1e3


def trained(learner: Any, num_steps: int, seed: int) -> Any:
    """The policy of a learner after so many steps."""
    run, _ = advance(learner, start(learner, (seed,)), num_steps)
    return learner.policy(jax.tree.map(lambda leaf: leaf[0, 0], run.state))


def trained_networks(learner: NeuralStackelbergLearner, num_steps: int, seed: int) -> AbstractBatchPolicy:
    """The same where both sides are networks, in double precision."""
    run, _ = advance(learner, start(learner, (seed,)), num_steps)
    return jax.tree.map(lambda leaf: np.asarray(leaf[0, 0], dtype=float), run.state.policy)


def bars(budget: Budget, is_table: bool = True) -> tuple[str, ...]:
    """The simpler methods that a budget has time for."""
    every = (*DISCRETE_METHODS, *TABULAR_METHODS) if is_table else DISCRETE_METHODS
    return tuple(name for name in every if budget != "smoke" or name not in NETWORKS)


def discrete_baselines(
    data: Dataset,
    start_from: AbstractBatchPolicy,
    scale: RewardScale,
    names: Sequence[str] = DISCRETE_METHODS,
    *,
    num_steps: int = NUM_BATCHES,
    seed: int = 0,
    penalty: float = 0.01,
) -> dict[str, AbstractBatchPolicy]:
    """What each simpler method learns from a log of discrete actions; nothing of it is tuned for the task.

    - `start_from`: cloned behaviour.  `num_steps`: of minibatches for the networks.
    - `penalty`: of the cautious plan, see `counted_plan`.
    """
    network = {"learning_rate": 1e-3, "hidden": (64, 64)}
    settings = {"discount": scale.discount, "reward_range": (scale.low, scale.high)}
    makers: dict[str, Callable[[], AbstractBatchPolicy]] = {
        "cloning": lambda: start_from,
        "policy iteration": lambda: _iterated(data, start_from, scale, seed),
        "fitted Q": lambda: _fitted(fitted_q_iteration(data, scale.discount, **network), num_steps, seed),
        "CQL": lambda: _fitted(ConservativeQLearning(data, scale.discount, **network), num_steps, seed),
        "Bellman pessimism": lambda: _pessimistic(data, start_from, scale, seed),
        "counted plan": lambda: counted_plan(data, **settings),
        "cautious plan": lambda: counted_plan(data, **settings, penalty=penalty),
    }
    return {name: makers[name]() for name in names}


def _fitted(learner: ConservativeQLearning, num_steps: int, seed: int) -> AbstractBatchPolicy:
    """The same program for logs of similar lengths: the rows that are added are never drawn."""
    rows = jax.tree.map(rounded_up, learner.rows)
    return trained(eqx.tree_at(lambda one: one.rows, learner, rows), num_steps, seed)


@exact
def _iterated(data: Dataset, start_from: Any, scale: RewardScale, seed: int) -> AbstractBatchPolicy:
    problem = problem_of(data, start_from, scale, seed=seed)
    return policy_iteration(problem.moments)


@exact
def _pessimistic(data: Dataset, start_from: Any, scale: RewardScale, seed: int) -> AbstractBatchPolicy:
    features = features_for(data, 100, key=jr.key(seed))
    learner = PessimisticSoftIteration(bellman_moments(data, features, scale), start_from, BELLMAN_WEIGHT)
    return trained(learner, NUM_SWEEPS, seed)


def continuous_baselines(
    data: Dataset,
    start_from: AbstractBatchPolicy,
    discount: float,
    *,
    num_steps: int,
    seed: int = 0,
    names: Sequence[str] = CONTINUOUS_METHODS,
) -> dict[str, AbstractBatchPolicy]:
    """The same for continuous actions, settings as their papers have them but for ReBRAC's one weight."""
    makers: dict[str, Callable[[], Any]] = {
        "TD3+BC": lambda: TD3BC(data, discount),
        "ReBRAC": lambda: TD3BC(data, discount, critic_weight=0.1),
        "IQL": lambda: ImplicitQLearning(data, discount),
        "CQL": lambda: ConservativeActorCritic(data, discount),
        "ATAC": lambda: AdversarialActorCritic(data, start_from, discount),
    }
    others = [name for name in names if name != "cloning"]
    return {"cloning": start_from} | {name: trained(makers[name](), num_steps, seed) for name in others}
