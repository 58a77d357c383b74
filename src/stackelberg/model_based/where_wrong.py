"""Where a model is wrong, against where a policy goes: `where_wrong`."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from .. import _boundary as boundary
from .._record import Record
from ..calculus.precision import exact
from ..games.decision_process import DecisionProcess
from ..games.model_game import EXAMPLE
from ..games.model_loss import ModelLoss


WHERE = "Where the model is wrong, and where the policy goes"
"""Over pictures of runs."""


@exact
def where_wrong(process: Any, policy: Any, model: Any, loss: Any = None, title: Any = "") -> Record:
    """For each state and action: the share of steps that `policy` spends there in the world, and the loss of that row.

    Returns a record of the kind "model error", to be drawn by `sg.plot`: a model that hides something is wrong exactly
    where the policy does not go. Raises `InputError` on a policy or model that is none of `process`.
    """
    process = boundary.instance("process", process, DecisionProcess, EXAMPLE)
    measure = ModelLoss() if loss is None else boundary.instance("loss", loss, ModelLoss, "sg.ModelLoss()")
    policy, model = process.check_policy(policy), process.check_model(model)
    met = np.asarray(process.visits(policy))
    of_rows = jnp.sum(jnp.asarray(process.transition) * measure.of_rows(process, model), axis=-1)
    live = np.flatnonzero(~np.asarray(process.is_terminal))
    names = [f"{process.states[s]}, {process.actions[a]}" for s in live for a in range(process.shape[1])]
    promised, paid = float(process.value(policy, model)), float(process.value(policy))
    return Record(
        "model error",
        {"visits": (met / met.sum())[live].ravel(), "loss": np.asarray(of_rows)[live].ravel()},
        {
            "names": names,
            "title": boundary.text("title", title) or f"Promised {promised:.4g}, paid {paid:.4g}",
            "visits_label": "where the policy goes (share of steps)",
            "loss_label": "loss of the model there" + (" (nats)" if measure.score != "brier" else ""),
        },
    )
