"""World models that answer a policy from sampled episodes: by counting anew, or by a network told the policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Bool, Float, Int

from .. import _boundary as boundary
from .._learner import Metrics
from .._runs import Metric
from .._types import AnyArray, Key
from ..calculus.precision import exact
from ..calculus.simplex import drawn, log_quantal_choice, quantal_choice
from ..followers.base import AbstractFollower
from ..games.base import AbstractGame
from ..games.decision_process import DecisionProcess
from ..games.model_game import EXAMPLE, PolicyAsLeader
from .context import AbstractContextTraining, in_context, learned
from .counting import counted_model


class Episodes(eqx.Module):
    """Episodes of one length, `(n, t)`; entries after the end of an episode do not count."""

    places: Int[AnyArray, "n t"]
    actions: Int[AnyArray, "n t"]
    thens: Int[AnyArray, "n t"]
    counts: Bool[AnyArray, "n t"]
    rewards: Float[AnyArray, "n t"]


def episodes(process: DecisionProcess, policies: Float[AnyArray, "n s a"], key: Key) -> Episodes:
    """One episode in the world of each policy, up to the horizon; `InputError` where there is none."""
    length = process.check_ends("process")
    law, reward, terminal = (jnp.asarray(part) for part in (process.transition, process.reward, process.is_terminal))

    def one(policy, key):
        of_start, of_steps = jr.split(key)
        start = drawn(process.initial, jr.uniform(of_start))

        def step(place, key):
            of_action, of_law = jr.split(key)
            action = drawn(policy[place], jr.uniform(of_action))
            then = drawn(law[place, action], jr.uniform(of_law))
            return then, (place, action, then, ~terminal[place], reward[place, action, then])

        return jax.lax.scan(step, start, jr.split(of_steps, length))[1]

    return Episodes(*jax.vmap(one)(policies, jr.split(key, policies.shape[0])))


class CountedFit(AbstractFollower):
    """The mean of what is met in so many episodes of the announced policy, drawn anew for every policy.

    - `num_episodes`: in the world.  `prior`: pseudo-counts of each row, spread evenly.

    It needs a `key`, and a process with a horizon.
    """

    num_episodes: int = eqx.field(static=True)
    prior: float

    def __init__(self, num_episodes: Any = 20, prior: Any = 1.0) -> None:
        self.num_episodes = boundary.whole_number("num_episodes", num_episodes, low=1)
        self.prior = boundary.real_number("prior", prior, low=0.0, low_open=True)

    @exact
    def respond(
        self,
        game: AbstractGame,
        commitment: Float[AnyArray, "..."],
        *,
        start: Float[AnyArray, "..."] | None = None,
        key: Key | None = None,
    ) -> Float[AnyArray, "..."]:
        """The counted model."""
        del start
        game = boundary.instance("game", game, PolicyAsLeader, f"sg.PolicyAsLeader({EXAMPLE})")
        process = game.process
        policy = jnp.asarray(commitment)
        given = boundary.instance("key", key, jax.Array, "jax.random.key(0)")
        made = episodes(process, jnp.broadcast_to(policy, (self.num_episodes, *policy.shape)), given)
        counts = jnp.zeros(jnp.shape(process.transition)).at[made.places, made.actions, made.thens].add(made.counts)
        return counted_model(process, counts, self.prior)


class ContextualModel(AbstractFollower):
    """One network that answers every policy with a model: the policy's rows are its context.

    - `network`: from all rows of the policy, a state and an action, one-hot, to the logits of the next state.

    Made by `trained_model`. Where states are seen whole the context says nothing, and the network has to learn that.
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
        """The network's rows."""
        del start, key
        game = boundary.instance("game", game, PolicyAsLeader, f"sg.PolicyAsLeader({EXAMPLE})")
        return game.process.closed(quantal_choice(_logits(self.network, game.process, jnp.asarray(commitment)), 1.0))


class ModelTraining(AbstractContextTraining):
    """Trains a `ContextualModel` by maximum likelihood on episodes in the world, each of a policy drawn at random.

    - `game`: whose policies are met.  `num_episodes`: for each step, each row of their policies from a flat Dirichlet
      law.  `learning_rate`: of Adam.  `width`, `num_layers`: of the hidden layers.

    "real_steps" counts what was met in the world.
    """

    game: PolicyAsLeader
    num_episodes: int = eqx.field(static=True)
    learning_rate: float
    width: int = eqx.field(static=True)
    num_layers: int = eqx.field(static=True)

    def __init__(
        self, game: Any, num_episodes: Any = 64, learning_rate: Any = 3e-3, width: Any = 64, num_layers: Any = 2
    ) -> None:
        self.game = boundary.instance("game", game, PolicyAsLeader, f"sg.PolicyAsLeader({EXAMPLE})")
        self.num_episodes = boundary.whole_number("num_episodes", num_episodes, low=1)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)
        self.width = boundary.whole_number("width", width, low=1)
        self.num_layers = boundary.whole_number("num_layers", num_layers, low=1)

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """How well it predicts."""
        return {
            "loss": Metric("negative log-likelihood of a step in the world", "nats", "follower", "lower"),
            "real_steps": Metric("steps in the world", "steps"),
        }

    def init(self, key: Key) -> tuple[eqx.nn.MLP, Any]:
        """A network near even rows, and Adam at rest."""
        num_states, num_actions = self.game.process.shape
        return self.blank(2 * num_states * num_actions, num_states, key)

    def sample(self, state: Any, n: Any, key: Key) -> tuple[AnyArray, Episodes]:
        """Policies, and an episode of each."""
        of_policies, of_play = jr.split(key)
        num_states, num_actions = self.game.process.shape
        policies = jr.dirichlet(of_policies, jnp.ones(num_actions), (self.num_episodes, num_states))
        return policies, episodes(self.game.process, policies, of_play)

    def update(self, state: Any, batch: Any, n: Any, key: Key) -> tuple[Any, Metrics]:
        """One step of Adam down the negative log-likelihood."""
        del n, key
        policies, met = batch
        total = jnp.sum(met.counts)

        def loss(net):
            rows = jax.vmap(lambda policy: log_quantal_choice(_logits(net, self.game.process, policy), 1.0))(policies)
            each = jnp.arange(policies.shape[0])[:, None]
            told = rows[each, met.places, met.actions, met.thens]
            return -jnp.sum(jnp.where(met.counts, told, 0.0)) / total

        after, value = self.lowered(state, loss)
        return after, {"loss": value, "real_steps": total.astype(value.dtype)}

    def commitment(self, state: Any) -> Float[AnyArray, "s a s"]:
        """Its answer to uniform play."""
        uniform = jnp.asarray(self.game.uniform_commitment())
        return self.game.process.closed(quantal_choice(_logits(state[0], self.game.process, uniform), 1.0))


def trained_model(game: Any, num_steps: Any = 500, seed: Any = 0, **settings: Any) -> tuple[ContextualModel, int]:
    """A model trained for `num_steps` steps of `ModelTraining(game, **settings)`, and how many real steps that took."""
    steps = boundary.whole_number("num_steps", num_steps, low=1)
    made, metrics = learned(ModelTraining(game, **settings), steps, seed)
    return ContextualModel(made), int(metrics["real_steps"].sum())


def _logits(net: eqx.nn.MLP, process: DecisionProcess, policy: Float[AnyArray, "s a"]) -> Float[AnyArray, "s a s"]:
    num_states, num_actions = process.shape
    return in_context(net, policy, num_states * num_actions).reshape(num_states, num_actions, num_states)
