"""The quantal optimum by brute force: a grid over the leader's simplex, and an interval by a Lipschitz bound.

NumPy only, all games of a batch at once; shares no code with the package.

Moving probability d from action j to action i changes the leader's value by at most d times

    max_b |U_ib - U_jb| + λ/4 · range_b(R_ib - R_jb) · max_a range_b(U_ab),

because the derivative is E[U_ib - U_jb] + λ Cov(R_ib - R_jb, u_b) under the response, and a covariance is at most a
quarter of the product of the ranges. Any two strategies are joined by such moves of total length TV, half of their l1
distance, and every strategy is within TV (a - 1)/(a · steps) of a grid point for a = 2 and 3.
"""

import numpy as np


def grid(num_actions, steps):
    """All strategies of 2 or 3 actions whose probabilities are multiples of 1/steps."""
    if num_actions == 2:
        first = np.arange(steps + 1)
        return np.stack([first, steps - first], axis=1) / steps
    first, second = np.divmod(np.arange((steps + 1) ** 2), steps + 1)
    inside = first + second <= steps
    return np.stack([first, second, steps - first - second], axis=1)[inside] / steps


def values(leader, follower, rate, strategies):
    """The leader's value of each strategy in each game: `(n, k)` from payoffs `(n, a, b)` and strategies `(k, a)`."""
    appeal = np.asarray(rate)[..., None, None] * (strategies @ follower)
    weights = np.exp(appeal - appeal.max(axis=-1, keepdims=True))
    paid = strategies @ leader
    return (weights * paid).sum(axis=-1) / weights.sum(axis=-1)


def interval(leader, follower, rate, steps):
    """(low, high) around the optimum of each game, certified by the grid."""
    num_actions = leader.shape[1]
    low = values(leader, follower, rate, grid(num_actions, steps)).max(axis=1)
    gain = np.abs(leader[:, :, None] - leader[:, None]).max(axis=(1, 2, 3))
    pull = np.ptp(follower[:, :, None] - follower[:, None], axis=3).max(axis=(1, 2))
    spread = np.ptp(leader, axis=2).max(axis=1)
    slope = gain + rate / 4.0 * pull * spread
    return low, low + slope * (num_actions - 1) / (num_actions * steps)
