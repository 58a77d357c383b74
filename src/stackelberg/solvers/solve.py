"""`sg.solve(game, method=None)`: the one entry to all solvers."""

from __future__ import annotations

import functools

from .. import _boundary as boundary
from .._errors import InputError
from .._record import Solution
from ..games.base import AbstractGame
from ..games.bayesian import BayesianGame
from ..games.exact_environment import AbstractExactEnvironment
from ..games.markov import MarkovGame
from ..games.model_game import ModelAsLeader, PolicyAsLeader
from ..games.normal_form import NormalFormGame
from ..games.security import SecurityGame
from .base import AbstractSolver
from .bayesian.milp import BayesianMILP
from .normal_form.multiple_lps import MultipleLPs


def solve(game: AbstractGame, method: AbstractSolver | None = None) -> Solution:
    """The best commitment in `game`, with its certificate.

    Without a `method` the follower is one that best-responds, with ties in the leader's favour (the strong Stackelberg
    equilibrium): `MultipleLPs` for a normal form, `BayesianMILP` for a Bayesian game, `SecurityLP` for a security game.
    A game played step by step is searched among deterministic policies (`DeterministicPolicies`); of a world model and
    a policy, either may lead (`FollowerClasses`, `BestPolicy`). A Markov game has no default: which method is right
    depends on how far its follower looks ahead. Raises `InputError` for a game that has no default.
    """
    game = boundary.instance("game", game, AbstractGame, "sg.NormalFormGame(leader_payoff, follower_payoff)")
    if method is None:
        return default_method(game)(game)
    return boundary.instance("method", method, AbstractSolver, "sg.MultipleLPs()")(game)


@functools.singledispatch
def default_method(game: AbstractGame) -> AbstractSolver:
    """The exact method for a best-responding follower in games of this kind."""
    raise InputError(
        boundary.TYPE,
        "game",
        found=f"a {type(game).__name__} has no default method",
        allowed="normal forms, Bayesian, security, iterated matrix and allocation games have one",
        remedy="Give the method: sg.solve(game, method).",
    )


@default_method.register
def _(game: NormalFormGame) -> AbstractSolver:
    return MultipleLPs()


@default_method.register
def _(game: BayesianGame) -> AbstractSolver:
    return BayesianMILP()


@default_method.register
def _(game: SecurityGame) -> AbstractSolver:
    from .security.equilibrium import SecurityLP

    return SecurityLP()


@default_method.register
def _(game: AbstractExactEnvironment) -> AbstractSolver:
    from .deterministic_policies import DeterministicPolicies

    return DeterministicPolicies()


@default_method.register
def _(game: ModelAsLeader) -> AbstractSolver:
    from .world_model.follower_classes import FollowerClasses

    return FollowerClasses()


@default_method.register
def _(game: PolicyAsLeader) -> AbstractSolver:
    from .world_model.best_policy import BestPolicy

    return BestPolicy()


@default_method.register
def _(game: MarkovGame) -> AbstractSolver:
    raise InputError(
        boundary.INCONSISTENT,
        "method",
        found="a Markov game was given without a method",
        allowed="sg.BackwardInduction(follower) is exact for a myopic follower, sg.GradientAscent(follower) searches "
        "for one that looks ahead",
        remedy="Pick one: against a farsighted follower what is announced for later changes what it does now, so that "
        "solving stage by stage is not optimal in general.",
    )
