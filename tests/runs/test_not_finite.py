"""A NaN ends a run at its step, in whatever it stands; the step before is saved, and the batch is kept."""

import itertools
import runpy

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load

import stackelberg as sg
from stackelberg.experiments.running import checkpoints

from . import faults
from .faults import POISONS, Quick


STEPS = 100
RATES = (0.05, 0.1, 0.2)
SEEDS = (3, 4)


def experiment(on_python=False, **poison):
    """Three settings and two seeds; the third step of four is watched."""
    return faults.experiment(
        STEPS, over={"learner.rate": list(RATES)}, seeds=SEEDS, checkpoint_every=25, monitor_every=4,
        on_python=on_python, **poison,
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole():
    """Every state of the run that nothing happens to, the identity of each seed, and its metrics."""
    from stackelberg.experiments.running.runner import learners_of

    found = {}
    for on_python in (False, True):
        described = experiment(on_python)
        learners = learners_of(described)
        run = sg.start(learners, SEEDS)
        runs, recorded = [run], []
        for _ in range(STEPS if not on_python else 12):
            run, metrics = sg.advance(learners, run, 1, monitor_every=4, last=STEPS)
            runs.append(run)
            recorded.append(metrics)
        found[on_python] = (learners, runs, recorded)
    return found


def poisoned_run(whole, folder, step, poison, seed, on_python=False):
    """Run into the NaN, and hold everything that is left of it to the undisturbed run."""
    learners, runs, _ = whole[on_python]
    victim = float(np.asarray(runs[0].state.who)[0, seed])
    described = experiment(on_python, poison=POISONS.index(poison), poison_step=step, victim=victim)
    with pytest.raises(sg.NonFiniteStepError) as caught:
        sg.run(described, folder, disk=Quick())
    error = caught.value
    assert error.code == "E-RUN-001"
    assert error.run.n == step
    assert error.seed == seed
    assert f"step {step + 1}:" in str(error)
    last = sorted(path.name for path in (folder / "checkpoints").iterdir())[-1]
    assert last == f"{step:012d}"
    found = checkpoints.load(folder / "checkpoints" / last, sg.start(learners, SEEDS), "float64").run
    assert faults.bits(found.state) == faults.bits(runs[step].state)
    record = sg.read_run(folder)
    assert record.steps.tolist() == list(range(1, step + 1))
    assert set(record.status.ravel()) == {"failed"}
    assert not sg.verify(folder).problems
    places = list((folder / "failures").iterdir())
    assert [place.name for place in places] == [f"step-{step + 1:012d}"]
    return error, places[0]


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.soak) for part in range(1, 5))])
def test_a_nan_at_any_of_a_hundred_steps_ends_the_run_there(whole, tmp_path, part):
    """Of each sort in turn, at each place of the batch; names and content of what is kept are right."""
    for step in range(part, STEPS, 5):
        poison, seed = POISONS[1:][step % 6], step % 2
        error, place = poisoned_run(whole, tmp_path / f"{step}", step, poison, seed)
        name = {"infinity": "position", "batch": "optimiser", "metric": "metric distance"}.get(poison, poison)
        assert any(name in found for found in error.names), (poison, error.names)
        batch = load((place / "batch.safetensors").read_bytes())
        assert sorted(batch) == ["['key']", "['order']", "['target']"]
        assert np.isnan(batch["['target']"]).all() == (poison == "batch")


@pytest.mark.parametrize(
    "poisons",
    [("coarse", "metric"), pytest.param(("position", "optimiser", "batch", "infinity"), marks=pytest.mark.soak)],
)
def test_a_nan_in_a_step_on_the_host_ends_the_run_there(whole, tmp_path, poisons):
    for poison, step in itertools.product(poisons, (0, 5, 11)):
        poisoned_run(whole, tmp_path / f"{poison}-{step}", step, poison, step % 2, on_python=True)


def test_the_batch_that_is_kept_is_that_of_the_failing_step(whole, tmp_path):
    """Drawn by hand from the keys, it is the same."""
    import jax
    import jax.random as jr

    from stackelberg._loop.randomness import SAMPLE, STEPS as OF_STEPS, of_step, role

    error, place = poisoned_run(whole, tmp_path / "run", 33, "position", 1)
    failure = sg.read_failure(place)
    with jax.enable_x64(True):
        root = jr.key(SEEDS[1], impl="threefry2x32")
        key = role(of_step(role(root, OF_STEPS), 33), SAMPLE)
        batch = failure.experiment.learner.sample(jax.tree.map(lambda leaf: leaf[0, 1], failure.run.state), 33, key)
        np.testing.assert_array_equal(failure.batch["['target']"], batch["target"])
        np.testing.assert_array_equal(failure.batch["['order']"], batch["order"])
        assert faults.bits(failure.batch["['key']"]) == faults.bits(batch["key"])
    assert failure.step == 34
    assert failure.seed == SEEDS[1]
    assert failure.setting == {"learner.rate": RATES[0]}
    assert failure.names == error.names
    assert faults.bits(failure.run.state) == faults.bits(error.run.state)


