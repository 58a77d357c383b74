"""How far the leader is from the best it could do: measured by who knows the truth, never by who learns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._learner import AbstractLearner, AbstractMonitor, Metrics
from .._record import Certificate
from .._runs import Metric
from .._types import AnyArray, Key
from ..evaluation.performance_difference import regret_terms
from ..followers.best_response import BestResponse
from ..followers.quantal_response import QuantalResponse
from ..games.markov import MarkovGame
from ..solvers.markov.backward_induction import BackwardInduction
from ..solvers.markov.gradient_ascent import GradientAscent
from ..solvers.markov.stages import Announcement
from ..solvers.quantal_stackelberg import QuantalStackelberg
from ..solvers.solve import solve
from .base import AbstractChangingWorld, AbstractWorld, as_it_was


Reference: TypeAlias = Literal["proven", "found"]

REFERENCES: tuple[Reference, ...] = ("proven", "found")


SOURCES = {
    "bellman": Metric("promised too much: Bellman error", "payoff", "leader"),
    "first_order": Metric("promised too much: response, first order", "payoff", "follower"),
    "second_order": Metric("promised too much: response, second order", "payoff", "follower"),
}
"""What the leader promised itself of its announcement beyond its value is the sum of these three."""


@runtime_checkable
class HasWorld(Protocol):
    """A learner that meets a world."""

    world: AbstractWorld


class Suboptimality(AbstractMonitor):
    """The true value of what the leader recommends and announces, and what is missing to the best.

    `world` is that of the learner when left out. The best value is solved once, with a certificate, when the monitor is
    attached; where the certificate is not tight the suboptimality is counted from its upper bound.

    - `counted_from`: "proven", that upper bound, or "found", the best value that was found: for farsighted followers
      the bound can be far, and what is counted from it never falls to 0.

    Of a leader that says what it expects of a Markov game it also measures where its regret comes from: its own Bellman
    error, and the error about the follower's answer, of first and of second order (`performance_difference`).

    Where the follower changes, values are those of the episode, and the best one is that of its phase: of what could be
    announced for ever if the follower stayed as it is. Each phase is solved, so that there is a `best_value` of each.
    """

    world: AbstractWorld | None
    counted_from: Reference = eqx.field(static=True)
    best_value: float | Float[AnyArray, "p"]

    def __init__(self, world: Any = None, counted_from: Any = "proven") -> None:
        example = "sg.World(game, follower)"
        self.world = None if world is None else boundary.instance("world", world, AbstractWorld, example)
        self.counted_from = boundary.one_of("counted_from", counted_from, REFERENCES)  # type: ignore[assignment]
        self.best_value = 0.0
        if self.world is not None:
            self.best_value = _best_value(self.world, self.counted_from)

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """All of it is the leader's."""
        return {
            "leader_value": Metric("leader's value of its recommendation", "payoff", "leader", "higher"),
            "suboptimality": Metric("suboptimality of its recommendation", "payoff", "leader", "lower"),
            "announced_suboptimality": Metric("suboptimality of its announcement", "payoff", "leader", "lower"),
            **(SOURCES if self.world is not None and isinstance(self.world.game, MarkovGame) else {}),
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
        return Suboptimality(learner.world, self.counted_from)

    def certificate(self) -> Certificate | None:
        """What was proved about the best value, where there is one for all episodes."""
        return None if self.world is None or self._num_phases > 1 else _best(_settled(self.world, 0))

    def __call__(self, commitment: Float[AnyArray, "..."], batch: Any, key: Key) -> Metrics:
        """Exact values under the true follower."""
        del key
        assert self.world is not None
        now = as_it_was(self.world, batch)
        value, announced = _value(now, commitment), _value(now, batch.commitment)
        best = jnp.asarray(self.best_value)
        if isinstance(self.world, AbstractChangingWorld) and self._num_phases > 1:
            best = best[self.world.phase(batch.n)]
        return {
            "leader_value": value,
            "suboptimality": best - value,
            "announced_suboptimality": best - announced,
            **_sources(now, batch),
        }

    @property
    def _num_phases(self) -> int:
        return self.world.num_phases if isinstance(self.world, AbstractChangingWorld) else 1


def _value(world: AbstractWorld, commitment: Float[AnyArray, "..."]) -> Float[AnyArray, ""]:
    return world.game.leader_value(commitment, world.follower(world.game, commitment))


def _sources(world: AbstractWorld, batch: Any) -> Metrics:
    """The terms of the performance-difference lemma, where the leader said what it expected."""
    game = world.game
    if not isinstance(game, MarkovGame) or batch.belief is None:
        return {}
    response = world.follower(game, batch.commitment)
    terms = regret_terms(game, batch.commitment, response, batch.belief.response, batch.belief.action_value)
    return {name: jnp.sum(jnp.asarray(getattr(terms, name))) for name in SOURCES}


def _best_value(world: AbstractWorld, counted_from: Reference) -> float | Float[np.ndarray, "p"]:
    """A number, or one for each phase."""
    num_phases = world.num_phases if isinstance(world, AbstractChangingWorld) else 1
    proofs = [_best(_settled(world, phase)) for phase in range(num_phases)]
    values = [float(proof.upper if counted_from == "proven" else proof.lower) for proof in proofs]
    return np.array(values) if num_phases > 1 else values[0]


def _settled(world: AbstractWorld, phase: int) -> AbstractWorld:
    return world.settled(phase) if isinstance(world, AbstractChangingWorld) else world


def _best(world: AbstractWorld) -> Certificate:
    if isinstance(world.game, MarkovGame):
        return _best_over_stages(world, world.game)
    if isinstance(world.follower, BestResponse):
        return solve(world.game).certificate
    return QuantalStackelberg(world.follower)(world.game).certificate


def _best_over_stages(world: AbstractWorld, game: MarkovGame) -> Certificate:
    announcement: Announcement = getattr(world, "announcement", "strategy")
    own = getattr(world.follower, "discount", None)
    is_myopic = game.horizon == 1 or (game.follower_discount if own is None else own) == 0.0
    if is_myopic and isinstance(world.follower, QuantalResponse | BestResponse):
        return BackwardInduction(world.follower, announcement)(game).certificate
    return GradientAscent(world.follower, announcement)(game).certificate
