"""A leader that looks at whole episodes alone: `LeaderEvolution`."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Float

from .. import _boundary as boundary
from .._learner import Metrics
from .._types import AnyArray, Key
from ..calculus.simplex import weight
from ..followers.query import Act
from ..followers.stackelberg_pomdp import StackelbergPOMDP
from ..games.environment import Box
from ..rl.policy import AbstractPolicy
from .leaders import EXAMPLE, AbstractLeader, Learned, Lesson


class LeaderEvolution(AbstractLeader):
    """Evolution strategies (Salimans et al., 2017): policies are shaken, the mean moves to those that were paid more.

    - `process`: the leader's decision process.
    - `num_episodes`: policies tried in a step, one episode each; every second one is shaken the opposite way.
    - `deviation`: of the noise on the weights at the first step; it falls to `least_deviation` in `deviation_steps`
      steps.  `learning_rate`: of Adam.
    - `width`, `num_layers`: of the hidden layers of a network; width 0 for a table of logits.

    A policy does not draw: it takes its likeliest action, or announces its mixture where the leader commits to one. So
    the same commitment is asked and played, and since whole episodes are compared it does not matter whether queries
    are hidden. Returns are replaced by their ranks.
    """

    process: StackelbergPOMDP
    num_episodes: int = eqx.field(static=True)
    deviation: float
    least_deviation: float
    deviation_steps: int
    learning_rate: float
    width: int = eqx.field(static=True)
    num_layers: int = eqx.field(static=True)

    def __init__(
        self,
        process: Any,
        num_episodes: Any = 64,
        deviation: Any = 1.0,
        least_deviation: Any = 0.1,
        deviation_steps: Any = 200,
        learning_rate: Any = 0.05,
        width: Any = 0,
        num_layers: Any = 2,
    ) -> None:
        self.process = boundary.instance("process", process, StackelbergPOMDP, EXAMPLE)
        self.num_episodes = 2 * (boundary.whole_number("num_episodes", num_episodes, low=2) // 2)
        self.deviation = boundary.real_number("deviation", deviation, low=0.0, low_open=True)
        self.least_deviation = boundary.real_number("least_deviation", least_deviation, low=0.0, low_open=True)
        self.deviation_steps = boundary.whole_number("deviation_steps", deviation_steps, low=1)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)
        self.width = boundary.whole_number("width", width, low=0)
        self.num_layers = boundary.whole_number("num_layers", num_layers, low=1)

    @property
    def hidden(self) -> tuple[int, ...]:
        """Layers of one width."""
        return (self.width,) * self.num_layers if self.width else ()

    def begun(self, policy: AbstractPolicy, oracles: Any) -> Learned:
        """Adam at rest."""
        return Learned(policy, None, self._adam.init(_flat(policy)), oracles)

    def sample(self, state: Learned, n: Any, key: Key) -> Lesson:
        """One episode of each shaken policy."""
        of_noise, of_play = jr.split(key)
        weights, rest = eqx.partition(state.policy, eqx.is_inexact_array)
        mean, whole = ravel_pytree(weights)
        half = jr.normal(of_noise, (self.num_episodes // 2, mean.size))
        noise = jnp.concatenate([half, -half])
        is_mixed = isinstance(self.process.action_spaces[0], Box)

        def one(shaken, key, before):
            act = _surely(eqx.combine(whole(shaken), rest), is_mixed)
            return self.process.episode(act, key, before)

        keys = jr.split(of_play, self.num_episodes)
        made, oracles = jax.vmap(one)(mean + self._spread(n) * noise, keys, state.oracles)
        return Lesson(made, None if state.oracles is None else oracles, noise)

    def improved(self, state: Learned, lesson: Lesson, n: Any, key: Key) -> tuple[Learned, Metrics]:
        """One step of Adam along the mean of noise × rank."""
        del key
        paid = jnp.sum(lesson.made.rewards, axis=1)
        above = jnp.mean(paid[:, None] > paid, axis=1) + 0.5 * jnp.mean(paid[:, None] == paid, axis=1)
        slope = (above - 0.5) @ lesson.noise / (self.num_episodes * self._spread(n))
        weights, rest = eqx.partition(state.policy, eqx.is_inexact_array)
        mean, whole = ravel_pytree(weights)
        push, moments = self._adam.update(-slope, state.moments)
        policy = eqx.combine(whole(mean - self.learning_rate * jnp.asarray(push)), rest)
        return Learned(policy, None, moments, state.oracles), {}

    @property
    def _adam(self) -> optax.GradientTransformation:
        return optax.scale_by_adam()

    def _spread(self, n: Any) -> Float[AnyArray, ""]:
        """Of the noise at step n."""
        gone = jnp.minimum(n / jnp.asarray(self.deviation_steps, jnp.float32), 1.0)
        return self.deviation + gone * (self.least_deviation - jnp.asarray(self.deviation))


def _surely(policy: AbstractPolicy, is_mixed: bool) -> Act:
    """A leader that takes its likeliest action, or says its mixture."""
    if is_mixed:
        return lambda observation, key: weight(policy.log_choice(observation))
    return lambda observation, key: jnp.argmax(policy.log_choice(observation))


def _flat(policy: AbstractPolicy) -> Float[AnyArray, "w"]:
    return ravel_pytree(eqx.filter(policy, eqx.is_inexact_array))[0]
