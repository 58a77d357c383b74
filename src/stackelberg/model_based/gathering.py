"""Playing in a world to be controlled, and keeping what was met."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Float, Int

from .._types import AnyArray, Key
from ..games.control import AbstractControl
from ..rl.actor import random_action
from .ensemble import Transitions


def gathered(
    world: AbstractControl, act: Any, key: Key, num_copies: int, num_steps: int, noise: Any = 0.0
) -> tuple[Transitions, Float[AnyArray, ""]]:
    """`num_steps` transitions of copies side by side, which begin anew at an end; the mean return of `act`'s episodes.

    - `noise`: the share of episodes whose actions are all drawn at random. Where all are, the mean return is NaN.
    """
    length = -(-num_steps // num_copies)

    def one(key):
        of_start, of_steps = jr.split(key)

        def step(carry, key):
            whole, is_noise, time, total, done, ended = carry
            of_act, of_world, of_reset = jr.split(key, 3)
            state = world.seen(whole)
            action = jnp.where(is_noise, random_action(world, of_act), act(state, of_act))
            made = world.advanced(whole, action, of_world)
            total, is_cut = total + made.reward, time + 1 >= world.num_steps
            stops = made.is_over | is_cut
            counts = stops & ~is_noise
            done, ended = done + jnp.where(counts, total, 0.0), ended + counts
            anew = lambda first, on: jnp.where(stops, first, on)
            goes_on = (jax.tree.map(anew, world.begun(of_reset), made.whole), anew(noisy(of_reset), is_noise))
            row = Transitions(state, action, made.then, made.reward, made.is_over.astype(made.reward.dtype))
            return (*goes_on, anew(0, time + 1), anew(0.0, total), done, ended), row

        noisy = lambda key: jr.uniform(jr.fold_in(key, 1)) < noise
        start = (world.begun(of_start), noisy(of_start), jnp.asarray(0), jnp.zeros(()), jnp.zeros(()), jnp.asarray(0))
        carry, made = jax.lax.scan(step, start, jr.split(of_steps, length))
        return made, *carry[1:2], *carry[3:]

    made, is_noise, rest, done, ended = jax.vmap(one)(jr.split(key, num_copies))
    flat = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:num_steps], made)
    finished = jnp.sum(ended)
    so_far = jnp.sum(jnp.where(is_noise, 0.0, rest)) / jnp.sum(~is_noise)
    return flat, jnp.where(finished > 0, jnp.sum(done) / jnp.maximum(finished, 1), so_far)


EVERY = 10
"""Every so many transitions one is kept to choose elites by."""


def not_held_out(places: Int[AnyArray, "*n"], count: Any) -> Int[AnyArray, "*n"]:
    """The same places, or their neighbours where they are held out; `count` is how many places there are."""
    beside = jnp.where(places + 1 < count, places + 1, places - 1)
    return jnp.where(places % EVERY == 0, beside, places)


def held_out_of(places: Int[AnyArray, "*n"], oldest: Any) -> Int[AnyArray, "*n"]:
    """The places that are held out at or before these; a place itself where that is older than the `oldest`."""
    before = places // EVERY * EVERY
    return jnp.where(before < oldest, places, before)
