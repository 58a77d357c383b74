"""A sweep on Ray, one worker of which is killed. A kill is sent when a run has saved something and is not complete:
when that is does not matter, for the numbers are those of the same jobs elsewhere.
"""

import importlib.util
import os
import subprocess
import threading
from pathlib import Path

import pytest

import stackelberg as sg
from stackelberg.experiments.sweeping import jobs
from stackelberg.experiments.sweeping.attempts import attempts_of
from stackelberg.experiments.sweeping.backends import base, ray_cluster

from .samples import RIDGES, Scripted, experiment, kill_amid
from .test_processes import agree


STEPS, SAVE = 200, 4

# Ray leaves sockets and processes to the end of the interpreter, and warns of its own future.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:.*:FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:ray"),
]


def listening_addresses():
    """Where processes of this user's Ray listen, from the system's own table."""
    found = set()
    pids = {
        int(pid) for pid in subprocess.run(["pgrep", "-f", "gcs_server|raylet"], capture_output=True).stdout.split()
    }
    inodes = set()
    for pid in pids:
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = os.readlink(handle)
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == "0A" and columns[9] in inodes:
                found.add(columns[1].rpartition(":")[0])
    return found


LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


def test_a_worker_that_is_killed_loses_nothing_and_no_port_is_open_to_others(tmp_path):
    path, killed, addresses = tmp_path / "sweep", [], set()
    folders = lambda: [path / "jobs" / row.id for row in jobs.read_table(path).jobs] if path.exists() else []

    def kill():
        killed.extend(kill_amid(lambda: folders() if (path / jobs.SWEEP).exists() else []))
        addresses.update(listening_addresses())

    killer = threading.Thread(target=kill)
    killer.start()
    record = sg.sweep(experiment(STEPS, checkpoint_every=SAVE), RIDGES, path, on="ray", workers=2, seeds_per_job=1)
    killer.join()
    assert len(killed) == 1
    assert addresses
    assert addresses <= LOOPBACK
    assert record.is_complete()
    ends = [entry["ended"] for entry in attempts_of(path)]
    assert ends.count("complete") == 4
    assert any("lost by Ray" in end for end in ends)
    alone = experiment(STEPS, checkpoint_every=SAVE)
    agree(record, sg.sweep(alone, RIDGES, tmp_path / "alone", on=Scripted(), seeds_per_job=1))


@pytest.mark.parametrize(("place", "library"), [("ray", "ray"), ("slurm", "submitit")])
def test_a_missing_extra_is_named_with_the_command_that_installs_it(tmp_path, monkeypatch, place, library):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == library else found(name, *rest)
    )
    with pytest.raises(sg.MissingExtraError, match=rf'pip install "stackelberg\[{place}\]"') as caught:
        sg.sweep(experiment(), RIDGES, tmp_path / "sweep", on=place)
    assert caught.value.code == base.MissingExtraError.code
    assert not (tmp_path / "sweep" / jobs.SWEEP).exists()


def test_the_environment_is_as_it_was_after_ray_has_started(monkeypatch):
    name = next(iter(ray_cluster.ONLY_HERE))
    monkeypatch.delenv(name, raising=False)
    with ray_cluster._variables({name: "0"}):
        assert os.environ[name] == "0"
    assert name not in os.environ
