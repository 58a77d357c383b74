"""Policy-as-leader with an exact model: `PolicyAscent`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from .. import _boundary as boundary
from .._learner import Metrics, Precision
from .._runs import Metric
from .._types import AnyArray, Key
from ..calculus.simplex import quantal_choice
from ..followers.base import AbstractFollower
from ..followers.best_response import BestResponse
from ..games.decision_process import DecisionProcess
from ..games.model_game import EXAMPLE, PolicyAsLeader
from ..rl.learner import AbstractCompiledLearner


Gradient: TypeAlias = Literal["plain", "natural"]

TINY = 1e-12
"""Expected visits below which a state and action count as never met."""


class PolicyAscent(AbstractCompiledLearner):
    """The policy leads: a small step up its return in the model that was fitted to it, again and again.

    - `game`: `PolicyAsLeader`.
    - `follower`: the model player; a best response when left out, which is exact.
    - `gradient`: "plain" (Williams, 1992, its expectation), or "natural" (Kakade, 2002): divided by the Fisher
      information of the policy, states weighted by their expected visits in the model.
    - `learning_rate`: of the logits, which start at 0.

    The gradient is that of the return in the fitted model, exact, the model held still while the policy moves.
    """

    game: PolicyAsLeader
    follower: AbstractFollower
    gradient: Gradient = eqx.field(static=True)
    learning_rate: float

    def __init__(self, game: Any, follower: Any = None, gradient: Any = "natural", learning_rate: Any = 0.1) -> None:
        self.game = boundary.instance("game", game, PolicyAsLeader, f"sg.PolicyAsLeader({EXAMPLE})")
        answers = BestResponse("uniform") if follower is None else follower
        self.follower = boundary.instance("follower", answers, AbstractFollower, "sg.BestResponse()")
        self.gradient = boundary.one_of("gradient", gradient, ("plain", "natural"))  # type: ignore[assignment]
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)

    @property
    def precision(self) -> Precision:
        """Returns are exact."""
        return "float64"

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """The promise; what the world pays is a monitor's."""
        return {"promised": Metric("return in the fitted model", "reward", "leader", "higher")}

    def init(self, key: Key) -> Float[AnyArray, "s a"]:
        """Uniform play."""
        del key
        return jnp.zeros(self.game.process.shape)

    def sample(self, state: Any, n: Any, key: Key) -> tuple[()]:
        """Nothing is drawn."""
        return ()

    def update(self, state: Any, batch: Any, n: Any, key: Key) -> tuple[Any, Metrics]:
        """Fit, then one step."""
        model = self.follower(self.game, quantal_choice(state, 1.0), key=key)
        push, promised = ascent(self.game.process, state, model, self.gradient)
        return state + self.learning_rate * push, {"promised": promised}

    def commitment(self, state: Any) -> Float[AnyArray, "s a"]:
        """The policy."""
        return quantal_choice(state, 1.0)


def ascent(
    process: DecisionProcess, logits: Float[AnyArray, "s a"], model: Float[AnyArray, "s a s"], gradient: Gradient
) -> tuple[Float[AnyArray, "s a"], Float[AnyArray, ""]]:
    """The direction in which the return of a softmax policy rises in `model`, and that return.

    The natural direction solves the Fisher information times it = the plain one; for a table of logits it is, in every
    state that is met, the mean advantage of each action.
    """
    promised, push = jax.value_and_grad(lambda each: process.value(quantal_choice(each, 1.0), model))(logits)
    if gradient == "natural":
        policy = quantal_choice(logits, 1.0)
        # What is hardly ever done has no advantage that rounding leaves anything of.
        met = jnp.sum(process.visits(policy, model), axis=-1, keepdims=True) * policy
        advantage = jnp.where(met > TINY, push / jnp.where(met > TINY, met, 1.0), 0.0)
        push = jnp.where(met > TINY, advantage - jnp.sum(policy * advantage, axis=-1, keepdims=True), 0.0)
    return push, promised
