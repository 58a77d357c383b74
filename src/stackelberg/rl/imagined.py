"""Improving an actor on many short plays that start anywhere: proximal and natural policy gradients."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.flatten_util import ravel_pytree
from jaxtyping import Float

from .._types import AnyArray, Key
from ..calculus.simplex import weight
from . import adam
from .actor import AbstractActor
from .proximal import clipped, generalised_advantages


CHARGE = 1.0
"""For each squared unit by which a greedy choice lies beyond the range of actions; advantages have deviation 1."""


class Critic(eqx.Module):
    """The return that is still to come, by a network."""

    network: eqx.nn.MLP
    scale: Float[AnyArray, "d"]

    def __call__(self, state: Float[AnyArray, "d"]) -> Float[AnyArray, ""]:
        """In this state."""
        return self.network(jnp.asarray(state / jax.lax.stop_gradient(self.scale)))[0]


class Plays(eqx.Module):
    """Plays of one length, `(t, n, ...)`.

    - `counts`: 1 for steps that were made, 0 after the end.  `goes_on`: 1 where the next step is made too.
    - `is_over`: 1 where the episode ended with this step, and nothing is still to come.
    """

    states: Float[AnyArray, "t n d"]
    actions: Float[AnyArray, "t n k"]
    thens: Float[AnyArray, "t n d"]
    rewards: Float[AnyArray, "t n"]
    counts: Float[AnyArray, "t n"]
    goes_on: Float[AnyArray, "t n"]
    is_over: Float[AnyArray, "t n"]


class Lessons(eqx.Module):
    """What plays teach, `(t, n)`: log-chances when drawn, advantages of mean 0 and deviation 1, and returns."""

    before: Float[AnyArray, "t n"]
    gain: Float[AnyArray, "t n"]
    target: Float[AnyArray, "t n"]


def _each(function: Any) -> Any:
    """Over both axes of plays."""
    return jax.vmap(jax.vmap(function))


def lessons(actor: AbstractActor, critic: Critic, plays: Plays, discount: Any, trace: Any) -> Lessons:
    """Generalised advantages (Schulman et al., 2016); where a play is cut the critic says what is still to come."""
    value, after = _each(critic)(plays.states), _each(critic)(plays.thens)
    surprise = (plays.rewards + discount * after * (1.0 - plays.is_over) - value) * plays.counts
    gain = generalised_advantages(surprise, plays.goes_on, discount * trace)
    total = jnp.maximum(jnp.sum(plays.counts), 1.0)
    mean = jnp.sum(gain * plays.counts) / total
    spread = jnp.sqrt(jnp.sum((gain - mean) ** 2 * plays.counts) / total)
    before = _each(actor.log_chance)(plays.states, plays.actions)
    return Lessons(before, (gain - mean) / (spread + 1e-6), value + gain)


class Improver(eqx.Module):
    """How an actor and its critic are improved; Adam's moments of both are the state.

    - `is_natural`: one natural step of a given divergence, or epochs of clipped steps.
    - `num_epochs`, `num_parts`: through all plays, and into how many minibatches.
    """

    is_natural: bool = eqx.field(static=True)
    num_epochs: int = eqx.field(static=True)
    num_parts: int = eqx.field(static=True)
    learning_rate: Float[AnyArray, ""] | float
    clip: Float[AnyArray, ""] | float
    entropy: Float[AnyArray, ""] | float
    divergence: Float[AnyArray, ""] | float

    def blank(self, actor: AbstractActor, critic: Critic) -> Any:
        """At rest."""
        return adam.at_rest(actor), adam.at_rest(critic)

    def improved(
        self, actor: AbstractActor, critic: Critic, moments: Any, plays: Plays, told: Lessons, key: Key
    ) -> tuple[AbstractActor, Critic, Any, Float[AnyArray, ""]]:
        """Actor, critic and moments after these plays, and how far the actor moved (mean divergence)."""
        first = actor
        if self.is_natural:
            actor = self._natural(actor, plays, told)

        def part(carry, chosen):
            actor, critic, (of_actor, of_critic) = carry
            some, teach = jax.tree.map(lambda leaf: leaf[:, chosen], (plays, told))
            if not self.is_natural:
                slope = eqx.filter_grad(self._surrogate)(actor, some, teach)
                actor, of_actor = adam.moved(actor, of_actor, slope, self.learning_rate)
            slope = eqx.filter_grad(_misses)(critic, some, teach)
            critic, of_critic = adam.moved(critic, of_critic, slope, self.learning_rate)
            return (actor, critic, (of_actor, of_critic)), None

        num_plays = plays.rewards.shape[1]
        orders = jax.vmap(lambda key: jr.permutation(key, num_plays))(jr.split(key, self.num_epochs))
        parts = orders.reshape(self.num_epochs * self.num_parts, -1)
        (actor, critic, moments), _ = jax.lax.scan(part, (actor, critic, moments), parts)
        moved = _each(lambda state: first.divergence(actor, state))(plays.states)
        return actor, critic, moments, jnp.sum(moved * plays.counts) / jnp.maximum(jnp.sum(plays.counts), 1.0)

    def _surrogate(self, actor: AbstractActor, plays: Plays, told: Lessons) -> Float[AnyArray, ""]:
        ratio = weight(_each(actor.log_chance)(plays.states, plays.actions) - told.before)
        worth = clipped(ratio, told.gain, self.clip) + self._besides(actor, plays)
        return -jnp.sum(worth * plays.counts) / jnp.maximum(jnp.sum(plays.counts), 1.0)

    def _besides(self, actor: AbstractActor, plays: Plays) -> Float[AnyArray, "t n"]:
        """The bonus for entropy, less what is charged for choices beyond the range of actions.

        There all choices do the same, so that nothing else would call them back: a policy that has run off would try
        nothing any more.
        """
        return self.entropy * _each(actor.entropy)(plays.states) - CHARGE * _each(actor.excess)(plays.states)

    def _natural(self, actor: AbstractActor, plays: Plays, told: Lessons) -> AbstractActor:
        """θ + √(2 δ / gᵀF⁻¹g) F⁻¹g (Kakade, 2002; Rajeswaran et al., 2017), F by products alone, 10 conjugate steps."""
        weights, rest = eqx.partition(actor, eqx.is_inexact_array)
        flat, whole = ravel_pytree(weights)
        made = lambda vector: eqx.combine(whole(vector), rest)
        total = jnp.maximum(jnp.sum(plays.counts), 1.0)
        few = jax.tree.map(lambda leaf: leaf[::2], plays)

        def worth(vector):
            ratio = weight(_each(made(vector).log_chance)(plays.states, plays.actions) - told.before)
            worth = ratio * told.gain + self._besides(made(vector), plays)
            return jnp.sum(worth * plays.counts) / total

        def moved(vector):
            each = _each(lambda state: made(flat).divergence(made(vector), state))(few.states)
            return jnp.sum(each * few.counts) / jnp.maximum(jnp.sum(few.counts), 1.0)

        product = lambda vector: jax.jvp(jax.grad(moved), (flat,), (vector,))[1] + 1e-4 * vector
        slope = jax.grad(worth)(flat)
        way, _ = jax.scipy.sparse.linalg.cg(product, slope, maxiter=10)
        size = jnp.sqrt(2.0 * self.divergence / jnp.maximum(slope @ way, 1e-12))
        return made(flat + size * way)


def _misses(critic: Critic, plays: Plays, told: Lessons) -> Float[AnyArray, ""]:
    off = (_each(critic)(plays.states) - told.target) ** 2
    return 0.5 * jnp.sum(off * plays.counts) / jnp.maximum(jnp.sum(plays.counts), 1.0)
