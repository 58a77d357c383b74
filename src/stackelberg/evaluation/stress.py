"""A plan under every follower that the data do not rule out, and under rival models of behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import chi2

from .. import _boundary as boundary
from .._errors import InputError
from .._record import Estimate, Record, plain
from ..followers.base import AbstractFollower
from ..followers.fitting.likelihood import log_likelihood
from ..followers.fitting.logit import LogitLikelihood
from ..followers.fitting.mixture import MixtureLikelihood
from ..followers.fitting.models import QuantalEquilibriumModel, QuantalModel, one_shot
from ..followers.fitting.result import Fit
from ..followers.quantal_response import QuantalResponse
from ..games.base import AbstractGame
from ..games.choices import Choices, ChoiceTable
from .outcome import evaluate
from .rivals import rejected, usual_suspects, without_doubles
from .worst_case import Stakes, worst_in_ellipsoid, worst_shares, worst_temperature


@dataclass(frozen=True)
class StressRow:
    """What a plan is worth against one follower.

    - `leader_value`: with the interval over the followers meant; `loss`: what was promised minus this value.
    - `rejected`: whether the log of choices rejects this rival (`None`: there was no log to ask).
    """

    model: str
    leader_value: Estimate
    follower_value: float
    loss: float
    rejected: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """The row in JSON's own types."""
        value = self.leader_value.to_json()
        return plain({"model": self.model, **self.__dict__ | {"leader_value": value}})


@dataclass(frozen=True)
class Stress:
    """A plan under many followers: as fitted, the worst of the confidence set, then the rivals.

    - `promised`: the value that was expected.  `level`: confidence of the set.  `notes`: each a sentence.
    """

    promised: float
    level: float
    rows: tuple[StressRow, ...]
    notes: tuple[str, ...]

    @property
    def worst(self) -> StressRow:
        """The row with the lowest value for the leader among those that the log does not reject."""
        return min((row for row in self.rows if not row.rejected), key=lambda row: float(row.leader_value))

    @property
    def worst_of_all(self) -> StressRow:
        """The row with the lowest value for the leader, rejected by the log or not."""
        return min(self.rows, key=lambda row: float(row.leader_value))

    def to_json(self) -> dict[str, Any]:
        """The table in JSON's own types; `leader_value` is that of `worst`."""
        return plain(
            {
                "leader_value": float(self.worst.leader_value),
                "promised": self.promised,
                "level": self.level,
                "rows": [row.to_json() for row in self.rows],
                "worst": self.worst.to_json(),
                "worst_of_all": self.worst_of_all.to_json(),
                "notes": self.notes,
            }
        )

    @property
    def record(self) -> Record:
        """The table, to be drawn: `model`, `leader_value`, `low`, `high`, `follower_value`, `loss`, `rejected`."""
        values = [row.leader_value for row in self.rows]
        columns = {
            "model": np.array([row.model for row in self.rows]),
            "leader_value": np.array([float(value) for value in values]),
            "low": np.array([float(value.low) for value in values]),
            "high": np.array([float(value.high) for value in values]),
            "follower_value": np.array([row.follower_value for row in self.rows]),
            "loss": np.array([row.loss for row in self.rows]),
            "rejected": np.array([row.rejected is True for row in self.rows]),
        }
        return Record("stress", columns, {"planned": self.promised, "level": self.level})


def stress(
    game: AbstractGame,
    commitment: Any,
    fit: Fit,
    *,
    rivals: Mapping[str, AbstractFollower] | None = None,
    choices: Choices | None = None,
    promised: float | int | None = None,
    seed: int = 0,
) -> Stress:
    """What `commitment` is worth to the leader if the follower is not exactly as fitted.

    - The confidence set of `fit`: for one parameter its interval, searched with a proven bound; for several weights
      the ellipsoid of the Fisher information (with `choices`, the likelihood-ratio set); for shares the intervals.
    - `rivals`: followers by name; left out, the usual suspects (tie rules, uniform play, half and twice the inverse
      temperature, a trembling hand, a follower that ignores the commitment), and, with `choices`, every other model
      fitted to the same log. Suspects that answer this commitment alike are shown once.
    - `choices`: the log; rivals that it rejects are marked (see `rejected` in `StressRow`).
    - `promised`: the value that was planned for; the value against the fitted follower when left out.
    - `seed`: of the samples that start the search over several parameters.

    Raises `InputError` when the commitment is not one of `game`, or the fit belongs to another game.
    """
    commitment = game.check_commitment(commitment)
    rows: list[tuple[str, Estimate, float]] = [("as fitted", *_values(game, commitment, fit.follower))]
    worst, notes = _worst_of_set(game, np.asarray(commitment), fit, choices, seed)
    rows.append((f"worst in the {100 * fit.level:g}% set", *worst))
    suspects = usual_suspects(fit, game, choices) if rivals is None else rivals
    verdicts = rejected(fit, game, choices, suspects, batched=rivals is None)
    if rivals is None:
        suspects, doubles = without_doubles(game, commitment, suspects, verdicts)
        notes = [*notes, *doubles]
    rows += [(name, *_values(game, commitment, follower)) for name, follower in suspects.items()]
    expected = float(rows[0][1]) if promised is None else boundary.real_number("promised", promised)
    table = tuple(
        StressRow(name, value, paid, expected - float(value), verdicts.get(name)) for name, value, paid in rows
    )
    return Stress(expected, fit.level, table, tuple(notes))


