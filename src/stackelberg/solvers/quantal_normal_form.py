"""One normal form against a logit follower: the best strategy, with a proof as tight as the effort allows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from .._errors import MemoryBudgetError
from .._record import Certificate, Estimate, Solution
from ..followers.base import AbstractFollower
from ..games.normal_form import NormalFormGame
from .quantal_ascent import NUM_STARTS, ascend
from .quantal_branch_and_bound import branch_and_bound
from .quantal_margins import margin_bound
from .quantal_prescription import best_prescriptions, strong_bound
from .quantal_program import QuantalProgram, quantal_program


FEW_ACTIONS = 4
AIM = 0.3
"""The search goes on to this part of the tolerance: it costs little, and spares the reader a gap just below it."""

MAX_CELLS = 2**19
WORK = 2**24
"""Beyond `FEW_ACTIONS` and without a time limit: cells × their cost, some seconds of work."""

UNPLAYED = 1e3

SUPREMUM = (
    "At an infinite inverse temperature the follower breaks exact ties evenly: the best value is approached by "
    "commitments under which it strictly prefers its answer, not attained."
)
FLOOR = (
    "The gap that remains is proven, not estimated: the optimum may be the value found. With a time limit the search "
    "goes on for that long."
)


@dataclass(frozen=True)
class Effort:
    """How precisely and how long to work: relative tolerance, deadline (`time.monotonic()`), bytes."""

    tolerance: float
    deadline: float | None
    memory_limit: float


class Found(NamedTuple):
    """A commitment and what is proven, on the program's scale."""

    commitment: Float[np.ndarray, "a"]
    upper: float
    method: str
    cells: int
    stopped: str


def best_strategy(game: NormalFormGame, follower: AbstractFollower, effort: Effort) -> Solution:
    """The best commitment that is announced before the follower moves."""
    started = time.perf_counter()
    program = quantal_program(game, follower)
    check_memory(program, effort.memory_limit)
    found = search(program, effort)
    return certified(game, follower, program, found, effort.tolerance, time.perf_counter() - started)


def search(program: QuantalProgram, effort: Effort) -> Found:
    """Ascent for the value; prescriptions, linear programs and branch and bound for the bound, until they meet."""
    kept = _distinct_rows(program)
    num_columns = program.payoff.shape[1]
    if num_columns == 1 or len(kept) == 1:
        best = np.argmax(program.payoff[:, 0]) if num_columns == 1 else kept[0]
        return Found(np.eye(len(program.payoff))[best], -np.inf, "nothing to choose: a pure commitment is best", 0, "")
    payoff, logit = _padded(program.payoff[kept], program.logit[kept])
    tolerance = effort.tolerance * program.span
    margins = margin_bound(program)
    commitment, value = _ascend_one(payoff, logit, margins.commitments[:, kept])
    upper, method, cells, stopped = margins.upper, "linear programs with a slack", 0, ""
    max_cells = _max_cells(payoff.shape, effort) if program.is_searchable else 0
    if upper - value > tolerance and max_cells:
        result = branch_and_bound(
            payoff[None],
            logit[None],
            commitment[None],
            np.array([value]),
            np.array([upper]),
            tolerance=AIM * tolerance,
            deadline=np.inf if effort.deadline is None else effort.deadline,
            max_cells=max_cells,
            max_bytes=0.5 * effort.memory_limit,
        )
        cells, stopped = result.cells, result.stopped
        if result.upper[0] < upper:
            upper, method = float(result.upper[0]), "branch and bound over the simplex"
        if result.value[0] > value:
            commitment, value = _ascend_one(payoff, logit, result.commitment)
    if upper - value > tolerance and program.is_searchable and len(kept) > FEW_ACTIONS:
        relaxed = float(best_prescriptions(payoff, logit).upper)
        if relaxed < upper:
            upper, method = relaxed, "prescriptions, which are never worth less"
    full = np.zeros(program.payoff.shape[0])
    full[kept] = commitment
    return Found(full, upper, method, cells, stopped)


def _ascend_one(
    payoff: Float[np.ndarray, "a b"], logit: Float[np.ndarray, "a b"], candidates: Float[np.ndarray, "k a"]
) -> tuple[Float[np.ndarray, "a"], float]:
    climbed = ascend(payoff[None, None], logit[None, None], np.ones((1, 1)), candidates[None])
    return climbed.commitment[0], float(climbed.value[0])


