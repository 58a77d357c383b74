"""The best strategy against a quantal follower: nothing beats it, and its bound is never wrong."""

import time

import jax
import numpy as np
import pytest

import stackelberg as sg
from oracles import lipschitz_grid
from stackelberg.solvers import quantal_stackelberg
from stackelberg.solvers.quantal import (
    batch as quantal_batch,
    cells as quantal_cells,
    normal_form as quantal_normal_form,
    shapes as quantal_shapes,
)


CLASSIC = sg.NormalFormGame(leader_payoff=[[2, 4], [1, 3]], follower_payoff=[[1, 0], [0, 1]])
NUM_GAMES = 250


def draw(num_games, num_rows, num_columns, seed):
    rng = np.random.default_rng(seed)
    leader, follower = rng.random((2, num_games, num_rows, num_columns))
    return leader, follower, rng.choice([0.3, 1.0, 3.0, 10.0, 30.0], num_games)


@pytest.fixture(scope="module", params=[2, 3])
def batch(request):
    """250 random games with two leader's actions, and 250 with three: with their certified optima."""
    leader, follower, rate = draw(NUM_GAMES, request.param, 4, seed=request.param)
    return leader, follower, rate, sg.quantal_batch(leader, follower, rate)


def gain_over(value, leader, follower, rate, count, seed):
    """How much the best of `count` sampled commitments gains over `value`, game by game."""
    rng = np.random.default_rng(seed)
    density = np.repeat([1.0, 0.3], count // 2)
    sampled = rng.gamma(density[:, None], size=(count, leader.shape[1])) + 1e-300
    sampled /= sampled.sum(axis=1, keepdims=True)
    return lipschitz_grid.values(leader, follower, rate, sampled).max(axis=1) - value


def test_the_commitment_game_is_worth_3_106_against_inverse_temperature_5():
    solution = sg.solve(CLASSIC, sg.QuantalStackelberg(sg.QuantalResponse(5.0)))
    assert float(solution.leader_value) == pytest.approx(3.10570010, abs=5e-9)
    assert solution.certificate.status == "optimal"
    assert 0.0 <= solution.certificate.gap <= 1e-6
    paid = sg.evaluate(CLASSIC, solution.commitment, solution.response).leader_value
    assert float(paid) == solution.certificate.lower


def test_every_gap_is_closed(batch):
    *_, solved = batch
    assert np.all(solved.gaps >= 0.0)
    assert np.max(solved.gaps) <= 1e-6


def test_no_sampled_commitment_beats_the_optimum(batch):
    leader, follower, rate, solved = batch
    assert np.max(gain_over(solved.leader_values, leader, follower, rate, 10_000, seed=1)) <= 1e-9


def test_samples_do_beat_a_solver_that_stops_at_the_best_pure_commitment(batch):
    leader, follower, rate, _ = batch
    pure = lipschitz_grid.values(leader, follower, rate, np.eye(leader.shape[1])).max(axis=1)
    assert np.mean(gain_over(pure, leader, follower, rate, 1_000, seed=1) > 1e-9) > 0.1


def test_the_optimum_lies_in_the_interval_of_an_independent_grid(batch):
    leader, follower, rate, solved = batch
    low, high = lipschitz_grid.interval(leader, follower, rate, 2_000 if leader.shape[1] == 2 else 90)
    assert np.all(solved.upper_bounds >= low)
    assert np.all(solved.leader_values <= high)
    assert np.all(solved.leader_values >= low - 1e-9)
    # Twin: a bound that is too low by a little more than the tolerance is caught in most games of two actions.
    if leader.shape[1] == 2:
        assert np.mean(solved.upper_bounds - 2e-4 < low) > 0.5


def test_ascent_from_uniform_would_have_stopped_at_a_saddle():
    uniform = lipschitz_grid.values(
        np.asarray(CLASSIC.leader_payoff)[None],
        np.asarray(CLASSIC.follower_payoff)[None],
        np.ones(1),
        np.full((1, 2), 0.5),
    )
    step = np.array([[0.5 + 1e-5, 0.5 - 1e-5], [0.5 - 1e-5, 0.5 + 1e-5]])
    around = lipschitz_grid.values(
        np.asarray(CLASSIC.leader_payoff)[None], np.asarray(CLASSIC.follower_payoff)[None], np.ones(1), step
    )
    assert uniform[0, 0] == pytest.approx(2.5)
    assert abs(around[0, 0] - around[0, 1]) / 2e-5 < 1e-9
    solution = sg.solve(CLASSIC, sg.QuantalStackelberg(sg.QuantalResponse(1.0)))
    assert float(solution.leader_value) == pytest.approx(2.53788284, abs=5e-9)


def test_a_follower_that_chooses_at_random_is_answered_by_the_best_row_on_average():
    leader, follower, _ = draw(NUM_GAMES, 3, 4, seed=5)
    solved = sg.quantal_batch(leader, follower, 0.0)
    np.testing.assert_allclose(solved.leader_values, leader.mean(axis=2).max(axis=1), rtol=0, atol=1e-12)
    np.testing.assert_allclose(solved.responses, 0.25, rtol=0, atol=1e-15)


@pytest.mark.parametrize("inverse_temperature", [1e9, 1e13, np.inf])
def test_generic_games_tend_to_the_strong_value(inverse_temperature):
    leader, follower, _ = draw(4, 3, 4, seed=7)
    for payoffs in zip(leader, follower, strict=True):
        game = sg.NormalFormGame(*payoffs)
        strong = sg.solve(game)
        solution = sg.solve(game, sg.QuantalStackelberg(sg.QuantalResponse(inverse_temperature)))
        assert float(solution.leader_value) == pytest.approx(float(strong.leader_value), abs=1e-6)
        assert solution.certificate.upper >= float(strong.leader_value) - 1e-6
        assert solution.certificate.status == ("optimal" if np.isfinite(inverse_temperature) else "supremum")


TIES = ([[2, 4, 4], [1, 3, 0], [1, 3, 0]], [[1, 1, 1], [0, 1, 1], [0, 1, 1]])
AWKWARD = {
    "follower indifferent": ([[1, 2, 3], [3, 2, 1], [0, 5, 0]], np.zeros((3, 3))),
    "constant leader": (np.full((3, 3), 7.0), [[1, 2, 3], [3, 2, 1], [0, 5, 0]]),
    "ties and copies": TIES,
    "tiny": tuple(1e-12 * np.array(payoff) for payoff in TIES),
    "huge and shifted": tuple(1e12 * np.array(payoff, float) + 3e12 for payoff in TIES),
    "one row": ([[1.0, 2.0, 3.0]], [[1.0, 0.0, 2.0]]),
    "one column": ([[1.0], [4.0], [2.0]], [[1.0], [0.0], [3.0]]),
}


@pytest.mark.parametrize("inverse_temperature", [0.0, 1e-300, 2.0, 1e3, 1e9, 1e300, np.inf])
@pytest.mark.parametrize("name", AWKWARD)
def test_the_certificate_is_valid_on_awkward_games(name, inverse_temperature):
    game = sg.NormalFormGame(*AWKWARD[name])
    follower = sg.QuantalResponse(inverse_temperature)
    solution = sg.solve(game, sg.QuantalStackelberg(follower))
    certificate = solution.certificate
    assert certificate.lower <= certificate.upper
    again = float(game.leader_value(solution.commitment, follower(game, solution.commitment)))
    assert certificate.lower == pytest.approx(again, rel=1e-15)
    size = np.max(np.abs(game.leader_payoff))
    for commitment in lipschitz_grid.grid(3, 6) if game.shape[0] == 3 else [np.ones(1)]:
        assert float(game.leader_value(commitment, follower(game, commitment))) <= certificate.upper + 1e-15 * size


def test_no_point_of_a_cell_is_worth_more_than_its_bound_and_the_tangent_plane_alone_would_lie():
    leader, follower, rate = draw(64, 3, 4, seed=11)
    logit = rate[:, None, None] * follower
    rng = np.random.default_rng(12)
    inside = rng.dirichlet(np.ones(3), 2_000)
    corners = rng.dirichlet(np.ones(3), (64, 3))
    level = rng.random(64)
    with jax.enable_x64(True):
        halves = quantal_cells.branch(corners, leader, logit, level, np.full(3, 1 / 3))
    bounds, corners = np.asarray(halves.upper), np.asarray(halves.corners)
    best, plane = np.zeros((64, 2)), np.zeros((64, 2))
    for game in range(64):
        for half in range(2):
            points = inside @ corners[game, half]
            best[game, half] = lipschitz_grid.values(leader[[game]], logit[[game]], np.ones(1), points).max()
            plane[game, half] = plane_bound(corners[game, half], leader[game], logit[game], level[game])
    assert np.all(best <= bounds)
    assert np.mean(best > plane + 1e-12) > 0.05  # twin: without the excess over the tangent


def plane_bound(corners, payoff, logit, level):
    """The planted bug: level + the tangent plane's maximum, as if the terms were linear."""
    centre = corners.mean(axis=0)
    weights = np.exp(centre @ logit - (centre @ logit).max())
    choice = weights / weights.sum()
    moves = corners - centre
    run = moves @ logit
    run = run - (run @ choice)[:, None]
    surplus = centre @ payoff - level
    slopes = ((surplus * run + moves @ payoff) * choice).sum(axis=1)
    return level + max(choice @ surplus + slopes.max(), 0.0)


def test_a_time_limit_gives_the_best_answer_so_far_with_a_valid_gap():
    rng = np.random.default_rng(3)
    game = sg.NormalFormGame(*rng.random((2, 3, 4)))
    human = sg.QuantalResponse(60.0)
    started = time.monotonic()
    hurried = sg.solve(game, sg.QuantalStackelberg(human, tolerance=1e-12, time_limit=0.0))
    assert time.monotonic() - started < 60.0  # what is left is compiling
    assert hurried.certificate.status == "bounded"
    assert any("time limit" in note for note in hurried.certificate.notes)
    assert hurried.certificate.gap > 0.0
    payoffs = (np.asarray(payoff)[None] for payoff in (game.leader_payoff, game.follower_payoff))
    sampled = gain_over(hurried.certificate.upper, *payoffs, np.array([60.0]), 10_000, seed=4)
    assert np.max(sampled) <= 0.0


def test_more_memory_than_allowed_is_refused_before_it_is_taken():
    game = sg.NormalFormGame(np.random.default_rng(0).random((300, 300)), np.ones((300, 300)))
    with pytest.raises(sg.MemoryBudgetError, match="300 × 300"):
        sg.solve(game, sg.QuantalStackelberg(sg.QuantalResponse(1.0), memory_limit=2**20))


def test_a_linear_response_with_no_features_is_a_quantal_response():
    payoff_only = sg.LinearResponse(weights=[0.0], features=[[0.0], [0.0]], payoff_weight=5.0)
    solution = sg.solve(CLASSIC, sg.QuantalStackelberg(payoff_only))
    assert float(solution.leader_value) == pytest.approx(3.10570010, abs=5e-9)


def test_one_type_is_a_normal_form_and_two_types_keep_their_bound():
    leader, follower, _ = draw(2, 2, 2, seed=9)
    human = sg.QuantalStackelberg(sg.QuantalResponse(4.0))
    single = sg.solve(sg.BayesianGame(leader[:1], follower[:1], [1.0]), human)
    plain = sg.solve(sg.NormalFormGame(leader[0], follower[0]), human)
    assert float(single.leader_value) == pytest.approx(float(plain.leader_value), abs=1e-9)
    both = sg.solve(sg.BayesianGame(leader, follower, [0.3, 0.7]), human)
    strategies = lipschitz_grid.grid(2, 2_000)
    worth = lipschitz_grid.values(leader, follower, np.full(2, 4.0), strategies)
    mixed = 0.3 * worth[0] + 0.7 * worth[1]
    assert float(both.leader_value) >= mixed.max() - 1e-9
    assert both.certificate.upper >= mixed.max()


@pytest.mark.parametrize(
    ("follower", "word"),
    [(sg.BestResponse(), "MultipleLPs"), (sg.Callback(lambda game, commitment: [0.5, 0.5]), "QuantalResponse")],
)
def test_followers_without_logits_are_refused_with_what_to_do(follower, word):
    with pytest.raises(sg.InputError, match=word):
        sg.solve(CLASSIC, sg.QuantalStackelberg(follower))


def test_a_markov_game_needs_a_method_and_the_error_names_two():
    game = sg.MarkovGame(
        leader_reward=np.zeros((1, 2, 2)),
        follower_reward=np.zeros((1, 2, 2)),
        transition=np.ones((1, 2, 2, 1)),
        initial=[1.0],
        horizon=2,
    )
    with pytest.raises(sg.InputError, match=r"BackwardInduction.*GradientAscent"):
        sg.solve(game)


TIED = sg.NormalFormGame(
    np.round(np.random.default_rng(0).normal(size=(2, 4))), np.round(np.random.default_rng(1).normal(size=(2, 4)))
)


@pytest.mark.parametrize("inverse_temperature", [1e5, 6e7, 1e8, 1e9, 1e11])
def test_exact_ties_at_large_inverse_temperatures_are_settled_in_few_cells(inverse_temperature):
    solution = sg.solve(TIED, sg.QuantalStackelberg(sg.QuantalResponse(inverse_temperature)))
    certificate = solution.certificate
    assert solution.statistics["cells"] <= 200
    # What rounding of the logits allows, and no more: linear programs alone would leave a gap of 1 here.
    assert certificate.gap <= 1e-6 + 1e-13 * inverse_temperature
    assert (certificate.status == "optimal") == (certificate.gap <= 2e-6)
    payoffs = (np.asarray(payoff)[None] for payoff in (TIED.leader_payoff, TIED.follower_payoff))
    assert np.max(gain_over(certificate.upper, *payoffs, np.array([inverse_temperature]), 10_000, seed=6)) <= 0.0


def test_a_deadline_that_has_passed_compiles_nothing_and_says_by_how_much_it_was_missed(monkeypatch):
    def refuse(*_):
        raise AssertionError("it climbed after the deadline")

    monkeypatch.setattr(quantal_normal_form, "ascend", refuse)
    leader, follower, _ = draw(1, 9, 5, seed=21)
    late = quantal_normal_form.Effort(1e-6, time.monotonic() - 5.0, 2.0**32)
    game, human = sg.NormalFormGame(leader[0], follower[0]), sg.QuantalResponse(30.0)
    solution = quantal_normal_form.best_strategy(game, human, late)
    assert any("missed by " in note for note in solution.certificate.notes)
    assert np.max(gain_over(solution.certificate.upper, leader, follower, np.array([30.0]), 10_000, seed=4)) <= 0.0
    assert float(game.leader_value(solution.commitment, solution.response)) == solution.certificate.lower


def test_small_games_share_one_compiled_shape_and_larger_ones_a_few():
    small = {quantal_shapes.rounded_shape(n, a, b) for n in (1, 61) for a in (2, 3, 4) for b in (2, 3, 4)}
    assert len(small) == 1
    assert len({quantal_shapes.rounded_shape(1, a, b) for a in range(2, 17) for b in range(2, 17)}) <= 9


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (3, 5)])
def test_filling_up_the_shape_changes_no_answer(shape):
    leader, follower, rate = draw(quantal_shapes.BATCH + 1, *shape, seed=31)
    exact = sg.quantal_batch(leader, follower, rate)
    filled = sg.quantal_batch(leader[:20], follower[:20], rate[:20])
    np.testing.assert_allclose(filled.leader_values, exact.leader_values[:20], rtol=0, atol=1e-9)
    np.testing.assert_allclose(filled.commitments.sum(axis=1), 1.0, rtol=0, atol=1e-14)
    assert np.all(filled.gaps >= 0.0)
    assert np.max(filled.gaps) <= 1e-6


