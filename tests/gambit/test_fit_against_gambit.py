"""Quantal response equilibria, and their estimates, are Gambit's."""

import numpy as np
import pytest

import stackelberg as sg
from gambit import quantal_equilibrium as gambit
from stackelberg.followers.fitting.equilibrium import EquilibriumLikelihood
from stackelberg.followers.fitting.quantal_branch import trace_branch


def test_gambit_finds_the_same_estimate():
    game, choices = sg.ochs_matching_pennies()
    fit = sg.fit_response(choices, game, sg.QuantalEquilibriumModel(), folds=0)
    counts = choices.table(game).cells
    strength, _, value = gambit.estimate(game.leader_payoff, game.follower_payoff, counts[:2], counts[2:])
    assert fit.estimate[0] == pytest.approx(strength, abs=2e-5)
    assert fit.log_likelihood == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_on_random_games_no_estimate_of_gambit_is_likelier(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(2, 4, 2)
    leader, follower = rng.normal(size=(a, b)), rng.normal(size=(a, b))
    rows, columns = gambit.at(leader, follower, 1.2)
    counts = np.concatenate([rng.multinomial(200, rows), rng.multinomial(200, columns)])
    game = sg.NormalFormGame(leader, follower)
    choices = sg.Choices.of(
        np.concatenate([np.arange(a), np.arange(b)]), count=counts, by_leader=np.repeat([True, False], [a, b])
    )
    fit = sg.fit_response(choices, game, sg.QuantalEquilibriumModel(), folds=0)
    strength, _, value = gambit.estimate(leader, follower, counts[:a], counts[a:])
    # Gambit's points miss the fixed point by up to 1e-8, which 400 plays turn into 1e-5 of log-likelihood at most
    assert fit.log_likelihood >= value - 1e-5
    if fit.log_likelihood <= value + 1e-5:
        assert fit.estimate[0] == pytest.approx(strength, rel=1e-3)


@pytest.mark.parametrize("strength", [0.3, 1.0, 4.0])
def test_the_branch_passes_through_gambits_equilibria(strength):
    rng = np.random.default_rng(7)
    leader, follower = rng.normal(size=(3, 3)), rng.normal(size=(3, 3))
    likelihood = EquilibriumLikelihood(trace_branch(leader, follower))
    found = np.exp(likelihood.log_probabilities(np.array([[strength]]))[0])
    assert np.allclose(found, np.concatenate(gambit.at(leader, follower, strength)), atol=1e-5)
