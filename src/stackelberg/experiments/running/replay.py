"""A failure read back, ready to be met again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..._disk import as_path, printable
from ..._errors import RunError
from ..._learner import Run, start
from ..._loop.stacking import Learners
from ..experiment import Experiment
from ..spec import experiment_from_json
from . import checkpoints, failures, reading
from .folder import CHECKPOINTS
from .runner import learners_of


@dataclass(frozen=True, eq=False)
class Failure:
    """A step that was not finite, as its run kept it.

    - `experiment`: what was run.  `step`: which step failed, counted from 1.
    - `setting`, `seed`: where; a mapping from what was varied, and the seed.  `names`: the leaves that are not finite.
    - `batch`: the data of the step for this setting and seed, by name.
    - `learner`: all settings, with their monitors.  `run`: all settings and seeds after the step before.
    - `arguments`: the cadence of the monitor, so that `sg.advance(learner, run, 1, **arguments)` raises the same again.
    """

    experiment: Experiment
    step: int
    setting: Mapping[str, Any]
    seed: int
    names: tuple[str, ...]
    message: str
    batch: Mapping[str, Any]
    learner: Learners
    run: Run
    arguments: Mapping[str, int]


def read_failure(path: Any) -> Failure:
    """What is kept in a folder `failures/step-N` of a run; `RunError` when it, or the state before it, is damaged."""
    place = as_path(path)
    folder = place.resolve().parent.parent
    try:
        story, batch = failures.read(place)
        experiment = experiment_from_json(reading.experiment_of(folder))
        learner = learners_of(experiment)
        skeleton = start(learner, experiment.seeds)
        name = checkpoints.name_of(story["step"] - 1)
        found = checkpoints.load(folder / CHECKPOINTS / name, skeleton, learner.precision)
        return Failure(
            experiment=experiment,
            step=story["step"],
            setting=dict(story["setting"]),
            seed=int(story["seed"]),
            names=tuple(map(str, story["not_finite"])),
            message=str(story["message"]),
            batch=batch,
            learner=learner,
            run=found.run,
            arguments={"monitor_every": experiment.monitor_every, "last": experiment.num_steps},
        )
    except (ValueError, KeyError, TypeError) as problem:
        raise RunError(
            reading.DAMAGED,
            printable(str(path)),
            found=f"it cannot be read back: {printable(str(problem))}",
            remedy="Start the run again with its experiment: it fails at the same step, and keeps it anew",
        ) from problem
