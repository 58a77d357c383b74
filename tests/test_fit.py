"""Fits agree with other people's estimators, and say so when the data cannot carry an estimate."""

import json
import math

import numpy as np
import pytest

import stackelberg as sg
from oracles import multinomial_logit as oracle
from stackelberg.calculus.simplex import choice_on_host
from stackelberg.followers.fitting.likelihood import log_likelihood
from stackelberg.followers.fitting.logit import LogitLikelihood
from stackelberg.followers.fitting.mixture import MixtureLikelihood, best_shares
from stackelberg.followers.fitting.newton import is_separated


GAME = sg.NormalFormGame(
    [[2, 4], [1, 3]], [[1, 0], [0, 1]], leader_actions=["up", "down"], follower_actions=["left", "right"]
)
HALVED_CHI2 = 0.5 * 3.841458820694124


def names(d):
    return tuple(f"θ{j}" for j in range(d))


def draw(seed, contexts=12, actions=4, d=3, plays=300):
    """Features, a parameter, and plays drawn from it, one by one."""
    rng = np.random.default_rng(seed)
    features, truth = rng.normal(size=(contexts, actions, d)), rng.normal(size=d)
    probabilities, _ = choice_on_host(features @ truth)
    context = rng.integers(0, contexts, plays)
    action = (rng.random(plays)[:, None] > np.cumsum(probabilities, axis=1)[context]).sum(axis=1)
    return features, truth, context, np.minimum(action, actions - 1)


def collapse(context, action, contexts, actions):
    counts = np.zeros((contexts, actions))
    np.add.at(counts, (context, action), 1.0)
    return counts


@pytest.mark.parametrize("seed", range(6))
def test_newton_agrees_with_two_other_optimisers(seed):
    features, _, context, action = draw(seed, d=1 + seed % 3)
    counts = collapse(context, action, 12, 4)
    found = LogitLikelihood(features, names(features.shape[-1])).estimate(counts.reshape(1, -1))
    params, errors = oracle.by_statsmodels(features, context, action)
    assert np.allclose(found.parameters[0], params, rtol=0, atol=1e-6)
    assert np.allclose(found.standard_errors[0], errors, rtol=1e-4)
    assert np.allclose(found.parameters[0], oracle.by_bfgs(features, context, action), rtol=0, atol=1e-6)
    value = oracle.log_likelihood(found.parameters[0], features, context, action)
    assert found.log_likelihood[0] == pytest.approx(value, rel=1e-12)


def test_the_estimate_is_the_maximum_of_the_likelihood_on_a_grid():
    features, _, context, action = draw(7, d=1)
    counts = collapse(context, action, 12, 4).reshape(1, -1)
    likelihood = LogitLikelihood(features, names(1))
    found = likelihood.estimate(counts)
    low, high = found.intervals[0, 0]
    grid = np.linspace(low - 1.0, high + 1.0, 20_001)
    values = log_likelihood(counts, likelihood.log_probabilities(grid[:, None]))
    assert abs(grid[np.argmax(values)] - found.parameters[0, 0]) <= grid[1] - grid[0]
    inside = grid[values >= found.log_likelihood[0] - HALVED_CHI2]
    assert low == pytest.approx(inside[0], abs=grid[1] - grid[0])
    assert high == pytest.approx(inside[-1], abs=grid[1] - grid[0])


@pytest.mark.parametrize("seed", [1, 2])
def test_an_interval_is_the_shadow_of_the_likelihood_ratio_set(seed):
    features, _, context, action = draw(seed, d=2)
    counts = collapse(context, action, 12, 4).reshape(1, -1)
    likelihood = LogitLikelihood(features, names(2))
    found = likelihood.estimate(counts)
    angles = np.linspace(0, 2 * np.pi, 721)
    rays = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    short, long = np.zeros(len(rays)), np.full(len(rays), 3.0)
    for _ in range(60):  # bisection along every ray: the set is convex
        middle = 0.5 * (short + long)
        values = log_likelihood(counts, likelihood.log_probabilities(found.parameters + middle[:, None] * rays))
        keep = values >= found.log_likelihood[0] - HALVED_CHI2
        short, long = np.where(keep, middle, short), np.where(keep, long, middle)
    shadow = found.parameters[0] + short[:, None] * rays
    assert np.allclose(found.intervals[0, :, 0], shadow.min(axis=0), atol=2e-4)
    assert np.allclose(found.intervals[0, :, 1], shadow.max(axis=0), atol=2e-4)


