"""How far a follower looks ahead, from what it did: the profile likelihood of its discount.

For each discount γ of a grid the follower's reward is fitted as well as that γ allows. Where announcements differed in
what they say of later stages, the fit is worse for a wrong γ: twice the loss against the best one tends to χ² with one
degree of freedom, which gives an interval. At γ = 0 the answers tell less of the reward (`gauge_dimension`), and the
degrees of freedom are as many more.

Expect little: potential shaping makes up for most of a wrong discount, and thousands of plays may only tell a follower
that looks ahead from one that does not.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy import stats

from .. import _boundary as boundary
from .._errors import InputError
from .._record import Estimate
from .._types import AnyArray
from ..calculus.precision import exact
from ..followers.gauge import gauge_dimension
from ..play.markov_world import MarkovRules
from ..play.play_log import PlayLog
from .farsighted_likelihood import fitted_farsighted, log_likelihood
from .model_uncertainty import leader_side
from .myopic_likelihood import zero_weights
from .record import PlayRecord


class DiscountProfile(eqx.Module):
    """The log-likelihood of each discount, and what follows.

    - `discounts`, `log_likelihood`: `(k,)`.  `estimate`: the best discount of the grid, with its interval.
    """

    discounts: Float[np.ndarray, "k"]
    log_likelihood: Float[np.ndarray, "k"]
    estimate: Estimate


@exact
def profiled_discount(
    log: PlayLog, discounts: Any = None, *, level: Any = 0.95, ridge: Any = 1e-2, num_steps: Any = 40
) -> DiscountProfile:
    """The discount that explains a log of play over stages best, with its profile-likelihood interval.

    - `discounts`: the grid, rising, between 0 and 1; 21 even values when left out.  `level`: of the interval.
    - `ridge`: λ² × the penalty on squared rewards.  `num_steps`: of Fisher scoring for each discount.

    The dynamics are estimated from the same log. The interval joins the grid points that are not rejected, to half a
    step beyond; where it is all of the grid, the announcements of the log do not tell.

    Raises `InputError` for a grid that is not rising, or a log of one stage (its follower cannot look ahead).
    """
    rules = log.rules
    given = np.linspace(0.0, 1.0, 21) if discounts is None else discounts
    grid = boundary.real_array("discounts", given, axes=("k",), low=0.0, high=1.0)
    share = float(boundary.real_number("level", level, low=0.0, high=1.0, low_open=True))
    if len(grid) < 2 or np.any(np.diff(grid) <= 0.0):
        raise InputError(
            boundary.INCONSISTENT,
            "discounts",
            found=f"{len(grid)} values that do not rise",
            allowed="two values or more, each larger than the one before",
            remedy="For instance numpy.linspace(0, 1, 21).",
        )
    if rules.horizon < 2:
        raise InputError(
            boundary.INCONSISTENT,
            "log",
            found="play of one stage",
            allowed="play of two stages or more: there must be something to look ahead to",
            remedy="A follower of one stage has no discount.",
        )
    record = recorded(rules, log)
    likelihoods = np.asarray(_profile(rules, record, jnp.asarray(grid), jnp.asarray(float(ridge)), int(num_steps)))
    best = int(np.argmax(likelihoods))
    degrees = 1 + np.where(grid == 0.0, _lost_at_zero(rules), 0)
    kept = np.flatnonzero(likelihoods >= likelihoods[best] - 0.5 * stats.chi2.ppf(share, degrees))
    edges = np.concatenate([grid[:1], 0.5 * (grid[1:] + grid[:-1]), grid[-1:]])
    method = f"profile likelihood on {len(grid)} discounts, {share:.0%} interval"
    interval = float(edges[kept[0]]), float(edges[kept[-1] + 1])
    return DiscountProfile(grid, likelihoods, Estimate(float(grid[best]), *interval, method))


def recorded(rules: MarkovRules, log: PlayLog) -> PlayRecord:
    """All of a log as counts, one row for each different announcement."""
    kinds, place = np.unique(np.asarray(log.episodes.commitment), axis=0, return_inverse=True)
    return PlayRecord.of(rules, kinds, log.episodes, place.reshape(-1))


def _lost_at_zero(rules: MarkovRules) -> int:
    """How many directions of the reward answers tell of a farsighted follower, and not of a myopic one."""
    horizon, num_states, num_rows, _ = rules.shape
    free = [
        gauge_dimension(horizon, num_states, num_rows, is_prescription=rules.is_prescription, is_farsighted=ahead)
        for ahead in (False, True)
    ]
    return free[0] - free[1]


@eqx.filter_jit
def _profile(
    rules: MarkovRules,
    record: PlayRecord,
    discounts: Float[AnyArray, "k"],
    ridge: Float[AnyArray, ""],
    num_steps: int,
) -> Float[AnyArray, "k"]:
    _, law = leader_side(rules, record)

    def one(discount: Float[AnyArray, ""]) -> Float[AnyArray, ""]:
        those = eqx.tree_at(lambda rules: rules.follower_discount, rules, discount)
        scale = jnp.asarray(rules.inverse_temperature) ** 2
        found = fitted_farsighted(those, record, law, zero_weights(rules), ridge / scale, num_steps)
        return log_likelihood(those, record, law, found.weights)

    return jax.lax.map(one, discounts)
