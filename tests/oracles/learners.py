"""Small learners whose every step can be followed by hand."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from stackelberg import AbstractLearner, AbstractMonitor, Metric


TRACED = {"update": 0}
"""How often `Descent.update` was traced: once for each program that is compiled, however many settings run in it."""


class Descent(AbstractLearner):
    """x moves towards noisy targets around 3: the simplest thing with a learning rate, a schedule and chance."""

    learning_rate: float
    num_targets: int = 4
    width: int = 2

    @property
    def precision(self):
        return "float32"

    @property
    def on_host(self):
        return False

    @property
    def resume(self):
        return "exact"

    @property
    def max_steps(self):
        return None

    @property
    def meanings(self):
        return {"loss": Metric("loss", "payoff", "leader", "lower")}

    def init(self, key):
        return {"x": jr.normal(key, (self.width,)), "count": jnp.int32(0)}

    def sample(self, state, n, key):
        return 3.0 + jr.normal(key, (self.num_targets, self.width))

    def update(self, state, batch, n, key):
        TRACED["update"] += 1
        rate = self.learning_rate / (1.0 + 0.01 * n)
        x = state["x"] - rate * (state["x"] - jnp.mean(batch, axis=0)) + 1e-3 * jr.normal(key, (self.width,))
        return {"x": x, "count": state["count"] + 1}, {"loss": jnp.sum((x - 3.0) ** 2)}

    def commitment(self, state):
        return state["x"]


class OnHost(AbstractLearner):
    """The same descent, called step by step in Python."""

    inner: Descent

    @property
    def precision(self):
        return self.inner.precision

    @property
    def on_host(self):
        return True

    @property
    def resume(self):
        return "exact"

    @property
    def max_steps(self):
        return None

    @property
    def meanings(self):
        return self.inner.meanings

    def init(self, key):
        return jax.tree.map(np.asarray, self.inner.init(key))

    def sample(self, state, n, key):
        return np.asarray(self.inner.sample(state, n, key))

    def update(self, state, batch, n, key):
        state, metrics = self.inner.update(state, batch, n, key)
        return jax.tree.map(np.asarray, state), {name: float(value) for name, value in metrics.items()}

    def commitment(self, state):
        return state["x"]


class Remembering(AbstractLearner):
    """The planted bug: a step depends on something that no checkpoint holds."""

    outside: list

    @property
    def precision(self):
        return "float32"

    @property
    def on_host(self):
        return True

    @property
    def resume(self):
        return "statistical"

    @property
    def max_steps(self):
        return None

    @property
    def meanings(self):
        return {}

    def init(self, key):
        return np.zeros(1, np.float32)

    def sample(self, state, n, key):
        return ()

    def update(self, state, batch, n, key):
        self.outside.append(n)
        return np.float32(state + len(self.outside)), {"outside": float(len(self.outside))}

    def commitment(self, state):
        return state


class Distance(AbstractMonitor):
    """How far the commitment is from 3; `asked` counts how often it was really computed."""

    asked: list = eqx.field(static=True)

    @property
    def meanings(self):
        return {"distance": Metric("distance", "payoff", "leader", "lower")}

    def attached(self, learner):
        return self

    def certificate(self):
        return None

    def __call__(self, commitment, batch, key):
        jax.debug.callback(lambda value: self.asked.append(float(value)), commitment[0])
        return {"distance": jnp.max(jnp.abs(commitment - 3.0))}
