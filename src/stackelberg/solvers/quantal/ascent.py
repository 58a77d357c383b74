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

from ..._types import AnyArray
from ...calculus.simplex import quantal_choice, weight
from .shapes import padded_games, padded_rows, rounded_shape


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
    num_games, _, num_actions, num_columns = np.shape(payoff)
    own = np.zeros((num_games, 0, num_actions)) if candidates is None else np.asarray(candidates)
    lanes, *wide = rounded_shape(num_games, num_actions, num_columns)
    payoff, logit = padded_games(np.asarray(payoff), np.asarray(logit), *wide)
    shared = _filled(padded_rows(screened(num_actions), wide[0]), len(screened(wide[0])))
    own = _filled(padded_rows(own, wide[0]), max(-(-own.shape[1] // CANDIDATES), 1) * CANDIDATES)
    uniform = np.where(np.arange(wide[0]) < num_actions, 1.0 / num_actions, 0.0)
    # The last game stands in for those that only fill up the batch.
    several = np.minimum(np.arange(-(-num_games // lanes) * lanes), num_games - 1).reshape(-1, lanes)
    climbed = [
        _ascend(payoff[chosen], logit[chosen], np.asarray(prior)[chosen], shared, own[chosen], uniform)
        for chosen in several
    ]
    commitment, value = (np.concatenate([np.asarray(part) for part in parts]) for parts in zip(*climbed, strict=True))
    return Climbed(commitment[:num_games, :num_actions], value[:num_games])


def _filled(candidates: Float[np.ndarray, "*g k a"], count: int) -> Float[np.ndarray, "*g m a"]:
    """With rows of zeros, which are never started from, so that few shapes are compiled."""
    *games, present, num_actions = candidates.shape
    return np.concatenate([candidates, np.zeros((*games, count - present, num_actions))], axis=-2)


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
    uniform: Float[AnyArray, "a"],
) -> tuple[Float[AnyArray, "g a"], Float[AnyArray, "g"]]:
    return jax.vmap(_ascend_one, (0, None, 0, None))(_Stage(payoff, logit, prior), shared, own, uniform)


def _ascend_one(
    stage: _Stage, shared: Float[AnyArray, "k a"], own: Float[AnyArray, "m a"], uniform: Float[AnyArray, "a"]
) -> tuple[Float[AnyArray, "a"], Float[AnyArray, ""]]:
    tried = jnp.concatenate([shared, own])
    is_filler = jnp.sum(tried, axis=-1) < 0.5
    merit = jnp.where(is_filler, -jnp.inf, worth(stage, tried)[0])
    screened_value, first = jax.lax.top_k(merit, min(NUM_STARTS, len(tried)))
    # A zero probability would stay zero for ever, as it does for actions that only fill up the shape.
    start = 0.999 * tried[first] + 0.001 * uniform
    climbed, value = _climb(stage, start)
    _, last = jax.lax.top_k(value, min(NUM_POLISHED, len(value)))
    polished, value = jax.vmap(_polish, (None, 0, None))(stage, climbed[last], uniform)
    ends, value = jnp.concatenate([polished, tried[first[:1]]]), jnp.append(value, screened_value[0])
    best = jnp.argmax(value)
    return ends[best], value[best]


def best_of_many(payoff: Float[AnyArray, "a b"], logit: Float[AnyArray, "a b"]) -> Float[AnyArray, "a"]:
    """The best of many climbs against one follower, inside code that is traced in float64; payoffs near [0, 1].

    Without Newton's last digits, which cost more to compile than all the rest: the value is good to about 1e-6.
    """
    num_actions = payoff.shape[0]
    stage = _Stage(payoff[None], logit[None], jnp.ones(1))
    tried = jnp.asarray(screened(num_actions))
    _, first = jax.lax.top_k(worth(stage, tried)[0], min(NUM_STARTS, len(tried)))
    climbed, value = _climb(stage, 0.999 * tried[first] + 0.001 / num_actions)
    return climbed[jnp.argmax(value)]


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


def _polish(
    stage: _Stage, commitment: Float[AnyArray, "a"], uniform: Float[AnyArray, "a"]
) -> tuple[Float[AnyArray, "a"], Float[AnyArray, ""]]:
    """Newton's method on the support, several dampings at once; the value never falls."""

    def step(commitment, _):
        tried = _newton_candidates(stage, commitment, uniform)
        value, _ = worth(stage, tried)
        return tried[jnp.argmax(value)], None  # the first one is the present commitment

    commitment, _ = jax.lax.scan(step, commitment, length=NUM_NEWTON)
    return commitment, worth(stage, commitment[None])[0][0]


DAMPINGS = (0.0, 1e-2, 1.0)
LENGTHS = (1.0, 0.3)


def _newton_candidates(
    stage: _Stage, commitment: Float[AnyArray, "a"], uniform: Float[AnyArray, "a"]
) -> Float[AnyArray, "m a"]:
    """Steps to try from `commitment`: damped Newton directions of several lengths, cut where a probability ends."""
    gradient = worth(stage, commitment[None])[1][0]
    mean = commitment @ gradient
    free = (commitment > SUPPORT) | ((gradient > mean + SUPPORT) & (uniform > 0.0))
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
