"""Policies that answer a world model without planning in it exactly: by some steps of ascent, or by a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Float

from .. import _boundary as boundary
from .._learner import Metrics
from .._runs import Metric
from .._types import AnyArray, Key
from ..calculus.precision import exact
from ..calculus.simplex import log_quantal_choice, logarithm, quantal_choice
from ..followers.base import AbstractFollower
from ..games.base import AbstractGame
from ..games.decision_process import DecisionProcess
from ..games.model_game import EXAMPLE, ModelAsLeader
from .context import AbstractContextTraining, in_context, learned
from .policy_ascent import ascent


MEASURED = 16
"""New models on which a planner's regret is logged."""


class InnerPlanner(AbstractFollower):
    """The inner loop: some natural policy-gradient steps in the model, from the policy that it had before.

    - `num_steps`: for each model.  `learning_rate`: of the logits.

    Without `start` it begins at uniform play. Many steps make a best response of it, few of them policy-as-leader's
    careful player.
    """

    num_steps: int = eqx.field(static=True)
    learning_rate: float

    def __init__(self, num_steps: Any = 20, learning_rate: Any = 0.1) -> None:
        self.num_steps = boundary.whole_number("num_steps", num_steps, low=1)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)

    @exact
    def respond(
        self,
        game: AbstractGame,
        commitment: Float[AnyArray, "..."],
        *,
        start: Float[AnyArray, "..."] | None = None,
        key: Key | None = None,
    ) -> Float[AnyArray, "..."]:
        """The policy after those steps, its return counted as the follower plans."""
        del key
        game = boundary.instance("game", game, ModelAsLeader, f"sg.ModelAsLeader({EXAMPLE})")
        planning = game.planning
        begun = jnp.zeros(planning.shape) if start is None else logarithm(jnp.maximum(jnp.asarray(start), 1e-12))
        model = jnp.asarray(commitment)
        step = lambda _, logits: logits + self.learning_rate * ascent(planning, logits, model, "natural")[0]
        return quantal_choice(jax.lax.fori_loop(0, self.num_steps, step, begun), 1.0)


class ContextualPlanner(AbstractFollower):
    """One network that answers every model: the model's rows are its context, as in Gerstgrasser and Parkes (2023).

    - `network`: from all rows of the model and a state, one-hot, to the logits of the actions.

    Made by `trained_planner`. It plays its likeliest action.
    """

    network: eqx.nn.MLP

    @exact
    def respond(
        self,
        game: AbstractGame,
        commitment: Float[AnyArray, "..."],
        *,
        start: Float[AnyArray, "..."] | None = None,
        key: Key | None = None,
    ) -> Float[AnyArray, "..."]:
        """The network's likeliest action in every state."""
        del start, key
        game = boundary.instance("game", game, ModelAsLeader, f"sg.ModelAsLeader({EXAMPLE})")
        return quantal_choice(_logits(self.network, game.process, jnp.asarray(commitment)), jnp.inf)


class PlannerTraining(AbstractContextTraining):
    """Trains a `ContextualPlanner` on models drawn at random, by the exact plan in each of them (cross-entropy).

    - `game`: whose models are met.  `num_models`: drawn for each step, each row from a flat Dirichlet law.
    - `learning_rate`: of Adam.  `width`, `num_layers`: of the hidden layers.

    No real step is spent. Taught by the gradient of its own return instead, it missed a hundred times as much: returns
    in a few models are fifty times those in the others. The regret that it logs is on models drawn anew.
    """

    game: ModelAsLeader
    num_models: int = eqx.field(static=True)
    learning_rate: float
    width: int = eqx.field(static=True)
    num_layers: int = eqx.field(static=True)

    def __init__(
        self, game: Any, num_models: Any = 128, learning_rate: Any = 3e-3, width: Any = 64, num_layers: Any = 2
    ) -> None:
        self.game = boundary.instance("game", game, ModelAsLeader, f"sg.ModelAsLeader({EXAMPLE})")
        self.num_models = boundary.whole_number("num_models", num_models, low=1)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)
        self.width = boundary.whole_number("width", width, low=1)
        self.num_layers = boundary.whole_number("num_layers", num_layers, low=1)

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """How well it answers."""
        return {"follower_regret": Metric("regret of the planner on new models", "reward", "follower", "lower")}

    def init(self, key: Key) -> tuple[eqx.nn.MLP, Any]:
        """A network near uniform play, and Adam at rest."""
        num_states, num_actions = self.game.process.shape
        return self.blank(num_states * num_actions * num_states + num_states, num_actions, key)

    def sample(self, state: Any, n: Any, key: Key) -> Float[AnyArray, "n s a s"]:
        """Models."""
        num_states, num_actions = self.game.process.shape
        drawn = jr.dirichlet(key, jnp.ones(num_states), (self.num_models, num_states, num_actions))
        return self.game.process.closed(drawn)

    def update(self, state: Any, batch: Any, n: Any, key: Key) -> tuple[Any, Metrics]:
        """One step of Adam toward the plans."""
        del n, key
        planning = self.game.planning
        taught = jax.vmap(planning.best_policy)(batch)
        live = ~jnp.asarray(planning.is_terminal)[:, None]

        def loss(net):
            told = jax.vmap(lambda model: log_quantal_choice(_logits(net, planning, model), 1.0))(batch)
            return -jnp.sum(jnp.where(live, taught * told, 0.0)) / self.num_models

        def short(best, model):
            plays = quantal_choice(_logits(state[0], planning, model), jnp.inf)
            return planning.value(best, model) - planning.value(plays, model)

        after, _ = self.lowered(state, loss)
        return after, {"follower_regret": jnp.mean(jax.vmap(short)(taught[:MEASURED], batch[:MEASURED]))}

    def commitment(self, state: Any) -> Float[AnyArray, "s a"]:
        """Its answer to the model that knows nothing."""
        return quantal_choice(_logits(state[0], self.game.process, jnp.asarray(self.game.uniform_commitment())), 1.0)


def trained_planner(game: Any, num_steps: Any = 2_000, seed: Any = 0, **settings: Any) -> ContextualPlanner:
    """A planner trained for `num_steps` steps of `PlannerTraining(game, **settings)`."""
    steps = boundary.whole_number("num_steps", num_steps, low=1)
    return ContextualPlanner(learned(PlannerTraining(game, **settings), steps, seed)[0])


def _logits(net: eqx.nn.MLP, process: DecisionProcess, model: Float[AnyArray, "s a s"]) -> Float[AnyArray, "s a"]:
    return in_context(net, model, process.shape[0])
