"""Runs that go round are told from runs that rest."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import lfilter

import stackelberg as sg
from stackelberg.batch.learning import restlessness
from stackelberg.calculus.precision import exact
from stackelberg.calculus.total_derivative import Direct, total_derivative


def bilinear(total, num_steps=400, rate=0.05):
    """x y, which the leader makes small and the follower large, both a step at once; x and y after each."""
    value = lambda x, y: jnp.sum(x * y)
    x, y, made = np.array([1.0]), np.array([0.0]), []
    # The answer of a linear follower is none; with damping 1 it is the answer to a follower who is held back.
    slope = exact(lambda x, y: total_derivative(value, lambda x, y: -value(x, y), x, y, solver=Direct(), damping=1.0))
    found = slope(x, y)
    for _ in range(num_steps):
        # By hand: D = y + x / damping, which the first step checks.
        down = y + x if total else y
        x, y = x - rate * down, y + rate * x
        made.append([x[0], y[0]])
    assert found.gradient == pytest.approx(np.array([1.0]))  # y + x at (1, 0)
    assert found.individual == pytest.approx(np.array([0.0]))
    return np.array(made)


def test_both_at_once_go_round_and_the_total_derivative_comes_to_rest():
    """The period is 2π over the rate, 126 steps; descent of the explicit kind also drifts outwards."""
    round_it = sg.oscillation(bilinear(False))
    assert round_it.goes_round
    assert round_it.period == pytest.approx(2.0 * np.pi / 0.05, rel=0.1)
    assert not sg.oscillation(bilinear(True)).goes_round
    # Values go round at twice the pace, and tell it too.
    path = bilinear(False)
    assert sg.oscillation(path[:, 0] * path[:, 1]).period == pytest.approx(np.pi / 0.05, rel=0.1)


def noisy_rest(seed, memory, width):
    """Steps of fixed size towards a point of rest with noise: correlated from one record to the next."""
    noise = np.random.default_rng([seed, width]).normal(size=(400, width))
    return 3.0 * 0.97 ** np.arange(400)[:, None] + lfilter([1.0], [1.0, -memory], noise, axis=0)


@pytest.mark.parametrize(
    ("memory", "width", "most"), [(0.5, 1, 0), (0.9, 1, 12), (0.98, 1, 12), (0.9, 5, 0), (0.98, 5, 2)]
)
def test_noise_about_rest_is_hardly_ever_called_going_round(memory, width, most):
    """300 runs each. One entry of much memory is the worst case: 2 % are, so that more than 12 of 300 are once in 100
    such tests; seeds are fixed. The twin: a circle of its own size beneath the noise is found."""
    assert sum(sg.oscillation(noisy_rest(seed, memory, width)).goes_round for seed in range(300)) <= most
    path, angle = noisy_rest(0, memory, width), 2.0 * np.pi * np.arange(400) / 50.0
    circle = 3.0 * np.std(path[200:]) * np.cos(angle[:, None] + np.arange(width))
    assert sg.oscillation(path + circle).goes_round


def test_spirals_that_close_in_drifts_and_constants_do_not_go_round():
    time = np.arange(400)
    spiral = np.stack([np.cos(time / 5.0), np.sin(time / 5.0)], axis=-1) * np.exp(-time / 60.0)[:, None]
    for series in (spiral, time.astype(float), 1.0 / (1.0 + time), np.ones(400)):
        assert not sg.oscillation(series).goes_round
    with pytest.raises(sg.InputError, match="records"):
        sg.oscillation(np.zeros(10))
    with pytest.raises(sg.InputError, match="series"):
        sg.oscillation(np.full(50, np.nan))


def test_a_learner_that_comes_to_rest_is_not_called_going_round():
    grid = sg.goal_grid(3, discount=0.9)
    data = sg.process_log(grid, np.full(grid.shape, 0.25), 200, 0)
    problem = sg.problem_of(data, sg.cloned(data), sg.RewardScale(0.0, 1.0, 0.9))
    learner = sg.StackelbergLearner(problem.moments, problem.policy, weight=1e3)
    _, metrics = sg.advance(learner, sg.start(learner, (0,)), 100)
    assert not sg.oscillation(metrics["pessimistic"][:, 0, 0]).goes_round


def test_a_policy_that_goes_round_is_warned_of():
    """The twins: one that came to rest, and a path too short to tell."""
    time = np.arange(200)
    (told,) = restlessness(0.5 + 0.1 * np.cos(2.0 * np.pi * time / 25.0))
    assert "every 25 steps" in told
    assert "learning_rate" in told
    assert restlessness(1.0 - 0.97**time) == ()
    assert restlessness(np.cos(time[:30])) == ()
