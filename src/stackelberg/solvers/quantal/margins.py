"""Bounds and starting points from linear programs, for followers that seldom err.

A follower's actions that are worth less than the best one by log((b - 1)/q)/λ or more are played with probability q at
most in total. So the leader gets at most q plus the best value over pairs (commitment, action within that slack of
the best): one program for each action, as for the strong equilibrium, with a little room. The same programs with the
room taken away (a margin) give commitments under which the follower hardly errs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..normal_form.answer_program import EPS, best_under
from .program import QuantalProgram


NEGLECTED = 1e-10
WORTHWHILE = 20.0
"""The least precision at which the slack is small enough for these programs to tell anything."""

MAX_MARGIN_COLUMNS = 8


class Slackened(NamedTuple):
    """The best commitment for each action that could matter, and a bound on the leader's value of any commitment."""

    commitments: Float[np.ndarray, "k a"]
    upper: float


def margin_bound(program: QuantalProgram) -> Slackened:
    """The bound, and commitments worth trying."""
    num_columns = program.payoff.shape[1]
    rounding = 8 * EPS * program.payoff.shape[0]
    if program.precision < WORTHWHILE:
        return Slackened(np.zeros((0, program.payoff.shape[0])), program.span)
    slack = float(np.log(max(num_columns - 1, 1) / NEGLECTED)) / program.precision + rounding
    upper, order = -np.inf, np.argsort(-np.max(program.payoff, axis=0))
    values = {}
    for action in order:
        if np.max(program.payoff[:, action]) <= upper:
            break
        _, values[int(action)] = _best(program, int(action), slack)
        upper = max(upper, values[int(action)])
    commitments = []
    for action in sorted(values, key=lambda action: -values[action])[:MAX_MARGIN_COLUMNS]:
        for margin in _margins(program.precision):
            commitment, _ = _best(program, action, -margin)
            if commitment is not None:
                commitments.append(commitment)
    found = np.stack(commitments) if commitments else np.zeros((0, program.payoff.shape[0]))
    return Slackened(found, min(upper + NEGLECTED, program.span))


def _margins(precision: float) -> tuple[float, ...]:
    """How strictly the follower should prefer its action: enough for errors to cost what the margin costs."""
    if precision > 1e10:
        return (1e-9, 1e-7)
    return tuple(np.log(1.0 + precision) / precision * np.array([0.5, 1.0, 2.0]))


def _best(program: QuantalProgram, action: int, slack: float) -> tuple[Float[np.ndarray, "a"] | None, float]:
    """The best commitment under which `action` is within `slack` of the best, and a bound proved by its multipliers."""
    lead = np.delete(program.appeal - program.appeal[:, [action]], action, axis=1)
    return best_under(program.payoff[:, action], lead, slack)
