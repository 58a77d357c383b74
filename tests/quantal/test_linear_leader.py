"""A model whose leader's side is linear in features: one-hot features are the table, few features learn faster."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, stats

import stackelberg as sg
from stackelberg.quantal.model import Model
from stackelberg.quantal.model_uncertainty import _onto_simplex, leader_side, spread
from stackelberg.quantal.myopic_likelihood import zero_weights
from stackelberg.quantal.record import PlayRecord


H, S, A, B = 2, 3, 2, 2
ONE_HOT = np.broadcast_to(np.eye(S * A * B).reshape(S, A, B, -1), (H, S, A, B, S * A * B))


def with_features(rules, features):
    return eqx.tree_at(lambda rules: rules.leader_features, rules, features, is_leaf=lambda leaf: leaf is None)


def linear_world(seed, num_states=S, horizon=H, dimension=3):
    """Rewards and laws of the next state are mixtures of those of `dimension` corners, in known shares."""
    rng = np.random.default_rng(seed)
    features = rng.dirichlet(np.full(dimension, 1.0 / dimension), (horizon, num_states, A, B))
    rewards = np.einsum("hsabd,pd->phsab", features, rng.random((2, dimension)))
    laws = np.einsum("hsabd,dt->hsabt", features, rng.dirichlet(np.full(num_states, 0.3), dimension))
    laws /= laws.sum(axis=-1, keepdims=True)
    first = np.full(num_states, 1.0 / num_states)
    game = sg.MarkovGame(rewards[0], rewards[1], laws, first, follower_discount=0.9, title="Linear")
    return sg.MarkovWorld(game, sg.QuantalResponse(4.0), leader_features=features, follower_features=features)


def seen(rules, seed=0, mean=3.0):
    """Counts as they may come, some of them 0."""
    rng = np.random.default_rng(seed)
    visits = rng.poisson(mean, rules.shape).astype(float)
    moves = rng.multinomial(visits.astype(int), np.full(S, 1.0 / S)).astype(float)
    moves[-1] = 0.0
    blank = PlayRecord.empty(rules, 1)
    return PlayRecord(blank.commitment, blank.answers, visits, rng.binomial(visits.astype(int), 0.4) * 1.0, moves)


def any_gradient(rules, seed=0):
    rng = np.random.default_rng(seed)
    return Model(
        jnp.asarray(rng.normal(size=np.shape(zero_weights(rules)))),
        jnp.asarray(rng.normal(size=rules.shape)),
        jnp.asarray(rng.normal(size=(*rules.shape, S))),
    )


def both(rules, record):
    reward, law = leader_side(rules, record)
    size = zero_weights(rules).size
    return reward, law, spread(rules, record, law, jnp.eye(size), 0.1)


def test_one_hot_features_are_the_table():
    """The estimate, and the covariance on any gradient, to 1e-10. The twin marks two actions by the same feature."""
    game = sg.random_markov_game(S, A, B, H, seed=1, follower_discount=0.9)
    table = sg.MarkovWorld(game, sg.QuantalResponse(4.0)).rules
    alike = np.array(ONE_HOT)
    alike[:, 0, 0, 1] = alike[:, 0, 0, 0]
    with jax.enable_x64(True):
        for seed in range(5):
            record, gradient = seen(table, seed), any_gradient(table, seed)
            reward, law, around = both(table, record)
            for features, is_same in ((ONE_HOT, True), (alike, False)):
                other = both(with_features(table, features), record)
                pairs = [(reward, other[0]), (law, other[1]), (around.reward_variance, other[2].reward_variance)]
                pairs += zip(
                    jax.tree.leaves(around.through(gradient)), jax.tree.leaves(other[2].through(gradient)), strict=True
                )
                gap = max(float(jnp.max(jnp.abs(one - two))) for one, two in pairs)
                assert (gap < 1e-10) == is_same, gap


@pytest.mark.slow
def test_one_hot_features_announce_as_the_table_does():
    """Whole runs: the same promises, up to rounding."""
    game = sg.random_markov_game(S, A, B, H, seed=2, follower_discount=0.9)
    agent = sg.OptimisticMaximumLikelihood(12, num_starts=2, num_steps=8)
    worlds = [sg.MarkovWorld(game, sg.QuantalResponse(4.0), leader_features=given) for given in (None, ONE_HOT)]
    values = [sg.train(sg.stack([sg.Repeated(agent, where)]), 12, seeds=[3])[1]["promised_value"] for where in worlds]
    np.testing.assert_allclose(values[0], values[1], rtol=0, atol=1e-8)


def test_regression_is_that_of_a_library_and_laws_are_projected():
    """Against least squares on the rows of the plays with the prior as rows more, then SciPy's own projection."""
    where = linear_world(3)
    rules = where.rules
    record, features = seen(rules, 4), np.asarray(rules.leader_features)
    low, high = float(rules.reward_low), float(rules.reward_high)
    # Features are shares: weights of 1 everywhere give 1, so that the prior weights are known by hand.
    prior_reward, prior_law = np.full(3, 0.5 * (low + high)), np.full((3, S), 1.0 / S)
    with jax.enable_x64(True):
        reward, law = leader_side(rules, record)
        nearest = np.asarray(_onto_simplex(jnp.asarray(np.random.default_rng(0).normal(size=(20, S)))))
    for h in range(H):
        rows, visits = features[h].reshape(-1, 3), np.ravel(record.visits[h])
        left = np.asarray(record.moves[h]).reshape(-1, S)
        plays = left.sum(axis=-1)
        for counts, totals, prior, found in (
            (visits, np.reshape(record.paid[h], (-1, 1)), prior_reward[:, None], np.reshape(reward[h], (-1, 1))),
            (plays, left, prior_law, None),
        ):
            root = np.sqrt(counts)[:, None]
            means = totals / np.maximum(counts, 1.0)[:, None]
            left_side, right_side = np.vstack([root * rows, np.eye(3)]), np.vstack([root * means, prior])
            weights = np.linalg.lstsq(left_side, right_side, rcond=None)[0]
            if found is not None:
                np.testing.assert_allclose(found, np.clip(rows @ weights, low, high), rtol=0, atol=1e-10)
                continue
            least = 1.0 / S / (plays.sum() + 1.0)
            expected = np.maximum([projected(row) for row in rows @ weights], least)
            expected /= expected.sum(axis=-1, keepdims=True)
            np.testing.assert_allclose(np.reshape(law[h], (-1, S)), expected, rtol=0, atol=1e-7)
    for row, mine in zip(np.random.default_rng(0).normal(size=(20, S)), nearest, strict=True):
        np.testing.assert_allclose(mine, projected(row), rtol=0, atol=1e-9)


