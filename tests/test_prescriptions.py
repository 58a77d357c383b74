"""Prescriptions against a quantal follower: solved exactly, whatever the size and the inverse temperature."""

import numpy as np
import pytest

import stackelberg as sg


CLASSIC = sg.NormalFormGame(leader_payoff=[[2, 4], [1, 3]], follower_payoff=[[1, 0], [0, 1]])


def stages(num_stages, seed=0, rate=5.0):
    rng = np.random.default_rng(seed)
    leader, follower = rng.random((2, num_stages, 4, 5))
    return leader, rate * follower


def values(commitments, leader, logit):
    """The leader's value of prescriptions `(..., b, a)`, in NumPy."""
    attraction = np.einsum("...ba,...ab->...b", commitments, logit)
    paid = np.einsum("...ba,...ab->...b", commitments, leader)
    weights = np.exp(attraction - attraction.max(axis=-1, keepdims=True))
    return (weights * paid).sum(axis=-1) / weights.sum(axis=-1)


@pytest.fixture(scope="module", params=[0.0, 0.5, 5.0, 50.0])
def solved(request):
    leader, logit = stages(100, rate=request.param)
    return leader, logit, sg.best_prescriptions(leader, logit)


def test_no_sampled_prescription_beats_the_optimum(solved):
    leader, logit, best = solved
    rng = np.random.default_rng(1)
    for density in (0.05, 0.3, 1.0):
        for _ in range(100):
            sampled = rng.dirichlet(np.full(4, density), (100, 5))
            assert np.max(values(sampled, leader, logit) - best.value) <= 1e-12


def test_no_pure_prescription_beats_the_optimum_and_mixed_rows_are_needed(solved):
    leader, logit, best = solved
    every = np.stack(np.meshgrid(*[np.arange(4)] * 5, indexing="ij"), axis=-1).reshape(-1, 5)
    pure = np.eye(4)[every]
    highest = np.max([values(pure, leader[n], logit[n]) for n in range(100)], axis=1)
    assert np.max(highest - best.value) <= 1e-12
    # Twin: a solver that looks at vertices alone is beaten somewhere, except against a follower that never listens.
    assert np.any(best.value > highest + 1e-6) == bool(np.any(logit))


def test_the_bound_is_proven_to_rounding(solved):
    _, logit, best = solved
    assert np.all(best.upper >= best.value)
    assert np.max(best.upper - best.value) <= 1e-12 * (1.0 + np.abs(logit).max())


def test_the_value_is_that_of_the_commitment_returned(solved):
    leader, logit, best = solved
    np.testing.assert_allclose(best.commitment.sum(axis=-1), 1.0, rtol=0, atol=1e-14)
    assert np.all(best.commitment >= 0.0)
    np.testing.assert_allclose(values(best.commitment, leader, logit), best.value, rtol=0, atol=1e-13)


def test_stages_of_a_markov_game_are_solved_in_one_call(solved):
    leader, logit, best = solved
    folded = sg.best_prescriptions(leader.reshape(10, 10, 4, 5), logit.reshape(10, 10, 4, 5))
    np.testing.assert_allclose(folded.value.ravel(), best.value, rtol=0, atol=1e-15)


@pytest.mark.parametrize("inverse_temperature", [0.0, 1e-300, 5.0, 1e3, 1e6, 1e12, 1e300, np.inf])
def test_a_prescription_is_never_worth_less_than_a_strategy(inverse_temperature):
    human = sg.QuantalResponse(inverse_temperature)
    prescription = sg.solve(CLASSIC, sg.QuantalStackelberg(human, announcement="prescription"))
    strategy = sg.solve(CLASSIC, sg.QuantalStackelberg(human))
    assert prescription.certificate.upper >= strategy.certificate.lower
    assert prescription.certificate.lower >= strategy.certificate.lower - 1e-6
    assert prescription.certificate.gap <= 1e-6
    again = sg.evaluate(CLASSIC, prescription.commitment, human(CLASSIC, prescription.commitment)).leader_value
    assert float(again) == prescription.certificate.lower


@pytest.mark.parametrize("rate", [1e3, 1e6, 1e9, 1e12])
def test_large_inverse_temperatures_do_not_stop_the_climb(rate):
    leader, follower = stages(100, rate=1.0)
    best = sg.best_prescriptions(leader, rate * follower)
    assert np.max(best.upper - best.value) <= 1e-6
    # Against a best responder the leader names b, pays it just more than its best threat elsewhere, and gets the most
    # that the hull of b allows there.
    threat = follower.min(axis=1).max(axis=1)
    pure = np.where(follower >= threat[:, None, None], leader, -1.0).max(axis=(1, 2))
    assert np.min(best.value - pure) >= -40.0 / rate


def test_a_stage_without_choice_has_no_gap():
    for shape in ((1, 5), (4, 1)):
        leader, follower = np.random.default_rng(2).random((2, *shape))
        best = sg.best_prescriptions(leader, 3.0 * follower)
        assert float(best.upper - best.value) <= 1e-12
