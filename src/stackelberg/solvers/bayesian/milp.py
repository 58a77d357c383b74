"""Strong Stackelberg equilibria of Bayesian games by one mixed-integer program, its answer never trusted alone."""

from __future__ import annotations

import time

import numpy as np
from jaxtyping import Float
from scipy import sparse
from scipy.optimize import Bounds, OptimizeResult, milp

from ... import _boundary as boundary
from ..._errors import MemoryBudgetError
from ..._record import Solution
from ...calculus.precision import exact
from ...games.bayesian import BayesianGame
from ..base import AbstractSolver
from ..certified import certified
from ..markov.stages import deadline_after
from ..rescale import precision_notes, rescale
from .type_enumeration import CLOSE, Answers, alone_bounds, answered, best_answers, rounding_of


ALLOWANCE = 1e-6
"""Added to the program's dual bound, in units of the leader's payoff range: HiGHS's feasibility tolerance."""

MEMORY_LIMIT = 8e9

CLOSING = 1000
"""Linear programs spent on a bound that is closer than the program's."""

BY_PROGRAM = (
    "The upper bound is that of the mixed-integer program and includes its solver's feasibility tolerance, 1e-6 of the "
    "leader's payoff range."
)

OBJECTIVE_SCALE = 1024.0
"""HiGHS stops at an absolute gap of 1e-6, which SciPy cannot change; a larger objective makes it a smaller gap."""


class BayesianMILP(AbstractSolver[BayesianGame]):
    """Solves a Bayesian game by a mixed-integer linear program (HiGHS), ties in the leader's favour.

    One binary variable for each type and action says what that type answers. Products of the leader's probabilities
    with those are linearised, and big-M constraints, as tight as the rescaled payoffs allow, make every answer a best
    one. The program only *proposes* the types' answers: the commitment is found again by a linear program for exactly
    those answers, and both players' values are computed on the original payoffs.

    - `time_limit`: seconds, after which the best answer so far is returned with the gap that is proven by then.

    The program is that of Paruchuri et al. (2008), Section 3.1 (DOBSS). Departures: each type's payoffs are rescaled to
    [0, 1] (which changes no best response), M is the largest advantage of any other action in any row instead of a
    large number, and for each pair of answers we add the valid inequality "where b is answered, b' is no better"
    (Casorrán et al. 2019), which tightens the relaxation.
    """

    time_limit: float | None

    def __init__(self, time_limit: float | None = None) -> None:
        self.time_limit = None if time_limit is None else boundary.real_number("time_limit", time_limit, low=0.0)

    @exact
    def __call__(self, game: BayesianGame) -> Solution:
        """A commitment that no other beats, or the best one found within `time_limit`."""
        started, deadline = time.perf_counter(), deadline_after(self.time_limit)
        num_types, num_rows, num_columns = game.shape
        _check_memory(num_types * num_rows * num_columns * (num_columns + 8))
        leader = rescale(np.reshape(game.leader_payoff, (1, num_types * num_rows, num_columns)))
        follower = rescale(np.asarray(game.follower_payoff))
        weighted = np.asarray(game.prior)[:, None, None] * leader.scaled.reshape(game.shape)
        result = _program(weighted, follower.scaled, self.time_limit)
        commitment, response = _read_off(game, result, weighted, follower.scaled)
        proposed = 1.0 if result.mip_dual_bound is None else -result.mip_dual_bound / OBJECTIVE_SCALE + ALLOWANCE
        closing = _close(weighted, follower.scaled, _worth(weighted, commitment, response), deadline)
        if closing.strategy is not None:
            again = closing.strategy, np.eye(num_columns)[list(closing.answers)]
            if _worth(weighted, *again) > _worth(weighted, commitment, response):
                commitment, response = again
        upper = min(proposed, closing.upper, 1.0)
        return certified(
            game,
            commitment,
            response,
            upper=float(leader.restore(np.array([upper]))[0]),
            tolerance=float(leader.restore_difference(np.array([CLOSE]))[0]),
            rounding=rounding_of(game),
            solver="BayesianMILP",
            proof="mixed-integer program (HiGHS) for the answers, linear program for the commitment; upper bound: "
            + ("linear programs by weak duality" if closing.upper <= proposed else "the mixed-integer program's"),
            notes=precision_notes("leader", leader) + precision_notes("follower", follower),
            open_notes=(BY_PROGRAM,) if proposed < min(closing.upper, 1.0) else (),
            statistics={
                "seconds": time.perf_counter() - started,
                "nodes": int(result.mip_node_count or 0),
                "binaries": num_types * num_columns,
                "linear_programs": closing.num_programs,
                "stopped_early": result.status == 1,
            },
        )


def _worth(
    weighted: Float[np.ndarray, "t a b"], commitment: Float[np.ndarray, "a"], response: Float[np.ndarray, "t b"]
) -> float:
    return float(np.einsum("a,tab,tb->", commitment, weighted, response))


