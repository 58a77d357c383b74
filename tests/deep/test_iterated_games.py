"""Iterated matrix games: exact values against play by hand, the published tables by brute force, mixed commitments."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import stackelberg as sg
from stackelberg._learner import advance, start
from stackelberg._loop.stacking import stack

from .iterated_brute_force import all_leaders, played


TABLE = {
    # name: value, optimal leaders with ties for and against the leader, mean over leaders, worst, time-aware follower
    "prisoners_dilemma": (31, 1, 1, 16.19, 10, 29),
    "stag_hunt": (40, 8, 8, 31.00, 10, 40),
    "assurance": (40, 8, 8, 35.50, 30, 40),
    "coordination": (40, 8, 8, 35.44, 30, 40),
    "mixedharmony": (40, 8, 8, 28.75, 10, 40),
    "harmony": (40, 8, 8, 31.06, 20, 40),
    "noconflict": (40, 8, 8, 34.09, 19, 40),
    "deadlock": (30, 6, 6, 18.94, 10, 30),
    "prisoners_delight": (30, 6, 6, 24.50, 20, 30),
    "hero": (40, 6, 4, 34.31, 29, 40),
    "battle": (40, 6, 6, 34.25, 28, 40),
    "chicken": (40, 4, 4, 26.50, 15, 40),
    "hidden_queries": (40, 2, 2, 19.81, 10, 38),
}


def values_of_leaders(game, ties):
    """As the package finds them."""
    with jax.enable_x64(True):
        policies = jnp.asarray(game.policies(0))
        answer = lambda commitment: game.leader_value(commitment, game.induce(commitment).best_response(ties))
        return np.asarray(jax.jit(jax.vmap(answer))(policies))


@pytest.mark.parametrize("name", TABLE)
def test_values_of_all_leaders_are_those_of_play_by_hand(name):
    game = sg.iterated_matrix_game(name)
    best, favourable, adverse, mean, worst, aware = TABLE[name]
    for ties, count in (("leader", favourable), ("adversary", adverse)):
        by_hand = np.array(all_leaders(game.leader_payoff, game.follower_payoff, 10, ties=ties))
        np.testing.assert_array_equal(values_of_leaders(game, ties), by_hand)
        assert by_hand.max() == best
        assert np.sum(by_hand == best) == count
        if ties == "leader":
            assert round(float(by_hand.mean()), 2) == mean
            assert by_hand.min() == worst
    markov = game.as_markov()
    assert max(markov.leader_value(one, markov.induce(one).best_response()) for one in game.policies(0)) == aware
    solution = sg.solve(game)
    assert float(solution.leader_value) == best
    assert solution.statistics["optimal"] == favourable


@pytest.mark.parametrize("name", ["prisoners_dilemma", "hidden_queries", "chicken"])
def test_short_games_in_which_players_remember_the_opponent_alone(name):
    game = sg.iterated_matrix_game(name, 5, sight="opponent")
    by_hand = all_leaders(game.leader_payoff, game.follower_payoff, 5, "opponent")
    np.testing.assert_array_equal(values_of_leaders(game, "leader"), by_hand)
    assert max(by_hand) == {"prisoners_dilemma": 16, "hidden_queries": 20, "chicken": 20}[name]


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("sight", ["both", "opponent"])
def test_rounds_played_one_by_one_add_up_to_the_exact_value(depth, sight):
    generator = np.random.default_rng(depth)
    payoffs = generator.integers(0, 9, (2, 2, 3)).astype(float)
    game = sg.IteratedMatrixGame(payoffs[0], payoffs[1], 6, depth, sight)
    rows, columns = (space.size for space in game.observation_spaces)
    assert (rows, columns) == {
        ("both", 0): (1, 1),
        ("both", 1): (7, 7),
        ("both", 2): (43, 43),
        ("opponent", 0): (1, 1),
        ("opponent", 1): (4, 3),
        ("opponent", 2): (13, 7),
    }[sight, depth]
    leader, follower = jnp.asarray(generator.integers(0, 2, rows)), jnp.asarray(generator.integers(0, 3, columns))
    state, seen = game.reset(jr.key(0))
    total = np.zeros(2)
    for number in range(6):
        made = game.step(state, (leader[seen[0]], follower[seen[1]]), jr.key(0))
        state, seen, total = made.state, made.observations, total + np.asarray(made.rewards)
        assert bool(made.is_over) == (number == 5)
    exact = game.values(jnp.eye(2)[leader], jnp.eye(3)[follower])
    np.testing.assert_allclose(exact, total, rtol=1e-6)


def test_what_random_policies_earn_on_average_is_the_exact_value():
    """The mean of 20,000 games lies within 5 standard errors: false alarm 6e-7. Players who forget fail it."""
    game = sg.iterated_matrix_game("chicken", is_mixed=True)
    generator = np.random.default_rng(3)
    leader, follower = (jnp.asarray(generator.dirichlet((1.0, 1.0), 5), jnp.float32) for _ in range(2))

    def one(key):
        def step(carry, key):
            state, seen = carry
            of_follower, of_game = jr.split(key)
            b = jr.categorical(of_follower, jnp.log(follower[seen[1]]))
            made = game.step(state, (leader[seen[0]], b), of_game)
            return (made.state, made.observations), made.rewards

        return jnp.sum(jax.lax.scan(step, game.reset(key), jr.split(key, 10))[1], axis=0)

    paid = np.asarray(jax.jit(jax.vmap(one))(jr.split(jr.key(1), 20_000)))
    error = paid.std(axis=0) / np.sqrt(len(paid))
    assert np.all(np.abs(paid.mean(axis=0) - game.values(leader, follower)) < 5 * error)
    forgetful = jnp.broadcast_to(leader[:1], leader.shape)
    assert np.any(np.abs(paid.mean(axis=0) - game.values(forgetful, follower)) > 5 * error)


def test_a_mixed_commitment_in_the_dilemma_is_worth_35_to_rounding():
    """Search found it; here it is checked by going through all 32 policies of the follower, and by its neighbours."""
    game = sg.iterated_matrix_game("prisoners_dilemma")
    best = 0.0
    with jax.enable_x64(True):
        value = jax.jit(lambda one: game.leader_value(one, game.induce(one).best_response("leader", 1e-9)))
        generator = np.random.default_rng(0)
        rates = np.array([1.0, 0.25, 0.6, 0.9, 1.0])
        for spread in np.geomspace(0.3, 1e-7, 4_000):
            tried = np.clip(rates + spread * generator.standard_normal(5), 0.0, 1.0)
            found = float(value(np.stack([1.0 - tried, tried], axis=-1)))
            if found > best:
                best, rates = found, tried
    assert 34.5 < best <= 35.0 + 1e-6


def test_a_game_says_what_is_wrong_with_it():
    with pytest.raises(sg.InputError, match="prisoners_dilemma"):
        sg.iterated_matrix_game("prisoner_dilemma")
    with pytest.raises(sg.InputError, match=r"follower_payoff.*2"):
        sg.IteratedMatrixGame([[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0, 3.0]])
    with pytest.raises(sg.InputError, match="as_markov"):
        sg.iterated_matrix_game("chicken", depth=2).policies(1)
    game = sg.iterated_matrix_game("chicken")
    with pytest.raises(sg.InputError, match="adversary"):
        game.induce(game.uniform_commitment()).best_response("uniform")
    with pytest.raises(sg.InputError, match="as_markov"):
        game.induce(game.uniform_commitment()).quantal_response(1.0)
    with pytest.raises(sg.InputError, match="commitment"):
        sg.evaluate(game, np.ones((5, 2)), np.full((5, 2), 0.5))


def test_a_play_by_hand_that_confuses_the_two_players_is_noticed():
    game = sg.iterated_matrix_game("prisoners_dilemma")
    leader, follower = (1, 0, 0, 1, 1), (0, 0, 1, 0, 1)
    right = played(game.leader_payoff, game.follower_payoff, leader, follower, 10)
    wrong = played(game.leader_payoff, game.follower_payoff, follower, leader, 10)
    exact = np.asarray(game.values(jnp.eye(2)[np.array(leader)], jnp.eye(2)[np.array(follower)]))
    assert tuple(exact) == right != wrong


@pytest.mark.parametrize(
    ("name", "pure", "mixed"),
    [("escape", 30.0, 30.0), ("maintain", 20.0, 27.5), ("commit_to_mixture", 2.0, 2.5), ("commit_or_not", 1.0, 1.0)],
)
def test_one_shot_games_pure_by_enumeration_and_mixed_by_linear_programs(name, pure, mixed):
    game = sg.matrix_game(name)
    assert sg.solve(game).certificate.lower == pytest.approx(pure, abs=1e-9)
    normal = sg.NormalFormGame(game.leader_payoff, game.follower_payoff)
    assert sg.solve(normal).certificate.lower == pytest.approx(mixed, abs=1e-9)
    best = [own.max() == own for own in game.follower_payoff]
    by_hand = max(row[ties].max() for row, ties in zip(game.leader_payoff, best, strict=True))
    assert by_hand == pure


@pytest.mark.parametrize("name", TABLE)
def test_followers_who_see_the_time_are_those_of_the_markov_game(name):
    """All 32 leaders, ties both ways, and soft ones; the best of them is the published one."""
    game = sg.iterated_matrix_game(name, follower_sees_time=True)
    markov = game.as_markov()
    with jax.enable_x64(True):
        for ties in ("leader", "adversary"):
            found = values_of_leaders(game, ties)
            expected = [
                float(markov.leader_value(one, markov.induce(one).best_response(ties))) for one in game.policies(0)
            ]
            np.testing.assert_allclose(found, expected, atol=1e-9)
            if ties == "leader":
                assert found.max() == TABLE[name][-1]
        mixed = np.random.default_rng(0).dirichlet(np.ones(2), 5)
        soft, by_stage = game.induce(mixed).quantal_response(0.7), markov.induce(mixed).quantal_response(0.7)
        np.testing.assert_allclose(np.reshape(soft, np.shape(by_stage)), by_stage, atol=1e-12)
        expected = [float(markov.leader_value(mixed, by_stage)), float(markov.induce(mixed).value(by_stage))]
        np.testing.assert_allclose(game.values(mixed, soft), expected, rtol=1e-12)
    assert float(sg.solve(game).leader_value) == TABLE[name][-1]


def test_the_time_is_what_the_follower_sees():
    """Observations by hand, round by round."""
    game = sg.iterated_matrix_game("prisoners_dilemma", 4, follower_sees_time=True)
    sg.check_environment(game)
    state, (_, seen) = game.reset(jr.key(0))
    expected = [0, 5 * 1 + 1, 5 * 2 + 1 + 1 + 2 * 0, 5 * 3 + 1 + 0 + 2 * 1]
    for n, (a, b) in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)]):
        assert int(seen) == expected[n]
        made = game.step(state, (jnp.int32(a), jnp.int32(b)), jr.key(n))
        state, (_, seen) = made.state, made.observations
    assert bool(made.is_over)
    assert int(seen) < game.observation_spaces[1].size
    for settings in ({"sight": "opponent"}, {"continuation": 0.9}):
        with pytest.raises(sg.InputError, match="follower_sees_time"):
            sg.iterated_matrix_game("chicken", follower_sees_time=True, **settings)


def test_leaders_learn_what_is_best_against_followers_who_see_the_time():
    """REINFORCE against exact dynamic programming: 29 where 31 is the best against those who do not."""
    game = sg.iterated_matrix_game("prisoners_dilemma", follower_sees_time=True)
    leader = sg.LeaderReinforce(sg.StackelbergPOMDP(sg.ExactOracle(game), fixes_answers=True))
    learners = stack([leader], [sg.BestResponseTruth(leader.process)])
    _, metrics = advance(learners, start(learners, range(8)), 400, monitor_every=400, last=400)
    assert (metrics["adverse_value"][-1] <= 29.0).all()
    assert np.mean(metrics["adverse_value"][-1] == 29.0) >= 0.75


@pytest.mark.parametrize("settings", [{}, {"depth": 2}, {"sight": "opponent"}, {"follower_sees_time": True}])
def test_values_of_many_responses_are_those_of_each(settings):
    game, rng = sg.iterated_matrix_game("prisoners_dilemma", 7, **settings), np.random.default_rng(0)
    sizes = [(seen.size, does.size) for seen, does in zip(game.observation_spaces, game.action_spaces, strict=True)]
    with jax.enable_x64(True):
        leader = rng.dirichlet(np.ones(2), sizes[0][0])
        responses = rng.dirichlet(np.ones(2), (9, sizes[1][0]))
        expected = np.stack([game.values(leader, one) for one in responses], axis=1)
        np.testing.assert_allclose(game.values_of_all(leader, responses), expected, rtol=1e-12)
        if "sight" in settings:
            automaton = sg.WithLeaderMemory(game, 2)
            leader = rng.dirichlet(np.ones(4), 2 * sizes[0][0])
            expected = np.stack([automaton.values(leader, one) for one in responses], axis=1)
            np.testing.assert_allclose(automaton.values_of_all(leader, responses), expected, rtol=1e-12)
