"""Where every random number of a run comes from: threefry, named, folded by role before anything is split.

    root key of a seed ──role──> INIT, STEPS, MONITOR ──fold n──> key of step n ──role──> SAMPLE, UPDATE

No key is used twice, and none is carried: what is drawn at step n is a function of the seed and n.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from .. import _boundary as boundary
from .._errors import InputError
from .._types import Key


IMPLEMENTATION = "threefry2x32"

INIT, STEPS, MONITOR, SAMPLE, UPDATE, ANNOUNCE, PLAY, OBSERVE = range(8)
"""Purposes of keys; two purposes never share a key."""

SEED_LIMIT = 2**32 - 1


def role(key: Key, purpose: int) -> Key:
    """The key of one purpose, for a key or an array of keys."""
    return _folded(key, jnp.uint32(purpose))


def of_step(key: Key, n: Any) -> Key:
    """The key of step n; `key` is that of the steps."""
    return _folded(key, jnp.asarray(n, jnp.uint32))


def seed_keys(seeds: Any, settings: int = 1) -> Key:
    """The root keys of all settings and seeds, `(g, s)`: every setting meets the same chance."""
    numbers = checked_seeds(seeds)
    keys = jnp.stack([jr.key(number, impl=IMPLEMENTATION) for number in numbers])
    return jnp.broadcast_to(keys[None], (settings, len(numbers)))


def checked_seeds(seeds: Any) -> tuple[int, ...]:
    """Distinct whole numbers from 0 to 2^32 - 1, at least one."""
    numbers = boundary.whole_numbers("seeds", list(seeds), axes=("s",), low=0, high=SEED_LIMIT).tolist()
    doubled = [number for number in numbers if numbers.count(number) > 1] if len(set(numbers)) < len(numbers) else []
    if doubled:
        raise InputError(
            boundary.INCONSISTENT,
            "seeds",
            found=f"{doubled[0]} stands there twice",
            allowed="seeds must differ: the same seed twice is the same run twice",
            remedy="Remove one of the two.",
        )
    return tuple(numbers)


def golden_bits() -> str:
    """A few numbers that this version of JAX draws from a fixed key, in hexadecimal: a run goes on with no others."""
    return _golden_bits(bool(jax.config.values["jax_threefry_partitionable"]))


@functools.cache
def _golden_bits(is_partitionable: bool) -> str:
    del is_partitionable  # a setting that changes what is drawn
    key = role(jr.key(20_240_101, impl=IMPLEMENTATION), STEPS)
    bits = jr.bits(of_step(key, 7), (4,), "uint32")
    uniform = jr.uniform(of_step(key, 8), (2,), "float32")
    return np.asarray(bits).tobytes().hex() + np.asarray(uniform).tobytes().hex()


def _folded(key: Key, number: Any) -> Key:
    fold = jr.fold_in
    for _ in range(jnp.ndim(key)):
        fold = jax.vmap(fold, (0, None))
    return fold(key, number)
