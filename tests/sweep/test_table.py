"""The table of jobs: every setting and seed once, the same at every call, and nothing else in its folder.

Nothing here is drawn at random but the grids of hypothesis, which are the same at every run.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import stackelberg as sg
from stackelberg.experiments.digests import sealed
from stackelberg.experiments.sweeping import jobs, sweep as sweeps

from .samples import RIDGES, Scripted, experiment


@settings(max_examples=10)
@given(
    st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=4, unique=True),
    st.lists(st.integers(1, 50), min_size=1, max_size=3, unique=True),
    st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=7, unique=True),
    st.none() | st.integers(1, 8),
)
def test_every_setting_and_seed_stands_in_exactly_one_job(ridges, plays, seeds, seeds_per_job):
    over = {"learner.agent.ridge": ridges, "learner.world.num_plays": plays}
    table, experiments = jobs.planned(experiment(seeds=seeds), over, seeds_per_job, False)
    met = [(g, seed) for job in table.jobs for g in job.settings for seed in job.seeds]
    assert sorted(met) == sorted((g, seed) for g in range(len(ridges) * len(plays)) for seed in seeds)
    again, _ = jobs.planned(experiment(seeds=seeds), over, seeds_per_job, False)
    assert again.jobs == table.jobs
    for job in table.jobs:
        assert experiments[job.id].seeds == job.seeds
        assert len(experiments[job.id].over) == 0


def test_a_doubled_or_lost_seed_in_a_table_would_be_noticed():
    table, _ = jobs.planned(experiment(seeds=3), RIDGES, 1, False)
    for broken in (table.jobs[1:], (*table.jobs, table.jobs[0]), (*table.jobs[:-1], table.jobs[0])):
        with pytest.raises(sg.RunError, match="exactly once"):
            jobs.check_partition(replace(table, jobs=broken), "sweep.json")


def test_a_grid_varies_whole_numbers_and_whole_objects():
    over = {
        "learner.world.num_plays": [1, 5],
        "learner.world.follower": [{"kind": "quantal-response", "inverse_temperature": 2.0}, {"kind": "best-response"}],
    }
    table, experiments = jobs.planned(experiment(), over, None, False)
    followers = {type(experiments[job.id].learner.world.follower).__name__ for job in table.jobs}
    assert followers == {"QuantalResponse", "BestResponse"}
    assert len(table.jobs) == 4


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"learner.agent.rigde": [0.1]}, "ridge"),
        ({"learner.agent.ridge": [0.1, -1.0]}, "ridge"),
        ({"learner.agent.ridge": [0.1, 0.1]}, "twice"),
        ({"learner.agent.ridge": []}, "at least one"),
        ({"learner.agent.ridge": 0.1}, "list"),
        ({"seeds": [[1], [2]]}, "axis of their own"),
    ],
)
def test_a_grid_that_cannot_be_run_is_refused_before_anything_is_written(tmp_path, over, words):
    with pytest.raises(sg.InputError, match=words):
        sg.sweep(experiment(), over, tmp_path / "sweep", on=Scripted())
    assert not (tmp_path / "sweep").exists()


def test_one_compiled_run_for_all_settings_refuses_what_decides_the_program(tmp_path):
    with pytest.raises(sg.InputError, match="num_plays"):
        sg.sweep(experiment(), {"learner.world.num_plays": [1, 2]}, tmp_path / "sweep", on="batch")
    assert not (tmp_path / "sweep").exists()


def write_table(folder, over=RIDGES, **changes):
    """A sweep that has been begun, as far as its folder goes."""
    folder.mkdir(exist_ok=True)
    table, _ = jobs.planned(experiment(**changes), over, None, False)
    (folder / jobs.SWEEP).write_bytes(jobs.table_bytes(table))
    return table


@pytest.mark.parametrize(
    ("over", "changes", "words"),
    [
        ({"learner.agent.ridge": [1e-3, 2e-2]}, {}, r"over.learner.agent.ridge = .* instead of"),
        (RIDGES, {"num_steps": 13}, "num_steps = 12 instead of 13"),
        (RIDGES, {"seeds": 3}, "seeds"),
    ],
)
def test_another_sweep_in_the_folder_is_refused_naming_what_differs(tmp_path, over, changes, words):
    write_table(tmp_path)
    before = (tmp_path / jobs.SWEEP).read_bytes()
    with pytest.raises(sg.RunError, match=words) as caught:
        sg.sweep(experiment(**changes), over, tmp_path, on=Scripted())
    assert caught.value.code == sweeps.ANOTHER
    assert (tmp_path / jobs.SWEEP).read_bytes() == before
    assert not (tmp_path / "jobs").exists()


def test_the_title_and_the_checkpoints_may_change_between_two_starts(tmp_path):
    table = write_table(tmp_path)
    other, _ = jobs.planned(experiment(title="another", checkpoint_every=6), RIDGES, None, False)
    assert [job.config for job in other.jobs] == [job.config for job in table.jobs]
    sweeps._check_same(other, tmp_path)


def test_a_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("\\documentclass{article}")
    with pytest.raises(sg.RunError, match=r"thesis\.tex"):
        sg.sweep(experiment(), RIDGES, tmp_path, on=Scripted())


def test_a_damaged_table_is_told_from_one_that_is_not_there(tmp_path):
    write_table(tmp_path)
    path = tmp_path / jobs.SWEEP
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(50):
        broken = bytearray(whole)
        place = int(rng.integers(len(whole)))
        broken[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(broken))
        with pytest.raises(sg.RunError) as caught:
            jobs.read_table(tmp_path)
        assert caught.value.code == jobs.DAMAGED_TABLE
    path.unlink()
    with pytest.raises(sg.RunError, match="no sweep") as caught:
        sg.read_sweep(tmp_path)
    assert caught.value.code == jobs.NOT_A_SWEEP


def test_a_sealed_table_that_doubles_a_job_is_refused(tmp_path):
    table = write_table(tmp_path)
    data = table.to_json()
    data["jobs"].append(data["jobs"][0])
    (tmp_path / jobs.SWEEP).write_bytes(sealed(data))
    with pytest.raises(sg.RunError, match="exactly once"):
        sg.read_sweep(tmp_path)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("id", "../../home"),
        ("id", "0000"),
        ("settings", [-1]),
        ("settings", [7]),
        ("settings", [0.0]),
        ("seeds", ["x"]),
    ],
)
def test_a_sealed_table_that_no_sweep_would_write_is_refused(tmp_path, place, value):
    data = write_table(tmp_path).to_json()
    data["jobs"][1][place] = value
    (tmp_path / jobs.SWEEP).write_bytes(sealed(data))
    with pytest.raises(sg.RunError) as caught:
        sg.read_sweep(tmp_path)
    assert caught.value.code == jobs.DAMAGED_TABLE


def test_a_grid_of_more_runs_than_a_sweep_has_is_refused_at_once():
    over = {"learner.agent.ridge": [1.0 + g for g in range(1001)], "learner.agent.plan_every": [*range(1, 1001)]}
    with pytest.raises(sg.InputError, match="at most 1,000,000"):
        jobs.planned(experiment(), over, None, False)


def test_a_sweep_that_was_only_begun_reads_as_missing(tmp_path):
    write_table(tmp_path)
    record = sg.read_record(tmp_path)
    assert set(record.status.ravel()) == {"missing"}
    assert record.status.shape == (2, 2)
    assert record.notes[0] == "0 of 4 runs are complete; 4 missing."
    assert [setting["learner.agent.ridge"] for setting in record.settings] == [1e-3, 1e-2]
