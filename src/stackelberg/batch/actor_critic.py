"""What else would be picked for continuous actions: TD3+BC, with ReBRAC's penalty, and implicit Q-learning."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Bool, Float

from .. import _boundary as boundary
from .._errors import InputError
from .._learner import Metrics, Precision
from .._runs import Metric
from .._types import AnyArray, Key
from ..calculus.simplex import weight
from ..games.dataset import Dataset
from ..rl.adam import at_rest, moved
from ..rl.batch_policy import TanhGaussian
from ..rl.learner import AbstractCompiledLearner
from ..rl.policy import Relu, network
from .cloning import EXAMPLE
from .features import scales
from .stackelberg_learner import as_commitment


class Rows(NamedTuple):
    """Standardised rows of a log."""

    observation: Float[AnyArray, "*n d"]
    action: Float[AnyArray, "*n k"]
    reward: Float[AnyArray, "*n"]
    then: Float[AnyArray, "*n d"]
    terminal: Bool[AnyArray, "*n"]
    then_action: Float[AnyArray, "*n k"]


class Trained(NamedTuple):
    """Networks and their targets, with the memories of their optimisers; `value` is IQL's alone."""

    actor: Any
    critics: Any
    value: Any
    target_actor: Any
    target_critics: Any
    memories: tuple[Any, Any, Any]


class AbstractActorCritic(AbstractCompiledLearner):
    """Twin critics and an actor by minibatches of a log: what methods for continuous actions share."""

    rows: eqx.AbstractVar[Rows]
    centre: eqx.AbstractVar[Float[AnyArray, "d"]]
    spread: eqx.AbstractVar[Float[AnyArray, "d"]]
    discount: eqx.AbstractVar[float]
    learning_rate: eqx.AbstractVar[float]
    batch_size: eqx.AbstractVar[int]
    hidden: eqx.AbstractVar[tuple[int, ...]]

    @property
    def precision(self) -> Precision:
        """Minibatches are noisy."""
        return "float32"

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """The critics' loss and what they promise."""
        return {
            "critic_loss": Metric("squared Bellman error of the minibatch", "reward²", "follower", "lower"),
            "promised": Metric("mean value of the policy's actions", "reward", "leader"),
        }

    def init(self, key: Key) -> Trained:
        """Fresh networks, targets equal to them."""
        of_actor, of_critics, of_value = jr.split(key, 3)
        width, size = self.rows.observation.shape[1], self.rows.action.shape[1]
        make = lambda inputs, outputs, key: network(inputs, outputs, self.hidden, key, activation=Relu())
        actor = self.blank_actor(make(width, size, of_actor))
        critics = eqx.filter_vmap(lambda key: make(width + size, 1, key))(jr.split(of_critics))
        value = make(width, 1, of_value)
        memories = (at_rest(actor), at_rest(critics), at_rest(value))
        return Trained(actor, critics, value, actor, critics, memories)

    def sample(self, state: Any, n: Any, key: Key) -> Rows:
        """A minibatch."""
        picked = jr.randint(key, (self.batch_size,), 0, self.rows.reward.shape[0])
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[picked], self.rows)

    def commitment(self, state: Trained) -> AnyArray:
        """The policy as one array."""
        return as_commitment(self.policy(state))

    @abstractmethod
    def blank_actor(self, made: eqx.nn.MLP) -> Any:
        """The actor before the first step, around a network that maps standardised observations to actions."""

    @abstractmethod
    def policy(self, state: Trained) -> TanhGaussian:
        """The actor, to be played on observations as they stand in the log."""

    def _judged(
        self,
        state: Trained,
        batch: Rows,
        target: Float[AnyArray, "b"],
        more: Callable[[Any, Float[AnyArray, "c b"]], Any] = lambda critics, here: 0.0,
    ) -> tuple[Any, Any, dict[str, Float[AnyArray, ""]]]:
        """The critics after a step towards the target, their memory, and what is recorded.

        `more`: added to their loss, of the critics and their values of the log's actions.
        """

        def lost(critics):
            here = valued(critics, batch.observation, batch.action)
            error = jnp.mean((here - target) ** 2)
            return error + more(critics, here), error

        (_, error), slope = eqx.filter_value_and_grad(lost, has_aux=True)(state.critics)
        critics, memory = moved(state.critics, state.memories[1], slope, self.learning_rate)
        return critics, memory, {"critic_loss": error, "promised": jnp.mean(target)}

    def _narrow(self, mean: eqx.nn.MLP) -> TanhGaussian:
        """A network of means, to be played: its greedy action is tanh of the network."""
        size = self.rows.action.shape[1]
        return TanhGaussian(mean, jnp.full(size, -2.0), jnp.asarray(self.centre), jnp.asarray(self.spread))


