"""Networks that answer whatever is announced to them, learned before anything is: what their training has in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from .._learner import Precision, train
from .._types import AnyArray, Key
from ..rl import adam
from ..rl.learner import AbstractCompiledLearner
from ..rl.policy import network


class AbstractContextTraining(AbstractCompiledLearner):
    """Fits one network to answers for contexts drawn at random; its state is the network and Adam's moments.

    - `learning_rate`: of Adam.  `width`, `num_layers`: of the hidden layers.
    """

    learning_rate: eqx.AbstractVar[float]
    width: eqx.AbstractVar[int]
    num_layers: eqx.AbstractVar[int]

    @property
    def precision(self) -> Precision:
        """As the tables that the network stands in for."""
        return "float64"

    def blank(self, num_inputs: int, num_outputs: int, key: Key) -> tuple[eqx.nn.MLP, Any]:
        """A network whose logits are nearly even, and Adam at rest."""
        made = network(num_inputs, num_outputs, (self.width,) * self.num_layers, key, last=0.1)
        return made, adam.at_rest(made)

    def lowered(
        self, state: tuple[eqx.nn.MLP, Any], loss: Callable[[eqx.nn.MLP], AnyArray]
    ) -> tuple[tuple[eqx.nn.MLP, Any], Float[AnyArray, ""]]:
        """The state after one step down `loss`, and the loss before it."""
        made, moments = state
        value, slope = eqx.filter_value_and_grad(loss)(made)
        return adam.moved(made, moments, slope, self.learning_rate), value


def learned(training: AbstractContextTraining, num_steps: int, seed: Any) -> tuple[eqx.nn.MLP, Any]:
    """The network after so many steps of one seed, and what was recorded."""
    run, metrics = train(training, num_steps, [seed])
    return jax.tree.map(lambda leaf: leaf[0, 0], run.state[0]), metrics


def in_context(net: eqx.nn.MLP, context: AnyArray, num_rows: int) -> Float[AnyArray, "n k"]:
    """The network's logits for each of so many rows, told all of the context and which row it is."""
    told = jnp.broadcast_to(jnp.ravel(context), (num_rows, jnp.size(context)))
    return jax.vmap(net)(jnp.concatenate([told, jnp.eye(num_rows, dtype=told.dtype)], axis=1))
