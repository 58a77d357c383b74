"""Newton's method for logit likelihoods, for many logs at once, and the test whether a finite maximum exists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import linprog

from ...calculus.simplex import choice_on_host


@dataclass(frozen=True, eq=False)
class NewtonResult:
    """Where Newton's method stopped, for each log: parameters, log-likelihood, and whether it converged."""

    parameters: Float[np.ndarray, "r k"]
    log_likelihood: Float[np.ndarray, "r"]
    converged: Bool[np.ndarray, "r"]


def newton(
    features: Float[np.ndarray, "c b k"],
    counts: Float[np.ndarray, "r c b"],
    start: Float[np.ndarray, "r k"],
    offset: Float[np.ndarray, "r c b"] | None = None,
    max_steps: int = 60,
) -> NewtonResult:
    """Maximise Σ N log p for all logs at once, with step halving.

    It stops once the next step would gain less than 1e-13 + 1e-15 |L|, or after `max_steps` (where data are separated
    the maximum lies at infinity, and each step adds about 1 to the largest logit).
    """
    theta, plays = start.copy(), counts.sum(axis=-1)
    k = features.shape[-1]
    value = logit_likelihood(features, counts, theta, offset)
    converged = np.full(len(theta), k == 0)
    for _ in range(max_steps if k else 0):
        active = np.flatnonzero(~converged)
        if not active.size:
            break
        gradient, hessian = derivatives(features, counts[active], plays[active], theta[active], _take(offset, active))
        step = np.linalg.solve(well_posed(hessian), gradient[..., None])[..., 0]
        gain = 0.5 * np.einsum("rk,rk->r", gradient, step)
        converged[active] = gain <= 1e-13 + 1e-15 * np.abs(value[active])
        theta[active], value[active], stalled = _line_search(
            features, counts[active], theta[active], step, value[active], _take(offset, active)
        )
        converged[active] |= stalled
    return NewtonResult(theta, value, converged)


def is_separated(features: Float[np.ndarray, "c b k"], counts: Float[np.ndarray, "c b"]) -> bool:
    """Whether some direction raises the odds of every choice made, or leaves them, so that no finite maximum exists.

    The linear program of Albert and Anderson (1984): maximise Σ (x(c, b) - x(c, b'))·v over |v| <= 1 with every term at
    least 0, b observed in c and b' any other action. On identified directions a positive optimum means separation.
    """
    rows = _preferences(features, counts)
    return bool(len(rows)) and _farthest(rows, rows.sum(axis=0)) > 1e-6


def separated_along_a_line(
    feature: Float[np.ndarray, "c b"], counts: Float[np.ndarray, "r c b"]
) -> tuple[Bool[np.ndarray, "r"], Bool[np.ndarray, "r"]]:
    """For one feature, exactly: whether every choice made has the largest value in its context, or the smallest.

    Then the likelihood rises for ever as the parameter goes to +∞, or to -∞.
    """
    slack = 1e-12 * np.ptp(feature)
    below = feature < feature.max(axis=-1, keepdims=True) - slack
    above = feature > feature.min(axis=-1, keepdims=True) + slack
    seen = counts > 0
    return ~(seen & below).any(axis=(-2, -1)), ~(seen & above).any(axis=(-2, -1))


def free_sides(
    features: Float[np.ndarray, "c b k"], counts: Float[np.ndarray, "c b"], row: Float[np.ndarray, "k"]
) -> tuple[bool, bool]:
    """Whether row·θ can fall, and can rise, without end along directions of separation."""
    rows = _preferences(features, counts)
    size = np.linalg.norm(row)
    return _farthest(rows, -row / size) > 1e-6, _farthest(rows, row / size) > 1e-6


