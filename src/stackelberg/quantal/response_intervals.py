"""Bounds on the follower's answers over an ellipsoid of weights, and the directions of weights that answers tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .._types import AnyArray
from ..calculus.simplex import log_quantal_choice, logarithm, quantal_choice, weight
from ..play.markov_world import MarkovRules
from .bonus import value_covariance
from .model import log_answers
from .myopic_likelihood import pair_covariance, reward_table


IntervalForm: TypeAlias = Literal["delta method", "support"]

INTERVAL_FORMS: tuple[IntervalForm, ...] = ("delta method", "support")

STEPS = 8

CERTAIN = 1e-12
"""Chances of another answer below this count as this."""

Bounds: TypeAlias = tuple[Float[AnyArray, "h s b"], Float[AnyArray, "h s b"], Float[AnyArray, "h s b"]]


def is_farsighted(rules: MarkovRules) -> bool:
    """Whether answers depend on what is announced for later stages."""
    return rules.horizon > 1 and float(rules.follower_discount) > 0.0


def myopic_bounds(
    rules: MarkovRules,
    law: Float[AnyArray, "h s a b t"],
    weights: Float[AnyArray, "h k d"],
    information: Float[AnyArray, "m n n"],
    ridge: float,
    policy: Float[AnyArray, "h s *b a"],
    radius: Float[AnyArray, ""],
    form: str,
) -> Bounds:
    """The answers under the estimate, the least and the most within a radius: through the action values of a state."""
    del law
    _, _, _, num_columns = rules.shape
    rate = jnp.asarray(rules.inverse_temperature)
    rows = policy if rules.is_prescription else jnp.repeat(policy[:, :, None, :], num_columns, axis=2)
    value = jnp.einsum("hsba,hsab->hsb", rows, reward_table(rules, jnp.asarray(weights)))
    blocks = jnp.asarray(information).reshape(*weights.shape, weights.shape[-1])
    spread = jax.vmap(jax.vmap(value_covariance))(rows, pair_covariance(rules, blocks, ridge))
    choice = quantal_choice(value, rate)
    if form == "delta method":
        pull = jnp.eye(num_columns) - choice[..., None, :]
        variance = jnp.einsum("hsbi,hsij,hsbj->hsb", pull, spread, pull)
        return _around(choice, rate * radius * jnp.sqrt(jnp.maximum(variance, 0.0)))

    def extremes(value, spread, sign):
        through = lambda push: jnp.sum(spread * push, axis=-1)
        return _extremes(lambda moved: log_quantal_choice(moved, rate), value, through, radius, sign)

    over = jax.vmap(jax.vmap(extremes, (0, 0, None)), (0, 0, None))
    return choice, over(value, spread, -1.0), over(value, spread, 1.0)


def farsighted_bounds(
    rules: MarkovRules,
    law: Float[AnyArray, "h s a b t"],
    weights: Float[AnyArray, "h k d"],
    information: Float[AnyArray, "m n n"],
    ridge: float,
    policy: Float[AnyArray, "h s *b a"],
    radius: Float[AnyArray, ""],
    form: str,
) -> Bounds:
    """The same through all weights together."""
    start, shape = jnp.asarray(weights).reshape(-1), weights.shape
    (block,) = jnp.asarray(information)
    factor = jnp.linalg.cholesky(block + ridge * jnp.eye(len(block)))
    at = lambda flat: log_answers(rules, flat.reshape(shape), law, policy)
    choice = weight(at(start))
    if form == "delta method":
        slopes = jax.jacfwd(at)(start).reshape(-1, start.size)
        length = jnp.sqrt(jnp.sum(jax.scipy.linalg.solve_triangular(factor, slopes.T, lower=True) ** 2, axis=0))
        return _around(choice, radius * length.reshape(choice.shape))

    through = lambda push: jax.scipy.linalg.cho_solve((factor, True), push)

    num_columns = choice.shape[-1]

    def extremes(place, sign):
        return _extremes(lambda flat: at(flat).reshape(-1, num_columns)[place], start, through, radius, sign)

    places = jnp.arange(choice.size // num_columns)
    over = jax.vmap(extremes, (0, None))
    return choice, over(places, -1.0).reshape(choice.shape), over(places, 1.0).reshape(choice.shape)


def _extremes(
    log_choice: Callable[[Float[AnyArray, "n"]], Float[AnyArray, "b"]],
    centre: Float[AnyArray, "n"],
    through: Callable[[Float[AnyArray, "n"]], Float[AnyArray, "n"]],
    radius: Float[AnyArray, ""],
    sign: float,
) -> Float[AnyArray, "b"]:
    """The most (sign 1) or the least (-1) that each answer's probability reaches over an ellipsoid.

    A fixed point: to the end of the ellipsoid along the gradient, several times, and the best of all points passed. An
    answer is made rare by making any one of its rivals attractive, and each of them is a local optimum: one start along
    the odds against each rival, and one along the answer's own gradient.
    """
    num_columns = log_choice(centre).shape[0]

    def end(push):
        moved = through(push)
        return centre + sign * radius * moved / jnp.sqrt(jnp.maximum(jnp.sum(push * moved), 0.0) + 1e-24)

    def climbed(answer, rival):
        tilt = jnp.eye(num_columns)[answer] - jnp.where(rival == answer, 0.0, jnp.eye(num_columns)[rival])
        first = end(jax.grad(lambda flat: jnp.sum(tilt * log_choice(flat)))(centre))
        slope = jax.value_and_grad(lambda flat: log_choice(flat)[answer])

        def step(carry, _):
            flat, most = carry
            value, push = slope(flat)
            return (end(push), jnp.maximum(most, sign * value)), None

        (last, most), _ = jax.lax.scan(step, (first, sign * slope(centre)[0]), length=STEPS)
        return jnp.maximum(most, sign * slope(last)[0])

    every = jnp.arange(num_columns)
    most = jax.vmap(lambda answer: jnp.max(jax.vmap(lambda rival: climbed(answer, rival))(every)))(every)
    return weight(sign * most)


def _around(choice: Float[AnyArray, "h s b"], deviation: Float[AnyArray, "h s b"]) -> Bounds:
    """An interval symmetric in the log odds, for a deviation of log ν."""
    other = jnp.maximum(1.0 - choice, CERTAIN)
    odds, half = logarithm(jnp.maximum(choice, CERTAIN)) - logarithm(other), deviation / other
    low, high = (quantal_choice(jnp.stack([odds + sign * half, 0.0 * odds], axis=-1), 1.0)[..., 0] for sign in (-1, 1))
    return choice, low, high


def told_directions(rules: MarkovRules, law: Float[np.ndarray, "h s a b t"]) -> Float[np.ndarray, "m n n"]:
    """Projections onto the weights that answers tell, for each block; what they leave free is listed in `gauge`.

    With features: onto what features show of the told directions of a table.
    """
    horizon, num_states, num_rows, num_columns = rules.shape
    size = num_rows * num_columns
    if not is_farsighted(rules):
        along = np.ones((size, 1)) if rules.is_prescription else np.kron(np.eye(num_rows), np.ones((num_columns, 1)))
        told = np.eye(size) - along @ np.linalg.pinv(along)
        if rules.follower_features is None:
            return np.broadcast_to(told, (horizon * num_states, size, size)).copy()
        features = np.asarray(rules.follower_features).reshape(horizon, num_states, size, -1)
        shown = np.einsum("ij,hsjd->hsid", told, features).reshape(horizon, num_states * size, -1)
        return np.linalg.pinv(shown) @ shown
    free = np.zeros((horizon, num_states, horizon, num_states, num_rows, num_columns))
    for h in range(horizon):  # shaping: c(h, s) now, less γ times its mean from the stage before
        free[h, np.arange(num_states), h, np.arange(num_states)] = 1.0
        if h > 0:
            free[h, :, h - 1] = -float(rules.follower_discount) * np.moveaxis(law[h - 1], -1, 0)
    along = free.reshape(horizon * num_states, -1)
    if not rules.is_prescription:
        first = np.zeros((num_states, num_rows, *rules.shape))
        for s in range(num_states):
            first[s, np.arange(num_rows), 0, s, np.arange(num_rows)] = 1.0
        along = np.concatenate([along, first.reshape(num_states * num_rows, -1)])
    told = np.eye(along.shape[-1]) - np.linalg.pinv(along) @ along
    if rules.follower_features is None:
        return told[None]
    features = np.asarray(rules.follower_features).reshape(horizon, num_states * size, -1)
    dimension = features.shape[-1]
    whole = np.zeros((horizon, num_states * size, horizon, dimension))
    whole[np.arange(horizon), :, np.arange(horizon)] = features
    shown = told @ whole.reshape(horizon * num_states * size, -1)
    return (np.linalg.pinv(shown) @ shown)[None]
