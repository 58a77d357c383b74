"""Soft value iteration, follower and leader in one backward pass (20 stages, 100 states, 10×10 actions), against NumPy.

The derivative with respect to the leader's policy is compared with our own forward pass: a ratio of 1/3 says that value
and gradient together cost three passes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import stackelberg as sg
from stackelberg.calculus.soft_backward import Dynamics, leader_values

from .measure import Row, compare


HORIZON, STATES, ACTIONS, POLICIES = 20, 100, 10, 16
RATE, LEADER_DISCOUNT, FOLLOWER_DISCOUNT = 3.0, 1.0, 0.9
TARGETS = {np.float32: 3e-3, np.float64: 10e-3}


def rows() -> list[Row]:
    """Forward pass, value and gradient, and a batch of policies, in both precisions; then the public call."""
    game, policies = instance()
    result = []
    for precision in (np.float32, np.float64):
        forward, gradient, many, many_gradients = passes(game, policies, precision)
        peer = numpy_pass(game, policies[0], precision)
        error = abs(float(forward()) - float(peer())) / float(peer())
        name = np.dtype(precision).name
        note = f"values differ by {error:.0e} of themselves"
        work = f"soft value iteration, {name}"
        numpy = {"peer": peer, "peer_name": "NumPy"}
        result += [
            compare("markov", work, forward, **numpy, target=TARGETS[precision], note=note),
            compare("markov", f"{work}, value + gradient", gradient, peer=forward, peer_name="our forward pass"),
            compare("markov", f"{work}, {POLICIES} policies, each", many, **numpy, units=POLICIES),
            compare("markov", f"{work}, {POLICIES} gradients, each", many_gradients, **numpy, units=POLICIES),
        ]
    human = sg.QuantalResponse(RATE)
    peer = numpy_pass(game, policies[0], np.float64)
    call = lambda: game.leader_value(policies[0], human(game, policies[0]))
    return [*result, compare("markov", "the same by the public call", call, peer=peer, peer_name="NumPy")]


def instance() -> tuple[sg.MarkovGame, np.ndarray]:
    """A random game and random policies."""
    rng = np.random.default_rng(0)
    sizes = (STATES, ACTIONS, ACTIONS)
    game = sg.MarkovGame(
        rng.random(sizes),
        rng.random(sizes),
        rng.dirichlet(np.ones(STATES), sizes),
        rng.dirichlet(np.ones(STATES)),
        horizon=HORIZON,
        leader_discount=LEADER_DISCOUNT,
        follower_discount=FOLLOWER_DISCOUNT,
    )
    return game, rng.dirichlet(np.ones(ACTIONS), (POLICIES, HORIZON, STATES))


def passes(game: sg.MarkovGame, policies: np.ndarray, precision: type) -> list[Callable[[], Any]]:
    """Compiled: one value, one value and gradient, and both for all policies."""
    is_wide = precision is np.float64
    with jax.enable_x64(is_wide):
        sizes = (HORIZON, *game.shape)
        rewards = (jnp.asarray(reward, precision) for reward in (game.leader_reward, game.follower_reward))
        rewards = (jnp.broadcast_to(reward, sizes) for reward in rewards)
        numbers = (jnp.asarray(number, precision) for number in (RATE, LEADER_DISCOUNT, FOLLOWER_DISCOUNT))
        dynamics = Dynamics(*rewards, jnp.asarray(game.transition, precision), *numbers)
        initial, batch = jnp.asarray(game.initial, precision), jnp.asarray(policies, precision)

    def value(policy: jax.Array, dynamics: Dynamics) -> jax.Array:
        return initial @ leader_values(policy, dynamics)

    both = jax.value_and_grad(value)
    functions = (value, both, jax.vmap(value, (0, None)), jax.vmap(both, (0, None)))

    def ready(function: Callable[..., Any], policy: jax.Array) -> Callable[[], Any]:
        compiled = jax.jit(function)

        def call() -> Any:
            with jax.enable_x64(is_wide):
                return jax.block_until_ready(compiled(policy, dynamics))

        return call

    return [ready(function, batch[0] if k < 2 else batch) for k, function in enumerate(functions)]


def numpy_pass(game: sg.MarkovGame, policy: np.ndarray, precision: type) -> Callable[[], float]:
    """The forward pass in NumPy: transitions averaged over the leader's action by one matrix product a state."""
    leader, follower, law, initial, policy = (
        np.asarray(array, precision)
        for array in (game.leader_reward, game.follower_reward, game.transition, game.initial, policy)
    )
    blocks = law.reshape(STATES, ACTIONS, -1)

    def call() -> float:
        values = np.zeros((STATES, 2), precision)
        for h in reversed(range(HORIZON)):
            weights = policy[h][:, None, :]
            onwards = (weights @ blocks).reshape(STATES, ACTIONS, STATES) @ values
            gained = (weights @ follower)[:, 0] + precision(FOLLOWER_DISCOUNT) * onwards[..., 0]
            paid = (weights @ leader)[:, 0] + precision(LEADER_DISCOUNT) * onwards[..., 1]
            top = gained.max(axis=1, keepdims=True)
            odds = np.exp(precision(RATE) * (gained - top))
            total = odds.sum(axis=1)
            values[:, 0] = top[:, 0] + np.log(total) / precision(RATE)
            values[:, 1] = np.sum(odds * paid, axis=1) / total
        return float(initial @ values[:, 1])

    return call
