"""The leader's best commitment among those to which the follower answers as said, with a bound proved by duality."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog

from ..._types import AnyArray


EPS = np.finfo(np.float64).eps

TOLERANCES = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


def best_under(
    payoff: Float[AnyArray, "a"], lead: Float[AnyArray, "a c"], slack: float = 0.0
) -> tuple[Float[np.ndarray, "a"] | None, float]:
    """The commitment x that maximises x·payoff subject to x·lead <= slack, and a bound on all that are feasible.

    - `payoff`: the leader's, under the answers in question, near [0, 1].
    - `lead`: how much better every other action would be for the follower, near [-1, 1]; one column an action, of all
      types side by side.

    HiGHS proposes; the bound is recomputed from its multipliers and holds for any of them. Without a feasible x the
    commitment is None, and the bound is below every payoff where a mixture of the others proves it, otherwise the
    largest payoff.
    """
    payoff, lead = np.asarray(payoff), np.asarray(lead)
    num_rows, num_others = lead.shape
    if not num_others:
        return np.eye(num_rows)[np.argmax(payoff)], float(np.max(payoff))
    found = linprog(
        -payoff,
        A_ub=lead.T,
        b_ub=np.full(num_others, slack),
        A_eq=np.ones((1, num_rows)),
        b_eq=[1.0],
        method="highs-ds",
        options=TOLERANCES,
    )
    if found.status != 0:
        return None, _infeasible_bound(payoff, lead, slack)
    commitment = np.maximum(found.x, 0.0)
    return commitment / commitment.sum(), _dual(payoff, lead, slack, np.maximum(-found.ineqlin.marginals, 0.0))


def _dual(
    payoff: Float[np.ndarray, "a"], lead: Float[np.ndarray, "a c"], slack: float, multipliers: Float[np.ndarray, "c"]
) -> float:
    """Weak duality: valid for any multipliers that are at least 0."""
    total = float(multipliers.sum())
    bound = float(np.max(payoff - lead @ multipliers)) + slack * total
    return min(bound + (lead.shape[1] + 8) * EPS * (1.0 + 2.0 * total), float(np.max(payoff)))


def _infeasible_bound(payoff: Float[np.ndarray, "a"], lead: Float[np.ndarray, "a c"], slack: float) -> float:
    """Where no commitment makes the action good enough, some mixture of the others proves it."""
    num_rows, num_others = lead.shape
    found = linprog(
        np.append(np.zeros(num_others), -1.0),
        A_ub=np.hstack([-lead, np.ones((num_rows, 1))]),
        b_ub=np.zeros(num_rows),
        A_eq=np.append(np.ones(num_others), 0.0)[None, :],
        b_eq=[1.0],
        bounds=[(0.0, None)] * num_others + [(None, None)],
        method="highs-ds",
        options=TOLERANCES,
    )
    if found.status != 0:
        return float(np.max(payoff))
    mixture = np.maximum(found.x[:-1], 0.0)
    mixture = mixture / mixture.sum()
    excess = float(np.min(lead @ mixture)) - slack
    length = 4.0 / excess if excess > 0.0 else 0.0
    return _dual(payoff, lead, slack, length * mixture)
