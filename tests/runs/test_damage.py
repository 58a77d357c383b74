"""Damaged checkpoints, logs and results are never used: a run falls back to what is intact, says so, and ends alike."""

import collections
import json

import numpy as np
import pytest
from safetensors.numpy import load

import stackelberg as sg
from stackelberg.experiments.running import checkpoints as stored

from . import damages, faults
from .faults import AFTER, FaultyDisk, Quick


STEPS = 12
CASES, PARTS = 2_040, 12


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A finished run, one that was killed, and others whose files get into them."""
    root = tmp_path_factory.mktemp("runs")
    disk = FaultyDisk()
    sg.run(faults.experiment(STEPS), root / "finished", disk=disk)
    last = max(k for k, (operation, *_) in enumerate(disk.operations) if operation == "append")
    with pytest.raises(faults.Killed):
        sg.run(faults.experiment(STEPS), root / "killed", disk=FaultyDisk(last, AFTER))
    others = {
        "learner": faults.experiment(STEPS, width=4),
        "seeds": faults.experiment(STEPS, seeds=(5, 6)),
        "rate": faults.experiment(STEPS, rate=0.2),
        "length": faults.experiment(STEPS + 4),
        "one": faults.experiment(STEPS, seeds=1, checkpoint_every=3),
    }
    for name, experiment in others.items():
        sg.run(experiment, root / name, disk=Quick())
    return root, faults.finals(root / "finished"), [root / name for name in others]


def verdict(folder, original, expected):
    """What came of a damaged folder: "refused", "harmless" or "seen"; anything else is a failure."""
    before = {folder / name: (folder / name).read_bytes() for name in damages.files_of(folder)}
    intact = damages.newest_intact(folder, original)
    try:
        problems = list(sg.verify(folder).problems)
    except sg.RunError as error:
        problems = [str(error)]
    had_result = not [words for words in problems if "result" in words or "experiment.json" in words]
    is_changed = any(
        (original / name).read_bytes() != ((folder / name).read_bytes() if (folder / name).is_file() else b"")
        for name in ("metrics.jsonl", "result.json", "experiment.json")
        if (original / name).is_file()
    )
    try:
        record = sg.run(faults.experiment(STEPS), folder, disk=Quick())
    except sg.RunError as error:
        if error.code not in ("E-RUN-005", "E-RUN-008"):
            raise AssertionError("a refusal for no reason") from error
        assert all(path.read_bytes() == data for path, data in before.items()), "a refusal changed something"
        return "refused"
    assert faults.finals(folder) == expected, "SILENT"
    assert record.is_complete()
    assert record.steps.tolist() == list(range(1, STEPS + 1))
    sessions = record.provenance.get("sessions", [])
    went_on = len(sessions) > 1
    if went_on and (is_changed or not had_result):
        assert sessions[-1]["from_step"] == intact, (sessions, intact, record.notes)
    if problems or record.notes:
        return "seen"
    return "harmless"


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.soak) for part in range(1, PARTS))])
def test_no_damage_is_loaded_silently_and_every_run_ends_alike(runs, tmp_path, part):
    """2,040 cases; the three classes are printed with `-s`."""
    root, expected, others = runs
    ways = [way for way, share in damages.WAYS.items() for _ in range(share)]
    found = collections.Counter()
    for case in range(part, CASES, PARTS):
        rng = np.random.default_rng(case)
        way = ways[(case * 7) % len(ways)]
        original = root / ("finished" if case % 3 else "killed")
        folder = faults.copied(original, tmp_path / f"{case}" / "finished")
        way(rng, folder, others)
        try:
            found[f"{way.__name__}: {verdict(folder, original, expected)}"] += 1
        except AssertionError as error:
            raise AssertionError(f"case {case}, {way.__name__}, {original.name}") from error
    print(json.dumps(found, indent=1))
    harmless = {name for name in found if name.endswith("harmless")}
    unneeded = (
        "blanks",
        "append",
        "cut",
        "lose",
        "lose_line",
        "swap_outside",
        "swap_checkpoint",
        "other_type",
        "drop_leaf",
    )
    # Blanks at the end of JSON; a result, or lines after the last checkpoint, that are missing; older checkpoints that
    # fit their manifest and nobody needs.
    assert harmless <= {f"{way}: harmless" for way in unneeded}, found


def test_a_run_that_believes_its_files_is_caught(runs, tmp_path, monkeypatch):
    """The twin: without fingerprints, flipped bits of arrays give another result, and the cases above notice."""
    root, expected, _ = runs
    monkeypatch.setattr(stored, "sha256", lambda data: "the same")
    noticed = 0
    for case in range(12):
        folder = faults.copied(root / "killed", tmp_path / f"{case}" / "finished")
        for place in damages.checkpoints_of(folder):
            damages.forge(place, lambda arrays, facts: None)
            (place / "manifest.json").write_bytes(
                stored.sealed(
                    {
                        "schema": stored.MANIFEST_SCHEMA,
                        "files": {
                            name: {"size": (place / name).stat().st_size, "sha256": "the same"}
                            for name in ("arrays.safetensors", "state.json")
                        },
                    }
                )
            )
        path = damages.checkpoints_of(folder)[-1] / "arrays.safetensors"
        data = bytearray(path.read_bytes())
        data[-1 - case] ^= 64
        path.write_bytes(data)
        try:
            noticed += verdict(folder, root / "killed", expected) != "harmless"
        except (AssertionError, sg.StackelbergError):
            noticed += 1
    assert noticed == 12


def test_every_leaf_that_is_missing_is_noticed(runs, tmp_path):
    """Each leaf of a checkpoint dropped in turn, with a manifest that fits: refused, all of them."""
    root, expected, _ = runs
    names = sorted(load((damages.checkpoints_of(root / "killed")[-1] / "arrays.safetensors").read_bytes()))
    assert len(names) >= 10
    for number, name in enumerate(names):
        for everywhere in (False, True):
            folder = faults.copied(root / "killed", tmp_path / f"{number}-{everywhere}" / "finished")

            def change(arrays, facts, name=name, everywhere=everywhere):
                del arrays[name]
                if everywhere:
                    del facts["leaves"][name]

            place = damages.checkpoints_of(folder)[-1]
            damages.forge(place, change)
            record = sg.run(faults.experiment(STEPS), folder, disk=Quick())
            assert any(place.name in note and ("arrays are not those" in note) for note in record.notes)
            assert faults.finals(folder) == expected


def test_a_log_cut_at_every_byte_of_its_last_lines_is_gone_on_with(runs, tmp_path):
    """Of a run that was killed: what a checkpoint vouches for is kept, the rest is made again."""
    root, expected, _ = runs
    data = (root / "killed" / "metrics.jsonl").read_bytes()
    start = len(data) - sum(map(len, data.splitlines(keepends=True)[-3:]))
    for size in range(start, len(data), 9):
        folder = faults.copied(root / "killed", tmp_path / f"{size}" / "finished")
        (folder / "metrics.jsonl").write_bytes(data[:size])
        assert damages.newest_intact(folder, root / "killed") > 0
        assert verdict(folder, root / "killed", expected) in ("seen", "harmless")


def test_what_is_damaged_is_told_by_verify_and_kept_aside(runs, tmp_path):
    root, _, _ = runs
    folder = faults.copied(root / "killed", tmp_path / "run")
    newest = damages.checkpoints_of(folder)[-1]
    (newest / "arrays.safetensors").write_bytes(b"")
    found = sg.verify(folder)
    assert found.status == "incomplete"
    assert len(found.problems) == 1
    assert newest.name in found.problems[0]
    record = sg.run(faults.experiment(STEPS), folder, disk=Quick())
    assert f"checkpoint {newest.name} was not used: arrays.safetensors is not what its manifest says." in record.notes
    assert (folder / "checkpoints" / f"damaged-{newest.name}-1").is_dir()
    assert not sg.verify(folder).problems