def _close(
    weighted: Float[np.ndarray, "t a b"], follower: Float[np.ndarray, "t a b"], known: float, deadline: float
) -> Answers:
    """A bound free of the program's tolerances: the search of `TypeEnumeration`, as far as it is cheap."""
    num_types, _, num_columns = weighted.shape
    if num_types * num_columns > CLOSING or time.monotonic() > deadline:
        return Answers((), None, 1.0, 0)
    alone = alone_bounds(weighted, follower, deadline)
    return best_answers(weighted, follower, alone, known, CLOSING, deadline)


def _check_memory(num_entries: int) -> None:
    """Refuse a program whose constraint matrix would not fit, before it is built (about 80 bytes an entry)."""
    needed = 80.0 * num_entries
    if needed > MEMORY_LIMIT:
        raise MemoryBudgetError(
            f"{MemoryBudgetError.code} game: its mixed-integer program would have {num_entries:.3g} entries and take "
            f"{needed / 1e9:.3g} GB; at most {MEMORY_LIMIT / 1e9:.3g} GB are allowed. Leave out dominated actions or "
            "merge types."
        )


def _read_off(
    game: BayesianGame,
    result: OptimizeResult,
    weighted: Float[np.ndarray, "t a b"],
    follower: Float[np.ndarray, "t a b"],
) -> tuple[Float[np.ndarray, "a"], Float[np.ndarray, "t b"]]:
    """The commitment found again for the answers that the program proposes.

    Where it proposes none (stopped early), or answers that are best ones only within its tolerance, the commitment that
    it proposes (or the uniform one) is taken with exact best responses to it.
    """
    _, num_rows, num_columns = weighted.shape
    strategy = np.asarray(game.uniform_commitment())
    if result.x is not None:
        z = result.x[num_rows : num_rows + weighted.size].reshape(weighted.shape)
        action = np.argmax(z.sum(axis=1), axis=1)
        commitment, _ = answered(weighted, follower, tuple(int(b) for b in action))
        if commitment is not None:
            return commitment, np.eye(num_columns)[action]
        strategy = np.maximum(result.x[:num_rows], 0.0)
        strategy = strategy / strategy.sum()
    return strategy, np.asarray(game.induce(strategy).best_response())


def _program(
    weighted: Float[np.ndarray, "t a b"], follower: Float[np.ndarray, "t a b"], time_limit: float | None
) -> OptimizeResult:
    """The program in x (a), z (t a b) = x × answer, answer (t b), value (t), all of them in [0, 1]."""
    num_types, num_rows, num_columns = weighted.shape
    types, rows, columns = (sparse.eye_array(size) for size in weighted.shape)
    sums_over_columns = sparse.kron(types, sparse.kron(rows, np.ones((1, num_columns))))
    sums_over_rows = sparse.kron(types, sparse.kron(np.ones((1, num_rows)), columns))
    payoff = sparse.coo_array(follower.transpose(0, 2, 1).reshape(num_types * num_columns, num_rows))
    own_value = sparse.kron(types, np.ones((num_columns, 1)))
    most = np.max(np.max(follower, axis=2, keepdims=True) - follower, axis=1).ravel()
    rows_of_constraints = [
        ([np.ones((1, num_rows)), None, None, None], 1.0, 1.0),
        ([-sparse.kron(np.ones((num_types, 1)), rows), sums_over_columns, None, None], 0.0, 0.0),
        ([None, sums_over_rows, -sparse.eye_array(num_types * num_columns), None], 0.0, 0.0),
        ([-payoff, None, sparse.diags_array(most), own_value], -np.inf, most),
        ([-payoff, None, None, own_value], 0.0, np.inf),
        ([None, _advantages(follower), None, None], 0.0, np.inf),
    ]
    matrix = sparse.block_array([blocks for blocks, _, _ in rows_of_constraints], format="csc")
    heights = [1, num_types * num_rows, *3 * [num_types * num_columns], num_types * num_columns**2]
    low, high = (
        np.concatenate(
            [np.broadcast_to(row[end], height) for row, height in zip(rows_of_constraints, heights, strict=True)]
        )
        for end in (1, 2)
    )
    is_answer = np.repeat([0, 0, 1, 0], [num_rows, weighted.size, num_types * num_columns, num_types])
    cost = np.zeros(is_answer.size)
    cost[num_rows : num_rows + weighted.size] = -OBJECTIVE_SCALE * weighted.ravel()
    options = {"mip_rel_gap": 0.0} | ({} if time_limit is None else {"time_limit": time_limit})
    constraints = (matrix, low, high)
    return milp(
        cost,
        integrality=is_answer,
        bounds=Bounds(0.0, 1.0),
        constraints=constraints,
        options=options,
    )


def _advantages(follower: Float[np.ndarray, "t a b"]) -> sparse.csc_array:
    """One row for each type and pair b, b': the advantage of b over b' on the part of the commitment that b answers."""
    num_types, num_rows, num_columns = follower.shape
    difference = follower[:, :, :, None] - follower[:, :, None, :]
    t, a, b, other = np.indices(difference.shape).reshape(4, -1)
    row = (t * num_columns + b) * num_columns + other
    column = (t * num_rows + a) * num_columns + b
    shape = (num_types * num_columns**2, follower.size)
    return sparse.coo_array((difference.ravel(), (row, column)), shape=shape).tocsc()
