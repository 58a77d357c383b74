"""Sinks that copy the metrics of a run to TensorBoard, Weights & Biases and MLflow.

A number is named `metric/seed-0`, with `metric/mean` over the seeds, and where a run varies settings
`metric/ridge-0.01/seed-0`. A run that goes on continues in the same place, and steps that were written there already
are not doubled where the library has a way to see them.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ... import _boundary as boundary
from ..._disk import PathName, as_path
from ..._errors import InputError
from ..digests import canonical, sha256
from .reading import provenance_of


MISSING = "E-SINK-001"

EXTRAS = {"tensorboardX": "tracking", "wandb": "wandb", "mlflow": "mlflow"}
"""Which extra of the package brings which library."""


class TensorBoardSink:
    """Scalars as an event file in `folder`; left out, in the folder `tensorboard` of the run.

    Steps after the one that a run is resumed from are purged, as TensorBoard does after a crash.
    """

    def __init__(self, folder: PathName | None = None) -> None:
        self._library = imported("tensorboardX")
        self._folder = None if folder is None else as_path(folder)
        self._writer: Any = None
        self._names = Names({})

    def open(self, folder: Path, experiment: Mapping[str, Any], step: int) -> None:
        """Start an event file; those of earlier sessions stay beside it."""
        self._names = Names(experiment)
        place = folder / "tensorboard" if self._folder is None else self._folder
        purge = {"purge_step": step + 1} if step else {}
        # The library names files by the second; two sessions within one would share a file.
        suffix = f".{step:012d}-{os.getpid()}"
        self._writer = self._library.SummaryWriter(str(place), flush_secs=10, filename_suffix=suffix, **purge)

    def write(self, step: int, metrics: Mapping[str, np.ndarray]) -> None:
        """One scalar for each metric, setting and seed, and their mean."""
        for name, value in self._names.numbers(metrics):
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """What waits is written."""
        if self._writer is not None:
            self._writer.close()


class WandbSink:
    """A run of Weights & Biases in `project`; `options` go to `wandb.init`, such as `mode="offline"`.

    A run that goes on is the same run there (`resume="allow"`); wandb itself drops steps that it has already.
    """

    def __init__(self, project: str, **options: Any) -> None:
        self._library = imported("wandb")
        self._project, self._options = boundary.text("project", project), options
        self._run: Any = None
        self._names = Names({})

    def open(self, folder: Path, experiment: Mapping[str, Any], step: int) -> None:
        """Start or go on with the run that belongs to `folder`."""
        del step
        self._names = Names(experiment)
        chosen = {"id": identity(folder), "name": folder.name, "resume": "allow", "config": dict(experiment)}
        self._run = self._library.init(project=self._project, **{**chosen, "dir": str(folder), **self._options})

    def write(self, step: int, metrics: Mapping[str, np.ndarray]) -> None:
        """All numbers of one step in one call."""
        if numbers := dict(self._names.numbers(metrics)):
            self._run.log(numbers, step=step)

    def close(self) -> None:
        """The run is left as finished; it is taken up again when it goes on."""
        if self._run is not None:
            self._run.finish()


class MLflowSink:
    """A run of MLflow in `experiment`; `tracking_uri` says where, MLflow's own choice when left out.

    The run is found again by the tag `stackelberg.run`; steps that stand there already are not written twice.
    """

    TAG = "stackelberg.run"

    def __init__(self, experiment: str, tracking_uri: str | None = None) -> None:
        self._library = imported("mlflow")
        self._experiment = boundary.text("experiment", experiment)
        self._client = self._library.MlflowClient(tracking_uri=tracking_uri)
        self._run, self._last = "", 0
        self._names = Names({})

    def open(self, folder: Path, experiment: Mapping[str, Any], step: int) -> None:
        """Start or go on with the run that belongs to `folder`."""
        del step
        self._names = Names(experiment)
        found = self._client.get_experiment_by_name(self._experiment)
        place = self._client.create_experiment(self._experiment) if found is None else found.experiment_id
        before = self._client.search_runs([place], f"tags.`{self.TAG}` = '{identity(folder)}'", max_results=1)
        if before:
            self._run = before[0].info.run_id
            self._client.update_run(self._run, status="RUNNING")
            histories = [self._client.get_metric_history(self._run, name) for name in before[0].data.metrics]
            self._last = max((point.step for history in histories for point in history), default=0)
            return
        run = self._client.create_run(place, run_name=folder.name, tags={self.TAG: identity(folder)})
        self._run = run.info.run_id
        for name, value in _flat(experiment):
            self._client.log_param(self._run, name, value)

    def write(self, step: int, metrics: Mapping[str, np.ndarray]) -> None:
        """Every number of one step."""
        if step > self._last:
            for name, value in self._names.numbers(metrics):
                self._client.log_metric(self._run, name, value, step=step)

    def close(self) -> None:
        """The run is left as finished; it is taken up again when it goes on."""
        if self._run:
            self._client.set_terminated(self._run)


class Names:
    """The names of numbers: of each metric its settings and seeds, and the mean over seeds."""

    def __init__(self, experiment: Mapping[str, Any]) -> None:
        over: Mapping[str, Sequence[Any]] = experiment.get("over", {})
        short = {name: name.rpartition(".")[2] for name in over}
        names = short if len(set(short.values())) == len(short) else {name: name for name in over}
        self._seeds = [f"seed-{seed}" for seed in experiment.get("seeds", ())]
        self._settings = [
            _safe("-".join(f"{names[name]}-{value}" for name, value in zip(over, values, strict=True)))
            for values in itertools.product(*over.values())
        ]

    def numbers(self, metrics: Mapping[str, np.ndarray]) -> Iterator[tuple[str, float]]:
        """Each number that was measured, with its name."""
        for metric, values in metrics.items():
            if not np.isfinite(values).all():
                continue
            for setting, row in zip(self._settings, values, strict=True):
                base = f"{metric}/{setting}" if setting else metric
                yield f"{base}/mean", float(row.mean())
                for seed, value in zip(self._seeds, row, strict=True):
                    yield f"{base}/{seed}", float(value)


def imported(library: str) -> Any:
    """The library of a sink, or an `InputError` that says how to get it."""
    try:
        if library == "wandb":
            import wandb as found  # pyright: ignore[reportMissingImports]
        elif library == "mlflow":
            import mlflow as found  # pyright: ignore[reportMissingImports]
        else:
            import tensorboardX as found
        return found
    except ImportError as problem:
        raise InputError(
            MISSING,
            "sink",
            found=f"{library} is not installed" + ("" if problem.name == library else f" ({problem})"),
            allowed="a sink needs the library that it writes for",
            remedy=f'Install it: pip install "stackelberg[{EXTRAS[library]}]".',
        ) from problem


def identity(folder: Path) -> str:
    """A name for the run in `folder` that stays when the folder moves: a fingerprint of its configuration and start."""
    known = provenance_of(folder)
    first = known.get("sessions") or [{"folder": str(folder.resolve())}]
    return sha256(canonical([known.get("config"), first[0]]))[:32]


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """The leaves of an experiment by dotted name, long lists shortened."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _flat(entry, f"{name}.{key}" if name else str(key))
    else:
        yield _safe(name), str(value)[:250]


def _safe(words: str) -> str:
    """Only what every one of the three takes in a name."""
    return re.sub(r"[^\w./-]", "_", words)
