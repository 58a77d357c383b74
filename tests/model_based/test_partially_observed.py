"""Worlds that are seen in part: the lemma, the aliased fork, and memory."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import stackelberg as sg
from stackelberg.experiments.catalog.mbrl_pomdp import fork_values, world


def drawn(seed):
    seen = world(seed)
    return seen, np.random.default_rng(seed).dirichlet(np.ones(2), 3)


@given(seed=st.integers(0, 100_000))
@settings(max_examples=30)
def test_with_its_own_occupancy_a_model_keeps_its_promise(seed):
    seen, policy = drawn(seed)
    assert float(seen.promised(policy)) == pytest.approx(float(seen.value(policy)), abs=1e-10)


def test_with_weights_that_are_not_discounted_it_does_not():
    """The planted bug: long-run visits in the place of discounted ones."""
    errors = []
    for seed in range(20):
        seen, policy = drawn(seed)
        long = replace(seen.process, horizon=200, discount=1.0)
        weights = np.sum(long.visits(seen.hidden_policy(policy)), axis=-1)
        errors.append(abs(float(seen.promised(policy, weights)) - float(seen.value(policy))))
    assert max(errors) > 0.1


def test_terminal_states_end_the_model_too():
    for seed in range(5):
        seen, policy = drawn(seed)
        process = replace(seen.process, terminal=np.eye(6)[5], initial=np.eye(6)[0])
        ending = sg.PartiallyObserved(process, seen.observation)
        assert float(ending.promised(policy)) == pytest.approx(float(ending.value(policy)), abs=1e-10)


def test_the_aliased_fork():
    """Values of the four policies; what one model of uniform play predicts for them; what each leads to."""
    fork = sg.aliased_fork()
    endless = sg.PartiallyObserved(replace(fork.process, horizon=None, discount=1 - 1e-9), fork.observation)
    uniform = np.full((3, 2), 0.5)
    weights = np.sum(endless.process.visits(endless.hidden_policy(uniform)), axis=-1)
    told = {(0, 0): (1.1, 0.6), (0, 1): (0.1, 1.1), (1, 0): (0.0, 0.5), (1, 1): (2.0, 1.0)}
    for policy in endless.deterministic_policies()[::2]:
        first, second, _ = (int(one) for one in np.argmax(policy, axis=1))
        value, shared = told[first, second]
        assert float(fork.value(policy)) == pytest.approx(value, abs=1e-7)
        assert float(endless.promised(policy)) == pytest.approx(value, abs=1e-7)
        assert float(endless.promised(policy, weights)) == pytest.approx(shared, abs=1e-7)
    assert fork_values() == pytest.approx((2.0, 0.1, 1.1), abs=1e-9)


@pytest.mark.parametrize("length", [1, 3])
def test_one_bit_of_memory_is_worth_a_half_in_the_corridor(length):
    """By going through all policies of the smallest corridor: 4 actions on the 6 observations that matter."""
    blind = sg.corridor(length)
    assert max(float(blind.value(policy)) for policy in blind.deterministic_policies()) == pytest.approx(0.5)
    seeing = blind.with_memory(1)
    assert seeing.shape == (2 * blind.shape[0], 4)
    policy = np.zeros(seeing.shape)
    for place, name in enumerate(seeing.observations):
        look, memory = name.rsplit(", ", 1)
        write = {"sign left": "0", "sign right": "1"}.get(look, memory)
        policy[place, seeing.process.actions.index(f"{('left', 'right')[int(memory)]}, write {write}")] = 1.0
    assert float(seeing.value(policy)) == pytest.approx(1.0)
    # The planted bug, a bit that is never written, brings it back to a half.
    forgets = policy.copy()
    for place, name in enumerate(seeing.observations):
        if name.startswith("sign"):
            forgets[place] = 0.0
            forgets[place, seeing.process.actions.index("left, write 0")] = 1.0
    assert float(seeing.value(forgets)) == pytest.approx(0.5)


def test_an_observation_that_is_no_law_is_refused():
    with pytest.raises(sg.InputError, match="observation"):
        sg.PartiallyObserved(sg.random_process(3, 2), np.ones((3, 2)))
