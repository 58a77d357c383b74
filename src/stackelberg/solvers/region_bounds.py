"""Proofs for the programs of `response_programs`: bounds by weak duality, and HiGHS where they do not close."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linprog

from .response_programs import Answers, Family, Games, program_of


EPS = np.finfo(np.float64).eps


def upper_bounds(games: Games, family: Family, multipliers: Float[np.ndarray, "n b c"]) -> Float[np.ndarray, "n b"]:
    """No commitment that makes the follower choose b gives the leader more than entry b, rounding included.

    For multipliers y >= 0 (those of equal columns summing to 1 at most) and every x that makes b a best response,

        A_b x <= A_b x + sum over c of y_c (B_b - B_c) x <= max over rows of the same expression,

    with A_c - A_b in place of B_b - B_c for the columns c equal to b in the weak family. Whatever produced the
    multipliers, the bound holds; the rounding of these few sums is bounded and added.
    """
    hard = np.maximum(multipliers, 0.0)
    values = games.leader
    if family == "weak" and games.equal is not None:
        soft = np.where(games.equal, hard, 0.0)
        hard = np.where(games.equal, 0.0, hard)
        soft = soft / np.maximum(soft.sum(axis=2, keepdims=True) * (1.0 + 4.0 * EPS), 1.0)
        values = values * (1.0 - soft.sum(axis=2, keepdims=True)) + soft @ games.leader
    total = hard.sum(axis=2)
    values = values + total[:, :, None] * games.follower - hard @ games.follower
    return values.max(axis=2) + (games.num_columns + 8) * EPS * (2.0 + 2.0 * total)


def repair(games: Games, family: Family, answers: Answers, doubtful: Bool[np.ndarray, "n b"]) -> Answers:
    """The `doubtful` programs solved again by HiGHS, one by one."""
    if not doubtful.any():
        return answers
    strategies, values = answers.strategies.copy(), answers.values.copy()
    multipliers, unfinished = answers.multipliers.copy(), answers.unfinished.copy()
    for game, action in np.argwhere(doubtful):
        answer = _by_highs(games, family, int(game), int(action))
        strategies[game, action], values[game, action], multipliers[game, action] = answer
        unfinished[game, action] = False
    return dataclasses.replace(
        answers, strategies=strategies, values=values, multipliers=multipliers, unfinished=unfinished
    )


def _by_highs(
    games: Games, family: Family, game: int, action: int
) -> tuple[Float[np.ndarray, "a"], float, Float[np.ndarray, "b"]]:
    """Strategy, value and multipliers of one program; NaN and a proof of infeasibility where it has no solution."""
    equal = None if games.equal is None else games.equal[game]
    program = program_of(family, games.leader[game], games.follower[game], equal, action)
    cost, rows = np.asarray(program.cost), np.asarray(program.rows)
    num_columns, num_rows = rows.shape
    soft = np.zeros(num_columns) if program.soft is None else np.asarray(program.soft, dtype=np.float64)
    found = linprog(
        np.append(-cost, 1.0),
        A_ub=-np.hstack([rows, soft[:, None]]),
        b_ub=np.zeros(num_columns),
        A_eq=np.append(np.ones(num_rows), 0.0)[None, :],
        b_eq=[1.0],
        method="highs-ds",
    )
    if found.status == 0:
        strategy = np.maximum(found.x[:-1], 0.0)
        return strategy / strategy.sum(), -float(found.fun), np.maximum(-found.ineqlin.marginals, 0.0)
    # Infeasible: a mixture of the other columns beats b in every row. The largest such lead gives the multipliers.
    lead = linprog(
        np.append(np.zeros(num_columns), -1.0),
        A_ub=np.hstack([rows.T, np.ones((num_rows, 1))]),
        b_ub=np.zeros(num_rows),
        A_eq=np.append(np.ones(num_columns), 0.0)[None, :],
        b_eq=[1.0],
        bounds=[(0.0, None)] * num_columns + [(None, None)],
        method="highs-ds",
    )
    ray = np.zeros(num_columns) if lead.status != 0 else np.maximum(lead.x[:-1], 0.0)
    slope = -np.max(ray @ rows)
    length = 2.0 / slope if slope > 0.0 else 0.0
    return np.full(num_rows, np.nan), np.nan, length * ray


def expected(
    games: Games, strategies: Float[np.ndarray, "n a"]
) -> tuple[Float[np.ndarray, "n b"], Float[np.ndarray, "n b"]]:
    """Expected payoffs of the follower's actions to leader and follower, on [0, 1]."""
    mixture = strategies[:, :, None]
    return (games.leader @ mixture)[:, :, 0], (games.follower @ mixture)[:, :, 0]


def at(values: Float[np.ndarray, "n b"], action: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """The entry of each row that `action` names."""
    return np.take_along_axis(values, action[:, None], axis=1)[:, 0]
