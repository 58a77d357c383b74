"""Jobs as tasks of a Ray cluster: one started here on the loopback interface, or one that is there already.

A job runs inside a worker of Ray, and what it achieves goes through its folder alone: an exit code is all that Ray
carries back. A worker or a node that is lost loses nothing but the steps since the last checkpoint. Ray itself moves
tasks between your own processes by cloudpickle: whoever can reach its ports can run code as you.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

from .base import AbstractBackend, Ending, MissingExtraError, Task, quiet


ONLY_HERE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # as on those systems, every port is opened on 127.0.0.1 alone
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # jobs are worked on as those on="local" are
}

OBJECT_STORE = 80 * 2**20
"""Bytes of shared memory for Ray's own store, the least that it takes: no array ever goes through it."""

AT_ONCE = 1000
"""The most tasks that wait in Ray's own queue."""


@final
class RayCluster(AbstractBackend):
    """A Ray cluster.

    - `workers`: how many jobs at a time on a cluster that is started here; it ends with this process.
    - `address`: of a cluster that is there, such as "127.0.0.1:6379" or "auto"; its nodes must reach the folder of the
      sweep by the same name, on a file system with locks.
    - `num_cpus`, `num_gpus`: what one job takes of it.
    """

    def __init__(self, workers: int, address: str | None = None, num_cpus: float = 1.0, num_gpus: float = 0.0) -> None:
        if importlib.util.find_spec("ray") is None:
            raise MissingExtraError("ray", "a sweep on Ray")
        with _variables(ONLY_HERE if address is None else {}):
            import ray
            from ray.exceptions import RayError

            self._ray, self._lost = ray, RayError
            self._is_ours = not ray.is_initialized()
            if self._is_ours:
                new: dict[str, Any] = {
                    "num_cpus": workers,
                    "object_store_memory": OBJECT_STORE,
                    "include_dashboard": False,
                }
                # "local": never a cluster that some variable or file of the machine points to
                ray.init(address or "local", log_to_driver=False, **(new if address is None else {}))
        # A worker that dies is the sweep's to count: Ray itself tries nothing again.
        self._work = ray.remote(max_retries=0, num_cpus=num_cpus, num_gpus=num_gpus)(work_quietly)
        self._running: dict[Any, str] = {}

    @property
    def slots(self) -> int:
        return AT_ONCE

    def submit(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            self._running[self._work.remote(str(task.experiment), str(task.folder))] = task.id

    def ended(self, seconds: float) -> list[Ending]:
        if not self._running:
            return []
        found, _ = self._ray.wait(list(self._running), num_returns=len(self._running), timeout=0)
        if not found:
            found, _ = self._ray.wait(list(self._running), num_returns=1, timeout=seconds)
        return [self._ending(reference) for reference in found]

    def close(self) -> None:
        for reference in self._running:
            self._ray.cancel(reference, force=True)
        if self._running:
            self._ray.wait(list(self._running), num_returns=len(self._running), timeout=10.0)
            self._running.clear()
        if self._is_ours:
            self._is_ours = False
            self._ray.shutdown()

    def _ending(self, reference: Any) -> Ending:
        id = self._running.pop(reference)
        try:
            code = int(self._ray.get(reference))
        except self._lost as problem:
            return Ending(id, None, f"lost by Ray ({type(problem).__name__})")
        return Ending(id, code, f"ended with exit code {code}")


def work_quietly(experiment: str, folder: str) -> int:
    """The job, in this worker: single-threaded, as its variables say before JAX is imported."""
    os.environ.update(quiet(os.environ))
    from ..job import work

    return work(Path(experiment), Path(folder))


@contextmanager
def _variables(wanted: dict[str, str]) -> Iterator[None]:
    """The environment with these variables, where it does not have them already; afterwards as it was."""
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
