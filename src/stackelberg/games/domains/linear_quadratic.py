"""Continuous actions of both players: quadratic payoffs, against which a quantal follower is normal.

The leader announces a number a, the follower picks a number b with density proportional to exp(λ r(a, b)). With

    follower  r(a, b) = -½ k b² + (slope × a + pull) b,
    leader    u(a, b) = -½ p a² - ½ q b² + cross × a b + t a + v b,

the answer is normal with mean m(a) = (slope × a + pull) / k and variance 1 / (λ k), and the leader's value is quadratic
in a.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
from scipy import optimize

from ... import _boundary as boundary
from ..._errors import InputError
from ...calculus.simplex import choice_on_host, logarithm_on_host


class LinearQuadraticOptimum(NamedTuple):
    """The best announcement, its value to the leader, and the mean and standard deviation of the answer to it."""

    announcement: float
    value: float
    mean: float
    deviation: float


class LinearQuadraticGame(eqx.Module):
    """A leader and a follower who choose numbers, with quadratic payoffs.

    - `follower_curvature` k > 0, `follower_slope`, `follower_pull`: of the follower, see the module.
    - `leader_curvature` p, `answer_curvature` q, `cross`, `leader_pull` t, `answer_pull` v: of the leader.

    Raises `InputError` where a number is not finite, or where the leader's value is not concave in its announcement:
    p + q slope² / k² - 2 cross × slope / k must be above 0.
    """

    follower_curvature: float
    follower_slope: float
    follower_pull: float
    leader_curvature: float
    answer_curvature: float
    cross: float
    leader_pull: float
    answer_pull: float

    def __init__(
        self,
        follower_curvature: Any,
        follower_slope: Any,
        follower_pull: Any = 0.0,
        *,
        leader_curvature: Any = 1.0,
        answer_curvature: Any = 0.0,
        cross: Any = 0.0,
        leader_pull: Any = 0.0,
        answer_pull: Any = 0.0,
    ) -> None:
        number = boundary.real_number
        self.follower_curvature = float(number("follower_curvature", follower_curvature, low=0.0, low_open=True))
        self.follower_slope = float(number("follower_slope", follower_slope))
        self.follower_pull = float(number("follower_pull", follower_pull))
        self.leader_curvature = float(number("leader_curvature", leader_curvature))
        self.answer_curvature = float(number("answer_curvature", answer_curvature))
        self.cross = float(number("cross", cross))
        self.leader_pull = float(number("leader_pull", leader_pull))
        self.answer_pull = float(number("answer_pull", answer_pull))
        if self._bend <= 0.0:
            raise InputError(
                boundary.INCONSISTENT,
                "leader_curvature",
                found=f"the leader's value bends by {-self._bend:.3g} in its announcement",
                allowed="it must bend downward, or no announcement is best",
                remedy=f"Raise leader_curvature by more than {-self._bend:.3g}.",
            )

    def best(self, inverse_temperature: Any) -> LinearQuadraticOptimum:
        """The quantal Stackelberg equilibrium in closed form; λ in (0, ∞)."""
        rate = boundary.real_number("inverse_temperature", inverse_temperature, low=0.0, low_open=True)
        slope, pull = self._answer
        linear = self.leader_pull + self.cross * pull + self.answer_pull * slope - self.answer_curvature * slope * pull
        announced = linear / self._bend
        return LinearQuadraticOptimum(
            announced,
            self.value(announced, rate),
            slope * announced + pull,
            float(1.0 / np.sqrt(rate * self.follower_curvature)),
        )

    def value(self, announcement: float, inverse_temperature: float) -> float:
        """The leader's expected payoff, in closed form."""
        slope, pull = self._answer
        mean = slope * announcement + pull
        second = mean**2 + 1.0 / (inverse_temperature * self.follower_curvature)
        return float(
            -0.5 * self.leader_curvature * announcement**2
            - 0.5 * self.answer_curvature * second
            + self.cross * announcement * mean
            + self.leader_pull * announcement
            + self.answer_pull * mean
        )

    def value_by_quadrature(self, announcement: float, inverse_temperature: float, num_points: int = 200) -> float:
        """The same by Gauss-Legendre quadrature of the follower's density, which knows nothing of normal laws."""
        top = (self.follower_slope * announcement + self.follower_pull) / self.follower_curvature
        reach = 12.0 / np.sqrt(inverse_temperature * self.follower_curvature)
        points, weights = np.polynomial.legendre.leggauss(num_points)
        b = top + reach * points
        appeal = -0.5 * self.follower_curvature * b**2 + (self.follower_slope * announcement + self.follower_pull) * b
        density, _ = choice_on_host(inverse_temperature * appeal + logarithm_on_host(weights))
        payoff = (
            -0.5 * self.leader_curvature * announcement**2
            - 0.5 * self.answer_curvature * b**2
            + self.cross * announcement * b
            + self.leader_pull * announcement
            + self.answer_pull * b
        )
        return float(density @ payoff)

    def best_by_quadrature(self, inverse_temperature: float) -> tuple[float, float]:
        """The best announcement and its value, by quadrature and Brent's method (SciPy)."""
        found: Any = optimize.minimize_scalar(
            lambda a: -self.value_by_quadrature(a, inverse_temperature), method="brent", options={"xtol": 1e-12}
        )
        return float(found.x), float(-found.fun)

    @property
    def _answer(self) -> tuple[float, float]:
        """Slope and intercept of the answer's mean."""
        return self.follower_slope / self.follower_curvature, self.follower_pull / self.follower_curvature

    @property
    def _bend(self) -> float:
        slope, _ = self._answer
        return self.leader_curvature + self.answer_curvature * slope**2 - 2.0 * self.cross * slope
