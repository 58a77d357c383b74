"""A small learner with a minibatch, in either precision, and its twin with the mistake that is easily made."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from stackelberg import AbstractLearner, Metric
from stackelberg._loop.devices import AXIS


DIMENSION, TRUTH = 3, np.array([1.0, -2.0, 0.5])


class Regression(AbstractLearner):
    """Least squares by gradient descent, on a fresh minibatch of `size` noisy answers each step."""

    rate: float
    size: int = 64
    arithmetic: str = "float64"

    @property
    def precision(self) -> Any:
        return self.arithmetic

    @property
    def on_host(self) -> bool:
        return False

    @property
    def resume(self) -> Any:
        return "exact"

    @property
    def max_steps(self) -> int | None:
        return None

    @property
    def meanings(self) -> Mapping[str, Metric]:
        return {"loss": Metric("mean squared error", "", "neither", "lower")}

    def init(self, key: Any) -> Any:
        return 0.1 * jr.normal(key, (DIMENSION,))

    def sample(self, state: Any, n: Any, key: Any) -> Any:
        points, noise = jr.split(key)
        features = jr.normal(points, (self.size, DIMENSION))
        return features, features @ jnp.asarray(TRUTH, features.dtype) + 0.1 * jr.normal(noise, (self.size,))

    def update(self, state: Any, batch: Any, n: Any, key: Any) -> Any:
        loss, gradient = self.loss_and_gradient(state, batch)
        return state - self.rate * gradient, {"loss": loss}

    def loss_and_gradient(self, state: Any, batch: Any) -> Any:
        return jax.value_and_grad(mean_squared_error)(state, batch)

    def commitment(self, state: Any) -> Any:
        return state


class CountedTooOften(AbstractLearner):
    """The same, made parallel by hand and wrongly: weights that every device has, and the mean of their gradients.

    Inside `shard_map` the gradient by such weights is a sum over devices already: it comes out N times too large.
    """

    right: Regression
    num_devices: int = eqx.field(static=True)

    precision = property(lambda self: self.right.precision)
    on_host = property(lambda self: False)
    resume = property(lambda self: "exact")
    max_steps = property(lambda self: None)
    meanings = property(lambda self: self.right.meanings)

    def init(self, key: Any) -> Any:
        return self.right.init(key)

    def sample(self, state: Any, n: Any, key: Any) -> Any:
        return self.right.sample(state, n, key)

    def update(self, state: Any, batch: Any, n: Any, key: Any) -> Any:
        mesh = Mesh(np.array(jax.devices()[: self.num_devices]), (AXIS,))

        def part(state: Any, batch: Any) -> Any:
            loss, gradient = jax.value_and_grad(mean_squared_error)(state, batch)
            return jax.lax.pmean(loss, AXIS), jax.lax.pmean(gradient, AXIS)

        whole, cut = PartitionSpec(), PartitionSpec(AXIS)
        loss, gradient = jax.shard_map(part, mesh=mesh, in_specs=(whole, cut), out_specs=whole)(state, batch)
        return state - self.right.rate * gradient, {"loss": loss}

    def commitment(self, state: Any) -> Any:
        return state


def mean_squared_error(weights: Any, batch: Any) -> Any:
    features, answers = batch
    return jnp.mean((features @ weights - answers) ** 2)
