"""One normal form against a logit follower: the best strategy, with a proof as tight as the effort allows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..._errors import MemoryBudgetError
from ..._record import Solution
from ...calculus.simplex import choice_on_host
from ...followers.base import AbstractFollower
from ...games.normal_form import NormalFormGame
from ..certified import certified
from .ascent import NUM_STARTS, ascend, screened
from .branch_and_bound import branch_and_bound
from .cells import finest_tolerance
from .margins import margin_bound
from .prescription import best_prescriptions, strong_bound
from .program import AIM, QuantalProgram, quantal_program
from .shapes import padded_games, rounded_shape


FEW_ACTIONS = 4
MAX_CELLS = 2**19
WORK = 2**24
"""Beyond `FEW_ACTIONS` and without a time limit: cells × their cost, some seconds of work."""

FORCED = "nothing to choose: a pure commitment is best"
LATE = 1.0
"""Seconds by which a time limit may be missed without a word."""

SUPREMUM = (
    "At an infinite inverse temperature the follower breaks exact ties evenly: the best value is approached by "
    "commitments under which it strictly prefers its answer, not attained."
)
TOO_SHARP = "at so large an inverse temperature rounding hides what a finer search would look for"
FLOOR = "The gap that remains is proven, not estimated: the optimum may be the value found."
LONGER = "With a time limit the search goes on for that long."


@dataclass(frozen=True)
class Effort:
    """How precisely and how long to work: relative tolerance, deadline (`time.monotonic()`), bytes."""

    tolerance: float
    deadline: float | None
    memory_limit: float

    def lateness(self) -> float:
        """Seconds since the deadline; negative before it, and minus infinity without one."""
        return -np.inf if self.deadline is None else time.monotonic() - self.deadline

    def is_over(self) -> bool:
        """Whether the deadline has passed."""
        return self.lateness() >= 0.0


class Found(NamedTuple):
    """A commitment and what is proven, on the program's scale."""

    commitment: Float[np.ndarray, "*b a"]
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
    return quantal_solution(game, follower, program, found, effort, time.perf_counter() - started)


def search(program: QuantalProgram, effort: Effort) -> Found:
    """Ascent for the value; prescriptions, linear programs and branch and bound for the bound, until they meet."""
    kept = _distinct_rows(program)
    if program.payoff.shape[1] == 1 or len(kept) == 1:
        return _forced(program)
    payoff, logit = program.payoff[kept], program.logit[kept]
    tolerance = effort.tolerance * program.span
    margins = margin_bound(program)
    climb = _screen_one if effort.is_over() else _ascend_one
    commitment, value = climb(payoff, logit, margins.commitments[:, kept])
    upper, method, cells, stopped = margins.upper, "linear programs with a slack", 0, ""
    if upper - value > tolerance and program.is_searchable:
        result = branch_and_bound(
            payoff[None],
            logit[None],
            commitment[None],
            np.array([value]),
            np.array([upper]),
            tolerance=AIM * tolerance,
            deadline=np.inf if effort.deadline is None else effort.deadline,
            max_cells=most_cells(payoff.shape, effort),
            max_bytes=0.5 * effort.memory_limit,
        )
        cells, stopped = result.cells, result.stopped
        if result.upper[0] < upper:
            upper, method = float(result.upper[0]), "branch and bound over the simplex"
        if result.value[0] > value:
            climb = _screen_one if effort.is_over() else _ascend_one
            commitment, value = climb(payoff, logit, result.commitment)
        if not stopped and finest_tolerance(logit) > tolerance:
            stopped = TOO_SHARP
    if upper - value > tolerance and program.is_searchable and len(kept) > FEW_ACTIONS and not effort.is_over():
        relaxed = float(best_prescriptions(*padded_games(payoff, logit, *rounded_shape(1, *payoff.shape)[1:])).upper)
        if not relaxed >= upper:
            upper, method = relaxed, "prescriptions, which are never worth less"
    full = np.zeros(program.payoff.shape[0])
    full[kept] = commitment
    return Found(full, upper, method, cells, stopped)


