"""How far a run is, and how fast it goes."""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass


REMEMBERED = 9
"""Portions whose speed is remembered."""


@dataclass(frozen=True)
class Progress:
    """How far a run is, for whoever shows it: step n of num_steps, steps a second, and the latest metrics.

    - `rate`: of the last few portions, without compiling; 0 while it is not known.
    - `note`: what is being done: "compiling", "training" or "saving".
    """

    step: int
    num_steps: int
    rate: float
    latest: dict[str, float]
    note: str = ""


class Rate:
    """Steps a second: the median over the last portions, which one that compiled or waited for a disk does not move."""

    def __init__(self, now: float) -> None:
        self._before = now
        self._rates: deque[float] | None = None

    def after(self, num_steps: int, now: float) -> float:
        """The rate when `num_steps` more were made until `now`; the first portion compiles and is not counted."""
        if self._rates is None:
            self._rates = deque(maxlen=REMEMBERED)
        else:
            self._rates.append(num_steps / max(now - self._before, 1e-9))
        self._before = now
        return statistics.median(self._rates) if self._rates else 0.0
