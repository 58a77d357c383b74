"""Jobs through Slurm, as an array, by submitit. What they achieve goes through their folders alone.

submitit keeps what it submits in `FOLDER/slurm` as pickles, which its own jobs read back: nobody but you may write
there.
"""

from __future__ import annotations

import importlib.util
import math
import os
import shlex
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

from .... import _boundary as boundary
from ...._errors import InputError
from .base import AbstractBackend, Ending, MissingExtraError, Task, quiet


NO_SLURM = "E-SWEEP-006"

AT_ONCE = 1000


@final
class Slurm(AbstractBackend):
    """A Slurm cluster, from a machine that can submit to it.

    - `folder`: for scripts and logs, on a file system that the nodes share, as the folder of the sweep.
    - `time`: minutes of one job.  `memory`: gigabytes.  `cpus`: cores.
    - `partition`, `account`, `qos`: as `sbatch` has them.  `array_parallelism`: how many jobs at a time.
    - `setup`: shell lines before each job (`module load ...`).
    - `parameters`: whatever else submitit's `SlurmExecutor.update_parameters` takes.
    - `poll`: seconds between two questions to `sacct`.
    """

    def __init__(
        self,
        folder: Path,
        time: Any = 60,
        memory: Any = 4.0,
        cpus: Any = 1,
        partition: str | None = None,
        account: str | None = None,
        qos: str | None = None,
        array_parallelism: Any = 256,
        setup: Sequence[str] = (),
        parameters: Mapping[str, Any] | None = None,
        poll: Any = 30.0,
    ) -> None:
        if importlib.util.find_spec("submitit") is None:
            raise MissingExtraError("slurm", "a sweep on Slurm")
        if shutil.which("sbatch") is None or shutil.which("srun") is None:
            raise InputError(
                NO_SLURM,
                "on",
                found="the commands sbatch and srun are not there",
                allowed='"slurm" is for a machine that submits to a Slurm cluster',
                remedy='Log in to one, or use on="local" or on="ray".',
            )
        import submitit

        self._submitit = submitit
        self._poll = boundary.real_number("poll", poll, low=0.0)
        self._executor = submitit.SlurmExecutor(folder, max_num_timeout=0)
        wanted: dict[str, Any] = {
            "job_name": "stackelberg",
            "time": boundary.whole_number("time", time, low=1),
            "mem": f"{math.ceil(1024 * boundary.real_number('memory', memory, low=0.0, low_open=True))}MB",
            "cpus_per_task": boundary.whole_number("cpus", cpus, low=1),
            "partition": partition,
            "account": account,
            "qos": qos,
            "array_parallelism": boundary.whole_number("array_parallelism", array_parallelism, low=1),
            "setup": [*setup, *(f"export {name}={shlex.quote(value)}" for name, value in _own(os.environ))],
            **(parameters or {}),
        }
        self._executor.update_parameters(**{name: value for name, value in wanted.items() if value is not None})
        self._running: dict[str, Any] = {}
        self._asked = 0.0

    @property
    def slots(self) -> int:
        return AT_ONCE

    def submit(self, tasks: Sequence[Task]) -> None:
        functions = [self._submitit.helpers.CommandFunction(task.command()) for task in tasks]
        jobs = self._executor.submit_array(functions)
        self._running |= {task.id: job for task, job in zip(tasks, jobs, strict=True)}

    def ended(self, seconds: float) -> list[Ending]:
        time.sleep(seconds)
        now = time.monotonic()
        is_asking = now - self._asked >= self._poll
        if is_asking and self._running:
            self._asked = now
            next(iter(self._running.values())).get_info(mode="force")  # one question for all of them
        found = [id for id, job in self._running.items() if job.done()]
        return [Ending(id, None, f"Slurm: {self._running.pop(id).state}") for id in found]

    def close(self) -> None:
        for job in self._running.values():
            job.cancel(check=False)
        self._running.clear()


def _own(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    """What makes a job single-threaded, and is not in the environment already."""
    return [(name, value) for name, value in quiet(environment).items() if environment.get(name) != value]
