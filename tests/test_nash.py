"""Nash equilibria by support enumeration: each one is an equilibrium, none is missing where completeness is claimed."""

import math
import warnings

import numpy as np
import pytest

import stackelberg as sg


GAMES = {
    "commitment game": ([[2, 4], [1, 3]], [[1, 0], [0, 1]], 1),
    "matching pennies": ([[1, -1], [-1, 1]], [[-1, 1], [1, -1]], 1),
    "battle of the sexes": ([[2, 0], [0, 1]], [[1, 0], [0, 2]], 3),
    "coordination on four": (np.eye(4), np.eye(4), 15),
    "rock, paper, scissors": ([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], [[0, 1, -1], [-1, 0, 1], [1, -1, 0]], 1),
    "one action each": ([[3]], [[4]], 1),
}


@pytest.mark.parametrize("name", GAMES)
def test_textbook_games_have_their_known_number_of_equilibria(name):
    leader, follower, count = GAMES[name]
    found = sg.nash_equilibria(sg.NormalFormGame(leader, follower))
    assert len(found) == count
    assert found.complete


def worst_regret(leader, follower, found):
    """What either player gains at most by deviating from any of the equilibria."""
    mine = (found.follower_strategies @ np.asarray(leader, float).T).max(axis=1) - found.leader_values
    theirs = (found.leader_strategies @ np.asarray(follower, float)).max(axis=1) - found.follower_values
    return max(mine.max(), theirs.max())


def test_nobody_gains_by_deviating_and_random_games_have_an_odd_number():
    rng = np.random.default_rng(1)
    for _ in range(60):
        leader, follower = rng.random((2, *rng.integers(1, 7, 2)))
        found = sg.nash_equilibria(sg.NormalFormGame(leader, follower))
        assert found.complete
        assert len(found) % 2 == 1
        assert worst_regret(leader, follower, found) <= 1e-9


DEGENERATE = {
    "a follower without preferences": ([[1, 0], [0, 1]], [[1, 1], [1, 1]]),
    "two equal columns": ([[1, 0, 0], [0, 1, 2]], [[1, 1, 0], [0, 0, 2]]),
    "a tie off the diagonal": ([[1, 1], [0, 1]], [[1, 0], [1, 0]]),
    "nothing at stake": (np.zeros((3, 3)), np.zeros((3, 3))),
    "a pure reply with a rival": ([[3, 3], [2, 5], [0, 6]], [[3, 3], [2, 6], [3, 1]]),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_games_are_marked_incomplete(name):
    leader, follower = DEGENERATE[name]
    found = sg.nash_equilibria(sg.NormalFormGame(leader, follower))
    assert not found.complete
    assert len(found) >= 1
    assert worst_regret(leader, follower, found) <= 1e-9


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_the_scale_of_the_payoffs_does_not_matter(scale):
    """Peers return an empty list once payoffs reach about 1e9."""
    rng = np.random.default_rng(3)
    leader, follower = rng.random((2, 4, 4))
    plain = sg.nash_equilibria(sg.NormalFormGame(leader, follower))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scaled = sg.nash_equilibria(sg.NormalFormGame(scale * leader, scale * follower))
    assert len(scaled) == len(plain)
    assert np.allclose(scaled.leader_strategies, plain.leader_strategies, atol=1e-9)


def test_too_many_supports_are_refused_with_their_number():
    pairs = math.comb(32, 16) - 1
    with pytest.raises(sg.InputError, match=str(pairs)):
        sg.nash_equilibria(sg.NormalFormGame(np.eye(16), np.eye(16)))
