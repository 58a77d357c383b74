"""Strong equilibria of security games in two ways: over sets of guarded targets, and over coverage by HiGHS."""

from itertools import combinations

import numpy as np
from scipy.optimize import linprog

from .exact_equilibrium import strong_value


def by_placements(game):
    """In rational arithmetic: every set of guarded targets is an action of the leader (small games only)."""
    count = len(game.leader_covered)
    guarded = np.array([np.isin(range(count), chosen) for chosen in combinations(range(count), int(game.resources))])
    leader = np.where(guarded, game.leader_covered, game.leader_uncovered)
    follower = np.where(guarded, game.follower_covered, game.follower_uncovered)
    return strong_value(leader, follower)


def by_coverage(game):
    """One linear program for each target that might be attacked, over coverage in [0, 1]^n with a budget."""
    leader_gain, follower_loss = (
        np.asarray(game.leader_covered) - game.leader_uncovered,
        np.asarray(game.follower_covered) - game.follower_uncovered,
    )
    count, best = len(leader_gain), -np.inf
    for target in range(count):
        rows = np.diag(follower_loss)  # payoff of attacking i: uncovered_i + loss_i x_i
        rows[:, target] -= follower_loss[target]
        right = game.follower_uncovered[target] - np.asarray(game.follower_uncovered)
        keep = np.arange(count) != target
        found = linprog(
            -np.eye(count)[target] * leader_gain[target],
            A_ub=np.vstack([rows[keep], np.ones(count)]),
            b_ub=np.append(right[keep], float(game.resources)),
            bounds=(0, 1),
        )
        if found.status == 0:
            best = max(best, game.leader_uncovered[target] - found.fun)
    return best
