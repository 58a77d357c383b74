"""Followers that change from episode to episode, and a leader who forgets in order to keep up with them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stackelberg as sg
from stackelberg.experiments.spec import experiment_from_json, experiment_to_json
from stackelberg.play.changing_world import AveragedPerception
from stackelberg.quantal.record import Schedule


RATE = 5.0
HUMAN = sg.QuantalResponse(RATE, discount=0.0)


def game(seed=1):
    return sg.random_markov_game(1, 2, 3, 1, seed=seed)


def still(seed=1):
    return sg.MarkovWorld(game(seed), HUMAN, reward_known=True)


def drifting(seed=1, num_episodes=400, **settings):
    return sg.DriftingWorld(still(seed), 1.0 - game(seed).follower_reward, num_episodes, **settings)


def test_a_reward_drifts_along_its_path():
    one, other = drifting(num_phases=5), drifting(num_phases=5, path="wave")
    first, last = one.game.follower_reward, one.reward_after
    assert [int(one.phase(n)) for n in (0, 49, 51, 200, 400, 1000)] == [0, 0, 1, 2, 4, 4]
    assert [int(other.phase(n)) for n in (0, 100, 200, 300, 400, 600)] == [0, 2, 4, 2, 0, 4]
    for n, share in ((0, 0.0), (200, 0.5), (400, 1.0)):
        with jax.enable_x64(True):
            now = one.at(n, None).game
        assert np.allclose(now.follower_reward, (1.0 - share) * first + share * last, atol=1e-12)
        assert np.array_equal(now.leader_reward, one.game.leader_reward)


def test_a_follower_with_memory_answers_to_the_average():
    where, announced = sg.RememberingWorld(still(), 0.8), np.array([[[0.9, 0.1]]])
    now = where.at(3, where.memory())
    seen = 0.2 * announced + 0.8 * 0.5
    assert np.allclose(now.follower(where.game, announced), HUMAN(where.game, seen), atol=1e-7)
    assert isinstance(now.follower, AveragedPerception)
    assert np.allclose(where.remembered(where.memory(), announced), seen, atol=1e-7)
    assert np.allclose(sg.RememberingWorld(still(), 0.0).remembered(where.memory(), announced), announced)


def pure(rules):
    return jnp.zeros_like(rules.uniform_commitment()).at[..., 0].set(1.0)


class Stubborn(sg.AbstractAgent):
    """Announces the first action for ever."""

    max_steps = property(lambda self: None)
    meanings = property(lambda self: {})

    def init(self, rules, key):
        return jnp.zeros(())

    def announce(self, rules, state, n, key):
        return pure(rules)

    def observe(self, rules, state, episode, n, key):
        return state + 1.0, {}

    def recommend(self, rules, state):
        return pure(rules)

    def belief(self, rules, state):
        return None


def missing(learner, steps):
    learners = sg.stack([learner], [sg.Suboptimality().attached(learner)])
    run, metrics = sg.train(learners, steps, seeds=range(2))
    other = sg.start(learners, range(2))
    for portion in (steps // 3, 1, steps - steps // 3 - 1):
        other, _ = sg.advance(learners, other, portion, last=steps)
    for one, two in zip(jax.tree.leaves(run.state), jax.tree.leaves(other.state), strict=True):
        assert np.array_equal(np.asarray(one), np.asarray(two))
    return metrics["announced_suboptimality"][:, 0]


def test_what_is_missing_under_drift_is_counted_from_the_best_of_each_phase():
    """And a run that is stopped and gone on with is the same bit for bit."""
    where = drifting(num_episodes=40, num_phases=5)
    found = missing(sg.Repeated(Stubborn(), where), 60)
    announced = np.array([[[1.0, 0.0]]])
    for n in (0, 10, 35, 59):
        now = where.settled(int(where.phase(n))).game
        best = sg.BackwardInduction(HUMAN)(now).certificate.upper
        assert found[n, 0] == pytest.approx(best - float(now.leader_value(announced, HUMAN(now, announced))), abs=1e-9)
    assert found[0, 0] != pytest.approx(found[59, 0], abs=1e-3)
    monitor = sg.Suboptimality(where)
    assert np.shape(monitor.best_value) == (5,)
    assert monitor.certificate() is None


def test_what_is_missing_with_memory_goes_to_that_without():
    where = sg.RememberingWorld(still(), 0.7)
    found = missing(sg.Repeated(Stubborn(), where), 60)
    held = missing(sg.Repeated(Stubborn(), still()), 60)
    assert np.all(held == held[0])
    assert found[0, 0] != pytest.approx(held[0, 0], abs=1e-3)
    assert np.allclose(found[-1], held[-1], atol=1e-9)
    for n in (0, 1, 5):
        past = 0.5 * 0.7 ** (n + 1)
        seen = np.array([[[1.0 - past, past]]])
        announced = np.array([[[1.0, 0.0]]])
        value = float(where.game.leader_value(announced, HUMAN(where.game, seen)))
        assert found[n, 0] == pytest.approx(sg.Suboptimality(still()).best_value - value, abs=1e-9)


def test_worlds_that_change_survive_files():
    for where in (drifting(path="wave"), sg.RememberingWorld(still(), 0.25)):
        agent = sg.OptimisticValueIteration(50, memory=20)
        one = sg.Experiment(sg.Repeated(agent, where), 5, sg.Suboptimality())
        assert experiment_to_json(experiment_from_json(experiment_to_json(one))) == experiment_to_json(one)


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(sg.InputError, match="path"):
        drifting(path="circle")
    with pytest.raises(sg.InputError, match="reward_after"):
        sg.DriftingWorld(still(), [[1.0]], 10)
    with pytest.raises(sg.InputError, match="weight"):
        sg.RememberingWorld(still(), 1.0)
    with pytest.raises(sg.InputError, match="memory"):
        sg.OptimisticValueIteration(memory=1)


def test_announcements_of_who_forgets_go_on_changing():
    assert np.array_equal(Schedule(300, 20).is_new, Schedule(300, 20, 300).is_new)
    starts = np.flatnonzero(Schedule(300, 20, 100).is_new)
    assert np.all(np.diff(starts[starts > 100]) == 5)


def lost(memory, worlds, episodes=600):
    """By seed, over games: what is missing in the last quarter."""
    agent = sg.OptimisticValueIteration(episodes, memory=memory)
    learners = sg.stack([sg.Repeated(agent, where) for where in worlds], [sg.Suboptimality(where) for where in worlds])
    metrics = sg.train(learners, episodes, seeds=range(32))[1]
    return metrics["announced_suboptimality"][-episodes // 4 :].mean(axis=(0, 1))


@pytest.mark.slow
def test_who_forgets_keeps_up_with_a_drift_and_pays_for_it_where_there_is_none():
    """Six games, 32 seeds, paired: both differences are beyond 3 standard errors.

    Were there no difference, one of them would be beyond by chance once in 370 runs with fresh seeds; these are fixed.
    """
    for worlds, sign in (
        ([drifting(seed, 600, num_phases=11) for seed in range(6)], -1.0),
        ([still(seed) for seed in range(6)], 1.0),
    ):
        apart = lost(150, worlds) - lost(None, worlds)
        assert sign * apart.mean() > 3.0 * apart.std(ddof=1) / np.sqrt(32), apart.mean()


def test_weights_of_answers_are_those_of_the_definition():
    agent = sg.OptimisticValueIteration(40, memory=10)
    run, _ = sg.train(sg.Repeated(agent, still()), 40, seeds=range(1))
    answers = np.asarray(run.state.record.answers)[0, 0].sum(axis=(1, 2, 3))
    schedule = Schedule(40, 20, 10)
    rows = np.array([int(schedule.row(n)) for n in range(40)])
    weights = 0.9 ** np.arange(39, -1, -1)
    expected = [weights[rows == row].sum() for row in range(schedule.num_rows)]
    assert np.allclose(answers, expected, atol=1e-12)
    assert np.asarray(run.state.record.visits).sum() == 40
    kept = dataclasses.replace(agent, memory=None)
    assert kept.memory is None
