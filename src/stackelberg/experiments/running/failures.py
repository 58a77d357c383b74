"""What is kept of a step that was not finite: the last good state (a checkpoint), the batch, how to look at both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors, save as save_tensors

from ..._learner import NonFiniteStepError
from ..._loop.precision import precise
from ..digests import sealed, sha256, unsealed
from ..experiment import Experiment
from ..spec import settings
from .checkpoints import name_of, restored, stored
from .disk import ARRAYS_LIMIT, AbstractDisk, commit_folder, content, discard, is_folder
from .folder import FAILURES


SCHEMA = "stackelberg-failure/1"

BATCH, STORY, REPLAYED = "batch.safetensors", "failure.json", "replay.py"

REPLAY = """from pathlib import Path

import stackelberg as sg


failure = sg.read_failure(Path(__file__).parent)
failure.batch                                    # the data of the failing step, by name
learner, run = failure.learner, failure.run      # every setting and seed after the step before, which is finite
sg.advance(learner, run, 1, **failure.arguments)      # raises the same error again
"""


def write(
    disk: AbstractDisk, folder: Path, experiment: Experiment, problem: NonFiniteStepError, precision: str
) -> Path:
    """A folder `failures/step-N` with the batch and the story; an intact one that exists already tells the same one."""
    place = folder / FAILURES / f"step-{name_of(problem.run.n + 1)}"
    if place.exists():
        if not problems(place):
            return place
        discard(disk, place)
    if not place.parent.is_dir():
        disk.make_folder(place.parent)
        disk.sync(folder)
    with precise(precision):
        leaves = jax.tree_util.tree_leaves_with_path(problem.batch)
        batch = {jax.tree_util.keystr(path).removeprefix(".") or "batch": stored(leaf) for path, leaf in leaves}
    data = save_tensors({name: array for name, (array, _) in batch.items()})
    story = {
        "schema": SCHEMA,
        "step": problem.run.n + 1,
        "setting": settings(experiment)[problem.setting],
        "setting_number": problem.setting,
        "seed": experiment.seeds[problem.seed],
        "not_finite": list(problem.names),
        "last_good_checkpoint": name_of(problem.run.n),
        "message": str(problem),
        "batch": {"sha256": sha256(data), "leaves": {name: kind for name, (_, kind) in batch.items()}},
    }
    files = {BATCH: data, STORY: sealed(story), REPLAYED: REPLAY.encode()}
    commit_folder(disk, place, files)
    return place


def read(place: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The story of a failure and its batch by name, or a `ValueError`."""
    if not is_folder(place):
        raise ValueError("it is no folder")
    story = unsealed(content(place / STORY), SCHEMA)
    data, described = content(place / BATCH, ARRAYS_LIMIT), story.get("batch")
    leaves = described.get("leaves") if isinstance(described, dict) else None
    if not isinstance(described, dict) or not isinstance(leaves, dict) or described.get("sha256") != sha256(data):
        raise ValueError(f"{BATCH} is not what its story says")
    if type(story.get("step")) is not int or f"step-{name_of(story['step'])}" != place.name:
        raise ValueError("it tells of another step")
    try:
        arrays = load_tensors(data)
        if sorted(arrays) != sorted(leaves):
            raise ValueError(f"{BATCH} is not what its story says")
        return story, {name: restored(arrays[name], kind) for name, kind in leaves.items()}
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as problem:
        raise ValueError(f"{BATCH} cannot be read") from problem


def problems(place: Path) -> list[str]:
    """What is wrong with what is kept of a failure."""
    try:
        read(place)
        return [] if content(place / REPLAYED) == REPLAY.encode() else [f"{REPLAYED} is not what was written"]
    except ValueError as problem:
        return [str(problem)]
