"""The models that `fit` offers, and the fits of several of them to one log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._errors import InputError
from ..followers.files import follower_to_json
from ..followers.fitting.fit import distinct, fit_response
from ..followers.fitting.result import MODELS, Fit
from ..games.base import AbstractGame
from ..games.choices_files import read_choices
from ..report.tables import Table


@dataclass(frozen=True)
class Fits:
    """Fits of one log, the best held-out prediction first; `skipped` says which models are missing, and why."""

    fits: tuple[Fit, ...]
    skipped: tuple[str, ...] = ()

    @property
    def best(self) -> Fit:
        """The fit that predicts unseen plays best."""
        return self.fits[0]


def fit_models(
    path: str,
    game: AbstractGame,
    names: Sequence[str],
    level: float,
    folds: int,
    seed: int,
    advance: Callable[[], None],
    skip: bool,
) -> Fits:
    """Fit each model; with `skip`, leave out, with the reason, those that the log cannot inform or tell from others."""
    choices = read_choices(path, game)
    fits, skipped = [], []
    for name in names:
        try:
            fits.append(fit_response(choices, game, MODELS[name](), level=level, folds=folds, seed=seed))
        except InputError as problem:
            if not skip:
                raise
            skipped.append(f"{name}: {problem.found}")
        advance()
    if skip:
        fits, doubles = distinct(fits)
        skipped += [note for _, note in doubles]
    if folds and len(fits) > 1:
        fits.sort(key=lambda fit: -fit.held_out_log_likelihood)
    return Fits(tuple(fits), tuple(skipped))


def to_json(found: Fits) -> dict[str, Any]:
    """The best fit, and one line for each of the others."""
    table = [
        {
            "model": fit.kind,
            "log_likelihood": fit.log_likelihood,
            "held_out_log_likelihood": fit.held_out_log_likelihood,
            "aic": fit.aic,
            "bic": fit.bic,
            "parameters": dict(zip(fit.parameters, fit.estimate.tolist(), strict=True)),
        }
        for fit in found.fits
    ]
    best = found.best
    follower = follower_to_json(best.follower)
    return best.to_json() | {"follower": follower, "comparison": table, "skipped": list(found.skipped)}


def to_text(found: Fits) -> str:
    """The best fit in full, then the comparison when there is one."""
    best = found.best
    rows = [
        (name, f"{value:.6g}", f"{error:.3g}", f"[{low:.5g}, {high:.5g}]", "1/payoff" if "temperature" in name else "")
        for name, value, error, (low, high) in zip(
            best.parameters, best.estimate, best.standard_error, best.interval, strict=True
        )
    ]
    headers = ("parameter", "estimate", "error", f"{100 * best.level:g}% interval", "unit")
    parts = [
        f"model {best.kind}, {best.num_plays:g} choices, log-likelihood {best.log_likelihood:.8g}"
        + (f", held out {best.held_out_log_likelihood:.6g}" if np.isfinite(best.held_out_log_likelihood) else "")
    ]
    if rows:
        parts.append(Table(headers, rows, right=frozenset({"estimate", "error"})).plain())
    if len(found.fits) > 1:
        numbers = ("log-likelihood", "held out", "AIC", "BIC")
        table = [
            (
                fit.kind,
                *(f"{number:.6g}" for number in (fit.log_likelihood, fit.held_out_log_likelihood, fit.aic, fit.bic)),
            )
            for fit in found.fits
        ]
        parts.append(Table(("model", *numbers), table, right=frozenset(numbers)).plain())
    notes = [*best.notes, *(f"not listed, {reason}" for reason in found.skipped)]
    parts += ["\n".join(f"note: {note}" for note in notes)] if notes else []
    return "\n\n".join(parts)
