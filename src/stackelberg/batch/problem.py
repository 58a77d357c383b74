"""A log with the features and averages that its critics need, made once and used by everything that asks about it."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import jax.random as jr
import numpy as np

from .. import _boundary as boundary
from .._types import Key
from ..calculus.precision import exact
from ..games.dataset import Dataset
from ..rl.batch_policy import AbstractBatchPolicy
from .calibration import calibrated_radius
from .consistency import PLUG_IN, Consistent, consistent
from .features import AbstractFeatures, TableFeatures, features_for
from .fence import fence_for
from .moments import Moments, moments_of
from .reward_scale import RewardScale


STIFFNESS = 0.1

TABLE_RIDGE, RIDGE = 1e-8, 1e-8
"""Of tables, whose weights have bounds, and of random features, which nothing else holds."""


class Problem(NamedTuple):
    """What critics of a log are asked with.

    - `data`: the log.  `policy`: one of the kind that is asked about; the cloned one, where learning starts.
    - `tests`: features that residuals are averaged by.  `moments`: the averages.  `signs`: the key of the bootstrap.
    """

    data: Dataset
    policy: AbstractBatchPolicy
    tests: AbstractFeatures
    moments: Moments
    signs: Key

    @property
    def is_table(self) -> bool:
        """Whether weights are values of states and actions."""
        return isinstance(self.moments.critic, TableFeatures)

    def radius(self, policy: AbstractBatchPolicy, found: Consistent, level: Any) -> float:
        """ε under a policy, whose most consistent critic is `found`."""
        moments = self.moments
        return calibrated_radius(
            self.data, moments.critic, self.tests, moments.scale, policy, found.omega, level=level, key=self.signs
        )

    def most_consistent(self, policy: AbstractBatchPolicy) -> Consistent:
        """The critics of a policy without pessimism."""
        return consistent(self.moments, policy, "penalty", jnp.asarray(PLUG_IN, float))


@exact
def problem_of(
    data: Dataset,
    policy: AbstractBatchPolicy,
    scale: RewardScale,
    *,
    num_features: Any = 150,
    kernel: Any = "gaussian",
    bandwidth: Any = None,
    stiffness: Any = STIFFNESS,
    critic: AbstractFeatures | None = None,
    seed: Any = 0,
    **settings: Any,
) -> Problem:
    """The problem of a log; there are half as many test features again as features of the critic.

    `num_features`, `kernel`, `bandwidth`: see `features_for`.  `critic`: other features of it, `last_layer_features`
    say.  `stiffness`: of the fence, see `fence_for`; 0 for none.  `settings`: see `moments_of`.
    """
    of_critic, of_tests, of_noise, of_signs = jr.split(jr.key(boundary.whole_number("seed", seed, low=0)), 4)
    count = boundary.whole_number("num_features", num_features, low=1)
    if critic is None:
        critic = features_for(data, count, kernel=kernel, bandwidth=bandwidth, key=of_critic)
    tests = features_for(data, -(-3 * count // 2), kernel=kernel, bandwidth=bandwidth, key=of_tests)
    ridge = settings.pop("ridge", TABLE_RIDGE if isinstance(critic, TableFeatures) else RIDGE)
    if stiffness > 0.0 and not isinstance(critic, TableFeatures):
        settings["fence"] = fence_for(data, critic, stiffness=stiffness, key=jr.fold_in(of_critic, 1))
    moments = moments_of(data, critic, tests, scale, policy=policy, ridge=ridge, key=of_noise, **settings)
    return Problem(data, policy, tests, moments, of_signs)


def values_on(problem: Problem, omega: Any, most: int = 20_000) -> np.ndarray:
    """A critic's values of the log's own rows (the first of them), for each step, as parts of the reward's range."""
    data, moments = problem.data, problem.moments
    rows = moments.critic.taken(data.observation[:most], data.action[:most])
    return np.asarray((rows @ omega) * (1.0 - moments.scale.discount))
