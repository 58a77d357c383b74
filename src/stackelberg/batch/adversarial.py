"""Adversarially trained actor-critic (ATAC; Cheng, Xie, Jiang and Agarwal, 2022): pessimism relative to the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Bool, Float

from .. import _boundary as boundary
from .._learner import Metrics, Precision
from .._runs import Metric
from .._types import AnyArray, Key
from ..games.dataset import Dataset
from ..rl.adam import at_rest, moved
from ..rl.batch_policy import AbstractBatchPolicy, AbstractDiscretePolicy, TanhGaussian
from ..rl.learner import AbstractCompiledLearner
from ..rl.policy import Relu, network
from .actor_critic import nearer
from .cloning import EXAMPLE
from .encoding import Encoding, encoding_of
from .stackelberg_learner import as_commitment


class Opposed(NamedTuple):
    """A policy, twin critics and their targets, and the memories of both optimisers."""

    policy: AbstractBatchPolicy
    critics: Any
    targets: Any
    policy_memory: Any
    critic_memory: Any


class Met(NamedTuple):
    """Rows of the log, and noise for the policy's actions here and next."""

    observation: Float[AnyArray, "b d"]
    action: Float[AnyArray, "b k"]
    reward: Float[AnyArray, "b"]
    then: Float[AnyArray, "b d"]
    terminal: Bool[AnyArray, "b"]
    noise: Float[AnyArray, "b k"]
    then_noise: Float[AnyArray, "b k"]


