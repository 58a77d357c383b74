"""An experiment: a learner, what watches it, a budget and seeds, as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from .. import _boundary as boundary
from .._errors import InputError
from .._learner import AbstractLearner, AbstractMonitor
from .._loop.randomness import checked_seeds


STEP_LIMIT = 2**31 - 2

RECORDED, CHECKPOINTED = 500, 20
"""How many lines and, at least, checkpoints a run has when nothing else is said."""


@dataclass(frozen=True, init=False, eq=False)
class Experiment:
    """What is run, recorded, resumed and drawn.

    - `learner`: with all its settings.  `num_steps`: how many steps of it.
    - `monitor`: measures what the learner may not see; what it leaves out it takes from the learner.
    - `seeds`: distinct whole numbers; a whole number alone means that many seeds, from 0. All seeds run together.
    - `record_every`: a line of the log after so many steps (a 500th of the run when left out, and after the last).
    - `monitor_every`: the monitor is asked after so many steps (`record_every` when left out, and after the last).
    - `checkpoint_every`: save after so many steps; left out, whenever saving has cost less than 1 % of the time since.
    - `over`: dotted fields with the values that they take, such as {"learner.agent.ridge": [1e-3, 1e-2]}; all
      combinations run together as one compiled call, so that only floats can be varied here. (A sweep varies anything.)
    - `title`: one line for tables and pictures.

    Raises `InputError` naming the field.
    """

    learner: AbstractLearner
    num_steps: int
    monitor: AbstractMonitor | None
    seeds: tuple[int, ...]
    record_every: int
    monitor_every: int
    checkpoint_every: int | None
    over: Mapping[str, tuple[Any, ...]]
    title: str

    def __init__(
        self,
        learner: Any,
        num_steps: Any,
        monitor: Any = None,
        seeds: Any = (0,),
        record_every: Any = None,
        monitor_every: Any = None,
        checkpoint_every: Any = None,
        over: Mapping[str, Any] | None = None,
        title: Any = "",
    ) -> None:
        example = "sg.Repeated(sg.ResponseEstimation(), sg.World(game, follower))"
        learner = boundary.instance("learner", learner, AbstractLearner, example)
        steps = boundary.whole_number("num_steps", num_steps, low=1, high=STEP_LIMIT)
        if learner.max_steps is not None and steps > learner.max_steps:
            raise InputError(
                boundary.RANGE,
                "num_steps",
                found=f"{steps} steps are asked for",
                allowed=f"this learner has room for {learner.max_steps}",
                remedy="Ask for fewer steps, or give the learner a larger capacity.",
            )
        every = -(-steps // RECORDED) if record_every is None else record_every
        record = boundary.whole_number("record_every", every, low=1)
        fields: dict[str, Any] = {
            "learner": learner,
            "num_steps": steps,
            "monitor": None
            if monitor is None
            else boundary.instance("monitor", monitor, AbstractMonitor, "sg.Suboptimality()"),
            "seeds": checked_seeds(range(seeds) if isinstance(seeds, int) and not isinstance(seeds, bool) else seeds),
            "record_every": record,
            "monitor_every": boundary.whole_number(
                "monitor_every", record if monitor_every is None else monitor_every, low=1
            ),
            "checkpoint_every": None
            if checkpoint_every is None
            else boundary.whole_number("checkpoint_every", checkpoint_every, low=1),
            "over": _grid(over),
            "title": boundary.text("title", title),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)


def _grid(over: Mapping[str, Any] | None) -> Mapping[str, tuple[Any, ...]]:
    grid = {}
    for name, values in ({} if over is None else over).items():
        if not isinstance(values, list | tuple) or not values:
            raise InputError(
                boundary.TYPE,
                f"over.{name}",
                found=f"{boundary.shown(values)} stands there",
                allowed="a list of at least one value is needed",
                remedy="Give a list, such as [0.1, 0.3].",
            )
        for place, value in enumerate(values):
            if value in values[:place]:
                raise InputError(
                    boundary.INCONSISTENT,
                    f"over.{name}",
                    position=(place,),
                    found=f"{boundary.shown(value)} stands there twice",
                    allowed="the values must differ",
                    remedy="Remove one of the two.",
                )
        grid[str(name)] = tuple(values)
    return MappingProxyType(grid)
