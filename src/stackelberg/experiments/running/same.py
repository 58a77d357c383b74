"""Whether a folder holds the run that is asked for, or another one; what differs is named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ... import _boundary as boundary
from ..._disk import printable
from ..._errors import RunError
from ..experiment import Experiment
from ..spec import COSMETIC, config_hash, experiment_to_json
from . import reading
from .disk import TEMPORARY
from .folder import CHECKPOINTS, EXPERIMENT, FAILURES, PROVENANCE, RESULT
from .lock import LOCK
from .metrics_log import LOG


MISMATCH = "E-RUN-008"


def check_same(experiment: Experiment, folder: Path) -> None:
    """Refuse a folder that holds another experiment, naming what differs."""
    if not os.path.lexists(folder / EXPERIMENT):
        ours = (CHECKPOINTS, FAILURES, LOCK, LOG, PROVENANCE, RESULT)
        others = [entry.name for entry in folder.iterdir() if entry.name not in ours]
        strange = [name for name in others if not name.startswith(TEMPORARY)]
        if strange and not (folder / LOG).exists():
            raise RunError(
                MISMATCH,
                printable(str(folder)),
                found=f"it holds no run, and something else ({printable(strange[0], 40)})",
                remedy="Name an empty or a new folder",
            )
    try:
        before = reading.experiment_of(folder)
    except ValueError as problem:  # the checkpoints still tell whose they are, and it is written anew
        owners = reading.owners(folder)
        if owners and config_hash(experiment) not in owners:
            raise RunError(
                MISMATCH,
                printable(str(folder)),
                found=f"it holds the checkpoints of another experiment ({problem})",
                remedy="Name another folder, or start with the experiment that is in it",
            ) from problem
        return
    now = experiment_to_json(experiment)
    if differing := differences(before, now):
        raise RunError(
            MISMATCH,
            printable(str(folder)),
            found=f"it holds another experiment, with {'; '.join(differing[:4])}",
            remedy="Name another folder, or start with the experiment that is in it",
        )


def differences(before: Any, now: Any, name: str = "") -> list[str]:
    """What differs between two experiments as plain values, field by field; what decides no number is left out."""
    if isinstance(before, dict) and isinstance(now, dict):
        skip = COSMETIC if not name else ()
        keys = [key for key in dict.fromkeys([*before, *now]) if key not in skip]
        return [
            words
            for key in keys
            for words in differences(before.get(key), now.get(key), f"{name}.{key}" if name else key)
        ]
    if before == now:
        return []
    return [f"{name} = {boundary.shown(before)} instead of {boundary.shown(now)}"]
