"""The strong Stackelberg equilibrium: the best the leader can get from a follower that breaks ties its way."""

import warnings
from fractions import Fraction

import nashpy
import numpy as np
import pytest
from scipy.optimize import linprog

import stackelberg as sg
from oracles import exact_equilibrium, game_samples, response_regions
from oracles.exact_commitment import exact_range, exact_regret, exact_value
from stackelberg.solvers.normal_form import (
    batch as batch_module,
    dual_simplex,
    region_bounds,
    response_programs,
    winners,
)
from stackelberg.solvers.normal_form.game_batch import Games


COMMITMENT_GAME = ([[2, 4], [1, 3]], [[1, 0], [0, 1]])

TEXTBOOK = {
    # Half and half makes the follower indifferent; it then plays the column worth 4 and 3.
    "commitment game": (*COMMITMENT_GAME, 3.5),
    # Zero-sum: committing costs nothing and gains nothing.
    "matching pennies": ([[1, -1], [-1, 1]], [[-1, 1], [1, -1]], 0.0),
    # The follower comes to wherever the leader commits to go.
    "battle of the sexes": ([[2, 0], [0, 1]], [[1, 0], [0, 2]], 2.0),
    # Defection dominates for the follower whatever is announced.
    "prisoner's dilemma": ([[3, 0], [5, 1]], [[3, 5], [0, 1]], 1.0),
    # Going straight, announced, makes the other swerve.
    "chicken": ([[0, -1], [1, -10]], [[0, 1], [-1, -10]], 1.0),
    # Inspecting with probability 1/6 (gain 1 against fine 5) just deters; the inspection costs 2 each time.
    "inspection": ([[-2, -3], [0, -10]], [[0, -5], [0, 1]], -2.0 / 6.0),
}


@pytest.mark.parametrize("name", TEXTBOOK)
def test_textbook_games_have_their_known_value(name):
    leader, follower, value = TEXTBOOK[name]
    for solver in (sg.MultipleLPs(), sg.CorrelatedLP()):
        solution = solver(sg.NormalFormGame(leader, follower))
        assert float(solution.leader_value) == pytest.approx(value, abs=1e-12)
        assert solution.certificate.status == "optimal"
        assert solution.certificate.gap <= 1e-12
        assert solution.certificate.follower_regret <= 1e-12


def test_committing_to_half_and_half_is_worth_three_and_a_half():
    solution = sg.MultipleLPs()(sg.NormalFormGame(*COMMITMENT_GAME))
    assert solution.commitment == pytest.approx([0.5, 0.5], abs=1e-15)
    assert np.array_equal(solution.response, [0.0, 1.0])
    assert solution.leader_value == 3.5


@pytest.fixture(scope="module")
def random_games():
    """18,000 generic and 2,016 degenerate games, each with the value that vertex enumeration gives it."""
    groups = [*game_samples.generic(18_000, seed=0).values(), *game_samples.degenerate(2_000, seed=1).values()]
    assert sum(len(leader) for leader, _ in groups) >= 20_000
    return [(leader, follower, response_regions.strong_values(leader, follower)) for leader, follower in groups]


@pytest.mark.filterwarnings("ignore::stackelberg.PrecisionWarning")
def test_twenty_thousand_games_agree_with_vertex_enumeration(random_games):
    for leader, follower, expected in random_games:
        found = sg.solve_batch(leader, follower)
        assert np.max(np.abs(found.leader_values - expected)) <= 1e-8
        assert np.all(found.upper_bounds >= found.leader_values)
        assert np.max(found.upper_bounds - found.leader_values) <= 1e-11
        assert np.max(found.follower_regrets) <= 1e-12
        assert found.fallbacks.sum() == 0


@pytest.mark.filterwarnings("ignore::stackelberg.PrecisionWarning")
def test_one_game_alone_is_solved_as_in_a_batch_and_as_by_the_correlated_program(random_games):
    for leader, follower, expected in random_games[::4]:
        game = sg.NormalFormGame(leader[-1], follower[-1])
        for solver in (sg.MultipleLPs(), sg.CorrelatedLP()):
            assert float(solver(game).leader_value) == pytest.approx(expected[-1], abs=1e-8)


