"""The catalog: every stored answer is recomputed here by methods that share no code."""

import importlib.util
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import lambertw

import stackelberg as sg
from oracles.exact_equilibrium import strong_value, weak_value
from oracles.grid_quantal import best_value
from oracles.security_values import by_coverage, by_placements
from stackelberg.games.files import GAMES
from stackelberg.solvers.tariff import tariff_quantal


NORMAL_FORMS = [item.name for item in sg.catalog.catalog() if isinstance(item.game, sg.NormalFormGame)]
BAYESIAN = [item.name for item in sg.catalog.catalog() if isinstance(item.game, sg.BayesianGame)]
MARKOV = [item.name for item in sg.catalog.catalog() if isinstance(item.game, sg.MarkovGame)]
SMALL = [name for name in NORMAL_FORMS if name != "duopoly"]  # nine rows: too many vertices for rational arithmetic


@pytest.mark.parametrize("name", SMALL)
def test_stored_equilibria_are_those_of_rational_arithmetic(name):
    item, game = sg.catalog.entry(name), sg.catalog_game(name)
    leader, follower = strong_value(game.leader_payoff, game.follower_payoff)
    assert item.strong_value == pytest.approx(float(leader), abs=1e-14)
    assert item.follower_value == pytest.approx(float(follower), abs=1e-14)
    assert item.weak_value == pytest.approx(float(weak_value(game.leader_payoff, game.follower_payoff)), abs=1e-14)


@pytest.mark.parametrize("name", NORMAL_FORMS)
def test_stored_equilibria_are_those_of_the_solver(name):
    item, game = sg.catalog.entry(name), sg.catalog_game(name)
    strong = sg.MultipleLPs()(game)
    assert float(strong.leader_value) == pytest.approx(item.strong_value, abs=1e-9)
    weak = sg.MultipleLPs(ties="adversary", epsilon=1e-9)(game)
    assert weak.certificate.upper == pytest.approx(item.weak_value, abs=1e-7)


def test_the_duopoly_on_a_grid_pays_what_single_quantities_with_ties_allow():
    """By concavity of the leader's profit a single quantity is best for every answer, so enumeration is exact."""
    game, item = sg.catalog_game("duopoly"), sg.catalog.entry("duopoly")
    best = game.follower_payoff == game.follower_payoff.max(axis=1, keepdims=True)
    assert np.max(np.where(best, game.leader_payoff, -np.inf)) == item.strong_value
    response = sg.BestResponse("uniform")(game, np.eye(9)[4])
    outcome = sg.evaluate(game, np.eye(9)[4], response)
    assert (float(outcome.leader_value), float(outcome.follower_value)) == (8.0, 4.0)


@pytest.mark.parametrize("name", NORMAL_FORMS)
def test_stored_quantal_values_are_those_of_a_fine_grid(name):
    item, game = sg.catalog.entry(name), sg.catalog_game(name)
    for inverse_temperature, value in item.quantal_values.items():
        found = best_value(game.leader_payoff[None], game.follower_payoff[None], [1.0], inverse_temperature)
        assert value == pytest.approx(found, abs=1e-10)


@pytest.mark.parametrize("name", ["conitzer-sandholm", "inspection"])
def test_stored_quantal_values_lie_between_the_bounds_of_the_certified_solver(name):
    item, game = sg.catalog.entry(name), sg.catalog_game(name)
    for inverse_temperature, value in item.quantal_values.items():
        certificate = sg.QuantalStackelberg(sg.QuantalResponse(inverse_temperature))(game).certificate
        assert certificate.lower - 1e-9 <= value <= certificate.upper + 1e-9


@pytest.mark.parametrize("name", BAYESIAN)
def test_stored_bayesian_answers_are_those_of_the_expanded_game(name):
    """Harsanyi's expansion: the follower of the expanded game chooses one action for each type."""
    item, game = sg.catalog.entry(name), sg.catalog_game(name)
    plans = list(itertools.product(range(game.shape[2]), repeat=game.shape[0]))
    leader, follower = (
        np.stack([sum(game.prior[t] * payoff[t][:, b] for t, b in enumerate(plan)) for plan in plans], axis=1)
        for payoff in (game.leader_payoff, game.follower_payoff)
    )
    strong, share = strong_value(leader, follower)
    assert item.strong_value == pytest.approx(float(strong), abs=1e-14)
    assert item.follower_value == pytest.approx(float(share), abs=1e-14)
    assert item.weak_value == pytest.approx(float(weak_value(leader, follower)), abs=1e-14)
    assert float(sg.BayesianMILP()(game).leader_value) == pytest.approx(item.strong_value, abs=1e-8)
    for inverse_temperature, value in item.quantal_values.items():
        found = best_value(game.leader_payoff, game.follower_payoff, game.prior, inverse_temperature)
        assert value == pytest.approx(found, abs=1e-10)


@pytest.mark.parametrize("name", MARKOV)
def test_stored_markov_answers_are_those_of_recursion_over_stages(name):
    """Against a myopic follower each stage is a game in normal form with the continuation added to the leader."""
    item, game = sg.catalog.entry(name), sg.catalog_game(name)

    def recursion(solve):
        value = np.zeros(game.shape[0])
        for _ in range(game.horizon):
            leader = game.leader_reward + game.leader_discount * game.transition @ value
            value = np.array([float(solve(leader[s], game.follower_reward[s])) for s in range(game.shape[0])])
        return float(game.initial @ value)

    assert item.strong_value == pytest.approx(recursion(lambda u, v: strong_value(u, v)[0]), abs=1e-13)
    for heat, value in item.quantal_values.items():
        certificate = sg.BackwardInduction(sg.QuantalResponse(heat, discount=0.0))(game).certificate
        assert certificate.lower - 1e-9 <= value <= certificate.upper + 1e-9
        found = recursion(lambda u, v, heat=heat: best_value(u[None], v[None], [1.0], heat))
        assert value == pytest.approx(found, abs=1e-9)


