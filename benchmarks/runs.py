"""What it costs to keep a run in a folder that survives: `sg.run` against the steps that it makes."""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import jax.random as jr

import stackelberg as sg
from stackelberg import _learner
from stackelberg._loop.precision import precise
from stackelberg.experiments import spec
from stackelberg.experiments.running.runner import learners_of

from .measure import Row, cpu_seconds


class Wide(sg.AbstractLearner):
    """A state of many floats that costs little to move: a random walk in all of them."""

    width: int

    def __init__(self, width: int = 1_000_000) -> None:
        self.width = width

    @property
    def precision(self) -> Any:
        return "float32"

    @property
    def on_host(self) -> bool:
        return False

    @property
    def resume(self) -> Any:
        return "exact"

    @property
    def max_steps(self) -> None:
        return None

    @property
    def meanings(self) -> dict[str, sg.Metric]:
        return {"size": sg.Metric("size")}

    def init(self, key: Any) -> Any:
        return jr.normal(key, (self.width,))

    def sample(self, state: Any, n: Any, key: Any) -> Any:
        return jr.normal(key, (self.width,))

    def update(self, state: Any, batch: Any, n: Any, key: Any) -> Any:
        state = 0.99 * state + 0.1 * batch
        return state, {"size": jnp.mean(state**2)}

    def commitment(self, state: Any) -> Any:
        return state[:2]


def rows(repeats: int = 5) -> list[Row]:
    """A learner of the package at its defaults, and a state of a million floats."""
    world = sg.World(sg.catalog_game("conitzer-sandholm"), sg.QuantalResponse(5.0), num_plays=10)
    learner = sg.Repeated(sg.ResponseEstimation(), world)
    played = sg.Experiment(learner, 2_000, monitor=sg.Suboptimality(), seeds=32)
    spec.TABLE["benchmark-wide"] = Wide
    try:
        wide = sg.Experiment(Wide(), 1_000)
        return [
            row("2,000 steps × 32 seeds of ResponseEstimation", played, min(repeats, 3)),
            row("1,000 steps of a state of 1,000,000 floats", wide, min(repeats, 3)),
        ]
    finally:
        del spec.TABLE["benchmark-wide"]


def row(work: str, experiment: sg.Experiment, repeats: int) -> Row:
    """The run in a folder as ours; the steps in it as the peer, timed inside of the same run.

    Two runs one after the other differ by more than what is looked for on most machines. So the CPU time of the calls
    that make steps is counted within the run, less what a call costs that makes none; everything else is the folder's.
    """
    root = Path(tempfile.mkdtemp())
    ours, steps = [], []
    try:
        for repeat in range(repeats + 1):
            with timed_steps() as spent:
                whole = cpu_seconds(lambda repeat=repeat: sg.run(experiment, root / f"run{repeat}"))
            ours.append(whole / experiment.num_steps)
            steps.append((sum(spent) - len(spent) * idle_call(experiment)) / experiment.num_steps)
    finally:
        shutil.rmtree(root)
    pairs = sorted(step / one for one, step in zip(ours[1:], steps[1:], strict=True))  # the first one compiles
    bare, ratio = statistics.median(steps[1:]), statistics.median(pairs)
    note = f"{1.0 / ratio - 1.0:+.1%}, target below +3 %"
    return Row(
        "runs",
        work,
        statistics.median(ours[1:]),
        "its steps alone",
        bare,
        ratio,
        pairs[0],
        pairs[-1],
        1.03 * bare,
        note,
    )


@contextmanager
def timed_steps() -> Iterator[list[float]]:
    """CPU seconds of every call that makes steps, while the block runs."""
    spent: list[float] = []
    right = _learner.chunk_on_device

    def timed(*arguments: Any) -> Any:
        start = time.process_time()
        made = right(*arguments)
        spent.append(time.process_time() - start)
        return made

    _learner.chunk_on_device = timed
    try:
        yield spent
    finally:
        _learner.chunk_on_device = right


def idle_call(experiment: sg.Experiment) -> float:
    """CPU seconds of a call that makes no step."""
    learners = learners_of(experiment)
    run = sg.start(learners, experiment.seeds)
    with precise(learners.precision):
        call = lambda: _learner.chunk_on_device(learners, run.state, run.key, 0, 0, 1, -1)
        call()
        return statistics.median(cpu_seconds(call) for _ in range(20))
