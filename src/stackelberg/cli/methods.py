"""Which solver answers which game and follower. Solvers are imported when they are chosen: each costs time."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from .. import _boundary as boundary
from .._errors import InputError
from .._types import Ties
from ..followers.base import AbstractFollower
from ..followers.best_response import BestResponse
from ..games.base import AbstractGame
from ..games.bayesian import BayesianGame
from ..games.markov import MarkovGame
from ..games.normal_form import NormalFormGame
from ..games.security import SecurityGame
from ..solvers.base import AbstractSolver


def method(
    game: AbstractGame,
    follower: AbstractFollower,
    announcement: Any,
    tolerance: float,
    time_limit: float | None,
    seed: int,
) -> AbstractSolver[Any]:
    """The solver for `game` against `follower`; the last four settings are of the quantal solver alone."""
    announcement = boundary.one_of("--announcement", announcement, ("strategy", "prescription"))
    if isinstance(follower, BestResponse):
        return _against_best_response(game, follower.ties)
    from ..solvers.quantal_stackelberg import QuantalStackelberg

    return QuantalStackelberg(follower, announcement, tolerance, time_limit, seed=seed)


@singledispatch
def _against_best_response(game: AbstractGame, ties: Ties) -> AbstractSolver[Any]:
    del ties
    raise InputError(
        boundary.TYPE,
        "GAME",
        found=f"a {type(game).__name__} has no exact solver against a best responder",
        allowed="it has one against a quantal follower",
        remedy="Write --response quantal:5, or a larger number for a more rational follower.",
    )


@_against_best_response.register
def _(game: NormalFormGame, ties: Ties) -> AbstractSolver[Any]:
    from ..solvers.normal_form.multiple_lps import MultipleLPs

    return MultipleLPs(ties)


@_against_best_response.register
def _(game: BayesianGame, ties: Ties) -> AbstractSolver[Any]:
    from ..solvers.bayesian.milp import BayesianMILP

    _only_for_the_leader(game, ties)
    return BayesianMILP()


@_against_best_response.register
def _(game: SecurityGame, ties: Ties) -> AbstractSolver[Any]:
    from ..solvers.security.equilibrium import SecurityLP

    return SecurityLP(ties)


@_against_best_response.register
def _(game: MarkovGame, ties: Ties) -> AbstractSolver[Any]:
    from ..solvers.markov.backward_induction import BackwardInduction

    return BackwardInduction(BestResponse(ties))


def _only_for_the_leader(game: AbstractGame, ties: Ties) -> None:
    if ties != "leader":
        raise InputError(
            boundary.INCONSISTENT,
            "--ties",
            found=f"{ties!r} was asked for a {type(game).__name__}",
            allowed="its solver breaks ties in the leader's favour",
            remedy="Leave the option out.",
        )
