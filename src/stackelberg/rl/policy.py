"""Policies of one seat: a table of logits where observations can be counted, a network where they cannot."""

from __future__ import annotations

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Float

from .._types import AnyArray, Key
from ..calculus.simplex import log_quantal_choice
from ..games.environment import Discrete, Space


class AbstractPolicy(eqx.Module):
    """Chooses an action by what it observes."""

    @abstractmethod
    def log_choice(self, observation: AnyArray) -> Float[AnyArray, "a"]:
        """The logarithms of the probabilities of all actions."""


class TablePolicy(AbstractPolicy):
    """One row of logits `(o, a)` for each observation."""

    logits: Float[AnyArray, "o a"]

    def log_choice(self, observation: AnyArray) -> Float[AnyArray, "a"]:
        """That of the row."""
        return log_quantal_choice(jnp.asarray(self.logits)[observation], 1.0)


class NetworkPolicy(AbstractPolicy):
    """A network from an observation (one-hot, where observations can be counted) to logits."""

    network: eqx.nn.MLP
    space: Space

    def log_choice(self, observation: AnyArray) -> Float[AnyArray, "a"]:
        """Of the network's logits."""
        return log_quantal_choice(self.network(jnp.asarray(features(self.space, observation))), 1.0)


def taken(log_choice: Float[AnyArray, "*n a"], actions: AnyArray) -> Float[AnyArray, "*n"]:
    """The logarithms of the probabilities of these actions."""
    return jnp.take_along_axis(log_choice, actions[..., None], axis=-1)[..., 0]


def features(space: Space, observation: AnyArray) -> Float[AnyArray, "d"]:
    """An observation as a vector."""
    if isinstance(space, Discrete):
        return jax.nn.one_hot(observation, space.size)
    return jnp.ravel(observation)


def num_features(space: Space) -> int:
    """How long that vector is."""
    if isinstance(space, Discrete):
        return space.size
    size = 1
    for length in space.shape:
        size *= length
    return size


def blank_policy(space: Space, num_actions: int, hidden: tuple[int, ...], key: Key) -> AbstractPolicy:
    """A policy near uniform: a table where there are no `hidden` layers and observations can be counted."""
    if not hidden and isinstance(space, Discrete):
        return TablePolicy(1e-2 * jr.normal(key, (space.size, num_actions)))
    return NetworkPolicy(network(num_features(space), num_actions, hidden, key, last=0.01), space)


class Identity(eqx.Module):
    """The activation of the last layer: none."""

    def __call__(self, values: AnyArray, key: Key | None = None) -> AnyArray:
        """The same."""
        del key
        return values


class Tanh(eqx.Module):
    """An activation without leaves, so that a network is a tree of arrays and nothing else."""

    def __call__(self, values: AnyArray, key: Key | None = None) -> AnyArray:
        """Entry by entry."""
        del key
        return jnp.tanh(jnp.asarray(values))


class Relu(eqx.Module):
    """Another one."""

    def __call__(self, values: AnyArray, key: Key | None = None) -> AnyArray:
        """Entry by entry."""
        del key
        return jax.nn.relu(jnp.asarray(values))


def network(
    num_inputs: int,
    num_outputs: int,
    hidden: tuple[int, ...],
    key: Key,
    last: float = 1.0,
    activation: Tanh | Relu | None = None,
) -> eqx.nn.MLP:
    """Layers of one width with tanh (or another `activation`) between them, the last one's weights scaled by `last`."""
    width = hidden[0] if hidden else 1
    made = eqx.nn.MLP(num_inputs, num_outputs, width, len(hidden), activation or Tanh(), Identity(), key=key)
    where = lambda net: (net.layers[-1].weight, net.layers[-1].bias)
    return eqx.tree_at(where, made, tuple(last * leaf for leaf in where(made)))
