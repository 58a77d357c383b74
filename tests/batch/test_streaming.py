"""Long logs: what is made again portion by portion is what is kept whole, and takes no memory to speak of."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import stackelberg as sg
from stackelberg.batch import moments, streaming
from stackelberg.experiments.catalog.batch_scale import memory_of_a_step, traced


def walk(rows, num_actions, seed=0):
    """Single transitions in the plane, some of them terminal."""
    generator = np.random.default_rng(seed)
    place = generator.normal(size=(rows, 2))
    action = generator.integers(0, 2, rows) if num_actions else generator.uniform(-1, 1, (rows, 1))
    return sg.Dataset(
        place,
        action.astype(float),
        generator.random(rows),
        place + 0.1 * generator.normal(size=(rows, 2)),
        generator.random(rows) < 0.1,
        num_actions=num_actions,
        is_independent=True,
    )


def learner(data, monkeypatch, large):
    monkeypatch.setattr(moments, "LARGE", large)
    policy = sg.blank_batch_policy(data.num_actions, 0, 1, np.zeros(2), np.ones(2), (8,), jr.key(0))
    return sg.StackelbergLearner(
        sg.problem_of(data, policy, sg.RewardScale(0.0, 1.0, 0.9), num_features=8).moments, policy, weight=1e3
    )


def value_and_slope(made):
    with jax.enable_x64(True):
        made = jax.tree.map(lambda leaf: jnp.asarray(leaf, float) if eqx.is_inexact_array(leaf) else leaf, traced(made))
        both = eqx.filter_jit(lambda one: eqx.filter_value_and_grad(lambda policy: one.paid(policy)[0])(one.policy))
        value, slope = both(made)
        return float(value), np.asarray(ravel_pytree(slope)[0])


@pytest.mark.parametrize(("num_actions", "rows"), [(2, 40), (2, 150), (0, 128)])
def test_portions_add_up_to_the_whole(num_actions, rows, monkeypatch):
    """Values and derivatives, for logs shorter than a portion, of whole portions, and with rows left over."""
    data = walk(rows, num_actions)
    kept = learner(data, monkeypatch, 10**9)
    made = learner(data, monkeypatch, 0)
    assert isinstance(made.moments.reach, streaming.Streamed)
    made = eqx.tree_at(lambda one: one.moments.reach, made, _portioned(made.moments.reach, 64))
    value, slope = value_and_slope(kept)
    again, anew = value_and_slope(made)
    assert again == pytest.approx(value, abs=1e-10)
    np.testing.assert_allclose(anew, slope, atol=1e-10 * np.max(np.abs(slope)) + 1e-14)
    # The twin: a portion that is left out is noticed.
    left = np.where(np.arange(rows) < 30, 0.0, made.moments.reach.share)
    short = eqx.tree_at(lambda one: one.moments.reach.share, made, left)
    assert abs(value_and_slope(short)[0] - value) > 1e-6


def _portioned(reach, portion):
    return streaming.Streamed(reach.observation, reach.action, reach.share, reach.tests, portion)


def test_a_step_takes_no_memory_to_speak_of_for_more_rows(monkeypatch):
    """Of the compiled program, beside its arguments; kept whole it grows with the log."""
    of = lambda rows, large: memory_of_a_step(learner(walk(rows, 2), monkeypatch, large))
    few, many = of(9_000, 0), of(33_000, 0)  # neither is a number of whole portions
    assert (many - few) / (33_000 - 9_000) <= 16.0  # bytes a row: two numbers, where the log has six
    assert of(33_000, 10**9) > 33_000 * 8.0 * 18
