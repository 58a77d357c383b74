"""The best commitment against a follower that errs, with bounds: `QuantalStackelberg`."""

from __future__ import annotations

import functools
import time
from typing import Any, Literal, TypeAlias

import equinox as eqx

from .. import _boundary as boundary
from .._errors import InputError
from .._record import Solution
from ..calculus.precision import exact
from ..followers.base import AbstractFollower
from ..games.base import AbstractGame
from ..games.bayesian import BayesianGame
from ..games.domains.tariff import TariffGame
from ..games.markov import MarkovGame
from ..games.normal_form import NormalFormGame
from ..games.security import SecurityGame
from .base import AbstractSolver
from .quantal.normal_form import Effort, best_prescription, best_strategy
from .quantal.types import best_against_types
from .security.quantal import security_quantal
from .tariff import tariff_quantal


Announcement: TypeAlias = Literal["strategy", "prescription"]


class QuantalStackelberg(AbstractSolver[AbstractGame]):
    """The commitment that pays the leader most against a logit follower.

    - `follower`: a `QuantalResponse` of any inverse temperature in [0, ∞], or another `AbstractLogitFollower`.
    - `announcement`: "strategy" (one mixture, announced before the follower moves) or "prescription" (one mixture for
      each action of the follower; never worth less).
    - `tolerance`: the gap aimed at between the value and its proven bound, as a fraction of the leader's payoff range.
    - `time_limit`: seconds; the best answer so far is returned with its gap. None: as long as the work limits allow.
    - `memory_limit`: bytes that may be allocated; the estimate is made before.
    - `seed`: of the starts of the ascent against a farsighted follower; everything else draws nothing.

    How it is solved depends on the game:

    - normal form, strategy: multi-start ascent and Newton for the value, branch and bound over the simplex for the
      proof; it closes for up to 4 leader's actions, and beyond them the gap that remains is reported. At large inverse
      temperatures linear programs give the bound.
    - normal form, prescription: Dinkelbach's iteration on concave envelopes, exact at any size.
    - Bayesian: ascent; every type on its own gives the bound.
    - security: see `security_quantal`; tariffs: see `tariff_quantal`.
    - Markov: `BackwardInduction` for a myopic follower, `GradientAscent` for a farsighted one.

    At an infinite inverse temperature the follower breaks ties evenly, and the best value is a supremum.
    """

    follower: AbstractFollower
    announcement: Announcement = eqx.field(static=True)
    tolerance: float
    time_limit: float | None
    memory_limit: float
    seed: int

    def __init__(
        self,
        follower: AbstractFollower,
        announcement: Any = "strategy",
        tolerance: Any = 1e-6,
        time_limit: Any = None,
        memory_limit: Any = 2**32,
        seed: Any = 0,
    ) -> None:
        self.follower = boundary.instance("follower", follower, AbstractFollower, "sg.QuantalResponse(1.0)")
        self.announcement = boundary.one_of("announcement", announcement, ("strategy", "prescription"))  # type: ignore[assignment]
        self.tolerance = boundary.real_number("tolerance", tolerance, low=0.0, high=1.0, low_open=True)
        limit = None if time_limit is None else boundary.real_number("time_limit", time_limit, low=0.0)
        self.time_limit = limit
        self.memory_limit = boundary.real_number("memory_limit", memory_limit, low=0.0, low_open=True)
        self.seed = boundary.whole_number("seed", seed)

    @exact
    def __call__(self, game: AbstractGame) -> Solution:
        """The best commitment found and its certificate.

        Raises `InputError` for a follower or game of another kind, and `MemoryBudgetError`.
        """
        return _solve(game, self)

    def effort(self) -> Effort:
        """How precisely and how long to work, counted from now."""
        deadline = None if self.time_limit is None else time.monotonic() + self.time_limit
        return Effort(self.tolerance, deadline, self.memory_limit)


@functools.singledispatch
def _solve(game: AbstractGame, solver: QuantalStackelberg) -> Solution:
    raise InputError(
        boundary.TYPE,
        "game",
        found=f"it is a {type(game).__name__}",
        allowed="QuantalStackelberg solves normal forms, Bayesian, security and Markov games",
        remedy="Describe the game as one of these, or write a solver for it (AbstractSolver).",
    )


@_solve.register
def _(game: NormalFormGame, solver: QuantalStackelberg) -> Solution:
    method = best_strategy if solver.announcement == "strategy" else best_prescription
    return method(game, solver.follower, solver.effort())


@_solve.register
def _(game: BayesianGame, solver: QuantalStackelberg) -> Solution:
    _only_strategies(solver, "a Bayesian game")
    return best_against_types(game, solver.follower, solver.effort())


@_solve.register
def _(game: MarkovGame, solver: QuantalStackelberg) -> Solution:
    from .markov.backward_induction import BackwardInduction  # it solves its stages with this class
    from .markov.gradient_ascent import GradientAscent

    own = getattr(solver.follower, "discount", None)
    if (game.follower_discount if own is None else own) == 0.0 or game.horizon == 1:
        return BackwardInduction(solver.follower, solver.announcement, solver.tolerance, solver.time_limit)(game)
    return GradientAscent(solver.follower, solver.announcement, seed=solver.seed)(game)


@_solve.register
def _(game: SecurityGame, solver: QuantalStackelberg) -> Solution:
    _only_strategies(solver, "a security game")
    return security_quantal(game, solver.follower, solver.tolerance, solver.time_limit)  # type: ignore[arg-type]


@_solve.register
def _(game: TariffGame, solver: QuantalStackelberg) -> Solution:
    _only_strategies(solver, "a tariff")
    return tariff_quantal(game, solver.follower, solver.tolerance)


def _only_strategies(solver: QuantalStackelberg, what: str) -> None:
    if solver.announcement != "strategy":
        raise InputError(
            boundary.INCONSISTENT,
            "announcement",
            found=f"{solver.announcement!r} was asked for {what}",
            allowed='there the commitment is announced before the follower moves: "strategy"',
            remedy="Leave the field out.",
        )