class AdversarialActorCritic(AbstractCompiledLearner):
    """ATAC: the critic makes the policy look worse than the log's own actions, as far as its Bellman error allows.

    The critic q makes small

        E[q(s, π) - q(s, a)] + β (½ E[(q(s, a) - r - γ q(s', π))²] + ½ E[(q(s, a) - r - γ min q̄(s', π))²]),

    the second square against targets q̄ of both critics, and its layers' weights are cut to a Frobenius norm; the policy
    makes E q(s, π) large at a far smaller rate. At the log's own policy the first term is 0 for every critic, whatever
    β: the policy that moves away from it does so because no consistent critic calls that worse.

    - `data`: the log; actions of either kind.  `policy`: where it starts; `sg.cloned(data)` is the paper's warm start.
    - `discount`: in [0, 1].  `bellman_weight`: β ≥ 0; 0 imitates, and infinity would not be pessimistic.
    - `warm_steps`: in which the policy is held and the critics make the squares alone small.
    - `fast_rate`, `slow_rate`: of Adam, for critics and policy; 5e-4 and 5e-7 in the paper, over a million steps.
      Tables of logits need slow rates of 1e-2.
    - `most_weight`: of a layer, 100 in the paper.  `hidden`, `batch_size`, `target_rate`: of the critics.

    Departures: no entropy is held up (the paper's code tunes a temperature for it); larger rates and fewer steps; one
    action for each row where actions are continuous; where they are discrete, sums over all of them.
    """

    observation: Float[AnyArray, "n d"]
    action: Float[AnyArray, "n k"]
    reward: Float[AnyArray, "n"]
    then: Float[AnyArray, "n d"]
    terminal: Bool[AnyArray, "n"]
    encoding: Encoding
    start: AbstractBatchPolicy
    discount: float
    bellman_weight: float
    fast_rate: float
    slow_rate: float
    target_rate: float
    most_weight: float
    warm_steps: int = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    hidden: tuple[int, ...] = eqx.field(static=True)
    num_actions: int = eqx.field(static=True)

    def __init__(
        self,
        data: Any,
        policy: Any,
        discount: Any = 0.99,
        *,
        bellman_weight: Any = 1.0,
        fast_rate: Any = 1e-3,
        slow_rate: Any = 1e-5,
        target_rate: Any = 0.005,
        most_weight: Any = 100.0,
        warm_steps: Any = 1_000,
        batch_size: Any = 256,
        hidden: Any = (256, 256),
    ) -> None:
        log = boundary.instance("data", data, Dataset, EXAMPLE)
        kind = AbstractDiscretePolicy if log.num_actions else TanhGaussian
        self.start = boundary.instance("policy", policy, kind, "sg.cloned(data)")
        self.observation, self.action, self.then = log.observation, log.action, log.next_observation
        self.reward, self.terminal = log.reward, log.terminal
        self.encoding, self.num_actions = encoding_of(log), log.num_actions
        self.discount = boundary.real_number("discount", discount, low=0.0, high=1.0)
        self.bellman_weight = boundary.real_number("bellman_weight", bellman_weight, low=0.0)
        self.fast_rate = boundary.real_number("fast_rate", fast_rate, low=0.0, low_open=True)
        self.slow_rate = boundary.real_number("slow_rate", slow_rate, low=0.0, low_open=True)
        self.target_rate = boundary.real_number("target_rate", target_rate, low=0.0, high=1.0)
        self.most_weight = boundary.real_number("most_weight", most_weight, low=0.0, low_open=True)
        self.warm_steps = boundary.whole_number("warm_steps", warm_steps, low=0)
        self.batch_size = boundary.whole_number("batch_size", batch_size, low=1)
        self.hidden = tuple(boundary.whole_number("hidden", size, low=1) for size in hidden)

    @property
    def precision(self) -> Precision:
        """Minibatches are noisy."""
        return "float32"

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """What the critics say of the policy, and how far they may go."""
        return {
            "relative": Metric("value of the policy's actions above the log's", "reward", "leader", "higher"),
            "critic_loss": Metric("squared Bellman error, half of it against targets", "reward²", "follower", "lower"),
        }

    def init(self, key: Key) -> Opposed:
        """The policy to start from, and fresh critics."""
        policy = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), self.start)
        width = self.encoding.size + (0 if self.num_actions else self.action.shape[1])
        make = lambda key: network(width, self.num_actions or 1, self.hidden, key, activation=Relu())
        critics = eqx.filter_vmap(make)(jr.split(key))
        return Opposed(policy, critics, critics, at_rest(policy), at_rest(critics))

    def sample(self, state: Any, n: Any, key: Key) -> Met:
        """A minibatch."""
        of_rows, of_noise, of_then = jr.split(key, 3)
        picked = jr.randint(of_rows, (self.batch_size,), 0, self.reward.shape[0])
        take = lambda values: jnp.asarray(values, jnp.float32)[picked]
        shape = (self.batch_size, self.action.shape[1])
        return Met(
            take(self.observation),
            take(self.action),
            take(self.reward),
            take(self.then),
            jnp.asarray(self.terminal)[picked],
            jr.normal(of_noise, shape),
            jr.normal(of_then, shape),
        )

    def update(self, state: Opposed, batch: Met, n: Any, key: Key) -> tuple[Opposed, Metrics]:
        """The critics take a step and are cut back, then the policy takes a small one."""
        is_warm = n >= self.warm_steps

        def lost(critics):
            relative = jnp.mean(self.relative(critics, state.policy, batch))
            error = self.bellman(critics, state.targets, state.policy, batch)
            scale = jnp.where(is_warm, self.bellman_weight, 1.0)
            return jnp.where(is_warm, relative, 0.0) + scale * error, (relative, error)

        slope, (relative, error) = eqx.filter_grad(lost, has_aux=True)(state.critics)
        critics, critic_memory = moved(state.critics, state.critic_memory, slope, self.fast_rate)
        critics = cut_back(critics, self.most_weight)

        def with_policy(carry):
            policy, memory = carry
            paid = lambda policy: -jnp.mean(self.worth(critics, policy, batch.observation, batch.noise)[0])
            return moved(policy, memory, eqx.filter_grad(paid)(policy), self.slow_rate)

        held = (state.policy, state.policy_memory)
        policy, policy_memory = jax.lax.cond(is_warm, with_policy, lambda same: same, held)
        targets = nearer(state.targets, critics, self.target_rate)
        metrics = {"relative": relative, "critic_loss": error}
        return Opposed(policy, critics, targets, policy_memory, critic_memory), metrics

    def commitment(self, state: Opposed) -> AnyArray:
        """The policy as one array."""
        return as_commitment(state.policy)

    def policy(self, state: Opposed) -> AbstractBatchPolicy:
        """What is learned."""
        return state.policy

    def relative(self, critics: Any, policy: AbstractBatchPolicy, batch: Met) -> Float[AnyArray, "c b"]:
        """q(s, π) - q(s, a) of both critics."""
        own = self.worth(critics, policy, batch.observation, batch.noise)
        return own - self.logged(critics, batch.observation, batch.action)

    def bellman(self, critics: Any, targets: Any, policy: AbstractBatchPolicy, batch: Met) -> Float[AnyArray, ""]:
        """The mean of both squares: against a critic's own next value, and against the lesser one of the targets."""
        here = self.logged(critics, batch.observation, batch.action)
        own = self.worth(critics, policy, batch.then, batch.then_noise)
        still = jax.lax.stop_gradient(jnp.min(self.worth(targets, policy, batch.then, batch.then_noise), axis=0))
        off = lambda then: batch.reward + self.discount * jnp.where(batch.terminal, 0.0, then) - here
        return 0.5 * jnp.mean(off(own) ** 2) + 0.5 * jnp.mean(off(still) ** 2)

    def logged(
        self, critics: Any, observation: Float[AnyArray, "b d"], action: Float[AnyArray, "b k"]
    ) -> Float[AnyArray, "c b"]:
        """Values of both critics for the actions of a log."""
        rows = self.encoding(observation)
        if not self.num_actions:
            pairs = jnp.concatenate([rows, jnp.asarray(action)], axis=-1)
            return _outputs(critics, pairs)[..., 0]
        taken = jnp.asarray(action)[None, :, :1].astype(int)
        every = _outputs(critics, rows)
        return jnp.take_along_axis(every, jnp.broadcast_to(taken, (*every.shape[:2], 1)), axis=-1)[..., 0]

    def worth(
        self,
        critics: Any,
        policy: AbstractBatchPolicy,
        observation: Float[AnyArray, "b d"],
        noise: Float[AnyArray, "b k"],
    ) -> Float[AnyArray, "c b"]:
        """Values of both critics for the actions of a policy."""
        if isinstance(policy, AbstractDiscretePolicy):
            return jnp.sum(policy.choice(observation) * _outputs(critics, self.encoding(observation)), axis=-1)
        assert isinstance(policy, TanhGaussian)
        return self.logged(critics, observation, policy.actions(observation, noise))


def cut_back(critics: Any, most: Any) -> Any:
    """Critics each layer of which has weights of at most this Frobenius norm; biases are left."""

    def cut(leaf: AnyArray) -> AnyArray:
        if leaf.ndim < 3:  # a bias, behind the axis of critics
            return leaf
        length = jnp.linalg.norm(leaf, axis=(-2, -1), keepdims=True)
        return leaf * jnp.minimum(1.0, most / jnp.maximum(length, 1e-12))

    return jax.tree.map(lambda leaf: cut(leaf) if eqx.is_inexact_array(leaf) else leaf, critics)


def _outputs(critics: Any, rows: Float[AnyArray, "b e"]) -> Float[AnyArray, "c b o"]:
    return eqx.filter_vmap(lambda critic: jax.vmap(critic)(rows))(critics)
