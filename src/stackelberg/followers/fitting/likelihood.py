"""What every likelihood of observed choices must do, and the intervals that all of them share.

A likelihood belongs to a fixed design (game, contexts). Counts come with a leading axis `r`, so that folds, subsamples
and simulated replications are fitted by the same code as one log, all at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import elementwise
from scipy.stats import chi2


@dataclass(frozen=True, eq=False)
class Estimates:
    """Maximum likelihood estimates of `r` logs under one model with `d` parameters.

    - `parameters`: `(r, d)`, always finite; `covariance`: inverse Fisher information on the identified directions.
    - `intervals`: `(r, d, 2)`, profile likelihood; a side may be infinite.
    - `log_likelihood`: at `parameters`.  `supremum`: its least upper bound, larger only where `separated`.
    - `unidentified`: directions along which the parameters move without changing any probability, `(f, d)`.
    - `log_fitted`: the logarithm of the fitted probability of each cell, `(r, m)`.
    """

    parameters: Float[np.ndarray, "r d"]
    covariance: Float[np.ndarray, "r d d"]
    intervals: Float[np.ndarray, "r d 2"]
    log_likelihood: Float[np.ndarray, "r"]
    supremum: Float[np.ndarray, "r"]
    separated: Bool[np.ndarray, "r"]
    unidentified: Float[np.ndarray, "f d"]
    log_fitted: Float[np.ndarray, "r m"]

    @property
    def standard_errors(self) -> Float[np.ndarray, "r d"]:
        """Square roots of the variances; infinite where data are separated or do not determine the parameter."""
        variances = np.diagonal(self.covariance, axis1=1, axis2=2).copy()
        variances[:, (np.abs(self.unidentified) > 1e-6).any(axis=0)] = np.inf
        variances[self.separated] = np.inf
        return np.sqrt(variances)


class AbstractLikelihood(ABC):
    """The likelihood of counts over `m` cells (contexts × actions, flattened) under one model of the follower."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """One name for each parameter."""

    @abstractmethod
    def estimate(self, counts: Float[np.ndarray, "r m"], level: float | None = 0.95) -> Estimates:
        """Estimates with profile-likelihood intervals at confidence `level` (`None`: no intervals, all NaN)."""

    @abstractmethod
    def log_probabilities(self, parameters: Float[np.ndarray, "r d"]) -> Float[np.ndarray, "r m"]:
        """The logarithm of the probability of each cell within its context."""

    def opposed(self) -> AbstractLikelihood | None:
        """The same model with the sign of every payoff turned; `None` where signs are themselves estimated."""
        return None


def log_likelihood(counts: Float[np.ndarray, "*r m"], log_probabilities: Float[np.ndarray, "*s m"]) -> Any:
    """Σ count × log probability over the last axis, with 0 × -∞ = 0."""
    with np.errstate(invalid="ignore"):
        terms = np.where(counts > 0, counts * log_probabilities, 0.0)
    return terms.sum(axis=-1)


ProfileFunction = Callable[[Float[np.ndarray, "q"], Int[np.ndarray, "q"]], Float[np.ndarray, "q"]]


def profile_interval(
    profile: ProfileFunction,
    estimate: Float[np.ndarray, "r"],
    scale: Float[np.ndarray, "r"],
    supremum: Float[np.ndarray, "r"],
    level: float,
    low: float = -np.inf,
    high: float = np.inf,
    endless: Bool[np.ndarray, "r 2"] | None = None,
) -> Float[np.ndarray, "r 2"]:
    """The values t of one parameter with 2 (supremum - profile(t)) at most the χ²(1) quantile of `level`.

    - `profile(values, rows)`: the log-likelihood maximised over the other parameters with this one held at `values`,
      for the logs numbered `rows`.
    - `scale`: a first guess of the distance to the ends (a standard error does).
    - `low`, `high`: the ends of the parameter's own range, at which an interval may end.
    - `endless`: sides already known to reach to that end.

    A side along which the profile never falls below the threshold is infinite (or ends at the range).
    """
    threshold = supremum - 0.5 * chi2.ppf(level, df=1)
    sides = []
    for index, (sign, end) in enumerate(((-1.0, low), (1.0, high))):
        searched = np.flatnonzero(estimate != end if endless is None else (estimate != end) & ~endless[:, index])
        sides.append(_side(profile, estimate, scale, threshold, sign, end, searched))
    return np.stack(sides, axis=-1)


def _side(
    profile: ProfileFunction,
    estimate: Float[np.ndarray, "r"],
    scale: Float[np.ndarray, "r"],
    threshold: Float[np.ndarray, "r"],
    sign: float,
    end: float,
    open_rows: Int[np.ndarray, "q"],
) -> Float[np.ndarray, "r"]:
    """Where the profile crosses the threshold on one side: stepping out by doubling, then Chandrupatla's method."""
    rows = np.arange(len(estimate))
    inner, outer = estimate.copy(), np.full_like(estimate, end)
    reach = 2.0 * scale
    crossed = np.zeros(len(rows), bool)
    for _ in range(60):
        if not open_rows.size:
            break
        trial = estimate[open_rows] + sign * reach[open_rows]
        clipped = np.minimum(trial, end) if sign > 0 else np.maximum(trial, end)
        below = profile(clipped, open_rows) < threshold[open_rows]
        outer[open_rows[below]] = clipped[below]
        crossed[open_rows[below]] = True
        inner[open_rows[~below]] = clipped[~below]
        reach[open_rows] *= 2.0
        open_rows = open_rows[~below & (clipped != end)]
    outer[open_rows] = sign * np.inf
    if crossed.any():
        where = rows[crossed]
        found = elementwise.find_root(
            lambda t, row: profile(t, row.astype(int)) - threshold[row.astype(int)],
            (inner[where], outer[where]),
            args=(where.astype(float),),
            tolerances={"xatol": 0.0, "xrtol": 1e-12, "fatol": 1e-9},
        )
        outer[where] = found.x
    return outer
