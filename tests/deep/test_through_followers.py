"""Leaders that differentiate through the follower: slopes by differences and by unrolling, and what they find."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stackelberg as sg
from stackelberg._learner import advance, commitments, start
from stackelberg._loop.stacking import stack
from stackelberg.calculus.simplex import quantal_choice, soft_average


DISCOUNT = 0.96
HARD = sg.iterated_matrix_game("hidden_queries").as_markov(DISCOUNT)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def _logits(seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal((5, 2)))


def _unrolled(game, logits, rate, num_iterations=2_000):
    """The leader's value with the soft response found by value iteration, one step after the other."""
    problem = game.induce(quantal_choice(logits, 1.0))
    reward, law = problem.follower_reward, problem.transition
    value = jnp.zeros(5)
    for_each = lambda value, _: (soft_average(reward + DISCOUNT * law @ value, rate), None)
    value, _ = jax.lax.scan(for_each, value, length=num_iterations)
    return problem.leader_value(quantal_choice(reward + DISCOUNT * law @ value, rate))


@pytest.mark.parametrize("step", [0, 200, 400])
def test_the_implicit_slope_is_that_through_2000_iterations(step):
    leader = sg.LeaderThroughResponse(HARD, annealing_steps=400)
    rate = 30.0 ** (step / 400)
    value, slope = leader.slope(_logits(), jnp.asarray(step), jax.random.key(0))
    expected, unrolled = jax.value_and_grad(lambda logits: _unrolled(HARD, logits, rate))(_logits())
    np.testing.assert_allclose(value, expected, rtol=1e-9)
    np.testing.assert_allclose(slope, unrolled, rtol=1e-6, atol=1e-6 * float(jnp.abs(unrolled).max()))


@pytest.mark.parametrize("settings", [{}, {"counts": "all"}, {"num_updates": 3, "update_size": 0.1}])
def test_the_slope_through_learning_is_that_of_differences(settings):
    leader = sg.LeaderThroughLearning(HARD, num_followers=2, **settings)
    key, logits = jax.random.key(1), _logits(1)
    _, slope = leader.slope(logits, 0, key)
    for place in [(0, 0), (2, 1), (4, 0)]:
        move = jnp.zeros((5, 2)).at[place].set(1e-5)
        ahead, behind = leader.anticipated(logits + move, 0, key), leader.anticipated(logits - move, 0, key)
        np.testing.assert_allclose(slope[place], (ahead - behind) / 2e-5, rtol=1e-5, atol=1e-6)


def test_evolution_agrees_with_the_gradient_of_a_smooth_value():
    """16,384 mirrored tries: the estimate's direction is within 8 degrees. (Noise alone would move it 2: 4 sigma.)"""
    gradient = sg.LeaderThroughLearning(HARD, num_followers=1, num_updates=2, update_size=0.05)
    evolution = sg.LeaderThroughLearning(
        HARD, num_followers=1, num_updates=2, update_size=0.05, slopes="evolution", num_tries=16_384, deviation=0.01
    )
    of_followers = jax.random.split(jax.random.key(2))[1]
    _, exact = gradient.slope(_logits(2), 0, of_followers)
    _, found = evolution.slope(_logits(2), 0, jax.random.key(2))
    cosine = jnp.sum(exact * found) / jnp.linalg.norm(exact) / jnp.linalg.norm(found)
    assert cosine > np.cos(np.radians(8.0))
    assert jnp.sum(-exact * found) < 0.0  # the twin with the sign turned points away


def test_values_without_an_end_by_matrix_powers():
    """Tit for tat that opens with defection against the one who always cooperates: 4 once, then 3 for ever."""
    game = sg.iterated_matrix_game("prisoners_dilemma").as_markov(DISCOUNT)
    commitment = np.eye(2)[[1, 0, 0, 1, 1]]
    problem = game.induce(commitment)
    response = problem.best_response()
    np.testing.assert_array_equal(np.argmax(response, axis=-1)[[0, 2, 1]], [0, 0, 0])
    worth = (1.0 - DISCOUNT) * float(problem.leader_value(response))
    assert worth == pytest.approx(3.04, abs=1e-12)  # (1 - γ) 4 + γ 3


@pytest.mark.parametrize(("name", "best"), [("prisoners_dilemma", 3.04), ("hidden_queries", 4.0), ("chicken", 4.0)])
def test_best_deterministic_commitments_by_enumeration(name, best):
    """All 32 by 32 policies, each valued by a linear system of its own."""
    game = sg.iterated_matrix_game(name)
    payoffs = np.stack([game.leader_payoff, game.follower_payoff])
    values = np.zeros((32, 32, 2))
    policies = np.array(np.unravel_index(np.arange(32), (2,) * 5)).T
    for number, rows in enumerate(policies):
        for other, columns in enumerate(policies):
            law = np.eye(5)[1 + rows + 2 * columns]
            values[number, other] = np.linalg.solve(np.eye(5) - DISCOUNT * law, payoffs[:, rows, columns].T)[0]
    ties = values[..., 1] >= values[..., 1].max(axis=1, keepdims=True) - 1e-9
    assert (1.0 - DISCOUNT) * np.where(ties, values[..., 0], -np.inf).max() == pytest.approx(best, abs=1e-9)
    markov = game.as_markov(DISCOUNT)
    induced = [markov.induce(np.eye(2)[rows]) for rows in policies[[0, 3, 7, 19, 31]]]
    found = [float(problem.leader_value(problem.best_response())) for problem in induced]
    expected = np.where(ties, values[..., 0], -np.inf).max(axis=1)[[0, 3, 7, 19, 31]]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_climbing_through_the_soft_response_finds_the_threat():
    """Of 512 starts 84 in 100 find it: that all of 8 miss is 1 in 10^6. From a rational follower on, fewer do."""
    learners = stack([sg.LeaderThroughResponse(HARD)], [sg.MarkovTruth(HARD)])
    run, metrics = advance(learners, start(learners, range(8)), 400, monitor_every=400, last=400)
    assert (1.0 - DISCOUNT) * metrics["adverse_value"][-1, 0].max() > 3.99
    made = commitments(learners, run)[0, int(metrics["adverse_value"][-1, 0].argmax())]
    assert np.argmax(made, axis=-1)[[0, 1, 4]].tolist() == [0, 0, 1]


def test_the_monitor_says_what_it_lacks():
    with pytest.raises(sg.InputError, match=r"monitor\.game.*MarkovTruth"):
        sg.MarkovTruth().attached(sg.LeaderReinforce(_process()))
    assert sg.MarkovTruth().attached(sg.LeaderThroughResponse(HARD)).game is HARD


def _process():
    return sg.StackelbergPOMDP(sg.exact_contextual(sg.iterated_matrix_game("chicken", 5, sight="opponent")))


@pytest.mark.parametrize("leader", [sg.LeaderThroughResponse, sg.LeaderThroughLearning])
def test_a_run_goes_on_bit_for_bit(leader):
    learner = leader(HARD)
    whole, _ = advance(learner, start(learner, (3, 4)), 5)
    parts, _ = advance(learner, start(learner, (3, 4)), 2)
    parts, _ = advance(learner, parts, 3)
    np.testing.assert_array_equal(whole.state.logits, parts.state.logits)
