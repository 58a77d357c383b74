"""What is read back of a run or a sweep: curves over settings and seeds, with where they come from. NumPy only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Float, Int

from ._record import plain


Seat: TypeAlias = Literal["leader", "follower", "neither"]
Direction: TypeAlias = Literal["higher", "lower", "neither"]


@dataclass(frozen=True)
class Alarm:
    """Where a number says that a run should not be trusted, and what to do then.

    - `above`: its size, signs left away, from which on that is so.  `advice`: one sentence.
    """

    above: float
    advice: str


@dataclass(frozen=True)
class Metric:
    """What a recorded number means: its label and unit, whose it is (which decides its colour), which way is better.

    `alarm` is rung by the last value of a run, or of some seeds of it.
    """

    label: str
    unit: str = ""
    seat: Seat = "neither"
    better: Direction = "neither"
    alarm: Alarm | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values; `Metric.from_json` reads them back."""
        plain_values = {"label": self.label, "unit": self.unit, "seat": self.seat, "better": self.better}
        if self.alarm is None:
            return plain_values
        return plain_values | {"alarm": {"above": self.alarm.above, "advice": self.alarm.advice}}

    @classmethod
    def from_json(cls, data: Any) -> Metric:
        """What `to_json` wrote, or a `ValueError`."""
        names = ("label", "unit", "seat", "better")
        if not isinstance(data, Mapping) or sorted(set(data) - {"alarm"}) != sorted(names):
            raise ValueError("it has other keys")
        label, unit, seat, better = (data[name] for name in names)
        if not isinstance(label, str) or not isinstance(unit, str):
            raise ValueError("its label and unit are no text")
        if seat not in get_args(Seat) or better not in get_args(Direction):
            raise ValueError("its seat or direction is not known")
        return cls(label, unit, seat, better, _alarm(data.get("alarm")))


def _alarm(data: Any) -> Alarm | None:
    if data is None:
        return None
    if not isinstance(data, Mapping) or sorted(data) != ["above", "advice"]:
        raise ValueError("its alarm has other keys")
    above, advice = data["above"], data["advice"]
    if not isinstance(above, int | float) or isinstance(above, bool) or not isinstance(advice, str):
        raise ValueError("its alarm is no number and text")
    return Alarm(float(above), advice)


@dataclass(frozen=True, eq=False)
class RunRecord:
    """A run, or all runs of a sweep, as curves over settings and seeds.

    - `name`: of the folder.  `title`: one line, for people.
    - `steps`: `(k,)`, the steps at which something was recorded, rising; step n is the n-th, counted from 1.
    - `metrics`: by name, `(k, g, s)` over g settings and s seeds; NaN where that metric was not measured at that step,
      or the run of that setting and seed has not come that far.
    - `settings`: g mappings from the dotted field that was varied to its value; one empty mapping without a sweep.
    - `seeds`: `(s,)`.  `num_steps`: how many steps were planned.
    - `status`: `(g, s)` words: "complete", "incomplete", "failed", "missing".
    - `meanings`: by metric, what it is; a metric without an entry is shown by its name.
    - `experiment`: the experiment as it stands in its file.  `provenance`: versions, device, hashes, sessions.
    - `certificate`: what was proved, when something was.  `notes`: what a reader must know, each a sentence.
    """

    name: str
    title: str
    steps: Int[np.ndarray, "k"]
    metrics: Mapping[str, Float[np.ndarray, "k g s"]]
    settings: tuple[Mapping[str, Any], ...]
    seeds: tuple[int, ...]
    num_steps: int
    status: np.ndarray
    meanings: Mapping[str, Metric]
    experiment: Mapping[str, Any]
    provenance: Mapping[str, Any]
    certificate: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = field(default=())

    def meaning(self, metric: str) -> Metric:
        """What `metric` is; its own name where nothing more is known."""
        return self.meanings.get(metric, Metric(metric.replace("_", " ")))

    def final(self, metric: str) -> Float[np.ndarray, "g s"]:
        """The last value recorded of each setting and seed; NaN where there is none."""
        values = self.metrics[metric]
        seen = np.isfinite(values)
        last = values.shape[0] - 1 - np.argmax(seen[::-1], axis=0)
        found = np.take_along_axis(values, last[None], axis=0)[0]
        return np.where(seen.any(axis=0), found, np.nan)

    def alarms(self) -> tuple[str, ...]:
        """What the last values say against trusting the run, each with what to do; in how many of its runs."""
        found = []
        for name in self.metrics:
            meaning = self.meaning(name)
            if meaning.alarm is None:
                continue
            last = np.abs(self.final(name))
            count, total = int(np.sum(last > meaning.alarm.above)), int(np.sum(np.isfinite(last)))
            if count:
                where = f" in {count} of {total} runs" if total > 1 else ""
                found.append(f"{meaning.label} is above {meaning.alarm.above:g}{where}. {meaning.alarm.advice}")
        return tuple(found)

    def is_complete(self) -> bool:
        """Whether every setting and seed came to its end."""
        return bool(np.all(self.status == "complete"))

    def to_json(self) -> dict[str, Any]:
        """Plain data, the curves included."""
        return plain({name: getattr(self, name) for name in self.__dataclass_fields__})
