"""How far a world model is from the world, where a policy goes: `ModelLoss`."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from .. import _boundary as boundary
from .._types import AnyArray
from ..calculus.precision import exact
from ..calculus.simplex import logarithm
from .decision_process import DecisionProcess


Score: TypeAlias = Literal["divergence", "likelihood", "brier"]
Average: TypeAlias = Literal["step", "episode"]

IMPOSSIBLE = 1e-300
"""What a model that rules out what happens is taken to give it, so that its loss is large (691 nats) and finite."""


class ModelLoss(eqx.Module):
    """The expected loss of a world model on what a policy meets in the world.

    - `score`: of one predicted row q when s' happens: "divergence", log P(s') - log q(s'), whose mean is the
      Kullback-Leibler divergence; "likelihood", -log q(s'); "brier", Σ (q - 1{s'})².
    - `average`: "step", over the (discounted) weight of all steps of the horizon, as normalised occupancies weigh;
      or "episode", the mean over an episode's own steps and then over episodes, for which a horizon is needed.

    Divided by each episode's own length, rows that are met in short episodes weigh more than they are met, so that the
    best row is no longer the world's: only "step" is a proper score of each row.
    """

    score: Score = eqx.field(static=True)
    average: Average = eqx.field(static=True)

    def __init__(self, score: Any = "divergence", average: Any = "step") -> None:
        self.score = boundary.one_of("score", score, ("divergence", "likelihood", "brier"))  # type: ignore[assignment]
        self.average = boundary.one_of("average", average, ("step", "episode"))  # type: ignore[assignment]

    def check_process(self, process: DecisionProcess) -> None:
        """`InputError` where episodes are averaged and have no end."""
        if self.average == "episode":
            process.check_ends("average")

    @exact
    def of_rows(self, process: DecisionProcess, model: Float[AnyArray, "s a s"]) -> Float[AnyArray, "s a s"]:
        """The score of each row of `model` when the state of the last axis comes next."""
        model = jnp.asarray(model)
        if self.score == "brier":
            return 1.0 - 2.0 * model + jnp.sum(model**2, axis=-1, keepdims=True)
        told = -logarithm(jnp.maximum(model, IMPOSSIBLE))
        if self.score == "likelihood":
            return told
        return told + logarithm(jnp.maximum(jnp.asarray(process.transition), IMPOSSIBLE))

    @exact
    def weights(self, process: DecisionProcess, policy: Float[AnyArray, "s a"]) -> Float[AnyArray, "s a s"]:
        """How much each transition counts under `policy`: the loss is the sum of weight × score."""
        if self.average == "step":
            return process.occupancy(policy)[..., None] * jnp.asarray(process.transition)
        return _by_episode(process, jnp.asarray(policy))

    @exact
    def value(
        self, process: DecisionProcess, policy: Float[AnyArray, "s a"], model: Float[AnyArray, "s a s"]
    ) -> Float[AnyArray, ""]:
        """The loss of `model` where `policy` goes."""
        weights = self.weights(process, policy)
        return jnp.sum(jnp.where(weights > 0.0, weights * self.of_rows(process, model), 0.0))

    @exact
    def fitted(
        self, process: DecisionProcess, policy: Float[AnyArray, "s a"], elsewhere: Float[AnyArray, "s a s"]
    ) -> Float[AnyArray, "s a s"]:
        """The model of least loss: the mean of what is met in each row, and `elsewhere` where the policy never goes."""
        weights = self.weights(process, policy)
        total = jnp.sum(weights, axis=-1, keepdims=True)
        return jnp.where(total > 0.0, weights / jnp.where(total > 0.0, total, 1.0), elsewhere)


def visited(
    process: DecisionProcess, policy: Float[AnyArray, "s a"], model: Float[AnyArray, "s a s"] | None = None
) -> Bool[AnyArray, "s a"]:
    """The states and actions that `policy` can ever meet, in the world or in a `model`: reachability, not rounding."""
    taken = jnp.asarray(policy) > 0.0
    possible = jnp.asarray(process.transition if model is None else model) > 0.0
    leads = jnp.any(taken[:, :, None] & possible, axis=1)
    spread = lambda _, reached: reached | jnp.any(reached[:, None] & leads, axis=0)
    reached = jax.lax.fori_loop(0, leads.shape[0], spread, jnp.asarray(process.initial) > 0.0)
    return (reached & ~jnp.asarray(process.is_terminal))[:, None] & taken


def _by_episode(process: DecisionProcess, policy: Float[AnyArray, "s a"]) -> Float[AnyArray, "s a s"]:
    """E[(1 / length) × number of times that each transition is met], episodes being cut at the horizon.

    From each state the law of the number of steps that are still to come is carried backward; a transition at step t
    after which k more steps come belongs to an episode of t + 1 + k steps.
    """
    horizon = process.check_ends("average")
    law, terminal = jnp.asarray(process.transition), jnp.asarray(process.is_terminal)
    onwards = jnp.einsum("sa,sat->st", policy, law)
    at_once = terminal.astype(law.dtype)

    def longer(still, _):
        return jnp.where(terminal, 0.0, onwards @ still), still

    # ends_after[k, s]: the probability that exactly k more steps come, were there no horizon.
    _, ends_after = jax.lax.scan(longer, at_once, length=horizon)
    steps = jnp.arange(horizon)

    def step(now, t):
        lengths = t + 1 + steps
        within = lengths < horizon
        early = jnp.sum(jnp.where(within, 1.0 / lengths, 0.0)[:, None] * ends_after, axis=0)
        late = (1.0 - jnp.sum(jnp.where(within[:, None], ends_after, 0.0), axis=0)) / horizon
        meets = jnp.where(terminal, 0.0, now)[:, None, None] * policy[:, :, None] * law * (early + late)
        return now @ onwards, meets

    _, met = jax.lax.scan(step, jnp.asarray(process.initial), steps)
    return jnp.sum(met, axis=0)
