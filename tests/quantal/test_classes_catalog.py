"""What quantal:E14 and E15 measure on: logs are counted right, and linear games are linear."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stackelberg as sg
from stackelberg.experiments.catalog import quantal_classes
from stackelberg.experiments.catalog.quantal_classes import chains, offline, online
from stackelberg.experiments.catalog.quantal_scaling import _same_stages, linear_world
from stackelberg.quantal.record import PlayRecord


@pytest.mark.parametrize("size", [7, 12])
def test_the_record_of_the_first_episodes_is_that_of_adding_them_one_by_one(size):
    world = sg.MarkovWorld(sg.random_markov_game(2, 2, 3, 2, seed=3), sg.QuantalResponse(5.0, discount=0.0))
    announced = np.random.default_rng(0).dirichlet(np.ones(2), (12, 2, 2))
    with jax.enable_x64(True):
        rules = world.rules
        episodes = jax.vmap(world.play)(jnp.asarray(announced), jax.random.split(jax.random.key(0), 12))
        add = lambda record, now: (record.add(now[0], now[1]), None)
        first = jax.tree.map(lambda leaf: leaf[:size], episodes)
        one_by_one = jax.lax.scan(add, PlayRecord.empty(rules, 12), (first, jnp.arange(size)))[0]
        at_once = PlayRecord.of(rules, announced, episodes, jnp.arange(12), (jnp.arange(12) < size).astype(float))
    for field in dataclasses.fields(PlayRecord):
        rows = slice(size) if field.name == "commitment" else slice(None)  # rows without answers say nothing
        one, other = (np.asarray(getattr(record, field.name))[rows] for record in (one_by_one, at_once))
        assert np.array_equal(one, other), field.name
    assert np.asarray(at_once.visits).sum() == 2 * size


@pytest.mark.parametrize("dimension", [4, 16])
def test_rewards_and_laws_of_a_linear_game_are_linear_in_its_features(dimension):
    game, features = (world := linear_world(dimension, 1)).game, np.asarray(world.leader_features)
    following = np.random.default_rng(0).random(8)
    backed = np.asarray(game.transition) @ following
    for h in range(2):
        cells = features[h].reshape(-1, dimension)
        for table in (game.leader_reward, game.follower_reward, backed):
            left = np.asarray(table)[h].reshape(-1)
            assert np.abs(cells @ np.linalg.lstsq(cells, left, rcond=None)[0] - left).max() < 1e-12
    assert np.linalg.matrix_rank(features[0].reshape(-1, dimension)) == dimension
    other = np.random.default_rng(1).random(len(features[0].reshape(-1, dimension)))  # the twin: any table is not
    assert np.abs(cells @ np.linalg.lstsq(cells, other, rcond=None)[0] - other).max() > 1e-2


def test_more_equal_stages_are_worth_more_by_at_most_the_best_of_one():
    values = [float(sg.Suboptimality(_same_stages(horizon, 2)).best_value) for horizon in (1, 2, 3)]
    steps = np.diff([0.0, *values])
    assert np.all(steps > 0.0)
    assert np.all(steps <= np.max(_same_stages(1, 2).game.leader_reward))


def test_chains_with_and_without_features_are_the_same_games():
    plain, told = (chains(12, 2, with_features=kind) for kind in (False, True))
    for one, two in zip(plain, told, strict=True):
        assert np.array_equal(one.game.leader_reward, two.game.leader_reward)
        assert one.rules.follower_features is None
        assert two.rules.follower_features.shape[:-1] == two.rules.shape
    assert not np.array_equal(plain[0].game.leader_reward, plain[1].game.leader_reward)


def test_what_is_measured_of_a_small_class_obeys_the_theorems(monkeypatch):
    monkeypatch.setattr(quantal_classes, "CLASS_SIZE", 4)
    runs = online(0, 40, 2, "theory")
    assert runs["is_kept"].shape == runs["missing"].shape == (40, 2)
    assert runs["is_kept"].all()
    assert runs["missing"].min() >= -1e-6
    plans = offline(0, (20, 60), 3, "theory", is_pessimistic=True)
    assert plans["promise"].shape == (2, 3)
    assert np.all(plans["promise"] <= plans["value"] + 1e-9)
    assert np.all(plans["value"] <= plans["best"] + 1e-6)
