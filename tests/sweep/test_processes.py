"""Real processes, really killed. When a kill lands does not matter: what was lost is computed again to the same bits.

A kill is sent when a run has saved something and is not complete, so that it always interrupts work that is resumed.
"""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np

import stackelberg as sg
from stackelberg.experiments.running import lock
from stackelberg.experiments.sweeping import job, jobs
from stackelberg.experiments.sweeping.attempts import attempts_of
from stackelberg.experiments.sweeping.backends.base import quiet

from .samples import RIDGES, Scripted, experiment, kill_amid, owner_of, same_table


STEPS, SAVE = 200, 4

DRIVER = """
import sys
from tests.sweep.samples import RIDGES, experiment
from stackelberg.experiments.sweeping.sweep import sweep

sweep(experiment({steps}, checkpoint_every={save}), RIDGES, sys.argv[1], workers=2)
"""


def run_folders(path):
    return [path / "jobs" / row.id for row in jobs.read_table(path).jobs] if (path / jobs.SWEEP).exists() else []


def agree(one, two):
    """Numbers of two processes whose flags differ, up to rounding; statuses and places exactly."""
    assert one.settings == two.settings
    assert one.seeds == two.seeds
    assert np.array_equal(one.status, two.status)
    for name, values in one.metrics.items():
        np.testing.assert_allclose(values, two.metrics[name], rtol=1e-6, atol=1e-9)


def test_a_killed_driver_takes_its_jobs_along_and_a_killed_job_is_resumed(tmp_path):
    path, root = tmp_path / "sweep", os.getcwd()
    script = DRIVER.format(steps=STEPS, save=SAVE)
    driver = subprocess.Popen([sys.executable, "-c", script, str(path)], cwd=root, env=quiet(os.environ))
    try:
        until = time.monotonic() + 120
        while not any((folder / "checkpoints").glob("0*") for folder in run_folders(path)):
            assert driver.poll() is None
            assert time.monotonic() < until
            time.sleep(0.002)
    finally:
        driver.kill()
        driver.wait()
    until = time.monotonic() + 10
    while [folder for folder in run_folders(path) if lock_is_held(folder)]:
        assert time.monotonic() < until, "a job outlived its driver"
        time.sleep(0.02)
    before = sg.read_sweep(path)
    assert not before.is_complete()

    killed = []
    killer = threading.Thread(target=lambda: killed.extend(kill_amid(lambda: run_folders(path))))
    killer.start()
    record = sg.sweep(experiment(STEPS, checkpoint_every=SAVE), RIDGES, path, workers=2)
    killer.join()
    assert len(killed) == 1
    assert record.is_complete()
    assert "killed by SIGKILL" in [entry["ended"] for entry in attempts_of(path)]
    alone = sg.sweep(experiment(STEPS, checkpoint_every=SAVE), RIDGES, tmp_path / "alone", on=Scripted())
    agree(record, alone)
    again = sg.sweep(experiment(STEPS, checkpoint_every=SAVE), RIDGES, path, workers=2)
    assert same_table(again, record)


def lock_is_held(folder):
    if not folder.is_dir():
        return False
    try:
        with lock.locked(folder):
            return False
    except sg.RunError:
        return True


def test_a_job_that_is_asked_to_end_saves_and_says_so_by_its_exit_code(tmp_path):
    folder = tmp_path / "run"
    sg.write_experiment(experiment(STEPS, checkpoint_every=None), tmp_path / "experiment.json")
    command = [
        sys.executable,
        "-m",
        "stackelberg.experiments.sweeping.job",
        str(tmp_path / "experiment.json"),
        str(folder),
    ]
    process = subprocess.Popen(command, env=quiet(os.environ))
    try:
        while owner_of(folder) != process.pid or not (folder / "provenance.json").exists():
            assert process.poll() is None
            time.sleep(0.002)
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
    finally:
        process.kill()
        process.wait()
    assert code == 128 + signal.SIGTERM
    assert list((folder / "checkpoints").glob("0*"))
    assert not (folder / "result.json").exists()
    assert job.work(tmp_path / "experiment.json", folder) == job.DONE
