"""A log that grows inside compiled code: full size from the start, written row by row."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Float, Int

from .._types import AnyArray


class Log(eqx.Module):
    """Announcements and the answers to each; rows from `size` on are 0 and count for nothing.

    - `commitment`: `(n, a)`.  `counts`: `(n, b)`.  `size`: how many rows are written.
    """

    commitment: Float[AnyArray, "n a"]
    counts: Float[AnyArray, "n b"]
    size: Int[AnyArray, ""]

    @classmethod
    def empty(cls, capacity: int, num_rows: int, num_columns: int) -> Log:
        """Room for `capacity` announcements."""
        return cls(jnp.zeros((capacity, num_rows)), jnp.zeros((capacity, num_columns)), jnp.int32(0))

    def add(self, commitment: Float[AnyArray, "a"], counts: Float[AnyArray, "b"]) -> Log:
        """One row more. A log that is full makes the row NaN, so that the run stops there and says so."""
        capacity = self.commitment.shape[0]
        is_full = self.size >= capacity
        place = jnp.minimum(self.size, capacity - 1)
        row = jnp.where(is_full, jnp.nan, counts)
        announced = jnp.asarray(self.commitment).at[place].set(commitment)
        return Log(announced, jnp.asarray(self.counts).at[place].set(row), self.size + 1)
