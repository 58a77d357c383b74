"""Security games: equilibria against their normal form and a MILP, and lotteries that carry coverage out."""

import jax
import numpy as np
import pytest
from scipy.optimize import linprog

import stackelberg as sg
from oracles.security_games import (
    eraser_value,
    normal_form,
    pure_placements,
    random_payoffs,
    strong_value,
)


def random_schedules(rng, num_targets):
    return (rng.random((int(rng.integers(1, 4)), num_targets)) < 0.5).astype(float)


def instances(count, seed, with_schedules=False):
    """Games of up to 5 targets, every other one with small whole payoffs that tie."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        n, resources = int(rng.integers(1, 6)), int(rng.integers(0, 3))
        payoffs = random_payoffs(rng, n, "integer" if number % 2 else "uniform")
        schedules = random_schedules(rng, n) if with_schedules else None
        yield payoffs, resources, schedules


def disagreements(solve, count, seed, with_schedules):
    """How many of these games `solve` values otherwise than linear programs over all pure placements do."""
    wrong = 0
    for payoffs, resources, schedules in instances(count, seed, with_schedules):
        placements = pure_placements(len(payoffs[0]), resources, schedules)
        truth = strong_value(*normal_form(payoffs, placements))
        solution = solve(sg.SecurityGame(*payoffs, resources, schedules=schedules))
        proof = solution.certificate
        fine = abs(proof.lower - truth) <= 1e-8 and proof.upper >= truth - 1e-9 and proof.status == "optimal"
        wrong += not fine or float(proof.follower_regret) > 1e-8
    return wrong


@pytest.mark.parametrize(("with_schedules", "count"), [(False, 150), (True, 80)])
def test_the_strong_equilibrium_is_that_of_the_normal_form(with_schedules, count):
    assert disagreements(sg.SecurityLP(), count, 11, with_schedules) == 0


@pytest.mark.slow
@pytest.mark.parametrize("with_schedules", [False, True])
def test_the_strong_equilibrium_is_that_of_the_normal_form_in_many_games(with_schedules):
    assert disagreements(sg.SecurityLP(), 2_000, 12, with_schedules) == 0


def test_the_comparison_catches_a_solver_that_wastes_a_tenth_of_a_guard():
    def wasteful(game):
        payoffs = (game.leader_covered, game.leader_uncovered, game.follower_covered, game.follower_uncovered)
        return sg.SecurityLP()(sg.SecurityGame(*payoffs, 0.9 * game.resources))

    assert disagreements(wasteful, 30, 11, False) > 3


def test_the_comparison_catches_a_solver_that_counts_ties_against_the_leader():
    assert disagreements(sg.SecurityLP(ties="adversary", epsilon=1e-3), 30, 11, False) > 10


def test_the_strong_value_is_that_of_erasers_program():
    for payoffs, resources, _ in instances(40, 13):
        solution = sg.SecurityLP()(sg.SecurityGame(*payoffs, resources))
        assert solution.leader_value == pytest.approx(eraser_value(payoffs, resources), abs=1e-6)


def test_the_weak_value_is_that_of_the_normal_form():
    rng = np.random.default_rng(14)
    placements = pure_placements(4, 2)
    games = [random_payoffs(rng, 4, "integer" if number % 2 else "uniform") for number in range(60)]
    leader, follower = (np.stack(side) for side in zip(*(normal_form(game, placements) for game in games), strict=True))
    weak = sg.solve_batch(leader, follower, ties="adversary")
    for game, upper in zip(games, weak.upper_bounds, strict=True):
        proof = sg.SecurityLP(ties="adversary")(sg.SecurityGame(*game, 2)).certificate
        assert proof.upper == pytest.approx(float(upper), abs=1e-6)
        assert proof.status in ("optimal", "supremum")
        assert proof.lower <= proof.upper <= proof.lower + 1e-4
        strong = sg.SecurityLP()(sg.SecurityGame(*game, 2)).certificate
        assert proof.upper <= strong.upper + 1e-6


def test_in_a_zero_sum_game_commitment_is_worth_the_maximin():
    rng = np.random.default_rng(15)
    for _ in range(20):
        low, high = np.sort(rng.uniform(-1.0, 1.0, (2, 6)), axis=0)
        solution = sg.SecurityLP()(sg.SecurityGame(high, low, -high, -low, 2))
        rows = np.hstack([-np.diag(high - low), np.ones((6, 1))])
        done = linprog(
            np.append(np.zeros(6), -1.0),
            A_ub=np.vstack([rows, np.append(np.ones(6), 0.0)]),
            b_ub=np.append(low, 2.0),
            bounds=[(0.0, 1.0)] * 6 + [(None, None)],
        )
        assert solution.leader_value == pytest.approx(-done.fun, abs=1e-9)


@pytest.mark.filterwarnings("ignore::stackelberg.PrecisionWarning")
@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1e3, 1e12])
@pytest.mark.parametrize("shift", [0.0, 1.0, -1e3])
def test_scaling_and_shifting_payoffs_scales_and_shifts_the_value(scale, shift):
    payoffs = random_payoffs(np.random.default_rng(16), 7)
    base = sg.SecurityLP()(sg.SecurityGame(*payoffs, 2))
    moved = sg.SecurityLP()(sg.SecurityGame(*(scale * (column + shift) for column in payoffs), 2))
    assert float(moved.leader_value) / scale - shift == pytest.approx(float(base.leader_value), abs=1e-8)
    assert moved.certificate.status == "optimal"


def test_a_thousand_targets_are_solved_to_rounding():
    payoffs = random_payoffs(np.random.default_rng(17), 1_000)
    proof = sg.SecurityLP()(sg.SecurityGame(*payoffs, 120.5)).certificate
    assert proof.gap < 1e-9
    assert proof.follower_regret < 1e-12


def faults_of_lotteries(make_lottery, seed):
    """How many lotteries miss the coverage by over 1e-12, need too many placements or too many guards."""
    rng = np.random.default_rng(seed)
    faults = 0
    for number in range(300):
        n = int(rng.integers(1, 30))
        resources = float(rng.integers(1, n + 1)) if number % 2 else rng.uniform(0.1, n)
        game = sg.SecurityGame(*random_payoffs(rng, n), resources)
        coverage = game.check_commitment(np.minimum(rng.dirichlet(np.full(n, 0.5)) * resources, 1.0))
        lottery = make_lottery(game, coverage)
        guards = lottery.placements.sum(axis=1)
        faults += bool(
            np.max(np.abs(lottery.coverage - coverage)) > 1e-12
            or len(lottery.probabilities) > n + 1
            or np.max(guards) > np.ceil(resources)
            or abs(lottery.probabilities.sum() - 1.0) > 1e-12
        )
    return faults


def test_the_lottery_guards_every_target_as_often_as_asked_and_no_day_takes_too_many():
    assert faults_of_lotteries(lambda game, coverage: game.mixed_strategy(coverage), 18) == 0


def test_the_check_catches_a_lottery_that_guards_targets_independently():
    def independent(game, coverage):
        n = len(coverage)
        days = (np.arange(n + 1)[:, None] < np.arange(n)[None]).astype(float)
        return sg.Lottery(days, np.full(n + 1, 1.0 / (n + 1)))

    assert faults_of_lotteries(independent, 18) > 250


def test_schedules_are_run_so_that_every_target_is_guarded_as_often_as_asked():
    rng = np.random.default_rng(19)
    for number in range(60):
        n, k = int(rng.integers(2, 8)), int(rng.integers(1, 6))
        schedules = (rng.random((k, n)) < 0.4).astype(float)
        resources = int(rng.integers(1, 4)) if number % 3 else 0.7
        game = sg.SecurityGame(*random_payoffs(rng, n), resources, schedules=schedules)
        rows, limit = game.patrols()
        runs = np.minimum(rng.dirichlet(np.ones(len(rows))) * limit, 1.0)
        coverage = game.check_commitment((runs @ rows) * rng.uniform(0.0, 1.0, n))
        lottery = game.mixed_strategy(coverage)
        allowed = {tuple(row) for row in pure_placements(n, int(np.ceil(resources)), schedules)}
        assert np.max(np.abs(lottery.coverage - coverage)) <= 1e-12
        assert len(lottery.probabilities) <= n + 1
        assert all(tuple(row) in allowed for row in lottery.placements)


def test_drawn_days_follow_the_lottery():
    """Each of 4 frequencies over 20,000 days is within 5.2 standard errors: a false alarm in about 10^6 runs."""
    game = sg.SecurityGame([1] * 4, [0] * 4, [0] * 4, [1] * 4, 2)
    coverage = np.array([0.9, 0.6, 0.3, 0.2])
    days = game.mixed_strategy(coverage).draw(20_000, key=jax.random.key(3))
    error = np.abs(days.mean(axis=0) - coverage) / np.sqrt(coverage * (1 - coverage) / 20_000)
    assert np.max(error) < 5.2
    other = np.array([0.9, 0.6, 0.2, 0.3])
    assert np.max(np.abs(days.mean(axis=0) - other) / np.sqrt(other * (1 - other) / 20_000)) > 5.2
    assert set(days.sum(axis=1)) == {2.0}


def test_overlapping_schedules_do_not_add_up():
    """Two teams on schedules {1,2} and {2,3}: target 2 is visited twice at once, and gets no more than 1."""
    game = sg.SecurityGame([1] * 3, [0] * 3, [0] * 3, [1] * 3, 2, schedules=[[1, 1, 0], [0, 1, 1]])
    assert np.array_equal(game.uniform_commitment(), [1.0, 1.0, 1.0])
    half = sg.SecurityGame([1] * 3, [0] * 3, [0] * 3, [1] * 3, 1, schedules=[[1, 1, 0], [0, 1, 1]])
    assert np.array_equal(half.uniform_commitment(), [0.5, 1.0, 0.5])
    with pytest.raises(sg.InputError, match=r"needs 1\.2"):
        half.check_commitment([0.6, 0.6, 0.6])


GOOD = {
    "leader_covered": [1.0, 2.0],
    "leader_uncovered": [0.0, -1.0],
    "follower_covered": [-1.0, 0.0],
    "follower_uncovered": [1.0, 1.0],
    "resources": 1,
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"leader_covered": [1.0, -2.0]}, r"leader_covered\[1\].*must not hurt"),
        ({"follower_covered": [2.0, 0.0]}, r"follower_uncovered\[0\].*swapped"),
        ({"leader_covered": [1.0, np.nan]}, r"leader_covered\[1\].*not finite"),
        ({"follower_covered": [1.0]}, r"follower_covered: its shape is \(1,\)"),
        ({"resources": -1}, "resources.*out of range"),
        ({"resources": np.inf}, "resources.*not finite"),
        ({"schedules": [[1, 0.5]]}, r"schedules\[0,1\].*neither 0 nor 1"),
        ({"schedules": [[1, 1], [1, 0]], "resources": 1.5}, "resources.*whole"),
        ({"features": [[1.0]]}, "features: its shape"),
        ({"targets": ["a", "a"]}, "stands there twice"),
    ],
)
def test_bad_games_are_refused_with_the_place_and_the_remedy(change, words):
    with pytest.raises(sg.InputError, match=words):
        sg.SecurityGame(**{**GOOD, **change})


@pytest.mark.parametrize(
    ("coverage", "words"),
    [([0.9, 0.9], "needs 1.8 resources"), ([1.5, 0.0], r"commitment\[0\]"), ([0.5], "shape"), ([np.nan, 0], "finite")],
)
def test_coverage_that_cannot_be_carried_out_is_refused(coverage, words):
    with pytest.raises(sg.InputError, match=words):
        sg.SecurityGame(**GOOD).check_commitment(coverage)


def test_too_many_sets_of_overlapping_schedules_are_refused_before_they_are_listed():
    schedules = np.ones((60, 3))
    game = sg.SecurityGame([1] * 3, [0] * 3, [0] * 3, [1] * 3, 30, schedules=schedules)
    with pytest.raises(sg.MemoryBudgetError, match="overlapping"):
        sg.SecurityLP()(game)


def test_ties_between_targets_are_relative_to_what_is_at_stake():
    """Coverage that leaves two targets equal up to rounding of 1e-10 of the payoffs, in small units and in large."""
    for unit in (1e-6, 1.0, 1e6):
        game = sg.SecurityGame([0.0, 0.0], [-1.0, -1.0], [-unit, -unit], [unit, 1.2 * unit], 1.0)
        response = sg.BestResponse("uniform")(game, [0.4, 1.0 / 2.2])
        assert response == pytest.approx([0.5, 0.5])
        nearly = sg.BestResponse("uniform")(game, [0.4, 1.0 / 2.2 + 2e-10])
        assert nearly == pytest.approx([0.5, 0.5])
    assert float(game.induce(game.uniform_commitment()).payoff_range) == 2.2e6
