"""One job of a sweep, as a process: `python -m stackelberg.experiments.sweeping.job EXPERIMENT RUN_FOLDER`.

It runs the experiment of a file in a folder, or goes on with the run that is there, and says how that ended by its exit
code. What it achieved stands in the folder; why it failed stands beside it, in `RUN_FOLDER.failed.json`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from ..._errors import InputError, NonFiniteResultError, RunError, StackelbergError
from ..digests import sealed, unsealed
from ..running.disk import DISK, commit_file, content
from ..running.lock import LOCKED
from ..running.runner import OTHER_BITS, StoppedError, run
from ..running.same import MISMATCH
from ..spec import config_hash, read_experiment


DONE, FAILED, AGAIN, BUSY = 0, 1, 2, 75
"""Exit codes: complete; failed, and would fail again; failed, and may be tried again; another process is at it."""

STOPS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR2")
"""Signals after which a job saves and ends; the last one is how Slurm announces that the time is up."""

STORY_SCHEMA = "stackelberg-job/1"


def work(experiment: Path, folder: Path, stop: Any = lambda: 0) -> int:
    """Do the job in this process, and return its exit code; only a signal to the process raises."""
    config = ""
    try:
        described = read_experiment(experiment)
        config = config_hash(described)
        run(described, folder, stop=stop)
    except StoppedError as problem:
        return 128 + problem.signal
    except Exception as problem:
        if isinstance(problem, RunError) and problem.code == LOCKED:
            return BUSY
        is_final = _would_fail_again(problem)
        _tell(folder, config, problem, is_final)
        return FAILED if is_final else AGAIN
    story_path(folder).unlink(missing_ok=True)
    return DONE


def story_path(folder: Path) -> Path:
    """Where the reason stands for which the job of a run's folder failed."""
    return folder.with_name(f"{folder.name}.failed.json")


def story_of(folder: Path, config: str) -> dict[str, Any]:
    """Why the job with this fingerprint failed when it was last tried; empty when it did not, or was damaged since."""
    try:
        story = unsealed(content(story_path(folder)), STORY_SCHEMA)
    except ValueError:
        return {}
    is_whole = all(isinstance(story.get(name), str) for name in ("code", "message"))
    return story if is_whole and story.get("config") == config else {}


def _would_fail_again(problem: Exception) -> bool:
    """Whether the same job would meet the same end: a function of its input, not of the machine or the moment."""
    if isinstance(problem, RunError):
        return problem.code in (MISMATCH, OTHER_BITS)
    return isinstance(problem, NonFiniteResultError | InputError)


def _tell(folder: Path, config: str, problem: Exception, is_final: bool) -> None:
    code = problem.code if isinstance(problem, StackelbergError) else type(problem).__name__
    print(f"{folder.name}: {type(problem).__name__}: {problem}", file=sys.stderr, flush=True)
    story = {"schema": STORY_SCHEMA, "config": config, "code": code, "message": str(problem), "is_final": is_final}
    with contextlib.suppress(OSError):  # a disk that failed the run fails its story too; the exit code remains
        commit_file(DISK, story_path(folder), sealed(story))


def main(arguments: list[str]) -> int:
    """The process: `EXPERIMENT RUN_FOLDER [--leave-at-end-of-input]`."""
    experiment, folder, *options = arguments
    heard: list[int] = []

    def hear(number: int, _: Any) -> None:
        if heard:
            os._exit(128 + number)
        heard.append(number)

    for name in STOPS:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), hear)
    if "--leave-at-end-of-input" in options:
        threading.Thread(target=_leave_with_parent, daemon=True).start()
    return work(Path(experiment), Path(folder), lambda: heard[0] if heard else 0)


def _leave_with_parent() -> None:
    """The parent holds the other end of the standard input, and lets go of it only by ending."""
    while os.read(0, 4096):
        pass
    os._exit(128 + signal.SIGTERM)  # at once: a run survives being killed, and its folder must become free


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
