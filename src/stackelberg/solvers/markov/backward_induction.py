"""Markov games against a myopic follower: stage by stage from the last, each stage with a proof."""

from __future__ import annotations

import time
from typing import NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Float

from ... import _boundary as boundary
from ..._errors import InputError
from ..._record import Solution
from ..._types import AnyArray
from ...calculus.precision import exact
from ...calculus.stationary import policy_values
from ...followers.base import AbstractFollower
from ...games.markov import MarkovGame
from ..base import AbstractSolver
from ..certified import certified
from .returns import returns
from .stages import ANNOUNCEMENTS, Announcement, Stage, StageSolver, deadline_after, stage_solver


MOST_ROUNDS = 200

ROUNDING = 64 * np.finfo(np.float64).eps


class BackwardInduction(AbstractSolver[MarkovGame]):
    """The leader's best policy against a follower that looks at the present stage only.

    Such a follower's answer at a stage and state depends on what is announced there and on nothing later, so that the
    leader's problem is a decision process whose actions are the announcements: at each stage and state it solves the
    one-shot game with payoffs u + γ P W', where W' is its own value from the next stage on.

    - `follower`: `QuantalResponse` with discount 0 (or with `None` in a game whose follower discounts by 0), or
      `BestResponse` in such a game. A farsighted follower is refused: what it does now depends on what is announced for
      later, and stage-by-stage optimisation is not optimal any more.
    - `announcement`: "strategy", one mixture for each stage and state, or "prescription", which may depend on the
      follower's action. Against a quantal follower the first needs a global search in each state, the second is exact.
    - `tolerance`: the gap that the search may leave in a state, as a fraction of the payoffs' range there.
    - `time_limit`: seconds, after which searches stop where they are; the bounds stay proven.

    Without a horizon the same is done by policy iteration on stationary policies, which are optimal there. Bounds go
    backward too: if a stage's value is at most w when the later ones are W, it is at most w + γ max P (W⁺ - W) when
    they are at most W⁺. The lower bound is the value of the policy returned.
    """

    follower: AbstractFollower
    announcement: Announcement = eqx.field(static=True)
    tolerance: float
    time_limit: float | None

    def __init__(
        self,
        follower: AbstractFollower,
        announcement: Announcement = "strategy",
        tolerance: float = 1e-6,
        time_limit: float | None = None,
    ) -> None:
        self.follower = boundary.instance("follower", follower, AbstractFollower, "sg.QuantalResponse(1.0)")
        self.announcement = boundary.one_of("announcement", announcement, ANNOUNCEMENTS)  # type: ignore[assignment]
        self.tolerance = boundary.real_number("tolerance", tolerance, low=0.0, high=1.0)
        self.time_limit = None if time_limit is None else boundary.real_number("time_limit", time_limit, low=0.0)

    @exact
    def __call__(self, game: MarkovGame) -> Solution:
        """A policy with proven bounds on its suboptimality. Raises `InputError` when the follower is farsighted."""
        started = time.perf_counter()
        self._check_myopic(game)
        deadline = deadline_after(self.time_limit)
        solve = stage_solver(self.follower, self.announcement, self.tolerance, deadline)
        plan = _stationary(game, solve, self.tolerance) if game.horizon is None else _staged(game, solve)
        scale = returns(game)
        return certified(
            game,
            plan.commitment,
            plan.response,
            upper=plan.upper,
            tolerance=2.0 * self.tolerance * scale.span,
            rounding=scale.rounding,
            solver="BackwardInduction",
            proof="backward induction with a proof at every stage, value of the policy recomputed on the rewards",
            statistics={"seconds": time.perf_counter() - started, "stages_solved": plan.stages_solved},
        )

    def _check_myopic(self, game: MarkovGame) -> None:
        own = getattr(self.follower, "discount", None)
        discount = game.follower_discount if own is None else own
        if discount != 0.0 and game.horizon != 1:
            raise InputError(
                boundary.INCONSISTENT,
                "follower.discount",
                found=f"the follower is farsighted (it discounts by {discount:g})",
                allowed="backward induction is exact against a myopic follower, discount 0, only",
                remedy="Use GradientAscent, or a follower with discount=0.0.",
            )


