"""Features that a network has learned: its last hidden layer, held still, in place of random ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Bool, Float

from .. import _boundary as boundary
from .._learner import Metrics, Precision, advance, start
from .._runs import Metric
from .._types import AnyArray, Key
from ..games.dataset import Dataset
from ..rl.adam import at_rest, moved
from ..rl.batch_policy import AbstractBatchPolicy, AbstractDiscretePolicy, TanhGaussian
from ..rl.learner import AbstractCompiledLearner
from ..rl.policy import network
from .cloning import EXAMPLE
from .features import AbstractRowFeatures, scales
from .reward_scale import RewardScale


class LastLayer(AbstractRowFeatures):
    """The last hidden layer of a network and a constant, for each discrete action its own columns.

    - `hidden`: the network up to that layer, of observations, or of observations with their continuous action.
    - `centre`, `scale`: by which what it is given is standardised.
    - `width`: of the layer.  `num_actions`: 0 where actions are continuous.
    """

    hidden: eqx.nn.MLP
    centre: Float[AnyArray, "d"]
    scale: Float[AnyArray, "d"]

    @property
    def width(self) -> int:
        """Of the layer."""
        return self.hidden.width_size

    def of_rows(self, rows: Float[AnyArray, "n d"]) -> Float[AnyArray, "n f"]:
        """What the layer gives."""
        return jax.vmap(self.hidden)((jnp.asarray(rows) - jnp.asarray(self.centre)) / jnp.asarray(self.scale))


class Foreseeing(NamedTuple):
    """A network, the slow copy that its targets come from, and the optimiser's memory."""

    network: Any
    target: Any
    memory: Any


