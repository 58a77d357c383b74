"""The follower that learns within the episode by proximal policy optimisation: against exact best responses."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import stackelberg as sg
from stackelberg.rl.proximal import clipped_objective


GAME = sg.iterated_matrix_game("prisoners_dilemma")


def test_the_objective_by_hand():
    """One action of three, gains of both signs, ratios inside and outside of the clip."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        chances, action, gain = rng.dirichlet(np.ones(3)), rng.integers(3), rng.normal()
        before = rng.uniform(0.1, 0.9)
        ratio = chances[action] / before
        expected = min(ratio * gain, np.clip(ratio, 0.8, 1.2) * gain) - 0.3 * np.sum(chances * np.log(chances))
        found = clipped_objective(*map(jnp.asarray, (np.log(chances), action, np.log(before), gain)), 0.2, 0.3)
        assert float(found) == pytest.approx(expected, abs=1e-5)


def test_queries_one_by_one_are_queries_in_a_row():
    oracle = sg.InnerPPO(sg.iterated_matrix_game("chicken", 4), num_updates=3, num_trials=2, width=8)
    act = lambda seen, key: jr.randint(key, (), 0, 2)
    first, key = oracle.init(jr.key(1)), jr.key(2)
    state, made = eqx.filter_jit(lambda: oracle.asked(act, first, key))()
    step = eqx.filter_jit(lambda state, n: oracle.answer(state, act(oracle.query(state), jr.fold_in(key, n))))
    other = first
    for n in range(oracle.num_queries):
        other, earned = step(other, n)
        assert float(earned) == float(made.earned[n])
    np.testing.assert_allclose(
        *(np.asarray(jax.tree.leaves(one.policy)[0]) for one in (state, other)), rtol=1e-5, atol=1e-6
    )


def regrets(oracle, num_seeds=2):
    """Of the follower against all 32 leaders, by exact values."""
    policies = jnp.asarray(GAME.policies(0), jnp.float32)

    @jax.jit
    @jax.vmap
    def one(leader, seed):
        state, _ = oracle.asked(
            lambda seen, key: jnp.argmax(leader[seen]), oracle.init(jr.key(seed)), jr.key(seed + 99)
        )
        (answer,) = oracle.response(state)
        best = GAME.induce(leader).best_response()
        return GAME.values(leader, best)[1] - GAME.values(leader, answer)[1]

    tiled = jnp.concatenate([policies] * num_seeds)
    return np.asarray(one(tiled, jnp.arange(len(tiled))))


@pytest.mark.parametrize("width", [0, 16])
def test_it_comes_near_best_responses(width):
    """64 followers with fixed seeds; one that never learns (the twin) has a mean regret above 5 of at most 30."""
    rate = 0.1 if width == 0 else 0.01
    found = regrets(sg.InnerPPO(GAME, width=width, learning_rate=rate))
    assert found.min() > -1e-4
    assert found.mean() < 1.5
    assert regrets(sg.InnerPPO(GAME, num_updates=1, learning_rate=1e-6)).mean() > 5.0


def test_followers_that_are_kept_go_on():
    oracle = sg.InnerPPO(GAME, 2, 1)
    state, _ = oracle.asked(lambda seen, key: jnp.int32(1), oracle.init(jr.key(0)), jr.key(1))
    kept = oracle.again(state, jr.key(2))
    np.testing.assert_array_equal(kept.policy.logits, state.policy.logits)
    assert int(kept.trial.count) == 0


def test_settings_are_checked():
    with pytest.raises(sg.InputError, match="num_updates"):
        sg.InnerPPO(GAME, 0)
    with pytest.raises(sg.InputError, match="clip"):
        sg.InnerPPO(GAME, clip=0.0)


@pytest.mark.parametrize("make", [sg.InnerPPO, sg.InnerQLearning, sg.RecurrentFollower, sg.RecurrentTraining])
def test_one_follower_is_asked_for(make):
    with pytest.raises(sg.InputError, match=r"a game with 2 followers.*NoRegret"):
        make(sg.MatrixDesignGame())
