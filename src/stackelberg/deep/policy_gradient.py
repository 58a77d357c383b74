"""Leaders by policy gradients: `LeaderReinforce` and `LeaderPPO`."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float

from .. import _boundary as boundary
from .._learner import Metrics
from .._types import AnyArray, Key
from ..calculus.simplex import weight
from ..followers.stackelberg_pomdp import StackelbergPOMDP, Trajectory
from .leaders import AbstractLeader, Learned, returns_to_go


class Baseline(eqx.Module):
    """What is expected to be paid still, by observation: a table."""

    values: Float[AnyArray, "o"]

    def __call__(self, observation: AnyArray) -> Float[AnyArray, ""]:
        """The entry."""
        return jnp.asarray(self.values)[observation]


class LeaderReinforce(AbstractLeader):
    """The score of every step times what is still to be paid, less a baseline (REINFORCE; Williams, 1992).

    - `process`: the leader's decision process.  `num_episodes`: played in a step.
    - `learning_rate`: of Adam.  `entropy`: weight of the policy's entropy at the first step; it falls to 0 in
      `entropy_steps` steps.
    - `has_baseline`: whether the mean of what was still paid is taken off, by observation.
    - `hidden`: widths of the layers of a network; none for a table of logits.
    """

    process: StackelbergPOMDP
    num_episodes: int = eqx.field(static=True)
    learning_rate: float
    entropy: float
    entropy_steps: int
    has_baseline: bool = eqx.field(static=True)
    hidden: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        process: Any,
        num_episodes: Any = 64,
        learning_rate: Any = 0.02,
        entropy: Any = 0.0,
        entropy_steps: Any = 300,
        has_baseline: Any = True,
        hidden: Any = (),
    ) -> None:
        self.process = boundary.instance("process", process, StackelbergPOMDP, "sg.StackelbergPOMDP(oracle)")
        self.num_episodes = boundary.whole_number("num_episodes", num_episodes, low=1)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)
        self.entropy = boundary.real_number("entropy", entropy, low=0.0)
        self.entropy_steps = boundary.whole_number("entropy_steps", entropy_steps, low=1)
        self.has_baseline = boundary.boolean("has_baseline", has_baseline)
        self.hidden = tuple(boundary.whole_number("hidden", width, low=1) for width in hidden)

    def init(self, key: Key) -> Learned:
        policy, oracles = self._blank(key)
        return Learned(policy, None, self._adam.init(policy), oracles)

    def improved(self, state: Learned, made: Trajectory, n: Any, key: Key) -> tuple[Learned, Metrics]:
        del key
        left = returns_to_go(made)
        counts = made.is_counted.astype(left.dtype)
        if self.has_baseline:
            size = self.process.observation_spaces[0].size
            sums = jnp.zeros(size).at[made.observations].add(left * counts)
            seen = jnp.zeros(size).at[made.observations].add(counts)
            left = left - (sums / jnp.maximum(seen, 1.0))[made.observations]
        bonus = self.entropy * jnp.maximum(1.0 - n / self.entropy_steps, 0.0)

        def loss(policy):
            log_choice = jax.vmap(jax.vmap(policy.log_choice))(made.observations)
            score = jnp.take_along_axis(log_choice, made.actions[..., None], axis=-1)[..., 0]
            spread = -jnp.sum(weight(log_choice) * log_choice, axis=-1)
            return -jnp.sum(counts * (score * left + bonus * spread)) / jnp.maximum(jnp.sum(counts), 1.0)

        gradient = jax.grad(loss)(state.policy)
        push, moments = self._adam.update(gradient, state.moments)
        policy = jax.tree.map(lambda leaf, step: leaf - self.learning_rate * step, state.policy, push)
        return Learned(policy, None, moments, state.oracles), {}

    @property
    def _adam(self) -> optax.GradientTransformation:
        return optax.scale_by_adam()
