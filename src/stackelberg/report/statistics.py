"""What many seeds say together: means, medians, interquartile means, profiles, with bootstrap intervals.

An interval resamples the seeds *within each setting* (a stratified bootstrap), as in Agarwal, Schwarzer, Castro,
Courville and Bellemare (2021), "Deep reinforcement learning at the edge of the statistical precipice". One departure:
percentile intervals are too narrow when seeds are few, and are widened as Hesterberg (2015), "What teachers should know
about the bootstrap", proposes ("expanded percentile"). For the mean of normal numbers that covers 93% at 5 seeds and
95% at 20, where plain percentiles cover 85% and 93%.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from .. import _boundary as boundary
from .._errors import InputError
from .._record import Estimate
from .._runs import Direction


Statistic: TypeAlias = Literal["mean", "median", "iqm"]

LEVEL = 0.95
NUM_RESAMPLES = 2000

WORDS: dict[str, str] = {"mean": "mean", "median": "median", "iqm": "interquartile mean"}

_CELLS = 4_000_000  # numbers held at once while resampling: 32 MB


@dataclass(frozen=True, eq=False)
class Band:
    """A statistic along an axis, with its pointwise interval; NaN where nothing was measured or one seed is alone.

    `num_seeds` counts the values behind each point; `method` says in words what the band is.
    """

    value: Float[np.ndarray, "k"]
    low: Float[np.ndarray, "k"]
    high: Float[np.ndarray, "k"]
    num_seeds: np.ndarray
    method: str


def mean(values: Any, *, level: float = LEVEL, num_resamples: int = NUM_RESAMPLES, seed: int = 0) -> Estimate:
    """The mean of all finite `values`, `(s,)` over seeds or `(g, s)` over settings and seeds; see `estimate`."""
    return estimate(values, "mean", level=level, num_resamples=num_resamples, seed=seed)


def median(values: Any, *, level: float = LEVEL, num_resamples: int = NUM_RESAMPLES, seed: int = 0) -> Estimate:
    """The median of all finite `values`, `(s,)` over seeds or `(g, s)` over settings and seeds; see `estimate`."""
    return estimate(values, "median", level=level, num_resamples=num_resamples, seed=seed)


def interquartile_mean(
    values: Any, *, level: float = LEVEL, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> Estimate:
    """The mean of the middle half of all finite `values`, `(s,)` or `(g, s)`; see `estimate`.

    The lowest and highest quarter (rounded down) are left out: less moved by one odd seed than the mean, and surer than
    the median.
    """
    return estimate(values, "iqm", level=level, num_resamples=num_resamples, seed=seed)


def estimate(
    values: Any, statistic: Statistic, *, level: float = LEVEL, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> Estimate:
    """A statistic of all finite `values` with the interval of a stratified bootstrap.

    - `values`: `(s,)` over seeds, or `(g, s)` over settings and seeds; what is not finite counts as not measured.
    - `level`: of the interval, in (0, 1).  `num_resamples`: how often the seeds are drawn again.
    - `seed`: of the draws; the same seed gives the same interval.

    With one seed there is no interval: `low` and `high` are NaN, and `method` says so. Raises `InputError` on a level
    or a number of resamples that is out of range.
    """
    boundary.one_of("statistic", statistic, WORDS)
    strata = _strata(values)
    pooled = np.concatenate(strata) if strata else np.empty(0)
    value = float(_reduce(statistic)(pooled, axis=-1)) if len(pooled) else math.nan
    low, high = _interval(strata, _pooling(_reduce(statistic)), level, num_resamples, seed)
    return Estimate(value, float(low), float(high), _words(values, strata, level))


def curve(
    values: Float[np.ndarray, "k s"],
    statistic: Statistic = "iqm",
    *,
    level: float = LEVEL,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Band:
    """A statistic over seeds at each of k steps, with its pointwise interval; NaN entries are left out."""
    boundary.one_of("statistic", statistic, WORDS)
    seen = np.isfinite(values)
    low, middle, high = (np.full(len(values), np.nan) for _ in range(3))
    for pattern in np.unique(seen, axis=0):
        rows = np.flatnonzero((seen == pattern).all(axis=1))
        if pattern.any():
            kept = values[np.ix_(rows, np.flatnonzero(pattern))]
            middle[rows] = _reduce(statistic)(kept, axis=-1)
            low[rows], high[rows] = _interval([kept], _pooling(_reduce(statistic)), level, num_resamples, seed)
    counts = seen.sum(axis=1)
    most = int(counts.max(initial=0))
    words = "one seed, no interval" if most == 1 else f"{_percent(level)} interval of the {WORDS[statistic]}"
    return Band(middle, low, high, counts, words if most == 1 else f"{words} over {_seeds(most)}")


def performance_profile(
    values: Any,
    thresholds: Float[np.ndarray, "k"],
    *,
    better: Direction = "higher",
    level: float = LEVEL,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Band:
    """The share of runs whose value is above each threshold (below it where lower is better), with its interval.

    `values` are `(s,)` over seeds or `(g, s)` over settings and seeds; those that are not finite are left out. A
    profile that lies above another everywhere belongs to the better setting (Agarwal et al. (2021), Section 4.2).
    """
    strata = _strata(values)
    pooled = np.concatenate(strata) if strata else np.empty(0)
    passes = np.less if better == "lower" else np.greater
    marks = [passes(stratum, thresholds[:, None]).astype(float) for stratum in strata]
    if len(pooled) == 0:
        empty = np.full(len(thresholds), np.nan)
        return Band(empty, empty, empty, np.zeros(len(thresholds), int), _words(values, strata, level))
    share = np.concatenate(marks, axis=-1).mean(axis=-1)
    low, high = _interval(marks, _pooling(np.mean), level, num_resamples, seed)
    spread = np.broadcast_to(low, share.shape), np.broadcast_to(high, share.shape)
    return Band(share, *spread, np.full(len(share), len(pooled)), _words(values, strata, level))


def probability_of_improvement(
    first: Any,
    second: Any,
    *,
    better: Direction = "higher",
    level: float = LEVEL,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """How likely a run of `first` beats a run of `second`: P(X > Y) + P(X = Y) / 2 over all pairs of seeds.

    Both are `(s,)`, or `(t, s)` over the same t tasks, whose probabilities are averaged; the numbers of seeds may
    differ. 0.5 is no difference. The interval resamples the seeds of each, within each task.
    """
    one, two = _strata(first, keep_empty=True), _strata(second, keep_empty=True)
    if len(one) != len(two):
        raise InputError(
            boundary.SHAPE,
            "second",
            found=f"it has {len(two)} tasks, and `first` has {len(one)}",
            allowed="both need the same tasks, in the same order",
            remedy="Leave out the tasks that only one of them was run on.",
        )
    sign = -1.0 if better == "lower" else 1.0
    pairs = [(sign * a, sign * b) for a, b in zip(one, two, strict=True) if len(a) and len(b)]
    if not pairs:
        return Estimate(math.nan, math.nan, math.nan, "no seed was measured")
    samples = [sample for pair in pairs for sample in pair]

    def chance(*parts: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.asarray(np.mean([_beats(a, b) for a, b in zip(parts[::2], parts[1::2], strict=True)], axis=0))

    low, high = _interval(samples, chance, level, num_resamples, seed)
    counts = f"{sum(len(a) for a, _ in pairs)} against {sum(len(b) for _, b in pairs)} seeds"
    alone = min(len(sample) for sample in samples) < 2
    words = "one seed, no interval" if alone else f"{_percent(level)} interval over {counts}"
    return Estimate(float(chance(*samples)), float(low), float(high), words)


def _beats(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """P(X > Y) + P(X = Y) / 2 along the last axes, by ranks: no table of all pairs is kept."""
    ordered = np.sort(second, axis=-1)
    flat, others = first.reshape(-1, first.shape[-1]), ordered.reshape(-1, ordered.shape[-1])
    wins = [
        (np.searchsorted(row, mine, "left") + np.searchsorted(row, mine, "right")).mean() / (2.0 * len(row))
        for mine, row in zip(flat, others, strict=True)
    ]
    return np.reshape(wins, first.shape[:-1])


def _interquartile(values: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.asarray(stats.trim_mean(values, 0.25, axis=axis))


def _reduce(statistic: str) -> Callable[..., np.ndarray]:
    return {"mean": np.mean, "median": np.median, "iqm": _interquartile}[statistic]


def _pooling(reduce: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """`reduce` of all strata together."""

    def pooled(*parts: np.ndarray, axis: int = -1) -> np.ndarray:
        return reduce(np.concatenate(parts, axis=axis), axis=axis)

    return pooled


def _strata(values: Any, *, keep_empty: bool = False) -> list[np.ndarray]:
    """The finite entries of each setting."""
    table = np.atleast_2d(np.asarray(values, dtype=np.float64))
    rows = [row[np.isfinite(row)] for row in table]
    return [row for row in rows if keep_empty or len(row)]


def _interval(
    samples: Sequence[np.ndarray], statistic: Callable[..., np.ndarray], level: float, num_resamples: int, seed: int
) -> tuple[Any, Any]:
    """The percentile interval of a statistic of samples whose last axes are drawn again, each within itself."""
    boundary.real_number("level", level, low=0.0, high=0.9999, low_open=True)
    boundary.whole_number("num_resamples", num_resamples, low=2)
    sizes = [sample.shape[-1] for sample in samples]
    if not sizes or min(sizes) < 2:
        return np.nan, np.nan
    cells = sum(math.prod(sample.shape) for sample in samples)
    found = stats.bootstrap(
        tuple(samples),
        statistic,
        n_resamples=num_resamples,
        batch=max(1, _CELLS // cells),
        vectorized=True,
        axis=-1,
        confidence_level=expanded(level, sizes),
        method="percentile",
        rng=np.random.Generator(np.random.Philox(seed)),
    )
    return found.confidence_interval.low, found.confidence_interval.high


def expanded(level: float, sizes: Sequence[int]) -> float:
    """The level at which percentiles are read, so that an interval from few seeds covers what `level` promises.

    Resampled means of n seeds have (n-1)/n of the variance that they should have, and normal tails in place of
    Student's; reading the percentiles at the level 1 - 2Φ(-t √(n/(n-1))), t the quantile of Student's law, undoes both.
    """
    smallest, degrees = min(sizes), sum(sizes) - len(sizes)
    reach = stats.t.isf((1.0 - level) / 2.0, degrees) * math.sqrt(smallest / (smallest - 1.0))
    return float(1.0 - 2.0 * stats.norm.sf(reach))


def _words(values: Any, strata: list[np.ndarray], level: float) -> str:
    planned, done = int(np.size(np.asarray(values, dtype=np.float64))), sum(len(row) for row in strata)
    if done == 0:
        return "no seed was measured"
    missing = f" ({planned - done} missing)" if planned > done else ""
    if min(len(row) for row in strata) < 2:
        alone = "one seed, no interval" if len(strata) == 1 else "a setting with one seed, no interval"
        return alone + missing
    return f"{_percent(level)} interval over {_seeds(done)}{missing}"


def _percent(level: float) -> str:
    return f"{100.0 * level:g}%"


def _seeds(count: int) -> str:
    return "one seed" if count == 1 else f"{count} seeds"


def measured(values: Float[np.ndarray, "k s"]) -> Bool[np.ndarray, "k"]:
    """At which steps anything was measured."""
    return np.asarray(np.isfinite(values).any(axis=1))
