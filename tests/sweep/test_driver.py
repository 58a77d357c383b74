"""Whatever ends a job, and wherever, the table of results is the one of an undisturbed sweep.

Jobs run in this process, and die where a script says: nothing depends on the clock or on chance.
"""

import itertools

import numpy as np
import pytest

import stackelberg as sg
from stackelberg.experiments import spec
from stackelberg.experiments.running import same
from stackelberg.experiments.running.lock import locked
from stackelberg.experiments.sweeping import jobs
from stackelberg.experiments.sweeping.attempts import ATTEMPTS, attempts_of
from stackelberg.experiments.sweeping.job import story_path

from .learners import Regression
from .samples import RIDGES, Scripted, experiment, same_table


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return sg.sweep(experiment(), RIDGES, tmp_path_factory.mktemp("sweeps") / "undisturbed", on=Scripted())


def sweep(path, deaths=lambda id, attempt: None, **arguments):
    backend = Scripted(deaths)
    return sg.sweep(experiment(), RIDGES, path, on=backend, **arguments), backend.attempts


def test_an_undisturbed_sweep_is_complete_and_is_read_back(undisturbed):
    assert undisturbed.is_complete()
    assert undisturbed.notes == ()
    assert undisturbed.steps.tolist() == list(range(1, 13))
    assert undisturbed.metrics["estimate"].shape == (12, 2, 2)
    assert all(np.isfinite(undisturbed.metrics[name]).all() for name in undisturbed.metrics)


def test_jobs_that_die_before_or_amid_are_tried_again_and_give_the_same_table(tmp_path, undisturbed):
    deaths = {1: "before", 2: "amid", 3: "amid"}
    record, attempts = sweep(tmp_path / "sweep", lambda id, attempt: deaths.get(attempt))
    assert same_table(record, undisturbed)
    assert set(attempts.values()) == {4}
    assert {row["attempts"] for row in record.provenance["jobs"]} == {4}
    assert len(record.provenance["interrupted_attempts"]) == 6


def test_the_same_call_after_a_complete_sweep_works_on_nothing(tmp_path, undisturbed):
    sweep(tmp_path / "sweep")
    record, attempts = sweep(tmp_path / "sweep")
    assert same_table(record, undisturbed)
    assert attempts == {}


def test_a_job_that_goes_on_dying_is_given_up_and_counted(tmp_path, undisturbed):
    first = "0000"
    record, attempts = sweep(tmp_path / "sweep", lambda id, _: "before" if id.startswith(first) else None, retries=2)
    assert sorted(attempts.values()) == [1, 3]
    assert record.status.tolist() == [["missing", "missing"], ["complete", "complete"]]
    assert np.isnan(record.metrics["estimate"][:, 0]).all()
    assert np.array_equal(record.metrics["estimate"][:, 1], undisturbed.metrics["estimate"][:, 1])
    assert record.notes[0] == "2 of 4 runs are complete; 2 missing."
    assert "given up" in record.notes[1]
    again, attempts = sweep(tmp_path / "sweep")
    assert same_table(again, undisturbed)
    assert list(attempts.values()) == [1]


def damage(name):
    def broken(folder):
        path = folder / name
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))

    return broken


@pytest.mark.parametrize("name", ["result.json", "metrics.jsonl", "experiment.json"])
def test_a_result_that_is_damaged_counts_for_nothing_and_is_made_again(tmp_path, undisturbed, name):
    deaths = lambda id, attempt: damage(name) if attempt == 1 else None
    record, attempts = sweep(tmp_path / "sweep", deaths)
    assert same_table(record, undisturbed)
    assert set(attempts.values()) == {2}


def test_a_result_that_is_damaged_after_the_sweep_is_missing_in_its_record_and_made_again(tmp_path, undisturbed):
    sweep(tmp_path / "sweep")
    folder = next(iter(sorted(path for path in (tmp_path / "sweep" / "jobs").iterdir() if path.is_dir())))
    damage("result.json")(folder)
    record = sg.read_sweep(tmp_path / "sweep")
    assert record.status.tolist() == [["incomplete", "incomplete"], ["complete", "complete"]]
    assert np.isnan(record.metrics["estimate"][:, 0]).all()
    again, attempts = sweep(tmp_path / "sweep")
    assert same_table(again, undisturbed)
    assert attempts == {folder.name: 1}