@pytest.mark.parametrize("planted", ["strategies", "multipliers", "nothing found"])
def test_wrong_answers_of_the_simplex_are_refused_and_repaired(planted, monkeypatch, random_games):
    """A corrupted simplex must not reach the caller: HiGHS solves again, and says so."""
    leader, follower, expected = random_games[12]
    leader, follower, expected = leader[:10], follower[:10], expected[:10]

    def corrupted(*args, **kwargs):
        found = sound(*args, **kwargs)
        if planted == "strategies":
            found.strategies[:] = found.strategies[..., ::-1]
        elif planted == "multipliers":
            found.multipliers[:] *= 0.5
        else:
            found.strategies[:] = np.nan
        return found

    sound = winners.solve_programs
    monkeypatch.setattr(winners, "solve_programs", corrupted)
    found = sg.solve_batch(leader, follower)
    assert found.fallbacks.sum() > 0
    assert found.leader_values == pytest.approx(expected, abs=1e-8)
    assert np.max(found.upper_bounds - found.leader_values) <= 1e-8


def test_without_certificates_the_same_wrong_answers_would_pass_and_the_oracle_sees_them(monkeypatch, random_games):
    """The twin: the comparison with vertex enumeration fails when a bug is planted."""
    leader, follower, expected = random_games[12]
    monkeypatch.setattr(
        region_bounds, "upper_bounds", lambda games, family, multipliers: np.zeros(multipliers.shape[:2])
    )
    monkeypatch.setattr(region_bounds, "TOLERANCE", np.inf)
    sound = winners.solve_programs

    def corrupted(*args, **kwargs):
        found = sound(*args, **kwargs)
        found.strategies[:] = found.strategies[..., ::-1]
        return found

    monkeypatch.setattr(winners, "solve_programs", corrupted)
    with pytest.raises(sg.SolverError, match="the bound lies below the value found"):
        sg.solve_batch(leader, follower)
    monkeypatch.setattr(batch_module, "ROUNDING", np.inf)
    found = sg.solve_batch(leader, follower)
    assert np.mean(np.abs(found.leader_values - expected) > 1e-8) > 0.25  # the rest is saved by pure commitments


def test_programs_that_reach_the_pivot_limit_are_finished_by_highs(monkeypatch, random_games):
    leader, follower, expected = random_games[12]
    monkeypatch.setattr(response_programs, "_limit", lambda games: 1)
    found = sg.solve_batch(leader[:20], follower[:20])
    assert found.fallbacks.sum() > 0
    assert found.leader_values == pytest.approx(expected[:20], abs=1e-8)


def test_any_multipliers_at_all_give_a_bound_that_holds(random_games):
    rng = np.random.default_rng(3)
    leader, follower, expected = random_games[7]
    games = Games.build(leader, follower, compare=False)
    for size in (0.0, 1e-3, 1.0, 1e3):
        multipliers = size * rng.exponential(size=(*games.leader.shape[:2], games.num_columns))
        assert np.all(region_bounds.upper_bounds(games, "strong", multipliers).max(axis=1) >= expected)


def test_dropping_programs_early_changes_nothing(random_games):
    for leader, follower, _ in random_games[:25:6]:
        quick, full = (sg.solve_batch(leader, follower, cut_off=cut_off) for cut_off in (True, False))
        assert quick.leader_values == pytest.approx(full.leader_values, abs=1e-13)
        assert quick.pivots.sum() < full.pivots.sum()


def test_blands_rule_alone_finds_the_same_values(monkeypatch):
    """Degenerate games cannot cycle under Bland's rule; here it is used from the first pivot on."""
    leader, follower = game_samples.degenerate(2_000, seed=5)[4, 4]
    expected = response_regions.strong_values(leader, follower)
    monkeypatch.setattr(dual_simplex, "STALL", -1)
    response_programs._solve_lanes.clear_cache()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sg.PrecisionWarning)
        found = sg.solve_batch(leader, follower)
    response_programs._solve_lanes.clear_cache()
    assert found.leader_values == pytest.approx(expected, abs=1e-8)
    assert found.fallbacks.sum() == 0


