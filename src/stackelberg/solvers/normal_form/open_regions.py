"""How far inside its best-response region a follower action can be made, with a proof that it can be no further."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from .game_batch import Games
from .region_bounds import EPS, repair
from .response_programs import solve_programs, thinness


@dataclass(frozen=True)
class OpenRegions:
    """One follower action's best-response region in each game.

    - `is_open`: some commitment makes the action strictly better than every different column: by more than `thinness`
      of the payoffs' range, or at a pure commitment, where replies are known without rounding.
    - `strategies`: the commitment found with the largest margin.  `margins`: that margin, negative where another
      column is better; infinite where every column equals the action's.
    - `ceilings`: no commitment gives a larger margin, rounding included; below 0 the region is empty.
    - `fallbacks`, `pivots`: programs solved again by HiGHS, pivots of the own simplex.
    """

    is_open: Bool[np.ndarray, "n"]
    strategies: Float[np.ndarray, "n a"]
    margins: Float[np.ndarray, "n"]
    ceilings: Float[np.ndarray, "n"]
    fallbacks: Int[np.ndarray, "n"]
    pivots: Int[np.ndarray, "n"]


def open_regions(games: Games, action: Int[np.ndarray, "n"], *, cut_off: bool) -> OpenRegions:
    """Solve the margin program of one action in each game; with `cut_off`, only until its region is seen to be thin.

    What neither a commitment nor multipliers decide is solved again by HiGHS, and may stay undecided even then: neither
    open, nor with a ceiling within `thinness`.
    """
    equal = games.equal
    if equal is None:
        raise TypeError("Margins need the comparison of columns.")
    game, thin = np.arange(games.num_games), thinness(games.num_columns, games.num_rows)
    is_alone = np.all(equal[game, action], axis=1)  # every column equals it: there is nothing to prefer
    wanted = (np.arange(games.num_columns) == action[:, None]) & ~is_alone[:, None]
    answers = solve_programs(games, "margin", wanted, cut_off=cut_off)
    margins = _margins(games, equal, answers.strategies)
    ceilings = _margin_bounds(games, equal, answers.multipliers)
    doubtful = wanted & (answers.unfinished | ~((margins > thin) | (ceilings <= thin)))
    if doubtful.any():
        answers = repair(games, "margin", answers, doubtful)
        margins = _margins(games, equal, answers.strategies)
        ceilings = np.fmin(ceilings, _margin_bounds(games, equal, answers.multipliers))
    best_row, lead = _pure(games, equal[game, action], action)
    found, margin = answers.strategies[game, action], margins[game, action]
    is_pure = ~(margin > np.maximum(lead, thin))
    return OpenRegions(
        is_open=(margin > thin) | (lead > 0.0) | is_alone,
        strategies=np.where(is_pure[:, None], best_row, found),
        margins=np.where(is_alone, np.inf, np.where(is_pure, lead, margin)),
        ceilings=np.where(is_alone, np.inf, np.maximum(ceilings[game, action], lead)),
        fallbacks=doubtful.sum(axis=1),
        pivots=answers.pivots,
    )


def _pure(
    games: Games, copies: Bool[np.ndarray, "n b"], action: Int[np.ndarray, "n"]
) -> tuple[Float[np.ndarray, "n a"], Float[np.ndarray, "n"]]:
    """The pure commitment with the largest lead of `action` over different columns, and that lead."""
    rival = np.max(np.where(copies[:, :, None], -np.inf, games.follower), axis=1)
    lead = games.follower[np.arange(games.num_games), action] - rival
    return np.eye(games.num_rows)[np.argmax(lead, axis=1)], np.max(lead, axis=1)


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
