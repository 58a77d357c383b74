"""The leader's problem against a logit follower, taken out of the game and brought to [0, 1]."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ... import _boundary as boundary
from ..._errors import InputError
from ..._types import AnyArray
from ...followers.base import AbstractFollower, AbstractLogitFollower
from ...followers.quantal_response import QuantalResponse
from ...games.base import AbstractGame
from ...games.normal_form import NormalFormGame
from ..rescale import Rescaled, rescale


SHARPEST = 1e12
"""Above this inverse temperature, payoffs on [0, 1], commitments are searched for as if it were this one."""

AIM = 0.3
"""Searches go on to this part of the tolerance: it costs little, and spares the reader a gap just below it."""


@dataclass(frozen=True)
class QuantalProgram:
    """Maximise Σ_b p_b(x) x·payoff[:, b] with p proportional to exp(precision x·appeal[:, b]).

    - `payoff`: the leader's, on [0, 1]; `leader` maps values back.
    - `appeal`: of the follower's actions, on [0, 1].
    - `precision`: the inverse temperature that belongs to this scale, in [0, ∞].
    """

    payoff: Float[np.ndarray, "a b"]
    appeal: Float[np.ndarray, "a b"]
    precision: float
    leader: Rescaled
    follower: Rescaled

    @property
    def span(self) -> float:
        """The range of the scaled payoffs: 0 for a constant leader, otherwise above 1/2."""
        return float(np.max(self.payoff))

    @property
    def is_searchable(self) -> bool:
        """Whether logits of this precision can be computed with."""
        return self.precision <= SHARPEST

    @property
    def logit(self) -> Float[np.ndarray, "a b"]:
        """precision × appeal, the precision cut at `SHARPEST`."""
        return min(self.precision, SHARPEST) * self.appeal

    def restore(self, value: float) -> float:
        """A value on the scale of the game's payoffs."""
        return float(self.leader.restore(np.array([value]))[0])

    @property
    def rounding(self) -> float:
        """What evaluating one commitment on the game's own payoffs may lose or gain by rounding."""
        size = max(abs(self.restore(0.0)), abs(self.restore(self.span)))
        return 4.0 * sum(self.payoff.shape) * float(np.spacing(size))

    @property
    def noise(self) -> float:
        """What the follower's own rounding may do to a value, on the program's scale: its logits have rounded too."""
        size = max(abs(float(self.follower.restore(np.array([end]))[0])) for end in (0.0, float(np.max(self.appeal))))
        return response_noise(
            self.precision * max(1.0, float(np.ldexp(size, -self.follower.exponent[0]))), *self.payoff.shape
        )


def response_noise(largest_logit: Float[AnyArray, "*g"] | float, num_rows: int, num_columns: int) -> Any:
    """How much a value on [0, 1] may move when logits of this size are rounded before they are compared."""
    return np.minimum(4.0 * (num_rows + num_columns) * np.finfo(np.float64).eps * largest_logit, 1.0)


@functools.singledispatch
def attraction(follower: AbstractFollower, game: AbstractGame) -> tuple[float, Float[np.ndarray, "a b"]]:
    """The inverse temperature of a logit follower, and what it is applied to: a table over pure actions."""
    raise InputError(
        boundary.TYPE,
        "follower",
        found=f"a {type(follower).__name__} does not choose by logits that are affine in the commitment",
        allowed="QuantalResponse, LinearResponse, or another AbstractLogitFollower",
        remedy="For a best-responding follower use sg.solve(game), or sg.MultipleLPs(); otherwise fit a quantal one.",
    )


@attraction.register
def _(follower: QuantalResponse, game: NormalFormGame) -> tuple[float, Float[np.ndarray, "a b"]]:
    return float(follower.inverse_temperature), np.asarray(game.follower_payoff)


@attraction.register
def _(follower: AbstractLogitFollower, game: NormalFormGame) -> tuple[float, Float[np.ndarray, "a b"]]:
    rows = [np.asarray(follower.logits(game, pure)) for pure in np.eye(game.shape[0])]
    return 1.0, np.stack(rows)


def quantal_program(game: NormalFormGame, follower: AbstractFollower) -> QuantalProgram:
    """The program of one normal form. Raises `InputError` for followers that are not of the logit kind."""
    inverse_temperature, appeal = attraction(follower, game)
    leader, appeals = rescale(np.asarray(game.leader_payoff)[None]), rescale(appeal[None])
    # An inverse temperature of 0 stays 0, however large the payoffs are.
    with np.errstate(over="ignore"):
        precision = float(np.ldexp(inverse_temperature, int(appeals.exponent[0])))
    return QuantalProgram(leader.scaled[0], appeals.scaled[0], precision, leader, appeals)
