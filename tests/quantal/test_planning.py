"""Planning against a quantal follower: many actions by column generation, continuous actions in closed form."""

import numpy as np
import pytest

import stackelberg as sg


def test_column_generation_finds_what_the_search_over_all_actions_finds():
    """Twenty games of 64 × 6: never 1e-6 below, and no more than 2B - 1 actions. The twin stops before any column."""
    rng = np.random.default_rng(0)
    leader, follower = rng.random((2, 20, 64, 6))
    best = sg.quantal_batch(leader, follower, 5.0).leader_values
    found = [sg.column_generation(*game, 5.0) for game in zip(leader, follower, strict=True)]
    gap = best - np.array([one.value for one in found])
    assert gap.max() < 1e-6, gap
    assert max(one.support for one in found) <= 2 * 6 - 1
    lazy = [sg.column_generation(*game, 5.0, max_rounds=0).value for game in zip(leader, follower, strict=True)]
    assert (best - np.array(lazy)).max() > 1e-4


def test_its_value_is_that_of_its_mixture_and_lies_below_a_certificate():
    rng = np.random.default_rng(1)
    for _ in range(10):
        leader, follower = rng.random((2, 3, 4))
        found = sg.column_generation(leader, follower, 4.0)
        weights = np.exp(4.0 * (found.commitment @ follower))
        assert found.value == pytest.approx(weights / weights.sum() @ (found.commitment @ leader), abs=1e-12)
        certificate = sg.QuantalStackelberg(sg.QuantalResponse(4.0))(sg.NormalFormGame(leader, follower)).certificate
        assert certificate.lower - 1e-5 <= found.value <= certificate.upper + 1e-9


def test_payoffs_that_do_not_match_are_refused():
    with pytest.raises(sg.InputError, match="follower_payoff"):
        sg.column_generation(np.zeros((3, 2)), np.zeros((2, 2)), 1.0)


@pytest.mark.parametrize("seed", range(8))
def test_the_closed_form_of_continuous_actions_agrees_with_quadrature(seed):
    """To 1e-8; the twin, an answer without variance, is off."""
    rng = np.random.default_rng(seed)
    game = sg.LinearQuadraticGame(
        rng.uniform(0.5, 2.0),
        rng.normal(),
        rng.normal(),
        leader_curvature=rng.uniform(2.0, 3.0),
        answer_curvature=rng.uniform(0.2, 1.0),
        cross=0.3 * rng.normal(),
        leader_pull=rng.normal(),
        answer_pull=rng.normal(),
    )
    rate = rng.uniform(0.5, 20.0)
    best = game.best(rate)
    announced, value = game.best_by_quadrature(rate)
    assert best.value == pytest.approx(value, abs=1e-8)
    assert best.announcement == pytest.approx(announced, abs=1e-6)
    for a in rng.normal(size=5):
        assert game.value(a, rate) == pytest.approx(game.value_by_quadrature(a, rate), abs=1e-8)
    assert abs(game.value(best.announcement, 1e12) - value) > 1e-3


def test_a_leader_whose_value_has_no_top_is_told_by_how_much():
    with pytest.raises(sg.InputError, match="bend downward"):
        sg.LinearQuadraticGame(1.0, 1.0, leader_curvature=0.1, cross=5.0)
