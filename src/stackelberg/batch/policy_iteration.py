"""Least-squares policy iteration: the most consistent critic, then the greedy policy, again and again."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from .. import _boundary as boundary
from .._types import AnyArray
from ..calculus.simplex import logarithm
from ..rl.batch_policy import AbstractDiscretePolicy
from .consistency import PLUG_IN, consistent
from .features import AbstractFeatures, FourierFeatures, TableFeatures
from .moments import Moments


class GreedyPolicy(AbstractDiscretePolicy):
    """The action of the largest value of a linear critic."""

    features: AbstractFeatures
    omega: Float[AnyArray, "w"]
    num_actions: int = eqx.field(static=True)

    def log_choice(self, observation: Float[AnyArray, "n d"]) -> Float[AnyArray, "n a"]:
        """All on the best action."""
        rows = jnp.asarray(observation)
        each = jnp.stack(
            [
                self.features.taken(rows, jnp.full((rows.shape[0], 1), float(action))) @ jnp.asarray(self.omega)
                for action in range(self.num_actions)
            ],
            axis=-1,
        )
        return logarithm(jax.nn.one_hot(jnp.argmax(each, axis=-1), self.num_actions, dtype=each.dtype) + 1e-12)


def policy_iteration(moments: Moments, num_rounds: Any = 20) -> GreedyPolicy:
    """LSPI (Lagoudakis and Parr, 2003) with the tests of `moments` as instruments; discrete actions.

    Stops after `num_rounds`, at rest or not: with features that cannot hold the values it need not come to rest.
    """
    rounds = boundary.whole_number("num_rounds", num_rounds, low=1)
    critic = moments.critic
    assert isinstance(critic, TableFeatures | FourierFeatures)
    policy = GreedyPolicy(critic, jnp.zeros(critic.size), critic.num_actions)
    for _ in range(rounds):
        found = consistent(moments, policy, "penalty", jnp.asarray(PLUG_IN, float))
        policy = GreedyPolicy(critic, found.omega, critic.num_actions)
    return policy
