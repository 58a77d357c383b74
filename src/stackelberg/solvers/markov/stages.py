"""The one-shot games that a Markov game falls into when its follower looks at the present stage only.

A *stage* is one game for each state: `(s, a, b)` payoffs of the leader (continuation included) and of the follower.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from ... import _boundary as boundary
from ..._errors import InputError
from ...calculus.simplex import choice_on_host
from ...followers.base import AbstractFollower
from ...followers.best_response import BestResponse
from ...followers.quantal_response import QuantalResponse
from ...games.normal_form import NormalFormGame
from ..normal_form.batch import solve_batch
from ..quantal.ascent import ascend
from ..quantal.branch_and_bound import branch_and_bound
from ..quantal.normal_form import Effort, search
from ..quantal.prescription import best_prescriptions, strong_bound
from ..quantal.program import SHARPEST, quantal_program
from ..rescale import Rescaled, rescale


Announcement: TypeAlias = Literal["strategy", "prescription"]

ANNOUNCEMENTS: tuple[Announcement, ...] = ("strategy", "prescription")

SHARP = 1e3
"""Above this inverse temperature, payoffs on [0, 1], linear programs tell more than a search over logits."""

MOST_CELLS = 2**22
"""Of one stage, without a time limit."""

MEMORY_LIMIT = 2.0**32


class Stage(NamedTuple):
    """One stage, solved at every state.

    - `commitment`: `(s, a)`, or `(s, b, a)` for prescriptions.
    - `response`: `(s, b)`, the answer that it is meant for.
    - `upper`: `(s,)`; no commitment is worth more.
    """

    commitment: Float[np.ndarray, "s *b a"]
    response: Float[np.ndarray, "s b"]
    upper: Float[np.ndarray, "s"]


StageSolver: TypeAlias = Callable[[np.ndarray, np.ndarray], Stage]


@functools.singledispatch
def stage_solver(
    follower: AbstractFollower, announcement: Announcement, tolerance: float, deadline: float
) -> StageSolver:
    """What solves a stage against `follower`, as a function of the leader's and the follower's payoffs.

    `tolerance` is the gap allowed, as a fraction of the range of the leader's payoffs in a state, and `deadline` (on
    the monotonic clock) when to be content with a larger one. Raises `InputError` for followers without a method.
    """
    raise InputError(
        boundary.INCONSISTENT,
        "follower",
        found=f"{type(follower).__name__} has no certified method for one stage with announcement {announcement!r}",
        allowed="a QuantalResponse of finite inverse temperature, or a BestResponse",
        remedy="Use GradientAscent, which takes any differentiable follower.",
    )


@stage_solver.register
def _(follower: QuantalResponse, announcement: Announcement, tolerance: float, deadline: float) -> StageSolver:
    rate = float(follower.inverse_temperature)
    if math.isinf(rate):
        raise InputError(
            boundary.RANGE,
            "follower.inverse_temperature",
            found="it is infinite",
            allowed="a finite inverse temperature (at infinity an optimal commitment need not exist)",
            remedy='Use BestResponse(ties="leader") or BestResponse(ties="adversary").',
        )
    if announcement == "prescription":
        return functools.partial(_quantal_prescriptions, rate)
    return functools.partial(quantal_strategies, rate, tolerance, deadline)


@stage_solver.register
def _(follower: BestResponse, announcement: Announcement, tolerance: float, deadline: float) -> StageSolver:
    if follower.ties == "leader" and announcement == "prescription":
        return _strong_prescriptions
    if follower.ties != "uniform" and announcement == "strategy":
        return functools.partial(_strategies, follower.ties, tolerance)
    return stage_solver.dispatch(AbstractFollower)(follower, announcement, tolerance, deadline)


def _quantal_prescriptions(
    inverse_temperature: float, leader: Float[np.ndarray, "s a b"], follower: Float[np.ndarray, "s a b"]
) -> Stage:
    """Exact, all states in one call."""
    scaled, appeal, precision = _rescaled(leader, follower, inverse_temperature)
    logit = _logits(appeal, precision)
    solved = best_prescriptions(scaled.scaled, logit)
    # The bound for the sharpest logits that can be computed with holds for all sharper ones.
    upper = np.where(precision <= SHARPEST, solved.upper, strong_bound(logit, scaled.scaled))
    commitment = np.asarray(solved.commitment)
    paid = np.einsum("sba,sab->sb", commitment, appeal)
    return Stage(commitment, _answer(paid, precision), scaled.restore(upper))


def quantal_strategies(
    inverse_temperature: float,
    tolerance: float,
    deadline: float,
    leader: Float[np.ndarray, "s a b"],
    follower: Float[np.ndarray, "s a b"],
) -> Stage:
    """Ascent from many starts for the commitment; prescriptions, which allow more, and branch and bound for the proof.

    Where the follower hardly errs neither closes, and linear programs do (`quantal.margins`): those states are solved
    one by one, as normal forms are.
    """
    scaled, appeal, precision = _rescaled(leader, follower, inverse_temperature)
    effort = Effort(tolerance, None if math.isinf(deadline) else deadline, MEMORY_LIMIT)
    is_sharp = precision > SHARP
    logit = np.minimum(precision, SHARP)[:, None, None] * appeal
    upper = np.asarray(best_prescriptions(scaled.scaled, logit).upper)
    climbed = ascend(scaled.scaled[:, None], logit[:, None], np.ones((len(leader), 1)))
    found = branch_and_bound(
        scaled.scaled,
        logit,
        climbed.commitment,
        climbed.value,
        np.where(is_sharp, climbed.value, upper),
        tolerance=tolerance,
        deadline=deadline,
        max_cells=MOST_CELLS if math.isinf(deadline) else 2**60,
    )
    commitment, upper = np.array(found.commitment), scaled.restore(found.upper)
    for state in np.flatnonzero(is_sharp):
        commitment[state], upper[state] = _sharp(leader[state], follower[state], inverse_temperature, effort)
    return Stage(commitment, _answer(np.einsum("sa,sab->sb", commitment, appeal), precision), upper)


def _sharp(
    leader: Float[np.ndarray, "a b"], follower: Float[np.ndarray, "a b"], inverse_temperature: float, effort: Effort
) -> tuple[Float[np.ndarray, "a"], float]:
    """The commitment for one state, and a bound."""
    program = quantal_program(NormalFormGame(leader, follower), QuantalResponse(inverse_temperature))
    found = search(program, effort)
    if np.isneginf(found.upper):  # nothing to choose: the commitment is best whatever it is worth
        response = _answer(found.commitment[None] @ program.appeal, np.array([program.precision]))[0]
        return found.commitment, float(found.commitment @ leader @ response)
    return found.commitment, program.restore(found.upper) + program.rounding


def _rescaled(
    leader: Float[np.ndarray, "s a b"], follower: Float[np.ndarray, "s a b"], inverse_temperature: float
) -> tuple[Rescaled, Float[np.ndarray, "s a b"], Float[np.ndarray, "s"]]:
    """Both players' payoffs on [0, 1] in every state, and the inverse temperatures that belong to the follower's.

    A constant added to the follower's payoffs would otherwise cost its logits digits.
    """
    appeal = rescale(follower)
    with np.errstate(over="ignore"):
        return rescale(leader), appeal.scaled, np.ldexp(inverse_temperature, appeal.exponent)


def _logits(appeal: Float[np.ndarray, "s a b"], precision: Float[np.ndarray, "s"]) -> Float[np.ndarray, "s a b"]:
    return np.minimum(precision, SHARPEST)[:, None, None] * appeal


def _answer(value: Float[np.ndarray, "s b"], precision: Float[np.ndarray, "s"]) -> Float[np.ndarray, "s b"]:
    """Choice probabilities for these values of the follower's actions, each state with its own precision."""
    response, _ = choice_on_host(precision[:, None] * (value - value.max(axis=1, keepdims=True)))
    return response


