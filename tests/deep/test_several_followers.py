"""Several followers: equilibria by brute force and linear programs, lotteries drawn once, and leaders who pay them."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linprog

import stackelberg as sg
from stackelberg._learner import advance, commitments, start
from stackelberg._loop.stacking import stack
from stackelberg.followers.asking_all import Answers
from stackelberg.followers.several import action_values


def drawn_game(seed, shape=(2, 3)):
    rng = np.random.default_rng(seed)
    return sg.MatrixDesignGame(rng.integers(0, 7, (*shape, 2)), payments=(0.0, 2.0, 5.0), scale=2.0)


def known(game, rng):
    count, num_actions = game.shape_of(0)
    commitment = rng.dirichlet(np.ones(num_actions), count)
    return Answers(jnp.asarray(commitment), jnp.int32(count)), commitment


def bimatrix(game, commitment):
    """What the two followers are paid, and the leader, by plain loops over payments."""
    num_rows, num_columns, _ = game.payoffs.shape
    table = np.zeros((num_rows, num_columns, 3))
    for b, c in itertools.product(range(num_rows), range(num_columns)):
        chances = commitment[1 + b + num_rows * c]
        for action, chance in enumerate(chances):
            sums = np.array([game.payments[action % 3], game.payments[action // 3]])
            own = game.payoffs[b, c] + sums
            table[b, c] += chance * np.array([game.payoffs[b, c].sum() - game.payment_cost * sums.sum(), *own]) / 2.0
    return table


@pytest.mark.parametrize("seed", range(12))
def test_pure_equilibria_by_brute_force(seed):
    game, rng = drawn_game(seed), np.random.default_rng(seed)
    state, commitment = known(game, rng)
    table = bimatrix(game, commitment)
    short = np.maximum(
        table[..., 1].max(axis=0)[None] - table[..., 1], table[..., 2].max(axis=1)[:, None] - table[..., 2]
    )
    stable = table[short <= short.min() + 1e-6][:, 0]
    with jax.enable_x64(True):
        for selection, expected in (("leader", stable.max()), ("adversary", stable.min()), ("first", stable[0])):
            oracle = sg.PureNash(game, selection)
            response = oracle.response(state)
            assert float(oracle.worth(commitment, response)[0]) == pytest.approx(expected, abs=1e-6)
            assert float(oracle.regrets(commitment, response).max()) == pytest.approx(short.min(), abs=1e-6)


@pytest.mark.parametrize("rule", ["multiplicative-weights", "regret-matching"])
@pytest.mark.parametrize("seed", range(4))
def test_rounds_make_a_coarse_correlated_equilibrium(rule, seed):
    """The leader's value lies between those of the worst and the best one, found by linear programs with that slack."""
    game, rng = drawn_game(seed, (3, 3)), np.random.default_rng(seed)
    state, commitment = known(game, rng)
    table = bimatrix(game, commitment)
    oracle = sg.NoRegret(game, 2_000, 0.05, rule)
    with jax.enable_x64(True):
        response = oracle.response(state)
        value, slack = float(oracle.worth(commitment, response)[0]), float(oracle.regrets(commitment, response).max())
    joint = np.mean(np.asarray(response[0])[:, 0, :, None] * np.asarray(response[1])[:, 0, None, :], axis=0)
    assert value == pytest.approx((joint * table[..., 0]).sum(), abs=1e-5)
    of_rows = (joint.sum(axis=0)[None] * table[..., 1]).sum(axis=1).max() - (joint * table[..., 1]).sum()
    of_columns = (joint.sum(axis=1)[:, None] * table[..., 2]).sum(axis=0).max() - (joint * table[..., 2]).sum()
    assert slack == pytest.approx(max(of_rows, of_columns), abs=1e-5)
    span = table[..., 1:].max() - table[..., 1:].min()
    assert slack < 0.05 * span  # both rules guarantee O(1 / sqrt(rounds)) or less
    rows = [(table[b, None, :, 1] - table[..., 1]).ravel() for b in range(3)] + [
        (table[:, c, None, 2] - table[..., 2]).ravel() for c in range(3)
    ]
    ends = [
        sign
        * linprog(sign * table[..., 0].ravel(), np.array(rows), np.full(6, slack + 1e-7), np.ones((1, 9)), [1.0]).fun
        for sign in (1, -1)
    ]
    assert ends[0] - 1e-5 <= value <= ends[1] + 1e-5


