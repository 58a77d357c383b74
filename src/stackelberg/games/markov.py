"""Tabular Markov games: the leader commits to a policy, the follower faces what is left of the dynamics."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._types import AnyArray
from ..calculus.precision import exact
from .base import AbstractGame
from .discounted import Discounted
from .finite_horizon import FiniteHorizon


class MarkovGame(AbstractGame):
    """A general-sum Markov game with finitely many states and actions.

    - `leader_reward`, `follower_reward`: `(s, a, b)`, or `(h, s, a, b)` when they change over stages.
    - `transition`: `(s, a, b, s)` or `(h, s, a, b, s)`, the law of the next state; `initial`: `(s,)`.
    - `horizon`: number of stages. Left out, it is that of the arrays, or there is no end and both discounts must be
      below 1.
    - `leader_discount`, `follower_discount`: in [0, 1], each player's own; the follower's is the leader's when left
      out. A follower discount of 0 is a myopic follower.
    - `leader_actions`, `follower_actions`, `states`: names, numbered from 1 when left out; `title`: one line.

    A commitment is a policy or a prescription (whose row b is the leader's mixture once the follower has chosen b).
    With a horizon: `(h, s, a)`, `(s, a)` for the same at every stage, or `(h, s, b, a)`. Without: `(s, a)` or `(s, b,
    a)`. (With a horizon `(s, b, a)` is not taken, since nothing would tell it from a policy.) A response is `(h, s, b)`
    or `(s, b)`. Raises `InputError` on entries that are not finite, shapes that disagree, and laws that are not
    distributions.
    """

    leader_reward: Float[AnyArray, "... s a b"]
    follower_reward: Float[AnyArray, "... s a b"]
    transition: Float[AnyArray, "... s a b s"]
    initial: Float[AnyArray, "s"]
    horizon: int | None = eqx.field(static=True)
    leader_discount: float
    follower_discount: float
    leader_actions: tuple[str, ...] = eqx.field(static=True)
    follower_actions: tuple[str, ...] = eqx.field(static=True)
    states: tuple[str, ...] = eqx.field(static=True)
    title: str = eqx.field(static=True)

    def __init__(
        self,
        leader_reward: Any,
        follower_reward: Any,
        transition: Any,
        initial: Any,
        *,
        horizon: Any = None,
        leader_discount: Any = 1.0,
        follower_discount: Any = None,
        leader_actions: Any = None,
        follower_actions: Any = None,
        states: Any = None,
        title: Any = "",
    ) -> None:
        self.initial = boundary.distribution("initial", initial, axes=("s",))
        rewards = boundary.real_array("leader_reward", leader_reward)
        gains = boundary.real_array("follower_reward", follower_reward)
        laws = boundary.real_array("transition", transition)
        self.horizon = _horizon(horizon, (rewards, 4), (gains, 4), (laws, 5))
        sizes = (self.initial.shape[0], "a", "b")
        self.leader_reward = boundary.real_array("leader_reward", rewards, axes=self._axes(rewards, sizes))
        sizes = (self.initial.shape[0], *self.leader_reward.shape[-2:])
        self.follower_reward = boundary.real_array("follower_reward", gains, axes=self._axes(gains, sizes))
        sizes = (*sizes, sizes[0])
        self.transition = boundary.distribution("transition", laws, axes=self._axes(laws, sizes))
        self.leader_discount = boundary.real_number("leader_discount", leader_discount, low=0.0, high=1.0)
        own = leader_discount if follower_discount is None else follower_discount
        self.follower_discount = boundary.real_number("follower_discount", own, low=0.0, high=1.0)
        self._check_end()
        self.leader_actions = boundary.labels("leader_actions", leader_actions, sizes[1])
        self.follower_actions = boundary.labels("follower_actions", follower_actions, sizes[2])
        self.states = boundary.labels("states", states, sizes[0])
        self.title = boundary.text("title", title)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of states, of the leader's and of the follower's actions."""
        num_states, num_rows, num_columns = self.leader_reward.shape[-3:]
        return num_states, num_rows, num_columns

    @exact
    def induce(self, commitment: Float[AnyArray, "... a"]) -> FiniteHorizon | Discounted:
        """The follower's decision process: rewards and transitions averaged over the leader's action."""
        policy = self.over_stages(commitment)
        reward = jnp.asarray(self.follower_reward)
        problem = Discounted if self.horizon is None else FiniteHorizon
        return problem(
            follower_reward=_averaged(policy, reward, 3, self.horizon),
            leader_reward=_averaged(policy, self.leader_reward, 3, self.horizon),
            transition=_averaged(policy, self.transition, 4, self.horizon),
            initial=self.initial,
            leader_discount=self.leader_discount,
            follower_discount=self.follower_discount,
            payoff_range=jnp.max(reward) - jnp.min(reward),
        )

    @exact
    def leader_value(
        self, commitment: Float[AnyArray, "... a"], response: Float[AnyArray, "... b"]
    ) -> Float[AnyArray, ""]:
        """The leader's expected discounted reward."""
        return self.induce(commitment).leader_value(response)

    def over_stages(self, commitment: Float[AnyArray, "... a"]) -> Float[AnyArray, "... a"]:
        """`commitment` with the axis of stages that it may have left out."""
        if self.horizon is not None and jnp.ndim(commitment) == 2:
            return jnp.broadcast_to(jnp.asarray(commitment), (self.horizon, *jnp.shape(commitment)))
        return jnp.asarray(commitment)

    def check_commitment(self, commitment: object) -> Float[AnyArray, "... a"]:
        """A policy or a prescription of this game, checked to be probabilities over the leader's actions."""
        num_states, num_rows, num_columns = self.shape
        stages = () if self.horizon is None else (self.horizon,)
        policy = boundary.real_array("commitment", commitment)
        num_axes = policy.ndim
        if num_axes == len(stages) + 3:
            axes = (*stages, num_states, num_columns, num_rows)
        elif num_axes == 2:
            axes = (num_states, num_rows)
        else:
            axes = (*stages, num_states, num_rows)
        return boundary.distribution("commitment", policy, axes=axes)

    def uniform_commitment(self) -> Float[AnyArray, "... a"]:
        """Every action with the same probability, at every stage and state."""
        num_states, num_rows, _ = self.shape
        stages = () if self.horizon is None else (self.horizon,)
        return np.full((*stages, num_states, num_rows), 1.0 / num_rows)

    def _axes(self, array: Any, sizes: tuple[str | int, ...]) -> tuple[str | int, ...]:
        return sizes if array.ndim == len(sizes) or self.horizon is None else (self.horizon, *sizes)

    def _check_end(self) -> None:
        for field in ("leader_discount", "follower_discount"):
            if self.horizon is None and not boundary.is_traced(getattr(self, field)) and getattr(self, field) == 1.0:
                raise InputError(
                    boundary.INCONSISTENT,
                    field,
                    found="it is 1 in a game without a horizon",
                    allowed="without a horizon both discounts must be below 1",
                    remedy="Give a horizon, or discounts below 1.",
                )


def _horizon(horizon: Any, *arrays: tuple[Any, int]) -> int | None:
    """The horizon given, or that of the first array with an axis of stages; the others are checked against it."""
    if horizon is not None:
        return boundary.whole_number("horizon", horizon, low=1)
    return next((array.shape[0] for array, num_axes in arrays if array.ndim == num_axes), None)


def _averaged(
    policy: Float[AnyArray, "... a"], array: Float[AnyArray, "..."], num_axes: int, horizon: int | None
) -> jax.Array:
    """`array` `([h] s a b [s])` averaged over the leader's action under a policy `([h] s a)` or prescription `([h] s b
    a)`."""
    stages = "" if horizon is None else "h"
    is_prescription = jnp.ndim(policy) == len(stages) + 3
    left = stages + ("sba" if is_prescription else "sa")
    right = (stages if jnp.ndim(array) > num_axes else "") + "sabt"[:num_axes]
    return jnp.einsum(f"{left},{right}->{stages}sb{'t' if num_axes == 4 else ''}", policy, array)
