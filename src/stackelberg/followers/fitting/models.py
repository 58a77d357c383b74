"""Models of how followers choose, whose parameters can be fitted: the object is the model's whole configuration."""

from __future__ import annotations

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ... import _boundary as boundary
from ..._errors import InputError
from ..._types import AnyArray
from ...calculus.precision import exact
from ...games.base import AbstractGame, AbstractProblem
from ...games.choices import ChoiceTable, follower_shape
from ...games.normal_form import NormalFormGame
from ...games.one_shot import OneShot
from ..base import AbstractFollower
from ..quantal_response import QuantalResponse
from .equilibrium import EquilibriumLikelihood
from .likelihood import AbstractLikelihood
from .logit import LogitLikelihood
from .quantal_branch import trace_branch


class AbstractResponseModel(eqx.Module):
    """A family of followers, one for each value of its parameters."""

    @abstractmethod
    def likelihood(self, game: AbstractGame, table: ChoiceTable) -> AbstractLikelihood:
        """The likelihood of the counts of `table`; `InputError` when this kind of data cannot inform the model."""

    @abstractmethod
    def follower(self, parameters: Float[np.ndarray, "d"]) -> AbstractFollower:
        """The follower with these parameters."""


class QuantalModel(AbstractResponseModel):
    """Logit response to the known payoffs; the inverse temperature, in [0, ∞), is estimated."""

    def likelihood(self, game: AbstractGame, table: ChoiceTable) -> LogitLikelihood:
        payoffs = induced_payoffs(game, announced(table, "QuantalModel"), table)
        return LogitLikelihood(payoffs[..., None], ("inverse_temperature",), nonnegative=True)

    def follower(self, parameters: Float[np.ndarray, "d"]) -> QuantalResponse:
        return QuantalResponse(float(parameters[0]))


class QuantalEquilibriumModel(AbstractResponseModel):
    """Logit quantal response *equilibrium* of simultaneous play: both players noisy, one inverse temperature.

    The principal branch is used, from uniform play on. The follower of the fit is a logit response with the estimated
    inverse temperature: what this player is expected to do once the leader commits.
    """

    def likelihood(self, game: AbstractGame, table: ChoiceTable) -> EquilibriumLikelihood:
        game = in_normal_form(game, "QuantalEquilibriumModel")
        _simultaneous(table, "QuantalEquilibriumModel")
        return EquilibriumLikelihood(trace_branch(np.asarray(game.leader_payoff), np.asarray(game.follower_payoff)))

    def follower(self, parameters: Float[np.ndarray, "d"]) -> QuantalResponse:
        return QuantalResponse(float(parameters[0]))


def induced_payoffs(
    game: AbstractGame, commitments: Float[np.ndarray, "c *k"], table: ChoiceTable
) -> Float[np.ndarray, "c b"]:
    """What each action pays the follower (of the type at hand) in each context."""
    return of_type(np.asarray(_payoffs(game, commitments)), table)


def of_type(values: Float[np.ndarray, "c *t b"], table: ChoiceTable) -> Float[np.ndarray, "c b"]:
    """In each context, the values of the type that was met there."""
    return values if values.ndim == 2 else values[np.arange(len(values)), table.type]


@exact
def _payoffs(game: AbstractGame, commitments: Float[np.ndarray, "c *k"]) -> Float[AnyArray, "c *t b"]:
    return jax.vmap(lambda commitment: one_shot(game.induce(commitment)).follower_payoff)(jnp.asarray(commitments))


def one_shot(problem: AbstractProblem) -> OneShot:
    """`problem`, when the follower moves once in it; `InputError` otherwise."""
    if isinstance(problem, OneShot):
        return problem
    raise InputError(
        boundary.TYPE,
        "game",
        found=f"its follower faces a {type(problem).__name__}",
        allowed="choices are fitted in games in which the follower moves once",
        remedy="Fit the choices of one stage, as a game in normal form.",
    )


def announced(table: ChoiceTable, model: str) -> Float[np.ndarray, "c *k"]:
    """The commitments of the contexts; simultaneous play has none, and a model of responses needs them."""
    if table.commitment is None:
        raise InputError(
            boundary.INCONSISTENT,
            "choices.commitment",
            found="the log holds simultaneous play, without a commitment",
            allowed=f"{model} needs the commitment that each choice answered",
            remedy="Fit QuantalEquilibriumModel, LevelKModel or UniformModel, or add the commitments to the log.",
        )
    return table.commitment


def _simultaneous(table: ChoiceTable, model: str) -> None:
    if table.commitment is not None:
        raise InputError(
            boundary.INCONSISTENT,
            "choices.commitment",
            found="the log holds commitments",
            allowed=f"{model} describes simultaneous play, in which neither player announces anything",
            remedy="Fit QuantalModel, or leave the commitments out if the follower did not see them.",
        )
    if not table.leader_counts.sum() > 0:
        raise InputError(
            boundary.EMPTY,
            "choices.by_leader",
            found="no choice of the leader is in the log",
            allowed=f"{model} needs the counts of both players",
            remedy="Add the leader's rows (column `player` = leader).",
        )


def in_normal_form(game: AbstractGame, model: str) -> NormalFormGame:
    if isinstance(game, NormalFormGame):
        return game
    raise InputError(
        boundary.TYPE,
        "game",
        found=f"it is a {type(game).__name__}",
        allowed=f"{model} is fitted to games in normal form",
        remedy="Write the game as two payoff matrices.",
    )


def uniform_cells(game: AbstractGame, table: ChoiceTable) -> Float[np.ndarray, "m"]:
    num_actions, _ = follower_shape(game)
    follower = np.full(table.counts.size, 1.0 / num_actions)
    if table.commitment is not None:
        return follower
    num_rows = len(table.leader_counts)
    return np.concatenate([np.full(num_rows, 1.0 / num_rows), follower])
