"""Contextual followers by networks: for leaders that are too many for a table, or that commit to mixtures.

Each follower plays π(b | own observation, the leader's answers). Learned beforehand against random leaders by proximal
policy optimisation (`ContextualPPO`), it needs one query for each observation of the leader.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Float

from .. import _boundary as boundary
from .._types import AnyArray, Key
from ..calculus.simplex import logarithm, quantal_choice
from ..games.environment import AbstractEnvironment, Box, Discrete
from ..rl.policy import network
from .asking_all import AbstractContextual, Answers, counted


EXAMPLE = 'sg.iterated_matrix_game("prisoners_dilemma", depth=2)'


class ContextualNetwork(AbstractContextual):
    """Contextual followers that are networks, one for each follower, of their observation and the leader's answers.

    - `environment`: the game; observations of all seats and actions of followers are counted, the leader's actions are
      counted or mixtures.
    - `policies`: for each follower a network from its observation, one-hot, and the answers to logits; or the weights
      of all of them in a row `(w,)`, as a run of `ContextualPPO` saves them. Left out, followers play evenly: they have
      yet to learn.
    - `width`, `num_layers`: of the hidden layers of networks that are left out.
    - `is_greedy`: whether followers take their likeliest action, or draw.
    """

    environment: AbstractEnvironment
    policies: tuple[eqx.nn.MLP, ...]
    width: int = eqx.field(static=True)
    num_layers: int = eqx.field(static=True)
    is_greedy: bool = eqx.field(static=True)

    def __init__(
        self, environment: Any, policies: Any = None, width: Any = 64, num_layers: Any = 2, is_greedy: Any = True
    ) -> None:
        self.environment = boundary.instance("environment", environment, AbstractEnvironment, EXAMPLE)
        self.width = boundary.whole_number("width", width, low=1)
        self.num_layers = boundary.whole_number("num_layers", num_layers, low=1)
        self.is_greedy = boundary.boolean("is_greedy", is_greedy)
        blank = blank_networks(self.environment, self.width, self.num_layers, jax.random.key(0))
        self.policies = blank if policies is None else _filled(blank, policies)

    def response(self, state: Answers) -> tuple[Float[AnyArray, "p b"], ...]:
        """What each follower does at each of its observations, against a leader with these answers."""
        context = context_features(state.table)
        return tuple(
            answered(policy, context, seen, self.is_greedy)
            for policy, (seen, _) in zip(self.policies, follower_sizes(self.environment), strict=True)
        )


def _filled(blank: tuple[eqx.nn.MLP, ...], policies: Any) -> tuple[eqx.nn.MLP, ...]:
    if isinstance(policies, tuple) and len(policies) == len(blank):
        return tuple(boundary.instance("policies", one, eqx.nn.MLP, "sg.pretrained_networks(game)") for one in policies)
    weights, whole = ravel_pytree(blank)
    return whole(jnp.asarray(boundary.real_array("policies", policies, axes=weights.shape), weights.dtype))


def answered(
    policy: eqx.nn.MLP, context: Float[AnyArray, "d"], num_observations: int, is_greedy: bool
) -> Float[AnyArray, "p b"]:
    """A follower's chances at all of its observations."""
    every = jnp.eye(num_observations, dtype=context.dtype)
    inputs = jnp.concatenate([every, jnp.broadcast_to(context, (num_observations, context.size))], axis=1)
    logits = jax.vmap(policy)(jnp.asarray(inputs))
    if is_greedy:
        return jax.nn.one_hot(jnp.argmax(logits, axis=-1), logits.shape[-1], dtype=logits.dtype)
    return quantal_choice(logits, 1.0)


def context_features(table: Float[AnyArray, "*e o a"]) -> Float[AnyArray, "*e d"]:
    """The leader's chances of all actions but the last, for each of its observations, in a row."""
    chances = jnp.asarray(table)[..., :-1]
    return chances.reshape(*chances.shape[:-2], -1)


def leader_sizes(environment: AbstractEnvironment) -> tuple[int, int]:
    """Numbers of observations and of actions of the leader."""
    actions = environment.action_spaces[0]
    return counted(environment).size, actions.shape[0] if isinstance(actions, Box) else actions.size


def follower_sizes(environment: AbstractEnvironment) -> tuple[tuple[int, int], ...]:
    """The same of each follower; `InputError` where they cannot be counted."""
    size = lambda space: (
        boundary.instance("environment", space, Discrete, "followers with counted observations and actions").size
    )
    spaces = zip(environment.observation_spaces[1:], environment.action_spaces[1:], strict=True)
    return tuple((size(seen), size(actions)) for seen, actions in spaces)


def blank_networks(environment: AbstractEnvironment, width: int, num_layers: int, key: Key) -> tuple[eqx.nn.MLP, ...]:
    """Networks whose last layer is near 0."""
    seen, num_actions = leader_sizes(environment)
    num_features = seen * (num_actions - 1)
    sizes = follower_sizes(environment)
    keys = jax.random.split(key, len(sizes))
    hidden = (width,) * num_layers
    return tuple(
        network(own + num_features, actions, hidden, one, last=0.01)
        for (own, actions), one in zip(sizes, keys, strict=True)
    )


def random_leaders(
    environment: AbstractEnvironment, shape: tuple[int, ...], key: Key, near: Any = None
) -> Float[AnyArray, "... o a"]:
    """Leaders drawn at random: deterministic, or, where they may commit to mixtures, one row in two is a mixture.

    Rows are independent; mixtures are uniform on the simplex. With chances `near` `(o, a)` every second leader is
    deterministic and drawn from them.
    """
    seen, num_actions = leader_sizes(environment)
    of_pure, of_mixed, of_kind, of_near = jax.random.split(key, 4)
    rows = (*shape, seen)
    actions = jax.random.randint(of_pure, rows, 0, num_actions)
    if near is not None:
        of_draw, of_choice = jax.random.split(of_near)
        drawn = jax.random.categorical(of_draw, logarithm(jnp.asarray(near)), shape=rows)
        actions = jnp.where(jax.random.bernoulli(of_choice, shape=shape)[..., None], drawn, actions)
    pure = jax.nn.one_hot(actions, num_actions)
    if isinstance(environment.action_spaces[0], Discrete):
        return pure
    parts = jax.random.exponential(of_mixed, (*rows, num_actions))
    mixed = parts / jnp.sum(parts, axis=-1, keepdims=True)
    return jnp.where(jax.random.bernoulli(of_kind, shape=rows)[..., None], pure, mixed)
