"""Strong Stackelberg equilibria of small Bayesian games by enumerating what each type answers."""

from __future__ import annotations

import heapq
import time
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import OptimizeResult, linprog

from .. import _boundary as boundary
from .._errors import InputError, SolverError
from .._record import Certificate, Estimate, Solution
from ..calculus.precision import exact
from ..games.bayesian import BayesianGame
from .base import AbstractSolver
from .rescale import precision_notes, rescale


ALLOWANCE = 1e-9
"""Error allowed to one linear program, in units of the leader's payoff range."""


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
        types, columns = range(num_types), range(num_columns)
        alone = np.array([[_alone(weighted, follower.scaled, t, b) for b in columns] for t in types])
        num_vectors = np.prod(np.isfinite(alone).sum(axis=1), dtype=float)
        if num_vectors > self.max_vectors:
            raise InputError(
                boundary.RANGE,
                "game",
                found=f"its types can answer in {num_vectors:.3g} ways",
                allowed=f"at most {self.max_vectors} are enumerated",
                remedy="Use BayesianMILP, or raise max_vectors.",
            )
        best, strategy, num_programs = _search(weighted, follower.scaled, alone)
        response = np.eye(num_columns)[list(best.answers)]
        problem = game.induce(strategy)
        lower, follower_value = float(game.leader_value(strategy, response)), float(problem.value(response))
        upper = float(leader.restore(np.array([min(best.bound + ALLOWANCE, 1.0)]))[0])
        certificate = Certificate(
            lower=lower,
            upper=max(upper, lower),
            follower_regret=max(float(problem.value(problem.best_response())) - follower_value, 0.0),
            status="optimal",
            method="every type-contingent response, by linear programs (HiGHS) searched best first, original payoffs",
            notes=precision_notes("leader", leader) + precision_notes("follower", follower),
        )
        statistics = {
            "seconds": time.perf_counter() - started,
            "vectors": int(num_vectors),
            "linear_programs": num_programs + alone.size,
        }
        return Solution(
            strategy,
            response,
            Estimate.exact(lower),
            Estimate.exact(follower_value),
            certificate,
            "TypeEnumeration",
            statistics,
        )


class _Node(NamedTuple):
    """The types answered for so far, and what the leader gets at most: kept in a heap, hence the sign and the order."""

    negative_bound: float
    depth: int
    answers: tuple[int, ...]
    is_solved: bool

    @property
    def bound(self) -> float:
        return -self.negative_bound


def _search(
    weighted: Float[np.ndarray, "t a b"], follower: Float[np.ndarray, "t a b"], alone: Float[np.ndarray, "t b"]
) -> tuple[_Node, Float[np.ndarray, "a"], int]:
    """Best-first search. A prefix is solved only when it comes to the top on its cheap bound."""
    num_types = len(weighted)
    rest = np.append(np.cumsum(alone.max(axis=1)[::-1])[::-1], 0.0)
    heap, num_programs = [_Node(-rest[0], 0, (), True)], 0
    strategies: dict[tuple[int, ...], np.ndarray] = {}
    while heap:
        node = heapq.heappop(heap)
        depth = len(node.answers)
        if not node.is_solved:
            result = _program(weighted, follower, node.answers)
            num_programs += 1
            if result.x is not None:
                strategies[node.answers] = result.x[:-depth]
                heapq.heappush(heap, _Node(result.fun - rest[depth], -depth, node.answers, True))
        elif depth == num_types:
            strategy = np.maximum(strategies[node.answers], 0.0)
            return node, strategy / strategy.sum(), num_programs
        else:
            own = node.bound - rest[depth]
            for action in np.flatnonzero(np.isfinite(alone[depth])):
                bound = own + alone[depth, action] + rest[depth + 1]
                heapq.heappush(heap, _Node(-bound, -depth - 1, (*node.answers, int(action)), False))
    raise SolverError(f"{SolverError.code} TypeEnumeration: no vector of answers was found feasible by HiGHS.")


def _alone(weighted: Float[np.ndarray, "t a b"], follower: Float[np.ndarray, "t a b"], t: int, action: int) -> float:
    """What the leader gets at most from type t when it answers by `action` (-∞ when it never would)."""
    result = _program(weighted[t : t + 1], follower[t : t + 1], (action,))
    return -np.inf if result.x is None else -result.fun


def _program(
    weighted: Float[np.ndarray, "t a b"], follower: Float[np.ndarray, "t a b"], answers: tuple[int, ...]
) -> OptimizeResult:
    """The best commitment to which the first types answer as given, in x and one value for each of those types."""
    depth, num_rows, num_columns = len(answers), *follower.shape[1:]
    types, action = np.arange(depth), np.array(answers)
    cost = np.append(-weighted[types, :, action].sum(axis=0), np.zeros(depth))
    values = np.repeat(np.eye(depth), num_columns, axis=0)
    all_payoffs = follower[:depth].transpose(0, 2, 1).reshape(-1, num_rows)
    no_better = np.hstack([all_payoffs, -values])
    no_worse = np.hstack([-follower[types, :, action], np.eye(depth)])
    return linprog(
        cost,
        A_ub=np.vstack([no_better, no_worse]),
        b_ub=np.zeros(len(no_better) + depth),
        A_eq=np.append(np.ones(num_rows), np.zeros(depth))[None],
        b_eq=[1.0],
        bounds=(0.0, 1.0),
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
