"""Cloned behaviour of continuous actions: what its draws are where the log's actions stand at the edge."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import stackelberg as sg


def steep_log(rows=600):
    """A log whose rule is at an edge for half of what it sees, and exact to 0.05 in between."""
    rng = np.random.default_rng(0)
    seen = rng.uniform(-1.0, 1.0, (rows, 1))
    done = np.clip(4.0 * seen + 0.05 * rng.normal(size=(rows, 1)), -1.0, 1.0)
    return sg.Dataset(seen, done, np.zeros(rows), seen, np.ones(rows, bool))


LOG = steep_log()


def error(done):
    return float(np.sqrt(np.mean((np.asarray(done) - LOG.action) ** 2)))


def test_draws_of_a_narrow_clone_stay_by_the_log_and_those_of_the_likeliest_do_not():
    """The twin is the likeliest deviation: one has to serve for the edge, where tanh hardly gets, and everywhere else.

    Seeds are fixed: no false alarm.
    """
    narrow, likeliest = (sg.cloned(LOG, num_steps=1_500, deviation=wide) for wide in (0.135, None))
    assert narrow.log_deviation == pytest.approx(np.log(0.135))
    np.testing.assert_array_equal(narrow.greedy(LOG.observation), likeliest.greedy(LOG.observation))
    off = error(narrow.greedy(LOG.observation))
    more = [error(one.draw(LOG.observation, jr.key(1))) - off for one in (narrow, likeliest)]
    assert more[0] < 0.03
    assert more[1] > 3.0 * more[0]


def test_discrete_actions_have_no_deviation():
    rows = np.arange(40.0)[:, None]
    data = sg.Dataset(rows, rows % 2, np.zeros(40), rows, np.ones(40, bool), num_actions=2)
    plain, asked = (sg.cloned(data, hidden=(4,), num_steps=5, deviation=wide) for wide in (None, 0.1))
    for one, other in zip(jax.tree.leaves(plain), jax.tree.leaves(asked), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, "wide"])
def test_a_deviation_is_a_number_above_0(wrong):
    with pytest.raises(sg.InputError, match="deviation"):
        sg.cloned(LOG, num_steps=2, deviation=wrong)


@pytest.mark.slow
def test_learning_begins_at_the_narrow_clone():
    """The twin is the clone of the likelihood, several times as wide."""
    data = sg.control_log(
        sg.Pendulum(num_steps=20), lambda state, key: jnp.clip(4.0 * state[1:2], -1.0, 1.0), 60, jr.key(0)
    )
    got = sg.learn_policy(
        data, discount=0.9, reward_range=(-16.2736, 0.0), weights=(1e4,), num_features=6, hidden=(8,), num_steps=1
    )
    assert got.policy.log_deviation == pytest.approx(np.log(0.135), abs=0.01)
    assert sg.cloned(data, hidden=(8,)).log_deviation > np.log(0.135) + 1.0
