"""Contextual followers by networks: what PPO computes, by plain loops, and what it learns."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stackelberg as sg
from stackelberg._learner import advance, commitments, start
from stackelberg._loop.stacking import stack
from stackelberg.followers.asking_all import Answers
from stackelberg.followers.contextual_network import random_leaders
from stackelberg.followers.contextual_ppo import ContextualPPO


SHORT = sg.iterated_matrix_game("prisoners_dilemma", 5, sight="opponent")
TINY = ContextualPPO(SHORT, 4, 7, 2, 2, width=8, num_layers=1)


def rolled():
    state = TINY.init(jax.random.key(0))
    return state, TINY.sample(state, 0, jax.random.key(1))


def test_advantages_by_a_plain_loop():
    state, batch = rolled()
    found, targets = TINY._advantages(state.critics[0], batch, 0)
    values = np.array([[float(state.critics[0](one)[0]) for one in row] for row in batch.inputs[0]])
    after = np.vstack([values[1:], [[float(state.critics[0](one)[0]) for one in batch.last[0]]]])
    rewards, over = np.asarray(batch.rewards)[..., 1], np.asarray(batch.is_over)
    expected = np.zeros_like(values)
    for copy in range(4):
        carry = 0.0
        for t in reversed(range(7)):
            surprise = rewards[t, copy] + (0.0 if over[t, copy] else after[t, copy]) - values[t, copy]
            carry = surprise + (0.0 if over[t, copy] else TINY.trace * carry)
            expected[t, copy] = carry
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(targets, expected + values, rtol=1e-4, atol=1e-5)
    assert over[4].all()  # five rounds, and then a new leader
    assert not over[[0, 1, 2, 3, 5, 6]].any()


def test_rollouts_play_the_leader_that_is_shown():
    """What the follower is paid is the payoff of its action against the answer that its inputs say."""
    _, batch = rolled()
    inputs = np.asarray(batch.inputs[0])
    for t in range(7):
        for copy in range(4):
            own, context = inputs[t, copy, :3], inputs[t, copy, 3:6]
            assert inputs[t, copy, 6] == pytest.approx((t % 5) / 5)
            assert own.sum() == 1.0
            b = int(batch.actions[0][t, copy])
            last = int(batch.actions[0][t - 1, copy]) if t % 5 else None
            leader_sees = 0 if last is None else 1 + last
            a = round(float(1.0 - context[leader_sees]))
            assert float(batch.rewards[t, copy, 1]) == pytest.approx(SHORT.follower_payoff[a, b])
            assert float(batch.rewards[t, copy, 0]) == pytest.approx(SHORT.leader_payoff[a, b])


def test_random_leaders_follow_their_law():
    """20,000 rows: each frequency within 5 standard errors, false alarm 6e-7; half of the mixed rows are pure."""
    rows = np.asarray(random_leaders(SHORT, (20_000,), jax.random.key(0)))
    assert set(np.unique(rows)) == {0.0, 1.0}
    error = 0.5 / np.sqrt(20_000)
    assert np.all(np.abs(rows[..., 0].mean(axis=0) - 0.5) < 5.0 * error)
    mixed = np.asarray(
        random_leaders(sg.iterated_matrix_game("chicken", is_mixed=True), (4_000,), jax.random.key(1))
    ).reshape(-1, 2)
    np.testing.assert_allclose(mixed.sum(axis=1), 1.0, rtol=1e-6)
    pure = (mixed == 0.0).any(axis=1) | (mixed == 1.0).any(axis=1)
    assert abs(pure.mean() - 0.5) < 5.0 * error
    inside = mixed[~pure, 0]
    assert abs(inside.mean() - 0.5) < 5.0 * np.sqrt(1 / 12 / len(inside))
    assert abs((inside < 0.25).mean() - 0.25) < 5.0 * np.sqrt(0.1875 / len(inside))


def test_networks_learn_to_answer_every_leader():
    """Eight leaders of three answers: mean regret below 0.5 of 20, and 6 of 8 exact."""
    follower = sg.pretrained_networks(SHORT, 120, num_copies=64, rollout_steps=20, learning_rate=3e-3)
    exact = sg.exact_contextual(SHORT)
    regrets = []
    for number, leader in enumerate(SHORT.policies(0)):
        (answer,) = follower.response(Answers(jnp.asarray(leader, jnp.float32), jnp.int32(3)))
        best = SHORT.values(leader, exact.policies[number])[1]
        regrets.append(float(best - SHORT.values(leader, np.asarray(answer, float))[1]))
    assert np.mean(regrets) < 0.5
    assert np.sum(np.array(regrets) < 1e-4) >= 6
    even = sg.ContextualNetwork(SHORT, is_greedy=False)
    answers = Answers(jnp.eye(2)[jnp.array([0, 0, 1])], jnp.int32(3))
    assert all(float(jnp.abs(one - 0.5).max()) < 0.05 for one in even.response(answers))


def test_weights_in_a_row_are_the_same_networks():
    run = start(TINY, (0,))
    saved = commitments(TINY, run)[0, 0]
    found = sg.ContextualNetwork(SHORT, saved, width=8, num_layers=1)
    state = jax.tree.map(lambda leaf: leaf[0, 0], run.state)
    for one, two in zip(jax.tree.leaves(found.policies), jax.tree.leaves(state.policies), strict=True):
        np.testing.assert_array_equal(one, two)
    with pytest.raises(sg.InputError, match=r"policies"):
        sg.ContextualNetwork(SHORT, saved[:-1], width=8, num_layers=1)


@pytest.mark.slow
def test_pretraining_of_networks_in_the_same_run():
    """Networks, then a leader that finds the exact value against them (4 of 4 seeds; 8 of 8 were measured)."""
    process = sg.StackelbergPOMDP(sg.ContextualNetwork(SHORT, width=32), fixes_answers=True)
    learner = sg.AfterPretraining(sg.LeaderReinforce(process), 300, 64, 3e-3)
    learners = stack([learner], [sg.BestResponseTruth(process)])
    _, metrics = advance(learners, start(learners, range(4)), 550, monitor_every=550, last=550)
    assert np.sum(np.abs(metrics["suboptimality"][-1]) < 1e-4) >= 3


def test_several_followers_learn_at_once():
    game = sg.information_game()
    learner = ContextualPPO(game, 16, 6, 1, 1, width=8, num_layers=1)
    run, metrics = advance(learner, start(learner, (0,)), 10)
    assert len(run.state.policies) == 2
    assert np.isfinite(metrics["follower_return"]).all()
    oracle = sg.ContextualNetwork(game, commitments(learner, run)[0, 0], width=8, num_layers=1)
    tables = oracle.response(Answers(jnp.asarray(game.uniform_commitment(), jnp.float32), jnp.int32(17)))
    assert [table.shape for table in tables] == [(3, 2), (3, 2)]


def test_training_goes_on_bit_for_bit():
    whole, _ = advance(TINY, start(TINY, (3, 4)), 5)
    parts, _ = advance(TINY, start(TINY, (3, 4)), 2)
    parts, _ = advance(TINY, parts, 3)
    np.testing.assert_array_equal(commitments(TINY, whole), commitments(TINY, parts))


def test_every_second_leader_is_drawn_near_the_one_that_learns():
    """Chances 0.9 make 0.5 × 0.9 + 0.5 × 0.5 = 0.7 of all rows; 20,000 of them, 5 standard errors: false alarm 6e-7."""
    near = jnp.tile(jnp.array([[0.9, 0.1]]), (3, 1))
    rows = np.asarray(random_leaders(SHORT, (20_000,), jax.random.key(3), near))
    assert np.all(np.abs(rows[..., 0].mean(axis=0) - 0.7) < 5.0 * np.sqrt(0.21 / 20_000))
    both = (rows[:, 0, 0] * rows[:, 1, 0]).mean()  # drawn leader by leader: 0.5 × 0.81 + 0.5 × 0.25, not 0.49
    assert abs(both - 0.53) < 5.0 * np.sqrt(0.25 / 20_000)


def test_networks_go_on_learning_only_where_they_are_told_to():
    process = sg.StackelbergPOMDP(sg.ContextualNetwork(SHORT, width=8, num_layers=1), fixes_answers=True)
    for keeps in (False, True):
        learner = sg.AfterPretraining(sg.LeaderReinforce(process, 8), 2, 8, keeps_training=keeps)
        run, _ = advance(learner, start(learner, (0,)), 2)
        before = jax.tree.leaves(run.state.policies)[0]
        run, metrics = advance(learner, run, 2)
        assert bool(jnp.all(jax.tree.leaves(run.state.policies)[0] == before)) is not keeps
        assert np.isfinite(metrics["sampled_return"]).all()
    table = sg.StackelbergPOMDP(sg.exact_contextual(SHORT), fixes_answers=True)
    with pytest.raises(sg.InputError, match=r"ContextualNetwork"):
        sg.AfterPretraining(sg.LeaderReinforce(table), keeps_training=True)
