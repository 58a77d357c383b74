"""Plays in an ensemble of world models, what it promises, and which way its promise rises."""

from __future__ import annotations

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Float

from .._types import AnyArray, Key
from ..games.control import AbstractControl
from ..rl.actor import AbstractActor
from ..rl.imagined import Plays
from .ensemble import Ensemble


MOST = 100.0
"""Imagined states are kept within so many times their scale."""


class Imagination(eqx.Module):
    """How plays are imagined.

    - `is_deterministic`: without the noise that the members tell of.
    - `disagreement`: of the members, in units of the normalised change, from which on a play is cut; 0 for never.
      `bonus`: paid for each unit of it.
    - `knows_reward`, `knows_end`: whether those of the world are used, or the members' own.
    """

    is_deterministic: bool = eqx.field(static=True)
    disagreement: float = eqx.field(static=True)
    bonus: float = eqx.field(static=True)
    knows_reward: bool = eqx.field(static=True)
    knows_end: bool = eqx.field(static=True)

    def plays(
        self,
        world: AbstractControl,
        ensemble: Ensemble,
        actor: AbstractActor,
        starts: Float[AnyArray, "n d"],
        key: Key,
        length: int,
    ) -> Plays:
        """Plays in the model, as many in each of its members, which must divide the number of `starts`."""
        limit = MOST * jnp.asarray(world.scale, dtype=starts.dtype)
        size = jnp.size(limit) + 1
        measures = self.disagreement > 0.0 or self.bonus != 0.0

        def one(net, start, key):
            def step(carry, key):
                state, counts = carry
                of_action, of_noise = jr.split(key)
                action = actor.draw(state, of_action)
                noise = jnp.zeros(size) if self.is_deterministic else jr.normal(of_noise, (size,))
                then, reward, end = ensemble.step(net, state, action, noise)
                then = world.settled(jnp.clip(then, -limit, limit))
                reward = world.reward(state, action, then) if self.knows_reward else reward
                is_over = world.is_over(then) if self.knows_end else end > 0.0
                goes_on = counts * (1.0 - is_over)
                if measures:
                    apart = ensemble.disagreement(state, action)
                    reward = reward + self.bonus * apart
                    goes_on = goes_on * (apart < (self.disagreement or jnp.inf))
                over = is_over.astype(counts.dtype)
                return (then, goes_on), (state, action, then, reward, counts, goes_on, over)

            return jax.lax.scan(step, (start, jnp.ones(())), jr.split(key, length))[1]

        grouped = starts.reshape(ensemble.num_members, -1, starts.shape[-1])
        keys = jr.split(key, grouped.shape[:2])
        made = jax.vmap(lambda net, start, key: jax.vmap(lambda s, k: one(net, s, k))(start, key))(
            ensemble.networks, grouped, keys
        )
        return Plays(*(jnp.moveaxis(leaf.reshape(-1, *leaf.shape[2:]), 0, 1) for leaf in made))

    def promised(
        self, world: AbstractControl, ensemble: Ensemble, actor: AbstractActor, key: Key
    ) -> Float[AnyArray, ""]:
        """The mean return from first states over a whole episode, in the model and without a bonus."""
        of_start, of_plays = jr.split(key)
        starts = jax.vmap(world.reset)(jr.split(of_start, 4 * ensemble.num_members))
        plays = dataclasses.replace(self, bonus=0.0).plays(world, ensemble, actor, starts, of_plays, world.num_steps)
        return jnp.mean(jnp.sum(plays.rewards * plays.counts, axis=0))


def likelier(ensemble: Ensemble, plays: Plays, gain: Float[AnyArray, "t n"]) -> Float[AnyArray, "m"]:
    """For each member the mean of `gain` times the log-density of what it imagined: its gradient raises the promise.

    The likelihood-ratio gradient of the policy's return in the model, with advantages in the place of returns; plays
    and gain are taken as given.
    """
    members = ensemble.num_members
    of_members = lambda leaf: jnp.moveaxis(leaf.reshape(leaf.shape[0], members, -1, *leaf.shape[2:]), 1, 0)
    states, actions, thens, gains, counts = map(
        of_members, (plays.states, plays.actions, plays.thens, gain * plays.counts, plays.counts)
    )
    logs = lambda net, *rows: jax.vmap(jax.vmap(lambda *row: ensemble.log_density(net, *row)))(*rows)
    each = jax.vmap(logs)(ensemble.networks, states, actions, thens) * gains
    return jnp.sum(each, axis=(1, 2)) / jnp.maximum(jnp.sum(counts, axis=(1, 2)), 1.0)
