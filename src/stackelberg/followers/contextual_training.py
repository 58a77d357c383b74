"""How a contextual follower learns: from play against leaders drawn at random, before any leader learns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Float, Int

from .. import _boundary as boundary
from .._learner import Metrics, commitments, train
from .._runs import Metric
from .._types import AnyArray, Key
from ..calculus.simplex import log_quantal_choice, logarithm
from ..games.environment import AbstractEnvironment, Discrete
from ..rl.learner import AbstractEpisodeLearner
from .contextual import ContextualTable, num_contexts
from .contextual_network import ContextualNetwork
from .contextual_ppo import ContextualPPO


class Practice(eqx.Module):
    """Logits `(c, p, b)` by context and observation, their moments, and what is expected to be paid still `(c, p)`."""

    logits: Float[AnyArray, "c p b"]
    moments: Any
    expected: Float[AnyArray, "c p"]


class Episodes(eqx.Module):
    """Contexts `(e,)`, what the follower saw and did `(e, n)`, what both were paid `(e, n, 2)`, the leader first."""

    context: Int[AnyArray, "e"]
    observations: Int[AnyArray, "e n"]
    actions: Int[AnyArray, "e n"]
    rewards: Float[AnyArray, "e n 2"]

    @property
    def leader_return(self) -> Float[AnyArray, ""]:
        """What leaders were paid in an episode, on average."""
        return jnp.mean(jnp.sum(self.rewards[..., 0], axis=1))


class ContextualTraining(AbstractEpisodeLearner):
    """REINFORCE on a table of contexts: in each step `num_episodes` leaders are drawn, and each is played once.

    - `environment`: a game with one follower, whose observations and actions are counted.
    - `num_episodes`: in a step.  `learning_rate`: of Adam, falling to a tenth over `num_steps` steps.

    Departure: leaders are drawn evenly among the deterministic ones (in the authors' code weights are drawn, which for
    tables is the same), and a running mean of what was still paid is taken off, by context and observation.
    """

    environment: AbstractEnvironment
    num_episodes: int = eqx.field(static=True)
    learning_rate: float
    num_steps: int

    def __init__(
        self, environment: Any, num_episodes: Any = 128, learning_rate: Any = 0.1, num_steps: Any = 500
    ) -> None:
        example = 'sg.iterated_matrix_game("prisoners_dilemma")'
        self.environment = boundary.instance("environment", environment, AbstractEnvironment, example)
        self.num_episodes = boundary.whole_number("num_episodes", num_episodes, low=1)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)
        self.num_steps = boundary.whole_number("num_steps", num_steps, low=1)
        num_contexts(environment)

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """How well it does."""
        return {
            "follower_return": Metric("follower's mean return against random leaders", "payoff", "follower", "higher")
        }

    def init(self, key: Key) -> Practice:
        """Even odds."""
        count = num_contexts(self.environment)
        seen, actions = self.environment.observation_spaces[1], self.environment.action_spaces[1]
        assert isinstance(seen, Discrete)
        assert isinstance(actions, Discrete)
        logits = 1e-2 * jr.normal(key, (count, seen.size, actions.size))
        return Practice(logits, self._adam.init(logits), jnp.zeros((count, seen.size)))

    def sample(self, state: Practice, n: Any, key: Key) -> Episodes:
        """Episodes against leaders drawn at random."""
        del n
        of_leaders, of_play = jr.split(key)
        contexts = jr.randint(of_leaders, (self.num_episodes,), 0, state.logits.shape[0])
        observed, acted, paid = jax.vmap(
            lambda context, key: against(self.environment, state.logits[context], context, key)
        )(contexts, jr.split(of_play, self.num_episodes))
        return Episodes(contexts, observed, acted, paid)

    def update(self, state: Practice, batch: Episodes, n: Any, key: Key) -> tuple[Practice, Metrics]:
        """One step of Adam."""
        del key
        left = jnp.cumsum(batch.rewards[:, ::-1, 1], axis=1)[:, ::-1]
        place = (batch.context[:, None], batch.observations)
        gain = left - state.expected[place]

        def loss(logits):
            score = log_quantal_choice(logits, 1.0)[(*place, batch.actions)]
            return -jnp.mean(jnp.sum(score * gain, axis=1))

        push, moments = self._adam.update(jax.grad(loss)(state.logits), state.moments)
        rate = self.learning_rate * jnp.maximum(1.0 - n / self.num_steps, 0.1)
        seen = jnp.zeros_like(state.expected).at[place].add(1.0)
        total = jnp.zeros_like(state.expected).at[place].add(gain)
        expected = state.expected + 0.2 * total / jnp.maximum(seen, 1.0)
        return Practice(state.logits - rate * jnp.asarray(push), moments, expected), {
            "follower_return": jnp.mean(jnp.sum(batch.rewards[..., 1], axis=1))
        }

    def commitment(self, state: Practice) -> Float[AnyArray, "c p b"]:
        """The greedy follower: one table for each context."""
        return jax.nn.one_hot(jnp.argmax(state.logits, axis=-1), state.logits.shape[-1])

    def policies(self, state: Any) -> Float[AnyArray, "c p b"]:
        """The same."""
        return self.commitment(state)

    @property
    def _adam(self) -> optax.GradientTransformation:
        return optax.scale_by_adam()


def refined_follower(
    follower: ContextualTable, num_rounds: Any = 2, num_plays: Any = 1, seed: Any = 0
) -> ContextualTable:
    """The same follower once it has tried, against every leader, each single change of its greedy policy.

    In each round every policy that differs at one observation is played `num_plays` times, and the best is kept. Where
    leader and game are not random one play tells its exact return.
    """
    rounds = boundary.whole_number("num_rounds", num_rounds, low=0)
    plays = boundary.whole_number("num_plays", num_plays, low=1)
    keys = jr.split(jr.key(boundary.whole_number("seed", seed, low=0)), max(rounds, 1))
    policies = jnp.asarray(follower.policies, jnp.float32)
    for number in range(rounds):
        policies = eqx.filter_jit(one_change)(follower.environment, policies, plays, keys[number])
    return ContextualTable(follower.environment, np.asarray(policies))


def one_change(
    environment: AbstractEnvironment, policies: Float[AnyArray, "c p b"], num_plays: int, key: Key
) -> Float[AnyArray, "c p b"]:
    """The policies once each has tried every single change; see `refined_follower`."""
    count, num_seen, num_actions = policies.shape

    def best(context, table, key):
        single = jnp.eye(num_actions, dtype=table.dtype)
        changed = jax.vmap(lambda seen: jax.vmap(lambda row: table.at[seen].set(row))(single))(jnp.arange(num_seen))
        tried = jnp.concatenate([table[None], changed.reshape(-1, *table.shape)])

        def worth(one, key):
            play = lambda key: jnp.sum(against(environment, logarithm(one), context, key)[2][:, 1])
            return jnp.mean(jax.vmap(play)(jr.split(key, num_plays)))

        return tried[jnp.argmax(jax.vmap(worth, (0, None))(tried, key))]

    return jax.vmap(best)(jnp.arange(count), policies, jr.split(key, count))


def against(
    environment: AbstractEnvironment, logits: Float[AnyArray, "p b"], context: AnyArray, key: Key
) -> tuple[AnyArray, AnyArray, AnyArray]:
    """What a follower sees and does `(n,)`, and what both are paid `(n, 2)`, against the leader with this number."""
    num_actions = environment.action_spaces[0].size  # type: ignore[union-attr]
    count = environment.observation_spaces[0].size  # type: ignore[union-attr]
    answers = context // num_actions ** np.arange(count - 1, -1, -1) % num_actions

    def step(carry, n):
        state, (of_leader, own), is_on = carry
        of_follower, of_game = jr.split(jr.fold_in(key, n + 1))
        action = jr.categorical(of_follower, logits[own])
        made = environment.step(state, (answers[of_leader], action), of_game)
        return (made.state, made.observations, is_on & ~made.is_over), (own, action, is_on * made.rewards)

    start = (*environment.reset(jr.fold_in(key, 0)), jnp.bool_(True))
    return jax.lax.scan(step, start, jnp.arange(environment.num_steps))[1]


def pretrained_follower(environment: Any, num_steps: Any = 500, seed: Any = 0, **settings: Any) -> ContextualTable:
    """A contextual follower after `num_steps` steps of `ContextualTraining`, greedy and refined, ready to be asked."""
    training = ContextualTraining(environment, num_steps=num_steps, **settings)
    run, _ = train(training, training.num_steps, (seed,))
    return refined_follower(ContextualTable(training.environment, commitments(training, run)[0, 0]), seed=seed)


def pretrained_networks(environment: Any, num_steps: Any = 500, seed: Any = 0, **settings: Any) -> ContextualNetwork:
    """Contextual followers that are networks after `num_steps` steps of `ContextualPPO`, ready to be asked."""
    training = ContextualPPO(environment, num_steps=num_steps, **settings)
    run, _ = train(training, training.num_steps, (seed,))
    networks = jax.tree.map(lambda leaf: leaf[0, 0], run.state.policies)
    return ContextualNetwork(training.environment, networks, training.width, training.num_layers)
