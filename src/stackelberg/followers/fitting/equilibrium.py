"""Likelihood of simultaneous play under the logit quantal response equilibrium: both players are noisy.

The likelihood is a function of the position on the principal branch; it need not be unimodal, so that every local
maximum among the traced points is refined. McKelvey and Palfrey (1995), Section 4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize_scalar, root_scalar
from scipy.stats import chi2

from .likelihood import AbstractLikelihood, Estimates
from .quantal_branch import QuantalBranch, trace_branch


NEAR = 1e-3
"""On either side of a maximum that values have told, in points of the branch."""


@dataclass(frozen=True, eq=False)
class EquilibriumLikelihood(AbstractLikelihood):
    """Cells are the leader's actions, then the follower's; the parameter is the common inverse temperature."""

    branch: QuantalBranch

    @property
    def names(self) -> tuple[str, ...]:
        return ("inverse_temperature",)

    def log_probabilities(self, parameters: Float[np.ndarray, "r d"]) -> Float[np.ndarray, "r m"]:
        """The equilibrium that the branch passes first at each inverse temperature (its end beyond the traced part)."""
        return np.stack([self._at(float(value)) for value in parameters[:, 0]])

    def opposed(self) -> EquilibriumLikelihood:
        return EquilibriumLikelihood(trace_branch(-self.branch.leader_payoff, -self.branch.follower_payoff))

    def estimate(self, counts: Float[np.ndarray, "r m"], level: float | None = 0.95) -> Estimates:
        rows = [self._estimate(row, level) for row in counts]
        parameters, variances, intervals, values, fitted = (np.array(column) for column in zip(*rows, strict=True))
        is_flat = self.branch.points.shape[0] < 2 or not np.ptp(self.branch.log_strategies)
        return Estimates(
            parameters[:, None],
            variances[:, None, None],
            intervals[:, None, :],
            values,
            values,
            np.zeros(len(counts), bool),
            np.ones((1, 1)) if is_flat else np.zeros((0, 1)),
            fitted,
        )

    def _estimate(
        self, counts: Float[np.ndarray, "m"], level: float | None
    ) -> tuple[float, float, Float[np.ndarray, "2"], float, Float[np.ndarray, "m"]]:
        values = self.branch.log_strategies @ counts
        position = self._best_position(counts, values)
        point, tangent = self.branch.at(position)
        value = float(point[:-1] @ counts)
        scale = self.branch.scale
        variance = self._variance(counts, point, tangent) / scale**2
        interval = np.full(2, np.nan)
        if level is not None:
            interval = self._interval(counts, values, value - 0.5 * float(chi2.ppf(level, df=1)), point[-1] / scale)
        return max(float(point[-1]), 0.0) / scale, variance, interval, value, point[:-1]

    def _best_position(self, counts: Float[np.ndarray, "m"], values: Float[np.ndarray, "k"]) -> float:
        """The position of the global maximum along the traced branch."""
        last = len(values) - 1
        padded = np.concatenate([[-np.inf], values, [-np.inf]])
        is_peak = (padded[1:-1] >= padded[:-2]) & (padded[1:-1] >= padded[2:])
        peaks = np.flatnonzero(is_peak & (values >= values.max() - 5.0))
        candidates = [float(peak) for peak in peaks]
        for peak in peaks:
            candidates.append(self._peak(counts, max(peak - 1.0, 0.0), min(peak + 1.0, float(last))))
        return max(candidates, key=lambda position: self._value(counts, position))

    def _peak(self, counts: Float[np.ndarray, "m"], low: float, high: float) -> float:
        """The position of the maximum between two positions.

        Values tell it to the root of the machine's precision alone; where the slope along the branch changes its sign
        nearby, its root tells all digits.
        """
        found: Any = minimize_scalar(
            lambda position: -self._value(counts, position),
            bounds=(low, high),
            method="bounded",
            options={"xatol": 1e-9},
        )
        near = float(found.x)
        ends = (max(low, near - NEAR), min(high, near + NEAR))
        if self._slope(counts, ends[0]) * self._slope(counts, ends[1]) >= 0.0:
            return near
        return float(root_scalar(lambda p: self._slope(counts, p), bracket=ends, method="brentq", xtol=1e-13).root)

    def _slope(self, counts: Float[np.ndarray, "m"], position: float) -> float:
        """Of the value along the branch, up to a factor above 0."""
        return float(self.branch.at(position)[1][:-1] @ counts)

    def _value(self, counts: Float[np.ndarray, "m"], position: float) -> float:
        point, _ = self.branch.at(position)
        return float(point[:-1] @ counts)

    def _variance(
        self, counts: Float[np.ndarray, "m"], point: Float[np.ndarray, "x"], tangent: Float[np.ndarray, "x"]
    ) -> float:
        """Inverse expected information Σ_players plays Σ p (d log p / dλ)², in scaled units."""
        num_rows = len(self.branch.leader_payoff)
        plays = np.repeat([counts[:num_rows].sum(), counts[num_rows:].sum()], [num_rows, len(counts) - num_rows])
        if abs(tangent[-1]) < 1e-12:  # at a turning point the estimate does not move with λ at all
            return 0.0
        slope = tangent[:-1] / tangent[-1]
        information = float(np.sum(plays * np.exp(point[:-1]) * slope**2))
        return 1.0 / information if information > 1e-250 else np.inf

    def _interval(
        self, counts: Float[np.ndarray, "m"], values: Float[np.ndarray, "k"], threshold: float, estimate: float
    ) -> Float[np.ndarray, "2"]:
        """The hull of the inverse temperatures on the branch whose likelihood reaches the threshold."""
        inside = values >= threshold
        temperatures = self.branch.inverse_temperature
        ends = [estimate, *temperatures[inside]]
        for k in np.flatnonzero(inside[1:] != inside[:-1]).tolist():
            crossing = _root(lambda position: self._value(counts, position) - threshold, k)
            ends.append(float(self.branch.at(crossing)[0][-1]) / self.branch.scale)
        return np.array([max(min(ends), 0.0), np.inf if inside[-1] else max(ends)])

    def _at(self, inverse_temperature: float) -> Float[np.ndarray, "m"]:
        temperatures = self.branch.inverse_temperature
        beyond = np.flatnonzero(temperatures >= inverse_temperature)
        if not beyond.size:
            return self.branch.log_strategies[-1]
        if beyond[0] == 0:
            return self.branch.log_strategies[0]
        k = int(beyond[0]) - 1
        position = _root(lambda p: self.branch.at(p)[0][-1] / self.branch.scale - inverse_temperature, k)
        return self.branch.at(position)[0][:-1]


def _root(function: Callable[[float], float], k: int) -> float:
    """Where `function` vanishes between the traced points k and k + 1, at whose ends its signs differ."""
    return float(root_scalar(function, bracket=(float(k), float(k + 1)), method="brentq", xtol=1e-13).root)
