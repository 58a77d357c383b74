"""Model-based reinforcement learning as a game: either of policy and world model commits, and the other answers.

ModelAsLeader    announces a world model and is paid for being right where the answering policy goes (MAL)
PolicyAsLeader   announces a policy and is paid its value in the model that is fitted to where it goes (PAL)
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._types import AnyArray, Ties
from ..calculus.precision import exact
from .base import AbstractGame, AbstractProblem
from .completion import completed
from .decision_process import DecisionProcess
from .discounted import Discounted
from .model_loss import ModelLoss, visited


EXAMPLE = 'sg.decision_process("simple-2")'


class ModelAsLeader(AbstractGame):
    """The model commits, the policy responds by planning in it: MAL (Rajeswaran et al., 2020, Section 4).

    - `process`: the world, which the policy does not see.
    - `loss`: of the model, on what the policy meets in the world.
    - `planning_discount`: of the policy that plans, without a horizon; the process's own when left out and below 1,
      and otherwise 0.99.

    A commitment is a model `(s, a, s)`, a response a policy `(s, a)`. The leader's value is minus the loss; the
    follower's is its return *in the model*. Ties of the follower are judged by the loss, discounted as it plans.
    """

    process: DecisionProcess
    loss: ModelLoss
    planning_discount: float

    def __init__(self, process: Any, loss: Any = None, planning_discount: Any = None) -> None:
        self.process = boundary.instance("process", process, DecisionProcess, EXAMPLE)
        self.loss = ModelLoss() if loss is None else boundary.instance("loss", loss, ModelLoss, "sg.ModelLoss()")
        self.loss.check_process(self.process)
        if planning_discount is None:
            own = self.process.discount
            planning_discount = own if self.process.horizon is None else 0.99
        self.planning_discount = boundary.real_number("planning_discount", planning_discount, low=0.0, high=1.0)

    @property
    def planning(self) -> DecisionProcess:
        """The process as the follower counts its rewards: without a horizon."""
        return self.process.counted(discount=self.planning_discount)

    @exact
    def induce(self, commitment: Float[AnyArray, "s a s"]) -> Discounted:
        """What a policy faces that believes the model."""
        process = self.process
        losses = jnp.sum(jnp.asarray(process.transition) * self.loss.of_rows(process, commitment), axis=-1)
        losses = jnp.where(jnp.asarray(process.is_terminal)[:, None], 0.0, losses)
        span = jnp.max(jnp.asarray(process.reward)) - jnp.min(jnp.asarray(process.reward))
        return Discounted(
            process.expected_reward(commitment),
            -(1.0 - self.planning_discount) * losses,
            commitment,
            process.initial,
            self.planning_discount,
            self.planning_discount,
            span,
            process.transition,
        )

    @exact
    def leader_value(
        self, commitment: Float[AnyArray, "s a s"], response: Float[AnyArray, "s a"]
    ) -> Float[AnyArray, ""]:
        """Minus the loss of the model where the policy goes in the world."""
        return jnp.asarray(0.0 - self.loss.value(self.process, response, commitment))

    def check_commitment(self, commitment: object) -> Float[AnyArray, "s a s"]:
        """A world model; terminal states are made to keep still."""
        return self.process.check_model(commitment)

    def uniform_commitment(self) -> Float[AnyArray, "s a s"]:
        """Every state comes next with the same probability."""
        num_states, num_actions = self.process.shape
        return self.process.check_model(np.full((num_states, num_actions, num_states), 1.0 / num_states))


class ModelFit(AbstractProblem):
    """What a model player faces once the policy is announced: to be right where it goes.

    Responses are models `(s, a, s)`; the value is minus the loss.
    """

    process: DecisionProcess
    loss: ModelLoss
    policy: Float[AnyArray, "s a"]

    @exact
    def value(self, response: Float[AnyArray, "s a s"]) -> Float[AnyArray, ""]:
        """Minus the loss."""
        return jnp.asarray(-self.loss.value(self.process, self.policy, response))

    @exact
    def best_response(
        self, ties: Ties = "leader", tolerance: Float[AnyArray, ""] | float = 0.0
    ) -> Float[AnyArray, "s a s"]:
        """A model of least loss. The policy never meets the other rows, and there the tie rule completes it.

        "leader": what is never met leads to the best state that it can; "adversary": to the worst; "uniform": to every
        state alike. This decides nothing of the announced policy's value, but what another policy expects.
        """
        del tolerance
        if ties == "uniform":
            num_states, num_actions = self.process.shape
            elsewhere = jnp.full((num_states, num_actions, num_states), 1.0 / num_states)
        else:
            known, toward = visited(self.process, self.policy), "best" if ties == "leader" else "worst"
            elsewhere, _ = completed(_endless(self.process), known, toward)
        return self.process.closed(self.loss.fitted(self.process, self.policy, elsewhere))

    def quantal_response(self, inverse_temperature: Any, discount: Any = None) -> Any:
        """There is none: a fit has no actions to choose among."""
        raise InputError(
            boundary.TYPE,
            "follower",
            found="a quantal response was asked for where a model is fitted",
            allowed="a best response is the fit of least loss",
            remedy="Take sg.BestResponse(ties=...), or a follower that learns a model.",
        )


class PolicyAsLeader(AbstractGame):
    """The policy commits, the model responds by fitting to where it goes: PAL (Rajeswaran et al., 2020, Section 4).

    - `process`: the world, which the policy does not see.  `loss`: of the model that is fitted.

    A commitment is a policy `(s, a)`, a response a model `(s, a, s)`. The leader's value is its return in the model
    (what it is promised); the follower's is minus its loss. In a decision process that is seen whole, a model that is
    right where the policy goes promises what the world pays, so that PAL is ordinary reinforcement learning there.
    """

    process: DecisionProcess
    loss: ModelLoss

    def __init__(self, process: Any, loss: Any = None) -> None:
        self.process = boundary.instance("process", process, DecisionProcess, EXAMPLE)
        self.loss = ModelLoss() if loss is None else boundary.instance("loss", loss, ModelLoss, "sg.ModelLoss()")
        self.loss.check_process(self.process)

    def induce(self, commitment: Float[AnyArray, "s a"]) -> ModelFit:
        """What a model faces that is fitted to this policy."""
        return ModelFit(self.process, self.loss, commitment)

    @exact
    def leader_value(
        self, commitment: Float[AnyArray, "s a"], response: Float[AnyArray, "s a s"]
    ) -> Float[AnyArray, ""]:
        """The return of the policy in the model."""
        return self.process.value(commitment, response)

    def check_commitment(self, commitment: object) -> Float[AnyArray, "s a"]:
        """A policy."""
        return self.process.check_policy(commitment)

    def uniform_commitment(self) -> Float[AnyArray, "s a"]:
        """All actions alike."""
        num_states, num_actions = self.process.shape
        return np.full((num_states, num_actions), 1.0 / num_actions)


def _endless(process: DecisionProcess) -> DecisionProcess:
    """The process counted without an end, so that what is never met has a value."""
    return process if process.horizon is None else process.counted(discount=jnp.minimum(process.discount, 0.99))
