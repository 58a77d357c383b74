"""Where the leader's regret comes from: the performance-difference lemma with a learned follower, term by term.

Let ν be the follower's true answer to a policy π and ν̃ the expected one, U(h, s, a, b) any estimate of the leader's
action values, W̃(h, s) = Σ π ν̃ U. Then, with expectations under π, ν and the true dynamics,

    W̃(first stage) - J(π) = Σ_h E[U - u - P W̃(h+1)] + Σ_h E[Σ_b (ν̃ - ν)(b) g(b)],   g(b) = Σ_a π(a|b) U(a, b).

The first sum is the leader's own Bellman error, the second what it got wrong about the answer. With δ = log ν̃ - log ν
(the inverse temperature times the error of the follower's action values, up to a constant in b) the latter is, state
by state, Cov_ν(g, δ) to first order, and

    |Cov_ν(g, δ)| ≤ ½ range(g) E_ν|δ - E_ν δ|,      |rest| ≤ ½ range(g) e^M Var_ν(δ),  M = max |δ - E_ν δ|,

while the whole is at most range(g) √2 × the Hellinger distance. Chen, Wang and Yang (2023) state such a lemma; the
identities and bounds here were derived anew, and hold for myopic and farsighted followers alike.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._types import AnyArray
from ..calculus.precision import exact
from ..calculus.simplex import logarithm, quantal_choice, soft_average, weight
from ..followers.quantal_response import QuantalResponse
from ..games.markov import MarkovGame


TINY = 1e-300


class RegretTerms(eqx.Module):
    """The terms of the lemma, each `(h,)` and summing over stages to what was promised too much.

    - `bellman`: the leader's Bellman error.  `first_order`, `second_order`: of the error about the answer.
    - `first_order_bound`, `second_order_bound`, `hellinger_bound`: bounds of these, and of their sum.
    - `promised`: W̃ at the first stage.  `value`: J(π).
    """

    bellman: Float[AnyArray, "h"]
    first_order: Float[AnyArray, "h"]
    second_order: Float[AnyArray, "h"]
    first_order_bound: Float[AnyArray, "h"]
    second_order_bound: Float[AnyArray, "h"]
    hellinger_bound: Float[AnyArray, "h"]
    promised: Float[AnyArray, ""]
    value: Float[AnyArray, ""]

    @property
    def response(self) -> Float[AnyArray, "h"]:
        """What the leader got wrong about the answer."""
        return jnp.asarray(self.first_order) + self.second_order

    @property
    def residual(self) -> Float[AnyArray, ""]:
        """What the identity leaves: rounding."""
        total = jnp.sum(jnp.asarray(self.bellman) + self.response)
        return jnp.asarray(self.promised) - self.value - total


def regret_terms(
    game: MarkovGame,
    commitment: Float[AnyArray, "h s *b a"],
    response: Float[AnyArray, "h s b"],
    expected: Float[AnyArray, "h s b"],
    action_value: Float[AnyArray, "h s a b"],
) -> RegretTerms:
    """The terms for a policy or prescription, in traced code; `response` is true and `expected` was expected.

    `action_value` is the leader's estimate U, which may hold bonuses. Rewards at stage h count with the h-th power of
    the leader's discount.
    """
    rows = _rows(jnp.asarray(commitment), game.shape[2])
    horizon = rows.shape[0]
    reward = jnp.broadcast_to(jnp.asarray(game.leader_reward), (horizon, *game.shape))
    law = jnp.broadcast_to(jnp.asarray(game.transition), (horizon, *game.transition.shape[-4:]))
    response, expected, action_value = jnp.asarray(response), jnp.asarray(expected), jnp.asarray(action_value)
    gain = jnp.einsum("hsba,hsab->hsb", rows, action_value)
    worth = jnp.sum(expected * gain, axis=-1)
    following = jnp.concatenate([worth[1:], jnp.zeros_like(worth[:1])])
    joint = rows * response[..., None]  # (h, s, b, a)
    moves = jnp.einsum("hsba,hsabt->hst", joint, law)
    arrived, paid = _visits(jnp.asarray(game.initial), moves), jnp.einsum("hsba,hsab->hs", joint, reward)
    discount = jnp.asarray(game.leader_discount) ** jnp.arange(horizon)
    reached = discount[:, None] * arrived
    error = action_value - reward - game.leader_discount * jnp.einsum("hsabt,ht->hsab", law, following)
    shift = logarithm(jnp.maximum(expected, TINY)) - logarithm(jnp.maximum(response, TINY))
    centred = shift - jnp.sum(response * shift, axis=-1, keepdims=True)
    span = jnp.max(gain, axis=-1) - jnp.min(gain, axis=-1)
    over_states = lambda values: jnp.sum(reached * values, axis=-1)
    first = over_states(jnp.sum(response * gain * centred, axis=-1))
    whole = over_states(jnp.sum((expected - response) * gain, axis=-1))
    reach = weight(jnp.max(jnp.abs(centred), axis=-1))
    hellinger = 1.0 - jnp.sum(jnp.sqrt(response * expected), axis=-1)
    return RegretTerms(
        bellman=over_states(jnp.einsum("hsba,hsab->hs", joint, error)),
        first_order=first,
        second_order=whole - first,
        first_order_bound=over_states(0.5 * span * jnp.sum(response * jnp.abs(centred), axis=-1)),
        second_order_bound=over_states(0.5 * span * reach * jnp.sum(response * centred**2, axis=-1)),
        hellinger_bound=over_states(span * jnp.sqrt(2.0 * jnp.maximum(hellinger, 0.0))),
        promised=jnp.asarray(game.initial) @ worth[0],
        value=jnp.sum(reached * paid),
    )


@exact
def performance_difference(
    game: MarkovGame, follower: QuantalResponse, commitment: Any, estimated: MarkovGame, action_value: Any
) -> RegretTerms:
    """The lemma's terms for a follower whose reward, and dynamics, were estimated.

    - `follower`: answers the true game truly and `estimated` as the leader expects; it may be farsighted.
    - `action_value`: `(h, s, a, b)`, the leader's estimate.

    Raises `InputError` when the games have no common horizon.
    """
    for name, one in (("game", game), ("estimated", estimated)):
        if one.horizon is None or one.horizon != game.horizon or one.shape != game.shape:
            raise InputError(
                boundary.INCONSISTENT,
                name,
                found=f"it has horizon {one.horizon} and shape {one.shape}",
                allowed="both games need the same horizon, states and actions",
                remedy="Give two games that differ in rewards and transitions alone.",
            )
    policy = game.over_stages(game.check_commitment(commitment))
    values = boundary.real_array("action_value", action_value, axes=(game.horizon or 0, *game.shape))
    return regret_terms(game, policy, follower(game, policy), follower(estimated, policy), values)


class FarsightedError(eqx.Module):
    """The error of a farsighted follower's action values, from the errors that made it.

    - `bellman`: `(h, s, b)`, the follower's Bellman error of the estimate.
    - `curvature`: `(h, s)`, by how much the soft value exceeds the mean: of second order.
    - `total`: `(h, s, b)`, Q̃ - Q, put together from the two: total = bellman + γ P (E_ν total + curvature).
    - `direct`: the same, as the difference of the two action values.
    """

    bellman: Float[AnyArray, "h s b"]
    curvature: Float[AnyArray, "h s"]
    total: Float[AnyArray, "h s b"]
    direct: Float[AnyArray, "h s b"]


@exact
def farsighted_error(
    game: MarkovGame,
    estimated: MarkovGame,
    commitment: Any,
    inverse_temperature: Float[AnyArray, ""] | float,
) -> FarsightedError:
    """How errors about later stages reach the answer at an earlier one, stage by stage and exactly."""
    policy = game.over_stages(game.check_commitment(commitment))
    true, other = game.induce(policy), estimated.induce(policy)
    discount, rate = game.follower_discount, inverse_temperature
    law, other_law = jnp.asarray(true.transition), jnp.asarray(other.transition)
    num_states = law.shape[-1]

    def stage(carry, now):
        value, other_value, mean_error, later_curvature = carry
        reward, other_reward, law, other_law = now
        action = reward + discount * law @ value
        other_action = other_reward + discount * other_law @ other_value
        bellman = other_reward - reward + discount * (other_law - law) @ other_value
        total = bellman + discount * law @ (mean_error + later_curvature)
        mean = jnp.sum(quantal_choice(action, rate) * total, axis=-1)
        # (1/λ) log E exp(λ (Δ - E Δ)): the soft value of the estimate less that of the truth, less the mean error.
        curvature = soft_average(other_action, rate) - soft_average(action, rate) - mean
        following = (soft_average(action, rate), soft_average(other_action, rate), mean, curvature)
        return following, (bellman, curvature, total, other_action - action)

    zero = jnp.zeros(num_states)
    stages = (jnp.asarray(true.follower_reward), jnp.asarray(other.follower_reward), law, other_law)
    _, (bellman, curvature, total, direct) = jax.lax.scan(stage, (zero,) * 4, stages, reverse=True)
    return FarsightedError(bellman, curvature, total, direct)


def _rows(commitment: Float[AnyArray, "h s *b a"], num_columns: int) -> Float[AnyArray, "h s b a"]:
    if commitment.ndim == 4:
        return commitment
    faced = commitment[:, :, None, :]
    return jnp.broadcast_to(faced, (*faced.shape[:2], num_columns, faced.shape[-1]))


def _visits(initial: Float[AnyArray, "s"], moves: Float[AnyArray, "h s t"]) -> Float[AnyArray, "h s"]:
    _, reached = jax.lax.scan(lambda now, law: (now @ law, now), initial, moves)
    return reached
