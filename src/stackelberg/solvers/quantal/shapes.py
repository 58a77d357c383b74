"""Few shapes: every shape costs seconds of compiling, so that small games are filled up to a common one.

Leader's actions are added that no commitment uses, and follower's actions that are never played.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


BATCH = 64
"""With more games than this at a time, what the filling costs outweighs what compiling one more shape costs."""

LANES = 16
STEP = 8
FEW = 4
UNPLAYED = 1e3
"""How far the logits of added follower's actions lie below all others: their probability underflows to 0."""


def rounded_shape(num_games: int, num_rows: int, num_columns: int) -> tuple[int, int, int]:
    """How many games to solve in one compiled call, and the shape to fill each of them up to."""
    if num_games > BATCH:
        return num_games, num_rows, num_columns
    rows, columns = (FEW if size <= FEW else -(-size // STEP) * STEP for size in (num_rows, num_columns))
    is_small = rows * columns <= FEW * STEP
    return LANES if is_small or num_games > 1 else 1, rows, columns


def padded_games(
    payoff: Float[np.ndarray, "*g a b"], logit: Float[np.ndarray, "*g a b"], rows: int, columns: int
) -> tuple[Float[np.ndarray, "*g c d"], Float[np.ndarray, "*g c d"]]:
    """The games with copies of their last leader's action, and follower's actions that are never played."""
    *games, num_rows, num_columns = payoff.shape
    more_rows = [(0, 0)] * len(games) + [(0, rows - num_rows), (0, 0)]
    more_columns = [(0, 0)] * (len(games) + 1) + [(0, columns - num_columns)]
    payoff, logit = np.pad(payoff, more_rows, mode="edge"), np.pad(logit, more_rows, mode="edge")
    least = np.min(logit, axis=(-2, -1), keepdims=True) - UNPLAYED
    added = np.broadcast_to(least, (*games, rows, columns - num_columns))
    return np.pad(payoff, more_columns), np.concatenate([logit, added], axis=-1)


def padded_rows(commitments: Float[np.ndarray, "*g a"], rows: int) -> Float[np.ndarray, "*g c"]:
    """Commitments with probability 0 for the added actions."""
    *games, num_rows = commitments.shape
    return np.pad(commitments, [(0, 0)] * len(games) + [(0, rows - num_rows)])
