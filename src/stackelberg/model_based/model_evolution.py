"""Model-as-leader by search: `ModelEvolution`, with what a model is paid as a setting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Float

from .. import _boundary as boundary
from .._learner import Metrics, Precision
from .._runs import Metric
from .._types import AnyArray, Key
from ..calculus.simplex import quantal_choice
from ..followers.base import AbstractFollower
from ..followers.best_response import BestResponse
from ..games.model_game import EXAMPLE, ModelAsLeader
from ..rl import adam
from ..rl.learner import AbstractCompiledLearner
from .fitted_models import Episodes, episodes


Pays: TypeAlias = Literal["world", "model"]


class Tried(eqx.Module):
    """What a step draws: the noise on the logits, the models, their answers, and episodes of these in the world."""

    noise: Float[AnyArray, "n w"]
    models: Float[AnyArray, "n s a s"]
    policies: Float[AnyArray, "n s a"]
    met: Episodes
    policy: Float[AnyArray, "s a"]
    model: Float[AnyArray, "s a s"]


class ModelEvolution(AbstractCompiledLearner):
    """The model leads by evolution strategies: models are shaken, and the mean moves to those that were paid more.

    - `game`: `ModelAsLeader`; its loss says how a prediction is scored, over the steps or the episodes met.
    - `follower`: the policy player: `BestResponse()`, `InnerPlanner()`, a trained `ContextualPlanner`.
    - `weight`: of the loss, in [0, 1]; the rest is on the return of the answering policy ("agent reward").
    - `pays`: whether that return is counted in the "world", as the released code does, or in the "model" itself, as
      the study prints it.
    - `noise`: the share of episodes played by a policy drawn at random.
    - `num_models`: shaken in a step, every second one the opposite way.  `num_episodes`: in the world for each.
    - `deviation`: of the noise on logits.  `learning_rate`: of Adam.

    The leader looks at whole episodes only, so that it needs no derivative of its follower. Returns are ranks.
    """

    game: ModelAsLeader
    follower: AbstractFollower
    weight: float
    pays: Pays = eqx.field(static=True)
    noise: float
    num_models: int = eqx.field(static=True)
    num_episodes: int = eqx.field(static=True)
    deviation: float
    learning_rate: float

    def __init__(
        self,
        game: Any,
        follower: Any = None,
        weight: Any = 1.0,
        pays: Any = "world",
        noise: Any = 0.0,
        num_models: Any = 32,
        num_episodes: Any = 4,
        deviation: Any = 1.0,
        learning_rate: Any = 0.1,
    ) -> None:
        self.game = boundary.instance("game", game, ModelAsLeader, f"sg.ModelAsLeader({EXAMPLE})")
        answers = BestResponse("uniform") if follower is None else follower
        self.follower = boundary.instance("follower", answers, AbstractFollower, "sg.BestResponse()")
        self.weight = boundary.real_number("weight", weight, low=0.0, high=1.0)
        self.pays = boundary.one_of("pays", pays, ("world", "model"))  # type: ignore[assignment]
        self.noise = boundary.real_number("noise", noise, low=0.0, high=1.0)
        self.num_models = 2 * (boundary.whole_number("num_models", num_models, low=2) // 2)
        self.num_episodes = boundary.whole_number("num_episodes", num_episodes, low=1)
        self.deviation = boundary.real_number("deviation", deviation, low=0.0, low_open=True)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)

    @property
    def precision(self) -> Precision:
        """Plans are exact."""
        return "float64"

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """What the leader knows."""
        return {
            "paid": Metric("what the model is paid, mean over shaken models", "", "leader", "higher"),
            "real_steps": Metric("steps in the world", "steps"),
        }

    def init(self, key: Key) -> tuple[AnyArray, Any]:
        """Even rows, a little shaken, and Adam at rest."""
        logits = 0.1 * jr.normal(key, jnp.shape(self.game.process.transition))
        return logits, adam.at_rest(logits)

    def sample(self, state: Any, n: Any, key: Key) -> Tried:
        """Shaken models, their answers, and episodes."""
        logits, _ = state
        process = self.game.process
        of_noise, of_random, of_coins, of_play, of_answer = jr.split(key, 5)
        half = jr.normal(of_noise, (self.num_models // 2, *logits.shape))
        noise = jnp.concatenate([half, -half])
        answer = lambda model: self.follower(self.game, model, key=of_answer)
        models = self._model(logits + self.deviation * noise)
        policies = jax.vmap(answer)(models)
        size = (self.num_models, self.num_episodes)
        drawn = jr.dirichlet(of_random, jnp.ones(process.shape[1]), (*size, process.shape[0]))
        is_noise = jr.uniform(of_coins, size) < self.noise
        plays = jnp.where(is_noise[..., None, None], drawn, policies[:, None])
        met = episodes(process, plays.reshape(-1, *process.shape), of_play)
        model = self._model(logits)
        return Tried(noise.reshape(self.num_models, -1), models, policies, met, answer(model), model)

    def update(self, state: Any, batch: Tried, n: Any, key: Key) -> tuple[Any, Metrics]:
        """One step of Adam along the mean of noise × rank."""
        del n, key
        (logits, moments), process, met = state, self.game.process, batch.met
        scores = jnp.repeat(
            jax.vmap(lambda model: self.game.loss.of_rows(process, model))(batch.models), self.num_episodes, axis=0
        )
        each = jnp.arange(scores.shape[0])[:, None]
        told = jnp.where(met.counts, scores[each, met.places, met.actions, met.thens], 0.0)
        lengths = jnp.sum(met.counts, axis=1) if self.game.loss.average == "episode" else met.counts.shape[1]
        loss = (jnp.sum(told, axis=1) / lengths).reshape(self.num_models, -1).mean(axis=1)
        if self.pays == "world":
            earned = jnp.sum(jnp.where(met.counts, met.rewards, 0.0), axis=1)
            earned = earned.reshape(self.num_models, -1).mean(axis=1)
        else:
            earned = jax.vmap(process.value)(batch.policies, batch.models)
        paid = (1.0 - self.weight) * earned - self.weight * loss
        above = jnp.mean(paid[:, None] > paid, axis=1) + 0.5 * jnp.mean(paid[:, None] == paid, axis=1)
        slope = (above - 0.5) @ batch.noise / (self.num_models * self.deviation)
        steps = jnp.sum(met.counts).astype(paid.dtype)
        after = adam.moved(logits, moments, -slope.reshape(logits.shape), self.learning_rate)
        return after, {"paid": jnp.mean(paid), "real_steps": steps}

    def commitment(self, state: Any) -> Float[AnyArray, "s a s"]:
        """The model."""
        return self._model(state[0])

    def _model(self, logits: Float[AnyArray, "*n s a s"]) -> Float[AnyArray, "*n s a s"]:
        return self.game.process.closed(quantal_choice(logits, 1.0))
