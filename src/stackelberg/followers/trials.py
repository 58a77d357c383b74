"""Games that a follower plays one after the other to get to know a leader."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Bool, Float, Int

from .. import _boundary as boundary
from .._errors import InputError
from .._types import AnyArray, Key
from ..games.environment import AbstractEnvironment
from .contextual_network import follower_sizes


class Trial(eqx.Module):
    """A game under way, what its seats see, how many steps were made in all games, and how many when it began."""

    game: Any
    observations: tuple[AnyArray, ...]
    count: Int[AnyArray, ""]
    begun: Int[AnyArray, ""]


def first_trial(environment: AbstractEnvironment, key: Key) -> Trial:
    """From its start."""
    game, observations = environment.reset(key)
    return Trial(game, observations, jnp.int32(0), jnp.int32(0))


def trial_step(
    environment: AbstractEnvironment, trial: Trial, actions: tuple[AnyArray, ...], key: Key, last: int
) -> tuple[Trial, Float[AnyArray, "seats"], Bool[AnyArray, ""]]:
    """One step: where things stand then, what all seats were paid, and whether that game is over.

    Then the next one has begun. A game that is under way when `last` steps have been made is cut there.
    """
    of_game, of_next = jr.split(key)
    made = environment.step(trial.game, actions, of_game)
    count = trial.count + 1
    is_over = made.is_over | (count - trial.begun == environment.num_steps) | (count == last)
    fresh = Trial(*environment.reset(of_next), count, count)
    gone_on = Trial(made.state, made.observations, count, trial.begun)
    return jax.tree.map(lambda new, old: jnp.where(is_over, new, old), fresh, gone_on), made.rewards, is_over


def only_follower(environment: AbstractEnvironment) -> tuple[int, int]:
    """Numbers of observations and actions of the one follower.

    Raises `InputError` where they cannot be counted, or there are several followers.
    """
    sizes = follower_sizes(environment)
    if len(sizes) != 1:
        raise InputError(
            boundary.INCONSISTENT,
            "environment",
            found=f"a game with {len(sizes)} followers",
            allowed="followers who get to know the leader by trials are alone",
            remedy="Take followers that answer together: sg.NoRegret(environment), sg.ContextualNetwork(environment).",
        )
    return sizes[0]
