"""Features of an observation and an action: linear critics, and the test functions that residuals are averaged by."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._types import AnyArray, Key
from ..calculus.kernel import KERNELS, RandomFeatures, median_bandwidth, random_features
from ..games.dataset import Dataset
from ..rl.batch_policy import AbstractBatchPolicy, AbstractDiscretePolicy, TanhGaussian


class AbstractFeatures(eqx.Module):
    """Numbers by which an observation and an action are known."""

    @property
    @abstractmethod
    def size(self) -> int:
        """How many."""

    @abstractmethod
    def taken(self, observation: Float[AnyArray, "n d"], action: Float[AnyArray, "n k"]) -> Float[AnyArray, "n w"]:
        """Of each row's own action."""

    @abstractmethod
    def averaged(
        self, observation: Float[AnyArray, "n d"], policy: AbstractBatchPolicy, noise: Float[AnyArray, "j n k"] | None
    ) -> Float[AnyArray, "n w"]:
        """Their mean over the actions of a policy: exact where actions are discrete, over `noise` otherwise."""


class TableFeatures(AbstractFeatures):
    """A feature for each state and action: the delta kernel."""

    num_states: int = eqx.field(static=True)
    num_actions: int = eqx.field(static=True)

    @property
    def size(self) -> int:
        """One for each pair."""
        return self.num_states * self.num_actions

    def taken(self, observation: Float[AnyArray, "n d"], action: Float[AnyArray, "n k"]) -> Float[AnyArray, "n w"]:
        """One-hot rows."""
        state, chosen = jnp.asarray(observation)[:, 0].astype(int), jnp.asarray(action)[:, 0].astype(int)
        return jax.nn.one_hot(state * self.num_actions + chosen, self.size, dtype=jnp.result_type(float))

    def averaged(
        self, observation: Float[AnyArray, "n d"], policy: AbstractBatchPolicy, noise: Float[AnyArray, "j n k"] | None
    ) -> Float[AnyArray, "n w"]:
        """The policy's probabilities in the columns of the state."""
        del noise
        assert isinstance(policy, AbstractDiscretePolicy)
        state = jax.nn.one_hot(jnp.asarray(observation)[:, 0].astype(int), self.num_states)
        return crossed(state, policy.choice(observation))


class AbstractRowFeatures(AbstractFeatures):
    """Features of rows and a constant: of observations, for each discrete action its own columns; or of observations
    with their continuous action behind them, where `num_actions` is 0.
    """

    num_actions: int = eqx.field(static=True, kw_only=True, default=0)

    @property
    @abstractmethod
    def width(self) -> int:
        """Features of a row, without the constant."""

    @abstractmethod
    def of_rows(self, rows: Float[AnyArray, "n d"]) -> Float[AnyArray, "n f"]:
        """Without the constant."""

    @property
    def size(self) -> int:
        """The features and a constant, for each discrete action."""
        return (self.width + 1) * max(self.num_actions, 1)

    def taken(self, observation: Float[AnyArray, "n d"], action: Float[AnyArray, "n k"]) -> Float[AnyArray, "n w"]:
        """In the columns of the action, or of the pair."""
        if not self.num_actions:
            return self._of(jnp.concatenate([jnp.asarray(observation), jnp.asarray(action)], axis=-1))
        chosen = jnp.asarray(action)[:, 0].astype(int)
        return crossed(self._of(observation), jax.nn.one_hot(chosen, self.num_actions))

    def averaged(
        self, observation: Float[AnyArray, "n d"], policy: AbstractBatchPolicy, noise: Float[AnyArray, "j n k"] | None
    ) -> Float[AnyArray, "n w"]:
        """Each action's columns times its probability, or the mean over the draws that the noise makes."""
        if self.num_actions:
            assert isinstance(policy, AbstractDiscretePolicy)
            return crossed(self._of(observation), policy.choice(observation))
        assert isinstance(policy, TanhGaussian)
        assert noise is not None
        each = jax.vmap(lambda one: self.taken(observation, policy.actions(observation, one)))
        return jnp.mean(each(jnp.asarray(noise)), axis=0)

    def _of(self, rows: Float[AnyArray, "n d"]) -> Float[AnyArray, "n f"]:
        return with_constant(self.of_rows(rows))


