"""Axis letters and array aliases.

One alphabet everywhere, always in this order with batch axes first:
`h` stage, `s` state, `a` leader's action, `b` follower's action, `t` follower type, `n` sample or target, `d` feature.

A field or argument may hold a NumPy or a JAX array: `Real["a b"]` is written `Float[AnyArray, "a b"]`.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import jax
import numpy as np
from jaxtyping import Key as KeyArray, PRNGKeyArray


AnyArray: TypeAlias = jax.Array | np.ndarray

Ties: TypeAlias = Literal["leader", "adversary", "uniform"]
"""Who gains when the follower is indifferent: the leader, nobody (the worst for the leader), or chance."""

TIES: tuple[Ties, ...] = ("leader", "adversary", "uniform")

Key: TypeAlias = PRNGKeyArray | KeyArray[jax.Array, "..."]
"""A key of JAX, or an array of them."""
