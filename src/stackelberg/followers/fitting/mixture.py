"""Likelihood of a population in which each share follows its own fixed rule: concave in the shares.

Level-k thinking, trembles and uniform play are of this kind: the rules are known and only their shares are estimated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize

from .likelihood import AbstractLikelihood, Estimates, log_likelihood, profile_interval


@dataclass(frozen=True, eq=False)
class MixtureLikelihood(AbstractLikelihood):
    """Cell probabilities Σ_k w(k) P(k, m), with w on the simplex.

    - `responses`: what each rule plays, `(k, m)`; the rules together must play every action.
    - `parameter_names`: one for each rule but the first, whose share is what the others leave.
    """

    responses: Float[np.ndarray, "k m"]
    parameter_names: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return self.parameter_names

    def log_probabilities(self, parameters: Float[np.ndarray, "r d"]) -> Float[np.ndarray, "r m"]:
        weights = np.column_stack([1.0 - parameters.sum(axis=-1), parameters])
        with np.errstate(divide="ignore"):
            return np.log(np.maximum(weights, 0.0) @ self.responses)

    def estimate(self, counts: Float[np.ndarray, "r m"], level: float | None = 0.95) -> Estimates:
        """Shares by sequential quadratic programming, finished by expectation-maximisation; see `best_shares`."""
        d = len(self.parameter_names)
        weights = np.stack([best_shares(self.responses, row) for row in counts])
        parameters = weights[:, 1:]
        fitted = self.log_probabilities(parameters)
        attained = log_likelihood(counts, fitted)
        covariance = np.stack([self._covariance(row, share) for row, share in zip(counts, weights, strict=True)])
        intervals = np.full((len(counts), d, 2), np.nan)
        for j in range(d if level is not None else 0):
            deviation = np.sqrt(covariance[:, j, j])
            scale = np.where(np.isfinite(deviation) & (deviation > 0), deviation, 0.05)

            def profile(t: Float[np.ndarray, "q"], rows: Int[np.ndarray, "q"], j: int = j) -> np.ndarray:
                return np.array([self._profile(counts[r], j + 1, float(v)) for v, r in zip(t, rows, strict=True)])

            intervals[:, j] = profile_interval(profile, parameters[:, j], scale, attained, level or 0.95, 0.0, 1.0)
        separated = np.zeros(len(counts), bool)
        unidentified = self._unidentified(counts)
        return Estimates(parameters, covariance, intervals, attained, attained, separated, unidentified, fitted)

    def _profile(self, counts: Float[np.ndarray, "m"], component: int, share: float) -> float:
        others = np.delete(self.responses, component, axis=0)
        fixed = share * self.responses[component]
        weights = best_shares(others, counts, fixed, 1.0 - share)
        with np.errstate(divide="ignore"):
            return float(log_likelihood(counts, np.log(fixed + weights @ others)))

    def _covariance(self, counts: Float[np.ndarray, "m"], weights: Float[np.ndarray, "k"]) -> Float[np.ndarray, "d d"]:
        """Inverse observed information of the free shares, on the directions that it determines."""
        d = len(weights) - 1
        probabilities = weights @ self.responses
        seen = counts > 0
        scores = (self.responses[1:, seen] - self.responses[0, seen]) / probabilities[seen]
        information = (scores * counts[seen]) @ scores.T
        return np.linalg.pinv(information, rcond=1e-12, hermitian=True) if d else np.zeros((0, 0))

    def _unidentified(self, counts: Float[np.ndarray, "r m"]) -> Float[np.ndarray, "f d"]:
        """Shifts of shares between rules that play alike wherever there are data."""
        seen = counts.sum(axis=0) > 0
        differences = (self.responses[1:] - self.responses[0])[:, seen]
        if not len(differences):
            return np.zeros((0, 0))
        left, singular, _ = np.linalg.svd(differences, full_matrices=True)
        rank = int((singular > 1e-9 * max(singular[0], 1e-300)).sum()) if singular[0] > 1e-12 else 0
        return left[:, rank:].T


def best_shares(
    responses: Float[np.ndarray, "k m"],
    counts: Float[np.ndarray, "m"],
    fixed: Float[np.ndarray, "m"] | float = 0.0,
    total: float = 1.0,
) -> Float[np.ndarray, "k"]:
    """The shares w >= 0 with Σ w = `total` that maximise Σ N log(`fixed` + w·P).

    The objective is concave, and no shares beat w by more than max_k D(k) · total - w·D, D being its gradient: steps
    of expectation-maximisation are added until this is below 1e-9 of a play, or for at most 5,000 steps.
    """
    k = len(responses)
    seen = counts > 0
    rules, plays = responses[:, seen], counts[seen]
    offset = fixed[seen] if isinstance(fixed, np.ndarray) else np.full(len(plays), fixed)
    if k == 1 or total <= 0.0:
        return np.full(k, total / k)
    scale = 1.0 / plays.sum()

    def loss(weights: Float[np.ndarray, "k"]) -> tuple[float, Float[np.ndarray, "k"]]:
        mixed = np.maximum(offset + weights @ rules, 1e-300)
        return -scale * float(plays @ np.log(mixed)), -scale * (rules @ (plays / mixed))

    found = minimize(
        loss,
        np.full(k, total / k),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, total)] * k,
        constraints={"type": "eq", "fun": lambda w: w.sum() - total, "jac": lambda w: np.ones(k)},
        options={"ftol": 1e-15, "maxiter": 200},
    )
    weights = np.maximum(found.x, 1e-12 * total)
    weights *= total / weights.sum()
    for _ in range(5_000):
        gradient = rules @ (plays / np.maximum(offset + weights @ rules, 1e-300))
        if total * gradient.max() - weights @ gradient <= 1e-9:
            break
        responsibility = weights * gradient
        weights = total * responsibility / responsibility.sum()
    return weights
