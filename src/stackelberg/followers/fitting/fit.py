"""`fit_response`: a follower from what it did, with intervals; `compare_models`: which model explains it best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import chi2

from ... import _boundary as boundary
from ..._record import Record
from ...games.base import AbstractGame
from ...games.choices import Choices, ChoiceTable
from .likelihood import AbstractLikelihood, Estimates, log_likelihood
from .models import AbstractResponseModel, QuantalModel
from .result import Fit


def fit_response(
    choices: Choices,
    game: AbstractGame,
    model: AbstractResponseModel | None = None,
    *,
    level: float = 0.95,
    folds: int = 5,
    seed: int = 0,
) -> Fit:
    """The maximum likelihood fit of `model` (`QuantalModel` when left out) to what followers chose in `game`.

    - `level`: confidence of the profile-likelihood intervals.
    - `folds`: plays are dealt at random into this many parts, each is predicted from the others (0: not at all).
    - `seed`: of that deal.

    Raises `InputError` when the log does not belong to the game, or cannot inform the model.
    """
    choices = boundary.instance("choices", choices, Choices, "sg.read_choices(path, game)")
    game = boundary.instance("game", game, AbstractGame, "sg.NormalFormGame(leader_payoff, follower_payoff)")
    level = boundary.real_number("level", level, low=0.5, high=1.0 - 1e-9)
    folds = boundary.whole_number("folds", folds, low=0, high=1000)
    seed = boundary.whole_number("seed", seed)
    model = boundary.instance(
        "model", QuantalModel() if model is None else model, AbstractResponseModel, "sg.QuantalModel()"
    )
    table = choices.check(game).table(game)
    likelihood = model.likelihood(game, table)
    counts = table.cells
    found = likelihood.estimate(counts[None], level)
    estimate = found.parameters[0]
    dimension = len(estimate) - len(found.unidentified)
    gain = gain_of_turned_signs(likelihood, counts, found)
    flags = _flags(found, table, bool(2.0 * gain > chi2.ppf(level, df=1)))
    return Fit(
        model=model,
        parameters=likelihood.names,
        estimate=estimate,
        standard_error=found.standard_errors[0],
        interval=found.intervals[0],
        covariance=found.covariance[0],
        level=level,
        log_likelihood=float(found.log_likelihood[0]),
        held_out_log_likelihood=held_out(likelihood, counts, folds, seed),
        folds=folds,
        num_plays=float(counts.sum()),
        identified_dimension=dimension,
        unidentified=found.unidentified,
        flags=flags,
        notes=_notes(flags, found, counts, choices, gain),
    )


def compare_models(
    choices: Choices,
    game: AbstractGame,
    models: Sequence[AbstractResponseModel],
    *,
    folds: int = 5,
    seed: int = 0,
) -> tuple[Fit, ...]:
    """The fits of several models to one log, the best held-out log-likelihood first.

    All models predict the same folds. `comparison(fits)` is the table. Of models that the log cannot tell apart only
    the simplest is handed back, with a note that names the others.
    """
    fits, doubles = distinct([fit_response(choices, game, model, folds=folds, seed=seed) for model in models])
    noted = [replace(fit, notes=(*fit.notes, *(note for kind, note in doubles if kind == fit.kind))) for fit in fits]
    return tuple(sorted(noted, key=lambda fit: -fit.held_out_log_likelihood if folds else fit.aic))


def distinct(fits: Sequence[Fit]) -> tuple[list[Fit], list[tuple[str, str]]]:
    """The fits of one log without those that say the same of it as a simpler one, in their order.

    Two fits say the same when their log-likelihoods, those held out and their numbers of identified parameters agree;
    of such fits the one with the fewest parameters is kept. Also returned: the kind that is kept and a sentence, for
    each fit left out.
    """
    kept: list[Fit] = []
    doubles: list[tuple[str, str]] = []
    for fit in sorted(fits, key=lambda fit: len(fit.parameters)):
        twin = next((other for other in kept if _says_the_same(fit, other)), None)
        if twin is None:
            kept.append(fit)
        else:
            doubles.append((twin.kind, f"{fit.kind}: this log cannot tell it from {twin.kind}"))
    return [fit for fit in fits if fit in kept], doubles


def _says_the_same(one: Fit, other: Fit) -> bool:
    figures = np.array([(fit.log_likelihood, fit.held_out_log_likelihood) for fit in (one, other)])
    is_close = np.allclose(figures[0], figures[1], rtol=0.0, atol=1e-7 * max(1.0, one.num_plays), equal_nan=True)
    return one.identified_dimension == other.identified_dimension and is_close


def comparison(fits: Sequence[Fit]) -> Record:
    """A table of fits: model, parameters, log-likelihood, AIC, BIC and held-out log-likelihood per play."""
    columns: dict[str, np.ndarray] = {
        "model": np.array([fit.kind for fit in fits]),
        "num_parameters": np.array([fit.identified_dimension for fit in fits]),
        "log_likelihood": np.array([fit.log_likelihood for fit in fits]),
        "aic": np.array([fit.aic for fit in fits]),
        "bic": np.array([fit.bic for fit in fits]),
        "held_out_per_play": np.array([fit.held_out_log_likelihood / fit.num_plays for fit in fits]),
    }
    return Record("comparison", columns, {"title": "Which model explains the choices"})


def held_out(likelihood: AbstractLikelihood, counts: Float[np.ndarray, "m"], folds: int, seed: int) -> float:
    """The log-likelihood of all plays, each predicted from the other folds; NaN with fewer plays than folds."""
    whole = np.rint(counts).astype(np.int64)
    if folds < 2 or whole.sum() < folds:
        return float("nan")
    parts = deal(whole, folds, np.random.default_rng(seed)).astype(np.float64)
    fitted = likelihood.estimate(whole - parts, None).log_fitted
    return float(log_likelihood(parts, fitted).sum())


def deal(counts: Int[np.ndarray, "m"], folds: int, generator: np.random.Generator) -> Int[np.ndarray, "k m"]:
    """The plays dealt at random into `folds` parts whose sizes differ by at most one."""
    total = int(counts.sum())
    sizes = np.full(folds, total // folds) + (np.arange(folds) < total % folds)
    parts, left = [], counts.copy()
    for size in sizes[:-1]:
        part = generator.multivariate_hypergeometric(left, size, method="marginals")
        parts.append(part)
        left = left - part
    return np.stack([*parts, left])


def gain_of_turned_signs(likelihood: AbstractLikelihood, counts: Float[np.ndarray, "m"], found: Estimates) -> float:
    """How much more likely the log is with every payoff's sign turned: a difference of log-likelihoods, or 0.

    Only an estimate at inverse temperature 0, uniform play, can be beaten. Twice the gain is the likelihood-ratio
    statistic of uniform play against the opposite direction.
    """
    opposed = likelihood.opposed() if np.all(found.parameters == 0.0) else None
    return 0.0 if opposed is None else float(opposed.estimate(counts[None], None).supremum[0] - found.supremum[0])


def _flags(found: Estimates, table: ChoiceTable, is_against_payoffs: bool) -> tuple[str, ...]:
    low, high = found.intervals[0, :, 0], found.intervals[0, :, 1]
    estimate = found.parameters[0]
    states: dict[str, Any] = {
        "against_payoffs": is_against_payoffs,
        "separated": found.separated[0],
        "one_class": table.has_one_class,
        "rank_deficient": len(found.unidentified) > 0,
        "boundary": np.any((np.abs(estimate - low) < 1e-9) | (np.abs(estimate - high) < 1e-9)),
    }
    return tuple(name for name, holds in states.items() if holds)


def _notes(
    flags: tuple[str, ...], found: Estimates, counts: Float[np.ndarray, "m"], choices: Choices, gain: float
) -> tuple[str, ...]:
    sentences = {
        "against_payoffs": "The choices go against the payoffs: with every payoff's sign turned, the log-likelihood "
        f"would be higher by {gain:.6g} (likelihood-ratio test against uniform play: p = "
        f"{0.5 * chi2.sf(2.0 * gain, df=1):.2g}). Check the signs of the payoffs, and who is who.",
        "separated": "The choices are separated: the likelihood keeps rising without end and has no maximum; the "
        "estimate is regularised by at most one added play spread over all actions, and its interval is one-sided.",
        "one_class": "Only one action was ever chosen: vary the commitment until others are chosen too.",
        "rank_deficient": f"The data determine {len(found.parameters[0]) - len(found.unidentified)} combination(s) of "
        f"the {len(found.parameters[0])} parameters; along the unidentified directions the estimate is the "
        "shortest one, and intervals are as wide as the data leave them.",
        "boundary": "An estimate lies at the end of its range: its interval is one-sided.",
    }
    notes = [sentence for flag, sentence in sentences.items() if flag in flags]
    if np.any(counts != np.rint(counts)):
        notes.append(
            "Counts are not whole (published frequencies): folds were dealt from counts rounded to whole plays."
        )
    if len(np.unique(choices.type)) > 1:
        notes.append("Choices of several types were fitted with common parameters.")
    return tuple(notes)