def test_a_bound_below_the_value_is_a_failure_and_not_a_closed_gap(monkeypatch):
    def too_low(search):
        def planted(*args, **options):
            found = search(*args, **options)
            return found._replace(upper=found.value - 1e-3)

        return planted

    for module in (quantal_normal_form, quantal_batch):
        monkeypatch.setattr(module, "branch_and_bound", too_low(module.branch_and_bound))
    with pytest.raises(sg.SolverError, match="below the value"):
        sg.solve(CLASSIC, sg.QuantalStackelberg(sg.QuantalResponse(5.0)))
    with pytest.raises(sg.SolverError, match="game 0"):
        sg.quantal_batch([CLASSIC.leader_payoff], [CLASSIC.follower_payoff], 5.0)


def test_a_type_that_leaves_the_leader_no_choice_still_has_a_bound():
    leader, follower, _ = draw(2, 3, 2, seed=17)
    leader[0], follower[0] = leader[0, 0], follower[0, 0]
    solution = sg.solve(sg.BayesianGame(leader, follower, [0.5, 0.5]), sg.QuantalStackelberg(sg.QuantalResponse(3.0)))
    apart = [
        float(sg.solve(sg.NormalFormGame(*pair), sg.QuantalStackelberg(sg.QuantalResponse(3.0))).leader_value)
        for pair in zip(leader, follower, strict=True)
    ]
    assert solution.certificate.upper == pytest.approx(sum(apart) / 2, abs=1e-6)


SECURED = sg.SecurityGame(
    leader_covered=[1.0, 2.0],
    leader_uncovered=[-3.0, -1.0],
    follower_covered=[-1.0, -2.0],
    follower_uncovered=[3.0, 1.0],
    resources=1,
)


@pytest.mark.parametrize("route", ["security_quantal", "tariff_quantal"])
def test_games_of_other_kinds_go_to_their_own_method_with_the_tolerance_and_the_time_limit(monkeypatch, route):
    seen, method = [], getattr(quantal_stackelberg, route)
    monkeypatch.setattr(quantal_stackelberg, route, lambda *passed: seen.append(passed) or method(*passed))
    human = sg.QuantalResponse(1.0)
    game = SECURED if route == "security_quantal" else sg.catalog_game("day-tariff")
    quantal_stackelberg.QuantalStackelberg(human, tolerance=1e-4, time_limit=7.0)(game)
    given, follower, *limits = seen[0]
    assert given is game
    assert follower is human
    assert limits == ([1e-4, 7.0] if route == "security_quantal" else [1e-4])
    with pytest.raises(sg.InputError, match="announcement"):
        sg.QuantalStackelberg(human, announcement="prescription")(game)
