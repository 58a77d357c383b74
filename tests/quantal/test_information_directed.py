"""Announcements for what they tell: the ratio is that of its definition, and the agent learns by it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stackelberg as sg
from stackelberg.quantal.information_directed import directed
from stackelberg.quantal.myopic_likelihood import fitted, zero_weights
from stackelberg.quantal.record import PlayRecord
from stackelberg.quantal.value_iteration import known


RATE = 5.0
HUMAN = sg.QuantalResponse(RATE, discount=0.0)


def world(seed=1):
    return sg.MarkovWorld(sg.random_markov_game(1, 2, 3, 1, seed=seed), HUMAN, reward_known=True)


def log(where, plays, seed=0):
    """Answers to five announcements, as they are drawn."""
    rng, empty = np.random.default_rng(seed), PlayRecord.empty(where.rules, 5)
    announced = rng.dirichlet(np.ones(2), (5, 1, 1))
    chance = [np.asarray(HUMAN(where.game, one))[0, 0].astype(float) for one in announced]
    answers = np.stack([rng.multinomial(plays, one / one.sum()) for one in chance]).astype(float)
    return PlayRecord(announced, answers[:, None, None], empty.visits, empty.paid, empty.moves)


@pytest.mark.parametrize(("seed", "plays"), [(1, 5), (2, 50)])
def test_the_ratio_is_smallest_and_information_is_what_a_play_takes_off_the_squared_width(seed, plays):
    """All of it once more, without derivatives by hand: by differences, and by adding a play to the information."""
    where, doubt = world(seed), sg.Uncertainty()
    with jax.enable_x64(True):
        rules, record = where.rules, log(where, plays)
        found = fitted(rules, record, zero_weights(rules), jnp.asarray(1e-2 / RATE**2), 20)
        seen = known(rules, record, found.weights, found.information, doubt, 100)
        plan, optimistic = jax.jit(lambda record, seen: directed(rules, record, seen, doubt, 100))(record, seen)
        radius, added = float(doubt.squared_radius(rules, 100)), float(doubt.added(rules))
    reward, told = np.asarray(seen.reward)[0, 0], np.asarray(found.information)[0, 0]
    gain = np.asarray(where.game.leader_reward)[0, 0]
    covariance = radius * np.linalg.inv(told + added * np.eye(6))

    def choice(mixture, table):
        logits = RATE * mixture @ table
        return np.exp(logits) / np.exp(logits).sum()

    worth = lambda mixture, table: choice(mixture, table) @ (mixture @ gain)

    def slope(mixture, step=1e-5):
        moves = step * np.eye(6).reshape(6, 2, 3)
        return np.array([worth(mixture, reward + move) - worth(mixture, reward - move) for move in moves]) / (2 * step)

    def width(mixture):
        return np.sqrt(slope(mixture) @ covariance @ slope(mixture))

    target = np.asarray(optimistic)[0, 0]
    most, direction = worth(target, reward) + width(target), slope(target)

    def ratio(mixture, part=1e-4):
        chosen = choice(mixture, reward)
        features = np.stack([np.outer(mixture, one).ravel() for one in np.eye(3)])
        mean = chosen @ features
        play = features.T @ np.diag(chosen) @ features - np.outer(mean, mean)
        after = radius * np.linalg.inv(told + added * np.eye(6) + part * play)
        whole = direction @ covariance @ direction
        information = (whole - direction @ after @ direction) / (part * whole)
        return (most - worth(mixture, reward) + width(mixture)) ** 2 / information

    grid = np.stack([np.linspace(0.0, 1.0, 201), np.linspace(1.0, 0.0, 201)], axis=-1)
    assert most >= max(worth(one, reward) + width(one) for one in grid) - 1e-6
    ratios = np.array([ratio(one) for one in grid])
    assert ratio(np.asarray(plan.commitment)[0, 0]) <= 1.001 * ratios.min()
    assert ratios.max() > 1.1 * ratios.min()  # the twin: announcements are told apart
    assert np.allclose(np.asarray(plan.belief.response)[0, 0], choice(np.asarray(plan.commitment)[0, 0], reward))


@pytest.mark.slow
def test_it_learns_and_goes_on_bit_for_bit():
    """Eight fixed seeds: the last tenth misses less than a third of what the first tenth misses."""
    where = world()
    learners = sg.stack([sg.Repeated(sg.InformationDirected(300), where)], [sg.Suboptimality(where)])
    run, metrics = sg.train(learners, 300, seeds=range(8))
    other = sg.start(learners, range(8))
    for portion in (100, 1, 199):
        other, _ = sg.advance(learners, other, portion, last=300)
    for one, two in zip(jax.tree.leaves(run.state), jax.tree.leaves(other.state), strict=True):
        assert np.array_equal(np.asarray(one), np.asarray(two))
    lost = metrics["announced_suboptimality"][:, 0]
    assert lost[-30:].mean() < lost[:30].mean() / 3.0
    assert lost.min() > -1e-6
