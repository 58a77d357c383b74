"""What the follower's actions cannot tell about its reward, and what is done about it: nothing, or a convention.

A change of the reward that alters no answer to any announcement is free. Against mixtures a myopic follower leaves
r(h, s, a, b) + c(h, s, a) free, against prescriptions only c(h, s). A farsighted follower leaves potential shaping
free, r(h, s, a, b) + c(h, s) - γ E[c(h+1, s')], and against mixtures c(1, s, a) at the first stage besides. Neither the
likelihood nor the leader's value depends on what is free, so that nothing needs to be fixed to learn and to plan.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jaxtyping import Float

from .. import _boundary as boundary
from .._types import AnyArray
from ..calculus.backward_induction import soft_values
from ..calculus.precision import exact
from ..games.markov import MarkovGame


def gauge_dimension(
    horizon: int, num_states: int, num_leader_actions: int, *, is_prescription: bool, is_farsighted: bool
) -> int:
    """How many directions of the follower's reward change no answer, in generic games.

    Where there is one state only, nothing that a follower does now reaches a later stage, and it answers as a myopic
    one would.
    """
    if not is_farsighted or num_states == 1:
        return horizon * num_states * (1 if is_prescription else num_leader_actions)
    return horizon * num_states + (0 if is_prescription else num_states * (num_leader_actions - 1))


@exact
def centred(reward: Any, mixture: Any = None) -> Float[AnyArray, "*hs a b"]:
    """The reward whose rows satisfy Σ_b x(b) r(a, b) = 0: the linear constraint, without loss against mixtures only.

    `mixture` is x, uniform when left out; its entries sum to 1. Against prescriptions or with a farsighted follower the
    constraint is a true assumption: it has one row for each stage, state and leader's action, and what is free is less.
    """
    table = boundary.real_array("reward", reward)
    x = jnp.full(table.shape[-1], 1.0 / table.shape[-1]) if mixture is None else jnp.asarray(mixture)
    return jnp.asarray(table) - (jnp.asarray(table) @ x)[..., None]


@exact
def shaped(game: MarkovGame, potential: Any) -> Float[AnyArray, "h s a b"]:
    """The follower's reward after potential shaping, which changes no answer: r + c(h, s) - γ E[c(h + 1, s')].

    `potential` is c, `(h, s)`; after the last stage it is 0.
    """
    horizon, shape = game.horizon or 0, game.shape
    c = jnp.asarray(boundary.real_array("potential", potential, axes=(horizon, shape[0])))
    following = jnp.concatenate([c[1:], jnp.zeros_like(c[:1])])
    law = jnp.broadcast_to(jnp.asarray(game.transition), (horizon, *game.transition.shape[-4:]))
    later = jnp.einsum("hsabt,ht->hsab", law, following)
    reward = jnp.broadcast_to(jnp.asarray(game.follower_reward), (horizon, *shape))
    return reward + c[:, :, None, None] - game.follower_discount * later


@exact
def anchored(
    game: MarkovGame, inverse_temperature: Float[AnyArray, ""] | float, reference: Any = None
) -> Float[AnyArray, "h s a b"]:
    """The reward that answers alike and gives every stage and state value 0 under one reference announcement.

    Always attainable, by shaping with minus the follower's soft value (its entropy counted from uniform play), and so a
    convention, not an assumption. `reference` is uniform play when left out.
    """
    announced = game.uniform_commitment() if reference is None else game.check_commitment(reference)
    problem = game.induce(game.over_stages(announced))
    _, values = soft_values(problem.follower_reward, problem.transition, inverse_temperature, game.follower_discount)
    return shaped(game, -jnp.asarray(values))
