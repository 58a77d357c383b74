"""Estimates by weighting, against exact values of worlds that are known and against enumeration."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

import stackelberg as sg
from stackelberg.calculus.precision import exact
from stackelberg.experiments.catalog.batch_measuring import as_table


PROCESS = sg.random_process(3, 2, seed=4, num_successors=2, horizon=3, discount=0.8)
BEHAVIOUR = np.array([[0.7, 0.3], [0.4, 0.6], [0.5, 0.5]])
TARGET = np.array([[0.2, 0.8], [0.9, 0.1], [0.3, 0.7]])
TRUE = float(PROCESS.value(TARGET))
KINDS = ("plain", "weighted", "per-decision", "weighted-per-decision")


def log(num_rows, seed=0):
    data = sg.process_log(PROCESS, BEHAVIOUR, num_rows, seed)
    return data, TARGET[data.state, data.chosen]


def test_on_average_over_all_episodes_weighting_is_exact():
    """Every episode of three steps with its probability: the mean of the estimates is the value, to rounding."""
    total = {"plain": 0.0, "per-decision": 0.0, "doubly robust": 0.0}
    critic = np.random.default_rng(0).normal(size=(3, 2))
    for actions in itertools.product(range(2), repeat=3):
        for states in itertools.product(range(3), repeat=3):
            path = (0, *states)
            chance = np.prod(
                [
                    BEHAVIOUR[path[t], actions[t]] * PROCESS.transition[path[t], actions[t], path[t + 1]]
                    for t in range(3)
                ]
            )
            if chance == 0.0:
                continue
            now, then = np.array(path[:3]), np.array(path[1:])
            paid = PROCESS.reward[now, actions, then]
            data = sg.Dataset(
                now.astype(float), np.array(actions, dtype=float), paid, then.astype(float), np.zeros(3), [0, 0, 1],
                propensity=BEHAVIOUR[now, actions], num_actions=2, num_states=3,
            )  # fmt: skip
            taken = TARGET[now, actions]
            for kind in ("plain", "per-decision"):
                total[kind] += chance * float(sg.importance_sampling(data, taken, 0.8, weighting=kind))
            states_worth = np.sum(TARGET * critic, axis=-1)[now]
            total["doubly robust"] += chance * float(
                sg.doubly_robust(data, taken, 0.8, states_worth, critic[now, actions])
            )
    for name, value in total.items():
        assert value == pytest.approx(TRUE, abs=1e-10), name


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_cover_the_truth(kind):
    """40 logs of 600 episodes: a 95 % interval misses 7 or more with probability 0.4 %; the twin weighs nothing."""
    missed = naive = 0
    for seed in range(40):
        data, chance = log(1_800, seed)
        found = sg.importance_sampling(data, chance, 0.8, weighting=kind)
        missed += not found.low <= TRUE <= found.high
        alone = sg.importance_sampling(data, data.propensity, 0.8, weighting=kind)
        naive += not alone.low <= TRUE <= alone.high
    assert missed <= 6
    assert naive > 20


def test_the_marginalised_estimate_is_narrower_and_right():
    data, chance = log(6_000)
    found = sg.marginalised(data, chance, 0.8)
    plain = sg.importance_sampling(data, chance, 0.8, weighting="plain")
    assert found.low <= TRUE <= found.high
    assert found.high - found.low < plain.high - plain.low


def test_with_its_own_policy_every_estimate_is_the_mean_return():
    data, _ = log(300)
    mean = float(np.mean(data.returns(0.8)))
    for kind in KINDS:
        found = sg.importance_sampling(data, data.propensity, 0.8, weighting=kind)
        assert float(found) == pytest.approx(mean, rel=1e-9), kind
    assert sg.effective_size(data, data.propensity) == pytest.approx(data.num_episodes)


def test_the_kernel_interval_covers_a_value_that_it_was_never_shown():
    grid = sg.goal_grid(3, discount=0.9)
    best = np.asarray(grid.best_policy())
    data = sg.process_log(grid, 0.5 * best + 0.125, 2_000, 0)
    table = 0.8 * best + 0.05
    found = sg.kernel_interval(data, as_table(table), discount=0.9, reward_range=(0.0, 1.0))
    assert found.low <= 0.1 * float(grid.value(table)) <= found.high
    assert found.high - found.low < 0.2
    narrow = sg.kernel_interval(data, as_table(table), discount=0.9, reward_range=(0.0, 1.0), level=0.5)
    assert narrow.low >= found.low
    assert narrow.high <= found.high


def test_a_log_without_propensities_says_what_to_do():
    data, chance = log(60)
    bare = sg.Dataset(
        data.observation, data.action, data.reward, data.next_observation, data.terminal, data.truncated,
        num_actions=2, num_states=3,
    )  # fmt: skip
    with pytest.raises(sg.InputError, match="no propensities"):
        sg.importance_sampling(bare, chance, 0.8)
    estimated = exact(lambda policy: jnp.exp(policy.log_chance(data.observation, data.action)))(sg.cloned(data))
    assert estimated.shape == (60,)
