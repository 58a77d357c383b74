"""Leaders with a memory of their own: plays by hand, plain games as automata with one state, what a state is worth."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import stackelberg as sg
from stackelberg._learner import advance, start
from stackelberg._loop.stacking import stack

from .iterated_brute_force import played


def played_by_automaton(game, leader, follower, num_memories):
    """Sums of payoffs of deterministic policies, in plain Python; each sees the other's last action."""
    memory = of_leader = of_follower = 0
    total = np.zeros(2)
    for _ in range(game.num_steps):
        does, b = leader[of_leader + 3 * memory], follower[of_follower]
        a, memory = does % 2, does // 2
        total += game.leader_payoff[a][b], game.follower_payoff[a][b]
        of_leader, of_follower = 1 + b, 1 + a
    return total


@pytest.mark.parametrize("num_memories", [1, 2, 3])
def test_values_are_those_of_play_by_hand(num_memories):
    plain = sg.iterated_matrix_game("prisoners_dilemma", 6, sight="opponent")
    game, rng = sg.WithLeaderMemory(plain, num_memories), np.random.default_rng(num_memories)
    sg.check_environment(game)
    with jax.enable_x64(True):
        for _ in range(60):
            leader, follower = rng.integers(0, 2 * num_memories, 3 * num_memories), rng.integers(0, 2, 3)
            by_hand = played_by_automaton(plain, leader, follower, num_memories)
            if num_memories == 1:
                args = plain.leader_payoff, plain.follower_payoff, leader, follower, 6, "opponent"
                np.testing.assert_array_equal(by_hand, played(*args))
            found = game.values(np.eye(2 * num_memories)[leader], np.eye(2)[follower])
            np.testing.assert_allclose(found, by_hand, atol=1e-9)


def test_mixed_automata_are_paid_their_value():
    """20,000 plays through `step`: 5 standard errors, false alarm 1e-6 for both seats. A memory that is not blank
    at the start, the planted bug, is far outside."""
    rng = np.random.default_rng(3)
    game = sg.WithLeaderMemory(sg.iterated_matrix_game("chicken", 5), 2)
    leader, follower = rng.dirichlet(np.full(4, 0.3), 10), rng.dirichlet(np.ones(2), 5)

    @eqx.filter_jit
    def play(first, key):
        def step(carry, n):
            state, (own, others) = carry
            keys = jr.split(jr.fold_in(key, n), 3)
            a, b = (
                jr.categorical(keys[0], jnp.log(jnp.asarray(leader)[own])),
                jr.categorical(keys[1], jnp.log(jnp.asarray(follower)[others])),
            )
            made = game.step(state, (a, b), keys[2])
            return (made.state, made.observations), made.rewards

        state, (own, others) = game.reset(key)
        state = eqx.tree_at(lambda one: one.memory, state, first)
        return jax.lax.scan(step, (state, (own + 5 * first, others)), jnp.arange(5))[1].sum(axis=0)

    expected = np.asarray(game.values(leader, follower))
    for first, holds in ((0, True), (1, False)):
        paid = np.asarray(jax.vmap(play, (None, 0))(jnp.int32(first), jr.split(jr.key(0), 20_000)))
        error = np.abs(paid.mean(axis=0) - expected) / (paid.std(axis=0) / np.sqrt(len(paid)))
        assert (error < 5.0).all() == holds


@pytest.fixture(scope="module")
def dilemma():
    return sg.WithLeaderMemory(sg.iterated_matrix_game("prisoners_dilemma", 10, sight="opponent"), 2)


def test_what_a_state_of_memory_is_worth(dilemma):
    """All 4,096 automata against all 8 followers, played by hand: the solver's value, above that without a memory."""
    followers = list(itertools.product((0, 1), repeat=3))
    best = -np.inf
    for leader in itertools.product(range(4), repeat=6):
        every = [played_by_automaton(dilemma.game, leader, follower, 2) for follower in followers]
        most = max(own for _, own in every)
        best = max(best, *(paid for paid, own in every if own >= most - 1e-9))
    solution = sg.solve(dilemma)
    assert float(solution.leader_value) == best
    assert (best, float(sg.solve(dilemma.game).leader_value)) == (32.0, 31.0)


def test_leaders_learn_automata(dilemma):
    """32 is the best, and 31 without a memory: evolution strategies end at one of the two, half of 8 seeds at 32."""
    leader = sg.LeaderEvolution(sg.StackelbergPOMDP(sg.ExactOracle(dilemma), fixes_answers=True))
    learners = stack([leader], [sg.BestResponseTruth(leader.process)])
    _, metrics = advance(learners, start(learners, range(8)), 300, monitor_every=300, last=300)
    values = metrics["adverse_value"][-1, 0]
    assert set(values) == {31.0, 32.0}
    assert np.mean(values == 32.0) >= 0.25


@pytest.mark.parametrize("oracle", [sg.ExactOracle, lambda game: sg.InnerQLearning(game, 3)])
def test_memory_is_blank_in_every_trial_and_every_play(oracle):
    """A leader that always writes 1: its first observation of a play is 0, all others have the memory."""
    game = sg.WithLeaderMemory(sg.iterated_matrix_game("chicken", 4), 2)
    process = sg.StackelbergPOMDP(oracle(game), num_plays=3)
    made, _ = process.episode(lambda seen, key: jnp.int32(2), jr.key(0))
    seen = np.asarray(made.observations)[process.oracle.num_queries :].reshape(3, 4)
    assert (seen[:, 0] == 0).all()
    assert (seen[:, 1:] >= 5).all()
    if isinstance(process.oracle, sg.InnerQLearning):
        asked = np.asarray(made.observations)[: process.oracle.num_queries].reshape(3, 4)
        assert (asked[:, 0] == 0).all()
        assert (asked[:, 1:] >= 5).all()


def test_what_is_refused():
    with pytest.raises(sg.InputError, match="goes on by chance"):
        sg.WithLeaderMemory(sg.iterated_matrix_game("chicken", continuation=0.9))
    with pytest.raises(sg.InputError, match="picks actions"):
        sg.WithLeaderMemory(sg.iterated_matrix_game("chicken", is_mixed=True))
