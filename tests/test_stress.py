"""The worst case is never better than any follower of the set, and its bound never worse than promised."""

import json

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

import stackelberg as sg
from stackelberg.evaluation.response_curve import wilson_interval
from stackelberg.evaluation.rivals import loses
from stackelberg.evaluation.worst_case import Stakes, worst_in_ellipsoid, worst_shares, worst_temperature
from stackelberg.followers.fitting.logit import LogitLikelihood


GAME = sg.NormalFormGame([[2, 4], [1, 3]], [[1, 0], [0, 1]])


def stakes(seed, actions=4, types=1):
    rng = np.random.default_rng(seed)
    prior = rng.dirichlet(np.ones(types))
    return Stakes(rng.normal(size=(types, actions)), rng.normal(size=(types, actions)), prior), rng


def logit_values(case, temperatures):
    logits = np.asarray(temperatures)[:, None, None] * (case.follower - case.follower.max(axis=-1, keepdims=True))
    weights = np.exp(logits)
    return case.value(weights / weights.sum(axis=-1, keepdims=True))


@pytest.mark.parametrize("seed", range(30))
def test_no_inverse_temperature_of_the_interval_undercuts_the_proven_bound(seed):
    case, rng = stakes(seed, types=1 + seed % 3)
    low = float(rng.uniform(0, 3))
    high = [low + float(rng.uniform(0, 8)), np.inf][seed % 2]
    at, value = worst_temperature(case, low, high)
    grid = np.linspace(low, min(high, 60.0), 20_001)
    values = logit_values(case, grid)
    spread = float(case.prior @ np.ptp(case.leader, axis=-1))
    assert low <= at <= high
    assert value.low <= values.min() + 1e-12
    assert float(value) <= values.min() + 2e-6 * spread
    assert value.high - value.low <= 4e-6 * spread
    if np.isfinite(at):
        assert logit_values(case, [at])[0] == pytest.approx(float(value), abs=1e-12)


def test_a_worst_case_inside_the_interval_is_found():
    """The leader loses most at a middling precision: the ends of the interval alone would miss it."""
    case = Stakes(np.array([[1.0, -1.0, 1.0]]), np.array([[1.0, 0.9, 0.0]]), np.ones(1))
    at, value = worst_temperature(case, 0.0, 100.0)
    ends = logit_values(case, [0.0, 100.0])
    assert 0.0 < at < 100.0
    assert float(value) < ends.min() - 0.05


@pytest.mark.parametrize("seed", range(10))
def test_no_sampled_weights_of_the_ellipsoid_undercut_the_worst(seed):
    case, rng = stakes(100 + seed)
    features, centre = rng.normal(size=(1, 4, 3)), rng.normal(size=3)
    root = 0.5 * rng.normal(size=(3, 3))
    at, value = worst_in_ellipsoid(case, features, centre, root, seed=0)
    z = rng.normal(size=(50_000, 3))
    z /= np.maximum(np.linalg.norm(z, axis=1), 1.0)[:, None]
    logits = np.einsum("tbd,rd->rtb", features, centre + z @ root.T)
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    values = case.value(weights / weights.sum(axis=-1, keepdims=True))
    assert float(value) <= values.min() + 1e-5
    assert value.low <= values.min()
    assert np.linalg.norm(np.linalg.solve(root, at - centre)) <= 1.0 + 1e-5


def test_the_worst_shares_are_those_of_a_grid():
    values, intervals = np.array([1.0, -2.0, 0.5]), np.array([[0.1, 0.6], [0.2, 0.7]])
    shares, value = worst_shares(values, intervals)
    grid = np.linspace(0, 1, 101)
    one, two = (axis.ravel() for axis in np.meshgrid(grid, grid))
    inside = (one >= 0.1) & (one <= 0.6) & (two >= 0.2) & (two <= 0.7) & (one + two <= 1)
    mixed = (values[0] + one * (values[1] - values[0]) + two * (values[2] - values[0]))[inside]
    assert float(value) == pytest.approx(mixed.min(), abs=1e-12)
    assert shares == pytest.approx([0.6, 0.4])


