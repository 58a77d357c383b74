"""How every benchmark measures: CPU seconds, ours and a peer in turn, the median and spread of the ratio."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """One line of the table: the same work by us and by a peer, in one run.

    `ours` and `peer` are median CPU seconds per unit of work; `ratio` is the median of peer/ours pair by pair, with its
    smallest and largest value; `target` is the figure aimed at, in CPU seconds of ours, or `None`.
    """

    section: str
    work: str
    ours: float
    peer_name: str
    peer: float | None
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    target: float | None
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@contextmanager
def elsewhere(variable: str, script: str) -> Iterator[Callable[[str], float] | None]:
    """Asks a peer whose pins do not go together with ours, in an interpreter of its own, for CPU seconds.

    `variable`: of the environment, which names the interpreter; None is given where it is not set.  `script`: beside
    this file; it answers each line that it is sent with a line "SECONDS ...".
    """
    interpreter = os.environ.get(variable)
    if not interpreter:
        yield None
        return
    with subprocess.Popen(
        [interpreter, str(Path(__file__).with_name(script))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def asked(name: str) -> float:
            print(name, file=process.stdin, flush=True)
            for line in process.stdout or ():
                if line.startswith("SECONDS "):
                    return float(line.split()[1])
            raise RuntimeError(f"{interpreter} ended without an answer: does {script} run there?")

        yield asked
        process.stdin.close()


def cpu_seconds(work: Callable[[], Any]) -> float:
    """CPU seconds of this process for one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def compare(
    section: str,
    name: str,
    ours: Callable[[], Any],
    *,
    peer: Callable[[], Any] | None = None,
    peer_seconds: Callable[[], float] | None = None,
    peer_name: str = "",
    units: int = 1,
    peer_units: float = 1,
    repeats: int = 5,
    target: float | None = None,
    note: str = "",
) -> Row:
    """Time `ours` and `peer` in turn, after one warm-up of ours (compilation is not counted).

    `peer_seconds`: instead of `peer`, where it runs in a process of its own and tells its CPU seconds.
    `units` and `peer_units` say how many units of the work one call does, so that a slow peer can do a sample.
    """
    ours()
    mine, theirs = [], []
    for _ in range(repeats):
        mine.append(cpu_seconds(ours) / units)
        if peer is not None:
            theirs.append(cpu_seconds(peer) / peer_units)
        elif peer_seconds is not None:
            theirs.append(peer_seconds() / peer_units)
    ratios = [b / a for a, b in zip(mine, theirs, strict=False)]
    return Row(
        section=section,
        work=name,
        ours=statistics.median(mine),
        peer_name=peer_name,
        peer=statistics.median(theirs) if theirs else None,
        ratio=statistics.median(ratios) if ratios else None,
        ratio_low=min(ratios) if ratios else None,
        ratio_high=max(ratios) if ratios else None,
        target=target,
        note=note,
    )
