"""The best world model to announce, by going through all answers to it: `FollowerClasses`."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ... import _boundary as boundary
from ..._record import Solution
from ..._types import AnyArray
from ...calculus.precision import exact
from ...games.model_game import ModelAsLeader
from ..base import AbstractSolver
from ..certified import certified
from .zero_loss import hiding, rounding


Selection: TypeAlias = Literal["best", "worst", "first"]


class FollowerClasses(AbstractSolver[ModelAsLeader]):
    """The model of least loss, over all deterministic policies that may answer it.

    - `selection`: which of equally good models is announced: the one whose answer earns the most in the world ("best"),
      the least ("worst"), or the first of the enumeration. The leader is paid for its loss alone and does not care;
      what the world pays may depend on nothing else.

    For each policy the model that fits it best is completed by the worst that rewards allow. If the policy plans
    optimally there, the loss of its class is that of the fit, and otherwise no less; so the smallest loss is proven
    when no class that fails could be smaller. At most 100,000 policies.
    """

    selection: Selection = eqx.field(static=True)

    def __init__(self, selection: Any = "worst") -> None:
        self.selection = boundary.one_of("selection", selection, ("best", "worst", "first"))  # type: ignore[assignment]

    def __call__(self, game: ModelAsLeader) -> Solution:
        """The model, the policy that answers it, and the bound."""
        loss, slack, models, policies, worth = (np.asarray(part) for part in _classes(game))
        holds = slack >= -rounding(game.planning)
        least = float(np.min(loss[holds])) if holds.any() else float("inf")
        close = np.flatnonzero(holds & (loss <= least + 1e-12 * (1.0 + abs(least))))
        order = {"best": -worth[close], "worst": worth[close], "first": np.arange(len(close))}[self.selection]
        chosen = int(close[np.argmin(order)])
        return certified(
            game,
            models[chosen],
            policies[chosen],
            upper=0.0 - float(np.min(loss)),
            tolerance=1e-9,
            rounding=1e-9,
            solver="FollowerClasses",
            proof="every deterministic answer gone through; no model fits any of them better",
            notes=(
                f"In the world the answering policy earns {worth[chosen]:.10g}; models of the same loss make policies "
                f"optimal that earn from {worth[close].min():.10g} to {worth[close].max():.10g}.",
            ),
            statistics={"policies": len(policies), "implementable": int(holds.sum()), "equally good": len(close)},
        )


@exact
def _classes(game: ModelAsLeader) -> tuple[Any, ...]:
    """Of each policy: the loss of its best fit, the slack there, the completed model, itself, and its true return."""
    return _of_each(game, jnp.asarray(game.process.deterministic_policies()))


@eqx.filter_jit
def _of_each(game: ModelAsLeader, policies: AnyArray) -> tuple[Any, ...]:
    process, planning = game.process, game.planning

    def one(policy):
        fitted = game.loss.fitted(process, policy, jnp.asarray(process.transition))
        slack, model = hiding(planning, policy, fitted)
        return game.loss.value(process, policy, model), slack, model, policy, process.value(policy)

    return jax.lax.map(one, policies, batch_size=256)
