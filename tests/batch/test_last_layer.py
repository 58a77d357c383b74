"""Features that a network has learned: what they are, and that critics of them say what other critics say."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import stackelberg as sg
from stackelberg._learner import train
from stackelberg.batch.last_layer import Foresight, last_layer_features
from stackelberg.batch.problem import problem_of

from .test_fence import swinging_log


SCALE = sg.RewardScale(0.0, 1.0, 0.9)


@pytest.fixture(scope="module")
def made():
    log = swinging_log(1_000)
    policy = sg.cloned(log, num_steps=50)
    return log, policy, last_layer_features(log, policy, SCALE, width=24, num_steps=800)


def pushed_log() -> sg.Dataset:
    log = swinging_log(200)
    return sg.Dataset(log.observation, log.action - 0.5, log.reward, log.next_observation, log.terminal, log.truncated)


def test_a_policys_average_is_that_of_its_actions_features(made) -> None:
    log, policy, features = made
    with jax.enable_x64(True):
        seen = log.observation[:20]
        each = [np.asarray(features.taken(seen, np.full((20, 1), float(action)))) for action in range(2)]
        shares = np.asarray(policy.choice(seen))
        expected = sum(shares[:, [action]] * each[action] for action in range(2))
        np.testing.assert_allclose(np.asarray(features.averaged(seen, policy, None)), expected, atol=1e-12)
    assert features.size == 50
    assert np.max(np.abs(each[0])) <= 1.0  # tanh, and a constant


def test_its_critic_says_what_a_critic_of_many_random_features_says(made) -> None:
    """Two classes of critics, one policy, one log: the same value."""
    log, policy, features = made
    with pytest.raises(sg.PrecisionError, match="float64"):
        problem_of(log, policy, SCALE, critic=features).most_consistent(policy)
    with jax.enable_x64(True):
        fourier = problem_of(log, policy, SCALE, num_features=100).most_consistent(policy).plug_in
        learned = problem_of(log, policy, SCALE, critic=features).most_consistent(policy).plug_in
    assert float(learned) == pytest.approx(float(fourier), abs=0.01)


def test_training_makes_the_loss_small(made) -> None:
    log, policy, _ = made
    policy = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), policy)
    _, metrics = train(Foresight(log, policy, SCALE, width=24), 400)
    loss = np.ravel(metrics["loss"])
    assert loss[-20:].mean() < 0.5 * loss[:20].mean()


def test_continuous_actions_stand_behind_the_observation() -> None:
    log = pushed_log()
    policy = sg.cloned(log, num_steps=20)
    features = last_layer_features(log, policy, SCALE, width=8, num_steps=20)
    with jax.enable_x64(True):
        noise = jr.normal(jr.key(0), (3, 10, 1))
        each = [features.taken(log.observation[:10], policy.actions(log.observation[:10], one)) for one in noise]
        mean = features.averaged(log.observation[:10], policy, noise)
        np.testing.assert_allclose(np.asarray(mean), np.mean(np.asarray(jnp.stack(each)), axis=0), atol=1e-12)
    assert features.size == 9


def test_a_width_of_nothing_is_refused() -> None:
    log = swinging_log(50)
    with pytest.raises(sg.InputError, match="width"):
        Foresight(log, sg.cloned(log, num_steps=2), SCALE, width=0)
