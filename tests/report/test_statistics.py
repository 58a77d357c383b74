"""Numbers over seeds: they agree with rliable, cover what they promise, and say when there is no interval."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

import stackelberg as sg
from stackelberg.report import statistics

from .oracle import library as rliable, metrics as rliable_metrics


NUM_RESAMPLES = 4000


def scores(num_tasks, num_seeds, seed=3):
    """Seeds of tasks that differ in level and spread, skewed to the right."""
    generator = np.random.Generator(np.random.Philox(seed))
    level = np.linspace(0.0, 2.0, num_tasks)[:, None]
    return level + generator.gamma(2.0, 0.2 + 0.1 * level, size=(num_tasks, num_seeds))


def monte_carlo_error(low, high, level):
    """Six standard errors of the difference of two percentiles, each from `NUM_RESAMPLES` resamples.

    A percentile p of B draws has the standard error √(p(1-p)/B) / f, f the density there; of a normal law with the
    width found, f = φ(z)/σ. Two such ends differ by more than six times √2 of it with probability 2e-9.
    """
    tail = (1.0 - level) / 2.0
    z = stats.norm.isf(tail)
    sigma = (high - low) / (2.0 * z)
    return 6.0 * math.sqrt(2.0) * math.sqrt(tail * (1.0 - tail) / NUM_RESAMPLES) * sigma / stats.norm.pdf(z)


@pytest.mark.filterwarnings("ignore:random_state is deprecated:FutureWarning")  # inside rliable
@pytest.mark.parametrize("shape", [(1, 20), (3, 10), (5, 8)])
@pytest.mark.parametrize("name", ["mean", "iqm"])
def test_aggregates_and_their_stratified_intervals_agree_with_rliable(name, shape):
    values = scores(*shape)
    found = statistics.estimate(values, name, num_resamples=NUM_RESAMPLES)
    theirs = {"mean": rliable_metrics.aggregate_mean, "iqm": rliable_metrics.aggregate_iqm}[name]
    level = statistics.expanded(0.95, [shape[1]] * shape[0])
    point, ends = rliable.get_interval_estimates(
        {"ours": values.T},
        lambda table: np.array([theirs(table)]),
        reps=NUM_RESAMPLES,
        confidence_interval_size=level,
        random_state=np.random.RandomState(1),
    )
    assert found.value == pytest.approx(float(point["ours"][0]), abs=1e-12)
    low, high = (float(end) for end in ends["ours"].ravel())
    allowed = monte_carlo_error(low, high, level)
    assert abs(found.low - low) <= allowed
    assert abs(found.high - high) <= allowed
    assert allowed < 0.5 * (high - low)


def test_an_interval_that_ignores_the_strata_would_be_noticed():
    """Planted bug: all seeds of all tasks drawn again together."""
    values = scores(5, 8)
    level = statistics.expanded(0.95, [8] * 5)
    pooled = statistics._interval([values.ravel()], np.mean, 0.95, NUM_RESAMPLES, 0)
    right = statistics.mean(values, num_resamples=NUM_RESAMPLES)
    assert abs(pooled[0] - right.low) > monte_carlo_error(right.low, right.high, level)
    assert abs(pooled[1] - right.high) > monte_carlo_error(right.low, right.high, level)


def test_the_performance_profile_agrees_with_rliable():
    values, thresholds = scores(4, 10), np.linspace(0.0, 4.0, 41)
    found = statistics.performance_profile(values, thresholds, num_resamples=NUM_RESAMPLES)
    level = statistics.expanded(0.95, [10] * 4)
    theirs, bands = rliable.create_performance_profile(
        {"ours": values.T}, thresholds, reps=NUM_RESAMPLES, confidence_interval_size=level
    )
    np.testing.assert_allclose(found.value, theirs["ours"], atol=1e-12)
    # Shares move in steps of 1/40, so that two percentiles that agree in law may fall on neighbouring steps.
    np.testing.assert_allclose(found.low, bands["ours"][0], atol=1 / 40 + 1e-9)
    np.testing.assert_allclose(found.high, bands["ours"][1], atol=1 / 40 + 1e-9)


def test_the_probability_of_improvement_agrees_with_rliable_and_with_all_pairs():
    first, second = np.round(scores(3, 12), 1), np.round(scores(3, 9, seed=4) + 0.1, 1)
    found = statistics.probability_of_improvement(first, second)
    pairs = [
        np.mean((a[:, None] > b[None, :]) + 0.5 * (a[:, None] == b[None, :]))
        for a, b in zip(first, second, strict=True)
    ]
    assert found.value == pytest.approx(np.mean(pairs), abs=1e-12)
    assert found.value == pytest.approx(rliable_metrics.probability_of_improvement(first.T, second.T), abs=1e-12)
    assert found.low < found.value < found.high
    worse = statistics.probability_of_improvement(first, second, better="lower")
    assert worse.value == pytest.approx(1.0 - found.value, abs=1e-12)


def coverage(num_seeds, num_replications, interval):
    """How often an interval for the mean of a normal law holds the truth."""
    draws = np.random.Generator(np.random.Philox(11)).normal(size=(num_replications, num_seeds))
    ends = np.array([interval(row, place) for place, row in enumerate(draws)])
    return np.mean((ends[:, 0] <= 0.0) & (ends[:, 1] >= 0.0))


def ours(row, place):
    found = statistics.mean(row, num_resamples=500, seed=place)
    return found.low, found.high


def plain_percentiles(row, place):
    """Planted bug: percentiles that are not widened for few seeds."""
    generator = np.random.Generator(np.random.Philox(place))
    means = generator.choice(row, size=(500, len(row))).mean(axis=1)
    return np.quantile(means, [0.025, 0.975])


def doubled_seeds(row, place):
    """Planted bug: twice as many seeds drawn as there are."""
    generator = np.random.Generator(np.random.Philox(place))
    means = generator.choice(row, size=(500, 2 * len(row))).mean(axis=1)
    return np.quantile(means, [0.025, 0.975])


def test_95_percent_intervals_of_the_mean_of_20_seeds_cover_92_percent_or_more():
    """They cover 94.9%, and in 2,000 replications fall below 92% with probability 1e-8; the bug (83%) reaches it with
    1e-25."""
    assert coverage(20, 2000, ours) >= 0.92
    assert coverage(20, 2000, doubled_seeds) < 0.92


def test_95_percent_intervals_of_the_mean_of_5_seeds_cover_90_percent_or_more():
    """They cover 92.8%, and fall below 90% with probability 1e-6; plain percentiles (84.5%) reach it with 1e-10."""
    assert coverage(5, 2000, ours) >= 0.90
    assert coverage(5, 2000, plain_percentiles) < 0.90


def test_the_interquartile_mean_leaves_out_the_lowest_and_the_highest_quarter():
    assert statistics.interquartile_mean(np.array([-100.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 1e6])).value == 3.5
    assert statistics.interquartile_mean(np.array([1.0, 2.0, 6.0])).value == 3.0
    assert statistics.median(np.array([1.0, 2.0, 9.0])).value == 2.0


@pytest.mark.parametrize("function", [statistics.mean, statistics.median, statistics.interquartile_mean])
def test_one_seed_has_a_value_and_no_interval(function):
    found = function(np.array([2.5]))
    assert found.value == 2.5
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert found.method == "one seed, no interval"


def test_missing_seeds_are_left_out_and_counted():
    values = np.array([1.0, np.nan, 3.0, 2.0, np.inf, 5.0])
    found = statistics.mean(values)
    assert found.value == statistics.mean(np.array([1.0, 3.0, 2.0, 5.0])).value == 2.75
    assert found.low == statistics.mean(np.array([1.0, 3.0, 2.0, 5.0])).low
    assert found.method == "95% interval over 4 seeds (2 missing)"
    assert statistics.mean(np.full(3, np.nan)).method == "no seed was measured"
    assert math.isnan(statistics.mean(np.full(3, np.nan)).value)


@pytest.mark.parametrize("function", [statistics.mean, statistics.median, statistics.interquartile_mean])
def test_equal_values_have_an_interval_without_width(function):
    found = function(np.full((2, 6), 0.3))
    assert found.low == pytest.approx(0.3, abs=1e-15)
    assert found.high == pytest.approx(0.3, abs=1e-15)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    values = scores(1, 20)[0]
    first, second, third = (statistics.mean(values, seed=seed) for seed in (0, 0, 1))
    assert (first.low, first.high) == (second.low, second.high)
    assert (first.low, first.high) != (third.low, third.high)


def test_a_higher_level_never_gives_a_narrower_interval():
    values = scores(2, 12)
    ends = [statistics.interquartile_mean(values, level=level) for level in (0.5, 0.8, 0.95, 0.99)]
    assert all(wide.low <= narrow.low for narrow, wide in pairwise(ends))
    assert all(wide.high >= narrow.high for narrow, wide in pairwise(ends))


def test_a_curve_is_the_estimate_at_each_of_its_steps():
    values = scores(6, 9)
    values[2, :4], values[4, :] = np.nan, np.nan
    band = statistics.curve(values)
    for place, row in enumerate(values):
        single = statistics.interquartile_mean(row)
        np.testing.assert_allclose(
            (band.value[place], band.low[place], band.high[place]), (single.value, single.low, single.high), atol=1e-12
        )
    assert band.num_seeds.tolist() == [9, 9, 5, 9, 0, 9]
    assert band.method == "95% interval of the interquartile mean over 9 seeds"


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, 2.0])
def test_a_level_outside_its_range_is_refused(level):
    with pytest.raises(sg.InputError, match="level"):
        statistics.mean(np.arange(5.0), level=level)


def test_tasks_that_do_not_match_are_refused():
    with pytest.raises(sg.InputError, match="same tasks"):
        statistics.probability_of_improvement(np.ones((2, 3)), np.ones((3, 3)))
