"""Likelihood of logit choices that are linear in parameters: a concave problem, solved by Newton's method.

In context c action b has the logit x(c, b)·θ, and L(θ) = Σ N(c, b) log p(b | c). Its Hessian is minus the sum of the
features' covariances under p, so L is concave, and strictly so on the directions that the features tell apart.
McFadden (1974), Section IV.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ...calculus.simplex import choice_on_host
from .likelihood import AbstractLikelihood, Estimates, log_likelihood, profile_interval
from .newton import (
    NewtonResult,
    derivatives,
    free_sides,
    is_separated,
    logit_likelihood,
    newton,
    separated_along_a_line,
    well_posed,
)


SUSPICIOUS_LOGIT = 12.0  # a finite maximum rarely needs odds above e^12; beyond, the linear program decides
RANK_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class LogitLikelihood(AbstractLikelihood):
    """Logit choice with features `(c, b, d)` and parameters θ `(d,)`.

    With `nonnegative` (one parameter only) θ is confined to [0, ∞): an inverse temperature.
    """

    features: Float[np.ndarray, "c b d"]
    parameter_names: tuple[str, ...]
    nonnegative: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return self.parameter_names

    def log_probabilities(self, parameters: Float[np.ndarray, "r d"]) -> Float[np.ndarray, "r m"]:
        _, logs = choice_on_host(np.einsum("cbd,rd->rcb", self.features, parameters))
        return logs.reshape(len(parameters), -1)

    def opposed(self) -> LogitLikelihood | None:
        return LogitLikelihood(-self.features, self.parameter_names, True) if self.nonnegative else None

    def estimate(self, counts: Float[np.ndarray, "r m"], level: float | None = 0.95) -> Estimates:
        """Newton's method on the identified directions; where data are separated, the regularised estimate."""
        contexts, actions, dimension = self.features.shape
        table = counts.reshape(-1, contexts, actions)
        centred, unit = _standardised(self.features, table)
        basis = _identified_directions(centred, table)
        reduced = centred @ basis
        best = newton(reduced, table, np.zeros((len(table), basis.shape[1])))
        separated = self._separated(reduced, table, best, basis)
        values = best.parameters.copy()
        for row in np.flatnonzero(separated):
            values[row] = _regularised(reduced, table[row], best.log_likelihood[row])
        parameters = values @ basis.T / unit
        if self.nonnegative:
            parameters = np.maximum(parameters, 0.0)
        fitted = self.log_probabilities(parameters)
        attained = log_likelihood(counts, fitted)
        supremum = np.maximum(best.log_likelihood if not self.nonnegative else attained, attained)
        supremum = np.where(separated, np.maximum(best.log_likelihood, attained), supremum)
        covariance = _covariance(reduced, table, parameters * unit @ basis, basis) / np.outer(unit, unit)
        shape = (len(table), dimension, 2)
        intervals = np.full(shape, np.nan)
        if level is not None:
            intervals = self._intervals(centred, unit, basis, table, parameters, supremum, covariance, separated, level)
        return Estimates(
            parameters, covariance, intervals, attained, supremum, separated, _unidentified(basis, unit), fitted
        )

    def _separated(
        self,
        reduced: Float[np.ndarray, "c b k"],
        table: Float[np.ndarray, "r c b"],
        best: NewtonResult,
        basis: Float[np.ndarray, "d k"],
    ) -> Bool[np.ndarray, "r"]:
        if reduced.shape[-1] == 1:
            rises, falls = separated_along_a_line(reduced[..., 0], table)
            if not self.nonnegative:
                return rises | falls
            return rises if basis[0, 0] > 0 else falls  # beyond 0 the other way the estimate is 0
        spread = np.ptp(np.einsum("cbk,rk->rcb", reduced, best.parameters), axis=-1)
        suspicious = (np.max(spread, axis=-1, initial=0.0) > SUSPICIOUS_LOGIT) | ~best.converged
        separated = np.zeros(len(table), bool)
        for row in np.flatnonzero(suspicious):
            separated[row] = is_separated(reduced, table[row])
        return separated

    def _intervals(
        self,
        centred: Float[np.ndarray, "c b d"],
        unit: Float[np.ndarray, "d"],
        basis: Float[np.ndarray, "d k"],
        table: Float[np.ndarray, "r c b"],
        parameters: Float[np.ndarray, "r d"],
        supremum: Float[np.ndarray, "r"],
        covariance: Float[np.ndarray, "r d d"],
        separated: Bool[np.ndarray, "r"],
        level: float,
    ) -> Float[np.ndarray, "r d 2"]:
        intervals = np.empty((*parameters.shape, 2))
        intervals[...] = -np.inf, np.inf
        if self.nonnegative:
            intervals[..., 0] = 0.0
        for j in range(parameters.shape[1]):
            row = basis[j]
            if not is_coordinate_identified(basis, j):
                continue
            # θ_j = t fixes one direction of the reduced parameters; the others remain free
            along = centred @ (basis @ (row / (row @ row)))
            free = _orthogonal_complement(row)
            others, start = centred @ (basis @ free), (parameters * unit) @ basis @ free

            def profile(
                t: Float[np.ndarray, "q"],
                rows: Int[np.ndarray, "q"],
                along: np.ndarray = along,
                others: np.ndarray = others,
                start: np.ndarray = start,
                j: int = j,
            ) -> np.ndarray:
                offset = (t * unit[j])[:, None, None] * along
                return newton(others, table[rows], start[rows], offset).log_likelihood

            deviation = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)[:, j])
            scale = np.where(
                np.isfinite(deviation) & (deviation > 0), deviation, np.abs(parameters[:, j]) + 1 / unit[j]
            )
            low = 0.0 if self.nonnegative else -np.inf
            endless = np.zeros((len(table), 2), bool)
            for r in np.flatnonzero(separated):
                endless[r] = free_sides(centred @ basis, table[r], row)
            intervals[:, j] = profile_interval(
                profile, parameters[:, j], scale, supremum, level, low=low, endless=endless
            )
        return intervals


