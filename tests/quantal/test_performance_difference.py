"""The lemma adds up, its bounds hold, and a lemma computed under the wrong law is noticed."""

import dataclasses

import jax
import numpy as np
import pytest

import stackelberg as sg
from stackelberg.evaluation.performance_difference import farsighted_error, performance_difference, regret_terms
from stackelberg.experiments.catalog.quantal_identities import cases, checked, slopes


SHAPE = (4, 3, 3, 4)


@pytest.fixture(scope="module", params=[False, True], ids=["mixtures", "prescriptions"])
def found(request):
    return checked(cases(300, SHAPE, is_prescription=request.param))


def test_the_identity_leaves_rounding_only(found):
    assert float(np.max(found.residual)) < 1e-10
    assert float(np.max(found.farsighted)) < 1e-10


@pytest.mark.parametrize("name", ["first_order", "second_order", "hellinger", "variance"])
def test_no_bound_is_violated_in_three_hundred_games(found, name):
    share = np.asarray(getattr(found, name))
    assert share.shape == (300,)
    assert share.max() <= 1.0 + 1e-9
    assert share.max() > 0.05  # a bound that is never used would say nothing


def test_the_first_term_is_of_first_order_and_the_second_of_second():
    first, second = slopes((2, 2, 2, 2), 16).mean(axis=0)
    assert abs(first - 1.0) < 0.02
    assert abs(second - 2.0) < 0.05


def example(discount=0.9, seed=0):
    game = sg.random_markov_game(3, 2, 3, 3, follower_discount=discount, seed=seed)
    other = sg.random_markov_game(3, 2, 3, 3, follower_discount=discount, seed=seed + 100)
    rng = np.random.default_rng(seed)
    return game, other, rng.dirichlet(np.ones(2), (3, 3)), rng.random((3, 3, 2, 3))


def test_value_and_promise_are_those_of_the_seam_and_of_recursion():
    game, other, policy, value = example()
    human = sg.QuantalResponse(3.0)
    terms = performance_difference(game, human, policy, other, value)
    assert float(terms.value) == pytest.approx(float(game.leader_value(policy, human(game, policy))), abs=1e-12)
    expected = np.asarray(human(other, policy))
    promise = game.initial @ np.einsum("sa,sb,sab->s", policy[0], expected[0], value[0])
    assert float(terms.promised) == pytest.approx(float(promise), abs=1e-12)
    assert abs(float(terms.residual)) < 1e-12


def test_a_perfect_estimate_leaves_nothing():
    game, _, policy, _ = example()
    human = sg.QuantalResponse(3.0)
    response = np.asarray(human(game, policy))
    value, following = [], np.zeros(3)
    for h in reversed(range(3)):
        value.append(game.leader_reward[h] + game.transition[h] @ following)
        following = np.einsum("sa,sb,sab->s", policy[h], response[h], value[-1])
    terms = performance_difference(game, human, policy, game, np.stack(value[::-1]))
    for field in ("bellman", "first_order", "second_order"):
        assert np.abs(np.asarray(getattr(terms, field))).max() < 1e-12


def test_a_lemma_under_the_expected_law_would_be_noticed():
    """The twin: states visited as the leader expects, not as they are, leave a residual."""
    game, other, policy, value = example()
    human = sg.QuantalResponse(3.0)
    true, expected = np.asarray(human(game, policy)), np.asarray(human(other, policy))
    with jax.enable_x64(True):
        wrong = regret_terms(game, policy, expected, expected, value)
        right = regret_terms(game, policy, true, expected, value)
        mixed = dataclasses.replace(right, bellman=wrong.bellman)
        assert abs(float(right.residual)) < 1e-12
        assert abs(float(mixed.residual)) > 1e-4


def test_a_farsighted_error_forgetting_the_future_is_noticed():
    """The twin: the Bellman error alone is not the error of the action values."""
    game, other, policy, _ = example()
    error = farsighted_error(game, other, policy, 3.0)
    assert np.abs(np.asarray(error.total) - error.direct).max() < 1e-12
    assert np.abs(np.asarray(error.bellman) - error.direct).max() > 1e-2


def test_games_that_do_not_match_are_refused():
    game, _, policy, value = example()
    with pytest.raises(sg.InputError, match="horizon"):
        performance_difference(game, sg.QuantalResponse(1.0), policy, sg.random_markov_game(3, 2, 3, 2), value)