class TD3BC(AbstractActorCritic):
    """TD3+BC (Fujimoto and Gu, 2021); with `critic_weight` the penalty of ReBRAC (Tarasov et al., 2023).

    - `data`: the log, continuous actions.  `discount`: in [0, 1].
    - `value_weight`: α of the actor's loss -α q / mean|q| + (a - a_log)², 2.5 in the paper.
    - `critic_weight`: of (a' - a'_log)² in the target; 0 for TD3+BC.
    - `hidden`, `batch_size`, `learning_rate`, `noise`, `target_rate`, `policy_every`: as in TD3.
    """

    rows: Rows
    centre: Float[AnyArray, "d"]
    spread: Float[AnyArray, "d"]
    discount: float
    value_weight: float
    critic_weight: float
    learning_rate: float
    noise: float
    target_rate: float
    policy_every: int = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    hidden: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        data: Any,
        discount: Any = 0.99,
        *,
        value_weight: Any = 2.5,
        critic_weight: Any = 0.0,
        learning_rate: Any = 3e-4,
        noise: Any = 0.2,
        target_rate: Any = 0.005,
        policy_every: Any = 2,
        batch_size: Any = 256,
        hidden: Any = (256, 256),
    ) -> None:
        self.rows, self.centre, self.spread = standardised(data)
        self.discount = boundary.real_number("discount", discount, low=0.0, high=1.0)
        self.value_weight = boundary.real_number("value_weight", value_weight, low=0.0)
        self.critic_weight = boundary.real_number("critic_weight", critic_weight, low=0.0)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)
        self.noise = boundary.real_number("noise", noise, low=0.0)
        self.target_rate = boundary.real_number("target_rate", target_rate, low=0.0, high=1.0)
        self.policy_every = boundary.whole_number("policy_every", policy_every, low=1)
        self.batch_size = boundary.whole_number("batch_size", batch_size, low=1)
        self.hidden = tuple(boundary.whole_number("hidden", size, low=1) for size in hidden)

    def blank_actor(self, made: eqx.nn.MLP) -> eqx.nn.MLP:
        """The network: its action is tanh of it."""
        return made

    def policy(self, state: Trained) -> TanhGaussian:
        """The network with a small deviation; the greedy action has none."""
        return self._narrow(state.actor)

    def update(self, state: Trained, batch: Rows, n: Any, key: Key) -> tuple[Trained, Metrics]:
        """The critics move in every step, the actor and the targets in some."""
        noise = jnp.clip(self.noise * jr.normal(key, batch.action.shape), -0.5, 0.5)
        then = jnp.clip(acted(state.target_actor, batch.then) + noise, -1.0, 1.0)
        off = self.critic_weight * jnp.sum((then - batch.then_action) ** 2, axis=-1)
        onwards = jnp.min(valued(state.target_critics, batch.then, then), axis=0) - off
        target = batch.reward + self.discount * jnp.where(batch.terminal, 0.0, onwards)
        critics, of_critics, metrics = self._judged(state, batch, target)

        def with_actor(carry):
            actor, memory, target_actor, target_critics = carry

            def paid(actor):
                chosen = acted(actor, batch.observation)
                first = jax.tree.map(lambda leaf: leaf[:1], critics)
                value = valued(first, batch.observation, chosen)[0]
                size = jax.lax.stop_gradient(jnp.mean(jnp.abs(value)))
                near = jnp.mean((chosen - batch.action) ** 2)
                return near - self.value_weight * jnp.mean(value) / jnp.maximum(size, 1e-8)

            actor, memory = moved(actor, memory, eqx.filter_grad(paid)(actor), self.learning_rate)
            pairs = ((target_actor, actor), (target_critics, critics))
            return actor, memory, *(nearer(*pair, self.target_rate) for pair in pairs)

        carry = (state.actor, state.memories[0], state.target_actor, state.target_critics)
        carry = jax.lax.cond(n % self.policy_every == 0, with_actor, lambda same: same, carry)
        actor, of_actor, target_actor, target_critics = carry
        memories = (of_actor, of_critics, state.memories[2])
        after = Trained(actor, critics, state.value, target_actor, target_critics, memories)
        return after, metrics


