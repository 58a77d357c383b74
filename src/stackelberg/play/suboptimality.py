"""How far the leader is from the best it could do: measured by who knows the truth, never by who learns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._learner import AbstractLearner, AbstractMonitor, Metrics
from .._record import Certificate
from .._runs import Metric
from .._types import AnyArray, Key
from ..followers.best_response import BestResponse
from ..solvers.quantal_stackelberg import QuantalStackelberg
from ..solvers.solve import solve
from .world import World


@runtime_checkable
class HasWorld(Protocol):
    """A learner that meets a world."""

    world: World


class Suboptimality(AbstractMonitor):
    """The true value of what the leader recommends and announces, and what is missing to the best.

    `world` is that of the learner when left out. The best value is solved once, with a certificate, when the monitor is
    attached; where the certificate is not tight the suboptimality is counted from its upper bound.
    """

    world: World | None
    best_value: float

    def __init__(self, world: Any = None) -> None:
        self.world = None if world is None else boundary.instance("world", world, World, "sg.World(game, follower)")
        self.best_value = 0.0 if self.world is None else float(_best(self.world).upper)

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """All of it is the leader's."""
        return {
            "leader_value": Metric("leader's value of its recommendation", "payoff", "leader", "higher"),
            "suboptimality": Metric("suboptimality of its recommendation", "payoff", "leader", "lower"),
            "announced_suboptimality": Metric("suboptimality of its announcement", "payoff", "leader", "lower"),
        }

    def attached(self, learner: AbstractLearner) -> Suboptimality:
        """The monitor for this learner: its world, solved."""
        if self.world is not None:
            return self
        if not isinstance(learner, HasWorld):
            raise InputError(
                boundary.INCONSISTENT,
                "monitor.world",
                found=f"it was left out, and a {type(learner).__name__} has no world",
                allowed="a world is needed to know the truth",
                remedy="Give one: sg.Suboptimality(sg.World(game, follower)).",
            )
        return Suboptimality(learner.world)

    def certificate(self) -> Certificate | None:
        """What was proved about the best value."""
        return None if self.world is None else _best(self.world)

    def __call__(self, commitment: Float[AnyArray, "a"], batch: Any, key: Key) -> Metrics:
        """Exact values under the true follower."""
        del key
        value, announced = self._value(commitment), self._value(batch.commitment)
        best = jnp.asarray(self.best_value)
        return {
            "leader_value": value,
            "suboptimality": best - value,
            "announced_suboptimality": best - announced,
        }

    def _value(self, commitment: Float[AnyArray, "a"]) -> Float[AnyArray, ""]:
        assert self.world is not None
        return self.world.game.leader_value(commitment, self.world.follower(self.world.game, commitment))


def _best(world: World) -> Certificate:
    if isinstance(world.follower, BestResponse):
        return solve(world.game).certificate
    return QuantalStackelberg(world.follower)(world.game).certificate
