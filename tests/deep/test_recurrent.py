"""Followers that get to know the leader by playing: what they remember, what training replays, and that they adapt."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import stackelberg as sg
from stackelberg.followers.recurrent_training import guess_error


SHORT = sg.iterated_matrix_game("hidden_queries", 3)
TINY = sg.RecurrentTraining(SHORT, num_trials=2, width=4, num_copies=6)


def test_along_an_acquaintance_networks_do_what_they_did():
    """The scores that training replays are those of the play: else the ratio of the first epoch would not be 1."""
    state = TINY.init(jr.key(0))
    met = eqx.filter_jit(TINY.sample)(state, 0, jr.key(1))
    log_choice, *_ = jax.vmap(lambda one: TINY._along(state.follower, state.critic, one))(met)
    replayed = jnp.take_along_axis(log_choice, met.actions[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(replayed, met.scores, atol=1e-5)
    assert met.is_over[:, 2::3].all()
    assert not met.is_random[:, 6:].any()
    assert met.is_random[:, :6].any()


def test_the_guess_is_charged_by_its_cross_entropy():
    """Even guesses at two answers cost log 2, right ones nothing; a guess at another leader (the twin) is dear."""
    leaders = jnp.asarray([[[1.0, 0.0], [0.0, 1.0]]])
    right = 30.0 * jnp.broadcast_to(leaders.reshape(1, 1, 4), (1, 3, 4))
    np.testing.assert_allclose(guess_error(jnp.zeros((1, 3, 4)), leaders), np.log(2.0), rtol=1e-6)
    np.testing.assert_allclose(guess_error(right, leaders), 0.0, atol=1e-6)
    assert guess_error(right, leaders[..., ::-1]).min() > 20.0


def test_the_oracle_remembers_what_training_does():
    """The same leader, the same draws: memories of `answer` against a plain loop over the cell."""
    weights = TINY.commitment(TINY.init(jr.key(3)))
    oracle = sg.RecurrentFollower(SHORT, weights, num_trials=2, width=4, exploration=1.0)
    state, memory = oracle.init(jr.key(4)), jnp.zeros(4)
    for n in range(oracle.num_queries):
        seen = state.trial.observations[1]
        before, (state, earned) = state, oracle.answer(state, jnp.int32(n % 2))
        history = int(state.trial.observations[1])
        is_over = n % 3 == 2
        pairs = [(b, SHORT.follower_payoff[n % 2, b]) for b in range(2) if SHORT.leader_payoff[n % 2, b] == earned]
        ((b, reward),) = pairs
        assert is_over == (history == 0)
        one_hot = np.concatenate([np.eye(5)[seen], np.eye(2)[b], [np.log1p(reward), float(is_over)]])
        memory = oracle.weights.cell(jnp.asarray(one_hot, jnp.float32), memory)
        np.testing.assert_allclose(state.memory, memory, atol=1e-6)
        assert int(state.trial.count) == int(before.trial.count) + 1
    (answer,) = oracle.response(state)
    assert answer.shape == (5, 2)
    np.testing.assert_array_equal(oracle.again(state, jr.key(9)).memory, state.memory)


def test_a_random_leader_is_told_apart():
    """Played once, leaders that match pennies with fixed actions: after training the follower answers each of them.

    32 acquaintances with each leader, fixed seeds. A follower that remembers nothing (the twin) fails at one of them.
    """
    game = sg.IteratedMatrixGame([[0.0, 0.0], [0.0, 0.0]], [[1.0, -1.0], [-1.0, 1.0]], num_steps=1, depth=0)
    follower = sg.pretrained_recurrent(game, num_steps=200, num_trials=2, width=8, num_copies=64, learning_rate=1e-2)

    @eqx.filter_jit
    def worth(follower):
        def one(leader, key):
            state, _ = follower.asked(lambda seen, key: leader, follower.init(key), key)
            (answer,) = follower.response(state)
            return game.values(jax.nn.one_hot(leader, 2)[None], answer)[1]

        return jax.vmap(lambda leader: jax.vmap(lambda key: one(leader, key))(jr.split(jr.key(5), 32)))(jnp.arange(2))

    assert np.asarray(worth(follower)).min() == 1.0
    forgetful = eqx.tree_at(
        lambda one: one.weights.cell, follower, replace_fn=lambda cell: jax.tree.map(jnp.zeros_like, cell)
    )
    assert np.asarray(worth(forgetful)).min() == -1.0


def test_leaders_learn_against_it_and_settings_are_checked():
    process = sg.StackelbergPOMDP(sg.RecurrentFollower(SHORT, num_trials=2, width=4))
    sg.check_environment(process)
    with pytest.raises(sg.InputError, match="num_trials"):
        sg.RecurrentFollower(SHORT, num_trials=0)
    with pytest.raises(sg.InputError, match="weights"):
        sg.RecurrentFollower(SHORT, np.zeros(3))
    with pytest.raises(sg.InputError, match="trial_weight"):
        sg.RecurrentTraining(SHORT, trial_weight=2.0)
