"""Rows of a log as networks take them, and what learners by minibatches of rows share where actions are discrete."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from .. import _boundary as boundary
from .._errors import InputError
from .._types import AnyArray
from ..games.dataset import Dataset
from ..rl.batch_policy import AbstractDiscretePolicy, SoftmaxNetwork, SoftmaxTable
from .cloning import EXAMPLE
from .features import scales


SHARP = 1e6
"""By which values are multiplied for a softmax that is greedy but for differences that single precision cannot hold."""


class Encoding(eqx.Module):
    """Observations as networks take them: one-hot where states can be counted, standardised elsewhere."""

    centre: Float[AnyArray, "d"]
    scale: Float[AnyArray, "d"]
    num_states: int = eqx.field(static=True)

    @property
    def size(self) -> int:
        """How many numbers."""
        return self.num_states or jnp.shape(self.centre)[0]

    def __call__(self, observation: Float[AnyArray, "n d"]) -> Float[jax.Array, "n e"]:
        """Of rows as they stand in logs."""
        if self.num_states:
            return jax.nn.one_hot(jnp.asarray(observation)[:, 0].astype(int), self.num_states)
        return (jnp.asarray(observation) - jnp.asarray(self.centre)) / jnp.asarray(self.scale)

    def softmax(self, net: eqx.nn.MLP, sharpness: Any) -> AbstractDiscretePolicy:
        """The policy whose logits are those of a network of encoded rows, times a sharpness."""
        if self.num_states:
            every = jnp.arange(self.num_states, dtype=jnp.float32)[:, None]
            return SoftmaxTable(sharpness * jax.vmap(net)(self(every)))
        last = lambda one: (one.layers[-1].weight, one.layers[-1].bias)
        sharp = eqx.tree_at(last, net, tuple(sharpness * leaf for leaf in last(net)))
        return SoftmaxNetwork(sharp, jnp.asarray(self.centre), jnp.asarray(self.scale))


class Moves(NamedTuple):
    """Rows of a log with discrete actions, in single precision.

    `onwards`: the probabilities of next actions under a policy that is evaluated; without columns where none is.
    """

    observation: Float[AnyArray, "*n d"]
    action: Int[AnyArray, "*n"]
    reward: Float[AnyArray, "*n"]
    then: Float[AnyArray, "*n d"]
    terminal: Bool[AnyArray, "*n"]
    onwards: Float[AnyArray, "*n a"]


def encoding_of(log: Dataset) -> Encoding:
    """The encoding of a log's observations."""
    by = scales(log.observation)
    return Encoding(np.asarray(by.centre, np.float32), np.asarray(by.scale, np.float32), log.num_states)


def moves_of(data: Any, policy: Any = None) -> tuple[Moves, Encoding, int]:
    """Rows, their encoding, and how many actions there are; `policy` is one that is evaluated."""
    log = boundary.instance("data", data, Dataset, EXAMPLE)
    if not log.num_actions:
        raise InputError(
            boundary.TYPE,
            "data",
            found="its actions are continuous",
            allowed="discrete actions are needed",
            remedy="Use ConservativeActorCritic, TD3BC or ImplicitQLearning.",
        )
    onwards = np.zeros((len(log), 0), dtype=np.float32)
    if policy is not None:
        evaluated = boundary.instance("policy", policy, AbstractDiscretePolicy, "sg.cloned(data)")
        onwards = np.asarray(evaluated.choice(log.next_observation), dtype=np.float32)
        if onwards.shape[1] != log.num_actions:
            raise InputError(
                boundary.SHAPE,
                "policy",
                found=f"it chooses among {onwards.shape[1]} actions",
                allowed=f"the log has {log.num_actions}",
                remedy="Give a policy of the log's own actions.",
            )
    narrow = lambda values: np.asarray(values, dtype=np.float32)
    rows = Moves(
        narrow(log.observation),
        log.chosen.astype(np.int32),
        narrow(log.reward),
        narrow(log.next_observation),
        np.asarray(log.terminal),
        onwards,
    )
    return rows, encoding_of(log), log.num_actions
