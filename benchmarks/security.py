"""The best coverage against a SUQR attacker, certified, against SLSQP from several starts, which proves nothing.

Payoffs are uniform, a fifth of the targets can be guarded. The peer has exact gradients; its best value of all starts
is compared with ours, and at 1,000 targets it is left out (its quadratic programs grow with the cube of the size).
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import softmax

from stackelberg import SUQR, SecurityGame, SecurityLP, security_quantal

from .measure import Row, compare


PEOPLE = SUQR([-9.85, 0.37, 0.15])
STARTS = {10: 8, 25: 8, 100: 2}


def rows() -> list[Row]:
    """One row per number of targets, then the strong equilibrium of the same games."""
    result = []
    for size in (10, 25, 100, 1_000):
        game = random_game(size)
        solution = security_quantal(game, PEOPLE)
        note = f"gap {solution.certificate.gap:.1e}"
        if size in STARTS:
            note += f"; peer's value - ours {slsqp(game, STARTS[size]) - float(solution.leader_value):+.1e}"
        result.append(
            compare(
                "security",
                f"best coverage of {size} targets against SUQR",
                lambda game=game: security_quantal(game, PEOPLE),
                peer=(lambda game=game, size=size: slsqp(game, STARTS[size])) if size in STARTS else None,
                peer_name=f"SciPy SLSQP, {STARTS[size]} starts" if size in STARTS else "",
                repeats=3,
                note=note,
            )
        )
    for size in (10, 25, 100, 1_000):
        game = random_game(size)
        gap = SecurityLP()(game).certificate.gap
        result.append(
            compare(
                "security",
                f"strong equilibrium, {size} targets",
                lambda game=game: SecurityLP()(game),
                note=f"gap {gap:.1e}",
            )
        )
    return result


def random_game(size: int) -> SecurityGame:
    """Uniform payoffs on [-5, 5], in the order that a security game asks for."""
    pairs = np.sort(np.random.default_rng(size).uniform(-5.0, 5.0, (2, 2, size)), axis=1)
    return SecurityGame(pairs[0, 1], pairs[0, 0], pairs[1, 0], pairs[1, 1], size // 5)


def slsqp(game: SecurityGame, starts: int) -> float:
    """The best value over random starts."""
    size = game.num_targets
    slope, gain = -9.85, np.asarray(game.leader_covered) - np.asarray(game.leader_uncovered)
    offset = 0.37 * np.asarray(game.follower_uncovered) + 0.15 * np.asarray(game.follower_covered)

    def loss(coverage):
        share = softmax(offset + slope * coverage)
        payoff = np.asarray(game.leader_uncovered) + gain * coverage
        value = share @ payoff
        return -value, -share * (slope * (payoff - value) + gain)

    rng = np.random.default_rng(0)
    best = -np.inf
    for _ in range(starts):
        start = np.minimum(rng.dirichlet(np.ones(size)) * float(game.resources), 1.0)
        budget = {"type": "ineq", "fun": lambda x: float(game.resources) - np.sum(x), "jac": lambda x: -np.ones(size)}
        done = minimize(loss, start, jac=True, method="SLSQP", bounds=[(0.0, 1.0)] * size, constraints=budget)
        best = max(best, -float(done.fun))
    return best
