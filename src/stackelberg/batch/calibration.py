"""How inconsistent the true critic may look by chance: the radius of what a log allows, from the log alone.

The residuals of the true critic have mean 0 in every row. Their signs are turned at random (a wild bootstrap), the
kernel loss is computed again, and a high quantile of it is the squared radius (Feng, Ren, Tang and Liu, 2020, whose
test this is; here with the log's own residuals in place of a bound).
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._types import AnyArray, Key
from ..games.dataset import Dataset
from ..rl.batch_policy import AbstractBatchPolicy
from .features import AbstractFeatures, fixed_noise
from .moments import CHUNK, rounded_up
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
        then = rounded_up(data.next_observation[part])
        noise = fixed_noise(policy, len(then), num_draws, jr.fold_in(key, begin))
        pairs = (rounded_up(data.observation[part]), rounded_up(data.action[part]))
        now, onwards = (
            np.asarray(one)[: len(paid[part])] for one in _values(critic, policy, omega, *pairs, then, noise)
        )
        found.append(paid[part] + scale.discount * ~data.terminal[part] * onwards - now)
    return np.concatenate(found)


@eqx.filter_jit
def _values(
    critic: AbstractFeatures,
    policy: AbstractBatchPolicy,
    omega: Float[AnyArray, "w"],
    observation: Float[AnyArray, "n d"],
    action: Float[AnyArray, "n k"],
    then: Float[AnyArray, "n d"],
    noise: Float[AnyArray, "j n k"] | None,
) -> tuple[Float[AnyArray, "n"], Float[AnyArray, "n"]]:
    """Of the rows' own actions, and of the policy's after them."""
    weights = jnp.asarray(omega)
    return critic.taken(observation, action) @ weights, critic.averaged(then, policy, noise) @ weights


@eqx.filter_jit
def _turned_sums(
    tests: AbstractFeatures,
    observation: Float[AnyArray, "n d"],
    action: Float[AnyArray, "n k"],
    residual: Float[AnyArray, "n"],
    draws: int,
    key: Key,
) -> Float[AnyArray, "b z"]:
    by = jnp.asarray(tests.taken(observation, action))
    return (jr.rademacher(key, (draws, by.shape[0]), by.dtype) * residual) @ by


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
        rows = (rounded_up(data.observation[part]), rounded_up(data.action[part]))
        left = np.zeros(len(rows[0]))
        left[: len(residual[part])] = residual[part]  # the rows that were added count for nothing
        sums = sums + _turned_sums(tests, *rows, left, draws, jr.fold_in(key, begin)) / len(data)
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