def _padded(
    payoff: Float[np.ndarray, "a b"], logit: Float[np.ndarray, "a b"]
) -> tuple[Float[np.ndarray, "a c"], Float[np.ndarray, "a c"]]:
    """With follower's actions that are never played, to a rounded shape: fewer shapes are compiled."""
    num_columns = payoff.shape[1]
    wanted = 1 << (num_columns - 1).bit_length() if num_columns <= 8 else -(-num_columns // 8) * 8
    extra = ((0, 0), (0, wanted - num_columns))
    return np.pad(payoff, extra), np.pad(logit, extra, constant_values=float(np.min(logit)) - UNPLAYED)


def _max_cells(shape: tuple[int, ...], effort: Effort) -> int:
    num_actions, num_columns = shape
    if effort.deadline is not None:
        return 2**60
    if num_actions <= FEW_ACTIONS:
        return MAX_CELLS
    return WORK // (num_actions**2 * num_columns)


def best_prescription(game: NormalFormGame, follower: AbstractFollower, effort: Effort) -> Solution:
    """The best commitment that may depend on what the follower does."""
    started = time.perf_counter()
    program = quantal_program(game, follower)
    check_memory(program, effort.memory_limit)
    solved = best_prescriptions(program.payoff, program.logit)
    # The bound for the sharpest logits that can be computed with holds for all sharper ones.
    upper = solved.upper if program.is_searchable else strong_bound(program.logit, program.payoff)
    found = Found(np.asarray(solved.commitment), float(upper), "Dinkelbach's iteration on concave envelopes", 0, "")
    return certified(game, follower, program, found, effort.tolerance, time.perf_counter() - started)


def certified(
    game: NormalFormGame,
    follower: AbstractFollower,
    program: QuantalProgram,
    found: Found,
    tolerance: float,
    seconds: float,
) -> Solution:
    """The solution with everything that can be recomputed on the game's own payoffs recomputed."""
    response = np.asarray(follower(game, found.commitment))
    problem = game.induce(found.commitment)
    value = float(game.leader_value(found.commitment, response))
    upper = max(program.restore(found.upper) + program.rounding, value)
    span = program.restore(program.span) - program.restore(0.0)
    is_closed = upper - value <= tolerance * span + 2.0 * program.rounding
    follower_value, best_value = float(problem.value(response)), float(problem.value(problem.best_response()))
    status, notes = ("optimal" if is_closed else "bounded"), []
    if not np.isfinite(program.precision):
        status = "supremum" if is_closed else "bounded"
        notes.append(SUPREMUM)
    if found.stopped:
        notes.append(f"The search stopped early: {found.stopped}.")
    if not is_closed:
        notes.append(FLOOR)
    return Solution(
        commitment=found.commitment,
        response=response,
        leader_value=Estimate(value, value, upper, status),
        follower_value=Estimate.exact(follower_value),
        certificate=Certificate(
            lower=value,
            upper=upper,
            follower_regret=max(best_value - follower_value, 0.0),
            status=status,
            method=found.method,
            notes=tuple(notes),
        ),
        method="QuantalStackelberg",
        statistics={"cells": found.cells, "seconds": seconds},
    )


def check_memory(program: QuantalProgram, memory_limit: float) -> None:
    """Estimate what the ascent and the bounds will allocate, before they do."""
    num_rows, num_columns = program.payoff.shape
    table, square = num_rows * num_columns, num_rows * num_rows
    screening = (num_rows + 80) * (num_rows + 2 * num_columns)
    pairs = 4 * square * num_columns if program.is_searchable else 0
    needed = 8 * (20 * table + 20 * square + screening + NUM_STARTS * 6 * (num_rows + num_columns) + pairs)
    if needed > memory_limit:
        raise MemoryBudgetError(
            f"{MemoryBudgetError.code} game: solving {num_rows} × {num_columns} actions needs about {needed:,} bytes; "
            f"at most {int(memory_limit):,} are allowed. Raise memory_limit, or remove actions that nobody would take."
        )


def _distinct_rows(program: QuantalProgram) -> np.ndarray:
    """One of each group of leader's actions that nobody can tell apart: copies make optima into faces."""
    # An appeal that is shifted by the same amount for every follower's action is the same appeal.
    rows = np.hstack([program.payoff, program.appeal - program.appeal[:, :1]])
    _, first = np.unique(rows, axis=0, return_index=True)
    return np.sort(first)
