"""Strong Stackelberg equilibria of small Bayesian games by enumerating what each type answers."""

from __future__ import annotations

import heapq
import time
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ... import _boundary as boundary
from ..._errors import InputError, SolverError
from ..._record import Solution
from ...calculus.precision import exact
from ...games.bayesian import BayesianGame
from ..base import AbstractSolver
from ..certified import certified
from ..normal_form.answer_program import EPS, best_under
from ..rescale import precision_notes, rescale


CLOSE = 1e-9
"""Gaps within this fraction of the leader's payoff range are closed: what linear programs leave open."""


class TypeEnumeration(AbstractSolver[BayesianGame]):
    """Solves a Bayesian game over all type-contingent responses, ties in the leader's favour.

    Every vector of answers, one for each type, is a linear program: the best commitment to which those are best
    responses (multiple linear programs of Conitzer and Sandholm (2006), Section 4, on the Harsanyi transformation). The
    vectors are searched best first, as a tree that fixes one type after the other: a prefix is worth at most its own
    program plus the prior-weighted value of each remaining type if it were alone, so that most vectors are never looked
    at.

    - `max_vectors`: games with more vectors than this (actions to the power of types, after dropping actions that can
      never be a best response) are refused before work starts.
    """

    max_vectors: int

    def __init__(self, max_vectors: int = 1_000_000) -> None:
        self.max_vectors = boundary.whole_number("max_vectors", max_vectors, low=1)

    @exact
    def __call__(self, game: BayesianGame) -> Solution:
        """The commitment that no other beats. Raises `InputError` when the game is too large to enumerate."""
        started = time.perf_counter()
        num_types, num_rows, num_columns = game.shape
        leader = rescale(np.reshape(game.leader_payoff, (1, num_types * num_rows, num_columns)))
        follower = rescale(np.asarray(game.follower_payoff))
        weighted = np.asarray(game.prior)[:, None, None] * leader.scaled.reshape(game.shape)
        alone = alone_bounds(weighted, follower.scaled)
        num_vectors = np.prod(np.isfinite(alone).sum(axis=1), dtype=float)
        if num_vectors > self.max_vectors:
            raise InputError(
                boundary.RANGE,
                "game",
                found=f"its types can answer in {num_vectors:.3g} ways",
                allowed=f"at most {self.max_vectors} are enumerated",
                remedy="Use BayesianMILP, or raise max_vectors.",
            )
        found = best_answers(weighted, follower.scaled, alone)
        if found.strategy is None:
            raise SolverError(f"{SolverError.code} TypeEnumeration: no vector of answers was found feasible by HiGHS.")
        return certified(
            game,
            found.strategy,
            np.eye(num_columns)[list(found.answers)],
            upper=float(leader.restore(np.array([min(found.upper, 1.0)]))[0]),
            tolerance=float(leader.restore_difference(np.array([CLOSE]))[0]),
            rounding=rounding_of(game),
            solver="TypeEnumeration",
            proof="every type-contingent response, by linear programs (HiGHS) searched best first, weak duality",
            notes=precision_notes("leader", leader) + precision_notes("follower", follower),
            statistics={
                "seconds": time.perf_counter() - started,
                "vectors": int(num_vectors),
                "linear_programs": found.num_programs + alone.size,
            },
        )


class Answers(NamedTuple):
    """What the types answer, the commitment for it (None: nothing beats the value known), and a bound on all others."""

    answers: tuple[int, ...]
    strategy: Float[np.ndarray, "a"] | None
    upper: float
    num_programs: int


class _Node(NamedTuple):
    """The types answered for so far, and what the leader gets at most: kept in a heap, hence the sign and the order."""

    negative_bound: float
    depth: int
    answers: tuple[int, ...]
    is_solved: bool

    @property
    def bound(self) -> float:
        return -self.negative_bound


def best_answers(
    weighted: Float[np.ndarray, "t a b"],
    follower: Float[np.ndarray, "t a b"],
    alone: Float[np.ndarray, "t b"],
    known: float = -np.inf,
    max_programs: int | None = None,
    deadline: float = np.inf,
) -> Answers:
    """Best-first search. A prefix is solved only when it comes to the top on its cheap bound.

    `known` is a value that some commitment has: what cannot beat it is not looked at. After `max_programs` linear
    programs, or at `deadline` (on the monotonic clock), the search stops with the bound that is proven by then.
    """
    num_types = len(weighted)
    rest = np.append(np.cumsum(alone.max(axis=1)[::-1])[::-1], 0.0)
    heap, num_programs = [_Node(-rest[0], 0, (), True)], 0
    strategies: dict[tuple[int, ...], np.ndarray | None] = {}
    ceiling, rounding = known, 8 * num_types * EPS
    while heap and heap[0].bound > ceiling:
        node = heapq.heappop(heap)
        depth = len(node.answers)
        if not node.is_solved:
            if num_programs == max_programs or time.monotonic() > deadline:
                return Answers((), None, node.bound + rounding, num_programs)
            strategy, bound = answered(weighted, follower, node.answers)
            num_programs += 1
            if bound >= 0.0:
                strategies[node.answers] = strategy
                heapq.heappush(heap, _Node(-min(bound + rest[depth], node.bound), -depth, node.answers, True))
        elif depth == num_types:
            strategy = strategies[node.answers]
            if strategy is not None:
                return Answers(node.answers, strategy, node.bound + rounding, num_programs)
            ceiling = max(ceiling, node.bound)  # neither a commitment was found nor a proof that there is none
        else:
            own = node.bound - rest[depth]
            for action in np.flatnonzero(np.isfinite(alone[depth])):
                bound = own + alone[depth, action] + rest[depth + 1]
                heapq.heappush(heap, _Node(-bound, -depth - 1, (*node.answers, int(action)), False))
    return Answers((), None, ceiling + rounding, num_programs)


def alone_bounds(
    weighted: Float[np.ndarray, "t a b"], follower: Float[np.ndarray, "t a b"], deadline: float = np.inf
) -> Float[np.ndarray, "t b"]:
    """What the leader gets at most from each type when it answers by each action; -∞ when it never would.

    Leader's payoffs must be at least 0. What is not reached before `deadline` has a bound that needs no program.
    """
    bounds = weighted.max(axis=1)
    for t, action in np.ndindex(*bounds.shape):
        if time.monotonic() < deadline:
            _, bounds[t, action] = answered(weighted[t : t + 1], follower[t : t + 1], (action,))
    return np.where(bounds < 0.0, -np.inf, bounds)


def rounding_of(game: BayesianGame) -> float:
    """What evaluating one commitment on the game's own payoffs may lose or gain by rounding."""
    return 4.0 * sum(game.shape) * float(np.spacing(np.max(np.abs(game.leader_payoff))))


def answered(
    weighted: Float[np.ndarray, "t a b"], follower: Float[np.ndarray, "t a b"], answers: tuple[int, ...]
) -> tuple[Float[np.ndarray, "a"] | None, float]:
    """The best commitment to which the first types answer as given, and a bound on all such commitments."""
    types, action = np.arange(len(answers)), np.array(answers)
    lead = follower[: len(answers)] - follower[types, :, action][:, :, None]
    others = np.arange(follower.shape[2]) != action[:, None]
    return best_under(weighted[types, :, action].sum(axis=0), lead.transpose(1, 0, 2)[:, others])
