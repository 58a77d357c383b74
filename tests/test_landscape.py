"""Records to be drawn: the landscape over commitments, and the curve over inverse temperatures."""

import numpy as np
import pytest

import stackelberg as sg


CLASSIC = sg.NormalFormGame(leader_payoff=[[2, 4], [1, 3]], follower_payoff=[[1, 0], [0, 1]])
HUMAN = sg.QuantalResponse(5.0)


def test_the_line_peaks_where_the_solvers_say():
    record = sg.landscape(CLASSIC, HUMAN, points=1000)
    assert record.kind == "landscape"
    assert record["promised"].max() == sg.solve(CLASSIC).leader_value
    best = float(sg.solve(CLASSIC, sg.QuantalStackelberg(HUMAN)).leader_value)
    assert best - 1e-5 <= record["paid"].max() <= best + 1e-12
    assert record["commitment"][record["promised"].argmax()].tolist() == [0.5, 0.5]
    np.testing.assert_array_equal(record["best_response"], (record["commitment"][:, 0] <= 0.5).astype(int))


def test_the_triangle_covers_the_simplex_and_agrees_with_the_seam():
    rng = np.random.default_rng(0)
    game = sg.NormalFormGame(*rng.random((2, 3, 4)))
    record = sg.landscape(game, HUMAN, points=12)
    assert len(record["paid"]) == 13 * 14 // 2
    np.testing.assert_allclose(record["commitment"].sum(axis=1), 1.0, atol=1e-15)
    for index in (0, 17, 60, 90):
        commitment = record["commitment"][index]
        paid = sg.evaluate(game, commitment, HUMAN(game, commitment)).leader_value
        assert record["paid"][index] == pytest.approx(float(paid), abs=1e-14)


def test_a_follower_that_cannot_be_traced_is_asked_one_by_one():
    stubborn = sg.Callback(lambda game, commitment: [1.0, 0.0] if float(commitment[0]) > 0.3 else [0.0, 1.0])
    record = sg.landscape(CLASSIC, stubborn, points=10)
    np.testing.assert_allclose(record["paid"][:3], [3.0, 3.1, 3.2])
    np.testing.assert_allclose(record["paid"][4:], 1.0 + record["commitment"][4:, 0])


def test_a_game_of_four_rows_has_no_landscape():
    with pytest.raises(sg.InputError, match="2 or 3"):
        sg.landscape(sg.NormalFormGame(np.eye(4), np.eye(4)), HUMAN)


@pytest.fixture(scope="module")
def curve():
    return sg.rationality_curve(CLASSIC, np.sort(np.append(np.geomspace(0.05, 200.0, 58), [0.0, 1.0, 5.0])))


def test_the_rationality_curve_is_not_monotone_and_its_maximiser_jumps(curve):
    value, first = curve["leader_value"], curve["commitment"][:, 0]
    assert curve.kind == "rationality"
    assert np.any(np.diff(value) < -1e-3)
    assert np.any(np.diff(value) > 1e-3)
    assert np.max(np.abs(np.diff(first))) > 0.5
    assert curve.attributes["asymptote"] == pytest.approx(3.5, abs=1e-9)
    assert np.max(curve["upper"] - value) <= 3e-6
    np.testing.assert_allclose(curve["promise_paid"], 2.5, atol=1e-12)
    assert np.all(curve["promise_paid"] <= value + 1e-12)


def test_the_curve_agrees_with_solving_point_by_point(curve):
    for rate in (0.0, 1.0, 5.0):
        alone = sg.solve(CLASSIC, sg.QuantalStackelberg(sg.QuantalResponse(rate)))
        value = curve["leader_value"][curve["inverse_temperature"] == rate]
        assert value == pytest.approx(float(alone.leader_value), abs=1e-9)
