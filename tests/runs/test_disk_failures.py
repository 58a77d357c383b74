"""A disk that fails is an error with a name, before training where that can be known; what was saved stays."""

import errno

import pytest

import stackelberg as sg
from stackelberg.experiments.running import folder as folders, lock

from . import faults
from .faults import AFTER, BEFORE, TORN, FaultyDisk, Quick


STEPS = 12
CODES = {errno.ENOSPC: "E-RUN-006", errno.EIO: "E-RUN-005", errno.EACCES: "E-RUN-005", errno.EINTR: "E-RUN-005"}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    disk = FaultyDisk()
    sg.run(faults.experiment(STEPS), folder, disk=disk)
    return faults.finals(folder), disk


def is_complete_message(error, place):
    """Path, reason and remedy stand in it."""
    assert isinstance(error, sg.RunError)
    assert str(place) in error.path
    assert error.path in str(error)
    assert error.found
    assert len(error.remedy) > 10
    assert error.remedy in str(error)
    return True


EVERYDAY = 12


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.soak) for part in range(1, EVERYDAY))])
def test_a_failure_of_any_operation_is_an_error_of_ours_and_the_run_goes_on_afterwards(undisturbed, tmp_path, part):
    """ENOSPC, EIO, EACCES, EINTR and a short write at each operation; once, or from then on."""
    expected, disk = undisturbed
    cases = []
    for k in range(len(disk.operations)):
        ways = [(BEFORE, error) for error in CODES] + [(AFTER, errno.EIO)]
        ways += [(TORN, errno.ENOSPC)] if disk.can_be_torn(k) else []
        cases += [(k, when, error, (k + n) % 2 == 0) for n, (when, error) in enumerate(ways)]
    assert len(cases) >= 500
    for k, when, error, forever in cases[part::EVERYDAY]:
        place = tmp_path / f"{k}-{when}-{error}" / "run"
        place.parent.mkdir()
        failing = FaultyDisk(k, when, error, forever)
        with pytest.raises(sg.RunError) as caught:
            sg.run(faults.experiment(STEPS), place, disk=failing)
        assert caught.value.code == CODES[error], (k, when, error)
        assert is_complete_message(caught.value, place.parent)
        kept = [path.name for path in (place / "checkpoints").glob("0*")] if (place / "checkpoints").is_dir() else []
        record = sg.run(faults.experiment(STEPS), place, disk=Quick())
        assert faults.finals(place) == expected, (k, when, error)
        assert not record.notes
        sessions = record.provenance["sessions"]
        assert len(sessions) == 1 or sessions[-1]["from_step"] == int(max(kept, default="0"))


def run_that_makes_no_step(experiment, place, **arguments):
    steps = []
    with pytest.raises(sg.StackelbergError) as caught:
        sg.run(experiment, place, on_progress=lambda progress: steps.append(progress.step), **arguments)
    assert not steps
    return caught.value


def test_a_disk_without_room_is_reported_before_the_first_step(tmp_path):
    class Small(FaultyDisk):
        def free(self, path):
            return 100_000

    error = run_that_makes_no_step(faults.experiment(STEPS), tmp_path / "run", disk=Small())
    assert error.code == "E-RUN-006"
    assert "100,000" in str(error)
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


def test_a_larger_state_needs_more_room(tmp_path):
    class Measured(FaultyDisk):
        def free(self, path):
            return 2**20

    small = run_that_makes_no_step(faults.experiment(STEPS), tmp_path / "a", disk=Measured())
    large = run_that_makes_no_step(faults.experiment(STEPS, width=100_000), tmp_path / "b", disk=Measured())
    needed = [int(str(error).split("may need ")[1].split(".")[0].replace(",", "")) for error in (small, large)]
    assert needed[1] - needed[0] >= 5 * 2 * 3 * 8 * 99_000


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_folder_that_takes_nothing_is_reported_before_the_first_step(tmp_path, number):
    """What a read-only folder does, whoever asks (root is refused nothing by the real one)."""

    class ReadOnly(FaultyDisk):
        def write(self, path, data):
            raise OSError(number, "as the system says")

    error = run_that_makes_no_step(faults.experiment(STEPS), tmp_path / "run", disk=ReadOnly())
    assert error.code in ("E-RUN-005", "E-RUN-006")
    assert is_complete_message(error, tmp_path / "run")


def in_the_way(tmp_path):
    """Folders that cannot be used, each with the call that makes it."""
    (tmp_path / "file").write_text("text")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing" / "far")
    yield tmp_path / "file"
    yield tmp_path / "file" / "run"
    yield tmp_path / "loop"
    yield tmp_path / "loop" / "run"
    yield tmp_path / "nowhere"
    yield tmp_path / ("x" * 300) / "run"
    yield tmp_path / "\udcff\ud800" / "run"
    for name in ("run.lock", "metrics.jsonl", "experiment.json", "result.json", "provenance.json"):
        place = tmp_path / f"folder-{name}"
        (place / name).mkdir(parents=True)
        yield place
        place = tmp_path / f"linked-{name}"
        place.mkdir()
        (place / name).symlink_to(tmp_path / "file")
        yield place
    for name in ("checkpoints", "failures"):
        place = tmp_path / f"file-{name}"
        place.mkdir()
        (place / name).write_text("text")
        yield place
        place = tmp_path / f"linked-{name}"
        place.mkdir()
        (tmp_path / "outside").mkdir(exist_ok=True)
        (place / name).symlink_to(tmp_path / "outside")
        yield place


def test_files_links_and_loops_in_the_way_are_reported_before_the_first_step(tmp_path):
    count = 0
    for place in in_the_way(tmp_path):
        for fresh in (False, True):
            error = run_that_makes_no_step(faults.experiment(STEPS), place, fresh=fresh)
            assert error.code in ("E-RUN-004", "E-RUN-005", "E-RUN-009", "E-RUN-008"), (place, error)
            count += 1
    assert count >= 40
    assert (tmp_path / "file").read_text() == "text"
    assert not list((tmp_path / "outside").iterdir())


def test_what_a_learner_or_a_listener_raises_is_not_blamed_on_the_disk(tmp_path):
    """An `OSError` of somebody else keeps its name."""

    def gone(progress):
        raise BrokenPipeError(errno.EPIPE, "nobody listens")

    with pytest.raises(BrokenPipeError):
        sg.run(faults.experiment(STEPS), tmp_path / "run", on_progress=gone, disk=Quick())


def test_a_folder_without_locks_is_refused(tmp_path, monkeypatch):
    import fcntl

    def none(handle, how):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    error = run_that_makes_no_step(faults.experiment(STEPS), tmp_path / "run")
    assert error.code == "E-RUN-003"
    assert is_complete_message(error, tmp_path / "run")


def test_a_lock_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    def full(handle, data, place):
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(lock.os, "pwrite", full)
    error = run_that_makes_no_step(faults.experiment(STEPS), tmp_path / "run")
    assert error.code == "E-RUN-006"


def test_a_folder_that_another_process_makes_at_the_same_time_is_used(tmp_path):
    class Raced(FaultyDisk):
        def make_folder(self, path):
            if path.name == "run":
                path.mkdir()
            super().make_folder(path)

    folders.made(Raced(), tmp_path / "run")
    assert (tmp_path / "run").is_dir()
