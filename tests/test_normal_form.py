"""The seam on the smallest game: values, ties and limits that can be checked by hand."""

import jax
import numpy as np
import pytest

import stackelberg as sg


GAME = sg.NormalFormGame(leader_payoff=[[2, 4], [1, 3]], follower_payoff=[[1, 0], [0, 1]])
HALF = [0.5, 0.5]


@pytest.mark.parametrize(("ties", "leader_value"), [("leader", 3.5), ("adversary", 1.5), ("uniform", 2.5)])
def test_ties_at_the_equilibrium_are_worth_what_the_tie_rule_says(ties, leader_value):
    response = sg.BestResponse(ties)(GAME, HALF)
    outcome = sg.evaluate(GAME, HALF, response)
    assert float(outcome.leader_value) == leader_value
    assert float(outcome.follower_regret) == 0.0


def test_a_logit_follower_pays_half_the_promise():
    human = sg.QuantalResponse(inverse_temperature=5.0)
    assert sg.evaluate(GAME, HALF, human(GAME, HALF)).leader_value == 2.5


@pytest.mark.parametrize("inverse_temperature", [0.0, 1e-300, 1.0, 1e12, 1e308, np.inf])
def test_quantal_probabilities_are_a_distribution_at_every_inverse_temperature(inverse_temperature):
    response = sg.QuantalResponse(inverse_temperature)(GAME, [0.75, 0.25])
    assert response.dtype == np.float64
    assert np.all(response >= 0)
    assert np.sum(response) == pytest.approx(1.0, abs=1e-15)


def test_a_prescription_constant_in_the_follower_action_is_a_strategy():
    human = sg.QuantalResponse(3.0)
    strategy = np.array([0.3, 0.7])
    prescription = np.tile(strategy, (2, 1))
    assert np.allclose(human(GAME, strategy), human(GAME, prescription), rtol=0, atol=1e-16)
    response = human(GAME, strategy)
    assert float(GAME.leader_value(strategy, response)) == pytest.approx(
        float(GAME.leader_value(prescription, response)), abs=1e-15
    )


def test_values_can_be_differentiated_through_the_follower():
    human = sg.QuantalResponse(5.0)

    def paid(first):
        commitment = jax.numpy.stack([first, 1.0 - first])
        return sg.evaluate(GAME, commitment, human(GAME, commitment)).leader_value

    with jax.enable_x64(True):
        slope = jax.grad(paid)(0.3)
    step = 1e-6
    with jax.enable_x64(True):
        difference = (float(paid(jax.numpy.asarray(0.3 + step))) - float(paid(jax.numpy.asarray(0.3 - step)))) / (
            2 * step
        )
    assert float(slope) == pytest.approx(difference, rel=1e-7)


def test_exact_code_under_a_float32_trace_says_so():
    with pytest.raises(sg.PrecisionError, match="enable_x64"):
        jax.jit(lambda x: GAME.induce(x).follower_payoff)(jax.numpy.ones(2) / 2)
