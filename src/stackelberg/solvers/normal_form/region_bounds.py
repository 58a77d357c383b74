"""Proofs for the programs of `response_programs`: bounds by weak duality, and HiGHS where they do not close."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linprog

from .game_batch import Games
from .response_programs import Answers, Family, program_of


EPS = np.finfo(np.float64).eps

TOLERANCE = 1e-10
"""A larger gap or follower's regret, as a fraction of the payoffs' range, sends a program to HiGHS."""


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


@dataclass(frozen=True)
class Settled:
    """The best program of each game, after everything that could not be certified was solved again.

    - `strategies` `(n, a)`, `actions` `(n,)`: the winner's commitment, and the follower action it is for.
    - `values`, `bounds`: its value on the payoffs, and what no candidate program can exceed.
    - `fallbacks`: how many programs HiGHS solved again.
    """

    strategies: Float[np.ndarray, "n a"]
    actions: Int[np.ndarray, "n"]
    values: Float[np.ndarray, "n"]
    bounds: Float[np.ndarray, "n"]
    fallbacks: Int[np.ndarray, "n"]


def settle(games: Games, family: Family, answers: Answers, candidates: Bool[np.ndarray, "n b"]) -> Settled:
    """Pick the winners by values recomputed on the payoffs; whatever looks doubtful is solved again by HiGHS.

    Doubtful are unfinished programs, bounds that do not close the gap, and a winner whose commitment does not make the
    follower choose its action. Where no commitment at all is found, the candidate with the largest bound wins, with
    NaN for its strategy and minus infinity for its value.
    """
    game = np.arange(games.num_games)
    repaired = np.zeros_like(candidates)
    while True:
        each = np.where(candidates, _values(games, family, answers.strategies), -np.inf)
        bounds = np.where(candidates, upper_bounds(games, family, answers.multipliers), -np.inf)
        action = np.argmax(np.where(np.isneginf(each).all(axis=1, keepdims=True), bounds, each), axis=1)
        strategies, values = answers.strategies[game, action], each[game, action]
        is_wrong = ~(regrets(games, strategies, action) <= TOLERANCE)
        is_winner = np.arange(games.num_columns) == action[:, None]
        doubtful = answers.unfinished | (bounds > values[:, None] + TOLERANCE) | (is_winner & is_wrong[:, None])
        doubtful &= candidates & ~repaired
        if not doubtful.any():
            break
        answers = repair(games, family, answers, doubtful)
        repaired |= doubtful
    return Settled(strategies, action, values, bounds.max(axis=1), repaired.sum(axis=1))


def _values(games: Games, family: Family, strategies: Float[np.ndarray, "n b a"]) -> Float[np.ndarray, "n b"]:
    """What each program's strategy is worth to the leader; minus infinity where it has none."""
    if family == "weak" and games.equal is not None:
        values = np.min(np.where(games.equal, strategies @ np.swapaxes(games.leader, 1, 2), np.inf), axis=2)
    else:
        values = np.einsum("nba,nba->nb", strategies, games.leader)
    return np.where(np.isnan(strategies[:, :, 0]), -np.inf, values)


def regrets(games: Games, strategies: Float[np.ndarray, "n a"], action: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """What the follower could gain by leaving `action`."""
    _, follower = expected(games, strategies)
    return follower.max(axis=1) - at(follower, action)


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
    program = program_of(family == "margin", games.leader[game], games.follower[game], equal, action)
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
