"""Two payoff matrices: the leader commits to a mixture of rows, the follower picks a column."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._types import AnyArray
from ..calculus.precision import exact
from .base import AbstractGame
from .one_shot import OneShot


class NormalFormGame(AbstractGame):
    """A two-player game in normal form.

    - `leader_payoff`, `follower_payoff`: `(a, b)`, finite, any scale; row = leader's action, column = follower's.
    - `leader_actions`, `follower_actions`: names, numbered from 1 when left out.
    - `title`: one line for tables and pictures.

    A commitment is a strategy `(a,)`, or a prescription `(b, a)` whose row b is the leader's mixture once the follower
    has chosen b. A response is a strategy `(b,)`. Raises `InputError` on payoffs that are not finite real matrices of
    one shape.
    """

    leader_payoff: Float[AnyArray, "a b"]
    follower_payoff: Float[AnyArray, "a b"]
    leader_actions: tuple[str, ...] = eqx.field(static=True)
    follower_actions: tuple[str, ...] = eqx.field(static=True)
    title: str = eqx.field(static=True)

    def __init__(
        self,
        leader_payoff: Any,
        follower_payoff: Any,
        *,
        leader_actions: Any = None,
        follower_actions: Any = None,
        title: Any = "",
    ) -> None:
        self.leader_payoff = boundary.real_array("leader_payoff", leader_payoff, axes=("a", "b"))
        num_rows, num_columns = self.leader_payoff.shape
        self.follower_payoff = boundary.real_array("follower_payoff", follower_payoff, axes=(num_rows, num_columns))
        self.leader_actions = boundary.labels("leader_actions", leader_actions, num_rows)
        self.follower_actions = boundary.labels("follower_actions", follower_actions, num_columns)
        self.title = boundary.text("title", title)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of the leader's and of the follower's actions."""
        num_rows, num_columns = self.leader_payoff.shape
        return num_rows, num_columns

    @exact
    def induce(self, commitment: Float[AnyArray, "a"] | Float[AnyArray, "b a"]) -> OneShot:
        """Expected payoffs of the follower's actions under `commitment`."""
        return OneShot(
            follower_payoff=_against(commitment, self.follower_payoff),
            leader_payoff=_against(commitment, self.leader_payoff),
            prior=np.ones(()),
            payoff_range=jnp.ptp(self.follower_payoff),
        )

    @exact
    def leader_value(
        self, commitment: Float[AnyArray, "a"] | Float[AnyArray, "b a"], response: Float[AnyArray, "b"]
    ) -> Float[AnyArray, ""]:
        """The leader's expected payoff."""
        return _against(commitment, self.leader_payoff) @ jnp.asarray(response)

    def check_commitment(self, commitment: object) -> Float[AnyArray, "a"] | Float[AnyArray, "b a"]:
        """A strategy `(a,)` or a prescription `(b, a)`, checked to be probabilities."""
        num_rows, num_columns = self.shape
        numbers = boundary.real_array("commitment", commitment)
        axes = (num_columns, num_rows) if numbers.ndim == 2 else (num_rows,)
        return boundary.distribution("commitment", numbers, axes=axes)

    def uniform_commitment(self) -> Float[AnyArray, "a"]:
        """Every row with the same probability."""
        num_rows, _ = self.shape
        return np.full(num_rows, 1.0 / num_rows)


def _against(
    commitment: Float[AnyArray, "a"] | Float[AnyArray, "b a"], payoff: Float[AnyArray, "a b"]
) -> Float[AnyArray, "b"]:
    if jnp.ndim(commitment) == 2:
        return jnp.einsum("ba,ab->b", commitment, payoff)
    return jnp.asarray(commitment) @ jnp.asarray(payoff)
