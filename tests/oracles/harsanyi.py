"""Bayesian games the long way: the Harsanyi normal form, one column for each type-contingent response, LP by LP."""

import itertools

import numpy as np
from scipy.optimize import linprog


def expanded(payoff: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """`(a, columns)`: expected payoffs when each type t answers by its entry of the column's vector."""
    num_types, _, num_columns = payoff.shape
    vectors = itertools.product(range(num_columns), repeat=num_types)
    return np.stack([sum(prior[t] * payoff[t, :, b] for t, b in enumerate(vector)) for vector in vectors], axis=1)


def harsanyi_value(leader: np.ndarray, follower: np.ndarray, prior: np.ndarray) -> float:
    """The strong Stackelberg value: for each column the best mixture to which it is a best response."""
    paid, due = expanded(leader, prior), expanded(follower, prior)
    best = -np.inf
    for column in range(paid.shape[1]):
        found = linprog(
            -paid[:, column],
            A_ub=(due - due[:, [column]]).T,
            b_ub=np.zeros(due.shape[1]),
            A_eq=np.ones((1, len(paid))),
            b_eq=[1.0],
            bounds=(0.0, 1.0),
        )
        if found.status == 0:
            best = max(best, -found.fun)
    return best
