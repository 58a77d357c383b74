"""What is kept of a step that was not finite: the last good state (a checkpoint), the batch, how to look at both."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
from safetensors.numpy import save as save_tensors

from .._learner import NonFiniteStepError
from .._precision import precise
from .checkpoints import name_of
from .digests import sealed
from .disk import AbstractDisk, commit_folder
from .experiment import Experiment
from .folder import FAILURES
from .spec import settings


SCHEMA = "stackelberg-failure/1"

REPLAY = """import stackelberg as sg

failure = sg.read_failure({folder!r})
failure.batch                        # the data of the failing step, by name
learner, run = failure.learner, failure.run      # the state after step {step}, which is finite
sg.advance(learner, run, 1)          # raises the same error again
"""


def write(
    disk: AbstractDisk, folder: Path, experiment: Experiment, problem: NonFiniteStepError, precision: str
) -> Path:
    """A folder `failures/step-N` with the batch and the story; one that exists already tells the same one."""
    place = folder / FAILURES / f"step-{name_of(problem.run.n + 1)}"
    if place.exists():
        return place
    if not place.parent.is_dir():
        disk.make_folder(place.parent)
    with precise(precision):
        leaves = jax.tree_util.tree_leaves_with_path(problem.batch)
        batch = {jax.tree_util.keystr(path) or ".": _array(leaf) for path, leaf in leaves}
    story = {
        "schema": SCHEMA,
        "step": problem.run.n + 1,
        "setting": settings(experiment)[problem.setting],
        "seed": experiment.seeds[problem.seed],
        "not_finite": list(problem.names),
        "last_good_checkpoint": name_of(problem.run.n),
        "message": str(problem),
    }
    replay = REPLAY.format(folder=str(place), step=problem.run.n)
    files = {"batch.safetensors": save_tensors(batch), "failure.json": sealed(story), "replay.py": replay.encode()}
    commit_folder(disk, place, files)
    return place


def _array(leaf: object) -> np.ndarray:
    if isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.ascontiguousarray(np.asarray(leaf)).reshape(np.shape(leaf))