def test_logs_fitted_together_are_fitted_as_each_alone():
    tables = []
    for seed in range(5):
        features, _, context, action = draw(3, plays=200)
        rng = np.random.default_rng(seed)
        picked = rng.integers(0, 200, 200)
        tables.append(collapse(context[picked], action[picked], 12, 4).ravel())
    likelihood = LogitLikelihood(features, names(3))
    together = likelihood.estimate(np.array(tables))
    for row, counts in enumerate(tables):
        alone = likelihood.estimate(counts[None])
        assert np.allclose(together.parameters[row], alone.parameters[0], atol=1e-8)
        assert np.allclose(together.intervals[row], alone.intervals[0], atol=1e-6)


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1e6, 1e12])
def test_the_inverse_temperature_scales_with_one_over_payoff(scale):
    rng = np.random.default_rng(0)
    payoffs = rng.normal(size=(3, 3))
    choices = sg.sample_choices(
        sg.NormalFormGame(payoffs, payoffs), sg.QuantalResponse(1.5), rng.dirichlet(np.ones(3), 8), 40
    )
    fit = sg.fit_response(choices, sg.NormalFormGame(payoffs, payoffs), folds=0)
    scaled = sg.fit_response(choices, sg.NormalFormGame(payoffs, scale * payoffs), folds=0)
    assert scaled.estimate[0] * scale == pytest.approx(fit.estimate[0], rel=1e-9)
    assert np.allclose(scaled.interval * scale, fit.interval, rtol=1e-8)
    assert scaled.log_likelihood == pytest.approx(fit.log_likelihood, rel=1e-9)


def test_a_separated_log_has_a_finite_estimate_and_a_one_sided_interval():
    choices = sg.Choices.of(
        [0, 1, 0], commitment=[[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]], count=[40, 30, 20]
    )  # always the better answer
    fit = sg.fit_response(choices, GAME)
    assert "separated" in fit.flags
    assert math.isfinite(fit.estimate[0])
    assert fit.standard_error[0] == math.inf
    low, high = fit.interval[0]
    assert high == math.inf
    assert low < fit.estimate[0]
    table = choices.table(GAME)
    value = log_likelihood(table.cells, fit.model.likelihood(GAME, table).log_probabilities(np.array([[low]]))[0])
    assert value == pytest.approx(-HALVED_CHI2, abs=1e-6)  # the supremum is 0, at infinity
    assert any("separated" in note for note in fit.notes)
    assert np.all(np.isfinite(fit.follower(GAME, [0.6, 0.4])))


def test_choices_against_the_payoffs_put_the_estimate_at_the_boundary():
    choices = sg.Choices.of([1, 0], commitment=[[0.9, 0.1], [0.2, 0.8]], count=[40, 30])
    fit = sg.fit_response(choices, GAME)
    assert fit.estimate[0] == 0.0
    assert fit.interval[0, 0] == 0.0 < fit.interval[0, 1] < math.inf
    assert "boundary" in fit.flags
    assert "separated" not in fit.flags
    assert "against_payoffs" in fit.flags
    note = next(note for note in fit.notes if "against the payoffs" in note)
    assert "higher by 48.52" in note  # 70 log 2: turned round, the choices are never wrong
    assert "who is who" in note
    turned = sg.NormalFormGame(GAME.leader_payoff, -GAME.follower_payoff)
    assert "against_payoffs" not in sg.fit_response(choices, turned).flags


