"""What a given policy would earn, told from a log by critics: the most consistent one, and all consistent ones."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._record import Estimate
from ..calculus.precision import exact
from ..games.dataset import Dataset
from ..rl.batch_policy import AbstractBatchPolicy
from .consistency import consistent
from .moments import Moments
from .problem import problem_of
from .reward_scale import RewardScale


@exact
def kernel_interval(
    data: Dataset,
    policy: AbstractBatchPolicy,
    *,
    discount: Any,
    reward_range: Any,
    level: Any = 0.95,
    num_features: Any = 150,
    kernel: Any = "gaussian",
    bandwidth: Any = None,
    seed: Any = 0,
) -> Estimate:
    """The value of a policy for each step, with the least and the largest that critics consistent with the log give.

    The value is that of the most consistent critic (least-squares temporal differences with the tests as instruments).
    The interval (Feng, Ren, Tang and Liu, 2020) holds at about `level` where values are functions of the features, and
    needs no propensities. Where no critic is found consistent it is all of the range, and `method` says so.
    """
    low, high = reward_range
    scale = RewardScale(low, high, discount)
    kind = {"num_features": num_features, "kernel": kernel, "bandwidth": bandwidth}
    problem = problem_of(data, policy, scale, seed=seed, **kind)
    middle = problem.most_consistent(policy)
    radius = problem.radius(policy, middle, level)
    if not bool(middle.is_settled & middle.is_feasible(radius)):
        return Estimate(
            float(scale.restored(middle.plug_in)),
            scale.low,
            scale.high,
            "no critic of these features was found consistent",
        )
    each = (middle.plug_in, *ends(problem.moments, policy, radius))
    found = [float(scale.restored(np.clip(float(one), 0.0, 1.0))) for one in each]
    method = f"critics consistent with the log, level {float(level):g}"
    return Estimate(found[0], min(found[0], found[1]), max(found[0], found[2]), method)


def ends(moments: Moments, policy: AbstractBatchPolicy, radius: float) -> tuple[Any, Any]:
    """The least and the largest value of critics within the radius, as parts of the reward's range; endless where the
    critic that gives it was not found."""
    turned = eqx.tree_at(lambda one: one.start_weight, moments, -jnp.asarray(moments.start_weight))
    least = lambda one: consistent(one, policy, "constraint", jnp.asarray(radius)).guaranteed(radius)
    return least(moments), -least(turned)
