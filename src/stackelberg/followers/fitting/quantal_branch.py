"""Logit quantal response equilibria of a two-player game: the principal branch, traced from uniform play.

At inverse temperature λ each player's choice is logit in its expected payoffs against the other's:
log p(a) - log p(1) = λ (u(a) - u(1)) for both players. The branch through λ = 0 is followed by prediction along its
tangent and correction by Newton's method across it, in the logarithms of the probabilities, so that turning points are
no obstacle. McKelvey and Palfrey (1995), Section 2; Turocy (2005), Section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..._errors import SolverError
from ...calculus.simplex import choice_on_host


@dataclass(frozen=True, eq=False)
class QuantalBranch:
    """Points on the principal branch, in order of arc length.

    - `log_strategies`: `(k, a + b)`, the leader's logarithms of probabilities, then the follower's.
    - `inverse_temperature`: `(k,)`; it need not increase everywhere.
    - `tangents`: `(k, a + b + 1)`, unit vectors, the last entry along the inverse temperature (in units of `scale`).
    - `stopped`: why the tracing ended.
    """

    leader_payoff: Float[np.ndarray, "a b"]
    follower_payoff: Float[np.ndarray, "a b"]
    scale: float
    points: Float[np.ndarray, "k x"]
    tangents: Float[np.ndarray, "k x"]
    stopped: str

    @property
    def inverse_temperature(self) -> Float[np.ndarray, "k"]:
        return self.points[:, -1] / self.scale

    @property
    def log_strategies(self) -> Float[np.ndarray, "k m"]:
        return self.points[:, :-1]

    @property
    def is_monotone(self) -> bool:
        """Whether the inverse temperature never decreases along the branch."""
        return bool(np.all(np.diff(self.points[:, -1]) >= -1e-12))

    def at(self, position: float) -> tuple[Float[np.ndarray, "x"], Float[np.ndarray, "x"]]:
        """The point and tangent at `position` in [0, k - 1]: corrected onto the branch between two traced points."""
        index = int(np.clip(np.floor(position), 0, len(self.points) - 2))
        share = position - index
        start = (1.0 - share) * self.points[index] + share * self.points[index + 1]
        tangent = (1.0 - share) * self.tangents[index] + share * self.tangents[index + 1]
        tangent = tangent / np.linalg.norm(tangent)
        point = _correct(self.leader_payoff, self.follower_payoff, start, tangent)
        if point is None:
            raise SolverError(
                f"{SolverError.code} the correction onto the quantal response branch failed near inverse temperature "
                f"{start[-1] / self.scale:.6g}; trace the branch with a smaller `max_step`."
            )
        return point, _tangent(self.leader_payoff, self.follower_payoff, point, tangent)


def trace_branch(
    leader_payoff: Float[np.ndarray, "a b"],
    follower_payoff: Float[np.ndarray, "a b"],
    *,
    max_inverse_temperature: float = np.inf,
    max_step: float = 0.2,
    max_points: int = 20_000,
) -> QuantalBranch:
    """Follow the principal branch until neither player gains 1e-8 of its payoff range by deviating.

    It also ends at `max_inverse_temperature` or after `max_points` points; `stopped` says which.
    """
    spread = max(float(np.ptp(leader_payoff)), float(np.ptp(follower_payoff)))
    scale = spread if spread > 0 else 1.0
    # centred: adding a constant to payoffs changes nothing, and a large one would cost digits
    leader = (leader_payoff - leader_payoff.mean()) / scale
    follower = (follower_payoff - follower_payoff.mean()) / scale
    num_rows, num_columns = leader.shape
    point = np.concatenate([np.full(num_rows, -np.log(num_rows)), np.full(num_columns, -np.log(num_columns)), [0.0]])
    direction = np.zeros(len(point))
    direction[-1] = 1.0
    tangent = _tangent(leader, follower, point, direction)
    points, tangents, step, stopped = [point], [tangent], 0.05, "the largest number of points was reached"
    while len(points) < max_points:
        proposal = _correct(leader, follower, points[-1] + step * tangents[-1], tangents[-1])
        following = None if proposal is None else _tangent(leader, follower, proposal, tangents[-1])
        if proposal is None or following is None or following @ tangents[-1] < 0.9 or proposal[-1] < 0:
            step *= 0.5
            if step < 1e-10:
                stopped = "the step became too small"
                break
            continue
        points.append(proposal)
        tangents.append(following)
        if following @ tangents[-2] > 0.99:
            # far out only the inverse temperature still moves, and steps may grow with it
            step = min(1.3 * step, max_step * max(1.0, 0.5 * proposal[-1] * abs(following[-1])))
        if proposal[-1] >= max_inverse_temperature * scale:
            stopped = "the largest inverse temperature was reached"
            break
        if _regret(leader, follower, proposal) < 1e-8:
            stopped = "neither player gains more than 1e-8 of the payoff range by deviating"
            break
    return QuantalBranch(leader, follower, scale, np.array(points), np.array(tangents), stopped)


def _residual(
    leader: Float[np.ndarray, "a b"], follower: Float[np.ndarray, "a b"], point: Float[np.ndarray, "x"]
) -> tuple[Float[np.ndarray, "m"], Float[np.ndarray, "m x"]]:
    """How far a point is from the branch, and the derivative: log p = log of the logit choice, for both players."""
    num_rows = len(leader)
    strength = point[-1]
    row, column = np.exp(point[:num_rows]), np.exp(point[num_rows:-1])
    row_values, column_values = leader @ column, row @ follower
    row_choice, row_log = choice_on_host(strength * row_values)
    column_choice, column_log = choice_on_host(strength * column_values)
    residual = np.concatenate([point[:num_rows] - row_log, point[num_rows:-1] - column_log])
    row_centred, column_centred = leader - row_choice @ leader, follower - (follower @ column_choice)[:, None]
    jacobian = np.eye(len(point) - 1, len(point))
    jacobian[:num_rows, num_rows:-1] = -strength * row_centred * column
    jacobian[num_rows:, :num_rows] = -strength * (column_centred * row[:, None]).T
    jacobian[:num_rows, -1] = -(row_values - row_choice @ row_values)
    jacobian[num_rows:, -1] = -(column_values - column_choice @ column_values)
    return residual, jacobian


def _tangent(
    leader: Float[np.ndarray, "a b"],
    follower: Float[np.ndarray, "a b"],
    point: Float[np.ndarray, "x"],
    towards: Float[np.ndarray, "x"],
) -> Float[np.ndarray, "x"]:
    """The unit vector along the branch at `point`, oriented `towards`."""
    _, jacobian = _residual(leader, follower, point)
    solved = np.linalg.solve(np.vstack([jacobian, towards]), np.eye(len(point))[-1])
    return solved / np.linalg.norm(solved)


def _correct(
    leader: Float[np.ndarray, "a b"],
    follower: Float[np.ndarray, "a b"],
    start: Float[np.ndarray, "x"],
    normal: Float[np.ndarray, "x"],
) -> Float[np.ndarray, "x"] | None:
    """Newton's method onto the branch within the hyperplane through `start`; `None` when it does not converge."""
    point = start.copy()
    for _ in range(12):
        residual, jacobian = _residual(leader, follower, point)
        error = np.concatenate([residual, [normal @ (point - start)]])
        try:
            change = np.linalg.solve(np.vstack([jacobian, normal]), -error)
        except np.linalg.LinAlgError:
            return None
        if not np.all(np.isfinite(change)) or np.abs(change).max() > 5.0 + 0.5 * abs(start[-1]):
            return None
        point = point + change
        if np.abs(change).max() <= 1e-11 * (1.0 + abs(point[-1])):
            return point
    return None


def _regret(
    leader: Float[np.ndarray, "a b"], follower: Float[np.ndarray, "a b"], point: Float[np.ndarray, "x"]
) -> float:
    """The most that either player gains by a best response, in units of the larger payoff range."""
    row, column = np.exp(point[: len(leader)]), np.exp(point[len(leader) : -1])
    row_values, column_values = leader @ column, row @ follower
    return float(max(row_values.max() - row @ row_values, column_values.max() - column_values @ column))
