"""What a model promises, what the world pays, and where the model is wrong: `WorldTruth`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._learner import AbstractLearner, AbstractMonitor, Metrics
from .._record import Certificate
from .._runs import Metric
from .._types import AnyArray, Key
from ..games.decision_process import DecisionProcess
from ..games.model_game import EXAMPLE
from ..games.model_loss import ModelLoss
from .counting import CountingModel, Moved


class WorldTruth(AbstractMonitor):
    """The policy's return in its model and in the world, and the model's loss where the policy goes and where it began.

    - `process`: the world; that of the learner when left out, solved once.  `loss`: of the model.

    A model that is right where its policy goes, and wrong where data first came from, hides something: "hiding" is the
    loss on the occupancy of uniform play less the loss on that of the policy.
    """

    process: DecisionProcess | None
    loss: ModelLoss
    best_value: float

    def __init__(self, process: Any = None, loss: Any = None) -> None:
        self.process = None if process is None else boundary.instance("process", process, DecisionProcess, EXAMPLE)
        self.loss = ModelLoss() if loss is None else boundary.instance("loss", loss, ModelLoss, "sg.ModelLoss()")
        self.best_value = 0.0 if self.process is None else float(self.process.optimal_value())

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """What is measured."""
        return {
            "true_value": Metric("return in the world", "reward", "leader", "higher"),
            "promised_value": Metric("return in the model", "reward", "leader", "higher"),
            "gap": Metric("promised less true return", "reward", "leader", "lower"),
            "suboptimality": Metric("short of the best policy", "reward", "leader", "lower"),
            "loss_current": Metric("loss of the model where the policy goes", "", "follower", "lower"),
            "loss_initial": Metric("loss of the model under uniform play", "", "follower", "lower"),
            "hiding": Metric("loss under uniform play less loss where the policy goes", "", "follower"),
        }

    def attached(self, learner: AbstractLearner) -> WorldTruth:
        """The monitor for this learner: its world."""
        if self.process is not None:
            return self
        if not isinstance(learner, CountingModel):
            raise InputError(
                boundary.INCONSISTENT,
                "monitor.process",
                found=f"it was left out, and a {type(learner).__name__} has no world of finitely many states",
                allowed="a world is needed to know the truth",
                remedy=f"Give one: sg.WorldTruth({EXAMPLE}).",
            )
        return WorldTruth(learner.process, self.loss)

    def certificate(self) -> Certificate | None:
        """Values are exact; nothing else was proved."""
        return None

    def __call__(self, commitment: Float[AnyArray, "s a"], batch: Moved, key: Key) -> Metrics:
        """Of the policy and the model with which the last step was made."""
        del key, commitment
        assert self.process is not None
        process, policy, model = self.process, batch.policy, batch.model
        uniform = jnp.full(process.shape, 1.0 / process.shape[1])
        value, promised = process.value(policy), process.value(policy, model)
        here, there = (self.loss.value(process, one, model) for one in (policy, uniform))
        return {
            "true_value": value,
            "promised_value": promised,
            "gap": promised - value,
            "suboptimality": jnp.asarray(self.best_value) - value,
            "loss_current": here,
            "loss_initial": there,
            "hiding": there - here,
        }


def steps_until_best(
    suboptimality: Float[np.ndarray, "t *batch"], tolerance: float = 1e-6
) -> Float[np.ndarray, "*batch"]:
    """After how many steps the policy is best for good, or infinity. Entry t was measured before step t."""
    is_short = np.asarray(suboptimality) > tolerance
    last = is_short.shape[0] - np.argmax(is_short[::-1], axis=0)
    reached = np.where(is_short.any(axis=0), last, 0)
    return np.where(is_short[-1], np.inf, reached.astype(float))