def projected(row):
    """By bisection on what is taken off, a method that sorts nothing."""
    over = lambda level: np.maximum(row - level, 0.0).sum() - 1.0
    level = optimize.brentq(over, row.min() - 1.0, row.max(), xtol=1e-15)
    return np.maximum(row - level, 0.0)


def sandwich(rules, record, law):
    """G⁻¹ (Σ n φ φᵀ ⊗ C + prior) G⁻¹ carried to all laws of the first stage, written out as one matrix."""
    phi = np.asarray(rules.leader_features)[0].reshape(-1, 3)
    plays, p = np.asarray(record.moves[0]).sum(-1).ravel(), np.asarray(law[0]).reshape(-1, S)
    noise = np.stack([np.diag(row) - np.outer(row, row) for row in p])
    gram = np.linalg.inv((phi.T * plays) @ phi + np.eye(3))
    middle = sum(n * np.kron(np.outer(f, f), c) for n, f, c in zip(plays, phi, noise, strict=True))
    for j in range(3):
        share = phi[:, j] ** 2 / np.sum(phi[:, j] ** 2)
        one = np.zeros((3, 3))
        one[j, j] = 1.0
        middle = middle + np.kron(one, np.einsum("c,ctu->tu", share, noise))
    out = np.kron(phi @ gram, np.eye(S))
    return out @ middle @ out.T


