"""Tabular Markov games: evaluation, best and quantal responses, against recursions, linear systems and enumeration."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stackelberg as sg
from oracles.decision_process import pure_responses, simulated_returns, soft_recursion, unrolled_value
from stackelberg.calculus import backward_induction, stationary
from stackelberg.calculus.soft_backward import Dynamics, leader_values


H, S, A, B = 3, 2, 3, 2
FAMILIES = [
    sg.BestResponse(),
    sg.BestResponse("uniform"),
    sg.QuantalResponse(2.0),
    sg.QuantalResponse(2.0, discount=0.0),
]


def random_game(seed: int, stages: bool = True, integers: bool = False, **settings) -> sg.MarkovGame:
    """A random game; rewards and transitions change over stages, or there is no end."""
    rng = np.random.default_rng(seed)
    sizes = (H, S, A, B) if stages else (S, A, B)
    draw = (lambda: rng.integers(0, 2, sizes)) if integers else (lambda: rng.uniform(-1.0, 1.0, sizes))
    laws = np.eye(S)[rng.integers(0, S, sizes)] if integers else rng.dirichlet(np.ones(S), sizes)
    settings = {"leader_discount": 0.9, "follower_discount": 0.8} | settings
    return sg.MarkovGame(draw(), draw(), laws, rng.dirichlet(np.ones(S)), **settings)


def random_policy(seed: int, stages: bool = True, prescription: bool = False) -> np.ndarray:
    rng = np.random.default_rng(1_000 + seed)
    return rng.dirichlet(np.ones(A), ((H,) if stages else ()) + (S,) + ((B,) if prescription else ()))


@pytest.mark.parametrize("prescription", [False, True])
@pytest.mark.parametrize("follower", FAMILIES, ids=repr)
def test_one_stage_and_one_state_are_a_normal_form(follower, prescription):
    rng = np.random.default_rng(0)
    leader, gain = rng.normal(size=(2, A, B))
    normal = sg.NormalFormGame(leader, gain)
    markov = sg.MarkovGame(leader[None], gain[None], np.ones((1, A, B, 1)), [1.0], horizon=1)
    commitment = rng.dirichlet(np.ones(A), (B,) if prescription else ())
    one, other = follower(markov, commitment[None, None]), follower(normal, commitment)
    assert np.allclose(one[0, 0], other, rtol=0, atol=1e-15)
    outcomes = sg.evaluate(markov, commitment[None, None], one), sg.evaluate(normal, commitment, other)
    for seat in ("leader_value", "follower_value", "follower_regret"):
        assert float(getattr(outcomes[0], seat)) == pytest.approx(float(getattr(outcomes[1], seat)), abs=1e-14)


@pytest.mark.parametrize("prescription", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_values_are_those_of_the_unrolled_linear_system(seed, prescription):
    game, policy = random_game(seed), random_policy(seed, prescription=prescription)
    response = sg.QuantalResponse(1.5)(game, policy)
    letters = "hsba" if prescription else "hsa"
    law = np.einsum(f"{letters},hsabt->hsbt", policy, game.transition)
    outcome = sg.evaluate(game, policy, response)
    for reward, discount, value in (
        (game.leader_reward, 0.9, outcome.leader_value),
        (game.follower_reward, 0.8, outcome.follower_value),
    ):
        averaged = np.einsum(f"{letters},hsab->hsb", policy, reward)
        assert float(value) == pytest.approx(unrolled_value(averaged, law, response, discount, game.initial), abs=1e-13)
        shifted = np.roll(averaged, 1, axis=0)  # planted: rewards one stage off
        assert abs(float(value) - unrolled_value(shifted, law, response, discount, game.initial)) > 1e-3


def test_values_without_an_end_solve_the_bellman_equation():
    game, policy = random_game(0, stages=False), random_policy(0, stages=False)
    problem = game.induce(policy)
    response = np.random.default_rng(5).dirichlet(np.ones(B), S)
    reward = np.sum(response * problem.follower_reward, axis=1)
    law = np.einsum("sb,sbt->st", response, problem.transition)
    value = np.zeros(S)
    for _ in range(200):  # 0.8^200 < 1e-19
        value = reward + 0.8 * law @ value
    assert float(problem.value(response)) == pytest.approx(float(game.initial @ value), abs=1e-13)


def deviation(value: float, returns: np.ndarray) -> float:
    """Standard errors between a value and the mean of simulated returns."""
    return abs(returns.mean() - value) / (returns.std(ddof=1) / np.sqrt(len(returns)))


def test_values_are_the_means_of_simulated_returns():
    """False alarm: a normal deviation above 5 standard errors has probability 6e-7 (two values, fixed seed)."""
    game, policy = random_game(4), random_policy(4)
    response = sg.QuantalResponse(1.0)(game, policy)
    outcome, rng = sg.evaluate(game, policy, response), np.random.default_rng(6)
    world = (game.transition, policy, response)
    paid = simulated_returns(game.leader_reward, *world, 0.9, game.initial, 200_000, rng)
    gained = simulated_returns(game.follower_reward, *world, 0.8, game.initial, 200_000, rng)
    assert deviation(float(outcome.leader_value), paid) < 5.0
    assert deviation(float(outcome.follower_value), gained) < 5.0
    swapped = sg.evaluate(random_game(4, leader_discount=0.8), policy, response)  # planted: the other player's discount
    assert deviation(float(swapped.leader_value), paid) > 5.0


@pytest.mark.parametrize("inverse_temperature", [0.3, 2.0, 15.0])
@pytest.mark.parametrize("discount", [0.0, 0.8, 1.0])
def test_log_response_is_inverse_temperature_times_advantage(inverse_temperature, discount):
    game, policy = random_game(1), random_policy(1)
    problem = game.induce(policy)
    response = sg.QuantalResponse(inverse_temperature, discount=discount)(game, policy)
    process = (problem.follower_reward, problem.transition, inverse_temperature, discount)
    expected, action_values, values = soft_recursion(*process)
    assert np.allclose(response, expected, rtol=0, atol=1e-14)
    assert np.allclose(np.log(response), inverse_temperature * (action_values - values[..., None]), rtol=0, atol=1e-12)
    without_entropy, _, _ = soft_recursion(*process, entropy=False)
    assert discount == 0.0 or np.max(np.abs(response - without_entropy)) > 1e-4


def test_soft_values_are_the_full_ones_less_the_entropy_of_uniform_play():
    game, policy = random_game(2), random_policy(2)
    problem = game.induce(policy)
    _, _, full = soft_recursion(problem.follower_reward, problem.transition, 2.0, 0.8)
    with jax.enable_x64(True):
        _, values = backward_induction.soft_values(problem.follower_reward, problem.transition, 2.0, 0.8)
    shift = np.cumsum(0.8 ** np.arange(H))[::-1] * np.log(B) / 2.0
    assert np.allclose(np.asarray(values) + shift[:, None], full, rtol=0, atol=1e-13)


@pytest.mark.parametrize("planted", [False, True], ids=["true", "planted"])
def test_potential_shaping_leaves_the_quantal_response_alone(planted):
    """Rewards r + c_h(s) - γ P c_{h+1} change no response; with another discount in the shaping they do."""
    game, policy = random_game(3), random_policy(3)
    potential = np.random.default_rng(9).normal(size=(H + 1, S))
    potential[-1] = 0.0
    discount = 0.5 if planted else game.follower_discount
    onwards = np.einsum("hsabt,ht->hsab", game.transition, potential[1:])
    reward = game.follower_reward + potential[:-1, :, None, None] - discount * onwards
    shaped = sg.MarkovGame(
        game.leader_reward, reward, game.transition, game.initial, leader_discount=0.9, follower_discount=0.8
    )
    follower = sg.QuantalResponse(3.0)
    difference = np.max(np.abs(follower(game, policy) - follower(shaped, policy)))
    assert difference > 1e-3 if planted else difference < 1e-13


@pytest.mark.parametrize("stages", [True, False])
def test_a_myopic_follower_plays_softmax_of_the_stage(stages):
    game, policy = random_game(5, stages), random_policy(5, stages)
    response = sg.QuantalResponse(2.5, discount=0.0)(game, policy)
    weights = np.exp(2.5 * np.asarray(game.induce(policy).follower_reward))
    assert np.allclose(response, weights / weights.sum(axis=-1, keepdims=True), rtol=0, atol=1e-15)
    own = random_game(5, stages, follower_discount=0.0)
    assert np.array_equal(response, sg.QuantalResponse(2.5)(own, policy))


@pytest.mark.parametrize("stages", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_best_responses_are_the_best_of_all_pure_ones_with_ties_as_said(seed, stages):
    """Rewards in {0, 1}, deterministic moves and pure policies make ties everywhere; they are exact in float64."""
    game = random_game(seed, stages, integers=True, leader_discount=0.5, follower_discount=0.5)
    policy = np.eye(A)[np.random.default_rng(seed).integers(0, A, (H, S) if stages else S)]
    problem = game.induce(policy)
    pure = pure_responses(*problem.follower_reward.shape)
    with jax.enable_x64(True):
        gained, paid = (
            np.asarray(jax.vmap(value)(jnp.asarray(pure))) for value in (problem.value, problem.leader_value)
        )
    tied = gained >= gained.max() - 1e-12
    for ties, extreme in (("leader", paid[tied].max()), ("adversary", paid[tied].min())):
        response = sg.BestResponse(ties)(game, policy)
        assert float(problem.value(response)) == pytest.approx(gained.max(), abs=1e-12)
        assert float(problem.leader_value(response)) == pytest.approx(extreme, abs=1e-12)
    even = sg.BestResponse("uniform")(game, policy)
    assert float(problem.value(even)) == pytest.approx(gained.max(), abs=1e-12)
    assert paid[tied].min() - 1e-12 <= float(problem.leader_value(even)) <= paid[tied].max() + 1e-12


@pytest.mark.parametrize("stages", [True, False])
def test_quantal_responses_tend_to_the_best_and_to_the_uniform_one(stages):
    game, policy = random_game(6, stages), random_policy(6, stages)
    best = sg.BestResponse()(game, policy)
    for inverse_temperature in (1e4, 1e12, 1e308, np.inf):
        assert np.allclose(sg.QuantalResponse(inverse_temperature)(game, policy), best, rtol=0, atol=1e-10)
    for inverse_temperature in (0.0, 1e-308, 1e-300, 1e-13):
        assert np.allclose(sg.QuantalResponse(inverse_temperature)(game, policy), 1.0 / B, rtol=0, atol=1e-12)


def test_soft_values_without_an_end_are_the_fixed_point():
    """The Bellman residual bounds the error: by contraction it is at most residual / (1 - γ)."""
    game, policy = random_game(7, stages=False, follower_discount=0.99), random_policy(7, stages=False)
    problem = game.induce(policy)
    with jax.enable_x64(True):
        response, values = stationary.soft_values(problem.follower_reward, problem.transition, 4.0, 0.99)
    repeated = [np.tile(array, (4_000, 1, 1)) for array in (problem.follower_reward,)]
    laws = np.tile(problem.transition, (4_000, 1, 1, 1))
    with jax.enable_x64(True):  # 0.99^4000 < 4e-18
        staged, swept = backward_induction.soft_values(repeated[0], laws, 4.0, 0.99)
    assert np.allclose(np.asarray(values), np.asarray(swept)[0], rtol=0, atol=1e-11)
    assert np.allclose(np.asarray(response), np.asarray(staged)[0], rtol=0, atol=1e-12)


def central_difference(function, at: np.ndarray, direction: np.ndarray, step: float = 1e-5) -> float:
    return (float(function(at + step * direction)) - float(function(at - step * direction))) / (2.0 * step)


@pytest.mark.parametrize(("stages", "prescription"), [(True, True), (False, False)])
def test_derivatives_in_the_policy_are_those_of_differences(stages, prescription):
    game, policy = random_game(8, stages), random_policy(8, stages, prescription)
    follower = sg.QuantalResponse(3.0)

    def paid(policy):
        return game.leader_value(policy, follower(game, policy))

    with jax.enable_x64(True):
        slope = np.asarray(jax.jit(jax.grad(paid))(jnp.asarray(policy)))
    direction = np.random.default_rng(3).normal(size=policy.shape)
    direction -= direction.mean(axis=-1, keepdims=True)
    assert np.sum(slope * direction) == pytest.approx(central_difference(paid, policy, direction), rel=1e-6)


@pytest.mark.parametrize(("changing", "prescription"), [(False, False), (True, True)])
def test_the_fast_pass_and_its_derivative_are_those_of_the_seam(changing, prescription):
    game, policy = random_game(9), random_policy(9, prescription=prescription)
    laws = game.transition if changing else game.transition[0]
    game = sg.MarkovGame(
        game.leader_reward, game.follower_reward, laws, game.initial, leader_discount=0.9, follower_discount=0.8
    )
    follower = sg.QuantalResponse(3.0)
    dynamics = Dynamics(game.leader_reward, game.follower_reward, laws, *map(np.float64, (3.0, 0.9, 0.8)))
    with jax.enable_x64(True):
        fast = jax.value_and_grad(lambda policy: game.initial @ leader_values(policy, dynamics))
        slow = jax.value_and_grad(lambda policy: game.leader_value(policy, follower(game, policy)))
        (value, slope), (expected, expected_slope) = (jax.jit(each)(jnp.asarray(policy)) for each in (fast, slow))
    assert float(value) == pytest.approx(float(expected), abs=1e-14)
    assert np.allclose(slope, expected_slope, rtol=0, atol=1e-13)


def test_stages_that_pay_nothing_change_nothing():
    game, policy = random_game(10), random_policy(10)
    nothing = np.zeros((1, S, A, B))
    laws = np.concatenate([game.transition, game.transition[:1]])
    longer = sg.MarkovGame(
        np.concatenate([game.leader_reward, nothing]),
        np.concatenate([game.follower_reward, nothing]),
        laws,
        game.initial,
        leader_discount=0.9,
        follower_discount=0.8,
    )
    extended = np.concatenate([policy, policy[:1]])
    for follower in FAMILIES:
        short, long = follower(game, policy), follower(longer, extended)
        assert np.allclose(short, long[:H], rtol=0, atol=1e-14)
        for value in ("leader_value", "follower_value", "follower_regret"):
            one, other = sg.evaluate(game, policy, short), sg.evaluate(longer, extended, long)
            assert float(getattr(one, value)) == pytest.approx(float(getattr(other, value)), abs=1e-14)


@pytest.mark.parametrize("follower", FAMILIES, ids=repr)
def test_a_long_game_tends_to_the_endless_one(follower):
    endless, policy = random_game(11, stages=False), random_policy(11, stages=False)
    long = sg.MarkovGame(
        endless.leader_reward, endless.follower_reward, endless.transition, endless.initial,
        horizon=400, leader_discount=0.9, follower_discount=0.8,
    )  # fmt: skip
    one, other = follower(endless, policy), follower(long, policy)
    assert np.allclose(one, other[0], rtol=0, atol=1e-12)
    assert float(endless.leader_value(policy, one)) == pytest.approx(float(long.leader_value(policy, other)), abs=1e-12)


def test_states_never_reached_and_states_never_left_are_exact():
    """State 0 leads to state 1, which is never left; state 2 is never reached and pays absurdly."""
    laws = np.zeros((3, 1, 2, 3))
    laws[0, :, :, 1] = laws[1, :, :, 1] = laws[2, :, :, 0] = 1.0
    reward = np.array([[[1.0, 2.0]], [[3.0, 3.0]], [[1e9, -1e9]]])
    finite = sg.MarkovGame(reward, reward, laws, [1, 0, 0], horizon=4, leader_discount=1.0, follower_discount=0.5)
    endless = sg.MarkovGame(reward, reward, laws, [1, 0, 0], leader_discount=0.5)
    for game, leader, follower in ((finite, 11.0, 2 + 3 * (0.5 + 0.25 + 0.125)), (endless, 5.0, 5.0)):
        commitment = game.uniform_commitment()
        outcome = sg.evaluate(game, commitment, sg.BestResponse()(game, commitment))
        assert (float(outcome.leader_value), float(outcome.follower_value)) == (leader, follower)
        assert float(outcome.follower_regret) == 0.0


def test_a_single_action_leaves_no_choice():
    rng = np.random.default_rng(0)
    game = sg.MarkovGame(
        rng.random((S, 1, 1)), rng.random((S, 1, 1)), rng.dirichlet(np.ones(S), (S, 1, 1)), [1, 0], horizon=2
    )
    for follower in FAMILIES:
        assert np.array_equal(follower(game, game.uniform_commitment()), np.ones((2, S, 1)))


GOOD = {
    "leader_reward": np.zeros((S, A, B)),
    "follower_reward": np.zeros((S, A, B)),
    "transition": np.full((S, A, B, S), 1.0 / S),
    "initial": [1.0, 0.0],
    "horizon": H,
}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"leader_reward": np.full((S, A, B), np.nan)}, r"leader_reward\[0,0,0\]: nan"),
        ({"follower_reward": np.zeros((S, B, A))}, r"follower_reward.*\(2, 2, 3\).*\(2, 3, 2\)"),
        ({"follower_reward": np.zeros((H + 1, S, A, B))}, r"follower_reward.*\(4, 2, 3, 2\).*\(3, 2, 3, 2\)"),
        ({"transition": np.full((S, A, B, S), 0.4)}, r"E-INPUT-005 transition\[0,0,0\].*0\.8"),
        ({"transition": np.ones((S, A, B))}, r"transition.*\(2, 3, 2\)"),
        ({"initial": [0.5, 0.4]}, r"initial.*0\.9"),
        ({"horizon": 0}, r"horizon: 0 is out of range"),
        ({"horizon": 2.5}, r"horizon: 2\.5 is of type float"),
        ({"horizon": None}, r"leader_discount: it is 1 in a game without a horizon"),
        ({"leader_discount": 1.5}, r"leader_discount: 1\.5 is out of range"),
        ({"follower_discount": np.nan}, r"follower_discount: nan is not finite"),
        ({"leader_reward": [[[1, 2], [3]]]}, r"leader_reward"),
        ({"states": ["one"]}, r"states.*1 names"),
    ],
)
def test_bad_games_are_refused_by_field(changed, message):
    with pytest.raises(sg.InputError, match=message):
        sg.MarkovGame(**(GOOD | changed))


@pytest.mark.parametrize(
    ("commitment", "message"),
    [
        (np.full((H, S, A), 0.5), r"commitment\[0,0\].*1\.5"),
        (np.full((S, H, A), 1 / A), r"commitment.*\(2, 3, 3\).*\(3, 2, 3\)"),
        (np.full((H, S, A, B), 1 / B), r"commitment.*\(3, 2, 3, 2\).*\(3, 2, 2, 3\)"),
        (np.full((S, A + 1), 0.25), r"commitment.*\(2, 4\).*\(2, 3\)"),
        ([[1, 0, 0], [1, 0]], r"commitment"),
    ],
)
def test_bad_commitments_are_refused(commitment, message):
    with pytest.raises(sg.InputError, match=message):
        sg.BestResponse()(sg.MarkovGame(**GOOD), commitment)


def test_a_policy_may_leave_out_what_does_not_change():
    game, policy = random_game(12), random_policy(12)[0]
    follower = sg.QuantalResponse(2.0)
    spelt_out = np.tile(policy, (H, 1, 1))
    prescription = np.tile(policy[None, :, None, :], (H, 1, B, 1))
    for commitment in (spelt_out, prescription):
        assert np.allclose(follower(game, policy), follower(game, commitment), rtol=0, atol=1e-15)
        value = game.leader_value(commitment, follower(game, commitment))
        assert float(value) == pytest.approx(float(game.leader_value(policy, follower(game, policy))), abs=1e-14)
