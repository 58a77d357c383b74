"""Conservative Q-learning (Kumar, Zhou, Tucker and Levine, 2020), for discrete and for continuous actions.

The critic makes small

    α E[log Σ_a exp q(s, a) - q(s, a_log)] + ½ E[(q(s, a_log) - r - γ q̄(s'))²],

so that what the log did not take is worth less. With α = 0 it is fitted Q iteration by a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float, Int

from .. import _boundary as boundary
from .._learner import Metrics, Precision
from .._runs import Metric
from .._types import AnyArray, Key
from ..calculus.simplex import soft_average, soft_maximum
from ..rl.adam import at_rest, moved
from ..rl.batch_policy import LOG_2, AbstractDiscretePolicy, TanhGaussian
from ..rl.learner import AbstractCompiledLearner
from ..rl.policy import Relu, network
from .actor_critic import AbstractActorCritic, Rows, Trained, nearer, standardised, valued
from .encoding import SHARP, Encoding, Moves, moves_of
from .stackelberg_learner import as_commitment


class Fitted(NamedTuple):
    """A critic of all actions, its target, and the memory of its optimiser."""

    critic: eqx.nn.MLP
    target: eqx.nn.MLP
    memory: Any


class ConservativeQLearning(AbstractCompiledLearner):
    """CQL for discrete actions: the log-sum-exp form, targets as in double DQN, the greedy policy.

    The loss is that of the module's text, with q̄(s') = q_target(s', argmax q(s', ·)), or q_target(s', π) where a
    policy is evaluated. On a table, at rest, q = T q - α (softmax(q) / μ - 1), μ the log's shares of actions.

    - `data`: the log, discrete actions; states that can be counted are taken one-hot.  `discount`: in [0, 1].
    - `caution`: α ≥ 0; 1 in the paper where actions are discrete. 0: neural fitted Q, see `fitted_q_iteration`.
    - `policy`: one to be evaluated; when left out the greedy one is learned.
    - `hidden`, `batch_size`, `learning_rate`, `target_rate`: as in `TD3BC`.

    One critic, as in the paper's games; the target moves a little in each step and not by copies.
    """

    rows: Moves
    num_rows: Int[AnyArray, ""]
    encoding: Encoding
    discount: float
    caution: float
    learning_rate: float
    target_rate: float
    batch_size: int = eqx.field(static=True)
    hidden: tuple[int, ...] = eqx.field(static=True)
    num_actions: int = eqx.field(static=True)

    def __init__(
        self,
        data: Any,
        discount: Any = 0.99,
        *,
        caution: Any = 1.0,
        policy: Any = None,
        learning_rate: Any = 3e-4,
        target_rate: Any = 0.005,
        batch_size: Any = 256,
        hidden: Any = (256, 256),
    ) -> None:
        self.rows, self.encoding, self.num_actions = moves_of(data, policy)
        self.num_rows = np.asarray(len(self.rows.reward))
        self.discount = boundary.real_number("discount", discount, low=0.0, high=1.0)
        self.caution = boundary.real_number("caution", caution, low=0.0)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)
        self.target_rate = boundary.real_number("target_rate", target_rate, low=0.0, high=1.0)
        self.batch_size = boundary.whole_number("batch_size", batch_size, low=1)
        self.hidden = tuple(boundary.whole_number("hidden", size, low=1) for size in hidden)

    @property
    def precision(self) -> Precision:
        """Minibatches are noisy."""
        return "float32"

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """The loss by its parts."""
        return {
            "critic_loss": Metric("squared Bellman error of the minibatch", "reward²", "follower", "lower"),
            "excess": Metric("soft maximum of the critic above the log's action", "reward", "follower", "lower"),
            "promised": Metric("mean value that the targets give", "reward", "leader"),
        }

    def init(self, key: Key) -> Fitted:
        """A fresh network, the target equal to it."""
        critic = network(self.encoding.size, self.num_actions, self.hidden, key, activation=Relu())
        return Fitted(critic, critic, at_rest(critic))

    def sample(self, state: Any, n: Any, key: Key) -> Moves:
        """A minibatch."""
        picked = jr.randint(key, (self.batch_size,), 0, self.num_rows)
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[picked], self.rows)

    def update(self, state: Fitted, batch: Moves, n: Any, key: Key) -> tuple[Fitted, Metrics]:
        """The critic takes a step, the target follows."""
        lost = lambda critic: self.loss(critic, state.target, batch)
        slope, metrics = eqx.filter_grad(lost, has_aux=True)(state.critic)
        critic, memory = moved(state.critic, state.memory, slope, self.learning_rate)
        return Fitted(critic, nearer(state.target, critic, self.target_rate), memory), metrics

    def commitment(self, state: Fitted) -> AnyArray:
        """The policy as one array."""
        return as_commitment(self.policy(state))

    def policy(self, state: Fitted) -> AbstractDiscretePolicy:
        """The greedy one: a softmax of the critic's values times a million."""
        return self.encoding.softmax(state.critic, SHARP)

    def values(self, critic: eqx.nn.MLP, observation: Float[AnyArray, "n d"]) -> Float[AnyArray, "n a"]:
        """A critic's values of all actions."""
        return jax.vmap(critic)(self.encoding(observation))

    def loss(
        self, critic: eqx.nn.MLP, target: eqx.nn.MLP, batch: Moves
    ) -> tuple[Float[AnyArray, ""], dict[str, Float[AnyArray, ""]]]:
        """What the critic makes small, and its parts; the target is held still."""
        every = self.values(critic, batch.observation)
        here = jnp.take_along_axis(every, jnp.asarray(batch.action)[:, None], axis=-1)[:, 0]
        promised = self.values(target, batch.then)
        if batch.onwards.shape[-1]:
            then = jnp.sum(batch.onwards * promised, axis=-1)
        else:
            best = jnp.argmax(self.values(critic, batch.then), axis=-1)
            then = jnp.take_along_axis(promised, best[:, None], axis=-1)[:, 0]
        goal = jax.lax.stop_gradient(batch.reward + self.discount * jnp.where(batch.terminal, 0.0, then))
        error, excess = jnp.mean((here - goal) ** 2), jnp.mean(soft_maximum(every, 1.0) - here)
        return self.caution * excess + 0.5 * error, {
            "critic_loss": error,
            "excess": excess,
            "promised": jnp.mean(goal),
        }


def fitted_q_iteration(data: Any, discount: Any = 0.99, **settings: Any) -> ConservativeQLearning:
    """Fitted Q iteration by a network (Riedmiller, 2005) with a target network: DQN on a log, without pessimism.

    With a `policy` it is fitted Q evaluation. `settings`: as of `ConservativeQLearning`, whose `caution` is 0 here.
    """
    return ConservativeQLearning(data, discount, caution=0.0, **settings)


class ConservativeActorCritic(AbstractActorCritic):
    """CQL for continuous actions, with a soft actor (SAC) of a fixed temperature.

    The integral log ∫ exp q(s, a) da is estimated from actions of a uniform law and of the actor, each divided by its
    density, which is why the actor is a random one: a deterministic actor has no density to divide by.

    - `data`: the log, continuous actions.  `discount`: in [0, 1].
    - `caution`: α ≥ 0, fixed; 5 in the paper where it is not tuned by a Lagrangian.
    - `temperature`: of the actor's entropy, fixed (SAC tunes it); in units of the reward.
    - `num_draws`: actions of either law for each row.
    - `hidden`, `batch_size`, `learning_rate`, `target_rate`: as in `TD3BC`.

    Departures: one deviation for each entry of the action, the same in all states; actions are drawn at the row's own
    observation alone, where common code adds draws at the next one; the entropy counts in the actor's loss and not in
    the target, as in that code.
    """

    rows: Rows
    centre: Float[AnyArray, "d"]
    spread: Float[AnyArray, "d"]
    discount: float
    caution: float
    temperature: float
    learning_rate: float
    target_rate: float
    num_draws: int = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    hidden: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        data: Any,
        discount: Any = 0.99,
        *,
        caution: Any = 5.0,
        temperature: Any = 0.1,
        learning_rate: Any = 3e-4,
        target_rate: Any = 0.005,
        num_draws: Any = 10,
        batch_size: Any = 256,
        hidden: Any = (256, 256),
    ) -> None:
        self.rows, self.centre, self.spread = standardised(data)
        self.discount = boundary.real_number("discount", discount, low=0.0, high=1.0)
        self.caution = boundary.real_number("caution", caution, low=0.0)
        self.temperature = boundary.real_number("temperature", temperature, low=0.0)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)
        self.target_rate = boundary.real_number("target_rate", target_rate, low=0.0, high=1.0)
        self.num_draws = boundary.whole_number("num_draws", num_draws, low=1)
        self.batch_size = boundary.whole_number("batch_size", batch_size, low=1)
        self.hidden = tuple(boundary.whole_number("hidden", size, low=1) for size in hidden)

    def blank_actor(self, made: eqx.nn.MLP) -> TanhGaussian:
        """A random actor of standardised observations."""
        size = self.rows.action.shape[1]
        return TanhGaussian(made, jnp.full(size, -0.5), jnp.zeros(self.centre.shape), jnp.ones(self.centre.shape))

    def policy(self, state: Trained) -> TanhGaussian:
        """The actor, of observations as they stand in the log."""
        actor = state.actor
        return TanhGaussian(actor.network, actor.log_deviation, jnp.asarray(self.centre), jnp.asarray(self.spread))

    def update(self, state: Trained, batch: Rows, n: Any, key: Key) -> tuple[Trained, Metrics]:
        """The critics, then the actor, then the targets."""
        of_then, of_soft, of_actor = jr.split(key, 3)
        then, _ = state.actor.sampled(batch.then, jr.normal(of_then, batch.action.shape))
        onwards = jnp.min(valued(state.target_critics, batch.then, then), axis=0)
        goal = batch.reward + self.discount * jnp.where(batch.terminal, 0.0, onwards)
        drawn, chance = self.spread_actions(state.actor, batch.observation, of_soft)

        def cautious(critics, here):
            # Twice the module's loss, as the error is here without its half.
            soft = soft_integral(critics, batch.observation, drawn, chance)
            return 2.0 * self.caution * jnp.mean(soft - here)

        critics, of_critics, metrics = self._judged(state, batch, goal, cautious)
        noise = jr.normal(of_actor, batch.action.shape)

        def paid(actor):
            action, chance = actor.sampled(batch.observation, noise)
            value = jnp.min(valued(critics, batch.observation, action), axis=0)
            return jnp.mean(self.temperature * chance - value)

        actor, memory = moved(state.actor, state.memories[0], eqx.filter_grad(paid)(state.actor), self.learning_rate)
        targets = nearer(state.target_critics, critics, self.target_rate)
        memories = (memory, of_critics, state.memories[2])
        return Trained(actor, critics, state.value, state.target_actor, targets, memories), metrics

    def spread_actions(
        self, actor: TanhGaussian, observation: Float[AnyArray, "n d"], key: Key
    ) -> tuple[Float[AnyArray, "j n k"], Float[AnyArray, "j n"]]:
        """Actions for every row, half of them uniform and half the actor's, and the logarithms of their densities."""
        of_even, of_own = jr.split(key)
        shape = (self.num_draws, observation.shape[0], self.rows.action.shape[1])
        even = jr.uniform(of_even, shape, minval=-1.0)
        own, chance = jax.vmap(lambda noise: actor.sampled(observation, noise))(jr.normal(of_own, shape))
        flat = jnp.full(shape[:2], -shape[2] * LOG_2)  # one over the length of [-1, 1]
        return jnp.concatenate([even, own]), jnp.concatenate([flat, chance])


def soft_integral(
    critics: Any,
    observation: Float[AnyArray, "n d"],
    action: Float[AnyArray, "j n k"],
    chance: Float[AnyArray, "j n"],
) -> Float[AnyArray, "c n"]:
    """log ∫ exp q(s, a) da of every critic, from actions and the logarithms of their densities."""
    rows = jnp.broadcast_to(jnp.asarray(observation), (action.shape[0], *observation.shape))
    flat = lambda values: values.reshape(-1, values.shape[-1])
    each = valued(critics, flat(rows), flat(action)).reshape(-1, *chance.shape)
    return soft_average(jnp.moveaxis(each - chance, 1, -1), 1.0)
