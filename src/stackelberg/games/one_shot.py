"""The follower's problem when it moves once: pick an action (for each of its types) and be paid."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Float

from .._types import AnyArray, Ties
from ..calculus.precision import exact
from ..calculus.simplex import quantal_choice
from .base import AbstractProblem


class OneShot(AbstractProblem):
    """Payoffs of the follower's actions under one commitment.

    - `follower_payoff`: what each action pays the follower, `(b,)`, or `(t, b)` with follower types.
    - `leader_payoff`: what each action pays the leader, of the same shape; used only to break ties.
    - `prior`: probability of each type, `(t,)`, or the number 1 without types.
    - `payoff_range`: largest minus smallest payoff of the follower in the game (of each type), of which tie tolerances
      are fractions. Under a commitment that makes all actions equal their own range is nothing but rounding.
    """

    follower_payoff: Float[AnyArray, "*t b"]
    leader_payoff: Float[AnyArray, "*t b"]
    prior: Float[AnyArray, "*t"]
    payoff_range: Float[AnyArray, "*t"] | float = 0.0

    @exact
    def value(self, response: Float[AnyArray, "*t b"]) -> Float[AnyArray, ""]:
        """Expected payoff of `response`, types weighted by the prior."""
        return jnp.sum(self.prior * jnp.sum(jnp.asarray(response) * self.follower_payoff, axis=-1))

    @exact
    def best_response(
        self, ties: Ties = "leader", tolerance: Float[AnyArray, ""] | float = 0.0
    ) -> Float[AnyArray, "*t b"]:
        """All probability on one best action (spread evenly over all of them with `ties="uniform"`)."""
        payoff = jnp.asarray(self.follower_payoff)
        best = jnp.max(payoff, axis=-1, keepdims=True)
        induced_range = best - jnp.min(payoff, axis=-1, keepdims=True)
        unit = jnp.maximum(induced_range, jnp.asarray(self.payoff_range)[..., None])
        slack = tolerance * jnp.minimum(unit, jnp.finfo(payoff.dtype).max)
        tied = payoff >= best - slack
        if ties == "uniform":
            return tied / jnp.sum(tied, axis=-1, keepdims=True)
        preference = jnp.asarray(self.leader_payoff) if ties == "leader" else -jnp.asarray(self.leader_payoff)
        action = jnp.argmax(jnp.where(tied, preference, -jnp.inf), axis=-1)
        return jnp.asarray(jnp.arange(payoff.shape[-1]) == action[..., None], dtype=payoff.dtype)

    @exact
    def quantal_response(
        self, inverse_temperature: Float[AnyArray, ""] | float, discount: Float[AnyArray, ""] | float | None = None
    ) -> Float[AnyArray, "*t b"]:
        """Logit choice among the actions, type by type."""
        del discount  # there is no future
        return quantal_choice(self.follower_payoff, inverse_temperature)
