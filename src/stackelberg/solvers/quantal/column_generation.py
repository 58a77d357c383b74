"""The quantal optimum with very many leader's actions: optimise over a few of them, add the one that promises most.

At a mixture x with responses ν, gains g(b) and value f, the slope towards action a is

    Σ_b ν(b) U(a, b) + λ Σ_b ν(b) (g(b) - f) R(a, b).

The value depends on x only through the follower's action values and the gains, and so some optimum mixes 2B - 1 actions
at most: a small set is enough, if it is the right one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ... import _boundary as boundary
from ..._types import AnyArray
from ...calculus.precision import exact
from ...calculus.simplex import quantal_choice
from .climb import best_of_starts


NUM_STARTS = 16
NUM_STEPS = 120


class GeneratedColumns(NamedTuple):
    """A mixture over all actions, and how well it is known to be good.

    - `commitment`: `(a,)`.  `value`: the leader's.  `support`: how many actions it mixes.
    - `slope`: the largest gain per unit of mass that moving towards any single action promises. 0 says that the mixture
      is stationary, which is necessary for an optimum and not sufficient: the value is not concave.
    - `rounds`: how many columns were added.
    """

    commitment: Float[np.ndarray, "a"]
    value: float
    support: int
    slope: float
    rounds: int


@exact
def column_generation(
    leader_payoff: Any,
    follower_payoff: Any,
    inverse_temperature: Any,
    *,
    tolerance: Any = 1e-7,
    max_rounds: Any = 200,
) -> GeneratedColumns:
    """The best mixture that column generation finds, for one game with payoffs `(a, b)`.

    It begins with the best pure action and optimises over an active set of 2B actions at most, from many starts; the
    action with the largest slope joins, one that is not used leaves. It stops when no slope exceeds `tolerance` times
    the range of the leader's payoffs, or after `max_rounds`.

    Raises `InputError` for payoffs that are not finite or do not match.
    """
    payoff = boundary.real_array("leader_payoff", leader_payoff, axes=("a", "b"))
    other = boundary.real_array("follower_payoff", follower_payoff, axes=payoff.shape)
    rate = boundary.real_number("inverse_temperature", inverse_temperature, low=0.0)
    tolerance = boundary.real_number("tolerance", tolerance, low=0.0)
    num_rows, num_columns = payoff.shape
    room = min(num_rows, max(2 * num_columns, 2))
    logit = jnp.asarray(rate * (other - np.max(other)))
    worth, pure = _pure(jnp.asarray(payoff), logit)
    first = np.argsort(-np.asarray(pure))[:room]
    active, mass = first, np.zeros(room)
    mass[0] = 1.0
    value, slope, added = float(worth), np.inf, 0
    span = float(np.ptp(payoff)) or 1.0
    starts = jnp.asarray(_starts(room))
    for _ in range(int(max_rounds) + 1):
        mass, value, slopes = (
            np.asarray(part)
            for part in _round(jnp.asarray(payoff), logit, jnp.asarray(active), jnp.asarray(mass), starts)
        )
        slope = float(np.max(slopes))
        newest = int(np.argmax(slopes))
        if slope <= tolerance * span or newest in active:
            break
        least = int(np.argmin(mass))
        active, mass = active.copy(), mass.copy()
        active[least], mass[least], added = newest, 0.0, added + 1
        mass = mass / mass.sum()
    commitment = np.zeros(num_rows)
    np.add.at(commitment, active, mass)
    support = int(np.sum(commitment > 1e-9))
    return GeneratedColumns(commitment, float(value), support, max(slope, 0.0), added)


def _starts(room: int) -> Float[np.ndarray, "k n"]:
    """Mixtures of the active set: vertices, the centre, and random ones drawn once and for all."""
    rng = np.random.default_rng(0)
    drawn = rng.dirichlet(np.full(room, 0.5), 4 * NUM_STARTS)
    return np.concatenate([np.eye(room), np.full((1, room), 1.0 / room), drawn])


@jax.jit
def _pure(payoff: Float[AnyArray, "a b"], logit: Float[AnyArray, "a b"]) -> tuple[AnyArray, AnyArray]:
    values = jnp.sum(quantal_choice(logit, 1.0) * payoff, axis=-1)
    return jnp.max(values), values


@jax.jit
def _round(
    payoff: Float[AnyArray, "a b"],
    logit: Float[AnyArray, "a b"],
    active: AnyArray,
    mass: Float[AnyArray, "n"],
    starts: Float[AnyArray, "k n"],
) -> tuple[Float[AnyArray, "n"], Float[AnyArray, ""], Float[AnyArray, "a"]]:
    """The best mixture of the active actions, its value, and the slope towards every action less that of staying."""
    few, appeal = payoff[active], logit[active]

    def value(mixture: Float[AnyArray, "n"]) -> Float[AnyArray, ""]:
        return jnp.sum(quantal_choice(mixture @ appeal, 1.0) * (mixture @ few))

    begin = jnp.concatenate([mass[None], starts])
    mixture, reached = best_of_starts(value, begin, NUM_STARTS, NUM_STEPS)
    mixture = jnp.where(mixture < 1e-6, 0.0, mixture)
    mixture = mixture / jnp.sum(mixture)
    reached = value(mixture)
    response, gain = quantal_choice(mixture @ appeal, 1.0), mixture @ few
    steer = response * (gain - reached)
    slopes = payoff @ response + logit @ steer
    stay = mixture @ slopes[active]
    return mixture, reached, slopes - stay
