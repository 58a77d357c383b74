"""World models that are right where they are known and lead where one wants them to everywhere else."""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from .._types import AnyArray
from ..calculus.precision import exact
from ..calculus.stationary import iterated_values
from .decision_process import DecisionProcess


@exact
def completed(
    process: DecisionProcess,
    known: Bool[AnyArray, "s a"],
    toward: Literal["best", "worst"],
    fixed: Float[AnyArray, "s"] | None = None,
    mixing: Float[AnyArray, ""] | float = 0.0,
) -> tuple[Float[AnyArray, "s a s"], Float[AnyArray, "s"]]:
    """The model that leads every row which is not `known` to the state of the highest (or lowest) value to a planner.

    The planner maximises, the completion helps it ("best": optimism, in the manner of R-max) or hinders it ("worst":
    pessimism, in the manner of MOReL): W(s) = max over a of r + γ P W where the row is known, and of max (or min) over
    s' of r(s, a, s') + γ W(s') where it is not. Returns the model and W.

    - `process`: without a horizon; its discount is the planner's.
    - `fixed`: values `(s,)` of states that are not to be planned for, and NaN elsewhere. Terminal states are worth 0.
    - `mixing`: a share that every row is known to spread evenly over all states; only the rest leads where it likes.
    """
    law, paid = jnp.asarray(process.transition), jnp.asarray(process.reward)
    terminal, known = jnp.asarray(process.is_terminal), jnp.asarray(known)
    held = jnp.full(terminal.shape, jnp.nan) if fixed is None else jnp.asarray(fixed)
    held = jnp.where(terminal, 0.0, held)
    extreme, place = (jnp.max, jnp.argmax) if toward == "best" else (jnp.min, jnp.argmin)

    def action_values(value):
        each = paid + process.discount * value
        each = (1.0 - mixing) * each + mixing * jnp.mean(each, axis=-1, keepdims=True)
        told = jnp.sum(law * (paid + process.discount * value), axis=-1)
        return jnp.where(known, told, extreme(each, axis=-1)), each

    def sweep(value):
        return jnp.where(jnp.isnan(held), jnp.max(action_values(value)[0], axis=-1), held)

    value, _ = iterated_values(sweep, terminal.shape[0], paid.dtype)
    _, each = action_values(value)
    leads = jax.nn.one_hot(place(each, axis=-1), terminal.shape[0], dtype=law.dtype)
    leads = (1.0 - mixing) * leads + mixing / terminal.shape[0]
    return process.closed(jnp.where(known[..., None], law, leads)), value
