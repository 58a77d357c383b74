"""Strong and weak equilibria of random games, every follower action's program certified, against a loop over SciPy.

Payoffs are uniform. "every program to its end" switches off the cut-off at the best value found so far, from which
uniform payoffs gain more than others would; the certificate is the same. The peer solves a sample of the programs of
the same games, and its time is scaled to all of them. Run with one thread: two spin when another job holds a core.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from stackelberg import solve_batch

from .measure import Row, compare


TARGETS = {10: 50e-6, 50: None, 100: 10e-3, 300: 0.25}
SAMPLED_PROGRAMS = {10: 20, 50: 20, 100: 10, 300: 2}


def rows() -> list[Row]:
    """One row per size, with and without the cut-off, and the weak equilibrium."""
    result = []
    for size, num_games in ((10, 1_000), (50, 20), (100, 1), (300, 1)):
        leader, follower = random_games(num_games, size)
        error = agreement(leader, follower, SAMPLED_PROGRAMS[size])
        for cut_off in (True, False):
            kind = "" if cut_off else ", every program to its end"
            result.append(
                compare(
                    "exact_solvers",
                    f"strong equilibrium, {size}×{size}{kind}",
                    lambda leader=leader, follower=follower, cut_off=cut_off: solve_batch(
                        leader, follower, cut_off=cut_off
                    ),
                    peer=lambda leader=leader, follower=follower, size=size: programs(
                        leader, follower, SAMPLED_PROGRAMS[size]
                    ),
                    peer_name="SciPy linprog, HiGHS",
                    units=num_games,
                    peer_units=SAMPLED_PROGRAMS[size] / size,
                    target=TARGETS[size],
                    note=f"{num_games} games in one call; largest gap {error:.1e}",
                )
            )
    leader, follower = random_games(1_000, 10)
    result.append(
        compare(
            "exact_solvers",
            "weak equilibrium, 10×10",
            lambda: solve_batch(leader, follower, ties="adversary"),
            units=1_000,
            note="1,000 games in one call; no peer",
        )
    )
    return result


def random_games(count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Payoffs of `count` games, uniform on [0, 1]."""
    rng = np.random.default_rng(size)
    return rng.random((count, size, size)), rng.random((count, size, size))


def programs(leader: np.ndarray, follower: np.ndarray, count: int) -> np.ndarray:
    """The values of the first `count` programs, one `linprog` each; minus infinity where infeasible."""
    size = leader.shape[2]
    return np.array([program(leader[k // size], follower[k // size], k % size) for k in range(count)])


def program(leader: np.ndarray, follower: np.ndarray, action: int) -> float:
    """The leader's best value among commitments to which `action` is a best response."""
    found = linprog(
        -leader[:, action],
        A_ub=(follower - follower[:, [action]]).T,
        b_ub=np.zeros(follower.shape[1]),
        A_eq=np.ones((1, leader.shape[0])),
        b_eq=[1.0],
    )
    return -np.inf if found.fun is None else -found.fun


def agreement(leader: np.ndarray, follower: np.ndarray, count: int) -> float:
    """The largest certified gap; and no program of the peer may exceed our bound."""
    found = solve_batch(leader, follower)
    peers = programs(leader, follower, count)
    bounds = np.repeat(found.upper_bounds, leader.shape[2])[:count]
    if np.any(peers > bounds + 1e-9):
        raise AssertionError("A program of the peer is worth more than our certified bound.")
    return float(np.max(found.upper_bounds - found.leader_values))
