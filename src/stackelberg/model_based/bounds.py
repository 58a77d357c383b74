"""What a model's loss proves about a policy's return: the simulation lemma and what follows from it.

All for processes without a horizon. μ is the normalised discounted occupancy, losses are divergences in nats, R is the
largest absolute reward, and C = √2 g R / (1 - γ)², where g is γ if rewards depend on state and action alone, and 1 if
they depend on the next state too.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jaxtyping import Float

from .._types import AnyArray
from ..calculus.precision import exact
from ..games.decision_process import DecisionProcess


def constant(process: DecisionProcess, by_next_state: bool = True) -> Float[AnyArray, ""]:
    """C. `by_next_state`: whether rewards depend on it."""
    most, discount = jnp.max(jnp.abs(jnp.asarray(process.reward))), jnp.asarray(process.discount)
    return jnp.sqrt(2.0) * (1.0 if by_next_state else discount) * most / (1.0 - discount) ** 2


@exact
def simulation_bound(process: DecisionProcess, loss: Any, by_next_state: bool = True) -> Float[AnyArray, ""]:
    """|return in the world - return in the model| ≤ C √loss, for a policy and the loss of the model where it goes.

    Kearns and Singh (2002) by telescoping, ‖P - P̂‖₁ ≤ √(2 KL), and Jensen.
    """
    return constant(process, by_next_state) * _root(loss)


@exact
def policy_leader_bound(
    process: DecisionProcess, short: Any, loss: Any, by_next_state: bool = True
) -> Float[AnyArray, ""]:
    """Policy-as-leader: regret ≤ short + 2 C √loss.

    - `short`: by how much the policy's promise falls short of the best one.  `loss`: the most that any of the fitted
      models has where its own policy goes.

    The study prints the constant 4 γ R / (1 - γ)², which holds for rewards of state and action (2 √2 would do), and
    fails for its own kind of rewards at small γ: `printed_policy_leader_bound`.
    """
    return jnp.asarray(short) + 2.0 * constant(process, by_next_state) * _root(loss)


@exact
def printed_policy_leader_bound(process: DecisionProcess, short: Any, loss: Any) -> Float[AnyArray, ""]:
    """short + 4 γ R √loss / (1 - γ)², as the study prints it: false where rewards depend on the next state."""
    return jnp.asarray(short) + 2.0 * jnp.sqrt(2.0) * constant(process, False) * _root(loss)


@exact
def model_leader_bound(
    process: DecisionProcess, short: Any, loss: Any, distance: Any, by_next_state: bool = True
) -> Float[AnyArray, ""]:
    """Model-as-leader: regret ≤ short + C √loss + 2 R / (1 - γ) × distance (Rajeswaran et al., 2020, Theorem 1).

    - `distance`: the total variation between the occupancies of the best policy in the world and in the model. Nothing
      that model-as-leader minimises controls it.
    """
    most = jnp.max(jnp.abs(jnp.asarray(process.reward)))
    rest = 2.0 * most / (1.0 - jnp.asarray(process.discount)) * jnp.asarray(distance)
    return jnp.asarray(short) + simulation_bound(process, loss, by_next_state) + rest


@exact
def noise_bound(
    process: DecisionProcess, short: Any, loss: Any, own: Any, ratio: Any, by_next_state: bool = True
) -> Float[AnyArray, ""]:
    """With a share of the data from another policy: regret ≤ short + C √(loss / own) + C √(ratio × loss / (1 - own)).

    - `loss`: own × the loss where the policy goes + (1 - own) × the loss where the other one goes.
    - `ratio`: the largest quotient of the best policy's occupancy and the other one's.

    Ours: the simulation lemma at the policy, and at the best policy, whose loss is at most ratio × that on the noise.
    """
    each = _root(jnp.asarray(loss) / own) + _root(ratio * jnp.asarray(loss) / (1.0 - own))
    return jnp.asarray(short) + constant(process, by_next_state) * each


@exact
def promised_reward_bound(process: DecisionProcess, weight: Any, by_next_state: bool = True) -> Float[AnyArray, ""]:
    """A model paid weight × -loss + (1 - weight) × its promise, no worse than the truth: regret ≤ C² (1 - w) / (4 w).

    Ours: the promise is then at least the best value plus w / (1 - w) × loss; by the simulation lemma the regret is at
    most C √loss - w / (1 - w) × loss, the largest of which over all losses is this. It vanishes only as w → 1.
    """
    share = jnp.asarray(weight)
    return constant(process, by_next_state) ** 2 * (1.0 - share) / (4.0 * share)


def _root(loss: Any) -> Float[AnyArray, ""]:
    """A loss of 0 may come out below by rounding."""
    return jnp.sqrt(jnp.maximum(jnp.asarray(loss), 0.0))
