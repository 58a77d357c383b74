"""How near a policy and its critic are to a differential Stackelberg equilibrium."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from scipy.sparse.linalg import LinearOperator, eigsh

from .._record import plain
from .._types import AnyArray
from ..calculus.precision import exact
from ..rl.batch_policy import AbstractBatchPolicy
from .consistency import consistent
from .moments import Moments
from .stackelberg_learner import StackelbergLearner


DENSE = 400
"""Up to so many weights all curvatures of the leader are computed; beyond it the least one by Lanczos iterations."""


@dataclass(frozen=True)
class Stationarity:
    """The conditions of a differential Stackelberg equilibrium (Fiez, Chasnov and Ratliff, 2020), as numbers.

    - `leader_slope`: length of the leader's total derivative; 0 at an equilibrium.
    - `leader_curvature`: the least curvature of minus what the leader is paid, through the critic's answer; above 0 at
      a strict equilibrium, and about 0 where weights change nothing (softmax logits always have such directions).
    - `follower_slope`: length of the follower's derivative where it is free; 0 up to rounding, by a linear solve.
    - `follower_curvature`: the least curvature of the follower's loss over free weights; above 0 where its answer is
      unique.
    - `num_held`: weights of the critic at a bound, or values that its fence holds.
    """

    leader_slope: float
    leader_curvature: float
    follower_slope: float
    follower_curvature: float
    num_held: int

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return plain(dict(self.__dict__))


@exact
def stationarity(learner: StackelbergLearner, policy: AbstractBatchPolicy) -> Stationarity:
    """The certificate of a policy, in units of the reward's range."""
    policy = jax.tree.map(jnp.asarray, policy)
    found = consistent(learner.moments, policy, learner.form, learner.weight)
    slope = _slope(learner, policy, found.held)
    toward, first = (np.asarray(one) for one in _under(learner.moments, policy))
    multiplier = float(found.multiplier(learner.form, learner.weight))
    omega, held = np.asarray(found.critic(learner.form, learner.weight)), np.asarray(found.held)
    matrix = toward.T @ toward + float(learner.moments.ridge) * np.eye(len(omega))
    pull = toward.T @ np.asarray(learner.moments.paid)
    free = np.isnan(held)
    if learner.moments.fence is not None:
        stiff, back = learner.moments.fence.curved(jnp.asarray(held))
        matrix, pull, free = matrix + np.asarray(stiff), pull + np.asarray(back), np.ones(len(omega), dtype=bool)
    own = first + 2.0 * multiplier * (matrix @ omega - pull)
    least = np.linalg.eigvalsh(matrix[np.ix_(free, free)])[0] if free.any() else np.inf
    return Stationarity(
        float(jnp.linalg.norm(slope)),
        _least_curvature(learner, policy, found.held),
        float(np.linalg.norm(own[free])),
        2.0 * multiplier * float(least),
        int((~np.isnan(held)).sum()),
    )


@eqx.filter_jit
def _under(moments: Moments, policy: AbstractBatchPolicy) -> tuple[AnyArray, AnyArray]:
    return moments.under(policy)


@eqx.filter_jit
def _slope(learner: StackelbergLearner, policy: AbstractBatchPolicy, held: AnyArray) -> AnyArray:
    flat, unravel = ravel_pytree(policy)
    return jax.grad(lambda w: learner.paid(unravel(w), held)[0])(flat)


@eqx.filter_jit
def _curved(learner: StackelbergLearner, policy: AbstractBatchPolicy, held: AnyArray, along: AnyArray) -> AnyArray:
    flat, unravel = ravel_pytree(policy)
    return -jax.jvp(jax.grad(lambda w: learner.paid(unravel(w), held)[0]), (flat,), (along,))[1]


def _least_curvature(learner: StackelbergLearner, policy: AbstractBatchPolicy, held: AnyArray) -> float:
    product = lambda along: np.asarray(_curved(learner, policy, held, jnp.asarray(along)))
    size = ravel_pytree(policy)[0].shape[0]
    if size <= DENSE:
        matrix = np.stack([product(row) for row in np.eye(size)])
        return float(np.linalg.eigvalsh(0.5 * (matrix + matrix.T))[0])
    operator = LinearOperator((size, size), matvec=product, dtype=np.float64)  # type: ignore[call-arg]
    return float(eigsh(operator, k=1, which="SA", return_eigenvectors=False, maxiter=20 * size)[0])
