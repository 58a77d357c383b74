"""The correlated program: one program, another formulation, the same value."""

import numpy as np
import pytest

import stackelberg as sg
from oracles import response_regions


def test_its_value_is_that_of_vertex_enumeration_and_its_commitment_earns_it():
    rng = np.random.default_rng(0)
    for shape in ((2, 2), (3, 5), (5, 3), (1, 4), (4, 1)):
        leader, follower = rng.normal(size=(2, 8, *shape))
        expected = response_regions.strong_values(leader, follower)
        for game in range(8):
            solution = sg.CorrelatedLP()(sg.NormalFormGame(leader[game], follower[game]))
            assert float(solution.leader_value) == pytest.approx(expected[game], abs=1e-8)
            paid = solution.commitment @ leader[game] @ solution.response
            assert paid == pytest.approx(float(solution.leader_value), abs=1e-12)
            replies = solution.commitment @ follower[game]
            assert replies.max() - replies @ solution.response <= 1e-7
            assert solution.certificate.gap <= 1e-7
            assert solution.certificate.upper >= expected[game] - 1e-12


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1e6, 1e12])
def test_the_scale_of_the_payoffs_does_not_matter(scale):
    game = sg.NormalFormGame(scale * np.array([[2.0, 4], [1, 3]]), scale * np.array([[1.0, 0], [0, 1]]))
    solution = sg.CorrelatedLP()(game)
    assert float(solution.leader_value) == pytest.approx(3.5 * scale, rel=1e-12)
    assert solution.certificate.status == "optimal"


def test_constant_games_are_solved():
    solution = sg.CorrelatedLP()(sg.NormalFormGame(np.full((2, 3), 7.0), np.zeros((2, 3))))
    assert solution.leader_value == 7.0
    assert solution.certificate.upper == pytest.approx(7.0, abs=1e-12)
