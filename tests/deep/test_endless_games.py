"""Games that go on by chance: values by sampling and by the Markov game, best responses by enumeration, a patrol."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import stackelberg as sg
from stackelberg.experiments.catalog import oracles_patrol


SMALL = sg.CrossingGame((1.0, 0.4, 0.8), (0.2, 0.9, 0.5), reach=0, discount=0.9)
DILEMMA = sg.iterated_matrix_game("prisoners_dilemma", 40, continuation=0.9)


@pytest.mark.parametrize("game", [SMALL, sg.CrossingGame(), DILEMMA], ids=["small", "crossing", "dilemma"])
def test_values_are_those_of_the_markov_game(game):
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        markov = game.as_markov()
        for _ in range(3):
            shapes = [
                (space.size, moves.size)
                for space, moves in zip(game.observation_spaces, game.action_spaces, strict=True)
            ]
            commitment, response = (rng.dirichlet(np.ones(moves), seen) for seen, moves in shapes)
            num_states = markov.shape[0]
            if isinstance(game, sg.CrossingGame):
                place = np.arange(num_states) % len(commitment)
                policy = commitment[place]
                answer = np.concatenate([response, response[:1]])
            else:
                policy, answer = commitment, response
            problem = markov.induce(policy)
            expected = [float(problem.leader_value(answer)), float(problem.value(answer))]
            np.testing.assert_allclose(game.values(commitment, response), expected, rtol=1e-9)
            for ties in ("leader", "adversary"):
                best, other = game.induce(commitment).best_response(ties), problem.best_response(ties)
                found = game.values(commitment, best)
                expected = [float(problem.leader_value(other)), float(problem.value(other))]
                np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("game", [SMALL, DILEMMA], ids=["crossing", "dilemma"])
def test_plays_are_paid_their_value(game):
    """20,000 plays: 5 standard errors, and what the cut leaves out; false alarm 1e-6. A wrong discount is far off."""
    rng = np.random.default_rng(1)
    seen, moves = ([space.size for space in spaces] for spaces in (game.observation_spaces, game.action_spaces))
    tables = [jnp.asarray(rng.dirichlet(np.ones(m), n), jnp.float32) for n, m in zip(seen, moves, strict=True)]

    @eqx.filter_jit
    def play(key):
        def step(carry, n):
            state, observations, is_on = carry
            keys = jr.split(jr.fold_in(key, n + 1), 3)
            actions = tuple(
                jr.categorical(one, jnp.log(table[own])).astype(jnp.int32)
                for one, table, own in zip(keys, tables, observations, strict=False)
            )
            made = game.step(state, actions, keys[2])
            return (made.state, made.observations, is_on & ~made.is_over), is_on * made.rewards

        start = (*game.reset(jr.fold_in(key, 0)), jnp.bool_(True))
        return jax.lax.scan(step, start, jnp.arange(game.num_steps))[1].sum(axis=0)

    paid = np.asarray(jax.vmap(play)(jr.split(jr.key(0), 20_000)))
    error = paid.std(axis=0) / np.sqrt(len(paid))
    left_out = 4.0 * 0.9**40 / 0.1
    exact = np.asarray(game.values(*tables))
    assert np.all(np.abs(paid.mean(axis=0) - exact) < 5.0 * error + left_out)
    if game is DILEMMA:
        wrong = np.asarray(sg.iterated_matrix_game("prisoners_dilemma", 40, continuation=0.8).values(*tables))
        assert np.all(np.abs(paid.mean(axis=0) - wrong) > 5.0 * error + left_out)


def test_best_responses_by_enumeration():
    """All 32 stationary policies of the dilemma, each by powers of its matrix."""
    game = DILEMMA
    rng = np.random.default_rng(2)
    for _ in range(5):
        commitment = rng.dirichlet(np.ones(2), 5)
        values = []
        for policy in itertools.product(range(2), repeat=5):
            law, total, own = np.eye(5)[0], 0.0, np.eye(2)[list(policy)]
            for n in range(400):
                joint = law[:, None, None] * commitment[:, :, None] * own[:, None, :]
                total += 0.9**n * (joint * game.follower_payoff).sum()
                law = np.concatenate([[0.0], joint.sum(axis=0).T.ravel()])  # 1 + a + 2 b
            values.append(total)
        found = game.induce(commitment).best_response()
        assert float(game.values(commitment, found)[1]) == pytest.approx(max(values), rel=1e-5)


def test_a_patrol_step_by_step():
    """The guard walks right and turns at the end; whoever steps up in front of it is caught, behind it gets through."""
    sg.check_environment(sg.CrossingGame())
    game = sg.CrossingGame((0.5, 0.25, 1.0), (0.1, 0.2, 0.3), reach=0, discount=0.99)
    place = lambda x, heading, column, fence: jnp.int32(x + 3 * (heading + 2 * (column + 3 * fence)))
    key = next(one for one in jr.split(jr.key(0), 99) if float(jr.uniform(one)) < 0.9)
    move = lambda state, a, b: game.step(state, (jnp.int32(a), jnp.int32(b)), key)
    state, _ = game.reset(jr.key(0))
    at = lambda number: eqx.tree_at(lambda one: one.place, state, number)
    caught = move(at(place(0, 0, 1, 0)), 0, 3)
    np.testing.assert_allclose(caught.rewards, [1.0, -1.0])
    assert bool(caught.is_over)
    behind = move(at(place(1, 0, 1, 0)), 0, 3)
    assert behind.state.place == place(2, 0, 1, 1)
    assert behind.observations[0] == 2
    assert not bool(behind.is_over)
    across = move(behind.state, 0, 3)
    np.testing.assert_allclose(across.rewards, [0.2, 0.25])
    assert bool(across.is_over)
    assert across.state.place % 6 == 2 + 3  # at the end it turned
    assert move(at(place(1, 1, 0, 0)), 1, 2).state.place == place(1, 0, 1, 0)  # turned on the spot


def test_a_continuation_needs_players_that_remember_both_actions():
    with pytest.raises(sg.InputError, match=r"continuation"):
        sg.iterated_matrix_game("chicken", sight="opponent", continuation=0.9)


@pytest.mark.slow
def test_the_best_patrol():
    """All 65,536 leaders; the best one and 20 others by policy iteration on the Markov game, ties to the leader."""
    values, every = oracles_patrol.enumerated()["values"], oracles_patrol.leaders()
    best = int(values[:, 0].argmax())
    assert values[best, 0] == pytest.approx(0.5351, abs=1e-4)
    game = oracles_patrol.GAME
    with jax.enable_x64(True):
        markov = game.as_markov()
        place = np.arange(markov.shape[0]) % 16
        for number in (best, *np.random.default_rng(0).integers(0, len(every), 20)):
            problem = markov.induce(every[number].astype(float)[place])
            answer = problem.best_response("leader")
            expected = [float(problem.leader_value(answer)), float(problem.value(answer))]
            np.testing.assert_allclose(values[number], expected, atol=2e-5)