@pytest.mark.parametrize(("better", "flagged"), [(35, False), (30, False), (27, False), (26, True), (10, True)])
def test_choices_against_the_payoffs_are_flagged_where_the_likelihood_ratio_test_says_so(better, flagged):
    """70 plays of two actions whose payoffs differ by one: the statistic is that of a binomial with chance ½."""
    choices = sg.Choices.of([0, 1], commitment=[[1.0, 0.0]] * 2, count=[better, 70 - better])
    shares = np.array([better, 70 - better]) / 70
    statistic = 2 * 70 * (shares @ np.log(shares) + np.log(2))
    assert (statistic > 2 * HALVED_CHI2) == flagged
    assert ("against_payoffs" in sg.fit_response(choices, GAME, folds=0).flags) == flagged


def test_a_log_of_one_action_is_flagged():
    choices = sg.Choices.of([0, 0], commitment=[[0.9, 0.1], [0.6, 0.4]], count=[40, 30])
    fit = sg.fit_response(choices, GAME)
    assert {"one_class", "separated"} <= set(fit.flags)
    assert math.isfinite(fit.estimate[0])


def test_indifference_throughout_identifies_nothing():
    choices = sg.Choices.of([0, 1], commitment=[[0.5, 0.5], [0.5, 0.5]], count=[10, 20])
    fit = sg.fit_response(choices, GAME)
    assert fit.identified_dimension == 0
    assert "rank_deficient" in fit.flags
    assert fit.interval[0].tolist() == [0.0, math.inf]
    assert fit.standard_error[0] == math.inf


@pytest.mark.parametrize("seed", range(20))
def test_the_linear_program_finds_separation_where_a_scan_of_directions_does(seed):
    rng = np.random.default_rng(seed)
    features = np.round(rng.normal(size=(4, 3, 2)), 1)
    counts = np.zeros((4, 3))
    direction = rng.normal(size=2)
    counts[np.arange(4), np.argmax(features @ direction, axis=1)] = 1.0
    if seed % 2:
        counts[rng.integers(0, 4), rng.integers(0, 3)] += 1.0
    # in the plane the cone of separating directions ends in rays that are orthogonal to some difference of features
    differences = (features[:, :, None] - features[:, None]).reshape(-1, 2)
    rays = np.concatenate([differences[:, ::-1] * [1, -1], differences[:, ::-1] * [-1, 1]])
    rays = rays[np.abs(rays).max(axis=1) > 0]
    scores = features @ rays.T  # (c, b, ray)
    short = np.where(counts[..., None] > 0, scores.max(axis=1, keepdims=True) - scores, 0.0).max(axis=(0, 1))
    scanned = bool((short <= 1e-9).any())
    assert is_separated(features, counts) == scanned
    found = LogitLikelihood(features, names(2)).estimate(counts.reshape(1, -1))
    assert bool(found.separated[0]) == scanned
    assert np.all(np.isfinite(found.parameters))
    assert np.isinf(found.intervals).any() == scanned


def test_collinear_features_are_fitted_on_the_directions_that_the_data_determine():
    features, _, context, action = draw(5, d=2)
    doubled = np.concatenate([features, 2.0 * features[..., :1]], axis=-1)
    counts = collapse(context, action, 12, 4).reshape(1, -1)
    plain = LogitLikelihood(features, names(2)).estimate(counts)
    found = LogitLikelihood(doubled, names(3)).estimate(counts)
    assert found.unidentified.shape == (1, 3)
    assert np.allclose(np.abs(found.unidentified[0]), np.array([2.0, 0.0, 1.0]) / np.sqrt(5.0), atol=1e-9)
    assert found.log_likelihood[0] == pytest.approx(plain.log_likelihood[0], rel=1e-12)
    combination = found.parameters[0, 0] + 2.0 * found.parameters[0, 2]
    assert combination == pytest.approx(plain.parameters[0, 0], abs=1e-8)
    assert np.isinf(found.intervals[0, [0, 2]]).all()
    assert np.allclose(found.intervals[0, 1], plain.intervals[0, 1], atol=1e-6)
    assert np.isinf(found.standard_errors[0, [0, 2]]).all()
    assert found.standard_errors[0, 1] == pytest.approx(plain.standard_errors[0, 1], rel=1e-8)


