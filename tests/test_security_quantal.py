"""The best coverage and the best prices against logit followers, against grids, samples, closed forms and limits."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import lambertw

import stackelberg as sg
from oracles.security_games import (
    eraser_value,
    grid_interval,
    logit_value,
    random_payoffs,
    sampled_coverages,
)
from stackelberg.solvers.security.quantal import logit_problem
from stackelberg.solvers.security.separable_logit import SeparableLogit, maximise


PEOPLE = sg.SUQR([-9.85, 0.37, 0.15])


def random_games(rng, count, num_targets):
    """Payoffs of many games at once, each an array `(count, n)`."""
    return [np.stack(column) for column in zip(*(random_payoffs(rng, num_targets) for _ in range(count)), strict=True)]


def quantal_problem(payoffs, heat, resources):
    leader_covered, leader_uncovered, follower_covered, follower_uncovered = payoffs
    return SeparableLogit(
        slope=heat * (follower_covered - follower_uncovered),
        offset=heat * follower_uncovered,
        gain=leader_covered - leader_uncovered,
        base=leader_uncovered,
        low=np.zeros_like(leader_covered),
        high=np.ones_like(leader_covered),
        budget=np.full(len(leader_covered), float(resources)),
    )


def price(a, b, c):
    """One product of cost c that is bought with probability ∝ exp(a - b p), against an outside option of weight 1."""
    return SeparableLogit(
        slope=np.array([[-b, 0.0]]),
        offset=np.array([[a, 0.0]]),
        gain=np.array([[1.0, 0.0]]),
        base=np.array([[-c, 0.0]]),
        low=np.zeros((1, 2)),
        high=np.array([[np.inf, 0.0]]),
    )


@pytest.mark.parametrize(
    ("a", "b", "c"), [(2.0, 1.0, 0.5), (0.0, 1.0, 0.0), (5.0, 0.1, 3.0), (20.0, 3.0, 1.0), (-10.0, 1.0, 2.0)]
)
def test_the_best_price_of_one_product_is_the_closed_form(a, b, c):
    best = maximise(price(a, b, c))
    expected = c + (1.0 + lambertw(np.exp(a - b * c - 1.0)).real) / b
    assert best.x[0, 0] == pytest.approx(expected, rel=1e-14)
    assert best.upper[0] - best.value[0] < 1e-12


def test_the_textbook_price_is_2_26625():
    assert maximise(price(2.0, 1.0, 0.5)).x[0, 0] == pytest.approx(2.26625, abs=5e-6)


def test_products_of_one_sensitivity_share_one_markup():
    rng = np.random.default_rng(20)
    cost, appeal = rng.uniform(0.0, 3.0, (2, 50, 7))
    nothing = np.zeros((50, 1))
    problem = SeparableLogit(
        slope=np.hstack([np.full((50, 7), -1.7), nothing]),
        offset=np.hstack([appeal, nothing]),
        gain=np.hstack([np.ones((50, 7)), nothing]),
        base=np.hstack([-cost, nothing]),
        low=np.zeros((50, 8)),
        high=np.hstack([np.full((50, 7), np.inf), nothing]),
    )
    best = maximise(problem)
    assert np.ptp(best.x[:, :7] - cost, axis=1) == pytest.approx(0.0, abs=1e-13)
    assert np.max(best.upper - best.value) < 1e-12


def beaten(payoffs, problem, coverage, rng, samples):
    """In how many games a sampled coverage is worth more than `coverage`."""
    count = 0
    for game in range(len(coverage)):
        one = [column[game] for column in payoffs]
        logits = (problem.slope[game], problem.offset[game])
        draws = sampled_coverages(rng, coverage.shape[1], problem.budget[game], samples)
        count += np.max(logit_value(one, *logits, draws)) > logit_value(one, *logits, coverage[game]) + 1e-9
    return count


@pytest.mark.parametrize("heat", [0.3, 1.0, 5.0])
def test_no_sampled_coverage_beats_the_optimum(heat):
    """10,000 coverages in each of 60 games of 8 targets."""
    rng = np.random.default_rng(21)
    payoffs = random_games(rng, 60, 8)
    problem = quantal_problem(payoffs, heat, 3)
    best = maximise(problem)
    assert np.all(best.x >= 0.0)
    assert np.all(best.x <= 1.0)
    assert np.max(np.sum(best.x, axis=1)) <= 3.0 + 1e-12
    assert beaten(payoffs, problem, best.x, rng, 10_000) == 0


def test_sampling_catches_an_optimum_with_its_two_largest_coverages_swapped():
    rng = np.random.default_rng(22)
    payoffs = random_games(rng, 60, 8)
    problem = quantal_problem(payoffs, 1.0, 3)
    wrong = maximise(problem).x.copy()
    order, game = np.argsort(wrong, axis=1), np.arange(60)
    first, third = order[:, -1], order[:, -4]
    wrong[game, first], wrong[game, third] = wrong[game, third], wrong[game, first]
    assert beaten(payoffs, problem, wrong, rng, 1_000) > 20


def outside(problem, payoffs, value, upper, points, resources):
    """In how many games the value or its bound contradicts a grid with its Lipschitz bound."""
    count = 0
    for game in range(len(value)):
        one = [column[game] for column in payoffs]
        low, high = grid_interval(one, problem.slope[game], problem.offset[game], resources, points)
        count += not (low - 1e-9 <= value[game] <= high + 1e-9 and upper[game] >= low - 1e-9)
    return count


@pytest.mark.parametrize(("num_targets", "points"), [(2, 301), (3, 41)])
def test_the_optimum_lies_in_the_interval_of_a_grid(num_targets, points):
    """250 games of each size, at inverse temperatures from 0.01 to 10."""
    rng = np.random.default_rng(23)
    payoffs = random_games(rng, 250, num_targets)
    problem = quantal_problem(payoffs, np.exp(rng.uniform(np.log(0.01), np.log(10.0), (250, 1))), 1)
    best = maximise(problem)
    assert outside(problem, payoffs, best.value, best.upper, points, 1.0) == 0
    assert np.max(best.upper - best.value) < 1e-11


def test_the_grid_catches_a_bound_that_forgets_the_budgets_price():
    rng = np.random.default_rng(24)
    payoffs = random_games(rng, 50, 2)
    problem = quantal_problem(payoffs, 1.0, 1)
    best = maximise(problem)
    too_low = best.value - 0.05
    assert outside(problem, payoffs, best.value, too_low, 101, 1.0) > 40


def test_at_the_optimum_coverage_is_worth_the_same_wherever_it_can_be_moved():
    rng = np.random.default_rng(25)
    payoffs = random_games(rng, 200, 10)
    problem = quantal_problem(payoffs, 1.0, 3)
    best = maximise(problem)
    share = problem.shares(best.x)
    payoff = problem.base + problem.gain * best.x
    worth = share * (problem.slope * (payoff - best.value[:, None]) + problem.gain)
    inside = (best.x > 1e-9) & (best.x < 1.0 - 1e-9)
    dearest = np.max(np.where(inside, worth, -np.inf), axis=1)
    cheapest = np.min(np.where(inside, worth, np.inf), axis=1)
    assert np.max(np.where(inside.sum(axis=1) > 1, dearest - cheapest, 0.0)) < 1e-10
    assert np.all(np.where(best.x <= 1e-9, worth, -np.inf) <= np.maximum(cheapest, 0.0)[:, None] + 1e-10)
    assert np.all(np.where(best.x >= 1.0 - 1e-9, worth, np.inf) >= np.minimum(dearest, np.inf)[:, None] - 1e-10)


@pytest.mark.parametrize("heat", [1e-300, 1e-9, 1.0, 10.0, 1e3])
def test_the_bound_closes_at_every_inverse_temperature(heat):
    payoffs = random_games(np.random.default_rng(26), 100, 12)
    best = maximise(quantal_problem(payoffs, heat, 4))
    assert np.max(best.upper - best.value) < 1e-6
    assert np.all(best.upper >= best.value)


def test_a_follower_that_ignores_payoffs_is_met_where_coverage_gains_most():
    rng = np.random.default_rng(27)
    payoffs = random_games(rng, 6, 9)
    for game in range(6):
        one = [column[game] for column in payoffs]
        solution = sg.security_quantal(sg.SecurityGame(*one, 2.5), sg.QuantalResponse(0.0))
        gains = np.sort(one[0] - one[1])[::-1]
        expected = (np.sum(one[1]) + gains[0] + gains[1] + 0.5 * gains[2]) / 9
        assert solution.leader_value == pytest.approx(expected, abs=1e-12)


def test_the_optimum_tends_to_the_strong_equilibrium_as_the_inverse_temperature_grows():
    payoffs = random_games(np.random.default_rng(28), 30, 6)
    strong = np.array([eraser_value([column[game] for column in payoffs], 2) for game in range(30)])
    gaps = [np.abs(maximise(quantal_problem(payoffs, heat, 2)).value - strong) for heat in (1e2, 1e3, 1e5)]
    assert np.max(gaps[2]) < 1e-2
    assert np.mean(gaps[2]) < 0.1 * np.mean(gaps[1]) < 0.03 * np.mean(gaps[0])


def test_suqr_with_the_right_weights_is_quantal_response():
    rng = np.random.default_rng(29)
    leader_uncovered, leader_covered = np.sort(rng.uniform(-5.0, 5.0, (2, 6)), axis=0)
    reward = rng.uniform(0.0, 5.0, 6)
    game = sg.SecurityGame(leader_covered, leader_uncovered, reward - 4.0, reward, 2)
    heat = 0.8
    human, same = sg.QuantalResponse(heat), sg.SUQR([-4.0 * heat, heat, 0.0])
    coverage = sampled_coverages(rng, 6, 2, 1)[0]
    assert np.max(np.abs(human(game, coverage) - same(game, coverage))) < 1e-15
    ours, theirs = sg.security_quantal(game, human), sg.security_quantal(game, same)
    assert ours.commitment == pytest.approx(theirs.commitment, abs=1e-12)


def test_slsqp_from_many_starts_finds_nothing_better():
    rng = np.random.default_rng(30)
    for _ in range(4):
        payoffs = random_payoffs(rng, 10)
        game = sg.SecurityGame(*payoffs, 3)
        ours = sg.security_quantal(game, PEOPLE)
        terms = logit_problem(game, PEOPLE)
        for start in sampled_coverages(rng, 10, 3, 4):
            theirs = minimize(
                lambda x, terms=terms, payoffs=payoffs: -logit_value(payoffs, terms.slope[0], terms.offset[0], x),
                start,
                method="SLSQP",
                bounds=[(0.0, 1.0)] * 10,
                constraints={"type": "ineq", "fun": lambda x: 3.0 - np.sum(x)},
            )
            assert -theirs.fun <= float(ours.leader_value) + 1e-6


@pytest.mark.parametrize(
    "follower", [PEOPLE, sg.QuantalResponse(1.0), sg.SUQR([0.0, 0.37, 0.15]), sg.SUQR([6.0, 0, 0])]
)
@pytest.mark.parametrize("resources", [1, 2])
def test_with_schedules_the_optimum_is_proven_and_no_sampled_coverage_beats_it(follower, resources):
    rng = np.random.default_rng(31)
    for _ in range(4):
        payoffs = random_payoffs(rng, 6)
        schedules = (rng.random((4, 6)) < 0.5).astype(float)
        game = sg.SecurityGame(*payoffs, resources, schedules=schedules)
        solution = sg.security_quantal(game, follower)
        assert solution.certificate.status == "optimal"
        rows, limit = game.patrols()
        runs = sampled_coverages(rng, len(rows), limit, 10_000)
        draws = (runs @ rows) * np.where(rng.random((10_000, 1)) < 0.5, 1.0, rng.uniform(0.0, 1.0, (10_000, 6)))
        terms = logit_problem(game, follower)
        values = logit_value(payoffs, terms.slope[0], terms.offset[0], np.minimum(draws, 1.0))
        assert np.max(values) <= solution.certificate.lower + 1e-5
        assert np.max(values) <= solution.certificate.upper


def test_schedules_of_one_target_each_change_nothing():
    payoffs = random_payoffs(np.random.default_rng(32), 7)
    plain = sg.security_quantal(sg.SecurityGame(*payoffs, 2), PEOPLE)
    listed = sg.security_quantal(sg.SecurityGame(*payoffs, 2, schedules=np.eye(7)), PEOPLE, tolerance=1e-7)
    assert listed.leader_value == pytest.approx(float(plain.leader_value), abs=1e-6)
    assert listed.certificate.upper >= plain.certificate.lower
    assert sg.SecurityLP()(sg.SecurityGame(*payoffs, 2, schedules=np.eye(7))).leader_value == pytest.approx(
        float(sg.SecurityLP()(sg.SecurityGame(*payoffs, 2)).leader_value), abs=1e-8
    )


def test_coverage_that_attracts_is_placed_within_the_interval_of_a_grid():
    rng = np.random.default_rng(33)
    for number in range(24):
        n = 2 + number % 2
        payoffs = random_payoffs(rng, n)
        game = sg.SecurityGame(*payoffs, 1)
        follower = sg.SUQR([rng.uniform(0.1, 4.0), 0.4, 0.2])
        proof = sg.security_quantal(game, follower).certificate
        terms = logit_problem(game, follower)
        low, high = grid_interval(payoffs, terms.slope[0], terms.offset[0], 1.0, 201 if n == 2 else 41)
        assert proof.status == "optimal"
        assert low - 1e-5 <= proof.lower <= high
        assert proof.upper >= low


def test_out_of_time_the_bound_is_wide_and_true():
    rng = np.random.default_rng(34)
    payoffs = random_payoffs(rng, 12)
    game, follower = sg.SecurityGame(*payoffs, 3.5), sg.SUQR([4.0, 0.4, 0.2])
    hurried, patient = (sg.security_quantal(game, follower, time_limit=limit) for limit in (0.0, 60.0))
    assert patient.certificate.status == "optimal"
    assert hurried.certificate.lower <= patient.certificate.upper
    assert hurried.certificate.upper >= patient.certificate.lower


FREE = sg.SecurityGame(
    [3.4, 3.1, -0.4, 2.9, 1.6],
    [-0.5, -0.5, -0.4, 1.6, 1.6],
    [-3.4, -1.5, -1.1, 0.1, -0.2],
    [-1.2, -1.1, -0.6, 0.1, 0.5],
    7,
)


@pytest.mark.parametrize("heat", [1e2, 1e3, 1e4, 1e6, 1e8])
def test_where_resources_cover_every_target_a_sharp_follower_meets_full_coverage(heat):
    """Target 4 gains nothing by coverage (1.6 either way): a term of exactly 0 there proves nothing."""
    follower = sg.QuantalResponse(heat)
    proof = sg.security_quantal(FREE, follower).certificate
    full = np.ones(5)
    assert proof.upper >= float(FREE.leader_value(full, follower(FREE, full)))
    assert proof.lower >= 2.9 - 1e-6
    assert proof.gap <= 1e-4


def test_payoffs_beyond_the_precision_of_logits_end_soon_with_a_bound_that_says_so():
    game = sg.SecurityGame(*random_payoffs(np.random.default_rng(37), 8), 3)
    for heat in (1e9, 1e17):
        proof = sg.security_quantal(game, sg.QuantalResponse(heat), time_limit=2.0).certificate
        assert proof.lower <= proof.upper <= float(np.max(game.leader_covered))
        assert proof.status in ("optimal", "bounded")
    assert proof.status == "bounded"


def test_out_of_time_the_bound_of_the_convex_program_is_true():
    game = sg.SecurityGame(*random_payoffs(np.random.default_rng(38), 8), 3)
    hurried, patient = (sg.security_quantal(game, PEOPLE, time_limit=limit).certificate for limit in (0.0, None))
    assert hurried.lower <= patient.upper <= hurried.upper + 1e-9


@pytest.mark.parametrize("scale", [2.0**-30, 1e-9, 1e9, 2.0**30])
@pytest.mark.parametrize("weight", [-9.0, 6.0])
@pytest.mark.parametrize("schedules", [None, [[0, 1, 1], [1, 0, 1]]])
def test_the_unit_of_the_payoffs_changes_nothing(scale, weight, schedules):
    payoffs = random_payoffs(np.random.default_rng(39), 3)
    proofs = [
        sg.security_quantal(
            sg.SecurityGame(*(size * column for column in payoffs), 1, schedules=schedules),
            sg.SUQR([weight, 0.8 / size, 0.7 / size]),
        ).certificate
        for size in (1.0, scale)
    ]
    assert proofs[0].status == proofs[1].status == "optimal"
    assert proofs[1].lower / scale == pytest.approx(proofs[0].lower, abs=1e-5)
    assert proofs[1].upper / scale == pytest.approx(proofs[0].upper, abs=1e-5)


def test_attraction_by_tiny_payoffs_is_not_cut_short_by_the_tolerance_of_linear_programs():
    leader_covered, leader_uncovered = [-1.5791e-6, 1.7251e-7, 2.1266e-6], [-1.5843e-6, 1.7251e-7, 1.6804e-6]
    follower_covered, follower_uncovered = [-9.4e-8, -3.86e-6, 1.6e-8], [4.6e-8, -1.22e-6, 1.6e-7]
    game = sg.SecurityGame(
        leader_covered, leader_uncovered, follower_covered, follower_uncovered, 1, schedules=[[0, 1, 1], [0, 0, 1]]
    )
    follower = sg.SUQR([5.48, 7.8e5, 7.15e5])
    better = np.array([0.0, 0.0037, 0.9999])
    proof = sg.security_quantal(game, follower).certificate
    assert proof.upper >= float(game.leader_value(better, follower(game, better)))
    assert proof.status == "optimal"


def test_weights_that_underflow_drop_no_box():
    """Logits spread by 3,000: at the lower end of a box every weight underflows beside the best one found."""
    game = sg.SecurityGame([1.0, 0.9, 0.1], [0.0, -0.5, 0.0], [0.0] * 3, [1.0, 0.5, 0.0], 1.0)
    follower = sg.SUQR([3_000.0, 100.0, 0.0])
    proof = sg.security_quantal(game, follower).certificate
    draws = np.concatenate([sampled_coverages(np.random.default_rng(40), 3, 1.0, 20_000), np.eye(3)])
    terms = logit_problem(game, follower)
    payoffs = (np.asarray(game.leader_covered), np.asarray(game.leader_uncovered), None, None)
    values = logit_value(payoffs, terms.slope[0], terms.offset[0], draws)
    assert np.isfinite(proof.upper)
    assert np.max(values) <= proof.upper
    assert np.max(values) <= proof.lower + 1e-5


def odd_game(rng):
    """2 to 5 targets, some of equal payoffs, with or without schedules, in units from 1e-9 to 1e9, and a follower."""
    n, units = int(rng.integers(2, 6)), 10.0 ** rng.uniform(-9.0, 9.0, 2)
    leader_covered, leader_uncovered, follower_covered, follower_uncovered = random_payoffs(rng, n)
    leader_uncovered = np.where(rng.random(n) < 0.2, leader_covered, leader_uncovered)
    follower_covered = np.where(rng.random(n) < 0.2, follower_uncovered, follower_covered)
    schedules = (rng.random((int(rng.integers(1, 4)), n)) < 0.5).astype(float) if rng.random() < 0.3 else None
    payoffs = (leader_covered * units[0], leader_uncovered * units[0])
    payoffs += (follower_covered * units[1], follower_uncovered * units[1])
    game = sg.SecurityGame(*payoffs, int(rng.integers(0, n + 2)), schedules=schedules)
    if rng.random() < 0.6:
        return payoffs, game, sg.QuantalResponse(10.0 ** rng.uniform(-2.0, 8.0) / units[1])
    weights = rng.choice([-1.0, 1.0, 0.0, -10.0], 3) * 10.0 ** rng.uniform(-1.0, 1.5, 3)
    return payoffs, game, sg.SUQR(weights / np.array([1.0, units[1], units[1]]))


def contradicted(count, seed, shrink=0.0):
    """How many bounds, lowered by `shrink` of the payoff range, are beaten by one of 10,000 sampled coverages."""
    rng, beaten_bounds = np.random.default_rng(seed), 0
    for _ in range(count):
        payoffs, game, follower = odd_game(rng)
        proof = sg.security_quantal(game, follower, tolerance=1e-4, time_limit=0.5).certificate
        rows, limit = game.patrols()
        draws = np.minimum(sampled_coverages(rng, len(rows), limit, 10_000) @ rows, 1.0)
        terms = logit_problem(game, follower)
        span = float(np.max(payoffs[0]) - np.min(payoffs[1]))
        blur = 1e-14 * (1.0 + np.max(np.abs(terms.offset)) + np.max(np.abs(terms.slope)))
        best = np.max(logit_value(payoffs, terms.slope[0], terms.offset[0], draws))
        beaten_bounds += not best <= proof.upper + span * (blur - shrink)
    return beaten_bounds


def test_no_sampled_coverage_beats_the_bound_in_odd_games_of_every_size_and_sharpness():
    assert contradicted(40, 41) == 0


def test_sampling_catches_a_bound_that_is_too_low_by_a_twentieth_of_the_range():
    assert contradicted(15, 41, shrink=0.05) > 4


@pytest.mark.slow
def test_no_sampled_coverage_beats_the_bound_in_many_odd_games():
    assert contradicted(400, 42) == 0


@pytest.mark.parametrize("follower", [sg.QuantalResponse(np.inf), sg.BestResponse(), sg.Mixture([PEOPLE], [1.0])])
def test_followers_without_logits_are_refused(follower):
    game = sg.SecurityGame([1, 1], [0, 0], [0, 0], [1, 1], 1)
    with pytest.raises(sg.InputError, match="affine in coverage"):
        sg.security_quantal(game, follower)


def test_logits_that_overflow_are_refused():
    game = sg.SecurityGame([1, 1], [0, 0], [0, 0], [100, 1], 1)
    with pytest.raises(sg.NonFiniteResultError, match="overflow"):
        sg.security_quantal(game, sg.QuantalResponse(1e308))
