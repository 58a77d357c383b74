"""What a policy learned in a model earns in the world: `ControlTruth`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._learner import AbstractLearner, AbstractMonitor, Metrics
from .._record import Certificate
from .._runs import Metric
from .._types import AnyArray, Key
from ..games.control import AbstractControl, episode_returns
from .imagined_play import EXAMPLE, Gathered, ImaginedPlay


class ControlTruth(AbstractMonitor):
    """The mean return of greedy episodes in the world, of the policy that gathered the last data.

    - `environment`: the world, that of the learner when left out.  `num_episodes`: played for each measurement.
    """

    environment: AbstractControl | None
    num_episodes: int = eqx.field(static=True)

    def __init__(self, environment: Any = None, num_episodes: Any = 20) -> None:
        self.environment = None
        if environment is not None:
            self.environment = boundary.instance("environment", environment, AbstractControl, EXAMPLE)
        self.num_episodes = boundary.whole_number("num_episodes", num_episodes, low=1)

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """What is measured."""
        return {"true_value": Metric("return of the greedy policy in the world", "reward", "leader", "higher")}

    def attached(self, learner: AbstractLearner) -> ControlTruth:
        """The monitor for this learner: its world."""
        if self.environment is not None:
            return self
        if not isinstance(learner, ImaginedPlay):
            raise InputError(
                boundary.INCONSISTENT,
                "monitor.environment",
                found=f"it was left out, and a {type(learner).__name__} has no world to control",
                allowed="a world is needed to know the truth",
                remedy=f"Give one: sg.ControlTruth({EXAMPLE}).",
            )
        return ControlTruth(learner.environment, self.num_episodes)

    def certificate(self) -> Certificate | None:
        """Returns are sampled."""
        return None

    def __call__(self, commitment: Float[AnyArray, "w"], batch: Gathered, key: Key) -> Metrics:
        """Greedy episodes."""
        del commitment
        assert self.environment is not None
        act = lambda state, key: batch.actor.greedy(state)
        return {"true_value": jnp.mean(episode_returns(self.environment, act, key, self.num_episodes))}