class ImplicitQLearning(AbstractActorCritic):
    """IQL (Kostrikov, Nair and Levine, 2022): values by expectiles, actions by weighted imitation.

    - `data`: the log, continuous actions.  `discount`: in [0, 1].
    - `expectile`: τ in (0, 1) of the value.  `sharpness`: β of the weights exp(β (q - v)), cut at 100.
    - `hidden`, `batch_size`, `learning_rate`, `target_rate`: of the networks.
    """

    rows: Rows
    centre: Float[AnyArray, "d"]
    spread: Float[AnyArray, "d"]
    discount: float
    expectile: float
    sharpness: float
    learning_rate: float
    target_rate: float
    batch_size: int = eqx.field(static=True)
    hidden: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        data: Any,
        discount: Any = 0.99,
        *,
        expectile: Any = 0.7,
        sharpness: Any = 3.0,
        learning_rate: Any = 3e-4,
        target_rate: Any = 0.005,
        batch_size: Any = 256,
        hidden: Any = (256, 256),
    ) -> None:
        self.rows, self.centre, self.spread = standardised(data)
        self.discount = boundary.real_number("discount", discount, low=0.0, high=1.0)
        self.expectile = boundary.real_number("expectile", expectile, low=0.0, high=1.0, low_open=True)
        self.sharpness = boundary.real_number("sharpness", sharpness, low=0.0)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)
        self.target_rate = boundary.real_number("target_rate", target_rate, low=0.0, high=1.0)
        self.batch_size = boundary.whole_number("batch_size", batch_size, low=1)
        self.hidden = tuple(boundary.whole_number("hidden", size, low=1) for size in hidden)

    def blank_actor(self, made: eqx.nn.MLP) -> eqx.nn.MLP:
        """The network: its action is tanh of it."""
        return made

    def policy(self, state: Trained) -> TanhGaussian:
        """The network with a small deviation; the greedy action has none."""
        return self._narrow(state.actor)

    def update(self, state: Trained, batch: Rows, n: Any, key: Key) -> tuple[Trained, Metrics]:
        """The value, the critics, and the actor, in turn."""
        action_value = jnp.min(valued(state.target_critics, batch.observation, batch.action), axis=0)

        def value_loss(value):
            off = action_value - jax.vmap(value)(batch.observation)[:, 0]
            share = jnp.where(off > 0.0, self.expectile, 1.0 - self.expectile)
            return jnp.mean(share * off**2), off

        slope, advantage = eqx.filter_grad(value_loss, has_aux=True)(state.value)
        value, of_value = moved(state.value, state.memories[2], slope, self.learning_rate)
        onwards = jnp.where(batch.terminal, 0.0, jax.vmap(value)(batch.then)[:, 0])
        target = batch.reward + self.discount * onwards
        critics, of_critics, metrics = self._judged(state, batch, target)
        worth = jnp.minimum(weight(self.sharpness * advantage), 100.0)
        near = lambda actor: jnp.mean(worth * jnp.sum((acted(actor, batch.observation) - batch.action) ** 2, axis=-1))
        actor, of_actor = moved(state.actor, state.memories[0], eqx.filter_grad(near)(state.actor), self.learning_rate)
        targets = nearer(state.target_critics, critics, self.target_rate)
        after = Trained(actor, critics, value, state.target_actor, targets, (of_actor, of_critics, of_value))
        return after, metrics


def standardised(data: Any) -> tuple[Rows, Float[np.ndarray, "d"], Float[np.ndarray, "d"]]:
    """Rows in single precision with observations of mean 0 and deviation 1, and by what they were standardised."""
    log = boundary.instance("data", data, Dataset, EXAMPLE)
    if log.num_actions:
        raise InputError(
            boundary.TYPE,
            "data",
            found=f"its actions are {log.num_actions} numbers",
            allowed="continuous actions are needed",
            remedy="Use learn_policy, cloned, policy_iteration or ConservativeQLearning.",
        )
    by = scales(log.observation)
    narrow = lambda values: np.asarray(values, dtype=np.float32)
    follows = np.append(np.asarray(log.episode)[1:] == np.asarray(log.episode)[:-1], False)
    then_action = np.where(follows[:, None], np.append(log.action[1:], log.action[-1:], axis=0), log.action)
    standard = lambda rows: narrow((rows - by.centre) / by.scale)
    rows = Rows(
        standard(log.observation),
        narrow(log.action),
        narrow(log.reward),
        standard(log.next_observation),
        np.asarray(log.terminal),
        narrow(then_action),
    )
    return rows, narrow(by.centre), narrow(by.scale)


def nearer(target: Any, weights: Any, rate: Any) -> Any:
    """Targets that follow slowly."""
    return jax.tree.map(lambda old, new: old + rate * (new - old), target, weights)


def acted(actor: Any, observation: Float[AnyArray, "n d"]) -> Float[AnyArray, "n k"]:
    return jnp.tanh(jax.vmap(actor)(jnp.asarray(observation)))


def valued(critics: Any, observation: Float[AnyArray, "n d"], action: Float[AnyArray, "n k"]) -> Float[AnyArray, "c n"]:
    """Of every critic."""
    pairs = jnp.concatenate([jnp.asarray(observation), jnp.asarray(action)], axis=-1)
    return eqx.filter_vmap(lambda critic: jax.vmap(critic)(pairs)[:, 0])(critics)
