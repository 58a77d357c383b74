"""The only loop: all portions of a run give the same bits, settings and seeds run as one call, nothing is silent."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from oracles.learners import TRACED, Descent, Distance, OnHost, Remembering
from stackelberg import InputError, advance, commitments, stack, start, train
from stackelberg._loop.randomness import INIT, STEPS, of_step, role, seed_keys


SEEDS = (0, 7, 11)


def leaves(run):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(run.state)]


def same_bits(one, two):
    return all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(leaves(one), leaves(two), strict=True))


@given(cuts=st.lists(st.integers(1, 39), max_size=6, unique=True))
@settings(max_examples=25)
def test_a_run_cut_anywhere_gives_the_same_bits(cuts):
    learner = Descent(0.1)
    whole, metrics = advance(learner, start(learner, SEEDS), 40)
    run, parts = start(learner, SEEDS), []
    for before, after in zip([0, *sorted(cuts)], [*sorted(cuts), 40], strict=True):
        run, part = advance(learner, run, after - before)
        parts.append(part["loss"])
    assert run.n == 40
    assert same_bits(run, whole)
    assert np.array_equal(np.concatenate(parts), metrics["loss"])


def test_a_run_longer_than_a_buffer_is_the_same_run():
    learner = Descent(0.1)
    _, metrics = train(learner, 2500, SEEDS)
    assert metrics["loss"].shape == (2500, 1, 3)
    assert np.array_equal(metrics["loss"][:40], train(learner, 40, SEEDS)[1]["loss"])


def test_the_loop_does_what_its_learner_says_step_by_step():
    """Against a plain Python loop over `step` that shares nothing with the loop but the keys."""
    learner = Descent(0.1)
    run, metrics = train(learner, 20, [5])
    key = seed_keys([5])[0, 0]
    state = learner.init(role(key, INIT))
    for n in range(20):
        state, numbers = learner.step(state, n, of_step(role(key, STEPS), n))
        assert float(numbers["loss"]) == pytest.approx(float(metrics["loss"][n, 0, 0]), rel=1e-5)
    assert np.allclose(state["x"], run.state["x"][0, 0], rtol=1e-5)
    assert int(state["count"]) == 20


def test_settings_run_together_as_they_run_alone():
    rates = [0.01, 0.1, 0.5]
    _, together = train(stack([Descent(rate) for rate in rates]), 30, SEEDS)
    for g, rate in enumerate(rates):
        _, alone = train(Descent(rate), 30, SEEDS)
        assert np.allclose(together["loss"][:, g], alone["loss"][:, 0], rtol=2e-5)


def test_any_learning_rates_and_any_lengths_are_one_compiled_program():
    train(Descent(0.3), 5, SEEDS)
    before = TRACED["update"]
    for rate in (0.1, 0.2, 0.7):
        train(Descent(rate), 37, SEEDS)
    assert TRACED["update"] == before


def test_whole_numbers_decide_what_is_compiled_and_cannot_be_stacked():
    with pytest.raises(InputError, match="num_targets"):
        stack([Descent(0.1, num_targets=4), Descent(0.1, num_targets=8)])


def test_a_learner_on_the_host_leaves_the_same_record():
    on_device, on_host = Descent(0.1), OnHost(Descent(0.1))
    run, metrics = train(on_device, 15, SEEDS)
    again, record = train(on_host, 15, SEEDS)
    assert record["loss"].shape == metrics["loss"].shape
    assert np.allclose(record["loss"], metrics["loss"], rtol=1e-5)
    assert np.allclose(commitments(on_host, again), commitments(on_device, run), rtol=1e-5)


def test_a_learner_on_the_host_can_be_cut_too():
    learner = OnHost(Descent(0.1))
    whole, _ = advance(learner, start(learner, SEEDS), 9)
    part, _ = advance(learner, start(learner, SEEDS), 4)
    assert same_bits(advance(learner, part, 5)[0], whole)


def test_a_step_that_remembers_outside_of_its_state_is_caught_by_cutting():
    """The twin of the tests above: here a run that was gone on with does differ."""
    whole, _ = train(Remembering([]), 9, [0])
    part, _ = train(Remembering([]), 4, [0])
    again, _ = advance(Remembering([]), part, 5)
    assert not same_bits(whole, again)


@pytest.mark.parametrize("wrap", [lambda learner: learner, OnHost], ids=["device", "host"])
def test_the_monitor_is_asked_after_its_multiples_and_after_the_last_step(wrap):
    asked = []
    learners = stack([wrap(Descent(0.1))], [Distance(asked)])
    run, metrics = train(learners, 23, SEEDS, monitor_every=5)
    jax.effects_barrier()
    seen = np.isfinite(metrics["distance"][:, 0, 0])
    assert (np.flatnonzero(seen) + 1).tolist() == [5, 10, 15, 20, 23]
    assert len(asked) == 5 * len(SEEDS)  # a branch that is really not taken, also under vmap
    assert metrics["distance"][-1, 0].tolist() == pytest.approx(
        np.abs(commitments(learners, run)[0] - 3.0).max(axis=-1).tolist(), rel=1e-6
    )


def test_precision_is_the_learners_whatever_the_caller_has_set():
    class Wide(AbstractDescent):
        @property
        def precision(self):
            return "float64"

    for flag in (False, True):
        with jax.enable_x64(flag):
            assert train(Wide(0.1), 3, [0])[0].state["x"].dtype == np.float64
            assert train(Descent(0.1), 3, [0])[0].state["x"].dtype == np.float32


def test_seeds_must_differ_and_be_whole():
    for seeds in ([1, 1], [-1], [2**32], [0.5], []):
        with pytest.raises(InputError, match="seeds"):
            start(Descent(0.1), seeds)


class AbstractDescent(Descent):
    """Descent with one thing wrong, for the tests below."""


def test_a_state_that_changes_its_shape_is_refused():
    class Growing(AbstractDescent):
        def update(self, state, batch, n, key):
            return {**state, "x": jnp.concatenate([state["x"], state["x"]])}, {}

    with pytest.raises(InputError, match=r"\(2,\) became \(4,\)"):
        train(Growing(0.1), 1)


def test_a_metric_that_is_no_number_is_refused():
    class Wordy(AbstractDescent):
        def update(self, state, batch, n, key):
            return state, {"x": state["x"]}

    with pytest.raises(InputError, match=r"metrics\.x"):
        train(Wordy(0.1), 1)


def test_two_metrics_of_one_name_are_refused():
    class Loud(AbstractDescent):
        def update(self, state, batch, n, key):
            return state, {"distance": jnp.sum(state["x"])}

    with pytest.raises(InputError, match="distance"):
        train(stack([Loud(0.1)], [Distance([])]), 1)


def test_no_two_purposes_share_a_key():
    """200,000 keys of seeds × roles × steps × roles, all different, each of 64 bits."""
    roots = seed_keys(range(10))
    steps = jax.vmap(lambda n: of_step(role(roots, STEPS), n))(jnp.arange(5000))
    keys = [role(steps, purpose) for purpose in (3, 4)] + [steps]
    data = np.concatenate([np.asarray(jr.key_data(key)).reshape(-1, 2) for key in keys])
    data = np.concatenate([data, *(np.asarray(jr.key_data(role(roots, k))).reshape(-1, 2) for k in range(3))])
    packed = data[:, 0].astype(np.uint64) << np.uint64(32) | data[:, 1]
    assert len(np.unique(packed)) == len(packed) == 150_030


def test_keys_and_static_leaves_survive_in_the_state():
    class Holding(AbstractDescent):
        def init(self, key):
            return {"x": jnp.zeros(self.width), "count": jnp.int32(0), "key": key, "net": eqx.nn.Lambda(jnp.tanh)}

        def update(self, state, batch, n, key):
            return {**state, "x": state["net"](state["x"] + 1.0)}, {}

    run, _ = train(Holding(0.1), 3, SEEDS)
    assert jr.key_data(run.state["key"]).shape == (1, 3, 2)
    assert np.allclose(run.state["x"], np.tanh(1 + np.tanh(1 + np.tanh(1.0))))
