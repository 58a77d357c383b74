"""What keeps a critic of features within the range of values: at some states and actions, seen together or not."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Bool, Float

from .. import _boundary as boundary
from .._types import AnyArray, Key
from ..games.dataset import Dataset
from .features import AbstractFeatures


MOST_STEPS = 200
HALVINGS = 40

STAGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Of the stiffness, where the search begins from nothing."""


class Fence(eqx.Module):
    """Values that are kept in range.

    - `rows`: `(h, w)`, features of states and actions.
    - `stiffness`: μ, of their mean squared distance from the range.
    """

    rows: Float[AnyArray, "h w"]
    stiffness: Float[AnyArray, ""] | float

    def solve(
        self,
        matrix: Float[AnyArray, "w w"],
        sides: Float[AnyArray, "w k"],
        held: Float[AnyArray, "h"],
        part: Any = 1.0,
    ) -> Float[AnyArray, "w k"]:
        """Weights where the values that are not NaN in `held` are pulled there, by a part of the stiffness.

        The first of the sides feels the pull.
        """
        stiff, pull = self.curved(held, part)
        pulled = jnp.asarray(sides).at[:, 0].add(pull)
        return jax.scipy.linalg.solve(matrix + stiff, pulled, assume_a="pos")

    def curved(
        self, held: Float[AnyArray, "h"], part: Any = 1.0
    ) -> tuple[Float[AnyArray, "w w"], Float[AnyArray, "w"]]:
        """What the values that are held add to half the curvature, and how they pull."""
        out, share = self._out(held), self._share(part)
        return share * out.T @ out, share * out.T @ jnp.nan_to_num(held)

    def penalty(self, omega: Float[AnyArray, "w"], held: Float[AnyArray, "h"]) -> Float[AnyArray, ""]:
        """What the values that are held cost."""
        return self._share(1.0) * jnp.sum((self._out(held) @ omega - jnp.nan_to_num(held)) ** 2)

    def settled(
        self, matrix: Float[AnyArray, "w w"], side: Float[AnyArray, "w"], top: Any, held: Float[AnyArray, "h"]
    ) -> tuple[Float[AnyArray, "h"], Bool[AnyArray, ""]]:
        """Which values are held where ω' M ω - 2 b'ω and the fence's penalty are least together; whether it is known.

        Newton's method with an exact search along each step: the function is convex, smooth and quadratic in pieces.
        Where nothing is held at first, the fence is stiffened in stages, which takes a third of the steps.
        """
        rows, side = jnp.asarray(self.rows), jnp.asarray(side)

        def outside(omega):
            values = rows @ omega
            return jnp.where(values < 0.0, 0.0, jnp.where(values > top, top, jnp.nan))

        def step(state):
            omega, held, stage, _, count = state
            part = jnp.asarray(STAGES)[stage]
            along = self.solve(matrix, side[:, None], held, part)[:, 0] - omega
            values, rates = rows @ omega, rows @ along
            flat, curved = along @ (matrix @ omega - side), along @ (matrix @ along)

            def halved(_, ends):
                low, high = ends
                middle = 0.5 * (low + high)
                off = values + middle * rates
                slope = flat + middle * curved + self._share(part) * rates @ (off - jnp.clip(off, 0.0, top))
                return jnp.where(slope < 0.0, middle, low), jnp.where(slope < 0.0, high, middle)

            far = jax.lax.fori_loop(0, HALVINGS, halved, (0.0 * flat, 1.0 + 0.0 * flat))[1]
            now = outside(omega + far * along)
            same = jnp.all((now == held) | (jnp.isnan(now) & jnp.isnan(held)))
            # Values that stand at a bound may be told in or out by rounding.
            rests = same | (jnp.max(jnp.abs(far * rates)) < 1e-9 * top)
            last = stage == len(STAGES) - 1
            return omega + far * along, now, jnp.where(rests & ~last, stage + 1, stage), ~(rests & last), count + 1

        cold = jnp.all(jnp.isnan(held))
        omega = self.solve(matrix, side[:, None], held)[:, 0]
        stage = jnp.where(cold, 0, len(STAGES) - 1)
        start = (omega, outside(omega), stage, jnp.asarray(True), jnp.asarray(0))
        _, found, _, moves, _ = jax.lax.while_loop(lambda state: state[3] & (state[4] < MOST_STEPS), step, start)
        return found, ~moves

    def _out(self, held: Float[AnyArray, "h"]) -> Float[AnyArray, "h w"]:
        return jnp.where(jnp.isnan(held)[:, None], 0.0, jnp.asarray(self.rows))

    def _share(self, part: Any) -> Any:
        return part * self.stiffness / self.rows.shape[0]


def fence_for(
    data: Dataset, critic: AbstractFeatures, *, num_rows: Any = 1_000, stiffness: Any = 0.1, key: Key
) -> Fence:
    """A fence at observations of a log, those that it leads to among them.

    With each goes every action, or where actions are continuous one drawn evenly from [-1, 1]: a critic is asked about
    actions that the log has not tried, and is to be in range there too.

    - `num_rows`: in all.
    """
    most = boundary.whole_number("num_rows", num_rows, low=1)
    of_rows, of_actions = jr.split(key)
    seen = np.concatenate([data.observation, data.next_observation])
    count = min(len(seen), max(1, most // max(data.num_actions, 1)))
    picked = seen[np.asarray(jr.choice(of_rows, len(seen), (count,), replace=False))]
    if data.num_actions:
        actions = np.tile(np.arange(data.num_actions, dtype=float), count)[:, None]
        picked = np.repeat(picked, data.num_actions, axis=0)
    else:
        actions = np.asarray(jr.uniform(of_actions, (count, data.action.shape[1]), minval=-1.0))
    pull = boundary.real_number("stiffness", stiffness, low=0.0, low_open=True)
    return Fence(np.asarray(critic.taken(picked, actions)), pull)
