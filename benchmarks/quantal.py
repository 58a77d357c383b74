"""The quantal optimum of random games: strategies against SciPy's SLSQP from 8 starts, prescriptions, certified search.

Payoffs are uniform, the inverse temperature is 5. The peer has the exact gradient and solves a sample of the same
games; the note says by how much its best value exceeds ours at most (below 0: never). Run with one thread.
"""

from __future__ import annotations

import functools

import numpy as np
from scipy.optimize import minimize

from stackelberg import best_prescriptions, quantal_batch

from .measure import Row, compare


RATE = 5.0
STARTS = 8
SIZES = {10: (1_000, 10, 0.3e-3), 50: (10, 2, None), 100: (1, 1, 0.05)}


def rows() -> list[Row]:
    """Strategies at three sizes, prescriptions, and certified strategies of four actions."""
    result = [strategies(size, *SIZES[size]) for size in SIZES]
    leader, follower = random_games(1_000, 10, 10)
    result.append(
        compare(
            "quantal",
            "best prescription, 10×10, exact",
            lambda: best_prescriptions(leader, RATE * follower),
            units=1_000,
            target=0.02e-3,
            note="1,000 stages in one call; no peer",
        )
    )
    few_leader, few_follower = random_games(100, 4, 4)
    gap = float(np.max(quantal_batch(few_leader, few_follower, RATE).gaps))
    result.append(
        compare(
            "quantal",
            "best strategy, 4×4, certified",
            lambda: quantal_batch(few_leader, few_follower, RATE),
            units=100,
            note=f"100 games in one call; largest gap {gap:.1e}; no peer",
        )
    )
    return result


def strategies(size: int, num_games: int, sampled: int, target: float | None) -> Row:
    """One size, against the peer; ours includes the bound by prescriptions."""
    leader, follower = random_games(num_games, size, size)
    ours = functools.partial(quantal_batch, leader, follower, RATE)
    found = ours().leader_values
    excess = max(slsqp(leader[game], follower[game]) - float(found[game]) for game in range(sampled))
    return compare(
        "quantal",
        f"best strategy, {size}×{size}",
        ours,
        peer=lambda: [slsqp(leader[game], follower[game]) for game in range(sampled)],
        peer_name=f"SciPy SLSQP, {STARTS} starts",
        units=num_games,
        peer_units=sampled,
        repeats=3,
        target=target,
        note=f"{num_games} games in one call; the peer's value minus ours at most {excess:.1e}",
    )


def random_games(count: int, num_rows: int, num_columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Uniform payoffs, always the same."""
    leader, follower = np.random.default_rng(0).random((2, count, num_rows, num_columns))
    return leader, follower


def slsqp(leader: np.ndarray, follower: np.ndarray) -> float:
    """The best value that the peer finds from random starts."""
    num_rows = len(leader)
    rng = np.random.default_rng(1)

    def loss(strategy: np.ndarray) -> tuple[float, np.ndarray]:
        appeal = RATE * (strategy @ follower)
        weights = np.exp(appeal - appeal.max())
        choice, paid = weights / weights.sum(), strategy @ leader
        value = choice @ paid
        return -value, -(leader @ choice + RATE * (follower @ (choice * (paid - value))))

    total = {"type": "eq", "fun": lambda strategy: strategy.sum() - 1.0, "jac": np.ones_like}
    best = -np.inf
    for start in rng.dirichlet(np.ones(num_rows), STARTS):
        end = minimize(
            loss, start, jac=True, method="SLSQP", bounds=[(0.0, 1.0)] * num_rows, constraints=total,
            options={"maxiter": 500, "ftol": 1e-12},
        )  # fmt: skip
        strategy = np.maximum(end.x, 0.0)
        best = max(best, -loss(strategy / strategy.sum())[0])
    return best
