"""What a sweep consists of: a grid of settings × seeds cut into jobs, as an idempotent table keyed by fingerprints.

    sweep.json               the experiment with its grid, and the table of jobs: written once, never changed
    attempts.jsonl           which job was tried when, and how that ended
    jobs/ID.json             the experiment of one job
    jobs/ID/                 the folder of its run
    jobs/ID.failed.json      why it failed, where it did

Every pair of a setting and a seed stands in exactly one job, whose fingerprint covers both, so that whoever works on a
job, how often and where, the same numbers come from it and count once.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import _boundary as boundary
from ..._disk import PathName, as_path, printable
from ..._errors import InputError, RunError
from ..digests import sealed, unsealed
from ..experiment import Experiment
from ..running.disk import content
from ..spec import COSMETIC, config_hash, experiment_from_json, experiment_to_json, settings, variants, with_settings


DAMAGED_TABLE, NOT_A_SWEEP = "E-SWEEP-002", "E-SWEEP-003"

SWEEP, JOBS = "sweep.json", "jobs"
SCHEMA = "stackelberg-sweep/1"

JOB_LIMIT, RUN_LIMIT = 9999, 10**6
"""The most jobs of a sweep, and the most settings × seeds."""

NAME = re.compile(r"\d{4}-[0-9a-f]{10}")


@dataclass(frozen=True)
class Job:
    """Settings (by position) and seeds that run together, and the fingerprint of all that decides their numbers."""

    id: str
    config: str
    settings: tuple[int, ...]
    seeds: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"id": self.id, "config": self.config, "settings": list(self.settings), "seeds": list(self.seeds)}


@dataclass(frozen=True, eq=False)
class Table:
    """The jobs of a sweep.

    - `experiment`: with the whole grid in `over`.  `is_batch`: whether everything is one job.
    - `seeds_per_job`: how many seeds run together; None for all of them.
    """

    experiment: Experiment
    is_batch: bool
    seeds_per_job: int | None
    jobs: tuple[Job, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values, as `sweep.json` holds them."""
        return {
            "schema": SCHEMA,
            "experiment": experiment_to_json(self.experiment),
            "is_batch": self.is_batch,
            "seeds_per_job": self.seeds_per_job,
            "jobs": [job.to_json() for job in self.jobs],
        }


def planned(
    experiment: Experiment, over: Mapping[str, Any], seeds_per_job: int | None, is_batch: bool
) -> tuple[Table, dict[str, Experiment]]:
    """The table, and by job its experiment; every value of the grid is checked here, before anything is written."""
    whole = with_settings(experiment, {"over": _grid(experiment, over)})
    seeds = whole.seeds
    _check_size("runs", math.prod(len(values) for values in whole.over.values()) * len(seeds), RUN_LIMIT)
    if is_batch:
        parts = [(tuple(range(len(settings(whole)))), seeds, whole)]
    else:
        size = len(seeds) if seeds_per_job is None else seeds_per_job
        groups = [seeds[first : first + size] for first in range(0, len(seeds), size)]
        parts = [
            ((g,), group, one if group == one.seeds else with_settings(one, {"seeds": list(group)}))
            for g, one in enumerate(variants(whole))
            for group in groups
        ]
    _check_size("jobs", len(parts), JOB_LIMIT)
    jobs, experiments = [], {}
    for index, (places, group, one) in enumerate(parts):
        config = config_hash(one)
        job = Job(f"{index:04d}-{config[:10]}", config, places, group)
        jobs.append(job)
        experiments[job.id] = one
    table = Table(whole, is_batch, seeds_per_job, tuple(jobs))
    check_partition(table, "over")
    return table, experiments


def check_partition(table: Table, shown: str) -> None:
    """Every setting and seed stands in exactly one job, or `RunError`: nothing lost, nothing doubled."""
    num_settings = math.prod(len(values) for values in table.experiment.over.values())
    counted = np.zeros((num_settings, len(table.experiment.seeds)), int)
    column = {seed: s for s, seed in enumerate(table.experiment.seeds)}
    for job in table.jobs:
        for g in map(_place, job.settings):
            for seed in job.seeds:
                counted[g, column[seed]] += 1
    if not np.all(counted == 1) or len({job.config for job in table.jobs}) < len(table.jobs):
        raise damaged(shown, "its jobs do not hold every setting and seed exactly once")


def table_bytes(table: Table) -> bytes:
    """The content of `sweep.json`."""
    return sealed(table.to_json())


def _place(g: Any) -> int:
    if type(g) is not int or g < 0:
        raise IndexError(f"{g!r} is no setting")
    return g


def read_table(path: PathName) -> Table:
    """The table of the sweep in a folder, verified."""
    folder = as_path(path)
    shown = printable(str(folder / SWEEP))
    try:
        data = unsealed(content(folder / SWEEP), SCHEMA)
    except ValueError as problem:
        if os.path.lexists(folder / SWEEP):
            raise damaged(shown, str(problem)) from problem
        raise RunError(
            NOT_A_SWEEP,
            printable(str(path)),
            found="there is no sweep: no sweep.json in it" if folder.is_dir() else "there is no such folder",
            remedy="Check the name",
        ) from problem
    try:
        experiment = experiment_from_json(data["experiment"])
        rows = [
            Job(_name(row["id"]), row["config"], tuple(row["settings"]), tuple(row["seeds"])) for row in data["jobs"]
        ]
        table = Table(experiment, bool(data["is_batch"]), data["seeds_per_job"], tuple(rows))
        check_partition(table, shown)
    except (KeyError, IndexError, TypeError, ValueError) as problem:
        raise damaged(shown, f"it cannot be understood ({printable(str(problem), 120)})") from problem
    return table


def _name(id: str) -> str:
    """The name of a job, which becomes the name of a folder."""
    if not NAME.fullmatch(id):
        raise ValueError("a job has another name than jobs have")
    return id


def identity(table: Table) -> dict[str, Any]:
    """What must be the same for a sweep to be gone on with."""
    data = table.to_json()
    experiment = {name: entry for name, entry in data["experiment"].items() if name not in (*COSMETIC, "over")}
    rest = {"is_batch": table.is_batch, "seeds_per_job": table.seeds_per_job}
    return experiment | {"over": {name: list(values) for name, values in table.experiment.over.items()}} | rest


def damaged(shown: str, found: str) -> RunError:
    """The error for a table that is not what was written."""
    return RunError(
        DAMAGED_TABLE, shown, found=found, remedy="Remove this one file and start the same sweep: finished jobs count"
    )


def _check_size(what: str, count: int, limit: int) -> None:
    if count > limit:
        raise InputError(
            boundary.RANGE,
            "over",
            found=f"the grid makes {count:,} {what}",
            allowed=f"a sweep has at most {limit:,}",
            remedy="Put more seeds into a job (seeds_per_job), or cut the grid into several sweeps.",
        )


def _grid(experiment: Experiment, over: Mapping[str, Any]) -> dict[str, Any]:
    grid: dict[str, Any] = {name: list(values) for name, values in experiment.over.items()}
    for name, values in boundary.instance("over", over, Mapping, '{"learner.agent.ridge": [1e-3, 1e-2]}').items():
        if name in grid or str(name).partition(".")[0] in ("seeds", "over", "schema"):
            raise InputError(
                boundary.INCONSISTENT,
                f"over.{name}",
                found="the experiment varies it already" if name in grid else "it cannot be varied",
                allowed="a grid is over fields of the experiment, each once; seeds are an axis of their own",
                remedy="Leave it away here, and give `seeds` to the experiment.",
            )
        grid[str(name)] = values
    return grid
