"""Which follower actions can be strictly best answers, with a proof either way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from .game_batch import Games
from .region_bounds import EPS, repair
from .response_programs import MARGIN, solve_programs


@dataclass(frozen=True)
class OpenRegions:
    """Which of the best-response regions asked for have an interior.

    - `is_open`: whether some commitment makes the action strictly better than every different column, by more than
      `MARGIN` of the payoffs' range or at a pure commitment.
    - `strategies`: such a commitment, with the largest margin.
    - `fallbacks`, `pivots`: programs solved again by HiGHS, pivots of the own simplex.
    """

    is_open: Bool[np.ndarray, "n"]
    strategies: Float[np.ndarray, "n a"]
    fallbacks: Int[np.ndarray, "n"]
    pivots: Int[np.ndarray, "n"]


def open_regions(
    games: Games, equal: Bool[np.ndarray, "n b b"], action: Int[np.ndarray, "n"], *, cut_off: bool
) -> OpenRegions:
    """Solve the margin program of one action in each game.

    A pure commitment that makes the action strictly best counts however small the lead: it is seen without rounding.
    What neither a commitment nor multipliers prove is solved again by HiGHS.
    """
    game = np.arange(games.num_games)
    is_alone = np.all(equal, axis=(1, 2))  # every column equals it: there is nothing to prefer
    wanted = (np.arange(games.num_columns) == action[:, None]) & ~is_alone[:, None]
    answers = solve_programs(games, "margin", wanted, cut_off=cut_off)
    is_open = _margins(games, equal, answers.strategies) > MARGIN
    is_closed = _margin_bounds(games, equal, answers.multipliers) <= MARGIN
    doubtful = wanted & (answers.unfinished | ~(is_open | is_closed))
    if doubtful.any():
        answers = repair(games, "margin", answers, doubtful)
        is_open = _margins(games, equal, answers.strategies) > MARGIN
    best_row, is_pure = _pure(games, equal[game, action], action)
    is_programmed = is_open[game, action]
    strategies = np.where(is_programmed[:, None], answers.strategies[game, action], best_row)
    return OpenRegions(is_programmed | is_pure | is_alone, strategies, doubtful.sum(axis=1), answers.pivots)


def _pure(
    games: Games, copies: Bool[np.ndarray, "n b"], action: Int[np.ndarray, "n"]
) -> tuple[Float[np.ndarray, "n a"], Bool[np.ndarray, "n"]]:
    """The pure commitment with the largest lead of `action` over different columns, and whether it leads at all."""
    rival = np.max(np.where(copies[:, :, None], -np.inf, games.follower), axis=1)
    lead = games.follower[np.arange(games.num_games), action] - rival
    row = np.argmax(lead, axis=1)
    return np.eye(games.num_rows)[row], np.max(lead, axis=1) > 0.0


def _margins(
    games: Games, equal: Bool[np.ndarray, "n b b"], strategies: Float[np.ndarray, "n b a"]
) -> Float[np.ndarray, "n b"]:
    """By how much each action beats the best different one under its own strategy; minus infinity without one."""
    replies = strategies @ np.swapaxes(games.follower, 1, 2)
    own = np.diagonal(replies, axis1=1, axis2=2)
    rival = np.max(np.where(equal, -np.inf, replies), axis=2)
    return np.where(np.isnan(own), -np.inf, own - rival)


def _margin_bounds(
    games: Games, equal: Bool[np.ndarray, "n b b"], multipliers: Float[np.ndarray, "n b b"]
) -> Float[np.ndarray, "n b"]:
    """No commitment gives b a larger margin: for any mixture q of other columns, max over rows of B_b - Σ q_c B_c."""
    mixture = np.where(equal, 0.0, np.maximum(multipliers, 0.0))
    mixture = mixture / np.maximum(mixture.sum(axis=2, keepdims=True), 1.0)
    rival = np.argmin(equal, axis=2)[:, :, None]  # the program's own first rival carries the rest
    rest = 1.0 - mixture.sum(axis=2, keepdims=True) + np.take_along_axis(mixture, rival, axis=2)
    np.put_along_axis(mixture, rival, rest, axis=2)
    return np.max(games.follower - mixture @ games.follower, axis=2) + (games.num_columns + 8) * EPS
