"""The strong equilibrium by one linear program over joint distributions: an independent check."""

from __future__ import annotations

import time

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog
from scipy.sparse import coo_array, csr_array

from ... import _boundary as boundary
from ..._errors import MemoryBudgetError, SolverError
from ..._record import Solution
from ...calculus.precision import exact
from ...games.normal_form import NormalFormGame
from ..base import AbstractSolver
from ..certified import certified
from ..rescale import precision_notes, rescale
from .game_batch import Games
from .multiple_lps import CLOSED, span_and_rounding
from .region_bounds import regrets
from .response_programs import thinness
from .winners import exact_answers, make_exact


class CorrelatedLP(AbstractSolver[NormalFormGame]):
    """The strong Stackelberg equilibrium from the leader-optimal correlated commitment.

    Maximise Σ A[a,b] p[a,b] over distributions p on pairs of actions under which a follower told to play b has no
    reason to play another c: Σ_a p[a,b] (B[a,b] - B[a,c]) >= 0. Its value is that of the strong equilibrium, and any
    column b of p with positive weight, normalised, is an optimal commitment with response b.

    Conitzer and Korzhyk (2011), Section 3. The bound is that of the program's dual, recomputed in float64.

    - `memory_limit`: bytes that the constraint matrix may take, about 24 a b² of them.
    """

    memory_limit: float

    def __init__(self, memory_limit: float = 4e9) -> None:
        self.memory_limit = boundary.real_number("memory_limit", memory_limit, low=0.0, low_open=True)

    @exact
    def __call__(self, game: NormalFormGame) -> Solution:
        """The certified equilibrium of `game`. Raises `MemoryBudgetError` and `SolverError`."""
        started = time.perf_counter()
        self._check_memory(game)
        leader = rescale(np.asarray(game.leader_payoff)[None])
        follower = rescale(np.asarray(game.follower_payoff)[None])
        notes = precision_notes("leader", leader, stacklevel=4) + precision_notes("follower", follower, stacklevel=4)
        payoff, reply = np.asarray(leader.scaled[0]), np.asarray(follower.scaled[0])
        num_columns = payoff.shape[1]
        obedience = _obedience(reply)
        found = linprog(
            -payoff.ravel(),
            A_ub=-obedience,
            b_ub=np.zeros(num_columns**2),
            A_eq=np.ones((1, payoff.size)),
            b_eq=[1.0],
            method="highs-ds",
            options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
        )
        if found.status != 0:
            raise SolverError(f"{SolverError.code} CorrelatedLP: HiGHS stopped without an optimum ({found.message}).")
        joint = np.maximum(found.x, 0.0).reshape(payoff.shape)
        action = int(np.argmax(joint.sum(axis=0)))  # the likeliest column: dividing by its weight loses least
        proposed = joint[:, action] / joint[:, action].sum()
        commitment, answer = _exact(payoff, reply, proposed, action)
        prices = np.maximum(-found.ineqlin.marginals, 0.0)
        rounding = 8.0 * np.finfo(float).eps * (1.0 + prices.sum()) * sum(payoff.shape)
        bound = np.max(payoff.ravel() + obedience.T @ prices) + rounding
        span, rounded = span_and_rounding(np.asarray(game.leader_payoff))
        return certified(
            game,
            commitment,
            (np.arange(num_columns) == answer).astype(np.float64),
            upper=float(np.nextafter(leader.restore(np.array([bound]))[0], np.inf)),
            tolerance=CLOSED * span,
            rounding=rounded,
            solver="CorrelatedLP",
            proof="dual of the correlated program, recomputed in float64",
            notes=("Strong equilibrium: the follower breaks ties in the leader's favour.", *notes),
            open_notes=(
                "The program's answer is exact within its tolerance only, and the follower has a near-tie there. "
                "MultipleLPs decides nearer ones.",
            ),
            statistics={"variables": payoff.size, "seconds": time.perf_counter() - started},
        )

    def _check_memory(self, game: NormalFormGame) -> None:
        num_rows, num_columns = game.shape
        needed = 24.0 * num_rows * num_columns**2
        if needed > self.memory_limit:
            raise MemoryBudgetError(
                f"{MemoryBudgetError.code} leader_payoff: the correlated program of a {num_rows}×{num_columns} game "
                f"would take about {needed / 1e9:.3g} GB; at most {self.memory_limit / 1e9:.3g} GB are allowed. "
                "Use MultipleLPs, or raise `memory_limit`."
            )


def _exact(
    payoff: Float[np.ndarray, "a b"], reply: Float[np.ndarray, "a b"], proposed: Float[np.ndarray, "a"], action: int
) -> tuple[Float[np.ndarray, "a"], int]:
    """The commitment proposed for `action`, moved as little as makes its answer exact, and that answer.

    HiGHS leaves the follower a regret of the size of its own tolerance.
    """
    games, own = Games.build(payoff[None], reply[None], compare=True), np.array([action])
    if regrets(games, proposed[None], own)[0] <= thinness(*games.follower.shape[1:]):
        return proposed, action
    moved, _ = make_exact(games, proposed[None], own)
    choices = np.stack([moved[0], proposed])
    answers = np.concatenate([exact_answers(games, "leader", one[None]) for one in choices])
    best = int(np.argmax([one @ payoff[:, answer] for one, answer in zip(choices, answers, strict=True)]))
    return choices[best], int(answers[best])


def _obedience(reply: np.ndarray) -> csr_array:
    """One row for each ordered pair (told b, tempted by c): B[a,b] - B[a,c] at the variables p[a,b]."""
    num_rows, num_columns = reply.shape
    row, told, tempting = np.indices((num_rows, num_columns, num_columns))
    is_pair = told != tempting
    gain = (reply[:, :, None] - reply[:, None, :])[is_pair]
    constraint = (told * num_columns + tempting)[is_pair]
    variable = (row * num_columns + told)[is_pair]
    return csr_array(coo_array((gain, (constraint, variable)), shape=(num_columns**2, reply.size)))
