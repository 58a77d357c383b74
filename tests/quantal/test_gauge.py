"""What the follower's actions leave free about its reward: counted, measured, and harmless."""

import numpy as np
import pytest

import stackelberg as sg
from stackelberg.experiments.catalog.quantal_identities import SHAPES, free_directions
from stackelberg.followers.gauge import anchored, centred, gauge_dimension, shaped


@pytest.mark.parametrize("discount", [0.0, 0.9])
@pytest.mark.parametrize("is_prescription", [False, True])
@pytest.mark.parametrize("shape", [SHAPES[0], SHAPES[1], SHAPES[3]], ids=str)
def test_the_count_is_the_rank_that_is_measured(shape, is_prescription, discount):
    num_states, num_rows, _, horizon = shape
    count = gauge_dimension(
        horizon, num_states, num_rows, is_prescription=is_prescription, is_farsighted=discount > 0.0
    )
    assert free_directions(shape, discount, is_prescription=is_prescription) == count


def with_reward(game, reward):
    return sg.MarkovGame(
        game.leader_reward, reward, game.transition, game.initial, follower_discount=game.follower_discount
    )


def answers(game, policy):
    return np.asarray(sg.QuantalResponse(3.0)(game, policy))


def policies(rng, *between):
    return rng.dirichlet(np.ones(2), (5, 3, 4, *between))


def test_rows_that_are_centred_answer_alike_to_a_myopic_follower_facing_mixtures():
    game, rng = sg.random_markov_game(4, 2, 3, 3, seed=1), np.random.default_rng(0)
    other = with_reward(game, centred(game.follower_reward))
    assert np.abs(np.asarray(other.follower_reward).sum(axis=-1)).max() < 1e-14
    for policy in policies(rng):
        assert np.abs(answers(game, policy) - answers(other, policy)).max() < 1e-14


def test_centring_is_an_assumption_against_prescriptions_and_with_a_farsighted_follower():
    """The twin: where the constraint is not without loss, it is seen to change the answers."""
    rng = np.random.default_rng(0)
    for discount, between in ((0.0, (3,)), (0.9, ())):
        game = sg.random_markov_game(4, 2, 3, 3, follower_discount=discount, seed=1)
        other = with_reward(game, centred(game.follower_reward, [0.2, 0.3, 0.5]))
        policy = policies(rng, *between)[0]
        assert np.abs(answers(game, policy) - answers(other, policy)).max() > 1e-2


@pytest.mark.parametrize("between", [(), (3,)], ids=["mixtures", "prescriptions"])
def test_shaping_and_the_anchor_answer_alike(between):
    game, rng = sg.random_markov_game(4, 2, 3, 3, follower_discount=0.9, seed=2), np.random.default_rng(1)
    for reward in (shaped(game, rng.standard_normal((3, 4))), anchored(game, 3.0)):
        for policy in policies(rng, *between):
            assert np.abs(answers(game, policy) - answers(with_reward(game, reward), policy)).max() < 1e-12


def test_the_anchor_is_the_same_for_rewards_that_answer_alike():
    game = sg.random_markov_game(4, 2, 3, 3, follower_discount=0.9, seed=2)
    other = with_reward(game, shaped(game, np.random.default_rng(1).standard_normal((3, 4))))
    assert np.abs(np.asarray(anchored(game, 3.0)) - anchored(other, 3.0)).max() < 1e-12
