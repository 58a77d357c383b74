"""Tariffs: the closed form, brute force, and the bound of the dual agree."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import lambertw, softmax

import stackelberg as sg
from stackelberg.games.domains.tariff import TariffGame, day_tariff
from stackelberg.solvers import tariff
from stackelberg.solvers.tariff import tariff_quantal


LOGIT = sg.QuantalResponse(1.0)


def closed_form(appeal, sensitivity, cost):
    """The common mark-up of a logit seller without limits: (1 + W(Σ exp(a - b c - 1))) / b."""
    return (
        1.0 + lambertw(np.sum(np.exp(np.asarray(appeal) - sensitivity * np.asarray(cost) - 1.0))).real
    ) / sensitivity


def profit(game, prices, heat):
    """Plain NumPy, batched over tariffs."""
    logits = heat * (np.asarray(game.appeal) - game.price_sensitivity * prices)
    shares = softmax(np.concatenate([logits, np.zeros((*logits.shape[:-1], 1))], -1), axis=-1)[..., :-1]
    return (shares * (prices - game.cost)).sum(-1) - game.capacity_cost * shares.max(-1)


def random_tariff(seed, periods, capacity):
    rng = np.random.default_rng(seed)
    return TariffGame(
        rng.uniform(0, 4, periods),
        rng.uniform(0.3, 2.0),
        rng.uniform(0, 2, periods),
        rng.uniform(0, 1),
        rng.uniform(3, 8),
        capacity_cost=capacity * rng.uniform(0.1, 3.0),
    )


def test_the_single_product_has_its_closed_form():
    solution = tariff_quantal(TariffGame([2.0], 1.0, 0.5, 0.0, 20.0), LOGIT)
    assert solution.commitment[0] == pytest.approx(2.26625, abs=5e-6)
    assert solution.commitment[0] == pytest.approx(0.5 + closed_form([2.0], 1.0, [0.5]), abs=1e-12)
    assert solution.certificate.gap <= 1e-12


@pytest.mark.parametrize("seed", range(5))
def test_without_limits_every_period_has_the_same_markup(seed):
    rng = np.random.default_rng(seed)
    appeal, cost, sensitivity = rng.uniform(0, 4, 8), rng.uniform(0, 2, 8), rng.uniform(0.3, 2)
    solution = tariff_quantal(TariffGame(appeal, sensitivity, cost, -50.0, 50.0), LOGIT)
    assert solution.commitment - cost == pytest.approx(np.full(8, closed_form(appeal, sensitivity, cost)), abs=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_no_tariff_of_a_grid_or_a_local_search_beats_the_plan(seed):
    game, heat = random_tariff(seed, 3, capacity=seed % 2), [0.2, 1.0, 6.0][seed % 3]
    solution = tariff_quantal(game, sg.QuantalResponse(heat))
    axis = np.linspace(game.low, game.high, 61)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    values = profit(game, grid, heat)
    assert values.max() <= solution.certificate.upper + 1e-12
    start = grid[np.argmax(values)]
    found = minimize(
        lambda p: -profit(game, p, heat), start, method="Nelder-Mead", bounds=[(game.low, game.high)] * 3,
        options={"xatol": 1e-9, "fatol": 1e-13, "maxiter": 4000},
    )  # fmt: skip
    assert float(solution.leader_value) >= -found.fun - 1e-9
    assert float(solution.leader_value) == pytest.approx(profit(game, solution.commitment, heat), abs=1e-12)
    assert solution.certificate.gap <= 1e-9


def test_the_bounds_close_on_long_days_and_at_every_inverse_temperature():
    for periods, heat in [(24, 0.0), (24, 0.1), (96, 1.0), (24, 1e5)]:
        solution = tariff_quantal(day_tariff(periods, seed=periods), sg.QuantalResponse(heat))
        assert solution.certificate.status == "optimal"
        assert solution.certificate.gap <= 1e-9, (periods, heat)


def test_a_capacity_cost_never_raises_the_busiest_period():
    """And the planted twin, a game whose capacity is free, has a busier peak."""
    game = day_tariff(12, seed=4)
    free = TariffGame(game.appeal, game.price_sensitivity, game.cost, game.low, game.high)
    paid, planted = tariff_quantal(game, LOGIT), tariff_quantal(free, LOGIT)
    assert paid.response[:-1].max() < planted.response[:-1].max() - 1e-3
    assert float(paid.leader_value) < float(planted.leader_value)
    assert profit(game, planted.commitment, 1.0) < float(paid.leader_value)


def test_the_seller_pays_for_its_busiest_period():
    game = TariffGame([1.0, 1.0], 1.0, [0.0, 0.5], 0.0, 5.0, capacity_cost=2.0, periods=["day", "night"])
    response = LOGIT(game, [1.0, 1.0])
    assert response == pytest.approx([1 / 3, 1 / 3, 1 / 3])
    assert float(game.leader_value(np.ones(2), response)) == pytest.approx((1.0 + 0.5) / 3 - 2.0 / 3)
    assert sg.evaluate(game, [1.0, 1.0], response).follower_value == pytest.approx(0.0, abs=1e-15)
    assert game.follower_actions == ("day", "night", "none")


def test_households_of_infinite_precision_are_refused():
    with pytest.raises(sg.InputError, match=r"follower: it is of infinite.*a large number"):
        tariff_quantal(day_tariff(3), sg.QuantalResponse(np.inf))
    with pytest.raises(sg.InputError, match="it is BestResponse"):
        tariff_quantal(day_tariff(3), sg.BestResponse())


def test_the_facade_plans_tariffs_too():
    game = day_tariff(4)
    plan = sg.QuantalStackelberg(LOGIT)(game)
    assert np.array_equal(plan.commitment, tariff_quantal(game, LOGIT).commitment)


def test_the_record_of_demand_says_what_both_tariffs_earn():
    game = day_tariff(6, seed=0)
    plan = tariff_quantal(game, LOGIT)
    record = sg.demand(game, 30.0, plan.commitment, LOGIT)
    assert record.kind == "demand"
    assert record["after"] == pytest.approx(plan.response[:-1])
    assert record["price_before"] == pytest.approx(np.full(6, 30.0))
    assert record.attributes["profit_after"] == pytest.approx(float(plan.leader_value))
    assert record.attributes["profit_before"] < record.attributes["profit_after"]


def test_tariffs_survive_every_file_format(tmp_path):
    game = day_tariff(5, seed=3)
    for suffix in (".json", ".npz"):
        sg.write_game(game, tmp_path / f"tariff{suffix}")
        assert sg.game_to_json(sg.read_game(tmp_path / f"tariff{suffix}")) == sg.game_to_json(game)
    with pytest.raises(sg.FileError, match=r"cannot be written as \.nfg"):
        sg.write_game(game, tmp_path / "tariff.nfg")


def test_the_status_of_a_tariff_does_not_depend_on_the_currency(monkeypatch):
    """Planted: a bound that is a third of the price range too high. In units of 1e-9 it is as far away as ever."""
    true_bound = tariff._bound
    monkeypatch.setattr(tariff, "_bound", lambda game, *rest: true_bound(game, *rest) + 0.3 * (game.high - game.low))
    for unit in (1e-9, 1.0, 1e9):
        game = TariffGame([2.0, 1.0], 1.0 / unit, [0.5 * unit, unit], 0.0, 5.0 * unit, capacity_cost=0.5 * unit)
        assert tariff_quantal(game, LOGIT).certificate.status == "bounded", unit


def test_ties_between_periods_are_relative_to_what_is_at_stake():
    """Prices that leave two periods equal up to rounding, in a small currency unit and a large one."""
    for unit in (1e-6, 1.0, 1e6):
        game = TariffGame([0.0, 0.3 * unit], 1.0, [0.0, 0.0], -unit, unit)
        response = sg.BestResponse("uniform")(game, [-0.1 * unit, 0.2 * unit])
        assert response == pytest.approx([0.5, 0.5, 0.0])
    assert float(game.induce(np.zeros(2)).payoff_range) == pytest.approx(2.3e6)
