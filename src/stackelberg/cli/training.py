"""The work of `train`: an experiment as it was asked for, run until its end or until a signal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .._learner import NonFiniteStepError
from .._runs import RunRecord
from ..experiments.experiment import Experiment
from ..experiments.running import sinks_tracking as tracking
from ..experiments.running.checkpoints import name_of
from ..experiments.running.folder import FAILURES
from ..experiments.running.progress import Progress
from ..experiments.running.runner import run
from ..experiments.running.sinks import Sink
from ..experiments.spec import read_experiment, settings
from . import interrupts
from .errors import BadStepError
from .live import Display


def planned(path: str, changes: Mapping[str, Any]) -> Experiment:
    """The experiment in a file, with some of its fields replaced."""
    return read_experiment(path, changes)


def made(sinks: Sequence[tuple[str, str]]) -> list[Sink]:
    """The sinks that `--sink` names."""
    kinds = {
        "tensorboard": lambda where: tracking.TensorBoardSink(where or None),
        "wandb": lambda where: tracking.WandbSink(where or "stackelberg"),
        "mlflow": lambda where: tracking.MLflowSink(where or "stackelberg"),
    }
    return [kinds[name](where) for name, where in sinks]


def train(
    experiment: Experiment, folder: Path, fresh: bool, sinks: Sequence[Sink], show: Display
) -> tuple[RunRecord, bool]:
    """Run `experiment` in `folder`: the record, and whether anything was left to do.

    A signal stops the run after the step, saved, and a second one at once.
    """
    seen = False
    with interrupts.finishing(show.stopping) as asked:
        asked.is_idle = True  # before the first step nothing would be lost

        def on_progress(progress: Progress) -> None:
            nonlocal seen
            seen = True
            asked.is_idle = progress.note == "compiling"
            show(progress)

        try:
            return run(experiment, folder, fresh=fresh, sinks=sinks, on_progress=on_progress, stop=asked), seen
        except NonFiniteStepError as problem:
            raise _explained(problem, experiment, folder) from problem


def _explained(problem: NonFiniteStepError, experiment: Experiment, folder: Path) -> BadStepError:
    step = problem.run.n + 1
    setting = settings(experiment)[problem.setting]
    words = ", ".join(f"{name} = {value}" for name, value in setting.items())
    more = f" and {len(problem.names) - 6} more" if len(problem.names) > 6 else ""
    return BadStepError(
        f"{folder}, step {step}",
        f"of seed {experiment.seeds[problem.seed]}{f' ({words})' if words else ''} these are not finite: "
        f"{', '.join(problem.names[:6])}{more}",
        f"The state before it and the data of the step are kept: python {_replay(folder, step)} makes the step again",
    )


def _replay(folder: Path, step: int) -> Path:
    return folder / FAILURES / f"step-{name_of(step)}" / "replay.py"