@pytest.mark.parametrize("name", ["two-targets", "four-targets", "patrol-park"])
def test_stored_security_answers_are_those_of_placements_and_of_coverage(name):
    item, game = sg.catalog.entry(name), sg.catalog_game(name)
    assert item.strong_value == pytest.approx(by_coverage(game), abs=1e-9)
    assert float(sg.SecurityLP()(game).leader_value) == pytest.approx(item.strong_value, abs=1e-9)
    if len(game.targets) < 5:
        leader, follower = by_placements(game)
        assert item.strong_value == pytest.approx(float(leader), abs=1e-14)
        assert item.follower_value == pytest.approx(float(follower), abs=1e-14)


def test_stored_tariffs_are_those_of_the_closed_form_and_of_a_fine_grid():
    game = sg.catalog_game("single-product")
    prices = np.linspace(0.0, 20.0, 200_001)
    weights = np.exp(2.0 - prices)
    profit = weights / (1.0 + weights) * (prices - 0.5)
    stored = sg.catalog.entry("single-product").quantal_values[1.0]
    assert stored == pytest.approx(profit.max(), abs=1e-8)
    assert stored == pytest.approx(lambertw(np.exp(0.5)).real, abs=1e-14)
    for name in ("single-product", "day-tariff"):
        game, item = sg.catalog_game(name), sg.catalog.entry(name)
        solution = tariff_quantal(game, sg.QuantalResponse(1.0))
        assert solution.certificate.gap < 1e-12
        assert item.quantal_values[1.0] == pytest.approx(float(solution.leader_value), abs=1e-10)


def test_a_planted_wrong_answer_is_caught():
    game = sg.catalog_game("conitzer-sandholm")
    planted = sg.NormalFormGame(game.leader_payoff, game.follower_payoff[:, ::-1])
    assert float(strong_value(planted.leader_payoff, planted.follower_payoff)[0]) != pytest.approx(3.5, abs=1e-3)
    assert best_value(planted.leader_payoff[None], planted.follower_payoff[None], [1.0], 5.0) != pytest.approx(
        sg.catalog.entry("conitzer-sandholm").quantal_values[5.0], abs=1e-3
    )


def test_the_answer_key_holds_every_game_and_survives_json(tmp_path):
    sg.catalog.write_answer_key(tmp_path / "catalog.json")
    key = json.loads((tmp_path / "catalog.json").read_text())
    assert list(key["games"]) == list(sg.catalog.names())
    assert len(key["games"]) >= 40
    for name, stored in key["games"].items():
        assert stored["game"]["kind"] in GAMES
        assert stored["source"]
        assert sg.game_to_json(sg.game_from_json(stored["game"])) == stored["game"], name


def test_a_misspelt_name_gets_the_nearest_one():
    with pytest.raises(sg.InputError, match="Did you mean 'prisoners-dilemma'"):
        sg.catalog_game("prisoner-dilema")


@pytest.mark.parametrize(
    "generate",
    [
        lambda seed: sg.random_game(3, 4, seed=seed),
        lambda seed: sg.covariant_game(3, 4, -0.5, seed=seed),
        lambda seed: sg.zero_sum_game(3, 4, seed=seed),
        lambda seed: sg.coordination_game(3, seed=seed),
        lambda seed: sg.degenerate_game(3, 4, seed=seed),
    ],
)
def test_one_seed_gives_one_game_and_two_give_two(generate):
    assert sg.game_to_json(generate(7)) == sg.game_to_json(generate(7))
    assert sg.game_to_json(generate(7)) != sg.game_to_json(generate(8))


def test_payoffs_of_a_covariant_game_have_the_correlation_asked_for():
    """200 × 200 cells: the sample correlation is within 5 standard errors (0.019) but for 6e-7 of the seeds."""
    for rho in (-0.6, 0.0, 0.6):
        game = sg.covariant_game(200, 200, rho, seed=11)
        found = np.corrcoef(game.leader_payoff.ravel(), game.follower_payoff.ravel())[0, 1]
        assert abs(found - rho) < 0.025
    planted = sg.covariant_game(200, 200, 0.6, seed=11)  # the twin: a sign lost would be seen
    assert abs(np.corrcoef(planted.leader_payoff.ravel(), -planted.follower_payoff.ravel())[0, 1] - 0.6) > 1.0


def test_zero_sum_games_sum_to_zero_and_covariant_ones_reach_it():
    game = sg.zero_sum_game(5, 3, seed=2)
    assert np.array_equal(game.leader_payoff, -game.follower_payoff)
    extreme = sg.covariant_game(5, 3, -1.0, seed=2)
    assert np.array_equal(extreme.leader_payoff, -extreme.follower_payoff)


def test_the_page_of_the_catalog_is_current():
    docs = Path(__file__).parent.parent / "docs"
    specification = importlib.util.spec_from_file_location("catalog_table", docs / "catalog_table.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    assert (docs / "catalog.md").read_text(encoding="utf-8") == module.table(), "run: python docs/catalog_table.py"
    assert module.STORED_PROCESSES.read_text(encoding="utf-8") == module.processes(), (
        "run: python docs/catalog_table.py"
    )