def fitted(model=None, plays=200):
    rng = np.random.default_rng(0)
    choices = sg.sample_choices(GAME, sg.QuantalResponse(3.0), rng.dirichlet(np.ones(2), 10), plays)
    return sg.fit_response(choices, GAME, model, folds=0), choices


def test_the_textbook_plan_loses_a_unit_to_ties_and_the_table_says_so():
    fit, _ = fitted()
    found = sg.stress(GAME, [0.5, 0.5], fit, promised=3.5)
    losses = {row.model: row.loss for row in found.rows}
    assert losses["best response, ties for the leader"] == pytest.approx(0.0)
    assert losses["best response, ties against the leader"] == pytest.approx(2.0)
    assert losses["as fitted"] == pytest.approx(1.0)
    assert found.worst.model == "best response, ties against the leader"


@pytest.mark.parametrize("kind", ["quantal", "payoffs", "weights", "level-k", "trembling", "uniform"])
def test_the_worst_of_the_set_is_no_better_than_the_fit(kind):
    models = {"quantal": sg.QuantalModel(), "payoffs": sg.PayoffModel(), "weights": sg.WeightsModel()}
    models |= {"level-k": sg.LevelKModel(), "trembling": sg.TremblingModel(), "uniform": sg.UniformModel()}
    fit, _ = fitted(models[kind])
    found = sg.stress(GAME, [0.8, 0.2], fit)
    as_fitted, worst = found.rows[:2]
    assert float(worst.leader_value) <= float(as_fitted.leader_value) + 1e-9
    assert worst.leader_value.low <= float(worst.leader_value)
    assert worst.loss >= -1e-9


def test_the_worst_over_a_likelihood_ratio_set_lies_in_it():
    fit, choices = fitted(sg.WeightsModel())
    by_ball = sg.stress(GAME, [0.8, 0.2], fit, rivals={})
    by_ratio = sg.stress(GAME, [0.8, 0.2], fit, rivals={}, choices=choices)
    # with 2,000 plays the set is nearly an ellipsoid: both searches end close together
    assert float(by_ratio.rows[1].leader_value) == pytest.approx(float(by_ball.rows[1].leader_value), abs=0.01)


def test_what_the_data_leave_open_is_taken_at_its_worst():
    """Plays under one commitment alone say nothing about the payoffs of the leader's other action."""
    choices = sg.sample_choices(GAME, sg.QuantalResponse(3.0), [[1.0, 0.0]], 500)
    fit = sg.fit_response(choices, GAME, sg.PayoffModel(), folds=0)
    found = sg.stress(GAME, [0.5, 0.5], fit, rivals={})
    assert float(found.rows[1].leader_value) == pytest.approx(1.5)  # all on the action that pays the leader less
    assert "open" in found.notes[0]


def test_rivals_are_fitted_to_the_same_choices_and_stored():
    fit, choices = fitted(plays=50)
    found = sg.stress(GAME, [0.6, 0.4], fit, choices=choices)
    assert "trembling, fitted to the same choices" in {row.model for row in found.rows}
    data = json.loads(json.dumps(found.to_json()))
    values = [row["leader_value"]["value"] for row in data["rows"]]
    assert data["worst_of_all"]["leader_value"]["value"] == min(values)
    possible = [value for value, row in zip(values, data["rows"], strict=True) if not row["rejected"]]
    assert data["leader_value"] == data["worst"]["leader_value"]["value"] == min(possible)
    record = found.record
    assert record.kind == "stress"
    assert np.all(record["low"] <= record["leader_value"])
    assert np.allclose(record["loss"], found.promised - record["leader_value"])


def test_rivals_that_the_log_rejects_are_marked_and_not_the_worst():
    fit, choices = fitted()
    found = sg.stress(GAME, [0.6, 0.4], fit, choices=choices)
    verdicts = {row.model: row.rejected for row in found.rows}
    assert verdicts["as fitted"] is None
    assert verdicts["uniform play"] is True
    assert verdicts["best response, ties for the leader"] is True  # it makes none of the slips that were seen
    assert verdicts["weights, fitted to the same choices"] is False
    assert found.worst.rejected is not True
    assert found.worst_of_all.model == "best response, ties for the leader"
    assert found.record["rejected"].sum() == sum(verdict is True for verdict in verdicts.values())
    assert {row.rejected for row in sg.stress(GAME, [0.6, 0.4], fit).rows} == {None}