def test_payoffs_are_identified_up_to_a_constant_for_each_action_of_the_leader():
    rng = np.random.default_rng(2)
    payoffs = rng.normal(size=(3, 4))
    game = sg.NormalFormGame(payoffs, payoffs)
    choices = sg.sample_choices(game, sg.QuantalResponse(2.0), rng.dirichlet(np.ones(3), 30), 2_000)
    fit = sg.fit_response(choices, game, sg.PayoffModel(), folds=0)
    assert fit.identified_dimension == 3 * (4 - 1)
    recovered = fit.estimate.reshape(3, 4)
    centred = 2.0 * (payoffs - payoffs.mean(axis=1, keepdims=True))
    assert np.allclose(recovered, centred, atol=0.25)  # six standard errors
    answer = fit.follower(game, [0.2, 0.5, 0.3])
    assert np.allclose(answer, sg.QuantalResponse(2.0)(game, [0.2, 0.5, 0.3]), atol=0.03)


def security_game(seed=0, n=8):
    rng = np.random.default_rng(seed)
    reward = rng.uniform(1, 10, n)
    return sg.SecurityGame(rng.uniform(0, 5, n), -reward, -rng.uniform(1, 10, n), reward, 3), rng


def test_the_weights_of_a_generated_attacker_are_recovered():
    """Each weight lies within 4.5 standard errors: a false alarm in less than 1 of 40,000 seeds."""
    game, rng = security_game()
    truth = np.array([-9.0, 0.4, 0.2])
    coverage = np.minimum(3 * rng.dirichlet(np.ones(8), 25), 1.0)
    choices = sg.sample_choices(game, sg.SUQR(truth), coverage, 100)
    fit = sg.fit_response(choices, game, sg.SUQRModel())
    assert fit.parameters[:3] == ("weight of coverage", "weight of reward", "weight of penalty")
    assert np.all(np.abs(fit.estimate - truth) < 4.5 * fit.standard_error)
    assert isinstance(fit.follower, sg.SUQR)


@pytest.mark.parametrize("truth", ["suqr", "quantal", "level-k"])
def test_held_out_plays_tell_the_true_model(truth):
    game, rng = security_game(3)
    follower = {
        "suqr": sg.SUQR([-4.0, 0.9, 0.0]),
        "quantal": sg.QuantalResponse(0.5),
        "level-k": sg.LevelK([0.4, 0.3, 0.3]),
    }[truth]
    coverage = np.minimum(3 * rng.dirichlet(np.ones(8), 20), 1.0)
    choices = sg.sample_choices(game, follower, coverage, 60)
    models = [sg.UniformModel(), sg.TremblingModel(), sg.LevelKModel(), sg.QuantalModel(), sg.SUQRModel()]
    fits = sg.compare_models(choices, game, models)
    assert fits[0].kind == truth
    assert fits[0].bic == min(fit.bic for fit in fits)
    table = sg.comparison(fits)
    assert table["model"][0] == truth
    assert np.all(np.diff(table["held_out_per_play"]) <= 0)


def test_models_that_a_log_cannot_tell_apart_are_compared_once():
    """Both columns pay alike against uniform play: level 1 is level 0, and level-k thinking is a trembling hand."""
    choices = sg.sample_choices(GAME, sg.QuantalResponse(3.0), np.random.default_rng(0).dirichlet(np.ones(2), 8), 50)
    models = [sg.LevelKModel(), sg.TremblingModel(), sg.PayoffModel(), sg.WeightsModel(), sg.QuantalModel()]
    fits = {fit.kind: fit for fit in sg.compare_models(choices, GAME, models)}
    assert set(fits) == {"trembling", "weights", "quantal"}
    assert "level-k: this log cannot tell it from trembling" in fits["trembling"].notes
    uneven = sg.NormalFormGame([[2, 4], [1, 3]], [[2, 0], [0, 1]])  # level 1 now has a column of its own
    choices = sg.sample_choices(uneven, sg.LevelK([0.2, 0.4, 0.4]), [[0.1, 0.9], [0.8, 0.2]], 200)
    assert len(sg.compare_models(choices, uneven, models[:2])) == 2