class FourierFeatures(AbstractRowFeatures):
    """Random features of a kernel over observations, for each action its own; a constant beside them.

    - `fourier`: of the observation.
    """

    fourier: RandomFeatures
    num_actions: int = eqx.field(static=True, kw_only=True)

    @property
    def width(self) -> int:
        """As many as were drawn."""
        return self.fourier.phases.shape[0]

    def of_rows(self, rows: Float[AnyArray, "n d"]) -> Float[AnyArray, "n f"]:
        """Of observations."""
        return self.fourier(rows)


class PairFeatures(AbstractRowFeatures):
    """Random features of a kernel over observation and action together, and a constant: for continuous actions.

    - `fourier`: of the observation with the action behind it.
    """

    fourier: RandomFeatures

    @property
    def width(self) -> int:
        """As many as were drawn."""
        return self.fourier.phases.shape[0]

    def of_rows(self, rows: Float[AnyArray, "n d"]) -> Float[AnyArray, "n f"]:
        """Of pairs."""
        return self.fourier(rows)


class Scales(eqx.Module):
    """Centre and spread of a log's columns, by which everything learned from it standardises.

    A column that never changes has the spread 1.
    """

    centre: Float[AnyArray, "d"]
    scale: Float[AnyArray, "d"]


def scales(rows: Float[np.ndarray, "n d"]) -> Scales:
    """Mean and standard deviation of each column."""
    spread = np.std(rows, axis=0)
    return Scales(np.mean(rows, axis=0), np.where(spread > 1e-12, spread, 1.0))


def features_for(
    data: Dataset,
    num_features: Any = 150,
    *,
    kernel: Any = "gaussian",
    bandwidth: Any = None,
    key: Key,
) -> AbstractFeatures:
    """Features that suit a log: a table where states and actions can be counted, otherwise random ones of a kernel.

    - `num_features`: for each action, or in all where actions are continuous.
    - `kernel`: "gaussian", "laplace", "matern" (3/2) or "rational-quadratic".
    - `bandwidth`: as a multiple of the median distance between standardised rows (1 when left out).
    """
    if data.num_states and data.num_actions:
        return TableFeatures(data.num_states, data.num_actions)
    count = boundary.whole_number("num_features", num_features, low=1)
    chosen = KERNELS[boundary.one_of("kernel", kernel, KERNELS)]
    multiple = boundary.real_number("bandwidth", 1.0 if bandwidth is None else bandwidth, low=0.0, low_open=True)
    rows = data.observation if data.num_actions else np.concatenate([data.observation, data.action], axis=-1)
    by = scales(rows)
    width = multiple * median_bandwidth((rows - by.centre) / by.scale)
    fourier = random_features(chosen, count, by.centre, by.scale, width, key)
    return FourierFeatures(fourier, num_actions=data.num_actions) if data.num_actions else PairFeatures(fourier)


def with_constant(features: Float[AnyArray, "n f"]) -> Float[AnyArray, "n g"]:
    """A column of ones behind them."""
    features = jnp.asarray(features)
    return jnp.concatenate([features, jnp.ones((features.shape[0], 1), features.dtype)], axis=-1)


def fixed_noise(policy: AbstractBatchPolicy, rows: int, num_draws: int, key: Key) -> Float[AnyArray, "j n k"] | None:
    """Standard normal noise for the actions of every row, antithetic in pairs; None where actions are discrete."""
    if not isinstance(policy, TanhGaussian):
        return None
    half = jr.normal(key, (-(-num_draws // 2), rows, policy.log_deviation.shape[0]))
    return jnp.concatenate([half, -half])[:num_draws]


def crossed(features: Float[AnyArray, "n f"], shares: Float[AnyArray, "n a"]) -> Float[AnyArray, "n w"]:
    """All products of an entry of one with an entry of the other, the second changing fastest."""
    features, shares = jnp.asarray(features), jnp.asarray(shares)
    return (features[:, :, None] * shares[:, None, :]).reshape(features.shape[0], -1)
