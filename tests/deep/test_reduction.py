"""The leader's decision process: its steps are its episode, its return is a value, flags do what they say."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import stackelberg as sg


GAME = sg.iterated_matrix_game("prisoners_dilemma", 5, sight="opponent")
ORACLE = sg.exact_contextual(GAME)
TIT_FOR_TAT = jnp.array([1, 0, 1])

FLAGS = ("shows_phase", "hides_queries", "pays_queries", "keeps_followers", "fixes_answers")


def deterministic(table):
    return lambda observation, key: jnp.asarray(table)[observation]


@pytest.mark.parametrize(
    ("num_plays", "flags"), [(3, {}), *((1, {flag: True}) for flag in FLAGS)], ids=["three plays", *FLAGS]
)
def test_step_after_step_is_the_episode(num_plays, flags):
    inner = sg.InnerQLearning(GAME, 2, exploration=0.0, initial_noise=0.0, learning_rate=0.5)
    for oracle in (ORACLE, inner):
        process = sg.StackelbergPOMDP(oracle, num_plays, **flags)
        table = jnp.array([1, 0, 1, 1, 1, 0])
        made, _ = eqx.filter_jit(process.episode)(deterministic(table), jr.key(0))
        state, (seen,) = process.reset(jr.key(1))
        step = eqx.filter_jit(process.step)
        for number in range(process.num_steps):
            assert seen == made.observations[number]
            one = step(state, (table[seen],), jr.key(number))
            assert made.actions[number] == table[seen]
            np.testing.assert_allclose(one.rewards[0], made.rewards[number], rtol=1e-6)
            state, (seen,) = one.state, one.observations
            assert bool(one.is_over) == (number == process.num_steps - 1)
        assert made.is_query.sum() == oracle.num_queries


def test_the_return_of_a_lottery_over_commitments_is_its_expected_value():
    """The mean of 20,000 episodes lies within 5 standard errors of the exact value: false alarm 6e-7.

    With answers drawn anew the same random policy promises and does not keep it, and is paid something else.
    """
    chances = jnp.array([0.3, 0.6, 0.8])  # of action 1
    exact = 0.0
    for leader in itertools.product((0, 1), repeat=3):
        weight = float(jnp.prod(jnp.where(jnp.array(leader) == 1, chances, 1.0 - chances)))
        commitment = jnp.eye(2)[jnp.array(leader)]
        exact += weight * float(GAME.leader_value(commitment, GAME.induce(commitment).best_response()))
    act = lambda observation, key: jr.bernoulli(key, chances[observation]).astype(jnp.int32)

    def far(process):
        one = lambda key: jnp.sum(process.episode(act, key)[0].rewards)
        paid = np.asarray(jax.jit(jax.vmap(one))(jr.split(jr.key(2), 20_000)))
        return abs(paid.mean() - exact) / (paid.std() / np.sqrt(len(paid)))

    assert far(sg.StackelbergPOMDP(ORACLE, fixes_answers=True)) < 5.0
    assert far(sg.StackelbergPOMDP(ORACLE)) > 5.0
    assert far(sg.StackelbergPOMDP(ORACLE, fixes_answers=True, pays_queries=True)) < 5.0  # nobody is paid by a question


def test_each_flag_changes_what_its_name_says_and_nothing_else():
    act = deterministic([1, 0, 1, 1, 1, 1])
    plain, _ = sg.StackelbergPOMDP(ORACLE).episode(act, jr.key(0))
    assert plain.is_counted.all()
    assert plain.rewards[:3].sum() == 0.0
    hidden, _ = sg.StackelbergPOMDP(ORACLE, hides_queries=True).episode(act, jr.key(0))
    np.testing.assert_array_equal(hidden.is_counted, ~plain.is_query)
    np.testing.assert_array_equal(hidden.rewards, plain.rewards)
    shown, _ = sg.StackelbergPOMDP(ORACLE, shows_phase=True).episode(act, jr.key(0))
    np.testing.assert_array_equal(shown.observations[:3], [0, 1, 2])
    assert shown.observations[3:].min() >= 3
    assert shown.rewards.sum() == 20.0 > plain.rewards.sum() == 16.0  # the promise of tit for tat, and its breach
    inner = sg.InnerQLearning(GAME, 4)
    paid, _ = sg.StackelbergPOMDP(inner, pays_queries=True).episode(act, jr.key(0))
    assert paid.rewards[:20].min() >= 1.0
    unpaid, last = sg.StackelbergPOMDP(inner).episode(act, jr.key(0))
    assert unpaid.rewards[:20].sum() == 0.0
    kept = sg.StackelbergPOMDP(inner, keeps_followers=True)
    _, after = kept.episode(act, jr.key(1), last)
    _, fresh = sg.StackelbergPOMDP(inner).episode(act, jr.key(1), last)
    assert np.abs(after.worth).sum() > np.abs(fresh.worth).sum()


def test_an_answer_that_is_fixed_is_counted_once():
    act = lambda observation, key: jr.bernoulli(key).astype(jnp.int32)
    made, _ = sg.StackelbergPOMDP(ORACLE, fixes_answers=True).episode(act, jr.key(5))
    answers = {int(seen): int(action) for seen, action in zip(made.observations, made.actions, strict=True)}
    assert all(answers[int(seen)] == action for seen, action in zip(made.observations, made.actions, strict=True))
    np.testing.assert_array_equal(made.is_counted, [True] * 3 + [False] * 5)
    hidden, _ = sg.StackelbergPOMDP(ORACLE, fixes_answers=True, hides_queries=True).episode(act, jr.key(5))
    played = hidden.observations[3:].tolist()
    first = [number == played.index(seen) for number, seen in enumerate(played)]
    np.testing.assert_array_equal(hidden.is_counted, [False] * 3 + first)


def test_trials_of_the_inner_follower_are_q_learning_by_hand():
    """The same table after every trial, with actions that follow from the table alone."""
    game = sg.iterated_matrix_game("hidden_queries", 5, shift=-2.5)
    leader, rate, discount = [0, 0, 1, 1, 1], 0.3, 0.9
    worth = np.zeros((5, 2))
    for _ in range(7):
        own = 0
        for number in range(5):
            a, b = leader[own], int(np.argmax(worth[own]))
            after = 1 + a + 2 * b
            later = 0.0 if number == 4 else worth[after].max()
            worth[own, b] += rate * (game.follower_payoff[a, b] + discount * later - worth[own, b])
            own = after
    oracle = sg.InnerQLearning(game, 7, rate, discount, exploration=0.0, initial_noise=0.0)
    state, asked = oracle.asked(deterministic(leader), oracle.init(jr.key(0)), jr.key(1))
    np.testing.assert_allclose(state.worth, worth, atol=1e-5)
    assert asked.observations.shape == (35,)
    (answer,) = oracle.response(state)
    np.testing.assert_array_equal(np.argmax(answer, axis=1), np.argmax(worth, axis=1))


def test_a_decision_process_says_what_is_wrong_with_it():
    with pytest.raises(sg.InputError, match="oracle"):
        sg.StackelbergPOMDP(GAME)
    with pytest.raises(sg.InputError, match="at most 4096"):
        sg.ContextualTable(sg.iterated_matrix_game("chicken", depth=2))
    with pytest.raises(sg.InputError, match="policies"):
        sg.ContextualTable(GAME, np.ones((8, 3, 2)))
    mixed = sg.iterated_matrix_game("chicken", is_mixed=True)
    with pytest.raises(sg.InputError, match="picks actions"):
        sg.LeaderPPO(sg.StackelbergPOMDP(sg.ExactOracle(mixed)))
    with pytest.raises(sg.InputError, match="num_plays"):
        sg.StackelbergPOMDP(ORACLE, 0)
