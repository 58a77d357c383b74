"""Bayesian games: three ways to the same value, and what must hold whatever the way."""

import numpy as np
import pytest

import stackelberg as sg
from oracles.harsanyi import harsanyi_value
from stackelberg.solvers.bayesian import milp as bayesian_milp, type_enumeration


def random_game(seed: int, shape: tuple[int, int, int], integers: bool = False) -> sg.BayesianGame:
    rng = np.random.default_rng(seed)

    def draw():
        return rng.integers(0, 4, shape).astype(float) if integers else rng.uniform(-1.0, 1.0, shape)

    return sg.BayesianGame(draw(), draw(), rng.dirichlet(np.ones(shape[0])))


SHAPES = [(1, 3, 3), (2, 2, 2), (2, 3, 3), (2, 4, 3), (3, 3, 2), (2, 1, 3), (3, 3, 1)]


def disagreement(game: sg.BayesianGame, solution: sg.Solution) -> float:
    """How far a solution is from the Harsanyi normal form, in units of the leader's payoff range."""
    truth = harsanyi_value(game.leader_payoff, game.follower_payoff, game.prior)
    return abs(float(solution.leader_value) - truth) / np.ptp(game.leader_payoff)


@pytest.mark.parametrize("integers", [False, True], ids=["generic", "tied"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_program_enumeration_and_harsanyi_form_agree(shape, integers):
    for seed in range(2):
        game = random_game(seed, shape, integers)
        for solver in (sg.BayesianMILP(), sg.TypeEnumeration()):
            solution = solver(game)
            assert disagreement(game, solution) <= 1e-8
            assert solution.certificate.status == "optimal"
            assert solution.certificate.follower_regret <= 1e-9


def test_the_comparison_catches_a_type_whose_incentives_are_forgotten():
    game = random_game(1, (2, 3, 3))
    careless = sg.BayesianGame(game.leader_payoff, game.follower_payoff * [[[1.0]], [[0.0]]], game.prior)
    assert disagreement(game, sg.TypeEnumeration()(careless)) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_program_and_enumeration_agree_on_hundreds_of_games(seed):
    for number in range(60):
        shape = [(2, 3, 3), (3, 4, 4), (4, 3, 3), (5, 4, 2)][number % 4]
        game = random_game(1_000 * seed + number, shape, integers=number % 3 == 0)
        by_program, by_enumeration = sg.BayesianMILP()(game), sg.TypeEnumeration()(game)
        assert float(by_program.leader_value) == pytest.approx(float(by_enumeration.leader_value), abs=1e-8)


def test_no_sampled_commitment_beats_the_solution():
    game = random_game(7, (3, 4, 4))
    solution = sg.BayesianMILP()(game)
    rng = np.random.default_rng(0)
    commitments = np.vstack([rng.dirichlet(np.full(4, density), 5_000) for density in (1.0, 0.3)])
    due = np.einsum("na,tab->ntb", commitments, game.follower_payoff)
    paid = np.einsum("na,tab->ntb", commitments, game.leader_payoff)
    best = np.where(due >= due.max(axis=2, keepdims=True) - 1e-12, paid, -np.inf).max(axis=2) @ game.prior
    assert best.max() <= solution.certificate.lower + 1e-9
    assert solution.certificate.lower <= solution.certificate.upper


def test_one_type_is_a_normal_form():
    bayesian = random_game(3, (1, 3, 4))
    normal = sg.NormalFormGame(bayesian.leader_payoff[0], bayesian.follower_payoff[0])
    strategy = [0.2, 0.5, 0.3]
    for follower in (sg.BestResponse(), sg.BestResponse("uniform"), sg.QuantalResponse(2.0)):
        one, other = follower(bayesian, strategy), follower(normal, strategy)
        assert np.array_equal(one[0], other)
        for seat in ("leader_value", "follower_value", "follower_regret"):
            outcomes = sg.evaluate(bayesian, strategy, one), sg.evaluate(normal, strategy, other)
            assert float(getattr(outcomes[0], seat)) == pytest.approx(float(getattr(outcomes[1], seat)), abs=1e-15)
    leader, follower = normal.leader_payoff[None], normal.follower_payoff[None]
    truth = harsanyi_value(leader, follower, np.ones(1))
    assert float(sg.BayesianMILP()(bayesian).leader_value) == pytest.approx(truth, abs=1e-12)


def test_types_indifferent_only_up_to_rounding_still_favour_the_leader():
    """At an equilibrium with two actions their difference is all rounding; the leader's promise must survive it."""
    for seed in range(16):
        game = random_game(seed, (2, 3, 2))
        solution = sg.TypeEnumeration()(game)
        response = sg.BestResponse()(game, solution.commitment)
        assert float(game.leader_value(solution.commitment, response)) >= solution.certificate.lower - 1e-9


def test_leader_payoffs_that_ignore_the_type_may_be_given_once():
    game = random_game(5, (3, 2, 3))
    shared = sg.BayesianGame(game.leader_payoff[0], game.follower_payoff, game.prior)
    repeated = sg.BayesianGame(np.tile(game.leader_payoff[:1], (3, 1, 1)), game.follower_payoff, game.prior)
    assert np.array_equal(shared.leader_payoff, repeated.leader_payoff)


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1e6, 1e12])
def test_scaled_payoffs_scale_the_value(scale):
    game = random_game(11, (2, 3, 3))
    scaled = sg.BayesianGame(scale * game.leader_payoff, game.follower_payoff / scale, game.prior)
    for solver in (sg.BayesianMILP(), sg.TypeEnumeration()):
        assert float(solver(scaled).leader_value) == pytest.approx(scale * float(solver(game).leader_value), rel=1e-9)