def test_a_large_game_agrees_with_the_correlated_program():
    rng = np.random.default_rng(11)
    game = sg.NormalFormGame(rng.random((60, 110)), rng.random((60, 110)))
    solution = sg.MultipleLPs()(game)
    assert float(solution.leader_value) == pytest.approx(float(sg.CorrelatedLP()(game).leader_value), abs=1e-9)
    assert solution.certificate.gap <= 1e-11
    assert solution.statistics["solved_by_highs"] == 0


EXPONENTS = (-12, -8, -4, 0, 4, 8, 12)


@pytest.mark.filterwarnings("ignore::stackelberg.PrecisionWarning")
@pytest.mark.parametrize("scale", EXPONENTS)
def test_scaled_and_shifted_payoffs_have_the_exact_value_of_the_game_as_stored(scale):
    """Seven offsets for each scale. The commitment is judged exactly; the number printed for it may be off by its own
    rounding as well."""
    rng = np.random.default_rng(2)
    plain_leader = np.concatenate([rng.random((4, 2, 3)), rng.integers(0, 4, (4, 2, 3)) / 3])
    plain_follower = np.concatenate([rng.random((4, 2, 3)), rng.integers(0, 4, (4, 2, 3)) / 3])
    for offset in EXPONENTS:
        leader = plain_leader * 10.0**scale + 10.0**offset
        follower = plain_follower * 10.0**scale - 10.0**offset
        strong, weak = sg.solve_batch(leader, follower), sg.solve_batch(leader, follower, ties="adversary")
        for game in range(len(leader)):
            tolerance = exact_range(leader[game]) * Fraction(1, 10**9)
            rounding = Fraction(float(np.spacing(np.abs(leader[game]).max())))
            value, _ = exact_equilibrium.strong_value(leader[game], follower[game])
            commitment, action = strong.commitments[game], int(strong.follower_actions[game])
            assert abs(exact_value(leader[game], commitment, action) - value) <= tolerance
            assert exact_regret(follower[game], commitment, action) <= exact_range(follower[game]) * Fraction(1, 10**9)
            assert abs(Fraction(float(strong.leader_values[game])) - value) <= tolerance + rounding
            supremum = exact_equilibrium.weak_value(leader[game], follower[game])
            assert abs(Fraction(float(weak.upper_bounds[game])) - supremum) <= tolerance + 2 * rounding


@pytest.mark.parametrize("scale", EXPONENTS)
def test_wherever_storage_merged_payoffs_a_warning_says_so(scale):
    rng = np.random.default_rng(4)
    plain = rng.random((2, 20, 3, 3))
    for offset in EXPONENTS:
        leader, follower = plain * 10.0**scale + 10.0**offset
        merged = any(len(np.unique(stored)) < stored.size for stored in (*leader, *follower))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = sg.solve_batch(leader, follower)
        warned = any(issubclass(entry.category, sg.PrecisionWarning) for entry in caught)
        assert warned or not merged
        assert warned == bool(found.notes)
        assert not (warned and offset - scale < 6)


def test_the_note_about_merged_payoffs_is_part_of_the_certificate():
    with pytest.warns(sg.PrecisionWarning, match="stored in steps"):
        solution = sg.MultipleLPs()(sg.NormalFormGame([[1e12, 1e12 + 1], [1e12 + 2, 1e12]], [[1, 0], [0, 1]]))
    assert any("stored in steps" in note for note in solution.certificate.notes)


EXTREMES = {
    "the whole range of float64": ([[1.7e308, -1.7e308], [0, 1e308]], [[1, 0], [0, 1]], 1.7e308),
    "a follower with all of it": ([[2, 4], [1, 3]], [[1.7e308, -1.7e308], [-1.7e308, 1.7e308]], 3.5),
    "numbers below the normal ones": ([[2e-320, 4e-320], [1e-320, 3e-320]], [[5e-324, 0], [0, 5e-324]], 3.5e-320),
    "nothing at stake": (np.zeros((2, 2)), np.zeros((2, 2)), 0.0),
    "one action each": ([[3.0]], [[4.0]], 3.0),
    "a constant leader": (np.full((2, 3), 7.0), [[1, 0, 2], [0, 3, 1]], 7.0),
}


