"""How surprising a follower's answers are to whoever expects a certain response: does a confidence set still hold?"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Float

from .._types import AnyArray
from ..calculus.simplex import entropy, logarithm
from ..play.markov_world import MarkovEpisode


MEMORY = 0.99
"""Of the surprise: it is an average over the last hundred episodes or so, weighted by how recent they are."""


class Surprise(eqx.Module):
    """Log losses above their expectation, and the variance of their sum."""

    total: Float[AnyArray, ""]
    variance: Float[AnyArray, ""]

    @classmethod
    def nothing(cls) -> Surprise:
        """Nothing seen."""
        return cls(jnp.zeros(()), jnp.zeros(()))

    def after(self, response: Float[AnyArray, "h s b"], episode: MarkovEpisode) -> Surprise:
        """One episode more, whose answers were expected to be drawn from `response`."""
        stages = jnp.arange(episode.states.shape[0])
        expected = jnp.asarray(response)[stages, episode.states]
        log_choice = logarithm(jnp.maximum(expected, 1e-12))
        taken = jnp.take_along_axis(log_choice, episode.follower_actions[:, None], axis=-1)[:, 0]
        disorder = entropy(expected)
        variance = jnp.sum(expected * log_choice**2, axis=-1) - disorder**2
        return Surprise(MEMORY * self.total + jnp.sum(-taken - disorder), MEMORY**2 * self.variance + jnp.sum(variance))

    @property
    def deviations(self) -> Float[AnyArray, ""]:
        """In standard deviations of what a right response would give."""
        return self.total / jnp.sqrt(jnp.maximum(self.variance, 1.0))
