"""Kernels, their random features, and quadratic statistics of residuals: how far a Bellman equation is from holding.

For residuals δ and the Gram matrix K of the rows that they belong to, Σ δ_i K_ij δ_j / n² estimates the largest squared
average of the residual over all test functions in the unit ball of the kernel's space. It is linear in each residual,
so that one next state for each row is enough (Feng, Li and Liu, 2019).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Literal, TypeAlias

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._types import AnyArray, Key
from .simplex import weight


Statistic: TypeAlias = Literal["v", "u"]
FeatureStatistic: TypeAlias = Literal["v", "u", "two-batch"]

NEAREST = 1e-12
"""Squared distances below this are 0: differences of equal rows, up to rounding."""


class AbstractKernel(eqx.Module):
    """A kernel of the distance between two rows that are measured in its bandwidth, 1 at distance 0."""

    @abstractmethod
    def of_squares(self, squares: Float[AnyArray, "*n"]) -> Float[AnyArray, "*n"]:
        """The kernel at squared distances."""

    @abstractmethod
    def spread(self, key: Key, shape: tuple[int, int]) -> Float[AnyArray, "m d"]:
        """Frequencies drawn from its spectral law (Rahimi and Recht, 2007)."""

    def gram(
        self, rows: Float[AnyArray, "n d"], others: Float[AnyArray, "k d"], bandwidth: Float[AnyArray, ""] | float
    ) -> Float[AnyArray, "n k"]:
        """The kernel of every row with every other one."""
        rows, others = jnp.asarray(rows) / bandwidth, jnp.asarray(others) / bandwidth
        return self.of_squares(squared_distances(rows, others))


class Gaussian(AbstractKernel):
    """exp(-d² / 2)."""

    def of_squares(self, squares: Float[AnyArray, "*n"]) -> Float[AnyArray, "*n"]:
        """exp(-d² / 2)."""
        return weight(-0.5 * jnp.asarray(squares))

    def spread(self, key: Key, shape: tuple[int, int]) -> Float[AnyArray, "m d"]:
        """Normal frequencies."""
        return jr.normal(key, shape)


class Matern(AbstractKernel):
    """The Matérn kernel of smoothness 1/2 ("laplace": exp(-d)) or 3/2 ((1 + √3 d) exp(-√3 d))."""

    smoothness: float = eqx.field(static=True)

    def __init__(self, smoothness: Any = 1.5) -> None:
        found = boundary.real_number("smoothness", smoothness)
        boundary.one_of("smoothness", str(found), ("0.5", "1.5"))
        self.smoothness = found

    def of_squares(self, squares: Float[AnyArray, "*n"]) -> Float[AnyArray, "*n"]:
        """By the closed form of its smoothness."""
        distance = jnp.sqrt(jnp.maximum(jnp.asarray(squares), NEAREST))
        if self.smoothness == 0.5:
            return weight(-distance)
        return (1.0 + jnp.sqrt(3.0) * distance) * weight(-jnp.sqrt(3.0) * distance)

    def spread(self, key: Key, shape: tuple[int, int]) -> Float[AnyArray, "m d"]:
        """Frequencies of a multivariate Student law with twice the smoothness as its degrees of freedom."""
        of_normal, of_scale = jr.split(key)
        freedom = 2.0 * self.smoothness
        scale = 2.0 * jr.gamma(of_scale, freedom / 2.0, (shape[0], 1)) / freedom
        return jr.normal(of_normal, shape) / jnp.sqrt(scale)


class RationalQuadratic(AbstractKernel):
    """(1 + d² / 2α)^-α, a mixture of Gaussian kernels of many bandwidths.

    - `mixture`: α > 0; the Gaussian kernel as it grows.
    """

    mixture: float

    def __init__(self, mixture: Any = 1.0) -> None:
        self.mixture = boundary.real_number("mixture", mixture, low=0.0, low_open=True)

    def of_squares(self, squares: Float[AnyArray, "*n"]) -> Float[AnyArray, "*n"]:
        """(1 + d² / 2α)^-α."""
        return (1.0 + jnp.asarray(squares) / (2.0 * self.mixture)) ** -self.mixture

    def spread(self, key: Key, shape: tuple[int, int]) -> Float[AnyArray, "m d"]:
        """Normal frequencies, each scaled by the root of a Gamma draw of mean 1."""
        of_normal, of_scale = jr.split(key)
        scale = jr.gamma(of_scale, self.mixture, (shape[0], 1)) / self.mixture
        return jr.normal(of_normal, shape) * jnp.sqrt(scale)


KERNELS: dict[str, AbstractKernel] = {
    "gaussian": Gaussian(),
    "laplace": Matern(0.5),
    "matern": Matern(1.5),
    "rational-quadratic": RationalQuadratic(1.0),
}
"""By the names that stand in files and at the command line."""


class RandomFeatures(eqx.Module):
    """√(2/m) cos(frequencies · x / bandwidth + phase): their products have the kernel as their mean.

    - `frequencies`: `(m, d)`.  `phases`: `(m,)`.
    - `centre`, `scale`: `(d,)`, by which rows are standardised first.  `bandwidth`: after that.
    """

    frequencies: Float[AnyArray, "m d"]
    phases: Float[AnyArray, "m"]
    centre: Float[AnyArray, "d"]
    scale: Float[AnyArray, "d"]
    bandwidth: Float[AnyArray, ""] | float

    def __call__(self, rows: Float[AnyArray, "*n d"]) -> Float[AnyArray, "*n m"]:
        """The features of every row."""
        standard = (jnp.asarray(rows) - self.centre) / (self.scale * self.bandwidth)
        turned = standard @ jnp.asarray(self.frequencies).T + self.phases
        return jnp.sqrt(2.0 / turned.shape[-1]) * jnp.cos(turned)


def random_features(
    kernel: AbstractKernel,
    num_features: int,
    centre: Float[AnyArray, "d"],
    scale: Float[AnyArray, "d"],
    bandwidth: Float[AnyArray, ""] | float,
    key: Key,
) -> RandomFeatures:
    """Features of a kernel, drawn once; the error of their Gram matrix falls as 1/√m."""
    of_spread, of_phases = jr.split(key)
    frequencies = kernel.spread(of_spread, (num_features, np.shape(centre)[0]))
    phases = jr.uniform(of_phases, (num_features,), maxval=2.0 * jnp.pi)
    return RandomFeatures(frequencies, phases, centre, scale, bandwidth)


def median_bandwidth(rows: Float[np.ndarray, "n d"], num_pairs: int = 2000, seed: int = 0) -> float:
    """The median distance between rows, over pairs drawn at random; of the distances above 0 where many rows are equal.

    1 where all rows are equal: no bandwidth tells them apart.
    """
    generator = np.random.Generator(np.random.Philox(seed))
    first, second = generator.integers(len(rows), size=(2, num_pairs))
    distance = np.linalg.norm(rows[first] - rows[second], axis=-1)
    middle = float(np.median(distance))
    if middle > 0.0:
        return middle
    apart = distance[distance > 0.0]
    return float(np.mean(apart)) if len(apart) else 1.0


def squared_distances(rows: Float[AnyArray, "n d"], others: Float[AnyArray, "k d"]) -> Float[AnyArray, "n k"]:
    """|x - y|² for all pairs."""
    rows, others = jnp.asarray(rows), jnp.asarray(others)
    lengths = jnp.sum(rows**2, axis=-1)[:, None] + jnp.sum(others**2, axis=-1)
    return jnp.maximum(lengths - 2.0 * rows @ others.T, 0.0)


def kernel_loss(
    residual: Float[AnyArray, "n"], gram: Float[AnyArray, "n n"], statistic: Statistic = "v"
) -> Float[AnyArray, ""]:
    """Σ δ_i K_ij δ_j over all pairs / n² ("v"), or over pairs of different rows / n(n - 1) ("u").

    "v" is never negative and too large by about E[K δ²] / n; "u" is unbiased, can be negative, and as a function of the
    critic it need not be convex.
    """
    residual, gram = jnp.asarray(residual), jnp.asarray(gram)
    total, size = residual @ gram @ residual, residual.shape[0]
    if statistic == "v":
        return total / size**2
    return (total - jnp.sum(jnp.diagonal(gram) * residual**2)) / (size * (size - 1))


def two_batch_loss(
    residual: Float[AnyArray, "n"],
    tests: Float[AnyArray, "n m"],
    other_residual: Float[AnyArray, "k"],
    other_tests: Float[AnyArray, "k m"],
) -> Float[AnyArray, ""]:
    """The product of two independent averages of test features times residuals: unbiased, of either sign."""
    first = jnp.asarray(tests).T @ jnp.asarray(residual) / np.shape(residual)[0]
    second = jnp.asarray(other_tests).T @ jnp.asarray(other_residual) / np.shape(other_residual)[0]
    return first @ second


def feature_loss(
    residual: Float[AnyArray, "n"], tests: Float[AnyArray, "n m"], statistic: FeatureStatistic = "v"
) -> Float[AnyArray, ""]:
    """`kernel_loss` of the kernel Z Zᵀ, in time n m: |Zᵀδ / n|² ("v"), the same without pairs of a row with itself
    ("u"), or the product of the averages over either half of the rows ("two-batch").
    """
    tests, residual = jnp.asarray(tests), jnp.asarray(residual)
    size = residual.shape[0]
    if statistic == "two-batch":
        half = size // 2
        return two_batch_loss(residual[:half], tests[:half], residual[half:], tests[half:])
    averages = tests.T @ residual / size
    if statistic == "v":
        return averages @ averages
    own = jnp.sum(jnp.sum(tests**2, axis=-1) * residual**2)
    return (size**2 * (averages @ averages) - own) / (size * (size - 1))
