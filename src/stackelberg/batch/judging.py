"""What a given policy would earn, told from a log by critics: the most consistent one, and all consistent ones."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from .. import _boundary as boundary
from .._record import Estimate
from ..calculus.precision import exact
from ..games.dataset import Dataset
from ..rl.batch_policy import AbstractBatchPolicy
from .calibration import calibrated_radius
from .consistency import Moments, RewardScale, consistent, moments_of
from .features import features_for


PLUG_IN = 1e12
"""A weight at which pessimism is lost in rounding."""


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
    needs no propensities. Where no critic is consistent it is all of the range, and `method` says so.
    """
    low, high = reward_range
    scale = RewardScale(low, high, discount)
    of_critic, of_tests, of_noise, of_signs = jr.split(jr.key(boundary.whole_number("seed", seed, low=0)), 4)
    kind = {"kernel": kernel, "bandwidth": bandwidth}
    count = boundary.whole_number("num_features", num_features, low=1)
    critic = features_for(data, count, key=of_critic, **kind)
    tests = features_for(data, -(-3 * count // 2), key=of_tests, **kind)
    moments = moments_of(data, critic, tests, scale, policy=policy, key=of_noise)
    middle = consistent(moments, policy, "penalty", jnp.asarray(PLUG_IN))
    radius = calibrated_radius(data, critic, tests, scale, policy, middle.omega, level=level, key=of_signs)
    least, most = ends(moments, policy, radius)
    if not bool(middle.is_feasible(radius)):
        return Estimate(
            float(scale.restored(middle.plug_in)), scale.low, scale.high, "no critic of these features is consistent"
        )
    found = [float(scale.restored(np.clip(float(one), 0.0, 1.0))) for one in (middle.plug_in, least, most)]
    method = f"critics consistent with the log, level {float(level):g}"
    return Estimate(found[0], min(found[0], found[1]), max(found[0], found[2]), method)


def ends(moments: Moments, policy: AbstractBatchPolicy, radius: float) -> tuple[Any, Any]:
    """The least and the largest value of critics within the radius, as parts of the reward's range."""
    turned = eqx.tree_at(lambda one: one.start_weight, moments, -jnp.asarray(moments.start_weight))
    low = consistent(moments, policy, "constraint", jnp.asarray(radius)).value("constraint", radius)
    return low, -consistent(turned, policy, "constraint", jnp.asarray(radius)).value("constraint", radius)
