"""The strong Stackelberg equilibrium: the best the leader can get from a follower that breaks ties its way."""

import numpy as np
import pytest

import stackelberg as sg


def test_committing_to_half_and_half_is_worth_three_and_a_half():
    game = sg.NormalFormGame(leader_payoff=[[2, 4], [1, 3]], follower_payoff=[[1, 0], [0, 1]])
    for solver in (sg.MultipleLPs(), sg.CorrelatedLP()):
        solution = solver(game)
        assert solution.commitment == pytest.approx([0.5, 0.5], abs=1e-12)
        assert float(solution.leader_value) == pytest.approx(3.5, abs=1e-12)
        assert np.array_equal(solution.response, [0.0, 1.0])
        assert solution.certificate.status == "optimal"
        assert solution.certificate.gap <= 1e-12