@pytest.mark.parametrize("name", EXTREMES)
def test_extreme_games_have_their_value_and_a_closed_certificate(name):
    leader, follower, value = EXTREMES[name]
    game = sg.NormalFormGame(leader, follower)
    for solver in (sg.MultipleLPs(), sg.MultipleLPs("adversary"), sg.CorrelatedLP()):
        solution = solver(game)
        assert solution.certificate.upper == pytest.approx(value, rel=1e-5, abs=1e-300)
        assert solution.certificate.lower <= solution.certificate.upper
        assert solution.certificate.status in ("optimal", "supremum")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::stackelberg.PrecisionWarning")
@pytest.mark.parametrize("seed", range(100, 108))
def test_another_hundred_and_sixty_thousand_games_agree_with_vertex_enumeration(seed):
    groups = [*game_samples.generic(18_000, seed).values(), *game_samples.degenerate(2_000, seed).values()]
    for leader, follower in groups:
        strong, weak = sg.solve_batch(leader, follower), sg.solve_batch(leader, follower, ties="adversary")
        assert np.max(np.abs(strong.leader_values - response_regions.strong_values(leader, follower))) <= 1e-8
        assert np.max(np.abs(weak.upper_bounds - response_regions.weak_values(leader, follower))) <= 1e-8


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(8)
    leader, follower = rng.random((300, 3, 4)), rng.random((300, 3, 4))
    return leader, follower, sg.solve_batch(leader, follower).leader_values


def test_positive_affine_changes_of_payoffs_change_only_the_unit(pair):
    leader, follower, values = pair
    for factor, shift in ((3.0, -7.0), (1e-3, 2.0), (1e9, 0.0)):
        found = sg.solve_batch(factor * leader + shift, factor * follower - shift)
        assert (found.leader_values - shift) / factor == pytest.approx(values, abs=1e-9)


def test_renaming_actions_changes_nothing(pair):
    leader, follower, values = pair
    rows, columns = [2, 0, 1], [3, 1, 0, 2]
    found = sg.solve_batch(leader[:, rows][:, :, columns], follower[:, rows][:, :, columns])
    assert found.leader_values == pytest.approx(values, abs=1e-12)


def test_copying_an_action_changes_nothing(pair):
    leader, follower, values = pair
    for axis in (1, 2):
        copied = [np.concatenate([payoff, np.take(payoff, [1], axis=axis)], axis=axis) for payoff in (leader, follower)]
        assert sg.solve_batch(*copied).leader_values == pytest.approx(values, abs=1e-12)


def test_another_row_never_hurts_and_another_dominated_column_never_matters(pair):
    leader, follower, values = pair
    rng = np.random.default_rng(9)
    row = rng.random((2, 300, 1, 4))
    assert np.all(
        sg.solve_batch(np.append(leader, row[0], axis=1), np.append(follower, row[1], axis=1)).leader_values
        >= values - 1e-12
    )
    tempting = np.append(leader, np.full((300, 3, 1), 9.0), axis=2)
    dominated = np.append(follower, follower.min(axis=2, keepdims=True) - 0.1, axis=2)
    assert sg.solve_batch(tempting, dominated).leader_values == pytest.approx(values, abs=1e-12)


def test_strong_is_at_least_weak_and_at_least_every_nash_value(pair):
    leader, follower, values = pair
    assert np.all(values >= sg.solve_batch(leader, follower, ties="adversary").upper_bounds - 1e-9)
    for game in range(60):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            peer = nashpy.Game(leader[game], follower[game])
            # Rounding may cost one method an equilibrium: it wants probabilities of exactly 0.
            equilibria = [*peer.support_enumeration(), *peer.vertex_enumeration()]
        assert equilibria
        assert max(mine @ leader[game] @ theirs for mine, theirs in equilibria) <= values[game] + 1e-9


