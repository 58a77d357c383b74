"""Policies over rows of observations at once: what is learned from a log."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Float

from .._types import AnyArray, Key
from ..calculus.simplex import log_quantal_choice, logarithm, weight
from .actor import LOG_ROOT_2_PI
from .policy import Relu, Tanh, network


NARROWEST, WIDEST = -4.0, 0.5
"""Between which the logarithm of a standard deviation is kept."""

LOG_2 = 0.6931471805599453

EDGE = 1.0 - 1e-6
"""Actions further out are taken to be here when a density is asked for: tanh never gets to 1."""


class AbstractBatchPolicy(eqx.Module):
    """Chooses an action for every row."""

    @abstractmethod
    def log_chance(self, observation: Float[AnyArray, "n d"], action: Float[AnyArray, "n k"]) -> Float[AnyArray, "n"]:
        """The logarithm of the probability, or of the density, of each row's action."""

    @abstractmethod
    def greedy(self, observation: Float[AnyArray, "n d"]) -> Float[AnyArray, "n k"]:
        """The likeliest action, as it stands in logs."""

    @abstractmethod
    def draw(self, observation: Float[AnyArray, "n d"], key: Key) -> Float[AnyArray, "n k"]:
        """An action at random, as it stands in logs."""


class AbstractDiscretePolicy(AbstractBatchPolicy):
    """One of finitely many actions."""

    @abstractmethod
    def log_choice(self, observation: Float[AnyArray, "n d"]) -> Float[AnyArray, "n a"]:
        """The logarithms of the probabilities of all actions."""

    def choice(self, observation: Float[AnyArray, "n d"]) -> Float[AnyArray, "n a"]:
        """The probabilities of all actions."""
        return weight(self.log_choice(observation))

    def log_chance(self, observation: Float[AnyArray, "n d"], action: Float[AnyArray, "n k"]) -> Float[AnyArray, "n"]:
        """Of the one taken."""
        taken = jnp.asarray(action)[:, :1].astype(int)
        return jnp.take_along_axis(self.log_choice(observation), taken, axis=-1)[:, 0]

    def greedy(self, observation: Float[AnyArray, "n d"]) -> Float[AnyArray, "n k"]:
        """The number of the likeliest."""
        logs = self.log_choice(observation)
        return jnp.argmax(logs, axis=-1)[:, None].astype(logs.dtype)

    def draw(self, observation: Float[AnyArray, "n d"], key: Key) -> Float[AnyArray, "n k"]:
        """The number of one."""
        logs = self.log_choice(observation)
        return jr.categorical(key, logs)[:, None].astype(logs.dtype)


class SoftmaxTable(AbstractDiscretePolicy):
    """A row of logits for each state; observations are numbers of states.

    - `logits`: `(s, a)`.
    """

    logits: Float[AnyArray, "s a"]

    def log_choice(self, observation: Float[AnyArray, "n d"]) -> Float[AnyArray, "n a"]:
        """Of the state's row."""
        return log_quantal_choice(jnp.asarray(self.logits)[jnp.asarray(observation)[:, 0].astype(int)], 1.0)


class SoftmaxNetwork(AbstractDiscretePolicy):
    """Logits by a network of standardised observations.

    - `centre`, `scale`: `(d,)`, of the observations.
    """

    network: eqx.nn.MLP
    centre: Float[AnyArray, "d"]
    scale: Float[AnyArray, "d"]

    def log_choice(self, observation: Float[AnyArray, "n d"]) -> Float[AnyArray, "n a"]:
        """Of the network's logits."""
        return log_quantal_choice(jax.vmap(self.network)(_standard(self, observation)), 1.0)


class TanhGaussian(AbstractBatchPolicy):
    """tanh of a normal draw around a network's mean, one standard deviation for each entry.

    - `centre`, `scale`: `(d,)`, of the observations.
    """

    network: eqx.nn.MLP
    log_deviation: Float[AnyArray, "k"]
    centre: Float[AnyArray, "d"]
    scale: Float[AnyArray, "d"]

    def actions(self, observation: Float[AnyArray, "n d"], noise: Float[AnyArray, "n k"]) -> Float[AnyArray, "n k"]:
        """The action that standard normal noise makes: differentiable in the policy."""
        mean, spread = self._of(observation)
        return jnp.tanh(mean + weight(spread) * noise)

    def sampled(
        self, observation: Float[AnyArray, "n d"], noise: Float[AnyArray, "n k"]
    ) -> tuple[Float[AnyArray, "n k"], Float[AnyArray, "n"]]:
        """The action that the noise makes and the logarithm of its density, exact however near to the edge it is."""
        mean, spread = self._of(observation)
        before = mean + weight(spread) * noise
        # The logarithm of tanh's slope, 4 / (e^u + e^-u)².
        slope = 2.0 * (LOG_2 - before - jax.nn.softplus(-2.0 * before))
        normal = -0.5 * jnp.asarray(noise) ** 2 - spread - LOG_ROOT_2_PI
        return jnp.tanh(before), jnp.sum(normal - slope, axis=-1)

    def log_chance(self, observation: Float[AnyArray, "n d"], action: Float[AnyArray, "n k"]) -> Float[AnyArray, "n"]:
        """A normal density of the action before tanh, by the change of variables."""
        mean, spread = self._of(observation)
        inside = jnp.clip(jnp.asarray(action), -EDGE, EDGE)
        before = jnp.arctanh(inside)
        normal = -0.5 * ((before - mean) / weight(spread)) ** 2 - spread - LOG_ROOT_2_PI
        return jnp.sum(normal - logarithm(1.0 - inside**2), axis=-1)

    def greedy(self, observation: Float[AnyArray, "n d"]) -> Float[AnyArray, "n k"]:
        """tanh of the mean."""
        return jnp.tanh(self._of(observation)[0])

    def draw(self, observation: Float[AnyArray, "n d"], key: Key) -> Float[AnyArray, "n k"]:
        """One draw for each row."""
        mean, _ = self._of(observation)
        return self.actions(observation, jr.normal(key, mean.shape, mean.dtype))

    def _of(self, observation: Float[AnyArray, "n d"]) -> tuple[Float[AnyArray, "n k"], Float[AnyArray, "k"]]:
        mean = jax.vmap(self.network)(_standard(self, observation))
        return mean, jnp.clip(jnp.asarray(self.log_deviation), NARROWEST, WIDEST)


def blank_batch_policy(
    num_actions: int,
    num_states: int,
    action_size: int,
    centre: Float[AnyArray, "d"],
    scale: Float[AnyArray, "d"],
    hidden: tuple[int, ...],
    key: Key,
    activation: Tanh | Relu | None = None,
) -> AbstractBatchPolicy:
    """A policy that is uniform, or near the middle of its actions: a table where states can be counted.

    `activation`: between the layers of a network, tanh when left out.
    """
    if num_states and num_actions:
        return SoftmaxTable(jnp.zeros((num_states, num_actions)))
    width = jnp.shape(centre)[0]
    made = network(width, num_actions or action_size, hidden, key, last=0.01, activation=activation)
    if num_actions:
        return SoftmaxNetwork(made, centre, scale)
    return TanhGaussian(made, jnp.full(action_size, -1.0), centre, scale)


def _standard(policy: Any, observation: Float[AnyArray, "n d"]) -> jax.Array:
    centre, scale = jax.lax.stop_gradient((jnp.asarray(policy.centre), jnp.asarray(policy.scale)))
    return (jnp.asarray(observation) - centre) / scale
