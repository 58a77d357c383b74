"""The averages of a log by test features, made once: all that a linear critic's problem needs of it."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._types import AnyArray, Key
from ..games.dataset import Dataset
from ..rl.batch_policy import AbstractBatchPolicy
from .features import AbstractFeatures, TableFeatures, fixed_noise
from .fence import Fence
from .reward_scale import RewardScale
from .streaming import LARGE, Streamed, mean_features, streamed_sums


CHUNK = 20_000
"""Rows whose features are held at once while averages are summed up."""


class Moments(eqx.Module):
    """Averages of a log by test features: all that the critic's problem needs.

    - `paid`: `(m,)`, Zᵀ r / n.  `here`: `(m, w)`, Zᵀ Φ(s, a) / n.
    - `reach`: `(m, j)`, γ Zᵀ [s' is the j-th of `then`, not terminal] / n; of long logs what it is made from,
      portion by portion.  `then`: `(j, d)`, next observations.
    - `start`: `(k, d)`, of episodes.  `start_weight`: `(k,)`, sums to 1.
    - `then_noise`, `start_noise`: for continuous actions; None otherwise.
    - `critic`: the features Φ.  `scale`: of the rewards.  `ridge`: κ.
    - `is_bounded`: whether weights are values, and are kept in their range.  `fence`: what keeps others there, if any.
    """

    paid: Float[AnyArray, "m"]
    here: Float[AnyArray, "m w"]
    reach: Float[AnyArray, "m j"] | Streamed
    then: Float[AnyArray, "j d"]
    start: Float[AnyArray, "k d"]
    start_weight: Float[AnyArray, "k"]
    then_noise: Float[AnyArray, "q j p"] | None
    start_noise: Float[AnyArray, "q k p"] | None
    critic: AbstractFeatures
    scale: RewardScale
    ridge: Float[AnyArray, ""] | float
    is_bounded: bool = eqx.field(static=True, default=False)
    fence: Fence | None = None

    @property
    def top(self) -> Any:
        """The largest value that there is."""
        return 1.0 / (1.0 - self.scale.discount)

    @property
    def most(self) -> Any:
        """B: as if every feature's weight were the largest value that there is, 1 / (1 - γ)."""
        return self.critic.size / (1.0 - self.scale.discount) ** 2

    def under(self, policy: AbstractBatchPolicy) -> tuple[Float[AnyArray, "m w"], Float[AnyArray, "w"]]:
        """G and c under a policy."""
        if isinstance(self.reach, Streamed):
            streamed = self.reach.onwards(self.critic, self.then, policy, self.then_noise)
            return jnp.asarray(self.here) - streamed, self.first(policy)
        onwards = self.critic.averaged(self.then, policy, self.then_noise)
        return jnp.asarray(self.here) - jnp.asarray(self.reach) @ onwards, self.first(policy)

    def first(self, policy: AbstractBatchPolicy) -> Float[AnyArray, "w"]:
        """c under a policy."""
        if isinstance(self.reach, Streamed):
            rows = (self.start, self.start_weight, policy, self.start_noise, self.reach.portion)
            return (1.0 - self.scale.discount) * mean_features(self.critic, *rows)
        begun = self.critic.averaged(self.start, policy, self.start_noise)
        return (1.0 - self.scale.discount) * jnp.asarray(self.start_weight) @ begun


def at_first(moments: Moments) -> Float[AnyArray, "h"]:
    """Where the search begins: weights at the floor that the log never met, all else free."""
    if moments.fence is not None:
        return jnp.full(moments.fence.rows.shape[0], jnp.nan)
    unseen = jnp.sum(jnp.abs(jnp.asarray(moments.here)), axis=0) == 0.0
    return jnp.where(unseen, 0.0, jnp.nan)


def moments_of(
    data: Dataset,
    critic: AbstractFeatures,
    tests: AbstractFeatures,
    scale: RewardScale,
    *,
    policy: AbstractBatchPolicy,
    ridge: Any = 1e-8,
    start: Any = None,
    start_share: Any = 0.0,
    num_draws: Any = 4,
    is_bounded: Any = None,
    fence: Fence | None = None,
    key: Key,
) -> Moments:
    """The averages of a log, summed up in portions of 20,000 rows.

    Where rows of test features would have more than 20 million entries they are not kept (`streaming`): a step of the
    leader takes the same time, and memory for the log and one portion.

    - `critic`, `tests`: features of the critic, and of the residuals' averages.
    - `ridge`: κ as a part of the mean diagonal entry of Gᵀ G before a step is looked ahead.
    - `start`: first observations to be paid for, `(k, d)`; those of the log's episodes when left out.
    - `start_share`: of the start that is spread over all observations of the log: it makes the leader care for more
      states, and changes what it is paid for.
    - `num_draws`: of actions for each row, where they are continuous; drawn once and kept.
    - `policy`: any of the kind that will be moved, for the shape of its noise.
    - `is_bounded`: whether the critic's weights are kept in [0, 1 / (1 - discount)]; those of a table, when left out.
    - `fence`: what keeps others there, see `fence_for`; nothing when left out.
    """
    first = data.starts if start is None else boundary.real_array("start", start, axes=("k", data.observation.shape[1]))
    share = boundary.real_number("start_share", start_share, low=0.0, high=1.0)
    paid, here, reach, then = _summed(data, critic, tests, scale)
    first, weights = _distinct(first) if data.num_states else (first, np.full(len(first), 1.0 / len(first)))
    if share > 0.0:
        everywhere, spread = (
            _distinct(data.observation) if data.num_states else (data.observation, np.full(len(data), 1.0 / len(data)))
        )
        first = np.concatenate([first, everywhere])
        weights = np.concatenate([(1.0 - share) * weights, share * spread])
    if not data.num_states:
        first = rounded_up(first)
        weights = np.append(weights, np.zeros(len(first) - len(weights)))
    of_then, of_start = jax.random.split(key)
    mean = float(np.sum(np.asarray(here) ** 2)) / here.shape[1]
    return Moments(
        paid,
        here,
        reach,
        then,
        first,
        weights,
        fixed_noise(policy, len(then), num_draws, of_then),
        fixed_noise(policy, len(first), num_draws, of_start),
        critic,
        scale,
        np.asarray(boundary.real_number("ridge", ridge, low=0.0, low_open=True) * mean),
        isinstance(critic, TableFeatures) if is_bounded is None else boundary.boolean("is_bounded", is_bounded),
        fence,
    )


def _summed(
    data: Dataset, critic: AbstractFeatures, tests: AbstractFeatures, scale: RewardScale
) -> tuple[AnyArray, AnyArray, Any, AnyArray]:
    """Zᵀ r, Zᵀ Φ and γ Zᵀ [where it leads], each over n, and the observations that are led to."""
    count, goes_on = len(data), ~data.terminal
    paid = scale.earned(data)
    if isinstance(critic, TableFeatures) and isinstance(tests, TableFeatures):
        pair = data.state * data.num_actions + data.chosen
        shares = np.bincount(pair, minlength=critic.size) / count
        cells = np.zeros((critic.size, data.num_states))
        np.add.at(cells, (pair, data.next_state), goes_on * scale.discount / count)
        sums = np.bincount(pair, paid, critic.size) / count
        return sums, np.diag(shares), cells, np.arange(data.num_states, dtype=float)[:, None]
    if count * tests.size > LARGE:
        return streamed_sums(data, critic, tests, paid, scale.discount, CHUNK)
    sums, products, rows = np.zeros(tests.size), np.zeros((tests.size, critic.size)), []
    for begin in range(0, count, CHUNK):
        part = slice(begin, begin + CHUNK)
        by = np.asarray(tests.taken(data.observation[part], data.action[part]))
        sums = sums + by.T @ paid[part] / count
        products = products + by.T @ np.asarray(critic.taken(data.observation[part], data.action[part])) / count
        rows.append(by * (goes_on[part] * scale.discount / count)[:, None])
    return sums, products, np.concatenate(rows).T, data.next_observation


def rounded_up(rows: AnyArray) -> np.ndarray:
    """As many rows as the next power of two, from 32 on, the last one again: logs of similar lengths share programs."""
    more = max(32, 1 << (len(rows) - 1).bit_length()) - len(rows)
    return np.concatenate([rows, np.repeat(rows[-1:], more, axis=0)])


def _distinct(rows: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, "k d"], Float[np.ndarray, "k"]]:
    found, counts = np.unique(rows, axis=0, return_counts=True)
    return found, counts / len(rows)
