"""Paying two followers by what they did together (Brero et al., 2022, "matrix design")."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from ... import _boundary as boundary
from ..._types import AnyArray, Key
from ..environment import Discrete, Transition
from ..several_followers import AbstractSeveralFollowers


PUBLISHED = (((3, 3), (6, 4)), ((4, 6), (2, 2)))
"""Payoffs of the two followers, as in the released code of Brero et al."""


class Acted(eqx.Module):
    """Whether followers have acted, and their joint action."""

    time: Int[AnyArray, ""]
    joint: Int[AnyArray, ""]


class MatrixDesignGame(AbstractSeveralFollowers):
    """Two followers play a matrix game once; then the leader, who sees what they did, pays them.

    - `payoffs`: `(b, c, 2)`, of the first and the second follower. As published where left out.
    - `payments`: `(k,)`, the sums that can be paid to each. 0, 1 … 10 where left out.
    - `scale`: all payoffs and payments are divided by it.
    - `payment_cost`: what a unit paid costs the leader, 0 as published.

    The leader is paid the followers' payoffs without payments, less what payments cost it; a follower its payoff and
    its payment. The leader observes 0 at first and 1 + the joint action b + num_rows c afterwards; its action i + k j
    pays payments i and j. Followers observe 0 and then 1, when what they do is of no account. Payments promised for
    what nobody does cost nothing: by them any pure equilibrium can be made the only one (Monderer and Tennenholtz,
    2004), if sums are large enough.
    """

    payoffs: Float[AnyArray, "b c 2"]
    payments: Float[AnyArray, "k"]
    scale: float
    payment_cost: float
    num_steps: int = eqx.field(static=True)

    def __init__(
        self, payoffs: Any = PUBLISHED, payments: Any = None, scale: Any = 6.0, payment_cost: Any = 0.0
    ) -> None:
        self.payoffs = boundary.real_array("payoffs", payoffs, axes=("b", "c", 2))
        sums = np.arange(11.0) if payments is None else payments
        self.payments = boundary.real_array("payments", sums, axes=("k",))
        self.scale = boundary.real_number("scale", scale, low=0.0, low_open=True)
        self.payment_cost = boundary.real_number("payment_cost", payment_cost, low=0.0)
        self.num_steps = 2

    @property
    def observation_spaces(self) -> tuple[Discrete, ...]:
        """The joint action, if there is one; whether one has acted."""
        num_rows, num_columns, _ = np.shape(self.payoffs)
        return Discrete(1 + num_rows * num_columns), Discrete(2), Discrete(2)

    @property
    def action_spaces(self) -> tuple[Discrete, ...]:
        """Pairs of payments; rows; columns."""
        num_rows, num_columns, _ = np.shape(self.payoffs)
        return Discrete(len(self.payments) ** 2), Discrete(num_rows), Discrete(num_columns)

    def num_deciding(self, seat: int) -> int:
        """At the first."""
        return self.shape_of(0)[0] if seat == 0 else 1

    @property
    def follower_range(self) -> Any:
        """Of a payoff and a payment together."""
        span = lambda values: jnp.max(jnp.asarray(values)) - jnp.min(jnp.asarray(values))
        return (span(self.payoffs) + span(self.payments)) / self.scale

    def reset(self, key: Key) -> tuple[Acted, tuple[AnyArray, ...]]:
        """Nobody has acted."""
        del key
        nothing = jnp.int32(0)
        return Acted(nothing, nothing), (nothing, nothing, nothing)

    def step(self, state: Acted, actions: tuple[AnyArray, ...], key: Key) -> Transition:
        """Followers act; then they are paid."""
        del key
        paying, row, column = actions
        num_rows, is_last = np.shape(self.payoffs)[0], state.time == 1
        joint = jnp.where(is_last, state.joint, row + num_rows * column)
        own = jnp.asarray(self.payoffs)[joint % num_rows, joint // num_rows]
        count = len(self.payments)
        paid = jnp.asarray(self.payments)[jnp.stack([paying % count, paying // count])]
        rewards = jnp.concatenate([(jnp.sum(own) - self.payment_cost * jnp.sum(paid))[None], own + paid]) / self.scale
        one = jnp.int32(1)
        seen = (jnp.where(is_last, 0, 1 + joint), one, one)
        return Transition(Acted(state.time + 1, joint), seen, jnp.where(is_last, rewards, 0.0), is_last)

    def values(
        self, commitment: Float[AnyArray, "o a"], responses: tuple[Float[AnyArray, "_ _"], ...]
    ) -> Float[AnyArray, "3"]:
        """Expected payoffs, over what followers do and what is paid."""
        rows, columns = (jnp.asarray(table)[0] for table in responses)
        count, (num_rows, num_columns, _) = len(self.payments), np.shape(self.payoffs)
        payments = jnp.asarray(self.payments)
        sums = jnp.stack([jnp.tile(payments, count), jnp.repeat(payments, count)], axis=1)
        expected = jnp.asarray(commitment)[1:] @ sums
        paid = expected.reshape(num_columns, num_rows, 2).transpose(1, 0, 2)
        own = jnp.asarray(self.payoffs)
        welfare = jnp.sum(own, axis=-1) - self.payment_cost * jnp.sum(paid, axis=-1)
        each = jnp.concatenate([welfare[..., None], own + paid], axis=-1) / self.scale
        return jnp.einsum("b,c,bcs->s", rows, columns, each)
