"""Behavioural followers against hand-worked numbers and the followers that they reduce to."""

import jax
import numpy as np
import pytest

import stackelberg as sg


GAME = sg.SecurityGame([2, 1, 3], [-1, -4, -2], [-1, -2, -3], [4, 5, 2], 1.5, features=[[0.1], [0.9], [0.4]])
MATRIX = sg.NormalFormGame(leader_payoff=[[2, 4, 0], [1, 3, 5]], follower_payoff=[[1, 0, 2], [0, 1, -1]])
COVERAGE = np.array([0.6, 0.5, 0.2])


def softmax(logits):
    weights = np.exp(logits - np.max(logits))
    return weights / weights.sum()


def test_suqr_weighs_coverage_reward_penalty_and_then_the_games_own_features():
    weights = np.array([-9.85, 0.37, 0.15, 2.0])
    logits = [
        -9.85 * 0.6 + 0.37 * 4 + 0.15 * -1 + 2.0 * 0.1,
        -9.85 * 0.5 + 0.37 * 5 + 0.15 * -2 + 2.0 * 0.9,
        -9.85 * 0.2 + 0.37 * 2 + 0.15 * -3 + 2.0 * 0.4,
    ]
    assert sg.SUQR(weights)(GAME, COVERAGE) == pytest.approx(softmax(logits), abs=1e-15)
    assert GAME.attacker_features(COVERAGE).shape == (3, 4)


def test_swapped_weights_give_another_answer():
    right = sg.SUQR([-9.85, 0.37, 0.15, 2.0])(GAME, COVERAGE)
    assert np.max(np.abs(right - sg.SUQR([-9.85, 0.15, 0.37, 2.0])(GAME, COVERAGE))) > 1e-2


@pytest.mark.parametrize(
    ("game", "commitment"), [(MATRIX, np.array([0.3, 0.7])), (MATRIX, np.tile([0.3, 0.7], (3, 1))), (GAME, COVERAGE)]
)
def test_a_linear_response_to_payoff_alone_is_quantal_response(game, commitment):
    linear = sg.LinearResponse(weights=[0.0], features=np.ones((3, 1)), payoff_weight=1.7)
    assert linear(game, commitment) == pytest.approx(sg.QuantalResponse(1.7)(game, commitment), abs=1e-15)


def test_a_linear_response_without_payoff_ignores_the_commitment():
    features = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    linear = sg.LinearResponse(weights=[0.5, -1.0], features=features)
    assert linear(MATRIX, [0.3, 0.7]) == pytest.approx(softmax(features @ [0.5, -1.0]), abs=1e-15)
    assert np.array_equal(linear(MATRIX, [0.3, 0.7]), linear(MATRIX, [1.0, 0.0]))


@pytest.mark.parametrize(
    "follower",
    [
        sg.SUQR([-3.0, 1.0, 0.5, 0.1]),
        sg.LinearResponse([0.5], [[1.0], [2.0], [0.0]], payoff_weight=0.3),
        sg.QuantalResponse(0.7),
    ],
)
def test_logits_are_affine_in_coverage(follower):
    low, high = np.zeros(3), np.array([0.2, 0.9, 0.4])
    middle = follower.logits(GAME, 0.25 * low + 0.75 * high)
    assert middle == pytest.approx(0.25 * follower.logits(GAME, low) + 0.75 * follower.logits(GAME, high), abs=1e-14)


def test_a_mixture_of_one_is_that_one():
    for follower in (sg.SUQR([-3.0, 1.0, 0.5, 0.1]), sg.QuantalResponse(2.0), sg.BestResponse()):
        assert np.array_equal(sg.Mixture([follower], [1.0])(GAME, COVERAGE), follower(GAME, COVERAGE))


def test_a_mixture_is_the_mean_of_its_members():
    members = (sg.QuantalResponse(0.5), sg.BestResponse(), sg.SUQR([-1.0, 0.1, 0.0, 0.0]))
    weights = np.array([0.5, 0.2, 0.3])
    expected = sum(weight * member(GAME, COVERAGE) for weight, member in zip(weights, members, strict=True))
    assert sg.Mixture(members, weights)(GAME, COVERAGE) == pytest.approx(expected, abs=1e-15)


def test_a_mixture_hands_every_member_its_own_key():
    seen = []

    class Listening(sg.AbstractFollower):
        def respond(self, game, commitment, *, start=None, key=None):
            seen.append(jax.random.key_data(key).tolist())
            return np.full(3, 1.0 / 3.0)

    sg.Mixture([Listening(), Listening()], [0.5, 0.5])(GAME, COVERAGE, key=jax.random.key(0))
    assert len({tuple(key) for key in seen}) == 2


@pytest.mark.parametrize("probability", [0.0, 0.25, 1.0])
def test_trembles_move_the_answer_towards_uniform_play(probability):
    best = sg.BestResponse()
    answer = sg.Trembling(best, probability)(GAME, COVERAGE)
    assert answer == pytest.approx((1 - probability) * best(GAME, COVERAGE) + probability / 3.0, abs=1e-15)


def test_values_can_be_differentiated_through_suqr():
    follower = sg.SUQR([-3.0, 1.0, 0.5, 0.1])

    def paid(first):
        coverage = jax.numpy.stack([first, 0.5, 0.2])
        return sg.evaluate(GAME, coverage, follower(GAME, coverage)).leader_value

    with jax.enable_x64(True):
        slope = float(jax.grad(paid)(0.6))
        step = 1e-6
        difference = (float(paid(jax.numpy.asarray(0.6 + step))) - float(paid(jax.numpy.asarray(0.6 - step)))) / (
            2 * step
        )
    assert slope == pytest.approx(difference, rel=1e-7)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: sg.SUQR([-1.0, np.nan, 0.0])(GAME, COVERAGE), r"weights\[1\]"),
        (lambda: sg.SUQR([-1.0, 0.3, 0.0])(GAME, COVERAGE), "there are 3 weights"),
        (lambda: sg.SUQR([-1.0, 0.3, 0.0])(MATRIX, [0.5, 0.5]), "no targets with features"),
        (lambda: sg.LinearResponse([1.0, 2.0], [[1.0], [2.0]]), "there are 2 weights"),
        (lambda: sg.LinearResponse([1.0], [[1.0], [2.0]])(MATRIX, [0.5, 0.5]), "features of 2 actions"),
        (lambda: sg.LinearResponse([1.0], [[1.0]], payoff_weight=np.inf), "payoff_weight"),
        (lambda: sg.Mixture([sg.BestResponse()], [0.5]), "sum to 0.5"),
        (lambda: sg.Mixture([sg.BestResponse()], [0.5, 0.5]), "shape"),
        (lambda: sg.Trembling(sg.BestResponse(), 1.5), "out of range"),
    ],
)
def test_bad_followers_are_refused_with_the_place(make, words):
    with pytest.raises(sg.InputError, match=words):
        make()
