"""Where model-as-leader comes to rest when both players answer each other exactly: `repeated_fits`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from .. import _boundary as boundary
from .._types import AnyArray
from ..calculus.precision import exact
from ..games.decision_process import DecisionProcess, first_best
from ..games.model_game import EXAMPLE
from ..games.model_loss import visited


@dataclass(frozen=True, eq=False)
class FixedPoints:
    """Where each first model leads.

    - `models`: `(n, s, a, s)`, the last ones.  `policies`: `(n, s, a)`, their best responses.
    - `promised`: `(n,)`, what the policy earns in the last model; `values`: what it earns in the world, both as the
      process counts.
    - `rounds`: `(n,)`, how often the model was fitted.  `rows_learned`: how many rows were ever met.
    """

    models: Float[np.ndarray, "n s a s"]
    policies: Float[np.ndarray, "n s a"]
    promised: Float[np.ndarray, "n"]
    values: Float[np.ndarray, "n"]
    rounds: Int[np.ndarray, "n"]
    rows_learned: Int[np.ndarray, "n"]


def repeated_fits(process: Any, models: Any, planning_discount: Any = 0.99) -> FixedPoints:
    """Model-as-leader with exact players: plan in the model, make right what the plan meets, until nothing changes.

    - `models`: first models, `(n, s, a, s)` or one `(s, a, s)`.
    - `planning_discount`: of the planner, who has no horizon and takes the first of tied actions.

    What was once met stays known, so that it comes to rest after at most as many rounds as there are states and
    actions, at a model without loss on its own policy. Raises `InputError` on models that are no laws.
    """
    process = boundary.instance("process", process, DecisionProcess, EXAMPLE)
    discount = boundary.real_number("planning_discount", planning_discount, low=0.0, high=1.0)
    first = np.asarray(boundary.real_array("models", models))
    first = first[None] if first.ndim == 3 else first
    num_states, num_actions = process.shape
    first = boundary.distribution("models", first, axes=("n", num_states, num_actions, num_states))
    return FixedPoints(*(np.asarray(part) for part in _rest(process, first, discount)))


@exact
def _rest(process: DecisionProcess, first: Any, discount: float) -> tuple[Any, ...]:
    return _of_each(process, jnp.asarray(first), jnp.asarray(discount))


@eqx.filter_jit
def _of_each(process: DecisionProcess, models: AnyArray, discount: AnyArray) -> tuple[Any, ...]:
    return jax.lax.map(lambda model: _one(process, model, discount), models, batch_size=512)


def _one(process: DecisionProcess, model: Float[AnyArray, "s a s"], discount: AnyArray) -> tuple[AnyArray, ...]:
    truth = jnp.asarray(process.transition)

    def plan(known):
        told = process.closed(jnp.where(known[..., None], truth, model))
        return first_best(process.expected_reward(told), told, discount)

    def goes_on(carry):
        return carry[2]

    def fit(carry):
        known, rounds, _ = carry
        met = visited(process, plan(known))
        return known | met, rounds + jnp.any(met & ~known), jnp.any(met & ~known)

    nothing = jnp.zeros(process.shape, dtype=bool)
    known, rounds, _ = jax.lax.while_loop(goes_on, fit, (nothing, jnp.asarray(0), jnp.asarray(True)))
    last = process.closed(jnp.where(known[..., None], truth, model))
    policy = plan(known)
    return last, policy, process.value(policy, last), process.value(policy), rounds, jnp.sum(known)


def random_models(process: Any, number: Any, seed: Any = 0, concentration: Any = 1.0) -> Float[np.ndarray, "n s a s"]:
    """World models whose rows are drawn from a symmetric Dirichlet law; terminal states keep still.

    Raises `InputError` on a number below 1 or a concentration that is not positive.
    """
    process = boundary.instance("process", process, DecisionProcess, EXAMPLE)
    size = boundary.whole_number("number", number, low=1)
    weight = boundary.real_number("concentration", concentration, low=0.0, low_open=True)
    num_states, num_actions = process.shape
    generator = np.random.Generator(np.random.Philox(boundary.whole_number("seed", seed, low=0)))
    drawn = generator.dirichlet(np.full(num_states, weight), (size, num_states, num_actions))
    return np.asarray(process.closed(drawn))