def test_a_failure_that_is_read_back_fails_again_alike(whole, tmp_path):
    for number, poison in enumerate(POISONS[1:]):
        error, place = poisoned_run(whole, tmp_path / poison, 10 + number, poison, number % 2)
        failure = sg.read_failure(place)
        with pytest.raises(sg.NonFiniteStepError) as again:
            sg.advance(failure.learner, failure.run, 1, **failure.arguments)
        assert str(again.value) == str(error) == failure.message
        with pytest.raises(sg.NonFiniteStepError) as scripted:
            runpy.run_path(str(place / "replay.py"), run_name="__main__")
        assert str(scripted.value) == str(error)


def test_a_run_that_failed_fails_again_and_keeps_what_it_kept(whole, tmp_path):
    """The same call again: the same error, from the last good state; a damaged story is written anew."""
    error, place = poisoned_run(whole, tmp_path / "run", 40, "metric", 0)
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    for damage in (lambda: None, lambda: (place / "failure.json").write_bytes(b"{}")):
        damage()
        with pytest.raises(sg.NonFiniteStepError) as again:
            sg.run(error_experiment(whole, 40, "metric", 0), tmp_path / "run", disk=Quick())
        assert str(again.value) == str(error)
        assert {path.name: path.read_bytes() for path in place.iterdir()} == before
        assert not sg.verify(tmp_path / "run").problems


def error_experiment(whole, step, poison, seed):
    victim = float(np.asarray(whole[False][1][0].state.who)[0, seed])
    return experiment(poison=POISONS.index(poison), poison_step=step, victim=victim)


def test_a_damaged_failure_is_refused(whole, tmp_path):
    _, place = poisoned_run(whole, tmp_path / "run", 7, "batch", 0)
    data = (place / "batch.safetensors").read_bytes()
    for name, damaged in (
        ("batch.safetensors", data[:-1]),
        ("batch.safetensors", data[:-1] + b"\1"),
        ("batch.safetensors", b""),
        ("failure.json", b"{}"),
        ("failure.json", b""),
    ):
        right = (place / name).read_bytes()
        (place / name).write_bytes(damaged)
        with pytest.raises(sg.RunError, match="E-RUN-012"):
            sg.read_failure(place)
        assert any("failures/" in words for words in sg.verify(tmp_path / "run").problems)
        (place / name).write_bytes(right)
    with pytest.raises(sg.RunError, match="E-RUN-012"):
        sg.read_failure(tmp_path)


def test_a_learner_of_the_package_that_fails_is_replayed_by_the_script(tmp_path):
    """A follower who does not care cannot be estimated with a ridge of nothing: the Hessian is singular."""
    game = sg.NormalFormGame([[1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]])
    agent = sg.ResponseEstimation(capacity=8, num_exploring=4, ridge=1e-300)
    described = sg.Experiment(sg.Repeated(agent, sg.World(game, sg.QuantalResponse(1.0))), 8)
    with pytest.raises(sg.NonFiniteStepError) as caught:
        sg.run(described, tmp_path / "run")
    (place,) = (tmp_path / "run" / "failures").iterdir()
    with pytest.raises(sg.NonFiniteStepError) as again:
        runpy.run_path(str(place / "replay.py"), run_name="__main__")
    assert str(again.value) == str(caught.value)
    assert sg.read_failure(place).batch["episode.commitment"].shape == (2,)


class Passing(sg.AbstractLearner):
    """Its state is infinite after one step, and finite again after the next."""

    @property
    def precision(self):
        return "float64"

    @property
    def on_host(self):
        return False

    @property
    def resume(self):
        return "exact"

    @property
    def max_steps(self):
        return None

    @property
    def meanings(self):
        return {}

    def init(self, key):
        return jnp.zeros(2)

    def sample(self, state, n, key):
        return ()

    def update(self, state, batch, n, key):
        return jnp.where(n == 20, jnp.inf, jnp.zeros(2)), {"n": n}

    def commitment(self, state):
        return state


def in_portions(run, portions):
    for length in portions:
        run, _ = sg.advance(Passing(), run, length)


def test_a_state_that_is_infinite_for_one_step_ends_the_run_there_however_it_is_cut():
    for portions in ([40], [21, 19], [20, 20], [7] * 6):
        run = sg.start(Passing())
        with pytest.raises(sg.NonFiniteStepError) as caught:
            in_portions(run, portions)
        assert caught.value.run.n == 20
        assert caught.value.names == ("state",)
