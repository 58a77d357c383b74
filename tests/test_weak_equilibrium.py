"""The weak Stackelberg equilibrium: what the leader can secure from a follower that breaks ties against it."""

import dataclasses

import numpy as np
import pytest

import stackelberg as sg
from oracles import exact_equilibrium, game_samples, response_regions
from oracles.exact_commitment import exact_value
from stackelberg.solvers.normal_form import open_regions, winners


def weak(leader, follower, epsilon=1e-6):
    return sg.MultipleLPs("adversary", epsilon=epsilon)(sg.NormalFormGame(leader, follower))


def test_in_the_commitment_game_three_and_a_half_is_approached_but_not_attained():
    solution = weak([[2, 4], [1, 3]], [[1, 0], [0, 1]])
    certificate = solution.certificate
    assert certificate.status == "supremum"
    assert certificate.upper == pytest.approx(3.5, abs=1e-12)
    assert 3.5 - 3e-6 - 1e-12 <= certificate.lower < 3.5
    assert np.array_equal(solution.response, [0.0, 1.0])
    assert certificate.follower_regret == 0.0
    reply = sg.BestResponse("adversary", tolerance=0.0)(
        sg.NormalFormGame([[2, 4], [1, 3]], [[1, 0], [0, 1]]), solution.commitment
    )
    assert np.array_equal(reply, solution.response)


@pytest.mark.parametrize("epsilon", [1e-9, 1e-6, 1e-3, 0.1])
def test_the_loss_is_at_most_the_epsilon_asked_for(epsilon):
    certificate = weak([[2, 4], [1, 3]], [[1, 0], [0, 1]], epsilon).certificate
    assert 0.0 < certificate.gap <= 3.0 * epsilon * (1.0 + 1e-6) + 1e-12


def test_an_action_that_is_best_only_where_others_tie_is_never_used():
    """The third column is best at (1/2, 1/2) alone: worth 10 to the strong leader, nothing to the weak one."""
    leader, follower = [[1, 0, 10], [0, 2, 10]], [[1, 0, 0.5], [0, 1, 0.5]]
    assert sg.MultipleLPs()(sg.NormalFormGame(leader, follower)).leader_value == pytest.approx(10.0)
    assert weak(leader, follower).certificate.upper == pytest.approx(2.0, abs=1e-12)


def test_an_action_that_is_best_only_at_a_corner_is_never_used():
    leader, follower = [[9, 1], [0, 0]], [[1, 1], [0, 1]]
    solution = weak(leader, follower)
    assert solution.certificate.upper == pytest.approx(1.0, abs=1e-12)
    assert solution.certificate.status == "optimal"  # at the corner the adversary itself prefers the other column


def test_a_region_that_a_pure_commitment_shows_to_be_open_counts_however_thin():
    """The second column is best while the first row has at most 1e-24 of the probability."""
    solution = weak([[0, 5], [0, 1]], [[1e12, 0], [0, 1e-12]])
    assert float(solution.leader_value) == pytest.approx(1.0, abs=1e-12)
    assert np.array_equal(solution.response, [0.0, 1.0])
    assert solution.certificate.follower_regret == 0.0


def test_of_equal_columns_the_worst_counts_at_every_commitment():
    """Two copies, worth x and 1 - x: the adversary picks the lesser, so that the leader mixes evenly."""
    leader, follower = [[1, 0, 0], [0, 1, 0]], [[1, 1, 0], [1, 1, 0]]
    solution = weak(leader, follower)
    assert solution.certificate.upper == pytest.approx(0.5, abs=1e-12)
    assert solution.commitment == pytest.approx([0.5, 0.5], abs=1e-9)
    assert solution.certificate.status == "optimal"


def test_an_indifferent_follower_leaves_the_leader_its_maximin_value():
    solution = weak([[3, -1], [-2, 1]], np.ones((2, 2)))
    assert float(solution.leader_value) == pytest.approx(1 / 7, abs=1e-12)
    assert solution.certificate.status == "optimal"


def test_a_strict_optimum_is_attained():
    solution = weak([[5, 0], [0, 1]], [[1, 0], [0, 1]])
    assert solution.certificate.status == "optimal"
    assert np.array_equal(solution.commitment, [1.0, 0.0])
    assert solution.leader_value == 5.0


@pytest.fixture(scope="module")
def random_games():
    groups = [*game_samples.generic(18_000, seed=20).values(), *game_samples.degenerate(2_000, seed=21).values()]
    assert sum(len(leader) for leader, _ in groups) >= 20_000
    return [(leader, follower, response_regions.weak_values(leader, follower)) for leader, follower in groups]


@pytest.mark.filterwarnings("ignore::stackelberg.PrecisionWarning")
def test_twenty_thousand_games_agree_with_vertex_enumeration(random_games):
    for leader, follower, expected in random_games:
        found = sg.solve_batch(leader, follower, ties="adversary")
        assert np.max(np.abs(found.upper_bounds - expected)) <= 1e-8
        span = np.ptp(leader, axis=(1, 2))
        assert np.all(found.upper_bounds - found.leader_values <= 1e-6 * span + 1e-9)
        assert np.max(found.follower_regrets) <= 1e-9
        assert np.all((found.follower_regrets == 0.0) | found.attained)
        assert found.fallbacks.sum() == 0


