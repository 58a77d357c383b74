"""Nash equilibria of a small normal-form game, where nobody commits: what commitment is compared with."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import linprog

from ... import _boundary as boundary
from ..._errors import InputError
from ...games.normal_form import NormalFormGame
from ..rescale import rescale


TOLERANCE = 1e-10
"""On payoffs rescaled to [0, 1]: smaller differences count as ties, smaller singular values as zero."""

CHUNK = 1 << 15
MAX_SUPPORTS = 20_000_000

MAX_PROGRAMS = 1_000
"""Linear programs that are spent on showing that a game is not degenerate; beyond, it is marked incomplete."""


@dataclass(frozen=True, eq=False)
class NashEquilibria:
    """Equilibria of a game, one in each row.

    - `leader_strategies` `(m, a)`, `follower_strategies` `(m, b)`: the mixtures.
    - `leader_values`, `follower_values`: what both get.
    - `complete`: True only where no equilibrium can be missing. Degenerate games, which may have infinitely many, are
      marked False, and so is every game in which degeneracy could not be ruled out.
    """

    leader_strategies: Float[np.ndarray, "m a"]
    follower_strategies: Float[np.ndarray, "m b"]
    leader_values: Float[np.ndarray, "m"]
    follower_values: Float[np.ndarray, "m"]
    complete: bool

    def __len__(self) -> int:
        return len(self.leader_values)


def nash_equilibria(game: NormalFormGame) -> NashEquilibria:
    """All equilibria of `game` with supports of equal size, by trying every pair of supports.

    A game is degenerate when some mixture over k actions has more than k best replies; in a game that is not, every
    equilibrium has supports of equal size, and each pair of supports carries one equilibrium at most.

    von Stengel (2007), Section 3.2 (support enumeration). Departure: all pairs of one size are solved at once, and
    completeness is decided on the way. Raises `InputError` when there are more than 20 million pairs of supports.
    """
    leader = rescale(np.asarray(game.leader_payoff)[None]).scaled[0]
    follower = rescale(np.asarray(game.follower_payoff)[None]).scaled[0]
    num_rows, num_columns = leader.shape
    _check_size(num_rows, num_columns)
    found: list[tuple[np.ndarray, np.ndarray]] = []
    is_complete = True
    for size in range(1, min(num_rows, num_columns) + 1):
        rows = _subsets(num_rows, size)
        columns = _subsets(num_columns, size)
        pairs = len(rows) * len(columns)
        for start in range(0, pairs, CHUNK):
            index = np.arange(start, min(start + CHUNK, pairs))
            row, column = rows[index // len(columns)], columns[index % len(columns)]
            mine, is_mine, mine_sure = _indifferent(follower, row, column)
            theirs, is_theirs, theirs_sure = _indifferent(leader.T, column, row)
            is_complete = is_complete and mine_sure and theirs_sure
            both = is_mine & is_theirs
            found.append((mine[both], theirs[both]))
    leader_strategies = np.concatenate([mine for mine, _ in found])
    follower_strategies = np.concatenate([theirs for _, theirs in found])
    leader_strategies, follower_strategies = _distinct(leader_strategies, follower_strategies)
    return NashEquilibria(
        leader_strategies,
        follower_strategies,
        np.einsum("ma,ab,mb->m", leader_strategies, np.asarray(game.leader_payoff), follower_strategies),
        np.einsum("ma,ab,mb->m", leader_strategies, np.asarray(game.follower_payoff), follower_strategies),
        # A game that is not degenerate has an odd number of equilibria (Wilson 1971).
        complete=is_complete and len(leader_strategies) % 2 == 1,
    )


def _check_size(num_rows: int, num_columns: int) -> None:
    smaller = min(num_rows, num_columns)
    pairs = sum(math.comb(num_rows, size) * math.comb(num_columns, size) for size in range(1, smaller + 1))
    if pairs > MAX_SUPPORTS:
        raise InputError(
            boundary.RANGE,
            "leader_payoff",
            found=f"a {num_rows}×{num_columns} game has {pairs} pairs of supports",
            allowed=f"at most {MAX_SUPPORTS} are tried",
            remedy="Remove dominated actions, or compare with a smaller game.",
        )


def _subsets(count: int, size: int) -> np.ndarray:
    return np.array(list(itertools.combinations(range(count), size)), dtype=np.int64)


def _indifferent(
    payoff: Float[np.ndarray, "own other"], own: np.ndarray, other: np.ndarray
) -> tuple[Float[np.ndarray, "m own"], Bool[np.ndarray, "m"], bool]:
    """Mixtures over `own` under which exactly the actions `other` are the opponent's best replies.

    `payoff[i, j]` is the opponent's. Also returns which pairs have one, and whether none of them is degenerate.
    """
    block = payoff[own[:, :, None], other[:, None, :]]
    system = np.swapaxes(block - block[:, :, :1], 1, 2)
    system[:, 0] = 1.0  # the first difference is zero: its row says that probabilities sum to 1
    target = np.zeros(own.shape)
    target[:, 0] = 1.0
    is_singular = np.linalg.svd(system, compute_uv=False)[:, -1] <= TOLERANCE
    weights = np.full(own.shape, -1.0)
    weights[~is_singular] = np.linalg.solve(system[~is_singular], target[~is_singular, :, None])[..., 0]
    is_sure = True
    if is_singular.any():
        loose = np.linalg.pinv(system[is_singular], rcond=TOLERANCE) @ target[is_singular, :, None]
        residual = np.abs(system[is_singular] @ loose - target[is_singular, :, None]).max(axis=(1, 2))
        is_loose = np.flatnonzero(is_singular)[residual <= 1e-6]  # no solution at all: of no use, and not degenerate
        is_sure = len(is_loose) <= MAX_PROGRAMS and not any(_ties(payoff, own[pair], other[pair]) for pair in is_loose)

    mixture = np.zeros((len(own), payoff.shape[0]))
    np.put_along_axis(mixture, own, weights, axis=1)
    replies = mixture @ payoff
    best = np.max(replies, axis=1, keepdims=True)
    is_reply = np.take_along_axis(replies, other, axis=1).min(axis=1) >= best[:, 0] - TOLERANCE
    is_valid = (weights.min(axis=1) >= -TOLERANCE) & is_reply
    too_many = (replies >= best - TOLERANCE).sum(axis=1) > (weights > TOLERANCE).sum(axis=1)
    is_sure = is_sure and not bool((is_valid & too_many).any())
    mixture = np.maximum(mixture, 0.0)
    return mixture / np.maximum(mixture.sum(axis=1, keepdims=True), TOLERANCE), is_valid, is_sure


def _ties(payoff: Float[np.ndarray, "own other"], own: np.ndarray, other: np.ndarray) -> bool:
    """Whether any mixture over `own` makes all of `other` best replies: with a singular system, a degenerate game.

    The system has then more than one solution, and at the end of the segment between them one probability is zero.
    """
    rival = payoff[own]
    level = rival[:, other[0]]
    found = linprog(
        np.zeros(len(own)),
        A_ub=(rival - level[:, None]).T,
        b_ub=np.full(payoff.shape[1], TOLERANCE),
        A_eq=np.vstack([(rival[:, other[1:]] - level[:, None]).T, np.ones(len(own))]),
        b_eq=np.append(np.zeros(len(other) - 1), 1.0),
        method="highs-ds",
    )
    return found.status != 2


def _distinct(leader: np.ndarray, follower: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Degenerate games give the same equilibrium for several pairs of supports."""
    _, first = np.unique(np.round(np.hstack([leader, follower]), 8), axis=0, return_index=True)
    first = np.sort(first)
    return leader[first], follower[first]
