"""How every benchmark measures: CPU seconds, ours and a peer in turn, the median and spread of the ratio."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
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