def _values(game: AbstractGame, commitment: Any, follower: AbstractFollower) -> tuple[Estimate, float]:
    outcome = evaluate(game, commitment, follower(game, commitment))
    return outcome.leader_value, float(outcome.follower_value)


def _worst_of_set(
    game: AbstractGame, commitment: np.ndarray, fit: Fit, choices: Choices | None, seed: int
) -> tuple[tuple[Estimate, float], list[str]]:
    """The worst follower of the confidence set: the leader's value with its bound, and the follower's own value."""
    stakes = _stakes(game, commitment)
    if isinstance(fit.model, QuantalModel | QuantalEquilibriumModel):
        at, value = worst_temperature(stakes, *map(float, fit.interval[0]))
        return (value, _values(game, commitment, QuantalResponse(at))[1]), []
    likelihood = fit.model.likelihood(game, _table_at(commitment, stakes))
    if isinstance(likelihood, MixtureLikelihood):
        return _worst_mixture(stakes, likelihood, fit), []
    assert isinstance(likelihood, LogitLikelihood)
    _check_parameters(likelihood, fit)
    if "separated" in fit.flags or _moves_freely(likelihood, fit):
        note = "The data leave some combination of parameters open that matters at this commitment: the worst is taken "
        floor = Estimate.exact(stakes.floor, "what the leader gets at least, whatever the follower does")
        response = np.eye(stakes.leader.shape[-1])[np.argmin(stakes.leader, axis=-1)]
        return (floor, float(stakes.prior @ (response * stakes.follower).sum(axis=-1))), [note + "over all actions."]
    radius = np.sqrt(chi2.ppf(fit.level, df=max(fit.identified_dimension, 1)))
    squares, vectors = np.linalg.eigh(fit.covariance)
    kept = squares > 1e-12 * max(squares[-1], 1e-300)
    root = radius * vectors[:, kept] * np.sqrt(squares[kept])
    inside = None if choices is None else _likelihood_ratio(game, choices, fit, 0.5 * float(radius) ** 2)
    at, value = worst_in_ellipsoid(stakes, likelihood.features, fit.estimate, root, seed, inside)
    return (value, _values(game, commitment, fit.model.follower(at))[1]), []


def _worst_mixture(stakes: Stakes, likelihood: MixtureLikelihood, fit: Fit) -> tuple[Estimate, float]:
    rules = likelihood.responses.reshape(len(likelihood.responses), *stakes.leader.shape)
    shares, value = worst_shares(stakes.value(rules), fit.interval) if len(fit.estimate) else _only_rule(stakes, rules)
    mixed = np.tensordot(np.append(1.0 - shares.sum(), shares), rules, axes=1)
    return value, float(np.einsum("t,tb,tb->", stakes.prior, mixed, stakes.follower))


def _only_rule(stakes: Stakes, rules: Float[np.ndarray, "k t b"]) -> tuple[Float[np.ndarray, "d"], Estimate]:
    return np.zeros(0), Estimate.exact(float(stakes.value(rules)[0]), "exact: nothing is estimated")


def _stakes(game: AbstractGame, commitment: np.ndarray) -> Stakes:
    problem = one_shot(game.induce(commitment))
    leader = np.atleast_2d(np.asarray(problem.leader_payoff))
    follower = np.atleast_2d(np.asarray(problem.follower_payoff))
    return Stakes(leader, follower, np.atleast_1d(np.asarray(problem.prior)))


def _table_at(commitment: np.ndarray, stakes: Stakes) -> ChoiceTable:
    """One context for each type, without any plays: the design at the commitment that is put under stress."""
    types = len(stakes.prior)
    contexts = np.repeat(commitment[None], types, axis=0)
    return ChoiceTable(contexts, np.arange(types), np.zeros(stakes.leader.shape), np.zeros(0))


def _check_parameters(likelihood: LogitLikelihood, fit: Fit) -> None:
    if likelihood.features.shape[-1] != len(fit.estimate):
        raise InputError(
            boundary.SHAPE,
            "fit.estimate",
            found=f"there are {len(fit.estimate)} parameters",
            allowed=f"this game needs {likelihood.features.shape[-1]}",
            remedy="Use the fit that was made for this game.",
        )


def _moves_freely(likelihood: LogitLikelihood, fit: Fit) -> bool:
    """Whether an unidentified direction of the parameters changes the choice probabilities at this commitment."""
    centred = likelihood.features - likelihood.features.mean(axis=1, keepdims=True)
    moved = np.abs(centred @ fit.unidentified.T).max(initial=0.0)
    return bool(moved > 1e-6 * np.abs(centred).max(initial=0.0))


def _likelihood_ratio(game: AbstractGame, choices: Choices, fit: Fit, drop: float) -> Any:
    table = choices.check(game).table(game)
    likelihood, counts = fit.model.likelihood(game, table), table.cells
    threshold = fit.log_likelihood - drop

    def inside(theta: Float[np.ndarray, "d"]) -> float:
        return float(log_likelihood(counts, likelihood.log_probabilities(theta[None])[0])) - threshold

    return inside
