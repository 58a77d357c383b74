"""Allocation with messages: values by play, by brute force, and learned."""

import itertools

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import stackelberg as sg
from stackelberg._learner import advance, commitments, start


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_the_best_value_is_the_number_of_items_that_can_be_told_apart(count):
    """By going through both players' maps: message of each type, item of each message."""
    by_hand = max(
        sum(items[message] == wanted for wanted, message in enumerate(messages)) / 3
        for items in itertools.product(range(3), repeat=count)
        for messages in itertools.product(range(count), repeat=3)
    )
    assert by_hand == min(count, 3) / 3
    solution = sg.solve(sg.AllocationGame(count))
    assert float(solution.leader_value) == pytest.approx(by_hand, abs=1e-12)
    assert float(solution.follower_value) == pytest.approx(by_hand, abs=1e-12)


def test_play_is_paid_as_the_exact_value_says():
    """All three types, by steps; then random policies: the mean over types is the value."""
    game = sg.AllocationGame(2)
    items, messages = jnp.array([0, 2, 1]), jnp.array([0, 1, 0, 0])
    won = {}
    for seed in range(40):
        state, seen = game.reset(jr.key(seed))
        first = game.step(state, (items[seen[0]], messages[seen[1]]), jr.key(0))
        assert float(first.rewards[0]) == 0.0
        assert not bool(first.is_over)
        assert int(first.observations[0]) == 1 + int(messages[seen[1]])
        last = game.step(first.state, (items[first.observations[0]], jnp.int32(0)), jr.key(0))
        assert bool(last.is_over)
        won[int(state.type)] = float(last.rewards[1])
    assert won == {0: 0.0, 1: 1.0, 2: 1.0}
    values = game.values(jnp.eye(3)[items], jnp.eye(2)[messages])
    np.testing.assert_allclose(values, 2 / 3, rtol=1e-6)
    generator = np.random.default_rng(0)
    leader, follower = generator.dirichlet(np.ones(3), 3), generator.dirichlet(np.ones(2), 4)
    by_hand = np.mean([sum(follower[t, m] * leader[1 + m, t] for m in range(2)) for t in range(3)])
    np.testing.assert_allclose(game.values(leader, follower), by_hand, rtol=1e-6)


def test_a_leader_and_a_follower_agree_on_words():
    """In 4 of 4 runs; of 32 measured with three messages all did."""
    process = sg.StackelbergPOMDP(sg.ContextualTable(sg.AllocationGame(3)), 8, fixes_answers=True)
    learner = sg.AfterPretraining(sg.LeaderReinforce(process), 300, num_tries=16)
    run, _ = advance(learner, start(learner, range(4)), 600)
    for one in commitments(learner, run)[0]:
        assert sorted(np.argmax(one[1:], axis=1)) == [0, 1, 2]
