"""Good commitments against a logit follower at any size: many starts, exponentiated gradient, then Newton.

The leader's value is not concave in its mixture, so that one ascent proves nothing: many commitments are screened, the
best of them climb together (one compiled call over games and starts), and the best ends are polished to the last
digits by Newton's method on their support. What is returned is a lower bound; the solvers prove the upper one.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .._types import AnyArray
from ..calculus.simplex import quantal_choice, weight


NUM_STARTS = 16
NUM_STEPS = 24
NUM_POLISHED = 2
NUM_NEWTON = 8
SUPPORT = 1e-9
CANDIDATES = 24


class Climbed(NamedTuple):
    """The best commitment found in each game, and what it is worth."""

    commitment: Float[np.ndarray, "g a"]
    value: Float[np.ndarray, "g"]


class _Stage(NamedTuple):
    """One game: payoffs and logits of every follower type, and the prior over types."""

    payoff: Float[AnyArray, "t a b"]
    logit: Float[AnyArray, "t a b"]
    prior: Float[AnyArray, "t"]


def ascend(
    payoff: Float[AnyArray, "g t a b"],
    logit: Float[AnyArray, "g t a b"],
    prior: Float[AnyArray, "g t"],
    candidates: Float[AnyArray, "g k a"] | None = None,
) -> Climbed:
    """The best of many climbs in each game; payoffs near [0, 1]. To be called in float64.

    `candidates` are further commitments to screen, besides the pure ones, the uniform one and random mixtures.
    """
    num_actions = np.shape(payoff)[-2]
    shared = screened(num_actions)
    own = np.zeros((len(payoff), 0, num_actions)) if candidates is None else _filled(np.asarray(candidates))
    commitment, value = _ascend(
        *(jnp.asarray(array) for array in (payoff, logit, prior)), jnp.asarray(shared), jnp.asarray(own)
    )
    return Climbed(np.asarray(commitment), np.asarray(value))


def _filled(candidates: Float[np.ndarray, "g k a"]) -> Float[np.ndarray, "g m a"]:
    """With copies of the first pure commitment, so that few shapes are compiled."""
    num_games, count, num_actions = candidates.shape
    missing = -count % CANDIDATES if count else CANDIDATES
    pure = np.broadcast_to(np.eye(num_actions)[:1], (num_games, missing, num_actions))
    return np.concatenate([candidates, pure], axis=1)


def screened(num_actions: int) -> Float[np.ndarray, "k a"]:
    """Commitments worth a look in any game: pure, uniform, and random ones of every sparsity (always the same)."""
    rng = np.random.default_rng(20250101)
    mixtures = [rng.dirichlet(np.full(num_actions, density), 24) for density in (1.0, 0.3, 2.0 / num_actions)]
    return np.vstack([np.eye(num_actions), np.full((1, num_actions), 1.0 / num_actions), *mixtures])


@jax.jit
def _ascend(
    payoff: Float[AnyArray, "g t a b"],
    logit: Float[AnyArray, "g t a b"],
    prior: Float[AnyArray, "g t"],
    shared: Float[AnyArray, "k a"],
    own: Float[AnyArray, "g m a"],
) -> tuple[Float[AnyArray, "g a"], Float[AnyArray, "g"]]:
    return jax.vmap(_ascend_one, (0, None, 0))(_Stage(payoff, logit, prior), shared, own)


def _ascend_one(
    stage: _Stage, shared: Float[AnyArray, "k a"], own: Float[AnyArray, "m a"]
) -> tuple[Float[AnyArray, "a"], Float[AnyArray, ""]]:
    tried = jnp.concatenate([shared, own])
    screened_value, first = jax.lax.top_k(worth(stage, tried)[0], min(NUM_STARTS, len(tried)))
    # A zero probability would stay zero for ever.
    start = 0.999 * tried[first] + 0.001 / tried.shape[-1]
    climbed, value = _climb(stage, start)
    _, last = jax.lax.top_k(value, min(NUM_POLISHED, len(value)))
    polished, value = jax.vmap(_polish, (None, 0))(stage, climbed[last])
    ends, value = jnp.concatenate([polished, tried[first[:1]]]), jnp.append(value, screened_value[0])
    best = jnp.argmax(value)
    return ends[best], value[best]


def worth(stage: _Stage, commitment: Float[AnyArray, "n a"]) -> tuple[Float[AnyArray, "n"], Float[AnyArray, "n a"]]:
    """The leader's value of each commitment, and its gradient."""
    choice = quantal_choice(jnp.einsum("na,tab->tnb", commitment, stage.logit), 1.0)
    paid = jnp.einsum("na,tab->tnb", commitment, stage.payoff)
    value = jnp.sum(choice * paid, axis=-1)
    weighted = stage.prior[:, None, None] * choice
    surplus = weighted * (paid - value[..., None])
    gradient = jnp.einsum("tnb,tab->na", weighted, stage.payoff) + jnp.einsum("tnb,tab->na", surplus, stage.logit)
    return stage.prior @ value, gradient