class _Plan(NamedTuple):
    """A policy, the answer that it is meant for, a bound on what any policy is worth, and the work done."""

    commitment: Float[np.ndarray, "*h s *b a"]
    response: Float[np.ndarray, "*h s b"]
    upper: float
    stages_solved: int


def _staged(game: MarkovGame, solve: StageSolver) -> _Plan:
    """Last stage first."""
    assert game.horizon is not None
    num_states, *_ = game.shape
    value, excess = np.zeros(num_states), np.zeros(num_states)
    stages: list[Stage] = []
    for h in reversed(range(game.horizon)):
        payoff, law = _payoff(game, h, value)
        stage = solve(payoff, _at(game.follower_reward, 3, h))
        later = game.leader_discount * (law @ excess).max(axis=(1, 2)) + ROUNDING * np.abs(payoff).max(axis=(1, 2))
        value = _worth(stage, payoff)
        excess = stage.upper + later - value
        stages.append(stage)
    stages.reverse()
    return _Plan(
        np.stack([stage.commitment for stage in stages]),
        np.stack([stage.response for stage in stages]),
        float(game.initial @ (value + excess)),
        len(stages),
    )


def _stationary(game: MarkovGame, solve: StageSolver, tolerance: float) -> _Plan:
    """Policy iteration: solve the stage against the value of the last policy until that gains nothing worth having.

    If solving the stage against W, the value of a policy, gains at most d anywhere, no policy is worth more than
    W + d / (1 - γ).
    """
    discount = game.leader_discount
    best = _Plan(np.zeros(()), np.zeros(()), np.inf, 0)
    value, least = np.zeros(game.shape[0]), np.inf
    for count in range(1, MOST_ROUNDS + 1):
        payoff, law = _payoff(game, 0, value)
        stage = solve(payoff, np.asarray(game.follower_reward))
        gain = float(np.max(stage.upper - value)) + ROUNDING * float(np.abs(payoff).max())
        upper = float(game.initial @ stage.upper) + discount * gain / (1.0 - discount)
        best = best._replace(upper=min(best.upper, upper), stages_solved=count)
        if gain >= least:  # the first pass starts from no policy, and its gain is not comparable
            break
        least = gain if count > 1 else np.inf
        best = best._replace(commitment=stage.commitment, response=stage.response)
        letters = "sa" if stage.commitment.ndim == 2 else "sba"
        value = np.asarray(
            policy_values(
                np.einsum(f"{letters},sab->sb", stage.commitment, game.leader_reward),
                np.einsum(f"{letters},sabt->sbt", stage.commitment, law),
                stage.response,
                discount,
            )
        )
        if gain <= tolerance * (1.0 - discount) * float(np.ptp(payoff)) and count > 1:
            break
    return best


def _payoff(
    game: MarkovGame, h: int, value: Float[np.ndarray, "s"]
) -> tuple[Float[np.ndarray, "s a b"], Float[np.ndarray, "s a b s"]]:
    """The leader's payoffs at stage h when it gets `value` from the next one on, and the law of the next state."""
    law = _at(game.transition, 4, h)
    return _at(game.leader_reward, 3, h) + game.leader_discount * (law @ value), law


def _at(array: Float[AnyArray, "..."], num_axes: int, h: int) -> Float[np.ndarray, "..."]:
    return np.asarray(array[h] if array.ndim > num_axes else array)


def _worth(stage: Stage, payoff: Float[np.ndarray, "s a b"]) -> Float[np.ndarray, "s"]:
    letters = "sa" if stage.commitment.ndim == 2 else "sba"
    return np.einsum(f"{letters},sab,sb->s", stage.commitment, payoff, stage.response)
