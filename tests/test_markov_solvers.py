"""Backward induction and gradient ascent on Markov games, against grids of policies and thousands of sampled ones."""

import numpy as np
import pytest
from scipy.optimize import linprog

import stackelberg as sg
from oracles.decision_process import paid_by_policies
from oracles.exact_equilibrium import strong_value, weak_value
from stackelberg.solvers.markov.bounds import upper_bound


H, S, A, B = 2, 2, 2, 2
HUMAN = sg.QuantalResponse(5.0)
AXIS = np.linspace(0.0, 1.0, 21)
GRID = np.stack(np.meshgrid(*[AXIS] * (H * S), indexing="ij"), axis=-1).reshape(-1, H, S)
GRID = np.stack([GRID, 1.0 - GRID], axis=-1)
LEADER_DISCOUNT = 0.9


def random_game(seed: int, follower_discount: float, horizon: int | None = H, **changes) -> sg.MarkovGame:
    rng = np.random.default_rng(seed)
    settings = {
        "leader_reward": rng.random((S, A, B)),
        "follower_reward": rng.random((S, A, B)),
        "transition": rng.dirichlet(np.full(S, 0.3), (S, A, B)),
        "initial": rng.dirichlet(np.ones(S)),
        "horizon": horizon,
        "leader_discount": LEADER_DISCOUNT,
        "follower_discount": follower_discount,
    }
    return sg.MarkovGame(**(settings | changes))


def paid(game: sg.MarkovGame, policies: np.ndarray, inverse_temperature: float = 5.0) -> np.ndarray:
    """Leader's values of policies, by the oracle; an endless game is cut where it no longer matters."""
    horizon = 300 if game.horizon is None else game.horizon
    staged = (
        np.broadcast_to(array, (horizon, *array.shape))
        for array in (game.leader_reward, game.follower_reward, game.transition)
    )
    if game.horizon is None:
        policies = np.repeat(policies[:, None], horizon, axis=1)
    return paid_by_policies(
        *staged, game.initial, policies, inverse_temperature, LEADER_DISCOUNT, game.follower_discount
    )


