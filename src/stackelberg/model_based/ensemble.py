"""Ensembles of networks as world models, fitted as one batched program: `Ensemble`."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Float, Int

from .._types import AnyArray, Key
from ..calculus.simplex import weight
from ..rl import adam
from ..rl.policy import network


NARROWEST, WIDEST = -8.0, 1.0
"""Between which the logarithm of a predicted variance lies, in units of the normalised change."""


class Transitions(eqx.Module):
    """States, actions, next states, rewards and ends, `(n, ...)`."""

    states: Float[AnyArray, "*n d"]
    actions: Float[AnyArray, "*n k"]
    thens: Float[AnyArray, "*n d"]
    rewards: Float[AnyArray, "*n"]
    ends: Float[AnyArray, "*n"]


class Ensemble(eqx.Module):
    """Networks `(m, ...)` that predict the change of state, the reward and the end of the episode, with variances.

    - `networks`: from state and action, shifted and divided by the data's mean and deviation, to the mean of the
      normalised change and reward, the bounded logarithms of their variances, and the logit of the end.
    - `centre`, `spread`: of inputs; `shift`, `size`: of changes and rewards.
    """

    networks: eqx.nn.MLP
    centre: Float[AnyArray, "i"]
    spread: Float[AnyArray, "i"]
    shift: Float[AnyArray, "o"]
    size: Float[AnyArray, "o"]

    @property
    def num_members(self) -> int:
        """Networks side by side."""
        return jax.tree.leaves(eqx.filter(self.networks, eqx.is_inexact_array))[0].shape[0]

    def predict(
        self, net: eqx.nn.MLP, state: Float[AnyArray, "d"], action: Float[AnyArray, "k"]
    ) -> tuple[Float[AnyArray, "o"], Float[AnyArray, "o"], Float[AnyArray, ""]]:
        """Of one member: mean and log-variance of the normalised change and reward, and the logit of the end."""
        raw = net((jnp.concatenate([state, action]) - self.centre) / self.spread)
        size = jnp.size(state) + 1
        spread = NARROWEST + (WIDEST - NARROWEST) * jax.nn.sigmoid(raw[size : 2 * size])
        return raw[:size], spread, raw[-1]

    def step(
        self, net: eqx.nn.MLP, state: Float[AnyArray, "d"], action: Float[AnyArray, "k"], noise: Float[AnyArray, "o"]
    ) -> tuple[Float[AnyArray, "d"], Float[AnyArray, ""], Float[AnyArray, ""]]:
        """The next state, the reward and the logit of the end that one member imagines."""
        mean, spread, end = self.predict(net, state, action)
        made = self.shift + self.size * (mean + weight(0.5 * spread) * noise)
        return state + made[:-1], made[-1], end

    def losses(self, data: Transitions, is_deterministic: bool, counts_reward: bool = True) -> Float[AnyArray, "m"]:
        """Of each member: mean negative log-likelihood (or mean square) of the normalised change and reward."""
        each = lambda net: jax.vmap(lambda one: self._loss(net, one, is_deterministic, counts_reward))(data)
        return jax.vmap(lambda net: jnp.mean(each(net)))(self.networks)

    def _loss(
        self, net: eqx.nn.MLP, one: Transitions, is_deterministic: bool, counts_reward: bool = True
    ) -> Float[AnyArray, ""]:
        mean, spread, end = self.predict(net, one.states, one.actions)
        made = jnp.append(one.thens - one.states, one.rewards)
        off = (made - self.shift) / self.size - mean
        each = off**2 if is_deterministic else 0.5 * (off**2 * weight(-spread) + spread)
        return jnp.sum(each if counts_reward else each[:-1]) + optax.sigmoid_binary_cross_entropy(end, one.ends)

    def log_density(
        self, net: eqx.nn.MLP, state: Float[AnyArray, "d"], action: Float[AnyArray, "k"], then: Float[AnyArray, "d"]
    ) -> Float[AnyArray, ""]:
        """Of the next state in one member, in units of the normalised change, up to a constant."""
        mean, spread, _ = self.predict(net, state, action)
        off = (then - state - self.shift[:-1]) / self.size[:-1] - mean[:-1]
        return -0.5 * jnp.sum(off**2 * weight(-spread[:-1]) + spread[:-1])

    def disagreement(self, state: Float[AnyArray, "d"], action: Float[AnyArray, "k"]) -> Float[AnyArray, ""]:
        """The largest standard deviation of the members' means, in units of the normalised change."""
        means = jax.vmap(lambda net: self.predict(net, state, action)[0])(self.networks)
        return jnp.max(jnp.std(means[:, :-1], axis=0))

    def chosen(self, members: Int[AnyArray, "e"]) -> Ensemble:
        """Some of the members."""
        return eqx.tree_at(lambda one: one.networks, self, jax.tree.map(lambda leaf: leaf[members], self.networks))

    def normalised(self, data: Transitions) -> Ensemble:
        """The same networks, with the means and deviations of `data`."""
        inputs = jnp.concatenate([data.states, data.actions], axis=-1)
        outputs = jnp.concatenate([data.thens - data.states, data.rewards[..., None]], axis=-1)
        deviation = lambda values: jnp.maximum(jnp.std(values, axis=0), 1e-3)
        where = lambda one: (one.centre, one.spread, one.shift, one.size)
        parts = (jnp.mean(inputs, axis=0), deviation(inputs), jnp.mean(outputs, axis=0), deviation(outputs))
        return eqx.tree_at(where, self, parts)


