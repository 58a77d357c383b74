"""Rival followers of a fit: the usual suspects, those that a log rejects, and those that differ by name alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.stats import chi2, norm

from .._errors import InputError
from ..calculus.precision import exact
from ..followers.base import AbstractFollower
from ..followers.behavioural import Trembling
from ..followers.best_response import BestResponse
from ..followers.fitting.fit import fit_response
from ..followers.fitting.models import of_type
from ..followers.fitting.result import MODELS, Fit
from ..followers.level_k import LevelK
from ..followers.quantal_response import QuantalResponse
from ..games.base import AbstractGame
from ..games.choices import Choices, ChoiceTable


SAME_ANSWER = 1e-6  # probability: shares are estimated to about a millionth


def usual_suspects(fit: Fit, game: AbstractGame, choices: Choices | None = None) -> dict[str, AbstractFollower]:
    """Rival followers, by name: tie rules, other precisions, trembles; with `choices`, other models fitted to them."""
    suspects: dict[str, AbstractFollower] = {
        "best response, ties for the leader": BestResponse("leader"),
        "best response, ties against the leader": BestResponse("adversary"),
        "uniform play": QuantalResponse(0.0),
        "as fitted, one play in ten at random": Trembling(fit.follower, 0.1),
        "ignores the commitment": LevelK([0.0, 1.0, 0.0]),
    }
    if isinstance(fit.follower, QuantalResponse):
        precision = float(fit.follower.inverse_temperature)
        suspects["half the inverse temperature"] = QuantalResponse(0.5 * precision)
        suspects["twice the inverse temperature"] = QuantalResponse(2.0 * precision)
    if choices is not None:
        tried = (_tried(choices, game, model) for kind, model in MODELS.items() if kind not in {fit.kind, "uniform"})
        others = sorted((other for other in tried if other is not None), key=lambda other: len(other.parameters))
        suspects |= {f"{other.kind}, fitted to the same choices": other.follower for other in others}
    return suspects


def _tried(choices: Choices, game: AbstractGame, model: type) -> Fit | None:
    try:
        return fit_response(choices, game, model(), folds=0)
    except InputError:  # this kind of log or game does not inform the model
        return None


def rejected(
    fit: Fit, game: AbstractGame, choices: Choices | None, rivals: Mapping[str, AbstractFollower], *, batched: bool
) -> dict[str, bool | None]:
    """For each rival, whether the log rejects it in favour of `fit`; `None` when there is no log of answers to ask.

    A rival is rejected when the log is likelier under the fit, by more than its identified parameters (Akaike's
    estimate of what fitting gains) and half the χ²(1) quantile of `fit.level`, and the mean difference per play is
    significant at that level, one-sided; also when it gives some choice of the log probability 0. Vuong (1989), (5.6).

    - `batched`: all commitments of the log are answered in one call; not for followers that are no JAX functions.
    """
    table = None if choices is None else choices.check(game).table(game)
    if table is None or table.commitment is None:
        return dict.fromkeys(rivals, None)
    dimension = fit.identified_dimension
    reference = _log_answers(game, fit.follower, table, batched=True)
    return {
        name: loses(table.counts, reference, _log_answers(game, rival, table, batched=batched), dimension, fit.level)
        for name, rival in rivals.items()
    }


def _log_answers(
    game: AbstractGame, follower: AbstractFollower, table: ChoiceTable, *, batched: bool
) -> Float[np.ndarray, "c b"]:
    """The logarithm of the probability of each action in each context of the log."""
    over = _in_one_call if batched else _one_by_one
    answers = over(lambda commitment: follower(game, commitment), table.commitment)
    with np.errstate(divide="ignore"):
        return np.log(of_type(answers, table))


def _in_one_call(answer: Callable[[Any], Any], commitments: Any) -> np.ndarray:
    return np.asarray(exact(lambda rows: jax.vmap(answer)(jnp.asarray(rows)))(commitments))


def _one_by_one(answer: Callable[[Any], Any], commitments: Any) -> np.ndarray:
    return np.stack([np.asarray(answer(row)) for row in commitments])


def loses(
    counts: Float[np.ndarray, "c b"],
    fitted: Float[np.ndarray, "c b"],
    rival: Float[np.ndarray, "c b"],
    dimension: int,
    level: float,
) -> bool:
    """The test of `rejected` on logarithms of probabilities; `dimension`: the fit's identified parameters."""
    seen = counts > 0
    if np.any(np.isneginf(rival[seen])):
        return True
    plays, lead = counts[seen], fitted[seen] - rival[seen]
    total = float(plays @ lead)
    deviation = float(np.sqrt(plays @ (lead - total / plays.sum()) ** 2))
    gain = total - dimension
    return gain > 0.5 * float(chi2.ppf(level, df=1)) and gain > float(norm.ppf(level)) * deviation


def without_doubles(
    game: AbstractGame, commitment: Any, rivals: Mapping[str, AbstractFollower], verdicts: Mapping[str, bool | None]
) -> tuple[dict[str, AbstractFollower], list[str]]:
    """The rivals that answer this commitment differently from each other, and a sentence about those left out.

    Two rivals about which the log says different things are kept, however they answer here.
    """
    kept: dict[str, AbstractFollower] = {}
    answers: dict[str, np.ndarray] = {}
    doubles = []
    for name, rival in rivals.items():
        answer = np.asarray(rival(game, commitment))
        alike = (
            other
            for other, known in answers.items()
            if verdicts[other] == verdicts[name] and np.allclose(known, answer, rtol=0.0, atol=SAME_ANSWER)
        )
        twin = next(alike, None)
        if twin is None:
            kept[name], answers[name] = rival, answer
        else:
            doubles.append(f"{name} (as {twin})")
    return kept, [f"Shown once, because they answer this commitment alike: {'; '.join(doubles)}."] if doubles else []