def test_the_covariance_of_laws_is_the_sandwich_and_draws_have_it():
    """The matrix to 1e-12; the variance of 4,000 draws along ten gradients within χ² bounds, false alarms 1e-3 in all.

    The twin, a variance of 1.3 times as much, falls outside for each of the ten.
    """
    rules = linear_world(5).rules
    record, number = seen(rules, 6), 4_000
    bounds = stats.chi2.ppf([5e-5, 1 - 5e-5], number) / number
    with jax.enable_x64(True):
        reward, law, around = both(rules, record)
        matrix, left = sandwich(rules, record, law), jnp.sum(record.moves, axis=-1)
        keys = jax.random.split(jax.random.key(1), number)
        draw = jax.jit(jax.vmap(lambda key: around.regression.drawn(reward, law, left, key)))
        rewards, laws = (np.asarray(part) for part in draw(keys))
        for seed in range(10):
            gradient = any_gradient(rules, seed)
            through = around.through(gradient)
            g = np.ravel(gradient.law[0])
            np.testing.assert_allclose(np.ravel(through.law[0]), matrix @ g, rtol=0, atol=1e-12)
            ratio = np.mean(((laws[:, 0] - np.asarray(law[0])).reshape(number, -1) @ g) ** 2) / (g @ matrix @ g)
            assert bounds[0] < ratio < bounds[1]
            assert not bounds[0] < ratio / 1.3 < bounds[1]
            variance = float(jnp.sum(gradient.leader_reward * through.leader_reward))
            spreads = np.sum((rewards - np.asarray(reward)) * np.asarray(gradient.leader_reward), axis=(1, 2, 3, 4))
            assert bounds[0] < np.mean(spreads**2) / variance < bounds[1]
        assert np.allclose(np.asarray(around.through(any_gradient(rules)).law).sum(-1), 0.0, atol=1e-12)


def test_a_known_reward_stays_known():
    where = linear_world(7)
    known = sg.MarkovWorld(where.game, where.follower, reward_known=True, leader_features=where.leader_features).rules
    with jax.enable_x64(True):
        reward, _, around = both(known, seen(known, 1))
        assert np.array_equal(reward, known.leader_reward)
        assert not np.any(around.through(any_gradient(known)).leader_reward)


@eqx.filter_jit
def plays(where, policy, keys):
    return jax.vmap(lambda key: where.play(policy, key))(keys)


def played(where, number, seed):
    """Counts of play under uniform announcements."""
    rules = where.rules
    policy = rules.uniform_commitment()
    episodes = plays(where, policy, jax.random.split(jax.random.key(seed), number))
    return PlayRecord.of(rules, policy[None], episodes, jnp.zeros(number, jnp.int32))


def missed(where, rules, record):
    """Mean error of the leader's rewards and of the laws (total variation)."""
    reward, law = leader_side(rules, record)
    off = 0.5 * np.abs(np.asarray(law)[:-1] - where.game.transition[:-1]).sum(axis=-1)
    return np.abs(np.asarray(reward) - where.game.leader_reward).mean(), off.mean()


def test_few_features_know_more_after_a_quarter_of_the_episodes():
    """Ten states, twelve games, one log each: 100 episodes with features against 400 without.

    Were features no help, a sign test over games would give all twelve with probability 2^-12 for either error. The
    twin has features of another game, and is worse than the table.
    """
    worlds = [linear_world(seed, num_states=10) for seed in range(12)]
    errors = []
    with jax.enable_x64(True):
        for k, where in enumerate(worlds):
            few, many = played(where, 100, k), played(where, 400, k)
            table = sg.MarkovWorld(where.game, where.follower).rules
            other = with_features(table, worlds[k - 1].leader_features)
            errors.append([missed(where, where.rules, few), missed(where, table, many), missed(where, other, many)])
    right, table, wrong = np.moveaxis(errors, 1, 0)
    assert np.all(right < table)
    assert wrong[:, 0].mean() > table[:, 0].mean()


@pytest.mark.slow
def test_few_features_learn_with_fewer_episodes():
    """Regret of 60 episodes with ten states, in twelve games; the twin has features of another game.

    The difference by game is tested against 0 by Wilcoxon's signed ranks at 0.005, which is the rate of false alarms
    where features did not help.
    """
    games = [linear_world(seed, num_states=10) for seed in range(12)]
    agent = sg.OptimisticMaximumLikelihood(60, num_starts=2, num_steps=25)
    table = [sg.MarkovWorld(w.game, w.follower, follower_features=w.follower_features) for w in games]
    wrong = [
        sg.MarkovWorld(
            w.game, w.follower, leader_features=games[k - 1].leader_features, follower_features=w.follower_features
        )
        for k, w in enumerate(games)
    ]
    regret = []
    for worlds in (games, table, wrong):
        learners = sg.stack([sg.Repeated(agent, w) for w in worlds], [sg.Suboptimality(w, "found") for w in worlds])
        _, metrics = sg.train(learners, 60, seeds=range(2))
        regret.append(np.asarray(metrics["announced_suboptimality"]).sum(axis=0).mean(axis=-1))
    assert stats.wilcoxon(regret[1] - regret[0], alternative="greater").pvalue < 0.005
    assert stats.wilcoxon(regret[2] - regret[0], alternative="greater").pvalue < 0.005
