"""Which policies a world model can make optimal while it is right wherever they go: `zero_loss_equilibria`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from ... import _boundary as boundary
from ..._types import AnyArray
from ...calculus.precision import exact
from ...games.completion import completed
from ...games.decision_process import DecisionProcess
from ...games.model_game import EXAMPLE
from ...games.model_loss import visited


@dataclass(frozen=True, eq=False)
class ZeroLossEquilibria:
    """All deterministic policies, and which of them are the answer to a model without loss.

    - `policies`: `(n, s, a)`.  `slack`: `(n,)`, by how much the policy beats its best deviation in the model that hides
      best, smallest over the states it reaches: it is an equilibrium where that is not negative.
    - `is_equilibrium`: `(n,)`.  `values`: `(n,)`, what each policy is worth in the world, as the process counts.
    """

    policies: Float[np.ndarray, "n s a"]
    slack: Float[np.ndarray, "n"]
    is_equilibrium: Bool[np.ndarray, "n"]
    values: Float[np.ndarray, "n"]

    @property
    def best_value(self) -> float:
        """What the best of the equilibria earns in the world."""
        return float(np.max(self.values[self.is_equilibrium]))

    @property
    def worst_value(self) -> float:
        """What the worst of them earns."""
        return float(np.min(self.values[self.is_equilibrium]))


@exact
def zero_loss_equilibria(process: Any, planning_discount: Any = 0.99, mixing: Any = 0.0) -> ZeroLossEquilibria:
    """Which deterministic policies plan optimally in some model that is right wherever they go in the world.

    A policy is one exactly if in every state s that it reaches, and for every other action a,

        min over s' of r(s, a, s') + γ W(s')  ≤  V(s),

    where V is its value in the world, and W is V where it goes, 0 in terminal states, and elsewhere
    W(s) = max over a of min over s' of r(s, a, s') + γ W(s'): what is never met can be told as badly as rewards allow,
    and no worse. Whether the world is ergodic or without chance plays no part. γ is `planning_discount`.

    - `mixing`: a share in [0, 1] that every row of the world, and so of every model that is believed, spreads evenly
      over all states: the minimum is then over (1 - mixing) × what s' gives + mixing × the mean over s'.

    Raises `InputError` where there are more than 100,000 policies.
    """
    process = boundary.instance("process", process, DecisionProcess, EXAMPLE)
    planning = process.counted(discount=boundary.real_number("planning_discount", planning_discount, low=0.0, high=1.0))
    policies = process.deterministic_policies()
    share = jnp.asarray(boundary.real_number("mixing", mixing, low=0.0, high=1.0))
    slack, values = _of_each(planning, process, jnp.asarray(policies), share)
    return ZeroLossEquilibria(policies, np.asarray(slack), np.asarray(slack) >= -rounding(planning), np.asarray(values))


@eqx.filter_jit
def _of_each(planning: DecisionProcess, process: DecisionProcess, policies: AnyArray, share: AnyArray) -> Any:
    law = jnp.asarray(planning.transition)
    one = lambda policy: (hiding(planning, policy, law, share)[0], process.value(policy))
    return jax.lax.map(one, policies, batch_size=256)


def rounding(planning: DecisionProcess) -> float:
    """A slack as small as this cannot be told from none."""
    most = float(np.max(np.abs(np.asarray(planning.reward))))
    return 1e-10 * (1.0 + most) / (1.0 - planning.discount)


def hiding(
    planning: DecisionProcess,
    policy: Float[AnyArray, "s a"],
    model: Float[AnyArray, "s a s"],
    mixing: Float[AnyArray, ""] | float = 0.0,
) -> tuple[Float[AnyArray, ""], Float[AnyArray, "s a s"]]:
    """The slack of a policy in the model that is `model` where it goes and tells the worst elsewhere, and that model.

    The slack is by how much the policy beats its best deviation. `policy` is deterministic; of `model` only the rows
    count that it meets in it.
    """
    law = jnp.asarray(model)
    met = visited(planning, policy, law)
    reached = jnp.any(met, axis=-1)
    value = planning.values(policy, law)
    unknown = jnp.zeros(planning.shape, dtype=bool)
    worst, values = completed(planning, unknown, "worst", jnp.where(reached, value, jnp.nan), mixing)
    told = jnp.sum(worst * (jnp.asarray(planning.reward) + planning.discount * values), axis=-1)
    margin = jnp.where(jnp.asarray(policy) > 0.0, jnp.inf, value[:, None] - told)
    slack = jnp.min(jnp.where(reached[:, None], margin, jnp.inf))
    return slack, planning.closed(jnp.where(met[..., None], law, worst))