def _climb(stage: _Stage, commitment: Float[AnyArray, "s a"]) -> tuple[Float[AnyArray, "s a"], Float[AnyArray, "s"]]:
    """Exponentiated gradient; a step that loses is undone and halved, one that gains is repeated longer."""
    value, gradient = worth(stage, commitment)
    length = 1.0 / (jnp.max(gradient, axis=-1) - jnp.min(gradient, axis=-1) + 1e-300)

    def step(carry, _):
        commitment, value, gradient, length = carry
        push = length[:, None] * (gradient - jnp.max(gradient, axis=-1, keepdims=True))
        moved = commitment * weight(jnp.maximum(push, -30.0))
        moved = moved / jnp.sum(moved, axis=-1, keepdims=True)
        moved_value, moved_gradient = worth(stage, moved)
        gains = moved_value >= value
        keep = gains[:, None]
        return (
            jnp.where(keep, moved, commitment),
            jnp.where(gains, moved_value, value),
            jnp.where(keep, moved_gradient, gradient),
            jnp.where(gains, 1.6, 0.4) * length,
        ), None

    (commitment, value, _, _), _ = jax.lax.scan(
        step, (commitment, value, gradient, length), length=NUM_STEPS + commitment.shape[-1] // 2
    )
    return commitment, value


def _polish(stage: _Stage, commitment: Float[AnyArray, "a"]) -> tuple[Float[AnyArray, "a"], Float[AnyArray, ""]]:
    """Newton's method on the support, several dampings at once; the value never falls."""

    def step(commitment, _):
        tried = _newton_candidates(stage, commitment)
        value, _ = worth(stage, tried)
        return tried[jnp.argmax(value)], None  # the first one is the present commitment

    commitment, _ = jax.lax.scan(step, commitment, length=NUM_NEWTON)
    return commitment, worth(stage, commitment[None])[0][0]


DAMPINGS = (0.0, 1e-2, 1.0)
LENGTHS = (1.0, 0.3)


def _newton_candidates(stage: _Stage, commitment: Float[AnyArray, "a"]) -> Float[AnyArray, "m a"]:
    """Steps to try from `commitment`: damped Newton directions of several lengths, cut where a probability ends."""
    gradient = worth(stage, commitment[None])[1][0]
    mean = commitment @ gradient
    free = (commitment > SUPPORT) | (gradient > mean + SUPPORT)
    curvature = _curvature(stage, commitment)
    size = 1e-12 + jnp.max(jnp.abs(curvature))
    commitment = jnp.where(free, commitment, 0.0)
    commitment = commitment / jnp.sum(commitment)

    def direction(damping):
        # The step d maximises the quadratic model over the free actions with Σ d = 0.
        both = free[:, None] & free[None, :]
        block = jnp.where(both, curvature, 0.0) - jnp.diag(jnp.where(free, damping * size, 1.0))
        border = jnp.where(free, 1.0, 0.0)
        system = jnp.block([[block, border[:, None]], [border[None, :], jnp.zeros((1, 1))]])
        right = jnp.concatenate([jnp.where(free, mean - gradient, 0.0), jnp.zeros(1)])
        found = jnp.linalg.solve(system, right)[:-1]
        return jnp.where(jnp.all(jnp.isfinite(found)), jnp.where(free, found, 0.0), 0.0)

    directions = jax.vmap(direction)(jnp.asarray(DAMPINGS))
    room = jnp.min(
        jnp.where(directions < 0.0, commitment / -jnp.where(directions < 0.0, directions, -1.0), jnp.inf), axis=-1
    )
    reach = jnp.minimum(room, 1.0)[:, None, None] * jnp.asarray(LENGTHS)[None, :, None]
    moved = jnp.maximum(commitment + reach * directions[:, None, :], 0.0).reshape(-1, commitment.shape[0])
    tried = jnp.concatenate([commitment[None], moved])
    return tried / jnp.sum(tried, axis=-1, keepdims=True)


def _curvature(stage: _Stage, commitment: Float[AnyArray, "a"]) -> Float[AnyArray, "a a"]:
    """The Hessian of the leader's value."""
    choice = quantal_choice(jnp.einsum("a,tab->tb", commitment, stage.logit), 1.0)
    paid = jnp.einsum("a,tab->tb", commitment, stage.payoff)
    weighted = stage.prior[:, None] * choice
    surplus = weighted * (paid - jnp.sum(choice * paid, axis=-1, keepdims=True))
    centred = stage.logit - jnp.einsum("tb,tab->ta", choice, stage.logit)[..., None]
    cross = jnp.einsum("tb,tab,tcb->ac", weighted, centred, stage.payoff)
    return jnp.einsum("tb,tab,tcb->ac", surplus, centred, centred) + cross + cross.T