def test_order_of_types_and_an_impossible_type_do_not_matter():
    game = random_game(13, (3, 3, 3))
    value = float(sg.TypeEnumeration()(game).leader_value)
    order = [2, 0, 1]
    turned = sg.BayesianGame(game.leader_payoff[order], game.follower_payoff[order], game.prior[order])
    assert float(sg.TypeEnumeration()(turned).leader_value) == pytest.approx(value, abs=1e-12)
    more = [np.concatenate([payoff, -payoff[:1]]) for payoff in (game.leader_payoff, game.follower_payoff)]
    extended = sg.BayesianGame(*more, np.append(game.prior, 0.0))
    for solver in (sg.BayesianMILP(), sg.TypeEnumeration()):
        assert float(solver(extended).leader_value) == pytest.approx(value, abs=1e-9)


def test_no_time_gives_a_commitment_and_bounds_that_hold():
    game = random_game(17, (4, 4, 4))
    hurried, patient = sg.BayesianMILP(time_limit=0.0)(game), sg.BayesianMILP()(game)
    assert hurried.certificate.lower - 1e-9 <= patient.certificate.lower <= hurried.certificate.upper
    assert hurried.certificate.status == "bounded"


def test_an_enumeration_too_large_is_refused_with_its_size():
    with pytest.raises(sg.InputError, match=r"answer in .* ways.*BayesianMILP"):
        sg.TypeEnumeration(max_vectors=3)(random_game(0, (4, 3, 3), integers=True))


def test_a_program_too_large_is_refused_with_its_size():
    game = sg.BayesianGame(np.zeros((2, 600)), np.zeros((200, 2, 600)), np.full(200, 1 / 200))
    with pytest.raises(sg.MemoryBudgetError, match=r"program would have .* GB"):
        sg.BayesianMILP()(game)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"prior": [0.5, 0.6]}, r"E-INPUT-005 prior.*1\.1"),
        ({"prior": [1.0]}, r"prior.*\(1,\).*\(2,\)"),
        ({"follower_payoff": [[[1, 2]], [[1, np.nan]]]}, r"follower_payoff\[1,0,1\]: nan"),
        ({"leader_payoff": [[1, 2, 3]]}, r"leader_payoff.*\(1, 3\).*\(1, 2\)"),
        ({"follower_payoff": [[1, 2]]}, r"follower_payoff.*\(1, 2\).*\(t, a, b\)"),
        ({"types": ["one"]}, r"types.*1 names.*2 are needed"),
    ],
)
def test_bad_games_are_refused_by_field(changed, message):
    good = {"leader_payoff": [[1, 2]], "follower_payoff": [[[1, 2]], [[3, 1]]], "prior": [0.5, 0.5]}
    with pytest.raises(sg.InputError, match=message):
        sg.BayesianGame(**(good | changed))


