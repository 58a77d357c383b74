"""Policies over vectors that draw, say how likely a draw was, and have a greedy choice."""

from __future__ import annotations

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Float

from .._types import AnyArray, Key
from ..calculus.simplex import log_quantal_choice, weight
from ..games.control import AbstractControl
from .policy import network


LOG_ROOT_2_PI = 0.9189385332046727
WIDEST, NARROWEST = 0.0, -3.0
"""Between which the logarithm of a standard deviation is kept."""


class AbstractActor(eqx.Module):
    """Chooses a vector by what it observes."""

    @abstractmethod
    def draw(self, state: Float[AnyArray, "d"], key: Key) -> Float[AnyArray, "k"]:
        """An action at random."""

    @abstractmethod
    def greedy(self, state: Float[AnyArray, "d"]) -> Float[AnyArray, "k"]:
        """The likeliest action."""

    @abstractmethod
    def log_chance(self, state: Float[AnyArray, "d"], action: Float[AnyArray, "k"]) -> Float[AnyArray, ""]:
        """The logarithm of its probability, or of its density."""

    @abstractmethod
    def entropy(self, state: Float[AnyArray, "d"]) -> Float[AnyArray, ""]:
        """Of the draw."""

    @abstractmethod
    def divergence(self, other: AbstractActor, state: Float[AnyArray, "d"]) -> Float[AnyArray, ""]:
        """KL(this ‖ other) in `state`, where `other` is of the same kind."""

    @abstractmethod
    def excess(self, state: Float[AnyArray, "d"]) -> Float[AnyArray, ""]:
        """How far its greedy choice lies beyond the range of actions, squared."""


class GaussianActor(AbstractActor):
    """A mean by a network and one standard deviation for each entry, kept in [e⁻³, 1]."""

    network: eqx.nn.MLP
    log_deviation: Float[AnyArray, "k"]
    scale: Float[AnyArray, "d"]

    def draw(self, state: Float[AnyArray, "d"], key: Key) -> Float[AnyArray, "k"]:
        """Mean plus noise."""
        mean, spread = self._of(state)
        return mean + weight(spread) * jr.normal(key, mean.shape, mean.dtype)

    def greedy(self, state: Float[AnyArray, "d"]) -> Float[AnyArray, "k"]:
        """The mean."""
        return self._of(state)[0]

    def log_chance(self, state: Float[AnyArray, "d"], action: Float[AnyArray, "k"]) -> Float[AnyArray, ""]:
        """A normal density."""
        mean, spread = self._of(state)
        return -jnp.sum(0.5 * ((action - mean) / weight(spread)) ** 2 + spread + LOG_ROOT_2_PI)

    def entropy(self, state: Float[AnyArray, "d"]) -> Float[AnyArray, ""]:
        """Σ (log deviation + ½ log 2πe)."""
        return jnp.sum(self._of(state)[1] + LOG_ROOT_2_PI + 0.5)

    def divergence(self, other: AbstractActor, state: Float[AnyArray, "d"]) -> Float[AnyArray, ""]:
        """Of two normal laws."""
        assert isinstance(other, GaussianActor)
        (mean, spread), (told, wide) = self._of(state), other._of(state)
        ratio = weight(2.0 * (spread - wide))
        return jnp.sum(wide - spread + 0.5 * (ratio + ((mean - told) / weight(wide)) ** 2 - 1.0))

    def excess(self, state: Float[AnyArray, "d"]) -> Float[AnyArray, ""]:
        """Beyond [-1, 1]."""
        return jnp.sum(jnp.maximum(jnp.abs(self._of(state)[0]) - 1.0, 0.0) ** 2)

    def _of(self, state: Float[AnyArray, "d"]) -> tuple[Float[AnyArray, "k"], Float[AnyArray, "k"]]:
        spread = jnp.clip(jnp.asarray(self.log_deviation), NARROWEST, WIDEST)
        return self.network(jnp.asarray(state / jax.lax.stop_gradient(self.scale))), spread


class CategoricalActor(AbstractActor):
    """Logits by a network; actions are one-hot."""

    network: eqx.nn.MLP
    scale: Float[AnyArray, "d"]

    def draw(self, state: Float[AnyArray, "d"], key: Key) -> Float[AnyArray, "k"]:
        """One of them."""
        logs = self._of(state)
        return jax.nn.one_hot(jr.categorical(key, logs), logs.shape[0], dtype=logs.dtype)

    def greedy(self, state: Float[AnyArray, "d"]) -> Float[AnyArray, "k"]:
        """The likeliest."""
        logs = self._of(state)
        return jax.nn.one_hot(jnp.argmax(logs), logs.shape[0], dtype=logs.dtype)

    def log_chance(self, state: Float[AnyArray, "d"], action: Float[AnyArray, "k"]) -> Float[AnyArray, ""]:
        """That of the one taken."""
        return jnp.sum(self._of(state) * action)

    def entropy(self, state: Float[AnyArray, "d"]) -> Float[AnyArray, ""]:
        """-Σ p log p."""
        logs = self._of(state)
        return -jnp.sum(weight(logs) * logs)

    def divergence(self, other: AbstractActor, state: Float[AnyArray, "d"]) -> Float[AnyArray, ""]:
        """Of two choices."""
        assert isinstance(other, CategoricalActor)
        logs = self._of(state)
        return jnp.sum(weight(logs) * (logs - other._of(state)))

    def excess(self, state: Float[AnyArray, "d"]) -> Float[AnyArray, ""]:
        """Never."""
        del state
        return jnp.zeros(())

    def _of(self, state: Float[AnyArray, "d"]) -> Float[AnyArray, "k"]:
        return log_quantal_choice(self.network(jnp.asarray(state / jax.lax.stop_gradient(self.scale))), 1.0)


def blank_actor(environment: AbstractControl, hidden: tuple[int, ...], key: Key) -> AbstractActor:
    """An actor near the middle of its actions, one standard deviation wide, or near uniform play."""
    made = network(environment.num_features, environment.action_size, hidden, key, last=0.01)
    scale = jnp.asarray(environment.scale, dtype=jnp.result_type(float))
    if environment.num_actions:
        return CategoricalActor(made, scale)
    return GaussianActor(made, jnp.full(environment.action_size, -0.5), scale)


def random_action(environment: AbstractControl, key: Key) -> Float[AnyArray, "k"]:
    """Any action, all alike."""
    if environment.num_actions:
        return jax.nn.one_hot(jr.randint(key, (), 0, environment.num_actions), environment.num_actions)
    return jr.uniform(key, (environment.action_size,), minval=-1.0)