class Foresight(AbstractCompiledLearner):
    """A network that learns from a log what follows: value under a policy, reward, and the next observation.

    The value is learned by fitted Q evaluation with a slow target (rate 0.01); all targets are standardised, and count
    alike. What it says is not used: its last hidden layer is.

    - `data`: the log.  `policy`: whose value, the cloned one say.  `scale`: of rewards.
    - `width`: of the last hidden layer.  `batch_size`, `learning_rate`: of Adam.
    """

    rows: Float[AnyArray, "n i"]
    observation: Float[AnyArray, "n d"]
    action: Float[AnyArray, "n k"]
    earned: Float[AnyArray, "n"]
    then: Float[AnyArray, "n d"]
    follows: Float[AnyArray, "n d"]
    terminal: Bool[AnyArray, "n"]
    policy: AbstractBatchPolicy
    centre: Float[AnyArray, "i"]
    spread: Float[AnyArray, "i"]
    discount: float
    learning_rate: float
    width: int = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    num_actions: int = eqx.field(static=True)

    def __init__(
        self,
        data: Any,
        policy: Any,
        scale: Any,
        *,
        width: Any = 64,
        batch_size: Any = 256,
        learning_rate: Any = 1e-3,
    ) -> None:
        log = boundary.instance("data", data, Dataset, EXAMPLE)
        told = boundary.instance("scale", scale, RewardScale, "sg.RewardScale(0.0, 1.0, discount=0.95)")
        self.policy = boundary.instance("policy", policy, AbstractBatchPolicy, "sg.cloned(data)")
        narrow = lambda values: np.asarray(values, dtype=np.float32)
        of_then = scales(log.next_observation)
        inputs = log.observation if log.num_actions else np.concatenate([log.observation, log.action], axis=-1)
        by = scales(inputs)
        self.rows, self.centre, self.spread = narrow(inputs), narrow(by.centre), narrow(by.scale)
        self.observation, self.action, self.then = (
            narrow(log.observation),
            narrow(log.action),
            narrow(log.next_observation),
        )
        self.earned, self.terminal = narrow(told.earned(log)), log.terminal
        self.follows = narrow((log.next_observation - of_then.centre) / of_then.scale)
        self.discount = told.discount
        self.width = boundary.whole_number("width", width, low=1)
        self.batch_size = boundary.whole_number("batch_size", batch_size, low=1)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)
        self.num_actions = log.num_actions

    @property
    def precision(self) -> Precision:
        """Minibatches are noisy."""
        return "float32"

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """The loss."""
        return {"loss": Metric("mean squared error of value, reward and next observation", "", "follower", "lower")}

    def init(self, key: Key) -> Foreseeing:
        """A fresh network of two tanh layers."""
        outputs = (2 + self.then.shape[1]) * max(self.num_actions, 1)
        made = network(self.rows.shape[1], outputs, (self.width, self.width), key)
        return Foreseeing(made, made, at_rest(made))

    def sample(self, state: Any, n: Any, key: Key) -> tuple[AnyArray, AnyArray]:
        """A minibatch's rows, and noise for continuous actions."""
        of_rows, of_noise = jr.split(key)
        return jr.randint(of_rows, (self.batch_size,), 0, self.rows.shape[0]), jr.normal(
            of_noise, (self.batch_size, self.action.shape[1])
        )

    def update(self, state: Foreseeing, batch: Any, n: Any, key: Key) -> tuple[Foreseeing, Metrics]:
        """A step down, and the target a little nearer."""
        rows, noise = batch
        pick = lambda values: jnp.asarray(values)[rows]
        then = pick(self.then)
        if isinstance(self.policy, AbstractDiscretePolicy):
            onwards = jnp.sum(self.policy.choice(then) * self._outputs(state.target, then)[..., 0], axis=-1)
        else:
            assert isinstance(self.policy, TanhGaussian)
            onwards = self._said(state.target, then, self.policy.actions(then, noise))[:, 0]
        # The target is (1 - γ) times the value, of the size of a step's reward.
        paid = pick(self.earned)
        value = (1.0 - self.discount) * paid + self.discount * jnp.where(pick(self.terminal), 0.0, onwards)
        wanted = jnp.concatenate([value[:, None], paid[:, None], pick(self.follows)], axis=-1)

        def lost(net):
            return jnp.mean((self._said(net, pick(self.observation), pick(self.action)) - wanted) ** 2)

        loss, slope = eqx.filter_value_and_grad(lost)(state.network)
        net, memory = moved(state.network, state.memory, slope, self.learning_rate)
        target = jax.tree.map(lambda old, new: old + 0.01 * (new - old), state.target, net)
        return Foreseeing(net, target, memory), {"loss": loss}

    def commitment(self, state: Foreseeing) -> AnyArray:
        """The last layer's bias: a fit commits to nothing."""
        return state.network.layers[-1].bias

    def _said(self, net: Any, observation: AnyArray, action: AnyArray) -> Float[AnyArray, "n o"]:
        """Value, reward and next observation, for the action of each row."""
        if not self.num_actions:
            return self._outputs(net, jnp.concatenate([observation, action], axis=-1))[:, 0]
        each = self._outputs(net, observation)
        return jnp.take_along_axis(each, action[:, :1, None].astype(int), axis=1)[:, 0]

    def _outputs(self, net: Any, inputs: AnyArray) -> Float[AnyArray, "n a o"]:
        """For every discrete action, or for the one that stands in the row."""
        made = jax.vmap(net)((inputs - jnp.asarray(self.centre)) / jnp.asarray(self.spread))
        return made.reshape(made.shape[0], max(self.num_actions, 1), -1)


def last_layer_features(
    data: Dataset,
    policy: AbstractBatchPolicy,
    scale: RewardScale,
    *,
    width: Any = 64,
    num_steps: Any = 2_000,
    seed: Any = 0,
) -> LastLayer:
    """The last hidden layer of a network that has learned from a log what follows, see `Foresight`."""
    learner = Foresight(data, jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), policy), scale, width=width)
    run, _ = advance(learner, start(learner, (seed,)), boundary.whole_number("num_steps", num_steps, low=1))
    net = jax.tree.map(lambda leaf: np.asarray(leaf[0, 0], dtype=np.float64), run.state.network)
    return LastLayer(
        _without_head(net), learner.centre.astype(float), learner.spread.astype(float), num_actions=data.num_actions
    )


def _without_head(net: Any) -> Any:
    """The network up to its last hidden layer, whose own activation then ends it."""
    return eqx.tree_at(
        lambda one: (one.layers, one.final_activation),
        net,
        (net.layers[:-1], net.activation),
    )