def test_in_zero_sum_games_commitment_is_worth_the_minimax_value():
    rng = np.random.default_rng(10)
    for leader in rng.normal(size=(40, 4, 5)):
        minimax = linprog(
            [0.0] * 4 + [-1.0],
            A_ub=np.hstack([-leader.T, np.ones((5, 1))]),
            b_ub=np.zeros(5),
            A_eq=[[1.0] * 4 + [0.0]],
            b_eq=[1.0],
            bounds=[(0, None)] * 4 + [(None, None)],
        )
        for ties in ("leader", "adversary"):
            solution = sg.MultipleLPs(ties)(sg.NormalFormGame(leader, -leader))
            assert solution.certificate.upper == pytest.approx(-minimax.fun, abs=1e-9)


def test_no_sampled_commitment_beats_the_equilibrium(pair):
    leader, follower, values = pair
    commitments = np.random.default_rng(12).dirichlet(np.ones(3), 2_000)
    replies = np.einsum("sa,nab->nsb", commitments, follower)
    paid = np.einsum("sa,nab->nsb", commitments, leader)
    best = np.where(replies >= replies.max(axis=2, keepdims=True) - 1e-12, paid, -np.inf).max(axis=(1, 2))
    assert np.all(best <= values + 1e-12)


@pytest.mark.parametrize("solver", [sg.MultipleLPs(memory_limit=1e4), sg.CorrelatedLP(memory_limit=1e4)])
def test_memory_is_estimated_before_it_is_taken(solver):
    game = sg.NormalFormGame(np.eye(40), np.eye(40))
    with pytest.raises(sg.MemoryBudgetError, match=r"about [\d.e+-]+ GB; at most 1e-05 GB"):
        solver(game)


def test_bad_batches_are_refused_with_their_place():
    good = np.zeros((2, 3, 3))
    bad = good.copy()
    bad[1, 0, 2] = np.nan
    with pytest.raises(sg.NonFiniteError, match=r"follower_payoff\[1,0,2\]"):
        sg.solve_batch(good, bad)
    with pytest.raises(sg.InputError, match="shape"):
        sg.solve_batch(good, good[:, :2])
    for wrong in (0.0, -1.0, 2.0, np.nan):
        with pytest.raises(sg.InputError, match="epsilon"):
            sg.MultipleLPs(epsilon=wrong)
    with pytest.raises(sg.InputError, match="ties"):
        sg.MultipleLPs("uniform")


@pytest.mark.parametrize("lead", [1e-7, 1e-9, 1e-11, 1e-12, 1e-13])
def test_an_action_that_is_dominated_by_ever_so_little_is_never_the_answer(lead):
    """The second column, worth 10, is worse than the first everywhere; the certificate never says that it is played."""
    game = sg.NormalFormGame([[0, 10], [0, 0]], [[1 + lead, 1], [0, -lead]])
    for solver, tolerance in ((sg.MultipleLPs(), 1e-9), (sg.CorrelatedLP(), np.inf)):
        certificate = solver(game).certificate
        assert certificate.lower <= 1e-9
        assert certificate.upper >= 0.0
        assert certificate.gap <= tolerance
        assert certificate.follower_regret <= 1e-15
        assert certificate.status == ("optimal" if certificate.gap <= 1e-8 else "bounded")


def test_a_response_that_is_best_only_within_the_tolerance_is_seen_by_the_same_check(monkeypatch):
    """The twin: with regrets up to 1e-6 let through, the answer to the dominated column is the wrong one."""
    monkeypatch.setattr(winners, "thinness", lambda *shape: 1e-6)
    found = sg.solve_batch([[[0.0, 10.0], [0.0, 0.0]]], [[[1 + 1e-11, 1.0], [0.0, -1e-11]]])
    assert found.leader_values[0] > 1.0


@pytest.mark.parametrize("solver", [sg.MultipleLPs(), sg.CorrelatedLP(), sg.BayesianMILP(), sg.TypeEnumeration()])
def test_games_of_another_kind_are_refused_by_name(solver):
    for other in (sg.patrol_park(), 3):
        with pytest.raises(
            sg.InputError, match=r"game: it is of type .* solves games of the kind (NormalForm|Bayesian)"
        ):
            solver(other)
