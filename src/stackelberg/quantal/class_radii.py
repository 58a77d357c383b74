"""How much worse than the best a hypothesis of a finite class may explain the log before it is ruled out."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy import stats

from .._types import AnyArray
from ..play.markov_world import MarkovRules
from .bonus import Preset
from .finite_class import FiniteClass


class Radii(eqx.Module):
    """How much worse than the best a hypothesis may explain the log: `response` β, and `value` `(h,)` β_U by stage."""

    response: Float[AnyArray, ""]
    value: Float[AnyArray, "h"]


def radii(rules: MarkovRules, classes: FiniteClass, preset: Preset, level: float, num_episodes: int) -> Radii:
    """Radii within which the truth stays with probability `level`, shared evenly between follower and leader.

    With δ half of what is left to chance, G the size of the class compared with, D = S A B the number of cells, and
    Δ_h the range of the return from stage h on:

        theory, follower      2 log(K H T / δ)
        theory, leader        Δ_h² log(G K M H T / δ), or Δ_h² D log(2 D H T / δ) / 2 against every table
        calibrated, follower  the lesser of χ²/2 of the limit distribution and log(K H / δ)
        calibrated, leader    the lesser of Δ_h² χ²/4 and Δ_h² log(G H / δ) / 2 (the first alone against every table)

    The likelihood ratio of a reward to the truth is a martingale of mean 1, and so is bounded by 1/δ at all times at
    once with probability 1 - δ (Ville's inequality): that proves the logarithms. For values the same holds for
    exp(2/Δ² × what the truth loses to one function), since payments vary within a range of Δ.
    """
    horizon, num_states, num_rows, num_columns = rules.shape
    cells, delta = num_states * num_rows * num_columns, 0.5 * (1.0 - level)
    span = np.arange(horizon, 0, -1) * (jnp.asarray(rules.reward_high) - jnp.asarray(rules.reward_low))
    count = None if classes.comparison is None else classes.comparison.shape[0] + classes.num_values
    log = lambda number: float(np.log(number / delta))
    if preset == "theory":
        each = classes.num_rewards * horizon * num_episodes
        if count is None:
            return Radii(jnp.asarray(2.0 * log(each)), span**2 * cells * log(2 * cells * horizon * num_episodes) / 2.0)
        return Radii(jnp.asarray(2.0 * log(each)), span**2 * log(each * classes.num_values * count))
    # The response of a free follower has S A (B - 1) dimensions; S (A B - 1) if the leader may prescribe.
    told = num_rows * num_columns - 1 if rules.is_prescription else num_rows * (num_columns - 1)
    seen = max(num_states * told, 1)
    response = min(0.5 * float(stats.chi2.isf(delta / horizon, seen)), log(classes.num_rewards * horizon))
    value = float(stats.chi2.isf(delta / horizon, cells)) / 4.0
    if count is not None:
        value = min(value, log(count * horizon) / 2.0)
    return Radii(jnp.asarray(response), span**2 * value)