def blank_ensemble(num_features: int, action_size: int, members: int, hidden: tuple[int, ...], key: Key) -> Ensemble:
    """An ensemble that predicts no change."""
    size, inputs = num_features + 1, num_features + action_size
    make = lambda key: network(inputs, 2 * size + 1, hidden, key, last=0.1)
    nets = eqx.filter_vmap(make)(jr.split(key, members))
    return Ensemble(nets, jnp.zeros(inputs), jnp.ones(inputs), jnp.zeros(size), jnp.ones(size))


def fitted(
    ensemble: Ensemble,
    moments: Any,
    draw: Any,
    key: Key,
    num_steps: Any,
    learning_rate: Any,
    is_deterministic: bool,
    decay: Any,
    weight_of_promise: float = 0.0,
    promised: Any = None,
) -> tuple[Ensemble, Any, Float[AnyArray, "m"]]:
    """`num_steps` steps of Adam, every member on minibatches of its own, `draw(key) -> Transitions` (m, b, ...).

    - `weight_of_promise`: w in [0, 1]: the loss counts 1 - w, and w what `promised(ensemble, key) -> (m,)` says, which
      is raised.
    """

    def step(carry, key):
        nets, moments = carry
        data = draw(key)

        def loss(nets):
            one = lambda net, data: jnp.mean(jax.vmap(lambda each: ensemble._loss(net, each, is_deterministic))(data))
            each = jax.vmap(one)(nets, data)
            if weight_of_promise == 0.0:
                return jnp.sum(each), each
            told = promised(eqx.tree_at(lambda one: one.networks, ensemble, nets), jr.fold_in(key, 1))
            return jnp.sum((1.0 - weight_of_promise) * each - weight_of_promise * told), each

        (_, each), slope = eqx.filter_value_and_grad(loss, has_aux=True)(nets)
        fallen = jax.tree.map(lambda leaf: (1.0 - learning_rate * decay) * leaf, nets)
        return adam.moved(fallen, moments, slope, learning_rate), each

    carry, losses = jax.lax.scan(step, (ensemble.networks, moments), jr.split(key, num_steps))
    return eqx.tree_at(lambda one: one.networks, ensemble, carry[0]), carry[1], losses[-1]
