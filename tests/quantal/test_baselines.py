"""Leaders to compare with: each learns, or fails, as theory says on a game of one stage and state."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stackelberg as sg
from stackelberg.quantal.baselines import ExploreThenCommit, PosteriorSampling
from stackelberg.quantal.perturbed_leader import FollowThePerturbedLeader


EPISODES, SEEDS = 400, range(8)
PURE = np.eye(2)[:, None, None]


def world(seed=1, **settings):
    return sg.MarkovWorld(sg.random_markov_game(1, 2, 3, 1, seed=seed), sg.QuantalResponse(5.0), **settings)


def trained(agent, where=None, episodes=EPISODES):
    where = world() if where is None else where
    return sg.train(sg.stack([sg.Repeated(agent, where)], [sg.Suboptimality(where)]), episodes, seeds=SEEDS)


def missing(metrics, part):
    return metrics["announced_suboptimality"][part, 0]


@pytest.fixture(scope="module")
def committed():
    return trained(ExploreThenCommit(EPISODES, num_exploring=100))


@pytest.mark.slow
def test_pure_strategies_come_in_turn_and_then_one_plan_for_good(committed):
    where, agent = world(), ExploreThenCommit(EPISODES, num_exploring=100)
    run, metrics = committed
    value = [float(where.game.leader_value(pure, where.follower(where.game, pure))) for pure in PURE]
    expected = sg.Suboptimality(where).best_value - np.array(value)
    assert np.allclose(missing(metrics, slice(0, 100)), np.tile(expected, 50)[:, None], atol=1e-12)
    late = missing(metrics, slice(100, None))
    assert np.all(late == late[0])
    assert np.all(np.asarray(run.state.record.visits)[0].sum(axis=(1, 2, 3, 4)) == EPISODES)
    with jax.enable_x64(True):
        first = agent.announce(where.rules, jax.tree.map(lambda leaf: leaf[0, 0], run.state), 3, jax.random.key(0))
    assert np.array_equal(first[0, 0], [0.0, 1.0])


@pytest.mark.slow
def test_a_hasty_plan_is_kept_and_mended_only_by_learning_on(committed):
    """Eight fixed seeds, so that there are no false alarms: 4 episodes of exploring are too few and 100 are enough."""
    hasty = missing(trained(ExploreThenCommit(EPISODES, num_exploring=4))[1], -1).mean()
    mended = missing(trained(ExploreThenCommit(EPISODES, num_exploring=4, keeps_learning=True))[1], -1).mean()
    assert missing(committed[1], -1).mean() < hasty / 2.0
    assert mended < hasty / 2.0


def test_the_perturbed_leader_finds_its_best_candidate_and_nothing_better():
    """Eight seeds; the twin without noise holds on to what happened to be paid first. Fixed seeds: no false alarms."""
    where, agent = world(), FollowThePerturbedLeader(num_candidates=5, perturbation=0.5)
    run, metrics = trained(agent, episodes=1500)
    candidates = np.asarray(run.state.candidates)[0]
    value = lambda plan: float(where.game.leader_value(plan, where.follower(where.game, plan)))
    worth = np.array([[value(plan) for plan in one] for one in candidates])
    limit = sg.Suboptimality(where).best_value - worth.max(axis=1)
    announced = missing(metrics, slice(None))
    assert np.all(announced >= limit - 1e-9)
    beyond = (announced - limit)[-300:].mean()
    stubborn = trained(dataclasses.replace(agent, perturbation=0.0), episodes=1500)[1]
    assert beyond < 0.03
    assert (missing(stubborn, slice(-300, None)) - limit).mean() > 1.5 * beyond
    assert np.all(np.asarray(run.state.counts).sum(axis=-1) == 1500)
    assert limit.min() > 0.0


@pytest.fixture(scope="module")
def sampled():
    return trained(PosteriorSampling(EPISODES))


def test_posterior_sampling_learns(sampled):
    """Eight fixed seeds: the last tenth misses less than a third of what the first tenth misses."""
    lost = missing(sampled[1], slice(None))
    assert lost[-40:].mean() < lost[:40].mean() / 3.0
    assert np.all(lost > -1e-6)


def test_posterior_sampling_stopped_and_gone_on_with_is_the_same_bit_for_bit(sampled):
    where = world()
    learners = sg.stack([sg.Repeated(PosteriorSampling(EPISODES), where)], [sg.Suboptimality(where)])
    other = sg.start(learners, SEEDS)
    for portion in (150, 1, EPISODES - 151):
        other, _ = sg.advance(learners, other, portion, last=EPISODES)
    for one, two in zip(jax.tree.leaves(sampled[0].state), jax.tree.leaves(other.state), strict=True):
        assert np.array_equal(np.asarray(one), np.asarray(two))


def test_draws_of_weights_have_the_covariance_of_laplace():
    """2,000 draws; each entry of the covariance is within 6 standard errors: a false alarm in 10,000 runs at most.

    The twin, a posterior with half the information, is told apart.
    """
    where, agent = world(), PosteriorSampling(EPISODES)
    with jax.enable_x64(True):
        rules = where.rules
        centre = jnp.zeros((1, 1, 6))
        root = np.random.default_rng(0).standard_normal((6, 6))
        information = jnp.asarray(root @ root.T)[None, None]
        drawn = eqx.filter_jit(jax.vmap(lambda key: agent.drawn_weights(rules, centre, information, key)))(
            jax.random.split(jax.random.key(1), 2000)
        )
    found = np.cov(np.asarray(drawn).reshape(2000, 6).T)
    exact = lambda part: np.linalg.inv(25.0 * (part * np.asarray(information)[0, 0] + 0.1 / 25.0 * np.eye(6)))
    size = lambda cov: np.sqrt((np.outer(np.diag(cov), np.diag(cov)) + cov**2) / 2000)
    assert np.all(np.abs(found - exact(1.0)) < 6.0 * size(exact(1.0)))
    assert not np.all(np.abs(found - exact(0.5)) < 6.0 * size(exact(0.5)))


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(sg.InputError, match="num_exploring"):
        ExploreThenCommit(10, num_exploring=11)
    with pytest.raises(sg.InputError, match="num_candidates"):
        sg.start(sg.Repeated(FollowThePerturbedLeader(num_candidates=2), world()))
