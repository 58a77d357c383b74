"""How often each action was chosen, with its uncertainty, beside what the fitted follower would do."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.stats import norm

from .._record import Record
from ..calculus.precision import exact
from ..followers.fitting.models import announced
from ..followers.fitting.result import Fit
from ..games.base import AbstractGame
from ..games.choices import Choices, follower_names


def response_curve(choices: Choices, game: AbstractGame, fit: Fit) -> Record:
    """Observed shares of the follower's actions with Wilson intervals, and the fitted probabilities.

    One entry for each distinct commitment (and type) in the log, sorted by the commitment's first entry: columns
    `share (n,)`, that entry; `response (n, b)`, fitted; `observed`, `low`, `high` `(n, b)`; `num_plays (n,)`. Raises
    `InputError` for logs of simultaneous play, which have no commitments.
    """
    table = choices.check(game).table(game)
    commitments = announced(table, "response_curve")
    first = commitments.reshape(len(commitments), -1)[:, 0]
    order = np.argsort(first, kind="stable")
    plays = table.counts.sum(axis=1)
    low, high = wilson_interval(table.counts, plays[:, None], fit.level)
    columns = {
        "share": first[order],
        "response": _fitted(game, fit, commitments, table.type)[order],
        "observed": (table.counts / plays[:, None])[order],
        "low": low[order],
        "high": high[order],
        "num_plays": plays[order],
    }
    attributes = {
        "follower_actions": list(follower_names(game)),
        "interval": f"{100 * fit.level:g}% Wilson interval",
        "model": fit.kind,
    }
    return Record("response", columns, attributes)


def wilson_interval(
    successes: Float[np.ndarray, "*n"], trials: Float[np.ndarray, "*m"], level: float = 0.95
) -> tuple[Float[np.ndarray, "*n"], Float[np.ndarray, "*n"]]:
    """The shares that a score test at this confidence does not reject. Wilson (1927)."""
    z = float(norm.ppf(0.5 + 0.5 * level))
    share = successes / trials
    middle = (share + z**2 / (2.0 * trials)) / (1.0 + z**2 / trials)
    reach = z / (1.0 + z**2 / trials) * np.sqrt(share * (1.0 - share) / trials + (z / (2.0 * trials)) ** 2)
    return np.maximum(middle - reach, 0.0), np.minimum(middle + reach, 1.0)


@exact
def _fitted(
    game: AbstractGame, fit: Fit, commitments: Float[np.ndarray, "c *k"], types: np.ndarray
) -> Float[np.ndarray, "c b"]:
    answers = [np.asarray(fit.follower(game, commitment)) for commitment in commitments]
    return np.stack([answer if answer.ndim == 1 else answer[kind] for answer, kind in zip(answers, types, strict=True)])