def _unidentified(basis: Float[np.ndarray, "d k"], unit: Float[np.ndarray, "d"]) -> Float[np.ndarray, "f d"]:
    """Unit vectors along which θ moves without changing any probability."""
    complete, _ = np.linalg.qr(np.column_stack([basis, np.eye(len(unit))]))
    free = complete[:, basis.shape[1] : len(unit)].T / unit
    return free / np.linalg.norm(free, axis=-1, keepdims=True)


def is_coordinate_identified(basis: Float[np.ndarray, "d k"], j: int) -> bool:
    """Whether the data determine parameter j itself, not only its combination with others."""
    return bool(abs(float(basis[j] @ basis[j]) - 1.0) < 1e-6)


def _standardised(
    features: Float[np.ndarray, "c b d"], table: Float[np.ndarray, "r c b"]
) -> tuple[Float[np.ndarray, "c b d"], Float[np.ndarray, "d"]]:
    """Features centred over actions, each divided by a power of two near its spread, and these units."""
    centred = features - features.mean(axis=1, keepdims=True)
    spread = np.abs(centred).max(axis=(0, 1), initial=0.0)
    rounding = 1e-14 * np.abs(features).max(axis=(0, 1), initial=0.0)
    spread = np.where(spread > rounding, spread, 0.0)
    unit = np.ldexp(1.0, np.frexp(np.where(spread > 0, spread, 1.0))[1])
    return np.where(spread > 0, centred / unit, 0.0), unit


def _identified_directions(
    centred: Float[np.ndarray, "c b d"], table: Float[np.ndarray, "r c b"]
) -> Float[np.ndarray, "d k"]:
    """An orthonormal basis of the directions of θ (in standard units) that change some probability."""
    seen = table.sum(axis=(0, 2)) > 0
    flat = centred[seen].reshape(-1, centred.shape[-1])
    gram = flat.T @ flat if len(flat) > 4096 else None
    if gram is None:
        _, singular, directions = np.linalg.svd(flat, full_matrices=False)
    else:
        squares, vectors = np.linalg.eigh(gram)
        singular, directions = np.sqrt(np.maximum(squares[::-1], 0.0)), vectors[:, ::-1].T
    top = singular[0] if len(singular) else 0.0
    tolerance = RANK_TOLERANCE if gram is None else 10 * np.sqrt(RANK_TOLERANCE * 1e-7)
    return directions[singular > tolerance * top].T if top > 0 else np.zeros((centred.shape[-1], 0))


def _regularised(
    reduced: Float[np.ndarray, "c b k"], counts: Float[np.ndarray, "c b"], supremum: float
) -> Float[np.ndarray, "k"]:
    """A finite estimate where the likelihood has no maximum: one more play is added, spread evenly over the actions.

    The play is halved until the estimate loses at most 0.5 against the supremum, so that it lies inside its interval.
    """
    weight = counts.sum(axis=-1, keepdims=True) / (counts.sum() * counts.shape[-1])
    estimate = np.zeros(reduced.shape[-1])
    for halving in range(40):
        found = newton(reduced, (counts + 0.5**halving * weight)[None], estimate[None])
        estimate = found.parameters[0]
        if logit_likelihood(reduced, counts[None], found.parameters)[0] >= supremum - 0.5:
            break
    return estimate


def _covariance(
    reduced: Float[np.ndarray, "c b k"],
    table: Float[np.ndarray, "r c b"],
    theta: Float[np.ndarray, "r k"],
    basis: Float[np.ndarray, "d k"],
) -> Float[np.ndarray, "r d d"]:
    """Inverse information on the identified directions, mapped back; 0 along the others."""
    _, hessian = derivatives(reduced, table, table.sum(axis=-1), theta)
    inverse = np.linalg.inv(well_posed(hessian)) if hessian.shape[-1] else hessian
    return np.einsum("dk,rkl,el->rde", basis, inverse, basis)


def _orthogonal_complement(row: Float[np.ndarray, "k"]) -> Float[np.ndarray, "k l"]:
    _, _, directions = np.linalg.svd(row[None])
    return directions[1:].T