def test_shares_solve_the_mixture_likelihood():
    rng = np.random.default_rng(4)
    for _ in range(20):
        rules, counts = rng.dirichlet(np.full(9, 0.3), 3), rng.integers(0, 30, 9).astype(float)
        rules = np.vstack([np.full(9, 1 / 9), rules])
        shares = best_shares(rules, counts)
        assert shares.sum() == pytest.approx(1.0)
        gradient = rules @ (counts / (shares @ rules))  # no rule may be worth more than all plays (Kuhn and Tucker)
        assert gradient.max() <= counts.sum() + 1e-6


def test_a_tremble_interval_is_that_of_a_grid():
    rules = np.array([[1.0, 0.0, 0.0, 0.0, 1.0, 0.0], np.full(6, 1 / 3)])
    counts = np.array([[30.0, 4.0, 3.0, 5.0, 40.0, 1.0]])
    likelihood = MixtureLikelihood(rules, ("tremble",))
    found = likelihood.estimate(counts)
    grid = np.linspace(1e-6, 1 - 1e-6, 200_001)
    values = log_likelihood(counts, likelihood.log_probabilities(grid[:, None]))
    inside = grid[values >= values.max() - HALVED_CHI2]
    assert found.parameters[0, 0] == pytest.approx(grid[np.argmax(values)], abs=1e-5)
    assert np.allclose(found.intervals[0, 0], [inside[0], inside[-1]], atol=1e-5)


@pytest.mark.parametrize("kind", ["quantal", "trembling", "level-k", "uniform", "payoffs", "weights"])
def test_a_fit_survives_json(kind):
    rng = np.random.default_rng(1)
    choices = sg.sample_choices(GAME, sg.QuantalResponse(2.0), rng.dirichlet(np.ones(2), 6), 50)
    model = {
        "quantal": sg.QuantalModel(),
        "trembling": sg.TremblingModel(),
        "level-k": sg.LevelKModel(),
        "uniform": sg.UniformModel(),
        "payoffs": sg.PayoffModel(),
        "weights": sg.WeightsModel([[0.0], [1.0]]),
    }[kind]
    fit = sg.fit_response(choices, GAME, model)
    again = sg.Fit.from_json(json.loads(json.dumps(fit.to_json())))
    assert again.to_json() == fit.to_json()
    commitment = [0.7, 0.3]
    assert np.array_equal(again.follower(GAME, commitment), fit.follower(GAME, commitment))


def test_a_fit_with_a_key_missing_is_refused():
    choices = sg.Choices.of([0, 1], commitment=[0.7, 0.3], count=[5, 3])
    data = sg.fit_response(choices, GAME).to_json()
    for name in ("interval", "schema", "model"):
        with pytest.raises(sg.InputError, match=name):
            sg.Fit.from_json({key: value for key, value in data.items() if key != name})
    with pytest.raises(sg.InputError, match="kind"):
        sg.Fit.from_json(data | {"model": {"kind": "os.system"}})


def test_held_out_folds_are_a_partition_and_depend_on_the_seed_alone():
    from stackelberg.followers.fitting.fit import deal

    counts = np.array([17, 0, 5, 300, 1])
    parts = deal(counts, 7, np.random.default_rng(3))
    assert np.array_equal(parts.sum(axis=0), counts)
    assert np.ptp(parts.sum(axis=1)) <= 1
    assert np.array_equal(parts, deal(counts, 7, np.random.default_rng(3)))


def test_types_are_fitted_with_the_payoffs_of_their_own():
    game = sg.BayesianGame([[2, 4], [1, 3]], [[[1, 0], [0, 1]], [[0, 2], [2, 0]]], [0.4, 0.6])
    rng = np.random.default_rng(0)
    choices = sg.sample_choices(game, sg.QuantalResponse(1.5), rng.dirichlet(np.ones(2), 10), 300)
    fit = sg.fit_response(choices, game)
    assert abs(fit.estimate[0] - 1.5) < 4.5 * fit.standard_error[0]
    assert sg.fit_response(choices, game, sg.TremblingModel()).log_likelihood < fit.log_likelihood
