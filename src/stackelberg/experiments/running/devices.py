"""How far a run on several devices is from the same run on one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import _boundary as boundary
from ..._errors import InputError
from ..._learner import AbstractLearner, commitments, train
from ..._loop.devices import placement
from ..._loop.stacking import stacked


@dataclass(frozen=True)
class DeviceDifference:
    """The largest absolute differences between a run on one device and on several.

    - `num_devices`, `split`: how many, and whether "seeds" or the "minibatch" were divided among them.
    - `metrics`: by name, over all steps and seeds.  `commitment`: at the end.
    """

    num_devices: int
    split: str
    metrics: Mapping[str, float]
    commitment: float

    @property
    def largest(self) -> float:
        """The largest of all."""
        return max([self.commitment, *self.metrics.values()])

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "num_devices": self.num_devices,
            "split": self.split,
            "metrics": dict(self.metrics),
            "commitment": self.commitment,
        }


def device_difference(
    learner: AbstractLearner,
    num_steps: int,
    seeds: Sequence[int] = (0,),
    devices: Any = "all",
    other: AbstractLearner | None = None,
) -> DeviceDifference:
    """Run `learner` on one device and on `devices` (a number, or "all"), and compare every number.

    Divided seeds differ in no bit or in the last ones; a divided minibatch changes the order of sums, and what follows
    from rounding grows with the number of steps. `other` runs on the devices in place of the learner, for a learner
    that was made parallel by hand. Raises `InputError` when there are not so many devices.
    """
    learner = boundary.instance("learner", learner, AbstractLearner, "sg.Repeated(agent, world)")
    place = placement(devices, len(seeds))
    if place is None:
        raise InputError(
            boundary.TYPE,
            "devices",
            found="None stands there",
            allowed='a number of devices, or "all"',
            remedy='Give "all".',
        )
    twin = learner if other is None else other
    run, metrics = train(learner, num_steps, seeds)
    spread, spread_metrics = train(twin, num_steps, seeds, devices=devices)
    return DeviceDifference(
        len(place.devices),
        place.split,
        {name: _largest(values, spread_metrics[name]) for name, values in metrics.items()},
        _largest(commitments(learner, run), commitments(_placed(twin, devices, len(seeds)), spread)),
    )


def _placed(learner: AbstractLearner, devices: Any, num_seeds: int) -> Any:
    return stacked(learner).on_devices(devices, num_seeds)


def _largest(one: np.ndarray, two: np.ndarray) -> float:
    """Of the differences; infinite where only one of the two is a number."""
    if not np.array_equal(np.isnan(one), np.isnan(two)):
        return float("inf")
    return float(np.nanmax(np.abs(one - two), initial=0.0))
