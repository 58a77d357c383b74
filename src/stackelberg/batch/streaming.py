"""Averages of a log that is too long for a row of features each: features are made again, portion by portion.

What a policy changes in the critic's problem is G's part Zᵀ Φ'(π) / n and the start c(π). Kept whole, Z is `(n, m)` and
Φ' `(n, d)`, and so is what reverse-mode derivatives remember. Here a scan goes over portions of rows, makes both,
adds up their product and forgets them; derivatives make them once more (`jax.checkpoint`). A step takes time linear in
n, and beside the log itself memory for one portion: O(m d + portion × (m + d)).
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .._types import AnyArray
from ..rl.batch_policy import AbstractBatchPolicy
from .features import AbstractFeatures


PORTION = 4_096
"""Rows whose features are held at once within a compiled step."""

LARGE = 20_000_000
"""Entries of Z beyond which rows are streamed (160 MB); up to it they are kept, which is quicker."""


class Streamed(eqx.Module):
    """What Zᵀ is made from again, row by row: it stands where `Moments.reach` would hold Zᵀ.

    - `observation`, `action`: `(n, d)`, `(n, k)`, of the log.  `share`: `(n,)`, γ (1 - terminal) / n.
    - `tests`: the features Z.
    - `portion`: rows at once.
    """

    observation: Float[AnyArray, "n d"]
    action: Float[AnyArray, "n k"]
    share: Float[AnyArray, "n"]
    tests: AbstractFeatures
    portion: int = eqx.field(static=True, default=PORTION)

    def onwards(
        self,
        critic: AbstractFeatures,
        then: Float[AnyArray, "n d"],
        policy: AbstractBatchPolicy,
        noise: Float[AnyArray, "q n p"] | None,
    ) -> Float[AnyArray, "m w"]:
        """γ Zᵀ (1 - terminal) Φ' / n under a policy."""

        def part(rows):
            seen, done, share, ahead, drawn = rows
            by = jnp.asarray(self.tests.taken(seen, done)) * share[:, None]
            return by.T @ critic.averaged(ahead, policy, drawn)

        rows = (self.observation, self.action, self.share, then, _rows_first(noise))
        return summed(lambda one: part((*one[:4], _draws_first(one[4]))), rows, self.portion)


def mean_features(
    critic: AbstractFeatures,
    rows: Float[AnyArray, "k d"],
    share: Float[AnyArray, "k"],
    policy: AbstractBatchPolicy,
    noise: Float[AnyArray, "q k p"] | None,
    portion: int = PORTION,
) -> Float[AnyArray, "w"]:
    """The mean of Φ(row, π), weighted by `share`."""
    part = lambda one: one[1] @ critic.averaged(one[0], policy, _draws_first(one[2]))
    return summed(part, (rows, share, _rows_first(noise)), portion)


def summed(part: Any, rows: Any, portion: int) -> AnyArray:
    """The sum of `part` over portions of rows, all of one size; the rows that are left over are a smaller one."""
    rows = jax.tree.map(jnp.asarray, rows)
    count = jax.tree.leaves(rows)[0].shape[0]
    whole = count // portion
    # Portions are cut out where they are used: to reshape the rows would copy them.
    at = lambda turn: jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, turn * portion, portion), rows)
    remade = jax.checkpoint(lambda turn: part(at(turn)))
    rest = lambda: jax.checkpoint(part)(jax.tree.map(lambda leaf: leaf[whole * portion :], rows))
    if not whole:
        return rest()
    first = jax.eval_shape(remade, 0)
    total, _ = jax.lax.scan(
        lambda so_far, turn: (so_far + remade(turn), None), jnp.zeros(first.shape, first.dtype), jnp.arange(whole)
    )
    return total + rest() if whole * portion < count else total


def streamed_sums(
    data: Any,
    critic: AbstractFeatures,
    tests: AbstractFeatures,
    paid: Float[np.ndarray, "n"],
    discount: float,
    chunk: int,
) -> tuple[AnyArray, AnyArray, Streamed, AnyArray]:
    """Zᵀ r / n, Zᵀ Φ / n, what Zᵀ is made from, and the next observations."""
    sums, products = np.zeros(tests.size), np.zeros((tests.size, critic.size))
    for begin in range(0, len(data), chunk):
        part = slice(begin, begin + chunk)
        by = np.asarray(tests.taken(data.observation[part], data.action[part]))
        sums = sums + by.T @ paid[part] / len(data)
        products = products + by.T @ np.asarray(critic.taken(data.observation[part], data.action[part])) / len(data)
    share = ~data.terminal * discount / len(data)
    return sums, products, Streamed(data.observation, data.action, share, tests), data.next_observation


def _rows_first(noise: AnyArray | None) -> AnyArray | None:
    return None if noise is None else jnp.moveaxis(jnp.asarray(noise), 0, 1)


def _draws_first(noise: AnyArray | None) -> AnyArray | None:
    return None if noise is None else jnp.moveaxis(noise, 1, 0)