def test_a_result_of_another_job_in_the_folder_of_a_job_does_not_count(tmp_path):
    """Swapped folders: both results verify by themselves, and neither is the one of its place."""
    sweep(tmp_path / "sweep")
    one, two = sorted(path for path in (tmp_path / "sweep" / "jobs").iterdir() if path.is_dir())
    one.rename(tmp_path / "kept")
    two.rename(one)
    (tmp_path / "kept").rename(two)
    assert not (sg.read_sweep(tmp_path / "sweep").status == "complete").any()
    record, attempts = sweep(tmp_path / "sweep")
    assert set(record.status.ravel()) == {"failed"}  # the folders hold other experiments, and stay as they are
    assert set(attempts.values()) == {1}
    assert any(same.MISMATCH in note for note in record.notes)


def test_a_step_that_is_not_finite_fails_its_job_at_once_and_the_others_go_on(tmp_path, monkeypatch):
    """Descent with a rate of 1e9 overflows; the same job would overflow again."""
    monkeypatch.setitem(spec.TABLE, "regression", Regression)
    backend = Scripted()
    bad = sg.Experiment(Regression(0.05), 40, seeds=2, checkpoint_every=10)
    over = {"learner.rate": [0.05, 1e9]}
    record = sg.sweep(bad, over, tmp_path / "sweep", on=backend)
    assert record.status.tolist() == [["complete", "complete"], ["failed", "failed"]]
    assert set(backend.attempts.values()) == {1}
    assert np.isfinite(record.metrics["loss"][:, 0]).all()
    assert np.isnan(record.metrics["loss"][:, 1]).all()
    assert record.notes[0] == "2 of 4 runs are complete; 2 failed."
    assert "E-RUN-001" in record.notes[1]
    assert "is not finite" in record.notes[1]
    again = Scripted()
    assert same_table(sg.sweep(bad, over, tmp_path / "sweep", on=again), record)
    assert again.attempts == {}


def test_a_job_whose_folder_is_locked_is_waited_for_and_not_counted_as_a_death(tmp_path, undisturbed):
    path = tmp_path / "sweep"
    table, _ = jobs.planned(experiment(), RIDGES, None, False)
    first = path / "jobs" / table.jobs[0].id
    first.mkdir(parents=True)
    other = locked(first)
    other.__enter__()
    calls = itertools.count()

    def stop():
        if next(calls) == 3:
            other.__exit__(None, None, None)
        return 0

    record, _ = sweep(path, retries=0, stop=stop)
    assert same_table(record, undisturbed)
    assert [entry["ended"] for entry in attempts_of(path)].count("another process works on it") >= 1


def test_a_second_driver_is_refused_while_the_first_one_works(tmp_path):
    (tmp_path / "sweep").mkdir()
    with locked(tmp_path / "sweep"), pytest.raises(sg.RunError, match="another process works in it"):
        sweep(tmp_path / "sweep")


def test_a_sweep_that_is_stopped_goes_on_with_the_same_call(tmp_path, undisturbed):
    calls = itertools.count()
    with pytest.raises(sg.StoppedSweepError) as caught:
        sweep(tmp_path / "sweep", stop=lambda: 15 if next(calls) == 0 else 0)
    assert caught.value.signal == 15
    record, attempts = sweep(tmp_path / "sweep")
    assert same_table(record, undisturbed)
    assert sum(attempts.values()) == 1


def test_one_compiled_run_agrees_with_jobs_up_to_rounding(tmp_path, undisturbed):
    record = sg.sweep(experiment(), RIDGES, tmp_path / "sweep", on="batch")
    assert record.is_complete()
    assert record.settings == undisturbed.settings
    for name, values in record.metrics.items():
        np.testing.assert_allclose(values, undisturbed.metrics[name], rtol=1e-6, atol=1e-9)


def test_a_torn_line_of_attempts_is_skipped(tmp_path):
    sweep(tmp_path / "sweep")
    path = tmp_path / "sweep" / ATTEMPTS
    whole = attempts_of(tmp_path / "sweep")
    path.write_bytes(path.read_bytes()[:-7])
    assert attempts_of(tmp_path / "sweep") == whole[:-1]


def test_a_story_of_an_earlier_experiment_is_not_told(tmp_path):
    record, _ = sweep(tmp_path / "sweep")
    folder = next(path for path in (tmp_path / "sweep" / "jobs").iterdir() if path.is_dir())
    story_path(folder).write_bytes(b"{}")
    assert sg.read_sweep(tmp_path / "sweep").notes == record.notes == ()
