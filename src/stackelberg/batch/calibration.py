"""How inconsistent the true critic may look by chance: the radius of what a log allows, from the log alone.

The residuals of the true critic have mean 0 in every row. Their signs are turned at random (a wild bootstrap), the
kernel loss is computed again, and a high quantile of it is the squared radius (Feng, Ren, Tang and Liu, 2020, whose
test this is; here with the log's own residuals in place of a bound).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._types import AnyArray, Key
from ..games.dataset import Dataset
from ..rl.batch_policy import AbstractBatchPolicy
from .consistency import CHUNK
from .features import AbstractFeatures, fixed_noise
from .reward_scale import RewardScale


def residuals(
    data: Dataset,
    critic: AbstractFeatures,
    scale: RewardScale,
    policy: AbstractBatchPolicy,
    omega: Float[AnyArray, "w"],
    *,
    num_draws: Any = 4,
    key: Key,
) -> Float[np.ndarray, "n"]:
    """r + γ (1 - terminal) q(s', π) - q(s, a) of every row, in units of the reward's range."""
    paid = scale.earned(data)
    found = []
    for begin in range(0, len(data), CHUNK):
        part = slice(begin, begin + CHUNK)
        then = data.next_observation[part]
        noise = fixed_noise(policy, len(then), num_draws, jr.fold_in(key, begin))
        onwards = np.asarray(critic.averaged(then, policy, noise) @ jnp.asarray(omega))
        now = np.asarray(critic.taken(data.observation[part], data.action[part]) @ jnp.asarray(omega))
        found.append(paid[part] + scale.discount * ~data.terminal[part] * onwards - now)
    return np.concatenate(found)


def bootstrap_losses(
    data: Dataset,
    tests: AbstractFeatures,
    residual: Float[np.ndarray, "n"],
    *,
    num_draws: Any = 400,
    key: Key,
) -> Float[np.ndarray, "b"]:
    """The kernel loss with the sign of each residual turned at random, as often as `num_draws`."""
    draws = boundary.whole_number("num_draws", num_draws, low=1)
    sums = jnp.zeros((draws, tests.size))
    for begin in range(0, len(data), CHUNK):
        part = slice(begin, begin + CHUNK)
        by = jnp.asarray(tests.taken(data.observation[part], data.action[part]))
        signs = jr.rademacher(jr.fold_in(key, begin), (draws, by.shape[0]), by.dtype)
        sums = sums + (signs * residual[part]) @ by / len(data)
    return np.asarray(jnp.sum(sums**2, axis=-1))


def calibrated_radius(
    data: Dataset,
    critic: AbstractFeatures,
    tests: AbstractFeatures,
    scale: RewardScale,
    policy: AbstractBatchPolicy,
    omega: Float[AnyArray, "w"],
    *,
    level: Any = 0.95,
    num_draws: Any = 400,
    key: Key,
) -> float:
    """The `level` quantile of `bootstrap_losses`, its root: ε.

    - `omega`: a critic near the true one, whose residuals stand for its own; ω0 of `consistent` say.
    """
    asked = boundary.real_number("level", level, low=0.0, high=1.0)
    of_rows, of_signs = jax.random.split(key)
    left = residuals(data, critic, scale, policy, omega, key=of_rows)
    losses = bootstrap_losses(data, tests, left, num_draws=num_draws, key=of_signs)
    return float(np.sqrt(np.quantile(losses, asked)))