def sampled(num_policies: int, *shape: int) -> np.ndarray:
    """Random policies, even and extreme ones."""
    rng = np.random.default_rng(0)
    halves = [rng.dirichlet(np.full(A, density), (num_policies // 2, *shape)) for density in (1.0, 0.2)]
    return np.concatenate(halves)


@pytest.mark.parametrize("seed", range(4))
def test_backward_induction_is_the_best_on_a_grid_of_policies(seed):
    game = random_game(seed, follower_discount=0.0)
    solution = sg.BackwardInduction(HUMAN)(game)
    best = paid(game, GRID).max()
    assert solution.certificate.status == "optimal"
    assert best <= solution.certificate.lower + 2e-6
    assert solution.certificate.lower <= best + 0.01
    assert solution.certificate.lower <= solution.certificate.upper <= solution.certificate.lower + 1e-5


def test_the_grid_catches_a_plan_made_with_the_wrong_discount():
    game = random_game(0, follower_discount=0.0)
    careless = sg.BackwardInduction(HUMAN)(random_game(0, follower_discount=0.0, leader_discount=0.0))
    assert paid(game, careless.commitment[None])[0] < paid(game, GRID).max() - 1e-3


@pytest.mark.parametrize("announcement", ["strategy", "prescription"])
def test_no_sampled_policy_beats_backward_induction(announcement):
    cells = (4, S) if announcement == "strategy" else (4, S, B)
    policies = sampled(10_000, *cells)
    for seed in range(3):
        game = random_game(20 + seed, follower_discount=0.0, horizon=4)
        solution = sg.BackwardInduction(HUMAN, announcement)(game)
        assert solution.commitment.shape == (*cells, A)
        assert paid(game, policies).max() <= solution.certificate.lower + 1e-6
        assert paid(game, solution.commitment[None])[0] == pytest.approx(solution.certificate.lower, abs=1e-12)


@pytest.mark.parametrize("announcement", ["strategy", "prescription"])
def test_without_an_end_no_sampled_policy_beats_policy_iteration(announcement):
    game = random_game(30, follower_discount=0.0, horizon=None)
    solution = sg.BackwardInduction(HUMAN, announcement)(game)
    policies = sampled(1_000, *((S,) if announcement == "strategy" else (S, B)))
    assert solution.certificate.status == "optimal"
    assert paid(game, policies).max() <= solution.certificate.lower + 1e-5
    long = sg.BackwardInduction(HUMAN, announcement)(random_game(30, follower_discount=0.0, horizon=200))
    assert solution.certificate.lower == pytest.approx(long.certificate.lower, abs=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_ascent_reaches_the_best_on_a_grid_against_a_farsighted_follower(seed):
    game = random_game(40 + seed, follower_discount=0.9)
    solution = sg.GradientAscent(HUMAN, num_starts=16)(game)
    best = paid(game, GRID).max()
    assert best - 1e-6 <= solution.certificate.lower <= best + 0.01
    assert solution.certificate.lower <= solution.certificate.upper
    assert paid(game, solution.commitment[None])[0] == pytest.approx(solution.certificate.lower, abs=1e-12)


def test_planning_stage_by_stage_against_a_farsighted_follower_is_refused_and_would_lose():
    game = random_game(4, follower_discount=0.95)
    with pytest.raises(sg.InputError, match=r"follower\.discount.*farsighted.*GradientAscent"):
        sg.BackwardInduction(HUMAN)(game)
    as_if_myopic = sg.BackwardInduction(sg.QuantalResponse(5.0, discount=0.0))(game)
    climbed = sg.GradientAscent(HUMAN, num_starts=16)(game)
    assert paid(game, as_if_myopic.commitment[None])[0] < climbed.certificate.lower - 1e-4


@pytest.mark.parametrize("announcement", ["strategy", "prescription"])
def test_ascent_and_backward_induction_agree_against_a_myopic_follower(announcement):
    for seed in range(3):
        game = random_game(50 + seed, follower_discount=0.0)
        climbed = sg.GradientAscent(HUMAN, announcement, num_starts=16)(game).certificate
        induced = sg.BackwardInduction(HUMAN, announcement)(game).certificate
        assert induced.lower - 1e-4 <= climbed.lower <= induced.upper
        assert climbed.upper >= induced.lower


@pytest.mark.parametrize("horizon", [H, None])
@pytest.mark.parametrize("inverse_temperature", [0.5, 5.0, 50.0])
def test_no_sampled_policy_exceeds_the_upper_bound(inverse_temperature, horizon):
    follower = sg.QuantalResponse(inverse_temperature)
    stages = () if horizon is None else (horizon,)
    policies = [sampled(2_000 if horizon else 200, *stages, S), sampled(2_000 if horizon else 200, *stages, S, B)]
    for seed in range(3):
        game = random_game(60 + seed, follower_discount=0.9, horizon=horizon)
        bounds = [upper_bound(follower, game, announcement)[0] for announcement in ("strategy", "prescription")]
        for some, bound in zip(policies, bounds, strict=True):
            assert paid(game, some, inverse_temperature).max() <= bound
        controlled, _ = upper_bound(sg.BestResponse(), game, "strategy")
        assert bounds[0] <= bounds[1] <= controlled + 1e-9


def test_the_upper_bound_is_exact_against_uniform_play_and_for_myopic_prescriptions():
    game = random_game(70, follower_discount=0.9)
    value = np.zeros(S)
    for _ in range(H):  # the leader answers each action of a follower that plays all of them alike
        value = (game.leader_reward + LEADER_DISCOUNT * game.transition @ value).max(axis=1).mean(axis=1)
    bound, _ = upper_bound(sg.QuantalResponse(0.0), game, "prescription")
    assert bound == pytest.approx(game.initial @ value, abs=1e-9)
    myopic = sg.QuantalResponse(5.0, discount=0.0)
    solution = sg.BackwardInduction(myopic, "prescription")(game)
    assert upper_bound(myopic, game, "prescription")[0] == pytest.approx(solution.certificate.lower, abs=1e-9)


def test_the_same_configuration_gives_the_same_bits():
    game = random_game(40, follower_discount=0.9)
    solver = sg.GradientAscent(HUMAN, num_starts=16)
    one, other = solver(game), solver(game)
    assert np.array_equal(one.commitment, other.commitment)
    assert one.certificate == other.certificate


@pytest.mark.parametrize(("ties", "truth"), [("leader", strong_value), ("adversary", weak_value)])
def test_one_stage_against_a_best_response_is_the_equilibrium_of_each_state(ties, truth):
    game = random_game(85, follower_discount=0.0, horizon=1)
    certificate = sg.BackwardInduction(sg.BestResponse(ties))(game).certificate
    values = [truth(*payoffs) for payoffs in zip(game.leader_reward, game.follower_reward, strict=True)]
    exact = game.initial @ [float(value[0] if ties == "leader" else value) for value in values]
    assert certificate.upper == pytest.approx(exact, abs=1e-9)
    assert exact - 2e-6 <= certificate.lower <= exact + 1e-12


def test_strong_prescriptions_are_those_of_the_linear_programs():
    """For each action b: the best row that pays at least what every other action pays under the worst threat."""
    rng = np.random.default_rng(4)
    for integers in (False, True):
        for _ in range(10):
            leader, gain = rng.integers(0, 3, (2, 3, 4)) if integers else rng.random((2, 3, 4))
            best = -np.inf
            for b in range(4):
                due = np.delete(gain.min(axis=0), b).max()
                found = linprog(-leader[:, b], -gain[None, :, b], [-due], np.ones((1, 3)), [1.0])
                best = max(best, -found.fun) if found.status == 0 else best
            game = sg.MarkovGame(leader[None], gain[None], np.ones((1, 3, 4, 1)), [1.0], horizon=1)
            solution = sg.BackwardInduction(sg.BestResponse(), "prescription")(game)
            assert solution.certificate.lower == pytest.approx(best, abs=1e-9)
            assert solution.certificate.follower_regret <= 1e-12


def test_no_sampled_policy_beats_backward_induction_against_a_best_response():
    game = random_game(80, follower_discount=0.0, horizon=4)
    solution = sg.BackwardInduction(sg.BestResponse())(game)
    rational = paid(game, sampled(10_000, 4, S), inverse_temperature=1e6)
    assert rational.max() <= solution.certificate.lower + 1e-9
    assert solution.certificate.follower_regret <= 1e-12


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_scaled_rewards_of_the_leader_scale_its_value(scale):
    game = random_game(87, follower_discount=0.0)
    scaled = random_game(87, follower_discount=0.0, leader_reward=scale * game.leader_reward)
    for solver in (
        sg.BackwardInduction(HUMAN, "prescription"),
        sg.GradientAscent(HUMAN, "prescription", num_starts=16),
    ):
        one, other = solver(game).certificate, solver(scaled).certificate
        assert other.lower == pytest.approx(scale * one.lower, rel=1e-6)
        assert other.upper == pytest.approx(scale * one.upper, rel=1e-6)


def test_more_starts_than_fit_are_refused_with_their_size():
    with pytest.raises(sg.MemoryBudgetError, match=r"num_starts.*GB are allowed"):
        sg.GradientAscent(HUMAN, num_starts=10**8)(random_game(0, follower_discount=0.9))


def test_no_time_leaves_bounds_that_hold():
    game = random_game(90, follower_discount=0.0)
    hurried = sg.BackwardInduction(HUMAN, time_limit=0.0)(game).certificate
    patient = sg.BackwardInduction(HUMAN)(game).certificate
    assert hurried.lower - 1e-9 <= patient.lower <= hurried.upper + 1e-9


@pytest.mark.parametrize(
    ("follower", "announcement", "message"),
    [
        (sg.QuantalResponse(np.inf, discount=0.0), "strategy", r"inverse_temperature.*infinite"),
        (sg.BestResponse("uniform"), "strategy", r"BestResponse has no certified method"),
        (sg.BestResponse("adversary"), "prescription", r"BestResponse has no certified method"),
        (sg.Callback(lambda game, commitment: commitment), "strategy", r"Callback has no certified method"),
    ],
)
def test_followers_without_a_method_are_refused(follower, announcement, message):
    with pytest.raises(sg.InputError, match=message):
        sg.BackwardInduction(follower, announcement)(random_game(0, follower_discount=0.0))


def test_constants_added_to_the_rewards_change_neither_answers_nor_bounds():
    """Also of inverse temperatures at which no logit of the shifted game could be computed with."""
    game = random_game(92, follower_discount=0.0)
    shifted = random_game(92, follower_discount=0.0, follower_reward=game.follower_reward + 1e6)
    for inverse_temperature in (5.0, 1e6, 1e9):
        follower = sg.QuantalResponse(inverse_temperature)
        for announcement in ("strategy", "prescription"):
            solver = sg.BackwardInduction(follower, announcement)
            one, other = solver(game).certificate, solver(shifted).certificate
            assert one.status == other.status == "optimal"
            assert other.lower == pytest.approx(one.lower, abs=1e-7)
            assert other.upper == pytest.approx(one.upper, abs=1e-7)


def test_a_follower_that_hardly_errs_is_worth_what_a_rational_one_is():
    game = random_game(92, follower_discount=0.0)
    rational = float(sg.BackwardInduction(sg.BestResponse())(game).leader_value)
    quantal = sg.BackwardInduction(sg.QuantalResponse(1e9))(game).certificate
    assert quantal.lower == pytest.approx(rational, abs=1e-5)
    assert quantal.upper >= paid(game, GRID, 1e9).max() - 1e-9


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_a_constant_added_to_the_leaders_rewards_closes_no_gap(offset):
    game = random_game(40, follower_discount=0.9)
    game = random_game(40, follower_discount=0.9, leader_reward=game.leader_reward + offset)
    solution = sg.GradientAscent(HUMAN, num_starts=16)(game)
    assert solution.certificate.status == "bounded"
    assert solution.certificate.gap > 1e-4


@pytest.mark.parametrize(("horizon", "discount"), [(1, 0.9), (H, 0.0)])
def test_without_a_future_the_bound_of_the_ascent_is_that_of_backward_induction(horizon, discount):
    game = random_game(93, follower_discount=discount, horizon=horizon)
    climbed = sg.GradientAscent(HUMAN, num_starts=16)(game).certificate
    assert climbed.upper == sg.BackwardInduction(HUMAN)(game).certificate.upper
    assert climbed.gap <= 1e-3
    assert sg.QuantalStackelberg(HUMAN)(game).certificate.status == "optimal"
