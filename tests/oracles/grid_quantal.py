"""The leader's optimum against quantal followers in games where the leader has two actions: a fine grid, refined.

Plain NumPy and SciPy; it knows nothing of the package's solvers.
"""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax


def best_value(leader_payoffs, follower_payoffs, prior, inverse_temperature, points=20_001):
    """max over mixtures of two rows of Σ prior(t) Σ p_t(b) u_t(b), payoffs `(t, 2, b)`."""
    leader, follower = np.asarray(leader_payoffs, float), np.asarray(follower_payoffs, float)

    def values(first):
        mix = np.stack([first, 1.0 - first], -1)
        chosen = softmax(inverse_temperature * np.einsum("na,tab->tnb", mix, follower), axis=-1)
        return np.einsum("t,tnb,na,tab->n", prior, chosen, mix, leader, optimize=True)

    grid = np.linspace(0.0, 1.0, points)
    at_grid = values(grid)
    best = int(np.argmax(at_grid))
    near = (grid[max(best - 1, 0)], grid[min(best + 1, points - 1)])
    refined = minimize_scalar(
        lambda first: -values(np.array([first]))[0], bounds=near, method="bounded", options={"xatol": 1e-12}
    )
    return max(at_grid[best], -refined.fun)
