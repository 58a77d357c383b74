"""The best commitment of each game, an answer to it that is exact up to rounding, and a bound that holds."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ..._types import Ties
from .game_batch import Games
from .open_regions import OpenRegions, open_regions
from .region_bounds import TOLERANCE, Settled, at, expected, regrets, settle
from .response_programs import Family, solve_programs, thinness


TIE = 1e-9
"""Actions this close to the best one count as tied when it is asked whether a weak equilibrium is attained."""


@dataclass(frozen=True)
class Winners:
    """One commitment for each game, with payoffs on [0, 1].

    - `strategies`, `actions`, `values`: the commitment, the follower's answer (a best one up to rounding, and under
      the tie rule asked for) and what it is worth.  `bounds`: no commitment is worth more.
    - `is_attained`: whether the commitment reaches the bound rather than approaches it.
    - `thin_margins`: for each action whose region was found to be thin, by how much it can be the best answer at most;
      NaN elsewhere.  `is_counted`: whether `bounds` counts that action all the same.
    - `fallbacks`, `pivots`: as in `BatchSolution`.
    """

    strategies: Float[np.ndarray, "n a"]
    actions: Int[np.ndarray, "n"]
    values: Float[np.ndarray, "n"]
    bounds: Float[np.ndarray, "n"]
    is_attained: Bool[np.ndarray, "n"]
    thin_margins: Float[np.ndarray, "n b"]
    is_counted: Bool[np.ndarray, "n b"]
    fallbacks: Int[np.ndarray, "n"]
    pivots: Int[np.ndarray, "n"]


@dataclass(frozen=True)
class _Step:
    """What became of the winner of each game in one round.

    - `is_done`: its commitment closes the game.  `is_counted`: else, whether the bound must go on counting it.
    - `margins`: by how much it can be the best answer at most; NaN where nobody had to ask.
    """

    strategies: Float[np.ndarray, "n a"]
    is_attained: Bool[np.ndarray, "n"]
    is_done: Bool[np.ndarray, "n"]
    is_counted: Bool[np.ndarray, "n"]
    margins: Float[np.ndarray, "n"]
    fallbacks: Int[np.ndarray, "n"]
    pivots: Int[np.ndarray, "n"]


def find_winners(games: Games, ties: Ties, epsilon: float, *, cut_off: bool) -> Winners:
    """The strong or weak equilibrium of each game.

    Best-response regions that are thin, or empty by little, are rare, so the values come first: a winner whose region
    turns out to be no place to commit to is struck off, and its game is solved again without it. The bound goes on
    counting it unless its multipliers prove that the region is empty (strong) or has no interior (weak).

    Against an adversarial tie rule the leader's value is lower semicontinuous in the commitment, and commitments that
    leave the follower no tie between different columns are dense. So the weak supremum is taken over those alone: a
    region of best responses without interior adds nothing, and one with interior counts with its closure.
    """
    family: Family = "strong" if ties == "leader" else "weak"
    candidates = np.ones((games.num_games, games.num_columns), dtype=bool)
    if games.equal is not None:
        candidates = np.argmax(games.equal, axis=2) == np.arange(games.num_columns)
    found = _at_pure_commitments(games, ties)
    struck = np.full(games.num_games, -np.inf)  # what the struck actions may be worth that are not counted
    pending = np.arange(games.num_games)
    while len(pending):
        some = games.take(pending)
        answers = solve_programs(some, family, candidates[pending], cut_off=cut_off)
        best = settle(some, family, answers, candidates[pending])
        step = _strong_step(some, best) if ties == "leader" else _weak_step(some, best, epsilon)
        found.fallbacks[pending] += best.fallbacks + step.fallbacks
        found.pivots[pending] += answers.pivots + step.pivots
        _keep_better(found, games, ties, pending, step, best)
        is_over = step.is_done | (found.values[pending] >= best.bounds - TOLERANCE)
        is_counted = is_over | step.is_counted
        found.bounds[pending] = np.maximum(found.bounds[pending], np.where(is_counted, best.bounds, -np.inf))
        struck[pending] = np.maximum(struck[pending], np.where(is_counted, -np.inf, best.bounds))
        found.thin_margins[pending, best.actions] = step.margins
        found.is_counted[pending, best.actions] = is_counted
        candidates[pending, best.actions] = False
        pending = pending[~is_over & candidates[pending].any(axis=1)]
    # Some region always has an interior; where rounding hides which, none may be left out.
    bounds = np.where(np.isneginf(found.bounds), struck, found.bounds)
    is_attained = found.is_attained | (found.values >= bounds - TIE)
    return dataclasses.replace(found, bounds=bounds, is_attained=is_attained)


def exact_answers(games: Games, ties: Ties, strategies: Float[np.ndarray, "n a"]) -> Int[np.ndarray, "n"]:
    """The follower's answer to each strategy: among the best ones, up to rounding, the one that the tie rule picks.

    The replies to a pure commitment are known without rounding.
    """
    leader, follower = expected(games, strategies)
    slack = np.where(strategies.max(axis=1) == 1.0, 0.0, thinness(*games.follower.shape[1:]))
    is_best = follower >= (follower.max(axis=1) - slack)[:, None]
    if ties == "leader":
        return np.argmax(np.where(is_best, leader, -np.inf), axis=1)
    return np.argmin(np.where(is_best, leader, np.inf), axis=1)


def make_exact(
    games: Games, strategies: Float[np.ndarray, "n a"], action: Int[np.ndarray, "n"]
) -> tuple[Float[np.ndarray, "n a"], OpenRegions]:
    """Strategies moved as little as makes `action` a best answer, towards where it is best by most; and the regions."""
    regions = open_regions(games, action, cut_off=False)
    regret = regrets(games, strategies, action)
    share = _share(regret, regions.margins, thinness(*games.follower.shape[1:]))
    return _between(strategies, regions.strategies, share), regions


def _strong_step(games: Games, best: Settled) -> _Step:
    """The winner as it is where its answer is a best one; else moved, or struck where that is impossible."""
    thin = thinness(*games.follower.shape[1:])
    wrong = np.flatnonzero(~(regrets(games, best.strategies, best.actions) <= thin))
    strategies, margins = best.strategies.copy(), np.full(games.num_games, np.nan)
    is_done, is_counted = np.ones((2, games.num_games), dtype=bool)
    fallbacks, pivots = np.zeros((2, games.num_games), dtype=np.int64)
    if len(wrong):
        some, action = games.take(wrong).compared(), best.actions[wrong]
        strategies[wrong], regions = make_exact(some, best.strategies[wrong], action)
        value = at(expected(some, strategies[wrong])[0], action)
        is_done[wrong] = (regrets(some, strategies[wrong], action) <= thin) & (value >= best.bounds[wrong] - TOLERANCE)
        is_counted[wrong] = regions.ceilings >= 0.0
        margins[wrong] = np.where(is_done[wrong], np.nan, regions.ceilings)
        fallbacks[wrong], pivots[wrong] = regions.fallbacks, regions.pivots
    return _Step(strategies, np.ones_like(is_done), is_done, is_counted, margins, fallbacks, pivots)


def _weak_step(games: Games, best: Settled, epsilon: float) -> _Step:
    """From the region's best point towards the point of largest margin, as far as `epsilon` allows or rounding needs.

    Where the best point itself withstands the adversary there is nothing to step away from.
    """
    thin = thinness(*games.follower.shape[1:])
    regions = open_regions(games, best.actions, cut_off=True)
    leader, follower = expected(games, best.strategies)
    is_tied = follower >= follower.max(axis=1, keepdims=True) - TIE
    is_found = ~np.isnan(best.strategies[:, 0])
    attained = regions.is_open & is_found & (np.min(np.where(is_tied, leader, np.inf), axis=1) >= best.bounds - TIE)
    allowed = epsilon * (games.leader.max(axis=(1, 2)) - games.leader.min(axis=(1, 2)))
    inside = exact_answers(games, "adversary", regions.strategies)
    loss = np.maximum(best.bounds - at(expected(games, regions.strategies)[0], inside), 0.0)
    share = np.where(loss > allowed, allowed / np.where(loss > 0.0, loss, 1.0), 1.0)
    share = np.maximum(share, _share(regrets(games, best.strategies, best.actions), regions.margins, thin))
    strategies = _between(best.strategies, regions.strategies, np.where(attained, 0.0, share))
    value = at(expected(games, strategies)[0], exact_answers(games, "adversary", strategies))
    is_done = regions.is_open & (value >= best.bounds - np.where(attained, TIE, allowed) - TOLERANCE)
    return _Step(
        strategies=strategies,
        is_attained=attained,
        is_done=is_done,
        is_counted=regions.is_open | (regions.ceilings > thin),
        margins=np.where(is_done, np.nan, regions.ceilings),
        fallbacks=regions.fallbacks,
        pivots=regions.pivots,
    )


def _share(regret: Float[np.ndarray, "n"], margin: Float[np.ndarray, "n"], thin: float) -> Float[np.ndarray, "n"]:
    """How far to go from a point with `regret` to one with `margin` for a lead that rounding cannot undo."""
    needed = regret + thin
    return np.where(margin > thin, np.minimum(2.0 * needed / (needed + np.maximum(margin, thin)), 1.0), 1.0)


def _between(
    start: Float[np.ndarray, "n a"], end: Float[np.ndarray, "n a"], share: Float[np.ndarray, "n"]
) -> Float[np.ndarray, "n a"]:
    """Strategies a `share` of the way; a full share ends exactly at the end."""
    share = np.where(np.isnan(start[:, 0]), 1.0, share)[:, None]
    return np.where(share == 1.0, end, (1.0 - share) * np.nan_to_num(start) + share * end)


def _keep_better(
    found: Winners, games: Games, ties: Ties, pending: Int[np.ndarray, "m"], step: _Step, best: Settled
) -> None:
    """Record the commitments of this round that are worth more, with exact answers, than what was there before."""
    some = games.take(pending)
    own = step.is_done & (ties == "leader")  # the answer is the program's own action, never a second argmax
    action = np.where(own, best.actions, exact_answers(some, ties, step.strategies))
    value = at(expected(some, step.strategies)[0], action)
    is_kept = value >= found.values[pending] - thinness(*games.follower.shape[1:])
    kept = pending[is_kept]
    found.strategies[kept], found.actions[kept] = step.strategies[is_kept], action[is_kept]
    found.values[kept], found.is_attained[kept] = value[is_kept], step.is_attained[is_kept]


def _at_pure_commitments(games: Games, ties: Ties) -> Winners:
    """The best pure commitment of each game: what is returned should all else fail."""
    sign = 1.0 if ties == "leader" else -1.0
    is_best = games.follower >= games.follower.max(axis=1, keepdims=True)
    answer = np.argmax(np.where(is_best, sign * games.leader, -np.inf), axis=1)  # (n, a)
    value = np.take_along_axis(games.leader, answer[:, None, :], axis=1)[:, 0]
    row = np.argmax(value, axis=1)
    count = games.num_games
    return Winners(
        strategies=np.eye(games.num_rows)[row],
        actions=answer[np.arange(count), row],
        values=at(value, row),
        bounds=np.full(count, -np.inf),
        is_attained=np.zeros(count, dtype=bool),
        thin_margins=np.full((count, games.num_columns), np.nan),
        is_counted=np.zeros((count, games.num_columns), dtype=bool),
        fallbacks=np.zeros(count, dtype=np.int64),
        pivots=np.zeros(count, dtype=np.int64),
    )
