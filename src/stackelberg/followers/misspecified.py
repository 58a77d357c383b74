"""Followers of games over stages that are no quantal response to their reward: for asking how much a leader then loses.

Others are at hand already: `Trembling` mixes with uniform play, `BestResponse` never errs, `Mixture` of several
`QuantalResponse` has no inverse temperature of its own, and `QuantalResponse` with another inverse temperature or
discount than the leader expects is one, too.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._types import AnyArray, Key
from ..calculus.precision import exact
from ..games.base import AbstractGame
from ..games.markov import MarkovGame
from .base import AbstractFollower, AbstractLogitFollower


class DistortedPerception(AbstractFollower):
    """Answers as `follower` would to mixtures that it perceives wrongly: x(a) as x(a)^c / Σ x(a')^c.

    - `exponent`: c > 0. Below 1 rare actions look more frequent than they are, as in prospect theory; above 1 less so;
      1 sees what is announced.

    The power form of a probability weight, normalised (Karmarkar, 1978, has two outcomes). The answer is not a quantal
    response to any reward unless c = 1: its logits are no affine function of the announcement.
    """

    follower: AbstractFollower
    exponent: float | Float[AnyArray, ""]

    def __init__(self, follower: Any, exponent: float | Float[AnyArray, ""]) -> None:
        self.follower = boundary.instance("follower", follower, AbstractFollower, "sg.QuantalResponse(5.0)")
        self.exponent = boundary.real_number("exponent", exponent, low=0.0, low_open=True)

    @exact
    def respond(
        self,
        game: AbstractGame,
        commitment: Float[AnyArray, "..."],
        *,
        start: Float[AnyArray, "..."] | None = None,
        key: Key | None = None,
    ) -> Float[AnyArray, "..."]:
        """The follower's answer to what it perceives."""
        return self.follower.respond(game, perceived(commitment, self.exponent), start=start, key=key)


def perceived(commitment: Float[AnyArray, "*n a"], exponent: float | Float[AnyArray, ""]) -> Float[AnyArray, "*n a"]:
    """x^c / Σ x^c over the leader's actions."""
    power = jnp.power(jnp.asarray(commitment), exponent)
    return power / jnp.sum(power, axis=-1, keepdims=True)


class AttributeResponse(AbstractLogitFollower):
    """Picks each action with probability proportional to exp(weights · attributes), at every stage and state.

    - `weights`: `(3,)`, of the probability with which the leader plays what is worst for the follower after this
      action, of the best reward that the action can bring, and of the worst one.

    Subjective utility quantal response (Nguyen et al., 2013, Section 3) carried over from targets, whose attributes are
    coverage, reward and penalty. Its logits are affine in the announcement, so that it *is* the quantal response of a
    myopic follower with another reward (`its_reward`): a leader who learns a reward for each pair of actions loses
    nothing against it.
    """

    weights: Float[AnyArray, "three"]

    def __init__(self, weights: Any) -> None:
        self.weights = boundary.real_array("weights", weights, axes=(3,))

    @exact
    def logits(self, game: AbstractGame, commitment: Float[AnyArray, "..."]) -> Float[AnyArray, "*t b"]:
        """Weighted attributes under a policy or a prescription; `InputError` for games without stages and states."""
        policy = _markov(game).over_stages(commitment)
        reward = self.its_reward(game)
        is_prescription = policy.ndim == 4 or (policy.ndim == 3 and reward.ndim == 3)
        return jnp.sum(policy.swapaxes(-1, -2) * reward if is_prescription else policy[..., None] * reward, axis=-2)

    @exact
    def its_reward(self, game: AbstractGame) -> Float[AnyArray, "*h s a b"]:
        """The reward to which it is the quantal response at inverse temperature 1."""
        reward = jnp.asarray(_markov(game).follower_reward)
        coverage, best, worst = jnp.asarray(self.weights)
        low, high = jnp.min(reward, axis=-2, keepdims=True), jnp.max(reward, axis=-2, keepdims=True)
        first_worst = jnp.argmin(reward, axis=-2, keepdims=True)
        is_worst = jnp.arange(reward.shape[-2])[:, None] == first_worst
        return coverage * is_worst + best * high + worst * low


def _markov(game: AbstractGame) -> MarkovGame:
    if isinstance(game, MarkovGame):
        return game
    raise InputError(
        boundary.INCONSISTENT,
        "game",
        found=f"a {type(game).__name__} has no stages and states",
        allowed="this follower plays a MarkovGame",
        remedy="Use SUQR for security games, LinearResponse for features of your own.",
    )