def test_types_that_err_cannot_move_a_leader_whose_payoffs_are_all_equal():
    game = random_game(19, (2, 2, 2))
    constant = sg.BayesianGame(np.full((2, 2, 2), 7.1), game.follower_payoff, [0.3, 0.7])
    certificate = sg.QuantalStackelberg(sg.QuantalResponse(3.0))(constant).certificate
    assert certificate.status == "optimal"
    assert not certificate.notes


def test_types_that_err_leave_a_gap_that_no_time_limit_is_said_to_close():
    game = random_game(22, (2, 2, 2))
    certificate = sg.QuantalStackelberg(sg.QuantalResponse(3.0))(game).certificate
    assert certificate.status == "bounded"
    assert any("announce something else to each type" in note for note in certificate.notes)
    assert not any("time limit" in note for note in certificate.notes)


def test_at_infinite_inverse_temperature_the_value_over_types_is_a_supremum():
    """The two types are one and the same, so that the bound of the types apart is that of the game."""
    one = random_game(3, (1, 2, 2))
    game = sg.BayesianGame(
        *(np.tile(payoff, (2, 1, 1)) for payoff in (one.leader_payoff, one.follower_payoff)), [0.5, 0.5]
    )
    certificate = sg.QuantalStackelberg(sg.QuantalResponse(np.inf))(game).certificate
    assert certificate.status == "supremum"
    assert any("breaks exact ties evenly" in note for note in certificate.notes)
    assert certificate.upper == pytest.approx(float(sg.TypeEnumeration()(one).leader_value), abs=1e-6)


@pytest.mark.parametrize("shape", [(1, 4, 1), (1, 3, 3), (2, 3, 3), (4, 4, 3)], ids=str)
def test_the_bound_meets_the_value(shape):
    game = random_game(23, shape)
    for solver in (sg.BayesianMILP(), sg.TypeEnumeration()):
        certificate = solver(game).certificate
        assert certificate.gap <= 1e-9 * np.ptp(game.leader_payoff)


def test_a_bound_that_stays_at_the_programs_tolerance_is_not_called_optimal(monkeypatch):
    monkeypatch.setattr(bayesian_milp, "CLOSING", 1)
    certificate = sg.BayesianMILP()(random_game(7, (3, 4, 4))).certificate
    assert certificate.status == "bounded"
    assert 1e-8 < certificate.gap < 1e-5
    assert any("feasibility tolerance" in note for note in certificate.notes)


def test_a_bound_below_the_value_is_a_defect_and_raises(monkeypatch):
    """Planted: a search that proves too much."""
    true_search = type_enumeration.best_answers

    def too_sure(*arguments):
        return true_search(*arguments)._replace(upper=0.0)

    monkeypatch.setattr(type_enumeration, "best_answers", too_sure)
    with pytest.raises(sg.SolverError, match=r"TypeEnumeration: its bound .* lies below the value"):
        sg.TypeEnumeration()(random_game(7, (3, 4, 4)))


def test_payoffs_rounded_beside_a_large_constant_are_no_defect():
    """At this inverse temperature the last digit of the follower's payoffs moves its answer, and so the value."""
    for seed in range(3):
        game = random_game(seed, (2, 2, 2))
        shifted = sg.BayesianGame(game.leader_payoff, game.follower_payoff + 1e6, game.prior)
        certificate = sg.QuantalStackelberg(sg.QuantalResponse(1e8))(shifted).certificate
        assert certificate.lower <= certificate.upper
