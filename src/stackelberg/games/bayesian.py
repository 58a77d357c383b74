"""A follower of several possible types: the leader knows how likely each is, the follower knows which one it is."""

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


class BayesianGame(AbstractGame):
    """A normal form for every follower type, and a prior over the types.

    - `leader_payoff`: `(t, a, b)`, or `(a, b)` when it does not depend on the type.
    - `follower_payoff`: `(t, a, b)`;  `prior`: `(t,)`, probabilities.
    - `leader_actions`, `follower_actions`, `types`: names, numbered from 1 when left out.
    - `title`: one line for tables and pictures.

    A commitment is a strategy `(a,)`, announced before the type is drawn; a response is `(t, b)`, one strategy a type.
    Paruchuri et al. (2008), Section 2. Raises `InputError` on payoffs that are not finite, on shapes that disagree, and
    on a prior that is not a distribution.
    """

    leader_payoff: Float[AnyArray, "t a b"]
    follower_payoff: Float[AnyArray, "t a b"]
    prior: Float[AnyArray, "t"]
    leader_actions: tuple[str, ...] = eqx.field(static=True)
    follower_actions: tuple[str, ...] = eqx.field(static=True)
    types: tuple[str, ...] = eqx.field(static=True)
    title: str = eqx.field(static=True)

    def __init__(
        self,
        leader_payoff: Any,
        follower_payoff: Any,
        prior: Any,
        *,
        leader_actions: Any = None,
        follower_actions: Any = None,
        types: Any = None,
        title: Any = "",
    ) -> None:
        self.follower_payoff = boundary.real_array("follower_payoff", follower_payoff, axes=("t", "a", "b"))
        num_types, num_rows, num_columns = self.follower_payoff.shape
        leader = boundary.real_array("leader_payoff", leader_payoff)
        shared = leader.ndim == 2
        axes = (num_rows, num_columns) if shared else (num_types, num_rows, num_columns)
        leader = boundary.real_array("leader_payoff", leader, axes=axes)
        self.leader_payoff = np.repeat(leader[None], num_types, axis=0) if shared else leader
        self.prior = boundary.distribution("prior", prior, axes=(num_types,))
        self.leader_actions = boundary.labels("leader_actions", leader_actions, num_rows)
        self.follower_actions = boundary.labels("follower_actions", follower_actions, num_columns)
        self.types = boundary.labels("types", types, num_types)
        self.title = boundary.text("title", title)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of types, of the leader's and of the follower's actions."""
        num_types, num_rows, num_columns = self.follower_payoff.shape
        return num_types, num_rows, num_columns

    @exact
    def induce(self, commitment: Float[AnyArray, "a"]) -> OneShot:
        """Expected payoffs of the follower's actions, type by type."""
        return OneShot(
            follower_payoff=jnp.einsum("a,tab->tb", commitment, self.follower_payoff),
            leader_payoff=jnp.einsum("a,tab->tb", commitment, self.leader_payoff),
            prior=self.prior,
            payoff_range=jnp.ptp(self.follower_payoff, axis=(1, 2)),
        )

    @exact
    def leader_value(self, commitment: Float[AnyArray, "a"], response: Float[AnyArray, "t b"]) -> Float[AnyArray, ""]:
        """The leader's expected payoff over types."""
        return jnp.einsum("t,a,tab,tb->", self.prior, commitment, self.leader_payoff, response)

    def check_commitment(self, commitment: object) -> Float[AnyArray, "a"]:
        """A strategy `(a,)`, checked to be probabilities."""
        return boundary.distribution("commitment", commitment, axes=(self.shape[1],))

    def uniform_commitment(self) -> Float[AnyArray, "a"]:
        """Every row with the same probability."""
        return np.full(self.shape[1], 1.0 / self.shape[1])