def _strategies(
    ties: Literal["leader", "adversary"],
    tolerance: float,
    leader: Float[np.ndarray, "s a b"],
    follower: Float[np.ndarray, "s a b"],
) -> Stage:
    """Multiple linear programs at every state; with ties against the leader a commitment near the supremum."""
    lowest = leader.min(axis=(1, 2))
    solved = solve_batch(leader - lowest[:, None, None], follower, ties=ties, epsilon=max(tolerance, 1e-9))
    response = np.eye(leader.shape[2])[solved.follower_actions]
    return Stage(solved.commitments, response, solved.upper_bounds + lowest)


def _strong_prescriptions(leader: Float[np.ndarray, "s a b"], follower: Float[np.ndarray, "s a b"]) -> Stage:
    """The leader threatens the worst in answer to every other action, and mixes two actions at most in answer to b.

    To have b chosen it must pay the follower at least the best of those threats; among mixtures that do, the leader's
    payoff is largest at one action or where two of them reach exactly that.
    """
    num_states, num_rows, num_columns = leader.shape
    threats = follower.min(axis=1)
    others = np.where(np.eye(num_columns, dtype=bool), -np.inf, threats[:, None, :])
    due = np.maximum(others.max(axis=2), threats)[:, :, None, None]
    paid, gained = (payoff.transpose(0, 2, 1) for payoff in (follower, leader))
    above, below = paid[..., :, None] - due, due - paid[..., None, :]
    mixes = (above >= 0.0) & (below > 0.0)
    share = np.where(mixes, above / np.where(mixes, above + below, 1.0), 0.0)
    worth = np.where(above >= 0.0, (1.0 - share) * gained[..., :, None] + share * gained[..., None, :], -np.inf)
    best = worth.reshape(num_states, num_columns, -1).max(axis=2)
    action = best.argmax(axis=1)
    states = np.arange(num_states)
    first, second = np.unravel_index(worth[states, action].reshape(num_states, -1).argmax(axis=1), 2 * (num_rows,))
    part = share[states, action, first, second][:, None]
    commitment = np.eye(num_rows)[follower.argmin(axis=1)]
    commitment[states, action] = (1.0 - part) * np.eye(num_rows)[first] + part * np.eye(num_rows)[second]
    return Stage(commitment, np.eye(num_columns)[action], best.max(axis=1))


def deadline_after(time_limit: float | None) -> float:
    """The moment on the monotonic clock at which `time_limit` seconds from now are over."""
    return math.inf if time_limit is None else time.monotonic() + time_limit
