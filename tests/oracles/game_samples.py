"""Random games by the thousand, grouped by shape: generic ones, and every kind of degenerate one."""

import numpy as np


SHAPES = [(rows, columns) for rows in range(2, 7) for columns in range(2, 7)]


def generic(count, seed):
    """{shape: (leader (n, a, b), follower)} with uniform payoffs: `count` games in all."""
    rng = np.random.default_rng(seed)
    each = -(-count // len(SHAPES))
    return {shape: (rng.random((each, *shape)), rng.random((each, *shape))) for shape in SHAPES}


def degenerate(count, seed):
    """The same for ties, constants, duplicated rows and columns, zero-sum integers, one row, one column."""
    rng = np.random.default_rng(seed)
    shapes = [*SHAPES, *((1, size) for size in range(1, 7)), *((size, 1) for size in range(2, 7))]
    each = -(-count // len(shapes))
    return {shape: _degenerate(rng, each, *shape) for shape in shapes}


def _degenerate(rng, count, rows, columns):
    leader = rng.integers(0, 4, (count, rows, columns)) / 3.0
    follower = rng.integers(0, 3, (count, rows, columns)) / 2.0
    kind = np.arange(count) % 8
    leader[kind == 1] = 0.5
    follower[kind == 2] = 0.25
    copied_row, row = rng.integers(rows, size=2)
    copied_column, column = rng.integers(columns, size=2)
    for payoff in (leader, follower):
        payoff[kind == 3, copied_row] = payoff[kind == 3, row]
    follower[kind == 4, :, copied_column] = follower[kind == 4, :, column]
    follower[kind == 5] = 1.0 - leader[kind == 5]
    generic_pair = (kind == 6) | (kind == 7)
    leader[generic_pair] = rng.random((generic_pair.sum(), rows, columns))
    follower[kind == 6] = rng.random(((kind == 6).sum(), rows, columns))
    follower[kind == 6, :, copied_column] = follower[kind == 6, :, column]
    return leader, follower