def _preferences(features: Float[np.ndarray, "c b k"], counts: Float[np.ndarray, "c b"]) -> Float[np.ndarray, "n k"]:
    """x(c, b) - x(c, b') for every action b observed in c and every other b', scaled, without repetition."""
    context, observed = np.nonzero(counts > 0)
    k = features.shape[-1]
    differences = (features[context, observed][:, None, :] - features[context]).reshape(
        len(context) * features.shape[1], k
    )
    size = np.abs(differences).max(axis=-1, initial=0.0)
    return np.unique(differences[size > 0] / size[size > 0, None], axis=0)


def _farthest(rows: Float[np.ndarray, "n k"], towards: Float[np.ndarray, "k"]) -> float:
    """The most that a direction v with |v| <= 1 and rows·v >= 0 can have along `towards`."""
    program = linprog(-towards, A_ub=-rows, b_ub=np.zeros(len(rows)), bounds=(-1.0, 1.0), method="highs")
    return float(-program.fun) if program.status == 0 else 0.0


def logit_likelihood(
    features: np.ndarray, counts: np.ndarray, theta: np.ndarray, offset: np.ndarray | None = None
) -> Float[np.ndarray, "r"]:
    """Σ N log p for each log."""
    _, logs = choice_on_host(_logits(features, theta, offset))
    return np.einsum("rcb,rcb->r", counts, logs)


def _logits(features: np.ndarray, theta: np.ndarray, offset: np.ndarray | None) -> Float[np.ndarray, "r c b"]:
    contexts, actions, k = features.shape
    logits = (theta @ features.reshape(contexts * actions, k).T).reshape(len(theta), contexts, actions)
    return logits if offset is None else logits + offset


def derivatives(
    features: np.ndarray,
    counts: np.ndarray,
    plays: np.ndarray,
    theta: np.ndarray,
    offset: np.ndarray | None = None,
) -> tuple[Float[np.ndarray, "r k"], Float[np.ndarray, "r k k"]]:
    """Gradient of the log-likelihood and minus its Hessian, the Fisher information."""
    contexts, actions, k = features.shape
    p, _ = choice_on_host(_logits(features, theta, offset))
    expected = plays[..., None] * p
    flat = features.reshape(contexts * actions, k)
    gradient = (counts - expected).reshape(len(theta), -1) @ flat
    mean = np.matmul(np.swapaxes(p, 0, 1), features).swapaxes(0, 1)
    if len(theta) == 1:  # one log with many contexts: a single matrix product, no array of size r c b k
        second = (flat * expected.reshape(-1, 1)).T @ flat
        hessian = (second - (mean[0] * plays[0][:, None]).T @ mean[0])[None]
    else:
        products = np.einsum("cbk,cbl->cbkl", features, features).reshape(contexts * actions, k * k)
        second = (expected.reshape(len(theta), -1) @ products).reshape(len(theta), k, k)
        weighted = mean * plays[..., None]
        hessian = second - np.matmul(np.swapaxes(weighted, 1, 2), mean)
    return gradient, hessian


def _line_search(
    features: np.ndarray,
    counts: np.ndarray,
    theta: np.ndarray,
    step: np.ndarray,
    value: np.ndarray,
    offset: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Halve each step until it loses nothing beyond rounding; one that still loses after 30 halvings is not made."""
    size = np.ones(len(theta))
    trial, reached, failed = theta, value, np.ones(len(theta), bool)
    for _ in range(30):
        trial = theta + size[:, None] * step
        reached = logit_likelihood(features, counts, trial, offset)
        failed = ~(reached >= value - 1e-13 - 1e-14 * np.abs(value))
        if not failed.any():
            break
        size[failed] *= 0.5
    return np.where(failed[:, None], theta, trial), np.where(failed, value, reached), failed


def well_posed(hessian: Float[np.ndarray, "r k k"]) -> Float[np.ndarray, "r k k"]:
    """Far out in a separated direction the curvature underflows; a floor keeps the step finite."""
    k = hessian.shape[-1]
    floor = 1e-14 * np.trace(hessian, axis1=1, axis2=2) / k + 1e-250
    return hessian + floor[:, None, None] * np.eye(k)


def _take(array: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if array is None else array[rows]
