"""One small game of each kind, to start a file from."""

from __future__ import annotations

from collections.abc import Callable

from .base import AbstractGame
from .bayesian import BayesianGame
from .domains.tariff import TariffGame
from .markov import MarkovGame
from .normal_form import NormalFormGame
from .security import SecurityGame


def _normal_form() -> NormalFormGame:
    return NormalFormGame(
        [[2, 4], [1, 3]],
        [[1, 0], [0, 1]],
        leader_actions=["up", "down"],
        follower_actions=["left", "right"],
        title="A game of my own",
    )


def _bayesian() -> BayesianGame:
    return BayesianGame(
        leader_payoff=[[2, 4], [1, 3]],
        follower_payoff=[[[1, 0], [0, 1]], [[0, 1], [1, 0]]],
        prior=[0.5, 0.5],
        leader_actions=["up", "down"],
        follower_actions=["left", "right"],
        types=["first", "second"],
        title="A game of my own, with follower types",
    )


def _markov() -> MarkovGame:
    return MarkovGame(
        leader_reward=[[[2, 4], [1, 3]], [[0, 0], [1, 1]]],
        follower_reward=[[[1, 0], [0, 1]], [[0, 0], [1, 1]]],
        transition=[[[[1, 0], [0, 1]], [[1, 0], [0, 1]]], [[[0, 1], [0, 1]], [[1, 0], [1, 0]]]],
        initial=[1, 0],
        horizon=3,
        leader_actions=["up", "down"],
        follower_actions=["left", "right"],
        states=["start", "later"],
        title="A game of my own, over three stages",
    )


def _security() -> SecurityGame:
    return SecurityGame(
        leader_covered=[0, 0, 0],
        leader_uncovered=[-5, -3, -1],
        follower_covered=[-2, -2, -2],
        follower_uncovered=[5, 3, 1],
        resources=1,
        targets=["gate", "harbour", "depot"],
        title="Targets of my own",
    )


def _tariff() -> TariffGame:
    return TariffGame(
        appeal=[2.0, 3.0],
        price_sensitivity=0.1,
        cost=[6.0, 11.0],
        low=0.0,
        high=60.0,
        periods=["night", "day"],
        title="A tariff of my own",
    )


TEMPLATES: dict[str, Callable[[], AbstractGame]] = {
    "normal-form": _normal_form,
    "bayesian": _bayesian,
    "security": _security,
    "markov": _markov,
    "tariff": _tariff,
}
