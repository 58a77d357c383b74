"""Strong and weak values of many small games by enumerating vertices of the follower's best-response regions.

NumPy only, and no code shared with the package. Each vertex of each region solves a square system: a support of the
leader's mixture, and equally many columns that are best and tied. Payoffs must be of the order of 1.
"""

from itertools import combinations

import numpy as np
from scipy.optimize import linprog


NEAR = 1e-9
CHUNK_CELLS = 2_000_000


def strong_values(leader, follower):
    """`(n,)`: the best value over all vertices, the follower's ties going the leader's way."""
    return _by_chunks(_strong_chunk, leader, follower)


def weak_values(leader, follower):
    """`(n,)`: the supremum over regions with interior; copies of a column count by the worst of them."""
    return _by_chunks(_weak_chunk, leader, follower)


def _by_chunks(function, leader, follower):
    _, num_rows, num_columns = leader.shape
    size = max(1, CHUNK_CELLS // (400 * num_rows * num_columns))
    parts = [function(leader[i : i + size], follower[i : i + size]) for i in range(0, len(leader), size)]
    return np.concatenate(parts)


def _strong_chunk(leader, follower):
    points, is_best = _vertices(follower)
    values = np.where(is_best, points @ leader, -np.inf)
    return values.max(axis=(1, 2))


def _weak_chunk(leader, follower):
    points, is_best = _vertices(follower)
    replies = points @ leader
    result = np.full(len(leader), -np.inf)
    for b in range(leader.shape[2]):
        on_region = is_best[:, :, b]
        count = on_region.sum(axis=1)
        centre = (np.where(on_region[:, :, None], points, 0.0).sum(axis=1)) / np.maximum(count, 1)[:, None]
        payoff = np.einsum("na,nab->nb", centre, follower)
        is_copy = (follower == follower[:, :, b, None]).all(axis=1)
        lead = np.where(is_copy, np.inf, payoff[:, b, None] - payoff).min(axis=1)
        has_interior = (count > 0) & (lead > NEAR)
        value = np.where(on_region, replies[:, :, b], -np.inf).max(axis=1)
        for game in np.flatnonzero(has_interior & (is_copy.sum(axis=1) > 1)):
            value[game] = _least_of_copies(leader[game], follower[game], b, is_copy[game])
        result = np.where(has_interior, np.maximum(result, value), result)
    return result


def _least_of_copies(leader, follower, b, is_copy):
    """max over the region of the least of the copies, by HiGHS: variables (x, v)."""
    rows = np.hstack([-leader[:, is_copy].T, np.ones((is_copy.sum(), 1))])
    advantage = np.hstack([(follower - follower[:, b, None]).T, np.zeros((follower.shape[1], 1))])
    num_rows = leader.shape[0]
    found = linprog(
        np.append(np.zeros(num_rows), -1.0),
        A_ub=np.vstack([rows, advantage]),
        b_ub=np.zeros(len(rows) + len(advantage)),
        A_eq=[[1.0] * num_rows + [0.0]],
        b_eq=[1.0],
        bounds=[(0, None)] * num_rows + [(None, None)],
    )
    return -found.fun


def _vertices(follower):
    """Points `(n, m, a)` and which columns are best there `(n, m, b)`; points that are no vertex have none."""
    num_games, num_rows, num_columns = follower.shape
    points, best = [], []
    for size in range(1, min(num_rows, num_columns) + 1):
        supports = np.array(list(combinations(range(num_rows), size)))
        ties = np.array(list(combinations(range(num_columns), size)))
        support = np.repeat(supports, len(ties), axis=0)
        tied = np.tile(ties, (len(supports), 1))
        block = follower[:, support[:, None, :], tied[:, :, None]]  # (n, pairs, tied, support)
        system = np.zeros((num_games, len(support), size + 1, size + 1))
        system[:, :, :size, :size] = block
        system[:, :, :size, size] = -1.0
        system[:, :, size, :size] = 1.0
        right = np.zeros((num_games, len(support), size + 1, 1))
        right[:, :, size] = 1.0
        is_singular = np.abs(np.linalg.det(system)) < 1e-10
        system[is_singular] = np.eye(size + 1)
        solved = np.linalg.solve(system, right)
        solved += np.linalg.solve(system, right - system @ solved)
        point = np.zeros((num_games, len(support), num_rows))
        np.put_along_axis(point, np.broadcast_to(support, (num_games, *support.shape)), solved[:, :, :size, 0], axis=2)
        value = point @ follower
        top = value.max(axis=2)
        is_vertex = (~is_singular) & (point.min(axis=2) >= -NEAR) & (solved[:, :, size, 0] >= top - NEAR)
        points.append(point)
        best.append(is_vertex[:, :, None] & (value >= top[:, :, None] - NEAR))
    return np.concatenate(points, axis=1), np.concatenate(best, axis=1)