def test_the_first_rounds_are_those_of_a_plain_loop():
    game, rng = drawn_game(3), np.random.default_rng(3)
    state, commitment = known(game, rng)
    table, sums = bimatrix(game, commitment), [np.zeros(2), np.zeros(3)]
    with jax.enable_x64(True):
        response = sg.NoRegret(game, 20, 0.3).response(state)
    for n in range(20):
        weights = [1.3 ** (one - one.max()) for one in sums]
        chances = [one / one.sum() for one in weights]
        np.testing.assert_allclose(response[0][n, 0], chances[0], atol=1e-5)
        np.testing.assert_allclose(response[1][n, 0], chances[1], atol=1e-5)
        sums = [sums[0] + table[..., 1] @ chances[1], sums[1] + chances[0] @ table[..., 2]]


def test_matching_pennies_has_no_pure_equilibrium_and_averages_to_even_odds():
    pennies = np.stack([[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]], axis=-1)
    game = sg.MatrixDesignGame(pennies, payments=(0.0,), scale=1.0)
    state = Answers(jnp.ones((5, 1)), jnp.int32(5))
    assert float(sg.PureNash(game).regrets(state.table, sg.PureNash(game).response(state)).max()) == 2.0
    tables = sg.NoRegret(game, 4_000, 0.02).response(state)
    for table in tables:
        np.testing.assert_allclose(np.mean(np.asarray(table)[:, 0], axis=0), 0.5, atol=0.02)


def test_payoffs_of_actions_are_those_of_playing_them():
    game, rng = drawn_game(5), np.random.default_rng(5)
    _, commitment = known(game, rng)
    tables = tuple(jnp.asarray(rng.dirichlet(np.ones(b), p)) for p, b in (game.shape_of(1), game.shape_of(2)))
    found = action_values(game, jnp.asarray(commitment), tables)
    table = bimatrix(game, commitment)
    np.testing.assert_allclose(found[0][0], table[..., 1] @ np.asarray(tables[1])[0], rtol=1e-5)
    np.testing.assert_allclose(found[1][0], np.asarray(tables[0])[0] @ table[..., 2], rtol=1e-5)
    assert not np.any(found[0][1])  # after acting nothing matters


def test_one_round_is_drawn_for_all_followers():
    """Followers who take turns at being out of step: drawn together they are paid 1, drawn apart 1/2.

    4,096 plays: a deviation above 0.02 has probability 0 when drawn together, below 1e-9 of 0.5 ± 0.05 when apart.
    """
    turns = np.stack([[[0, 1], [1, 0]], [[0, 1], [1, 0]]], axis=-1)
    game = sg.MatrixDesignGame(turns, payments=(0.0,), scale=2.0)

    class Turns(sg.NoRegret):
        def response(self, state):
            first = jnp.eye(2)[jnp.array([0, 1])][:, None].repeat(2, axis=1)
            return first, 1.0 - first

    class Apart(Turns):
        def drawn(self, response, key):
            keys = jax.random.split(key)
            return tuple(
                jnp.asarray(table)[jax.random.randint(one, (), 0, 2)] for table, one in zip(response, keys, strict=True)
            )

    leader = lambda observation, key: jnp.int32(0)
    for kind, expected in ((Turns, 1.0), (Apart, 0.5)):
        process = sg.StackelbergPOMDP(kind(game), 4_096)
        made, _ = process.episode(leader, jax.random.key(0))
        assert float(made.rewards.sum()) == pytest.approx(expected, abs=0.05 if kind is Apart else 1e-3)


def test_step_by_step_is_the_same_as_a_whole_episode():
    game = drawn_game(1)
    process = sg.StackelbergPOMDP(sg.NoRegret(game, 50, 0.1, counts="last"), 2)
    leader = lambda observation, key: (3 * observation) % 9
    made, _ = process.episode(leader, jax.random.key(0))
    state, (seen,) = process.reset(jax.random.key(0))
    rewards, step = [], eqx.filter_jit(process.step)
    for n in range(process.num_steps):
        moved = step(state, (leader(seen, None),), jax.random.key(n))
        state, (seen,) = moved.state, moved.observations
        rewards.append(float(moved.rewards[0]))
    np.testing.assert_allclose(rewards, made.rewards, atol=1e-6)


