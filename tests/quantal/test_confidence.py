"""Confidence sets for what a follower wants: they hold the truth as often as they say, whatever the gauge."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import stackelberg as sg
from stackelberg.followers.gauge import shaped
from stackelberg.quantal.bonus import Uncertainty, effective_dimension, likelihood_radius, squared_radius
from stackelberg.quantal.confidence import confidence_after
from stackelberg.quantal.model import log_answers
from stackelberg.quantal.myopic_likelihood import fitted, zero_weights
from stackelberg.quantal.record import PlayRecord
from stackelberg.quantal.response_intervals import farsighted_bounds, myopic_bounds


RATE = 3.0
MANY = 1_000

MYOPIC, FARSIGHTED = eqx.filter_jit(myopic_bounds), eqx.filter_jit(farsighted_bounds)


def game_of(num_states=2, horizon=2, discount=0.0, seed=1):
    return sg.random_markov_game(num_states, 2, 3, horizon, seed=seed, follower_discount=discount)


def world_of(game, announcement="strategy", **settings):
    return sg.MarkovWorld(game, sg.QuantalResponse(RATE), announcement, **settings)


def policies_of(rules, number, seed=0):
    horizon, num_states, num_rows, num_columns = rules.shape
    between = (num_columns,) if rules.is_prescription else ()
    return np.random.default_rng(seed).dirichlet(np.ones(num_rows), (number, horizon, num_states, *between))


def log_of(where, number=400, seed=0):
    announced = policies_of(where.rules, 20, seed)[np.arange(number) % 20]
    with jax.enable_x64(True):
        return sg.PlayLog(where.rules, jax.vmap(where.play)(announced, jax.random.split(jax.random.key(seed), number)))


def endless(where, plays, number=12):
    """Counts that are their own expectations."""
    announced, game = policies_of(where.rules, number), where.game
    answers = plays * np.stack([np.asarray(where.follower(game, policy)) for policy in announced])
    visits = np.full(where.rules.shape, plays)
    return PlayRecord(announced, answers, visits, 0.0 * visits, visits[..., None] * game.transition)


@pytest.fixture(scope="module")
def replicated():
    """One stage with a thousand states that are all alike: each is a log of its own, of 150 answers."""
    one = game_of(1, 1)
    reward = np.repeat(one.follower_reward, MANY, axis=1)
    rules = dataclasses.replace(world_of(one).rules, states=tuple(map(str, range(MANY))), initial=np.full(MANY, 1e-3))
    rng = np.random.default_rng(7)
    announced = np.repeat(rng.dirichlet(np.ones(2), (15, 1, 1)), MANY, axis=2)
    with jax.enable_x64(True):
        weights = reward.reshape(1, MANY, 6)
        law = np.zeros((*rules.shape, MANY), np.float32)
        ask = jax.jit(lambda policy: log_answers(rules, weights, jnp.zeros((*rules.shape, MANY)), policy))
        answers = np.stack([rng.multinomial(10, _normal(np.exp(ask(policy)))) for policy in announced]) * 1.0
        truth = np.exp(ask(0.5 + 0.0 * announced[0]))
    record = PlayRecord(announced, answers, np.zeros(rules.shape), np.zeros(rules.shape), law)
    return rules, record, weights, truth


def _normal(probabilities):
    return probabilities / probabilities.sum(axis=-1, keepdims=True)


def binomial(share, number=MANY, alarm=1e-3):
    return stats.binom.ppf([alarm / 2, 1 - alarm / 2], number, share) / number


@pytest.mark.parametrize("form", ["likelihood ratio", "ellipsoid"])
def test_calibrated_sets_hold_the_truth_as_often_as_they_say(replicated, form):
    """A thousand replications, within binomial bounds of 0.95; false alarms 1e-3.

    The twin takes as many degrees of freedom as there are weights, 6, and forgets that answers tell 4 of them.
    """
    rules, record, weights, _ = replicated
    found = confidence_after(rules, record, 150, level=0.95**MANY, law=_no_law(rules))
    lost = found.excess(weights) if form == "likelihood ratio" else 0.5 * RATE**2 * found.distance(weights)
    radius = found.likelihood_radius if form == "likelihood ratio" else 0.5 * RATE**2 * found.squared_radius
    assert radius == pytest.approx(0.5 * stats.chi2.ppf(0.95, 4), rel=1e-6)
    low, high = binomial(0.95)
    assert low <= np.mean(lost <= radius) <= high
    assert not low <= np.mean(lost <= 0.5 * stats.chi2.ppf(0.95, 6)) <= high
    assert found.contains(weights, form) == bool(np.all(lost <= radius))


def _no_law(rules):
    return np.zeros((*rules.shape, len(rules.states)), np.float32)


def test_the_proved_set_always_holds_the_truth(replicated):
    """A thousand replications: all of them. The twin, a tenth of what the limit law says, holds few."""
    rules, record, weights, _ = replicated
    found = confidence_after(rules, record, 150, "theory", law=_no_law(rules))
    for form in ("likelihood ratio", "ellipsoid"):
        assert found.contains(weights, form)
    assert np.mean(found.excess(weights) <= 0.05 * stats.chi2.ppf(0.95, 4)) < 0.5


def test_intervals_for_answers_hold_the_truth_as_often_as_they_say(replicated):
    """The first answer at a thousand states; 0.95 within binomial bounds, false alarms 1e-3. Halved intervals fail."""
    rules, record, _, truth = replicated
    uniform = np.full((1, MANY, 2), 0.5)
    alone = confidence_after(rules, record, 150, law=_no_law(rules)).response(uniform)
    low, high = binomial(0.95)
    held = (alone.low <= truth) & (truth <= alone.high)
    assert low <= held[..., 0].mean() <= high
    halved = np.abs(truth - alone.value) <= 0.25 * (alone.high - alone.low)
    assert not low <= halved[..., 0].mean() <= high
    every = confidence_after(rules, record, 150, level=0.95**MANY, law=_no_law(rules)).response(uniform, "support")
    assert np.all((every.low <= truth) & (truth <= every.high), axis=-1).mean() >= low
    assert np.all(every.low < alone.low + 1e-3)
    assert np.all(every.high > alone.high - 1e-3)


@pytest.mark.slow
def test_a_farsighted_set_holds_the_truth_as_often_as_it_says():
    """600 logs of 200 episodes, laws known: 0.95 within binomial bounds, false alarms 1e-3 for each of the two sets.

    The twin counts all 24 weights instead of the 18 directions that answers tell.
    """
    where = world_of(game_of(discount=0.9))
    rules, game, number = where.rules, where.game, 600
    announced = policies_of(rules, 20)
    held = {"likelihood ratio": 0, "ellipsoid": 0, "twin": 0}
    with jax.enable_x64(True):
        place = np.arange(200) % 20
        law = jnp.asarray(game.transition)
        plays = jax.jit(lambda key: jax.vmap(where.play)(jnp.asarray(announced)[place], jax.random.split(key, 200)))
        for key in jax.random.split(jax.random.key(3), number):
            record = PlayRecord.of(rules, announced, plays(key), jnp.asarray(place))
            found = confidence_after(rules, record, 200, law=law, num_steps=15)
            for form in ("likelihood ratio", "ellipsoid"):
                held[form] += found.contains(game.follower_reward, form)
            held["twin"] += found.excess(game.follower_reward)[0] <= 0.5 * stats.chi2.ppf(0.95, 24)
    assert found.likelihood_radius == pytest.approx(0.5 * stats.chi2.ppf(0.95, 18))
    low, high = binomial(0.95, number)
    assert low <= held["likelihood ratio"] / number <= high
    assert low <= held["ellipsoid"] / number <= high
    assert not low <= held["twin"] / number <= high


@pytest.mark.parametrize("discount", [0.0, 0.9])
def test_the_two_sets_agree_to_second_order(discount):
    """At a distance that the ellipsoid calls 1, what the likelihood loses is λ²/2 up to a share that falls as 1/√n.

    A hundred times the plays: a tenth of the share, between a fifth and a twentieth. The twin, Σ counted a tenth too
    large, keeps a share of a tenth.
    """
    where = world_of(game_of(discount=discount))
    with jax.enable_x64(True):
        direction = np.random.default_rng(0).normal(size=(2, 2, 6))
        shares = []
        for plays in (1e3, 1e5):
            found = confidence_after(where.rules, endless(where, plays), 10, law=jnp.asarray(where.game.transition))
            there = found.weights + direction / np.sqrt(found.distance(found.weights + direction).sum())
            shares.append(found.excess(there).sum() / (0.5 * RATE**2 * found.distance(there).sum()) - 1.0)
    assert 0.05 < shares[1] / shares[0] < 0.2
    assert abs(shares[1]) < 0.02
    assert abs((1.0 + shares[1]) / 1.1 - 1.0) > 0.05


@pytest.mark.parametrize("discount", [0.0, 0.9])
@pytest.mark.parametrize("announcement", ["strategy", "prescription"])
def test_rewards_that_answer_alike_are_in_a_set_together(announcement, discount):
    """The gauge moves nothing, to 1e-9: losses, distances, answers. The twin, a bonus for one answer, does."""
    where = world_of(game_of(discount=discount), announcement)
    game, log = where.game, log_of(where)
    found = sg.response_confidence(log, law=np.asarray(game.transition))
    rng, reward = np.random.default_rng(3), np.asarray(game.follower_reward)
    moved = reward + 5.0 * rng.normal(size=(2, 2, 1, 1))
    if discount > 0.0:
        moved = np.array(shaped(game, 5.0 * rng.normal(size=(2, 2))))
    if announcement == "strategy":  # c(a), at the first stage only where the follower looks ahead
        moved[: 1 if discount > 0.0 else 2] += 5.0 * rng.normal(size=(1 if discount > 0.0 else 2, 2, 2, 1))
    other = reward + np.array([1.0, 0.0, 0.0])
    for measure in (found.excess, found.distance):
        np.testing.assert_allclose(measure(moved), measure(reward), rtol=0, atol=1e-9)
        assert np.abs(measure(other) - measure(reward)).max() > 1.0
    for form in ("likelihood ratio", "ellipsoid"):
        assert found.contains(moved, form) == found.contains(reward, form)
        assert not found.contains(other, form)


@pytest.mark.parametrize("discount", [0.0, 0.9])
def test_the_proved_set_contains_the_calibrated_one(discount):
    """Points on the edge of a calibrated set, drawn in directions that answers tell, lie inside the proved one.

    The twin: on the edge of the proved set, none lies in the calibrated one.
    """
    log = log_of(world_of(game_of(discount=discount)))
    narrow, wide = sg.response_confidence(log), sg.response_confidence(log, "theory")
    assert wide.squared_radius > 10.0 * narrow.squared_radius
    assert wide.likelihood_radius > 10.0 * narrow.likelihood_radius
    rng = np.random.default_rng(0)
    for _ in range(50):
        push = rng.normal(size=narrow.weights.shape)
        for near, far, is_inside in ((narrow, wide, True), (wide, narrow, False)):
            size = near.distance(near.weights + push).reshape(-1)
            size = np.full(4, size[0]) if discount > 0.0 else size
            edge = near.weights + push * np.sqrt(0.999 * near.squared_radius / size).reshape(2, 2, 1)
            assert near.contains(edge, "ellipsoid")
            assert far.contains(edge, "ellipsoid") == is_inside
        lost = lambda share, push=push: float(np.max(narrow.excess(narrow.weights + share * push)))
        share = 1.0
        while lost(share) > narrow.likelihood_radius:
            share *= 0.7
        assert wide.contains(narrow.weights + share * push)


def test_agents_and_sets_have_the_same_radii():
    """One stage and state, so that the set is one block: R² is what `Uncertainty` gives the agents, β its half × λ²."""
    where = world_of(game_of(1, 1))
    log = log_of(where, 100)
    for preset in ("calibrated", "theory"):
        found, agent = sg.response_confidence(log, preset, 0.9), Uncertainty(preset, level=0.9)
        with jax.enable_x64(True):
            assert found.squared_radius == float(agent.squared_radius(where.rules, 100))
            assert found.ridge == float(agent.added(where.rules))
    assert sg.response_confidence(log, level=0.9).squared_radius == pytest.approx(7.77944 / 9.0, abs=1e-6)  # χ²_4
    blocks = sg.response_confidence(log_of(world_of(game_of())), level=0.9)
    assert blocks.squared_radius == pytest.approx(stats.chi2.ppf(0.9**0.25, 4) / 9.0)


def test_the_radii_of_a_farsighted_follower_by_hand():
    """H = 2, s = 2, a = 2, b = 3, λ = 3, γ = 1, T = 50: 24 weights, 18 told, E = 2.

    β = 48 log(1 + 2 √24 × 3 × 200) + 2 log(100 / 0.05) = 431.96, and R² = 8 (1/3 + 2 (1 + log 3 / 3))² β + 96.
    """
    rules = world_of(game_of(discount=1.0)).rules
    with jax.enable_x64(True):
        beta = float(likelihood_radius(rules, 50, 0.05, is_whole=True))
        assert beta == pytest.approx(48.0 * np.log(1.0 + 2.0 * np.sqrt(24.0) * 600.0) + 2.0 * np.log(2000.0))
        reach = 1.0 / 3.0 + 2.0 * (1.0 + np.log(3.0) / 3.0)
        proved = float(squared_radius(rules, "theory", 0.95, 50, is_whole=True))
    assert proved == pytest.approx(8.0 * reach**2 * beta + 96.0)
    assert effective_dimension(rules, is_whole=True) == 18
    assert effective_dimension(world_of(game_of(), "prescription").rules, is_whole=True) == 20


def test_a_follower_who_hardly_looks_ahead_has_the_intervals_of_a_myopic_one():
    """Two codes for the same numbers: through action values, and through all weights; to 1e-6 at a discount of 1e-9."""
    for announcement in ("strategy", "prescription"):
        where = world_of(game_of(), announcement)
        with jax.enable_x64(True):
            rules, record = where.rules, endless(where, 20.0)
            near = eqx.tree_at(lambda rules: rules.follower_discount, rules, 1e-9)
            law, (policy,) = jnp.asarray(where.game.transition), policies_of(rules, 1, 5)
            found = fitted(rules, record, zero_weights(rules), jnp.asarray(1e-3), 20)
            blocks = np.asarray(found.information).reshape(4, 6, 6)
            whole = np.zeros((1, 24, 24))
            for k, block in enumerate(blocks):
                whole[0, 6 * k : 6 * k + 6, 6 * k : 6 * k + 6] = block
            for form in ("delta method", "support"):
                at = (jnp.asarray(policy), jnp.asarray(0.4), form)
                one = MYOPIC(rules, law, found.weights, jnp.asarray(blocks), 0.05, *at)
                two = FARSIGHTED(near, law, found.weights, jnp.asarray(whole), 0.05, *at)
                for mine, theirs in zip(one, two, strict=True):
                    np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-5)
                assert np.min(one[2] - one[1]) > 1e-2


@pytest.mark.parametrize("discount", [0.0, 0.9])
def test_the_support_reaches_as_far_as_points_of_the_ellipsoid(discount):
    """5,000 rewards drawn on its edge: none gives an answer beyond the bounds by more than 1e-3, some come near."""
    where = world_of(game_of(1, 1) if discount == 0.0 else game_of(discount=discount))
    found = sg.response_confidence(log_of(where, 200), law=np.asarray(where.game.transition))
    (policy,) = policies_of(where.rules, 1, 9)
    bounds = found.response(policy, "support")
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        matrix = np.asarray(found.information[0]) + found.ridge * np.asarray(found.told[0])
        values, vectors = np.linalg.eigh(matrix)
        kept = values > 1e-9
        draws = rng.normal(size=(5_000, kept.sum()))
        draws *= np.sqrt(found.squared_radius) / np.linalg.norm(draws, axis=1, keepdims=True)
        push = (draws / np.sqrt(values[kept])) @ vectors[:, kept].T
        weights = jnp.asarray(np.ravel(found.weights) + push).reshape(-1, *found.weights.shape)
        law = jnp.asarray(where.game.transition)
        answers = np.exp(jax.jit(jax.vmap(lambda w: log_answers(where.rules, w, law, policy)))(weights))
    assert np.all(answers.max(axis=0) < bounds.high + 1e-3)
    assert np.all(answers.min(axis=0) > bounds.low - 1e-3)
    reached = (answers.max(axis=0) - bounds.value) / (bounds.high - bounds.value)
    assert np.all(reached > (0.95 if discount == 0.0 else 0.4))


def test_one_hot_features_tell_what_a_table_tells():
    """The same projection, distance and intervals, whether a reward is a table or twelve features of a stage."""
    game = game_of()
    one_hot = np.broadcast_to(np.eye(12).reshape(2, 2, 3, 12), (2, 2, 2, 3, 12))
    table, linear = world_of(game), world_of(game, follower_features=one_hot)
    log = log_of(table)
    one = sg.response_confidence(log)
    two = sg.response_confidence(sg.PlayLog(linear.rules, log.episodes))
    for h in range(2):
        np.testing.assert_allclose(two.told[h, :6, :6], one.told[2 * h], rtol=0, atol=1e-12)
        np.testing.assert_allclose(two.told[h, :6, 6:], 0.0, rtol=0, atol=1e-12)
    flat = np.asarray(game.follower_reward).reshape(2, 1, 12)
    np.testing.assert_allclose(two.distance(flat), one.distance(game.follower_reward).reshape(2, 2).sum(1), atol=1e-8)
    np.testing.assert_allclose(two.excess(flat), one.excess(game.follower_reward).reshape(2, 2).sum(1), atol=1e-8)
    (policy,) = policies_of(table.rules, 1, 5)
    np.testing.assert_allclose(one.response(policy).low, two.response(policy).low, rtol=0, atol=1e-8)


def test_a_file_is_enough_and_what_is_wrong_is_named(tmp_path):
    where = world_of(game_of())
    sg.write_play(tmp_path / "log.jsonl", log_of(where, 60))
    log = sg.read_play(tmp_path / "log.jsonl")
    found = sg.response_confidence(log, level=0.9)
    assert found.level == 0.9
    assert found.reward.shape == (2, 2, 2, 3)
    answer = found.response(where.rules.uniform_commitment())
    assert answer.method == "delta method, calibrated, 0.9, each by itself"
    assert np.all((answer.low > 0.0) & (answer.low < answer.value) & (answer.value < answer.high) & (answer.high < 1.0))
    empty = dataclasses.replace(log, episodes=jax.tree.map(lambda part: part[:0], log.episodes))
    for call, words in (
        (lambda: sg.response_confidence("log.jsonl"), "read_play"),
        (lambda: sg.response_confidence(log, "exact"), "calibrated"),
        (lambda: sg.response_confidence(log, level=1.0), "level"),
        (lambda: sg.response_confidence(log, law=np.ones((2, 2))), "law"),
        (lambda: sg.response_confidence(empty), "no episodes"),
        (lambda: found.contains(np.zeros(3)), "weights"),
        (lambda: found.contains(game_of().follower_reward, "box"), "likelihood ratio"),
        (lambda: found.response(np.ones((2, 2, 2))), "commitment"),
    ):
        with pytest.raises(sg.InputError, match=words):
            call()
