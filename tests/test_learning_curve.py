"""Learning an inverse temperature from play: intervals that hold what they promise, errors that fall as 1/√n."""

import numpy as np
import pytest

import stackelberg as sg
from stackelberg.evaluation.learning import _nested_counts


GAME = sg.NormalFormGame(leader_payoff=[[2, 4], [1, 3]], follower_payoff=[[1, 0], [0, 1]])
TRUTH = 5.0


@pytest.fixture(scope="module")
def curve():
    return sg.learning_curve(GAME, sg.QuantalResponse(TRUTH), num_plays=(500, 5000), num_seeds=300, seed=11)


def covers(low, high):
    """Whether at least 89 % of 300 intervals hold the truth: at 95 % each, by chance false about once in 100,000."""
    return np.mean((low <= TRUTH) & (high >= TRUTH)) >= 0.89


def test_intervals_hold_the_truth_as_often_as_they_say(curve):
    for size in range(2):
        assert covers(curve["each_low"][size], curve["each_high"][size])


def test_the_check_of_intervals_catches_intervals_of_half_the_width(curve):
    low, high, middle = curve["each_low"][0], curve["each_high"][0], curve["each"][0]
    assert not covers((low + middle) / 2, (high + middle) / 2)


def falls_as_the_root(errors):
    """Whether ten times the plays divide the error by √10, within 20 %: by chance false less than once in 1,000."""
    first, second = np.sqrt(np.mean(errors**2, axis=1))
    return 0.8 < first / second / np.sqrt(10.0) < 1.2


def test_errors_fall_as_the_square_root_of_the_plays(curve):
    assert falls_as_the_root(curve["each"] - TRUTH)


def test_the_check_of_errors_catches_a_bias_that_stays(curve):
    assert not falls_as_the_root(curve["each"] + 0.5 - TRUTH)


def test_longer_logs_continue_the_shorter_ones():
    chances = np.array([[0.2, 0.8], [0.7, 0.3], [0.5, 0.5]])
    sizes = np.array([10, 100, 1000])
    counts = _nested_counts(chances, sizes, 7, np.random.default_rng(3))
    assert np.array_equal(counts.sum(axis=(2, 3)), np.tile(sizes[:, None], (1, 7)))
    assert (np.diff(counts, axis=0) >= 0).all()


def test_the_same_seed_gives_the_same_curve_and_another_seed_another():
    curves = [
        sg.learning_curve(GAME, sg.QuantalResponse(TRUTH), num_plays=(100,), num_seeds=3, seed=seed)["each"]
        for seed in (1, 1, 2)
    ]
    assert np.array_equal(curves[0], curves[1])
    assert not np.array_equal(curves[0], curves[2])


def test_a_size_that_is_not_a_count_is_refused():
    with pytest.raises(sg.InputError, match="num_plays"):
        sg.learning_curve(GAME, sg.QuantalResponse(TRUTH), num_plays=(0, 10))
