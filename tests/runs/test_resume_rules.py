"""When a run is gone on with, when it is refused, and what is remembered of it."""

import json

import numpy as np
import pytest

import stackelberg as sg
from stackelberg.experiments.digests import sealed
from stackelberg.experiments.running import provenance, runner

from . import faults
from .faults import AFTER, FaultyDisk, Quick


STEPS = 12


@pytest.fixture(scope="module")
def killed_run(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    disk = FaultyDisk()
    sg.run(faults.experiment(STEPS), root / "whole", disk=disk)
    with pytest.raises(faults.Killed):
        sg.run(faults.experiment(STEPS), root / "killed", disk=FaultyDisk(len(disk.operations) // 2, AFTER))
    return root


@pytest.fixture
def folder(killed_run, tmp_path):
    return faults.copied(killed_run / "killed", tmp_path / "run")


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "run.lock"}


OTHERS = {
    "rate": (lambda: faults.experiment(STEPS, rate=0.2), "learner.rate = 0.1 instead of 0.2"),
    "width": (lambda: faults.experiment(STEPS, width=4), "learner.width = 3 instead of 4"),
    "precision": (lambda: faults.experiment(STEPS, numeric="float32"), "learner.numeric"),
    "host": (lambda: faults.experiment(STEPS, on_python=True), "learner.on_python"),
    "seeds": (lambda: faults.experiment(STEPS, seeds=(0, 2)), "seeds = [0, 1] instead of [0, 2]"),
    "more seeds": (lambda: faults.experiment(STEPS, seeds=3), "seeds"),
    "steps": (lambda: faults.experiment(STEPS + 1), "num_steps = 12 instead of 13"),
    "record_every": (lambda: faults.experiment(STEPS, record_every=2), "record_every = 1 instead of 2"),
    "monitor_every": (lambda: faults.experiment(STEPS, monitor_every=2), "monitor_every = 3 instead of 2"),
    "no monitor": (lambda: faults.experiment(STEPS, monitor=None), "monitor"),
    "over": (lambda: faults.experiment(STEPS, over={"learner.rate": [0.1, 0.2]}), "over"),
    "learner": (lambda: faults.real_experiment(STEPS), "learner.kind"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_experiment_is_refused_and_the_field_is_named(folder, name):
    make, words = OTHERS[name]
    before = content(folder)
    with pytest.raises(sg.RunError, match="E-RUN-008") as caught:
        sg.run(make(), folder, disk=Quick())
    assert words in str(caught.value)
    assert content(folder) == before


@pytest.mark.parametrize("damage", [b"", b"{}", None])
def test_another_experiment_is_refused_even_where_experiment_json_is_lost(folder, damage):
    """The checkpoints still tell whose they are."""
    path = folder / "experiment.json"
    path.unlink() if damage is None else path.write_bytes(damage)
    before = content(folder)
    with pytest.raises(sg.RunError, match="E-RUN-008"):
        sg.run(faults.experiment(STEPS, rate=0.2), folder, disk=Quick())
    assert content(folder) == before
    record = sg.run(faults.experiment(STEPS), folder, disk=Quick())
    assert any("experiment.json was written anew" in note for note in record.notes)
    assert record.is_complete()


def test_title_and_cadence_of_checkpoints_may_change(killed_run, folder):
    record = sg.run(faults.experiment(STEPS, title="later", checkpoint_every=5), folder, disk=Quick())
    whole = faults.finals(killed_run / "whole")
    assert faults.finals(folder) == whole
    assert record.steps.tolist() == list(range(1, STEPS + 1))
    assert not record.notes


def test_other_random_bits_are_refused_before_anything_changes(killed_run, folder, monkeypatch):
    before = content(folder)
    for lost in (False, True):
        with monkeypatch.context() as patch:
            patch.setattr(runner, "golden_bits", lambda: "00")
            with pytest.raises(sg.RunError, match="E-RUN-010") as caught:
                sg.run(faults.experiment(STEPS), folder, disk=Quick())
        assert "Install jax " in caught.value.remedy
        assert content(folder) == before
        if not lost:  # nor does it help to lose the file that says who began
            (folder / "provenance.json").unlink()
            before = content(folder)


def test_other_versions_go_on_and_are_noted(killed_run, folder, monkeypatch):
    monkeypatch.setattr(provenance, "versions", lambda: {"python": "3.99.0", "jax": "99.0"})
    record = sg.run(faults.experiment(STEPS), folder, disk=Quick())
    (note,) = record.notes
    assert "under other conditions" in note
    assert "python was" in note
    assert "3.99.0" in note
    assert faults.finals(folder) == faults.finals(killed_run / "whole")
    assert record.provenance["environment"]["versions"]["python"] != "3.99.0"  # that of the start


def test_every_session_is_remembered_with_its_first_step(killed_run, tmp_path):
    folder = tmp_path / "run"
    for stop_at in (3, 7, 10):
        seen = []
        with pytest.raises(sg.StoppedError):
            sg.run(
                faults.experiment(STEPS), folder, on_progress=lambda progress, seen=seen: seen.append(progress.step),
                stop=lambda seen=seen, stop_at=stop_at: 15 if seen[-1] >= stop_at else 0, disk=Quick(),
            )  # fmt: skip
    record = sg.run(faults.experiment(STEPS), folder, disk=Quick())
    sessions = record.provenance["sessions"]
    assert [session["from_step"] for session in sessions] == sorted({session["from_step"] for session in sessions})
    assert len(sessions) == 4
    assert sessions[0]["from_step"] == 0
    assert all(session["pid"] for session in sessions)
    assert faults.finals(folder) == faults.finals(killed_run / "whole")


def test_fresh_refuses_what_is_not_empty_and_takes_what_is(killed_run, folder, tmp_path):
    before = content(folder)
    with pytest.raises(sg.RunError, match="E-RUN-009"):
        sg.run(faults.experiment(STEPS), folder, fresh=True, disk=Quick())
    assert content(folder) == before
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new"):
        assert sg.run(faults.experiment(STEPS), tmp_path / name, fresh=True, disk=Quick()).is_complete()
        assert faults.finals(tmp_path / name) == faults.finals(killed_run / "whole")


def test_a_folder_that_holds_something_else_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("years of work")
    with pytest.raises(sg.RunError, match=r"E-RUN-008.*thesis\.tex"):
        sg.run(faults.experiment(STEPS), tmp_path / "run", disk=Quick())
    assert (tmp_path / "run" / "thesis.tex").read_text() == "years of work"


def test_a_finished_run_makes_no_step_again(killed_run, tmp_path, monkeypatch):
    folder = faults.copied(killed_run / "whole", tmp_path / "whole")
    before = content(folder)

    def never(*arguments, **names):
        raise AssertionError("a step was made")

    monkeypatch.setattr(runner, "chunks", never)
    disk = FaultyDisk()
    record = sg.run(faults.experiment(STEPS), folder, disk=disk)
    assert record.is_complete()
    assert content(folder) == before
    assert len(record.provenance["sessions"]) == 1
    assert {operation for operation, *_ in disk.operations} <= {"write", "sync", "remove"}  # the probe


def test_a_checkpoint_from_beyond_the_end_is_not_used(killed_run, folder):
    """Valid in every other way."""
    from . import damages

    place = damages.checkpoints_of(folder)[-1]
    later = place.with_name("000000000400")
    place.rename(later)
    damages.forge(later, lambda arrays, facts: facts.update(step=400))
    record = sg.run(faults.experiment(STEPS), folder, disk=Quick())
    assert any("beyond the end" in note for note in record.notes)
    assert faults.finals(folder)["result.json"] == faults.finals(killed_run / "whole")["result.json"]


def test_a_run_that_records_only_its_last_step_resumes(tmp_path):
    """Checkpoints come before the first line of the log."""
    described = faults.experiment(STEPS, monitor=None, record_every=STEPS, monitor_every=STEPS)
    disk = FaultyDisk()
    sg.run(described, tmp_path / "whole", disk=disk)
    with pytest.raises(faults.Killed):
        sg.run(described, tmp_path / "run", disk=FaultyDisk(len(disk.operations) // 2))
    record = sg.run(described, tmp_path / "run", disk=Quick())
    assert record.steps.tolist() == [STEPS]
    assert record.provenance["sessions"][-1]["from_step"] > 0
    assert faults.finals(tmp_path / "run") == faults.finals(tmp_path / "whole")


@pytest.mark.parametrize("field", ["environment", "sessions", "notes", "certificate", "config"])
@pytest.mark.parametrize("value", [None, 3, "x", [1], {"a": 1}])
def test_a_provenance_of_wrong_types_is_damage(killed_run, folder, field, value):
    path = folder / "provenance.json"
    data = json.loads(path.read_bytes())
    if {type(data[field]), type(value)} <= {dict} or (
        field == "certificate" and not isinstance(value, (int, str, list))
    ):
        pytest.skip("of the right type")
    path.write_bytes(sealed(data | {field: value}))
    record = sg.run(faults.experiment(STEPS), folder, disk=Quick())
    assert any("provenance.json was damaged" in note for note in record.notes)
    assert np.all(record.status == "complete")
    assert faults.finals(folder) == faults.finals(killed_run / "whole")
