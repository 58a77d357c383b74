"""Logs of Gymnasium tasks say what the task did, and a policy that was learned from one plays there."""

from __future__ import annotations

import numpy as np
import pytest

import stackelberg as sg


gymnasium = pytest.importorskip("gymnasium")


def pushed(seen, generator):
    return int(generator.integers(0, 2))


def turned(seen, generator):
    return generator.uniform(-1.0, 1.0, 1)


def test_a_log_is_what_the_same_actions_do_again() -> None:
    data = sg.gymnasium_log(gymnasium.make("CartPole-v1"), pushed, 200, seed=3)
    env = gymnasium.make("CartPole-v1")
    seen = env.reset(seed=3)[0]
    assert data.num_actions == 2
    assert len(data) == 200
    for row in range(200):
        np.testing.assert_allclose(data.observation[row], seen, atol=1e-6)
        seen, reward, over, cut, _ = env.step(int(data.chosen[row]))
        np.testing.assert_allclose(data.next_observation[row], seen, atol=1e-6)
        assert data.reward[row] == reward
        assert bool(data.terminal[row]) == over
        if over or cut:
            seen = env.reset()[0]


def test_a_time_limit_is_no_end_and_actions_are_mapped_to_their_bounds() -> None:
    env = gymnasium.make("Pendulum-v1")
    data = sg.gymnasium_log(env, turned, 450)
    assert not np.any(data.terminal)
    assert list(np.flatnonzero(data.truncated)) == [199, 399, 449]
    # Torque is in [-2, 2]: the cost of a row is that of twice the action that is kept.
    angle = np.arctan2(data.observation[:, 1], data.observation[:, 0])
    torque = 2.0 * data.action[:, 0]
    cost = angle**2 + 0.1 * data.observation[:, 2] ** 2 + 0.001 * torque**2
    np.testing.assert_allclose(data.reward, -cost, atol=1e-4)
    wrong = angle**2 + 0.1 * data.observation[:, 2] ** 2 + 0.001 * data.action[:, 0] ** 2
    assert np.max(np.abs(data.reward + wrong)) > 1e-3  # a mapping that is left out would be seen


def test_numbers_of_states_stay_numbers_of_states() -> None:
    data = sg.gymnasium_log(gymnasium.make("FrozenLake-v1"), lambda seen, generator: int(generator.integers(0, 4)), 100)
    assert (data.num_states, data.num_actions) == (16, 4)
    found = sg.learn_policy(data, discount=0.9, reward_range=(0.0, 1.0), weights=(1e2,), num_steps=2)
    act = lambda seen, generator: int(found.policy.greedy(seen[None])[0, 0])
    assert sg.gymnasium_returns(gymnasium.make("FrozenLake-v1"), act, 3).shape == (3,)


def test_returns_are_those_of_the_same_seeds() -> None:
    both = [sg.gymnasium_returns(gymnasium.make("CartPole-v1"), pushed, 4, seed=1) for _ in range(2)]
    np.testing.assert_array_equal(both[0], both[1])
    assert len(set(both[0])) > 1


def test_other_spaces_and_actions_are_refused() -> None:
    with pytest.raises(sg.InputError, match="observation_space"):
        sg.gymnasium_log(gymnasium.make("Blackjack-v1"), pushed, 5)
    with pytest.raises(sg.InputError, match="action"):
        sg.gymnasium_log(gymnasium.make("CartPole-v1"), lambda seen, generator: 2, 5)
    with pytest.raises(sg.InputError, match="action"):
        sg.gymnasium_log(gymnasium.make("Pendulum-v1"), lambda seen, generator: [1.5], 5)