@pytest.mark.filterwarnings("ignore::stackelberg.PrecisionWarning")
def test_the_adversary_itself_pays_what_the_certificate_says(random_games):
    """A brute check in plain NumPy: the worst column among the exactly best ones at the commitment returned."""
    for leader, follower, _ in random_games[::5]:
        found = sg.solve_batch(leader, follower, ties="adversary")
        replies = np.einsum("na,nab->nb", found.commitments, follower)
        paid = np.einsum("na,nab->nb", found.commitments, leader)
        is_best = replies >= replies.max(axis=1, keepdims=True) - np.where(found.attained, 1e-9, 1e-13)[:, None]
        worst = np.where(is_best, paid, np.inf).min(axis=1)
        # A region thinner than the margin just used may count a rival as tied; it must be rare and slight.
        assert np.mean(worst < found.leader_values - 1e-8) <= 1e-3


@pytest.mark.filterwarnings("ignore::stackelberg.PrecisionWarning")
def test_no_sampled_commitment_secures_more_than_the_supremum(random_games):
    rng = np.random.default_rng(22)
    for leader, follower, _ in random_games[3::7]:
        leader, follower = leader[:100], follower[:100]
        bounds = sg.solve_batch(leader, follower, ties="adversary").upper_bounds
        commitments = rng.dirichlet(np.ones(leader.shape[1]), 300)
        commitments = np.concatenate([commitments, np.eye(leader.shape[1]), np.round(commitments * 4) / 4 + 1e-300])
        commitments /= commitments.sum(axis=1, keepdims=True)
        replies = np.einsum("sa,nab->nsb", commitments, follower)
        paid = np.einsum("sa,nab->nsb", commitments, leader)
        is_best = replies >= replies.max(axis=2, keepdims=True) - 1e-12
        assert np.all(np.where(is_best, paid, np.inf).min(axis=2).max(axis=1) <= bounds + 1e-9)


def test_the_rational_oracle_agrees_and_the_commitment_is_exactly_as_good_as_said():
    leader, follower = game_samples.degenerate(2_000, seed=23)[3, 3]
    found = sg.solve_batch(leader[:24] + 1.0, follower[:24], ties="adversary")
    for game in range(24):
        exact = exact_equilibrium.weak_value(leader[game] + 1.0, follower[game])
        assert float(exact) == pytest.approx(found.upper_bounds[game], abs=1e-12)
        value = exact_value(leader[game] + 1.0, found.commitments[game], int(found.follower_actions[game]))
        assert float(value) == pytest.approx(found.leader_values[game], abs=1e-12)


def test_planted_margins_are_refused_and_repaired(monkeypatch):
    """Claims that a region is open or closed are checked: a corrupted margin program is solved again by HiGHS."""
    leader, follower = game_samples.generic(100, seed=24)[3, 4]
    expected = response_regions.weak_values(leader, follower)
    sound = open_regions.solve_programs

    def corrupted(*args, **kwargs):
        found = sound(*args, **kwargs)
        found.strategies[:] = np.nan
        found.multipliers[:] = 0.0
        return found

    monkeypatch.setattr(open_regions, "solve_programs", corrupted)
    found = sg.solve_batch(leader, follower, ties="adversary")
    assert found.fallbacks.sum() > 0
    assert found.upper_bounds == pytest.approx(expected, abs=1e-8)


def test_counting_regions_without_interior_would_be_seen(monkeypatch):
    """The twin: the comparison with vertex enumeration fails once thin regions are used."""
    leader, follower = game_samples.degenerate(2_000, seed=21)[4, 4]
    expected = response_regions.weak_values(leader, follower)
    sound = winners.open_regions

    def careless(*args, **kwargs):
        return dataclasses.replace(sound(*args, **kwargs), is_open=np.ones(args[0].num_games, dtype=bool))

    monkeypatch.setattr(winners, "open_regions", careless)
    found = sg.solve_batch(leader, follower, ties="adversary")
    assert np.mean(np.abs(found.upper_bounds - expected) > 1e-8) > 0.1


@pytest.mark.parametrize("lead", [1e-8, 2e-11, 1e-12, -1e-12, -2e-11])
def test_a_third_column_that_leads_at_the_middle_by_ever_so_little_counts(lead):
    """It is strictly best at (1/2, 1/2), or nowhere; either shows in float64, and the certificate holds the truth."""
    certificate = weak([[0, 0, 10], [0, 0, 10]], [[1, 0, 0.5 + lead], [0, 1, 0.5 + lead]]).certificate
    truth = 10.0 if lead > 0.0 else 0.0
    assert certificate.lower - 1e-9 <= truth <= certificate.upper
    assert certificate.gap <= 1e-9


@pytest.mark.parametrize("lead", [1e-10, 1e-11, 1e-12, 1e-13])
def test_a_lead_of_any_size_at_a_pure_commitment_is_no_failure(lead):
    certificate = weak([[10, 0], [0, 0]], [[1 + lead, 1], [0, 0]]).certificate
    assert certificate.upper == pytest.approx(10.0, abs=1e-9)
    assert certificate.lower == pytest.approx(10.0, abs=1e-4)


def test_a_region_that_nothing_decides_stays_in_the_bound_and_is_named(monkeypatch):
    """With neither commitments nor multipliers for its margin, the third column may be worth 10 for all we know."""
    sound = open_regions.solve_programs

    def useless(games, family, wanted, *, cut_off):
        found = sound(games, family, wanted, cut_off=cut_off)
        found.strategies[:] = np.nan
        found.multipliers[:] = 0.0
        return found

    monkeypatch.setattr(open_regions, "solve_programs", useless)
    monkeypatch.setattr(open_regions, "repair", lambda games, family, answers, doubtful: answers)
    certificate = weak([[0, 0, 10], [0, 0, 10]], [[1, 0, 0.5], [0, 1, 0.5]]).certificate
    assert certificate.status == "bounded"
    assert certificate.upper >= 10.0
    assert any("action '3'" in note and "counts" in note for note in certificate.notes)
