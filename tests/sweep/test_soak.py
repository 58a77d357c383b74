"""Sweeps on Ray whose workers and nodes are killed again and again: run by `make soak`.

Whom a kill meets is drawn from a generator with a fixed seed, among the runs that have saved something and are not
complete; when it comes is up to the clock. Neither matters: the table must be the one of the undisturbed sweep, to the
last bit, however it went. What is asserted besides is that kills did land, and that no seed was lost or doubled.
"""

import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import stackelberg as sg
from stackelberg.experiments.sweeping import jobs
from stackelberg.experiments.sweeping.attempts import attempts_of

from .samples import experiment, kill_amid, owner_of, same_table


pytestmark = [
    pytest.mark.soak,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:.*:FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:ray"),
]

SEVERAL = {
    "learner.agent.ridge": [1e-4, 1e-3, 1e-2, 1e-1],
    "learner.world.follower.inverse_temperature": [2.0, 5.0, 8.0, 11.0],
}
SEEDS, STEPS, SAVE = 4, 160, 8
GAP, KILLS, EACH = 3.0, 40, 2
"""Seconds between two kills, at least; how many in all, and how many of one job, at most: so that the sweep ends."""


def whole():
    return experiment(STEPS, seeds=SEEDS, checkpoint_every=SAVE)


def run_folders(path):
    try:
        return [path / "jobs" / row.id for row in jobs.read_table(path).jobs]
    except sg.RunError:
        return []


def counted_once(record, path):
    """Every job complete exactly once, and every setting and seed in exactly one of them."""
    ends = [(entry["job"], entry["ended"]) for entry in attempts_of(path)]
    done = [job for job, end in ends if end == "complete"]
    assert len(done) == len(set(done)) == len(record.provenance["jobs"])
    met = [(g, seed) for row in record.provenance["jobs"] for g in row["settings"] for seed in row["seeds"]]
    assert sorted(met) == sorted((g, seed) for g in range(len(record.settings)) for seed in record.seeds)
    assert record.is_complete()
    return len(ends) - len(done)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    path = tmp_path_factory.mktemp("soak") / "undisturbed"
    start = time.monotonic()
    record = sg.sweep(whole(), SEVERAL, path, on="ray", workers=2, seeds_per_job=1)
    print(f"\nundisturbed: {len(record.provenance['jobs'])} jobs in {time.monotonic() - start:.0f} s")
    assert record.is_complete()
    assert counted_once(record, path) == 0
    return record


def test_sixty_four_jobs_with_workers_killed_all_the_time_give_the_undisturbed_table(tmp_path, undisturbed):
    path, killed, over = tmp_path / "sweep", [], threading.Event()
    rng = np.random.default_rng(0)

    def folders():
        return [] if over.is_set() else [folder for folder in run_folders(path) if killed.count(folder) < EACH]

    def kill():
        while not over.is_set() and len(killed) < KILLS:
            killed.extend(kill_amid(folders, seconds=GAP, rng=rng))
            over.wait(GAP)

    killer = threading.Thread(target=kill)
    start = time.monotonic()
    killer.start()
    try:
        record = sg.sweep(whole(), SEVERAL, path, on="ray", workers=2, seeds_per_job=1, retries=50)
    finally:
        over.set()
        killer.join()
    again = counted_once(record, path)
    print(f"\n{len(killed)} kills, {again} jobs tried again, {time.monotonic() - start:.0f} s")
    assert len(record.provenance["jobs"]) == 64
    assert len(killed) >= KILLS // 2
    assert again >= len(killed)
    assert same_table(record, undisturbed)


def test_a_node_that_is_lost_loses_nothing(tmp_path, undisturbed):
    """Two nodes of one machine, one core each; the second one dies with its worker in the middle of the sweep."""
    ray = str(Path(sys.executable).with_name("ray"))
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_DISABLE_IMPORT_WARNING": "1"}
    port, path = 26379, tmp_path / "sweep"

    def start(*arguments):
        # a session of its own: its processes are all of the node
        command = [ray, "start", "--block", "--num-cpus", "1", "--object-store-memory", str(80 * 2**20), *arguments]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, env=environment, start_new_session=True, **quiet)

    head = start("--head", "--port", str(port), "--include-dashboard=false")
    nodes = [head]
    try:
        address = reachable(port, environment)
        second = start("--address", address)
        nodes.append(second)
        lost = []

        def lose():
            pids = lambda: session(second.pid)
            until = time.monotonic() + 240
            while not lost and time.monotonic() < until:
                mine = [folder for folder in run_folders(path) if owner_of(folder) in pids()]
                if any(any((folder / "checkpoints").glob("0*")) for folder in mine):
                    lost.extend(pids())
                    for pid in lost:
                        kill(pid)
                time.sleep(0.01)

        loser = threading.Thread(target=lose)
        loser.start()
        record = sg.sweep(whole(), SEVERAL, path, on="ray", address=address, seeds_per_job=1, retries=10)
        loser.join()
        again = counted_once(record, path)
        print(f"\na node with {len(lost)} processes lost, {again} jobs tried again")
        assert lost
        assert again >= 1
        assert same_table(record, undisturbed)
    finally:
        for node in nodes:
            for pid in session(node.pid):
                kill(pid)
            node.wait()


def reachable(port, environment):
    """The address of the head, once it answers."""
    script = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False)"
    until = time.monotonic() + 120
    while time.monotonic() < until:
        address = f"127.0.0.1:{port}"
        if (
            subprocess.run([sys.executable, "-c", script, address], env=environment, capture_output=True).returncode
            == 0
        ):
            return address
        time.sleep(1.0)
    raise AssertionError("the head of the cluster does not answer")


def session(leader):
    """All living processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getsid(int(entry.name)) == leader:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def kill(pid):
    with contextlib.suppress(OSError):
        os.kill(pid, 9)
