"""The follower's problem in a Markov game without an end: a discounted decision process."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Float

from .._types import AnyArray, Ties
from ..calculus.precision import exact
from ..calculus.stationary import optimal_values, policy_values, soft_values
from .base import AbstractProblem


class Discounted(AbstractProblem):
    """The discounted decision process that a stationary policy of the leader leaves to the follower.

    - `follower_reward`, `leader_reward`: `(s, b)`, expected over the leader's action.
    - `transition`: `(s, b, s)`;  `initial`: `(s,)`.
    - `leader_discount`, `follower_discount`: in [0, 1).
    - `payoff_range`: largest minus smallest reward of the follower in the game; tie tolerances are fractions of it.
    - `leader_transition`: `(s, b, s)`, the law that the leader is paid under where it is another than the follower is
      told (a world model, say); left out, it is the same.

    Responses are stationary, `(s, b)`.
    """

    follower_reward: Float[AnyArray, "s b"]
    leader_reward: Float[AnyArray, "s b"]
    transition: Float[AnyArray, "s b s"]
    initial: Float[AnyArray, "s"]
    leader_discount: Float[AnyArray, ""] | float
    follower_discount: Float[AnyArray, ""] | float
    payoff_range: Float[AnyArray, ""] | float
    leader_transition: Float[AnyArray, "s b s"] | None = None

    @exact
    def value(self, response: Float[AnyArray, "s b"]) -> Float[AnyArray, ""]:
        """The follower's expected discounted reward."""
        values = policy_values(self.follower_reward, self.transition, response, self.follower_discount)
        return jnp.asarray(self.initial) @ values

    @exact
    def leader_value(self, response: Float[AnyArray, "s b"]) -> Float[AnyArray, ""]:
        """The leader's expected discounted reward."""
        values = policy_values(self.leader_reward, self._leader_law, response, self.leader_discount)
        return jnp.asarray(self.initial) @ values

    @exact
    def best_response(
        self, ties: Ties = "leader", tolerance: Float[AnyArray, ""] | float = 0.0
    ) -> Float[AnyArray, "s b"]:
        """A stationary policy that is optimal from every state on; `ties` as in `FiniteHorizon`.

        Policy iteration gives the follower's optimal values, with a Bellman residual at rounding level. Actions within
        the slack of the best one count as tied: `tolerance`, in units of the range of the discounted returns, plus the
        proven error of those values. A second policy iteration over tied actions only then serves the leader (or its
        adversary): no policy of tied actions gives it more (less).
        """
        reward, transition = jnp.asarray(self.follower_reward), jnp.asarray(self.transition)
        patience = 1.0 - jnp.asarray(self.follower_discount)
        _, value = optimal_values(reward, transition, self.follower_discount, jnp.ones(reward.shape, dtype=bool))
        action_value = reward + self.follower_discount * (transition @ value)
        best = jnp.max(action_value, axis=-1, keepdims=True)
        residual = jnp.max(jnp.abs(best[:, 0] - value))
        tied = action_value >= best - (tolerance * self.payoff_range + 2.0 * residual) / patience
        if ties == "uniform":
            return tied / jnp.sum(tied, axis=-1, keepdims=True)
        sign = -1.0 if ties == "adversary" else 1.0
        paid = sign * jnp.asarray(self.leader_reward)
        response, _ = optimal_values(paid, self._leader_law, self.leader_discount, tied)
        return response

    @exact
    def quantal_response(
        self, inverse_temperature: Float[AnyArray, ""] | float, discount: Float[AnyArray, ""] | float | None = None
    ) -> Float[AnyArray, "s b"]:
        """The stationary soft-optimal policy: logit choice on action values that include the soft value of the future.

        `discount` 0 gives the myopic follower, `None` the game's own.
        """
        discount = self.follower_discount if discount is None else discount
        response, _ = soft_values(self.follower_reward, self.transition, inverse_temperature, discount)
        return response

    @property
    def _leader_law(self) -> Float[AnyArray, "s b s"]:
        return jnp.asarray(self.transition if self.leader_transition is None else self.leader_transition)
