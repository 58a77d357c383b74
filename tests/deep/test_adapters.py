"""Environments of other libraries as ours, and ours as theirs: their own tests, round trips, and plain loops."""

import sys

import gymnasium
import numpy as np
import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test

import stackelberg as sg


GAMES = {
    "dilemma": lambda: sg.iterated_matrix_game("prisoners_dilemma"),
    "by chance": lambda: sg.iterated_matrix_game("chicken", 30, continuation=0.8),
    "mixed": lambda: sg.iterated_matrix_game("chicken", 4, is_mixed=True),
    "allocation": lambda: sg.AllocationGame(3),
    "two followers": sg.information_game,
}


@pytest.mark.filterwarnings("ignore")  # of PettingZoo's own style checks
@pytest.mark.parametrize("name", GAMES)
def test_pettingzoo_accepts_ours(name):
    parallel_api_test(sg.to_pettingzoo(GAMES[name]()), num_cycles=40)
    parallel_seed_test(lambda: sg.to_pettingzoo(GAMES[name]()))


def test_ours_there_and_back_is_paid_the_same():
    """Both sides play the same actions: payoffs are looked up in the matrix, observations counted by hand."""
    game = GAMES["dilemma"]()
    host = sg.from_pettingzoo(lambda: sg.to_pettingzoo(game), num_copies=3)
    assert host.names == ("leader", "follower_1")
    assert host.observation_spaces == game.observation_spaces
    rng = np.random.default_rng(0)
    leader = host.reset(7)[0]
    np.testing.assert_array_equal(leader, 0)
    for n in range(25):
        a, b = rng.integers(0, 2, 3), rng.integers(0, 2, 3)
        made = host.step((a, b))
        np.testing.assert_allclose(made.rewards, np.stack([game.leader_payoff[a, b], game.follower_payoff[a, b]], 1))
        assert made.is_over.tolist() == [n % 10 == 9] * 3
        np.testing.assert_array_equal(made.last_observations[0], 1 + a + 2 * b)
        np.testing.assert_array_equal(made.observations[1], 0 if n % 10 == 9 else 1 + a + 2 * b)


def test_the_leader_can_be_any_agent():
    host = sg.from_pettingzoo(lambda: sg.to_pettingzoo(sg.information_game()), leader="follower_2")
    assert host.names == ("follower_2", "leader", "follower_1")
    with pytest.raises(sg.InputError, match=r"leader.*follower_1"):
        sg.from_pettingzoo(lambda: sg.to_pettingzoo(sg.information_game()), leader="folower_1")


def test_gymnasium_as_in_a_plain_loop():
    make = lambda: gymnasium.make("CartPole-v1")
    host = sg.from_gymnasium(make, num_copies=2)
    assert host.observation_spaces[0].shape == (4,)
    push = lambda seen, generator: (seen[:, 2] > 0.0).astype(int)
    played = host.rollout([push], 60, seed=11)
    for copy in range(2):
        plain = make()
        seen, _ = plain.reset(seed=11 + copy)
        for n in range(60):
            np.testing.assert_allclose(played.observations[0][n, copy], seen, rtol=1e-6)
            seen, paid, terminated, truncated, _ = plain.step(int(seen[2] > 0.0))
            assert played.rewards[n, copy, 0] == paid
            assert played.is_over[n, copy] == (terminated or truncated)
            if terminated or truncated:
                seen, _ = plain.reset()
    assert played.is_over.any()


class Counted(gymnasium.Env):
    """Spaces that need to be counted through."""

    observation_space = gymnasium.spaces.MultiDiscrete([3, 4])
    action_space = gymnasium.spaces.Discrete(5, start=2)

    def reset(self, seed=None, options=None):
        return np.array([1, 2]), {}

    def step(self, action):
        assert self.action_space.contains(action)
        return np.array([2, 3]), float(action), True, False, {}


def test_spaces_are_counted_through():
    host = sg.from_gymnasium(Counted, "leader")
    assert host.observation_spaces[0].size == 12
    assert host.reset()[0].tolist() == [1 * 4 + 2]
    made = host.step((np.array([3]),))
    assert made.rewards.tolist() == [[5.0]]
    assert made.last_observations[0].tolist() == [11]
    assert made.observations[0].tolist() == [6]


class Words(gymnasium.Env):
    observation_space = gymnasium.spaces.Text(4)
    action_space = gymnasium.spaces.Discrete(2)


def test_errors_say_what_to_do(monkeypatch):
    with pytest.raises(sg.InputError, match=r"E-ADAPTER-002.*MultiDiscrete"):
        sg.from_gymnasium(Words)
    host = sg.from_gymnasium(Counted)
    with pytest.raises(sg.InputError, match=r"policies.*follower"):
        host.rollout([], 3)
    ours = sg.to_pettingzoo(GAMES["dilemma"]())
    for environment in (sg.from_gymnasium(Counted), sg.from_pettingzoo(lambda: ours), ours):
        with pytest.raises(sg.InputError, match=r"no episode is under way.*reset"):
            environment.step([np.zeros(1, int)] if environment is not ours else {"leader": 0, "follower_1": 0})
    monkeypatch.setitem(sys.modules, "pettingzoo", None)  # as if it were not there
    with pytest.raises(sg.InputError, match=r"E-ADAPTER-001.*stackelberg\[envs\]"):
        sg.to_pettingzoo(GAMES["dilemma"]())
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(sg.InputError, match=r"E-ADAPTER-001.*gymnasium"):
        sg.from_gymnasium(Counted)
