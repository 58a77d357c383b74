"""Who else gets the metrics of a run while it goes on: TensorBoard, Weights & Biases, MLflow, or your own.

The folder of the run is always the record; a sink is a copy for a screen. Each library is imported only when its sink
is made, and a sink that fails does not end the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np


@runtime_checkable
@runtime_checkable
class Sink(Protocol):
    """Takes metrics while a run goes on."""

    def open(self, folder: Path, experiment: Mapping[str, Any], step: int) -> None:
        """A run starts, or goes on after `step`, in `folder`."""

    def write(self, step: int, metrics: Mapping[str, np.ndarray]) -> None:
        """What was recorded after `step`: by name an array `(g, s)` over settings and seeds."""

    def close(self) -> None:
        """The process has done what it does for this run."""


class Sinks:
    """Several sinks as one that never fails: a sink that raises is told of once, and then left alone."""

    def __init__(self, sinks: Sequence[Sink], tell: Callable[[str], None]) -> None:
        self._sinks, self._tell = list(sinks), tell

    def open(self, folder: Path, experiment: Mapping[str, Any], step: int) -> None:
        """Open every sink."""
        self._each("opened", step, lambda sink: sink.open(folder, experiment, step))

    def write(self, step: int, metrics: Mapping[str, np.ndarray]) -> None:
        """Write to every sink."""
        self._each("written to", step, lambda sink: sink.write(step, metrics))

    def close(self) -> None:
        """Close every sink."""
        self._each("closed", None, lambda sink: sink.close())

    def _each(self, done: str, step: int | None, call: Callable[[Sink], None]) -> None:
        for sink in tuple(self._sinks):
            try:
                call(sink)
            except Exception as problem:  # whatever a library of somebody else raises: the run matters more
                self._sinks.remove(sink)
                reason = " ".join(f"{type(problem).__name__}: {problem}".split())[:200]
                name = type(sink).__name__ + ("" if step is None else f" at step {step}")
                self._tell(f"The sink {name} could not be {done}, and was left alone from then on: {reason}.")
