"""The joint fit: its losses are those of the log, its gradient is right, endless data decide, and chains are smooth."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stackelberg as sg
from stackelberg.games.domains.chain import chain_features, chain_game
from stackelberg.quantal.joint_fit import PlanningAfterEstimation
from stackelberg.quantal.joint_loss import answers, bellman_loss, best_announcements, log_loss, polished, worths
from stackelberg.quantal.record import PlayRecord


RATE = 5.0


def world(announcement="strategy", seed=0):
    return sg.MarkovWorld(sg.random_markov_game(2, 2, 3, 2, seed=seed), sg.QuantalResponse(RATE), announcement)


def logged(where, number=150, seed=0):
    """Episodes under random announcements, and the record of them."""
    between = (3,) if where.announcement == "prescription" else ()
    announced = np.random.default_rng(seed).dirichlet(np.ones(2), (number, 2, 2, *between))

    @jax.jit
    def played(announced, keys):
        episodes = jax.vmap(where.play)(announced, keys)
        add = lambda record, now: (record.add(now[0], now[1]), None)
        return episodes, jax.lax.scan(add, PlayRecord.empty(where.rules, number), (episodes, jnp.arange(number)))[0]

    return played(jnp.asarray(announced), jax.random.split(jax.random.key(seed), number))


def endless(where, plays=1e4, number=12):
    """Counts that are their own expectations, under random announcements."""
    game = where.game
    announced = np.random.default_rng(0).dirichlet(np.ones(2), (number, 2, 2))
    seen = plays * np.stack([np.asarray(where.follower(game, policy)) for policy in announced])
    visits = np.full(where.rules.shape, plays)
    moves = visits[..., None] * game.transition
    moves[-1] = 0.0
    return PlayRecord(announced, seen, visits, visits * game.leader_reward, moves)


@pytest.mark.parametrize("announcement", ["strategy", "prescription"])
def test_losses_are_those_of_the_episodes_themselves(announcement):
    where = world(announcement, seed=1)
    rng = np.random.default_rng(3)
    reward, value, worth = rng.random((2, 2, 2, 3)), rng.random((2, 2, 2, 3)), rng.random((2, 2))
    with jax.enable_x64(True):
        rules = where.rules
        episodes, record = jax.tree.map(np.asarray, logged(where))
        found = float(bellman_loss(rules, record, value, worth)), float(log_loss(rules, record, jnp.asarray(reward)))
    squares, logs = 0.0, 0.0
    span = np.ptp(where.game.leader_reward)
    for h in range(2):
        s, a, b = (getattr(episodes, name)[:, h] for name in ("states", "leader_actions", "follower_actions"))
        target = episodes.rewards[:, h] + (worth[1][episodes.states[:, 1]] if h == 0 else 0.0)
        means = np.zeros((2, 2, 3))
        for cell in np.ndindex(2, 2, 3):
            here = (s == cell[0]) & (a == cell[1]) & (b == cell[2])
            means[cell] = target[here].mean() if here.any() else 0.0
        missed = np.sum((value[h][s, a, b] - target) ** 2) - np.sum((means[s, a, b] - target) ** 2)
        squares += missed / ((2 - h) * span) ** 2
        for announced, state, action in zip(episodes.commitment[:, h], s, b, strict=True):
            rows = announced[state] if announcement == "prescription" else np.tile(announced[state], (3, 1))
            appeal = RATE * np.sum(rows.T * reward[h, state], axis=0)
            logs -= appeal[action] - np.log(np.exp(appeal).sum())
    assert found[0] == pytest.approx(squares, rel=1e-9)
    assert found[1] == pytest.approx(logs, rel=1e-9)


def test_the_gradient_is_that_of_differences_although_announcements_are_held_fixed():
    """The envelope theorem, for networks. The twin, the gradient without optimism, is told apart where both differ."""
    where = world(seed=2)
    agent = PlanningAfterEstimation(150, model="network", width=8, optimism=10.0)
    with jax.enable_x64(True):
        rules = where.rules
        _, record = logged(where)
        flat, shape = jax.flatten_util.ravel_pytree(agent._blank(rules, jax.random.key(1)))

        def loss(flat, optimism):
            return dataclasses.replace(agent, optimism=optimism).objective(rules, record, shape(flat))

        slope = jax.jit(jax.value_and_grad(loss))
        found, other = (np.asarray(slope(flat, number)[1]) for number in (10.0, 0.0))
        for push in (np.random.default_rng(0).standard_normal(flat.shape), found - other):
            difference = float(slope(flat + 1e-6 * push, 10.0)[0] - slope(flat - 1e-6 * push, 10.0)[0]) / 2e-6
            assert difference == pytest.approx(found @ push, rel=1e-4, abs=1e-6)
        assert difference != pytest.approx(other @ push, rel=0.1)


def test_with_endless_data_a_plain_fit_plans_as_backward_induction_does():
    where = world(seed=4)
    agent = PlanningAfterEstimation(12, optimism=0.0, fit_steps=900, ridge=1e-6)
    best = sg.Suboptimality(where).best_value
    with jax.enable_x64(True):
        rules, record = where.rules, endless(where)
        wrong = dataclasses.replace(record, answers=record.answers[..., ::-1])  # the twin: answers by a wrong name

        @jax.jit
        def plans(answers):
            log = dataclasses.replace(record, answers=answers)
            guess = agent.guess(rules, agent.fitted(rules, log, agent._blank(rules, jax.random.key(0))))
            commitment = polished(rules, guess)
            return commitment, worths(rules, guess, commitment)[0], best_announcements(rules, guess)

        (plan, worth, coarse), (misled, _, _) = (plans(jnp.asarray(log.answers)) for log in (record, wrong))
    value = lambda policy: float(where.game.leader_value(policy, where.follower(where.game, np.asarray(policy))))
    assert best - value(plan) < 2e-3
    assert float(np.asarray(rules.initial) @ np.asarray(worth)) == pytest.approx(best, abs=5e-3)
    assert np.abs(np.asarray(coarse) - np.asarray(plan)).max() < 0.05
    assert best - value(misled) > 2e-2


def test_a_network_of_the_reward_answers_mixtures_linearly():
    where = world(seed=5)
    agent = PlanningAfterEstimation(10, model="network", width=8)
    with jax.enable_x64(True):
        rules = where.rules
        guess = agent.guess(rules, agent._blank(rules, jax.random.key(3)))
        ends = [jnp.broadcast_to(jnp.asarray(row), (2, 2, 2)) for row in ([1.0, 0.0], [0.0, 1.0], [0.5, 0.5])]
        odds = [np.log(np.asarray(answers(rules, guess, end))) for end in ends]
    odds = [one - one[..., :1] for one in odds]
    assert np.abs(odds[2] - 0.5 * (odds[0] + odds[1])).max() < 1e-12
    assert np.abs(odds[0] - odds[1]).max() > 1e-3
    low = 2 * float(rules.reward_low) - 1e-12
    assert np.all(np.asarray(guess.value)[0] >= low)


@pytest.fixture(scope="module")
def learned():
    where = world(seed=0)
    learners = sg.stack([sg.Repeated(PlanningAfterEstimation(150), where)], [sg.Suboptimality(where)])
    return learners, sg.train(learners, 150, seeds=range(8))


@pytest.mark.slow
def test_it_learns(learned):
    """Eight seeds: the last tenth misses less than half of what the first tenth did."""
    _, (_, metrics) = learned
    missing = metrics["announced_suboptimality"]
    assert np.all(missing > -1e-6)
    assert missing[-15:].mean() < missing[:15].mean() / 2.0


@pytest.mark.slow
def test_a_run_in_portions_is_the_same_run_bit_for_bit(learned):
    learners, (run, _) = learned
    other = sg.start(learners, range(8))
    for portion in (50, 1, 99):
        other, _ = sg.advance(learners, other, portion, last=150)
    for one, two in zip(jax.tree.leaves(run.state), jax.tree.leaves(other.state), strict=True):
        assert np.array_equal(np.asarray(one), np.asarray(two))


def test_optimism_promises_more():
    where = world(seed=6)
    agent = PlanningAfterEstimation(150, fit_steps=100)
    with jax.enable_x64(True):
        rules = where.rules
        _, record = logged(where)

        @jax.jit
        def promised(optimism):
            one = dataclasses.replace(agent, optimism=optimism)
            guess = one.guess(rules, one.fitted(rules, record, one._blank(rules, jax.random.key(0))))
            return rules.initial @ worths(rules, guess, best_announcements(rules, guess))[0]

        promises = [float(promised(number)) for number in (0.0, 1.0, 5.0)]
    assert promises[0] < promises[1] - 0.01 < promises[2] - 0.02


def test_neighbours_on_a_chain_are_alike_and_walks_move_by_one():
    game = chain_game(100, horizon=3, num_follower_actions=3, seed=7)
    for table in (game.leader_reward, game.follower_reward):
        assert table.min() >= 0.0
        assert table.max() <= 1.0
        assert np.abs(np.diff(table, axis=0)).max() < 0.1
    reached = np.abs(np.arange(100)[:, None, None, None] - np.arange(100)) * (game.transition > 0.0)
    assert reached.max() == 1
    features = chain_features(game, 4)
    assert features.shape == (3, 100, 2, 3, 8 + 1 + 6)
    flat = features.reshape(-1, features.shape[-1])
    assert len(np.unique(flat.round(12), axis=0)) == len(flat)
    assert not np.array_equal(game.leader_reward, chain_game(100, horizon=3, num_follower_actions=3).leader_reward)
