"""Who else gets the metrics of a run while it goes on: TensorBoard, Weights & Biases, MLflow, or your own.

The folder of the run is always the record; a sink is a copy for a screen. Each library is imported only when its sink
is made, and a sink that fails does not end the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np


class Sink(Protocol):
    """Takes metrics while a run goes on."""

    def open(self, folder: Path, experiment: Mapping[str, Any], step: int) -> None:
        """A run starts, or goes on after `step`, in `folder`."""

    def write(self, step: int, metrics: Mapping[str, np.ndarray]) -> None:
        """What was recorded after `step`: by name an array `(g, s)` over settings and seeds."""

    def close(self) -> None:
        """The process has done what it does for this run."""
