"""How fast the follower's inverse temperature is learned from watching it play."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from .. import _boundary as boundary
from .._record import Record
from ..followers.fitting.logit import LogitLikelihood
from ..followers.quantal_response import QuantalResponse
from ..games.normal_form import NormalFormGame


def learning_curve(
    game: NormalFormGame,
    follower: QuantalResponse,
    *,
    num_plays: Sequence[int] = (50, 100, 200, 500, 1000, 2000, 5000),
    num_seeds: int = 30,
    num_announcements: int = 20,
    level: float = 0.95,
    seed: int = 0,
) -> Record:
    """Maximum likelihood estimates of `follower.inverse_temperature` from 50, 100, ... simulated plays.

    In each of `num_seeds` independent logs the leader announces one of `num_announcements` commitments drawn
    uniformly from the simplex, the follower answers, and the longer logs continue the shorter ones. All fits run as
    one batch. Columns, with k sizes and n seeds: `num_plays (k,)`; `each`, `each_low`, `each_high` `(k, n)`, the
    estimate of every log with its profile-likelihood interval; `estimate`, `low`, `high` `(k,)`, their medians;
    `covered (k,)`, the share of intervals that hold the truth. The draws are NumPy's Philox from `seed`.
    """
    sizes = boundary.whole_numbers("num_plays", num_plays, axes=("k",), low=1)
    seeds = boundary.whole_number("num_seeds", num_seeds, low=1)
    rng = np.random.Generator(np.random.Philox(boundary.whole_number("seed", seed)))
    announced = rng.dirichlet(
        np.ones(game.shape[0]), size=boundary.whole_number("announcements", num_announcements, low=1)
    )
    payoff = np.stack([np.asarray(game.induce(commitment).follower_payoff) for commitment in announced])
    chances = np.stack([np.asarray(follower(game, commitment)) for commitment in announced])
    counts = _nested_counts(chances, sizes, seeds, rng)
    likelihood = LogitLikelihood(payoff[..., None], ("inverse_temperature",), nonnegative=True)
    estimates = likelihood.estimate(counts.reshape(len(sizes) * seeds, -1), level)
    each = estimates.parameters[:, 0].reshape(len(sizes), seeds)
    ends = estimates.intervals[:, 0].reshape(len(sizes), seeds, 2)
    truth = float(follower.inverse_temperature)
    return Record(
        "estimation",
        {
            "num_plays": sizes,
            "estimate": np.median(each, axis=1),
            "low": np.median(ends[..., 0], axis=1),
            "high": np.median(ends[..., 1], axis=1),
            "covered": np.mean((ends[..., 0] <= truth) & (truth <= ends[..., 1]), axis=1),
            "each": each,
            "each_low": ends[..., 0],
            "each_high": ends[..., 1],
        },
        _attributes(truth, level, seeds, game),
    )


def _nested_counts(
    chances: Float[np.ndarray, "c b"], sizes: Int[np.ndarray, "k"], seeds: int, rng: np.random.Generator
) -> Float[np.ndarray, "k n c b"]:
    """How often each action was seen under each announcement in the first 50, 100, ... plays of each log."""
    contexts, actions = chances.shape
    longest = int(sizes.max())
    context = rng.integers(contexts, size=(seeds, longest))
    action = (rng.random((seeds, longest))[..., None] > np.cumsum(chances, axis=1)[context]).sum(axis=-1)
    cell = context * actions + np.minimum(action, actions - 1) + np.arange(seeds)[:, None] * contexts * actions
    shape = (seeds, contexts, actions)
    return np.stack(
        [np.bincount(cell[:, :size].ravel(), minlength=seeds * contexts * actions).reshape(shape) for size in sizes]
    ).astype(float)


def _attributes(truth: float, level: float, seeds: int, game: NormalFormGame) -> dict[str, Any]:
    return {
        "truth": truth,
        "unit": "1/payoff",
        "interval": f"{100 * level:g}% interval (median of {seeds} logs)",
        "title": f"What watching the follower teaches{': ' + game.title if game.title else ''}",
    }