def test_the_environment_keeps_its_promises_and_its_values():
    sg.check_environment(sg.MatrixDesignGame())
    game, rng = drawn_game(2), np.random.default_rng(2)
    _, commitment = known(game, rng)
    table = bimatrix(game, commitment)
    tables = tuple(rng.dirichlet(np.ones(b), p) for p, b in (game.shape_of(1), game.shape_of(2)))
    found = game.values(commitment, tables)
    np.testing.assert_allclose(found, np.einsum("b,c,bcs->s", tables[0][0], tables[1][0], table), rtol=1e-5)
    for joint in itertools.product(range(2), range(3)):
        state, _ = game.reset(jax.random.key(0))
        made = game.step(state, tuple(map(jnp.int32, (0, *joint))), jax.random.key(1))
        assert int(made.observations[0]) == 1 + joint[0] + 2 * joint[1]
        for action in range(9):
            last = game.step(made.state, tuple(map(jnp.int32, (action, 0, 0))), jax.random.key(2))
            pure = np.tile(np.eye(9)[action], (7, 1))
            np.testing.assert_allclose(last.rewards, bimatrix(game, pure)[joint], rtol=1e-6)
            assert bool(last.is_over)


@pytest.mark.parametrize("oracle", [sg.PureNash, lambda game, _: sg.NoRegret(game, 100, 0.5, counts="last")])
def test_a_leader_learns_what_to_promise(oracle):
    """Two that can work together or not: with payments that cost, promising pay for working alone makes both work.

    Without payments the worst equilibrium is that nobody works. A leader against the worst one must promise, and pays
    nothing in the end: value 2. In 16 of 16 measured runs it does.
    """
    together = np.array([[[4, 4], [0, 1]], [[1, 0], [2, 2]]])
    game = sg.MatrixDesignGame(together, payments=(0.0, 3.0), scale=4.0, payment_cost=1.0)
    free = np.tile(np.eye(4)[0], (5, 1))
    worst = sg.PureNash(game, "adversary")
    assert float(worst.worth(free, worst.response(Answers(jnp.asarray(free), jnp.int32(5))))[0]) == 1.0
    process = sg.StackelbergPOMDP(oracle(game, "adversary"), fixes_answers=True)
    learners = stack([sg.LeaderReinforce(process, learning_rate=0.1)], [sg.EquilibriumTruth(process)])
    run, metrics = advance(learners, start(learners, range(4)), 300, monitor_every=300, last=300)
    if isinstance(process.oracle, sg.PureNash):
        np.testing.assert_allclose(metrics["adverse_value"][-1], 2.0)
    np.testing.assert_allclose(metrics["oracle_value"][-1], 2.0, atol=1e-6)
    assert commitments(learners, run).shape == (1, 4, 5, 4)


def test_the_published_game_by_brute_force():
    """Every pair of payments for every cell: the best welfare that some equilibrium has is 10 / 6."""
    game = sg.MatrixDesignGame()
    best = -np.inf
    own = np.asarray(game.payoffs)
    for b, c in itertools.product(range(2), range(2)):
        pays = [np.arange(11.0)] * 4  # to each in the cell, and to each in the cell that it could move to
        first = any(own[b, c, 0] + here >= own[1 - b, c, 0] + there for here in pays[0] for there in pays[1])
        second = any(own[b, c, 1] + here >= own[b, 1 - c, 1] + there for here in pays[2] for there in pays[3])
        best = max(best, own[b, c].sum() / 6.0) if first and second else best
    assert best == pytest.approx(10.0 / 6.0)
    process = sg.StackelbergPOMDP(sg.PureNash(game, "adversary"), fixes_answers=True)
    learners = stack([sg.LeaderReinforce(process)], [sg.EquilibriumTruth(process)])
    _, metrics = advance(learners, start(learners, range(4)), 300, monitor_every=300, last=300)
    np.testing.assert_allclose(metrics["oracle_value"][-1], best, rtol=1e-6)


def test_too_many_profiles_are_refused():
    with pytest.raises(sg.InputError, match=r"NoRegret"):
        sg.PureNash(sg.MatrixDesignGame(np.ones((70, 70, 2))))
