"""The best policy to announce to a model that is fitted to it: `BestPolicy`."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..._record import Solution
from ..._types import AnyArray
from ...calculus.precision import exact
from ...games.decision_process import MOST_POLICIES, DecisionProcess
from ...games.model_game import PolicyAsLeader
from ..base import AbstractSolver
from ..certified import certified


DISCOUNTS = (0.0, 0.5, 0.9, 0.99, 0.999)
"""Of the plans that are tried where policies are too many to go through."""


class BestPolicy(AbstractSolver[PolicyAsLeader]):
    """The policy of the highest return in the model that is fitted to it, which is its return in the world.

    Without a horizon by policy iteration. With one, stationary policies are gone through where there are at most
    100,000 without chance, and otherwise optimal plans of several discounts are compared. The bound is that of all
    policies, those that remember the time included, by backward induction.
    """

    def __call__(self, game: PolicyAsLeader) -> Solution:
        """The policy, the fitted model, and the bound."""
        process = game.process
        policy = process.best_policy() if process.horizon is None else _best_of(process)
        model = game.induce(policy).best_response()
        upper = float(process.optimal_value())
        scale = 1e-9 * (1.0 + abs(upper))
        return certified(
            game,
            policy,
            model,
            upper=upper,
            tolerance=scale,
            rounding=scale,
            solver="BestPolicy",
            proof="dynamic programming over all policies, those that remember the time included",
            notes=("In a decision process that is seen whole the promise of a fitted model is what the world pays.",),
        )


def _best_of(process: DecisionProcess) -> np.ndarray:
    num_states, num_actions = process.shape
    live = num_states - int(np.sum(process.is_terminal))
    few = num_actions**live <= MOST_POLICIES
    candidates = (
        process.deterministic_policies()
        if few
        else np.stack([np.asarray(process.counted(discount=one).best_policy()) for one in DISCOUNTS])
    )
    return candidates[int(np.argmax(_values(process, candidates)))]


@exact
def _values(process: DecisionProcess, policies: AnyArray) -> AnyArray:
    return _of_each(process, jnp.asarray(policies))


@eqx.filter_jit
def _of_each(process: DecisionProcess, policies: AnyArray) -> AnyArray:
    return jax.lax.map(process.value, policies, batch_size=256)
