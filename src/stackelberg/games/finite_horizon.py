"""The follower's problem in a Markov game that ends: a decision process over stages."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Float

from .._types import AnyArray, Ties
from ..calculus.backward_induction import best_then, policy_values, soft_values
from ..calculus.precision import exact
from .base import AbstractProblem


class FiniteHorizon(AbstractProblem):
    """The decision process that a policy of the leader leaves to the follower.

    - `follower_reward`, `leader_reward`: `(h, s, b)`, expected over the leader's action.
    - `transition`: `(h, s, b, s)`, the law of the next state; that of the last stage is never used.
    - `initial`: `(s,)`, the law of the first state.
    - `leader_discount`, `follower_discount`: in [0, 1].
    - `payoff_range`: largest minus smallest reward of the follower in the game; tie tolerances are fractions of it.

    Responses are `(h, s, b)`.
    """

    follower_reward: Float[AnyArray, "h s b"]
    leader_reward: Float[AnyArray, "h s b"]
    transition: Float[AnyArray, "h s b s"]
    initial: Float[AnyArray, "s"]
    leader_discount: Float[AnyArray, ""] | float
    follower_discount: Float[AnyArray, ""] | float
    payoff_range: Float[AnyArray, ""] | float

    @exact
    def value(self, response: Float[AnyArray, "h s b"]) -> Float[AnyArray, ""]:
        """The follower's expected discounted reward from the first stage on."""
        values = policy_values(self.follower_reward, self.transition, response, self.follower_discount)
        return jnp.asarray(self.initial) @ values[0]

    @exact
    def leader_value(self, response: Float[AnyArray, "h s b"]) -> Float[AnyArray, ""]:
        """The leader's expected discounted reward from the first stage on."""
        values = policy_values(self.leader_reward, self.transition, response, self.leader_discount)
        return jnp.asarray(self.initial) @ values[0]

    @exact
    def best_response(
        self, ties: Ties = "leader", tolerance: Float[AnyArray, ""] | float = 0.0
    ) -> Float[AnyArray, "h s b"]:
        """A policy that is optimal from every stage and state on, ties broken stage by stage from the last.

        Lexicographic backward induction: an action counts as tied when its optimal value is within `tolerance` of the
        best one, in units of the range of the returns from that stage on. At tolerance 0 the answer is a best response,
        and no best response (history-dependent ones included) gives the leader more, or less with `ties="adversary"`.
        At a positive tolerance the follower's regret is at most the sum over stages of discount × slack, and the
        leader's claim holds among the policies that use tied actions only. `ties="uniform"` plays all tied actions
        evenly.
        """
        num_stages = self.follower_reward.shape[0]
        sign = -1.0 if ties == "adversary" else 1.0
        powers = jnp.asarray(self.follower_discount) ** jnp.arange(num_stages)
        slack = tolerance * self.payoff_range * jnp.cumsum(powers)[::-1]
        return best_then(
            self.follower_reward,
            sign * jnp.asarray(self.leader_reward),
            self.transition,
            self.follower_discount,
            self.leader_discount,
            slack,
            uniform=ties == "uniform",
        )

    @exact
    def quantal_response(
        self, inverse_temperature: Float[AnyArray, ""] | float, discount: Float[AnyArray, ""] | float | None = None
    ) -> Float[AnyArray, "h s b"]:
        """Soft backward induction: logit choice on action values that include the soft value of the future.

        `discount` 0 gives the myopic follower (logit choice on the stage's rewards), `None` the game's own.
        """
        discount = self.follower_discount if discount is None else discount
        response, _ = soft_values(self.follower_reward, self.transition, inverse_temperature, discount)
        return response