def _forced(program: QuantalProgram) -> Found:
    """Where the follower has one action only, or nobody can tell the leader's apart."""
    best = int(np.argmax(program.payoff[:, 0])) if program.payoff.shape[1] == 1 else 0
    shortfall = program.appeal[best] - np.max(program.appeal[best])
    with np.errstate(invalid="ignore"):
        choice, _ = choice_on_host(np.where(shortfall < 0.0, program.precision * shortfall, 0.0))
    return Found(np.eye(len(program.payoff))[best], float(choice @ program.payoff[best]), FORCED, 0, "")


def _ascend_one(
    payoff: Float[np.ndarray, "a b"], logit: Float[np.ndarray, "a b"], candidates: Float[np.ndarray, "k a"]
) -> tuple[Float[np.ndarray, "a"], float]:
    climbed = ascend(payoff[None, None], logit[None, None], np.ones((1, 1)), candidates[None])
    return climbed.commitment[0], float(climbed.value[0])


def _screen_one(
    payoff: Float[np.ndarray, "a b"], logit: Float[np.ndarray, "a b"], candidates: Float[np.ndarray, "k a"]
) -> tuple[Float[np.ndarray, "a"], float]:
    """The best of the candidates and of the commitments that an ascent would start from; nothing is compiled."""
    tried = np.vstack([candidates, screened(len(payoff))])
    choice, _ = choice_on_host(tried @ logit)
    value = np.sum(choice * (tried @ payoff), axis=1)
    best = int(np.argmax(value))
    return tried[best], float(value[best])


def most_cells(shape: tuple[int, ...], effort: Effort) -> int:
    """Where a search stops: nowhere before a deadline, otherwise after some seconds of work."""
    _, num_actions, num_columns = rounded_shape(1, *shape)
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
    num_rows, num_columns = program.payoff.shape
    payoff, logit = padded_games(program.payoff, program.logit, *rounded_shape(1, num_rows, num_columns)[1:])
    solved = best_prescriptions(payoff, logit)
    commitment = np.array(solved.commitment)[:num_columns]
    commitment[:, num_rows - 1] += commitment[:, num_rows:].sum(axis=1)  # what was added are copies of the last row
    # The bound for the sharpest logits that can be computed with holds for all sharper ones.
    upper = solved.upper if program.is_searchable else strong_bound(program.logit, program.payoff)
    found = Found(commitment[:, :num_rows], float(upper), "Dinkelbach's iteration on concave envelopes", 0, "")
    return quantal_solution(game, follower, program, found, effort, time.perf_counter() - started)


def quantal_solution(
    game: NormalFormGame,
    follower: AbstractFollower,
    program: QuantalProgram,
    found: Found,
    effort: Effort,
    seconds: float,
) -> Solution:
    """The solution with its certificate on the game's own payoffs."""
    response = np.asarray(follower(game, found.commitment))
    value = float(game.leader_value(found.commitment, response))
    size = program.restore(1.0) - program.restore(0.0)
    upper = program.restore(found.upper) + program.rounding
    if found.method == FORCED or upper < value <= upper + size * program.noise:
        upper = value  # the follower's answer was rounded: at large inverse temperatures that moves the value itself
    notes = [] if np.isfinite(program.precision) else [SUPREMUM]
    if found.stopped:
        notes.append(f"The search stopped early: {found.stopped}.")
    may_go_on = effort.deadline is None and found.cells > 0 and found.stopped != TOO_SHARP
    if effort.lateness() > LATE:
        notes.append(
            f"The time limit was missed by {effort.lateness():.1f} s: compiling, once for each shape of game, is not "
            "interrupted."
        )
    return certified(
        game,
        found.commitment,
        response,
        upper=upper,
        tolerance=effort.tolerance * program.span * size,
        rounding=2.0 * program.rounding,
        solver="QuantalStackelberg",
        proof=found.method,
        closed="optimal" if np.isfinite(program.precision) else "supremum",
        notes=tuple(notes),
        open_notes=(FLOOR, LONGER) if may_go_on else (FLOOR,),
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
