"""Quantal response equilibria: the published estimate, and the fixed point itself."""

import numpy as np
import pytest

import stackelberg as sg
from stackelberg.followers.fitting.quantal_branch import trace_branch


def test_the_published_matching_pennies_are_reproduced():
    game, choices = sg.ochs_matching_pennies()
    fit = sg.fit_response(choices, game, sg.QuantalEquilibriumModel())
    assert fit.estimate[0] == pytest.approx(1.8456, abs=5e-5)
    assert fit.log_likelihood == pytest.approx(-174.7645, abs=5e-5)
    fitted = np.exp(fit.model.likelihood(game, choices.table(game)).log_probabilities(fit.estimate[None])[0])
    assert fitted[0] == pytest.approx(0.6157, abs=5e-5)
    assert fitted[2] == pytest.approx(0.3833, abs=5e-5)
    assert fit.interval[0, 0] < fit.estimate[0] < fit.interval[0, 1]
    assert isinstance(fit.follower, sg.QuantalResponse)


@pytest.mark.parametrize("seed", range(8))
def test_every_point_of_the_branch_is_a_logit_equilibrium(seed):
    rng = np.random.default_rng(100 + seed)
    leader, follower = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    branch = trace_branch(leader, follower)
    assert "gains" in branch.stopped
    for strength, logs in zip(branch.inverse_temperature, branch.log_strategies, strict=True):
        rows, columns = np.exp(logs[:3]), np.exp(logs[3:])
        for own, values in ((logs[:3], leader @ columns), (logs[3:], rows @ follower)):
            scaled = strength * (values - values.max())
            assert np.allclose(own, scaled - np.log(np.exp(scaled).sum()), rtol=1e-9, atol=1e-8)


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_the_estimate_scales_with_one_over_payoff(scale):
    game, choices = sg.ochs_matching_pennies()
    fit = sg.fit_response(choices, game, sg.QuantalEquilibriumModel(), folds=0)
    scaled_game = sg.NormalFormGame(scale * game.leader_payoff, scale * game.follower_payoff)
    scaled = sg.fit_response(choices, scaled_game, sg.QuantalEquilibriumModel(), folds=0)
    assert scaled.estimate[0] * scale == pytest.approx(fit.estimate[0], rel=1e-7)


def test_play_of_the_nash_equilibrium_has_no_upper_end():
    game, _ = sg.ochs_matching_pennies()
    choices = sg.from_frequencies([0.5, 0.5], [0.2, 0.8], 1000)  # near the mixed equilibrium (1/2, 1/5)
    fit = sg.fit_response(choices, game, sg.QuantalEquilibriumModel(), folds=0)
    assert fit.interval[0, 1] == np.inf
    assert np.isfinite(fit.estimate[0])


def test_models_of_answers_to_a_commitment_refuse_simultaneous_play():
    game, choices = sg.ochs_matching_pennies()
    for model in (sg.QuantalModel(), sg.TremblingModel(), sg.PayoffModel(), sg.WeightsModel()):
        with pytest.raises(sg.InputError, match="simultaneous"):
            sg.fit_response(choices, game, model)


def test_models_of_simultaneous_play_are_compared_on_both_players():
    game, choices = sg.ochs_matching_pennies()
    models = [sg.QuantalEquilibriumModel(), sg.LevelKModel(), sg.UniformModel()]
    fits = sg.compare_models(choices, game, models)
    assert {fit.num_plays for fit in fits} == {256.0}
    uniform = next(fit for fit in fits if fit.kind == "uniform")
    assert uniform.log_likelihood == pytest.approx(-256 * np.log(2))
    assert uniform.identified_dimension == 0


def test_simultaneous_choices_against_the_payoffs_are_flagged():
    game = sg.NormalFormGame([[2, 0], [3, 1]], [[2, 3], [0, 1]])  # the second action is better whatever the other does
    choices = sg.from_frequencies([0.9, 0.1], [0.9, 0.1], 100)
    fit = sg.fit_response(choices, game, sg.QuantalEquilibriumModel(), folds=0)
    assert fit.estimate[0] == 0.0
    assert "against_payoffs" in fit.flags
    swapped = sg.from_frequencies([0.1, 0.9], [0.1, 0.9], 100)
    assert "against_payoffs" not in sg.fit_response(swapped, game, sg.QuantalEquilibriumModel(), folds=0).flags
