"""Whether an environment keeps what `AbstractEnvironment` promises: `check_environment`."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from .. import _boundary as boundary
from .._errors import InputError
from .._types import AnyArray, Key
from .environment import AbstractEnvironment, Discrete, Space, Transition


ROUNDING = 1e-5
"""By which compiled arithmetic may differ."""


def check_environment(environment: Any, num_episodes: Any = 4, seed: Any = 0) -> None:
    """Play `num_episodes` at random, and raise an `InputError` at the first broken promise.

    Checked are, in this order: as many spaces of observations as of actions; observations and rewards of the right
    number, shape and range, and finite; the same state, in structure, shapes and dtypes, before and after a step; the
    same bits from the same key, and the same up to rounding compiled and in a batch; an end within `num_steps`.
    """
    example = 'sg.iterated_matrix_game("chicken")'
    environment = boundary.instance("environment", environment, AbstractEnvironment, example)
    episodes = boundary.whole_number("num_episodes", num_episodes, low=1)
    root = jr.key(boundary.whole_number("seed", seed, low=0))
    seen, acts = environment.observation_spaces, environment.action_spaces
    if len(seen) != len(acts):
        raise _broken("spaces", f"{len(seen)} spaces of observations and {len(acts)} of actions", "one each for a seat")
    for number in range(episodes):
        _check_episode(environment, jr.fold_in(root, number))
    _check_batch(environment, root)


def _check_episode(environment: AbstractEnvironment, key: Key) -> None:
    state, observations = environment.reset(key)
    _check_observations(environment, observations, "reset")
    step = eqx.filter_jit(environment.step)
    for number in range(environment.num_steps):
        actions, of_step = random_actions(environment, jr.fold_in(key, number)), jr.fold_in(key, 1000 + number)
        made = environment.step(state, actions, of_step)
        _check_transition(environment, state, made, number)
        _check_again(made, environment.step(state, actions, of_step), f"step {number + 1}, once more,", 0.0)
        _check_again(made, step(state, actions, of_step), f"step {number + 1}, compiled,", ROUNDING)
        state = made.state
        if bool(made.is_over):
            return
    raise _broken(
        "is_over",
        f"it is still False after {environment.num_steps} steps",
        "an episode ends within num_steps",
        "Return is_over=True in the last step, or raise num_steps.",
    )


def _check_again(made: Any, again: Any, where: str, tolerance: float) -> None:
    if not _alike(made, again, tolerance):
        found = f"{where} gives something else for the same state, actions and key"
        remedy = "Draw from the key alone, and change nothing outside."
        raise _broken("step", found, "a pure function of the three", remedy)


def _check_batch(environment: AbstractEnvironment, key: Key) -> None:
    """Three first steps at once are those three one by one."""

    def first(key: Key) -> Transition:
        state, _ = environment.reset(key)
        return environment.step(state, random_actions(environment, key), key)

    keys = jr.split(key, 3)
    together = jax.jit(jax.vmap(first))(keys)
    for place in range(3):
        lane = jax.tree.map(lambda leaf, place=place: leaf[place], together)
        if not _alike(lane, first(keys[place]), ROUNDING):
            found = "a batch of first steps differs from the same steps one by one"
            raise _broken("step", found, "under vmap each lane is on its own", "Use jax.numpy on the arguments alone.")


def _check_transition(environment: AbstractEnvironment, state: Any, made: Any, number: int) -> None:
    where = f"step {number + 1}"
    if not isinstance(made, Transition):
        raise _broken("step", f"{where} returns a {type(made).__name__}", "a Transition", "Return sg.Transition(...).")
    _check_observations(environment, made.observations, where)
    rewards = np.asarray(made.rewards)
    if rewards.shape != (environment.num_seats,):
        shape = f"({environment.num_seats},), one for each seat"
        raise _broken("rewards", f"{where} returns shape {rewards.shape}", shape)
    if not np.all(np.isfinite(rewards)):
        raise _broken("rewards", f"{where} returns {rewards.tolist()}", "finite numbers")
    if np.shape(made.is_over) != () or np.asarray(made.is_over).dtype != bool:
        raise _broken("is_over", f"{where} returns {boundary.shown(made.is_over)}", "one truth value as an array")
    before, after = _outline(state), _outline(made.state)
    if before != after:
        found, remedy = f"{where} turns {before} into {after}", "Give the first state its final dtypes."
        raise _broken("state", found, "the same structure, shapes and dtypes for ever", remedy)


def _check_observations(environment: AbstractEnvironment, observations: Any, where: str) -> None:
    spaces = environment.observation_spaces
    if not isinstance(observations, tuple) or len(observations) != len(spaces):
        raise _broken("observations", f"{where} returns {boundary.shown(observations)}", f"a tuple of {len(spaces)}")
    for seat, (space, seen) in enumerate(zip(spaces, observations, strict=True)):
        if np.shape(seen) != space.shape:
            raise _broken("observations", f"{where}, seat {seat}: shape {np.shape(seen)}", f"shape {space.shape}")
        if not bool(space.contains(seen)):
            allowed = f"0 to {space.size - 1}" if isinstance(space, Discrete) else f"{space.low:g} to {space.high:g}"
            raise _broken("observations", f"{where}, seat {seat}: {boundary.shown(seen)}", allowed)


def random_actions(environment: AbstractEnvironment, key: Key) -> tuple[AnyArray, ...]:
    """An action for each seat, evenly drawn from its space."""
    keys = jr.split(key, environment.num_seats)
    return tuple(_drawn(space, key) for space, key in zip(environment.action_spaces, keys, strict=True))


def _drawn(space: Space, key: Key) -> AnyArray:
    if isinstance(space, Discrete):
        return jr.randint(key, (), 0, space.size)
    return jr.uniform(key, space.shape, minval=space.low, maxval=space.high)


def _outline(tree: Any) -> str:
    leaves = [f"{jnp.asarray(leaf).dtype}{list(np.shape(leaf))}" for leaf in jax.tree.leaves(tree)]
    return f"{', '.join(leaves)} in {jax.tree.structure(tree)}"[:200]


def _alike(one: Any, other: Any, tolerance: float) -> bool:
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.allclose(_plain(a), _plain(b), rtol=tolerance, atol=tolerance, equal_nan=True) for a, b in pairs)


def _plain(leaf: AnyArray) -> np.ndarray:
    is_key = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return np.asarray(jr.key_data(leaf) if is_key else leaf)


def _broken(field: str, found: str, allowed: str, remedy: str = "Correct the environment there.") -> InputError:
    return InputError(boundary.INCONSISTENT, field, found=found, allowed=allowed, remedy=remedy)
