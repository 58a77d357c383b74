"""Is what is remembered enough? A test of a log, by residuals that a longer past must not foretell.

Let h be the window of the last H observations and actions, and h⁺ a longer one. If rewards and next windows depend on
the past through (h, a) alone, then for every policy π of h its value q(h, a) has residuals

    δ = r + γ (1 - terminal) q(h', π) - q(h, a)    with    E[δ | h⁺, a] = 0,

whatever else h⁺ holds. So the averages of δ by test functions z(h⁺, a) are those of noise. Where no critic of (h, a)
makes them so, H is too short for the value of π: that is refused. Tests of h itself cannot refuse anything where
critics are tables: the log's own transition law of windows always has a value with E[δ | h, a] = 0.

The statistic is the least of |g - G ω|² over ω, its law under the hypothesis that of |(I - P) Zᵀ(ξ δ)/n|² with signs ξ
at random and P the projection on the columns of G: what ω can explain is taken out of the noise too, as in Hansen's
(1982) test of more conditions than weights. Tests are pairs of windows and actions where those can be counted, and
otherwise random features, made orthonormal on the log. Residuals are differences of a martingale under the hypothesis,
so that no rows need be independent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import jax.random as jr
import numpy as np

from .. import _boundary as boundary
from .._record import plain
from ..calculus.precision import exact
from ..games.dataset import Dataset
from ..games.windows import windowed
from ..rl.batch_policy import AbstractBatchPolicy
from .cloning import EXAMPLE, cloned
from .features import features_for, fixed_noise
from .reward_scale import RewardScale


RANK = 1e-7
"""Directions of G that are weaker than this part of the strongest are taken to be none."""


@dataclass(frozen=True)
class MemoryTest:
    """What a log says against a memory of `length` observations.

    - `misfit`: the least kernel loss of critics of that memory, by tests of the `longer` one.
    - `p_value`: the probability of as large a one if the memory is enough; small values refuse it.
    - `radius`: ε, as of `calibrated_radius`: without taking out what critics explain.
    - `is_feasible`: whether the misfit is within it; it refuses less often than the p-value does.
    - `num_weights`, `num_tests`: of the critic (that the log tells apart), and of conditions.
    """

    length: int
    longer: int
    misfit: float
    p_value: float
    radius: float
    is_feasible: bool
    num_weights: int
    num_tests: int

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return plain(dict(self.__dict__))


def memory_test(
    data: Dataset,
    length: Any,
    *,
    discount: Any,
    reward_range: Any,
    longer: Any = None,
    policy: AbstractBatchPolicy | None = None,
    level: Any = 0.95,
    num_features: Any = 30,
    is_difference: Any = True,
    num_draws: Any = 400,
    seed: Any = 0,
) -> MemoryTest:
    """Test whether windows of `length` observations are enough to tell what a policy earns.

    - `longer`: windows of the tests; one more than `length` when left out. With `length` itself a table is never
      refused.
    - `policy`: of windows of `length`, any; the one cloned from the log when left out.
    - `level`: of `radius`.  `num_draws`: of signs.
    - `num_features`: for each action, where states cannot be counted; twice as many tests.  `is_difference`: see
      `Window`.

    Assumptions: whoever made the log acted on what the log holds, not on what is hidden; values are functions of the
    critic's features (where they are not, that is refused as well: test a log in which all is seen beside it). What is
    not refused is not shown: a short log refuses nothing.
    """
    log = boundary.instance("data", data, Dataset, EXAMPLE)
    size = boundary.whole_number("length", length, low=1)
    tested = boundary.whole_number("longer", size + 1 if longer is None else longer, low=size)
    count = boundary.whole_number("num_features", num_features, low=1)
    draws = boundary.whole_number("num_draws", num_draws, low=1)
    asked = boundary.real_number("level", level, low=0.0, high=1.0)
    short, long = (windowed(log, one, is_difference=is_difference) for one in (size, tested))
    asking = cloned(short, seed=seed) if policy is None else policy
    low, high = reward_range
    scale = RewardScale(low, high, discount)
    keys = jr.split(jr.key(boundary.whole_number("seed", seed, low=0)), 4)
    rows = _rows(short, long, scale, asking, count, keys)
    found = judged_rows(*rows, num_draws=draws, level=asked, key=keys[3])
    misfit, p_value, radius, rank = found
    return MemoryTest(size, tested, misfit, p_value, radius, misfit <= radius**2, rank, rows[0].shape[1])


@exact
def _rows(short: Dataset, long: Dataset, scale: RewardScale, policy: AbstractBatchPolicy, count: int, keys: Any) -> Any:
    """Z, Φ - γ (1 - terminal) Φ', and the rewards, row by row; tests that are never met are left out."""
    critic = features_for(short, count, key=keys[0])
    tests = features_for(long, 2 * count, key=keys[1])
    noise = fixed_noise(policy, len(short), 4, keys[2])
    by = np.asarray(tests.taken(long.observation, long.action))
    now = np.asarray(critic.taken(short.observation, short.action))
    onwards = np.asarray(critic.averaged(short.next_observation, policy, noise))
    ahead = now - scale.discount * (~short.terminal)[:, None] * onwards
    by = by[:, np.any(by != 0.0, axis=0)]
    if not long.num_states:
        # Orthonormal on the log: else the few smooth directions that features share are all that is looked at.
        strength, along = np.linalg.eigh(by.T @ by / len(by))
        strong = strength > RANK * strength[-1]
        by = by @ along[:, strong] / np.sqrt(strength[strong])
    return by, ahead[:, np.any(ahead != 0.0, axis=0)], scale.earned(short)


def judged_rows(
    tests: Any, ahead: Any, paid: Any, *, num_draws: int, level: float, key: Any
) -> tuple[float, float, float, int]:
    """Misfit, p-value, radius and the critic's rank, of rows Z, Φ - γ Φ' and r.

    Residuals are stretched by √(n / (n - rank)) for the weights that were fitted to them.
    """
    rows = len(paid)
    averages, toward = tests.T @ paid / rows, tests.T @ ahead / rows
    left, strength, right = np.linalg.svd(toward, full_matrices=False)
    rank = int(np.sum(strength > RANK * strength[0]))
    left = left[:, :rank]
    omega = right[:rank].T @ (left.T @ averages / strength[:rank])
    residual = (paid - ahead @ omega) * np.sqrt(rows / max(rows - rank, 1))
    off = averages - left @ (left.T @ averages)
    signs = np.asarray(jr.rademacher(key, (num_draws, rows), jnp.float32), dtype=float)
    drawn = (signs * residual) @ tests / rows
    losses = np.sum(drawn**2, axis=-1)
    misfit = float(off @ off)
    apart = losses - np.sum((drawn @ left) ** 2, axis=-1)
    if rank == len(off):
        return misfit, 1.0, float(np.sqrt(np.quantile(losses, level))), rank  # as many weights as conditions
    p_value = (1.0 + float(np.sum(apart >= misfit))) / (1.0 + num_draws)
    return misfit, p_value, float(np.sqrt(np.quantile(losses, level))), rank