def share_rejected(strength, logs=1_000, plays=40):
    """How often a logit rival is rejected when the truth is logit with inverse temperature 3."""
    rng = np.random.default_rng(1)
    payoffs = rng.dirichlet(np.ones(2), 10)

    def answers(temperatures):
        logits = np.asarray(temperatures)[:, None, None] * payoffs
        return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))

    truth, rival = answers([3.0])[0], answers([strength])[0]
    counts = rng.multinomial(plays, np.exp(truth), size=(logs, 10)).astype(float)
    likelihood = LogitLikelihood(payoffs[..., None], ("inverse_temperature",), nonnegative=True)
    fitted = answers(likelihood.estimate(counts.reshape(logs, -1), None).parameters[:, 0])
    return np.mean([loses(log, fit, rival, 1, 0.95) for log, fit in zip(counts, fitted, strict=True)])


def test_the_truth_is_rarely_rejected_and_a_wrong_precision_often():
    """With the estimate z standard errors off the truth, z²/2 - 1 > 1.645 |z| needs |z| > 3.8: 1 log of 7,000.

    More than 5 of 1,000 logs are a false alarm in 1 of 10^7 seeds. The planted bug: a rival half as precise.
    """
    assert share_rejected(3.0) <= 0.005
    assert share_rejected(1.5) >= 0.9


def test_suspects_that_answer_alike_are_shown_once():
    """In this game both columns pay alike against uniform play, so that a deaf follower plays uniformly."""
    fit, choices = fitted()
    found = sg.stress(GAME, [0.6, 0.4], fit, choices=choices)
    names = {row.model for row in found.rows}
    assert not {"ignores the commitment", "level-k, fitted to the same choices"} & names
    assert {"uniform play", "trembling, fitted to the same choices"} <= names
    assert "ignores the commitment (as uniform play)" in found.notes[-1]
    asked = {"one": sg.QuantalResponse(0.0), "two": sg.LevelK([1.0, 0.0, 0.0])}
    assert [row.model for row in sg.stress(GAME, [0.6, 0.4], fit, rivals=asked).rows[2:]] == ["one", "two"]


def test_a_rival_that_is_any_function_is_judged_too():
    fit, choices = fitted(plays=20)
    rivals = {"deaf": sg.Callback(lambda game, commitment: np.array([0.5, 0.5]))}
    assert sg.stress(GAME, [0.6, 0.4], fit, rivals=rivals, choices=choices).rows[2].rejected is True


def test_simultaneous_play_rejects_no_answer_to_a_commitment():
    game, choices = sg.ochs_matching_pennies()
    fit = sg.fit_response(choices, game, sg.QuantalEquilibriumModel(), folds=0)
    assert {row.rejected for row in sg.stress(game, [0.5, 0.5], fit, choices=choices).rows} == {None}


def test_a_commitment_of_another_game_is_refused():
    fit, _ = fitted()
    with pytest.raises(sg.InputError, match="commitment"):
        sg.stress(GAME, [0.5, 0.6], fit)


def test_wilson_intervals_agree_with_statsmodels():
    successes, trials = np.array([0.0, 1.0, 7.0, 30.0]), np.array([5.0, 9.0, 21.0, 30.0])
    for level in (0.8, 0.95):
        theirs = proportion_confint(successes, trials, alpha=1 - level, method="wilson")
        assert np.allclose(wilson_interval(successes, trials, level), theirs, atol=1e-12)


def test_the_response_curve_shows_what_was_seen_and_what_was_fitted():
    fit, choices = fitted()
    record = sg.response_curve(choices, GAME, fit)
    assert record.kind == "response"
    assert np.allclose(record["observed"].sum(axis=1), 1.0)
    assert np.allclose(record["response"].sum(axis=1), 1.0)
    assert np.all((record["low"] <= record["observed"]) & (record["observed"] <= record["high"]))
    inside = (record["low"] <= record["response"]) & (record["response"] <= record["high"])
    assert inside.mean() >= 0.7
