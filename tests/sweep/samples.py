"""A small experiment, and ways in which its jobs meet their end."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import stackelberg as sg
from stackelberg.experiments.sweeping.backends.base import AbstractBackend, Ending
from stackelberg.experiments.sweeping.job import work


RIDGES = {"learner.agent.ridge": [1e-3, 1e-2]}


def experiment(num_steps=12, seeds=2, checkpoint_every=4, **arguments):
    """No monitor: what it would solve costs more than the run."""
    world = sg.World(sg.catalog_game("conitzer-sandholm"), sg.QuantalResponse(5.0), num_plays=5)
    agent = sg.ResponseEstimation(capacity=num_steps, num_exploring=4, plan_every=4)
    arguments = {"seeds": seeds, "checkpoint_every": checkpoint_every} | arguments
    return sg.Experiment(sg.Repeated(agent, world), num_steps, **arguments)


def same_table(one, two):
    """Whether two records hold the same numbers, bit for bit, for the same settings and seeds."""
    return (
        one.settings == two.settings
        and one.seeds == two.seeds
        and np.array_equal(one.status, two.status)
        and np.array_equal(one.steps, two.steps)
        and one.metrics.keys() == two.metrics.keys()
        and all(np.array_equal(one.metrics[name], two.metrics[name], equal_nan=True) for name in one.metrics)
    )


class Scripted(AbstractBackend):
    """Works in this process; tasks die as it is told: by id and attempt, a word or a function of the folder."""

    def __init__(self, deaths: Callable[[str, int], Any] = lambda id, attempt: None) -> None:
        self.deaths, self.attempts, self.tasks = deaths, {}, []

    @property
    def slots(self) -> int:
        return 2

    def submit(self, tasks) -> None:
        self.tasks += tasks

    def ended(self, seconds: float) -> list[Ending]:
        if not self.tasks:
            time.sleep(seconds / 20)
            return []
        task = self.tasks.pop(0)
        attempt = self.attempts[task.id] = self.attempts.get(task.id, 0) + 1
        death = self.deaths(task.id, attempt)
        if death == "before":
            return [Ending(task.id, -9, "killed by SIGKILL")]
        # "amid": asked to stop after its first portion, it saves and is then as if killed there
        code = work(task.experiment, task.folder, (lambda: 9) if death == "amid" else (lambda: 0))
        if callable(death):
            death(task.folder)
        return [Ending(task.id, code, f"ended with exit code {code}")]

    def close(self) -> None:
        self.tasks.clear()


def owner_of(folder: Path) -> int | None:
    """The process that has written its number into the lock of a run's folder, if it lives."""
    try:
        pid = int(json.loads((folder / "run.lock").read_text())["pid"])
        os.kill(pid, 0)
    except (OSError, ValueError, KeyError):
        return None
    return pid


def is_amid(folder: Path) -> bool:
    """Whether a run has saved something, and is not complete."""
    return any((folder / "checkpoints").glob("0*")) and not (folder / "result.json").exists()


def kill_amid(folders, count=1, seconds=120.0, gap=0.0, rng=None, number=signal.SIGKILL):
    """Kill, `count` times, the process of a run that has saved something; the folders killed in, in order."""
    killed: list[Path] = []
    until, before = time.monotonic() + seconds, 0.0
    while len(killed) < count and time.monotonic() < until:
        amid = [folder for folder in folders() if is_amid(folder) and owner_of(folder) not in (None, os.getpid())]
        if amid and time.monotonic() - before >= gap:
            folder = amid[0] if rng is None else amid[int(rng.integers(len(amid)))]
            pid = owner_of(folder)
            if pid is not None and is_amid(folder):
                os.kill(pid, number)
                killed.append(folder)
                before = time.monotonic()
        time.sleep(0.002)
    return killed
