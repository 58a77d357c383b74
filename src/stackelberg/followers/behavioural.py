"""Followers as people were seen to behave: attracted by features, mixed in kind, and now and then slipping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._types import AnyArray, Key
from ..calculus.precision import exact
from ..games.base import AbstractGame
from .base import AbstractFollower, AbstractLogitFollower


class SUQR(AbstractLogitFollower):
    """Attacks each target with probability proportional to exp(weights · features of the target).

    - `weights`: `(3 + d,)`, for coverage, reward, penalty and the game's own features, in this order. People fitted so
      far have a negative weight on coverage and positive ones on reward and penalty (penalties being negative payoffs).

    Subjective utility quantal response: Nguyen et al. (2013), Section 3. Only the product of a weight and the unit of
    its feature matters, so that no inverse temperature is needed beside them.
    """

    weights: Float[AnyArray, "d"]

    def __init__(self, weights: Any) -> None:
        self.weights = boundary.real_array("weights", weights, axes=("d",))

    @exact
    def logits(self, game: AbstractGame, commitment: Float[AnyArray, "n"]) -> Float[AnyArray, "n"]:
        """Weighted features of each target; `InputError` when the game has no such features or another number."""
        if not hasattr(game, "attacker_features"):
            raise InputError(
                boundary.INCONSISTENT,
                "game",
                found=f"a {type(game).__name__} has no targets with features",
                allowed="this follower attacks targets of a SecurityGame",
                remedy="Use LinearResponse with features of your own for other games.",
            )
        features = game.attacker_features(commitment)  # type: ignore[attr-defined]
        return features @ _fitting(self.weights, features.shape[-1])


class LinearResponse(AbstractLogitFollower):
    """Picks each action with probability proportional to exp(payoff weight × action value + weights · features).

    - `weights`: `(d,)`.  `features`: `(b, d)`, one row for each of the follower's actions; they do not depend on the
      commitment.
    - `payoff_weight`: what one unit of the follower's own payoff counts, 0 or more for a follower that likes payoff;
      with weights of 0 it is the inverse temperature of `QuantalResponse`.
    """

    weights: Float[AnyArray, "d"]
    features: Float[AnyArray, "b d"]
    payoff_weight: float | Float[AnyArray, ""]

    def __init__(self, weights: Any, features: Any, payoff_weight: float | Float[AnyArray, ""] = 0.0) -> None:
        self.features = boundary.real_array("features", features, axes=("b", "d"))
        self.weights = _fitting(boundary.real_array("weights", weights, axes=("d",)), self.features.shape[-1])
        self.payoff_weight = boundary.real_number("payoff_weight", payoff_weight)

    @exact
    def logits(self, game: AbstractGame, commitment: Float[AnyArray, "..."]) -> Float[AnyArray, "*t b"]:
        """The same attraction at every commitment, plus what the follower's own payoff adds."""
        payoff = game.induce(commitment).follower_payoff  # type: ignore[attr-defined]
        if payoff.shape[-1] != self.features.shape[0]:
            raise InputError(
                boundary.SHAPE,
                "features",
                found=f"there are features of {self.features.shape[0]} actions",
                allowed=f"the follower has {payoff.shape[-1]} actions in this game",
                remedy="Give one row for each of the follower's actions.",
            )
        return jnp.asarray(self.payoff_weight) * payoff + jnp.asarray(self.features) @ jnp.asarray(self.weights)


class Mixture(AbstractFollower):
    """A population: follower i is met with probability `weights[i]`, and the leader cannot tell which."""

    followers: tuple[AbstractFollower, ...]
    weights: Float[AnyArray, "m"]

    def __init__(self, followers: Sequence[AbstractFollower], weights: Any) -> None:
        self.followers = boundary.instances("followers", followers, AbstractFollower, "sg.QuantalResponse(1.0)")
        self.weights = boundary.distribution("weights", weights, axes=(len(self.followers),))

    @exact
    def respond(
        self,
        game: AbstractGame,
        commitment: Float[AnyArray, "..."],
        *,
        start: Float[AnyArray, "..."] | None = None,
        key: Key | None = None,
    ) -> Float[AnyArray, "..."]:
        """The mean of the followers' choice probabilities."""
        keys = [None] * len(self.followers) if key is None else jr.split(key, len(self.followers))
        answers = [
            follower.respond(game, commitment, start=start, key=own)
            for follower, own in zip(self.followers, keys, strict=True)
        ]
        return jnp.tensordot(jnp.asarray(self.weights), jnp.stack([jnp.asarray(answer) for answer in answers]), axes=1)


class Trembling(AbstractFollower):
    """Answers as `follower` does, but with `probability` picks any of its actions, each as likely as the others."""

    follower: AbstractFollower
    probability: float | Float[AnyArray, ""]

    def __init__(self, follower: AbstractFollower, probability: float | Float[AnyArray, ""]) -> None:
        self.follower = boundary.instance("follower", follower, AbstractFollower, "sg.BestResponse()")
        self.probability = boundary.real_number("probability", probability, low=0.0, high=1.0)

    @exact
    def respond(
        self,
        game: AbstractGame,
        commitment: Float[AnyArray, "..."],
        *,
        start: Float[AnyArray, "..."] | None = None,
        key: Key | None = None,
    ) -> Float[AnyArray, "..."]:
        """The follower's answer, mixed with uniform play."""
        answer = jnp.asarray(self.follower.respond(game, commitment, start=start, key=key))
        return (1.0 - self.probability) * answer + self.probability / answer.shape[-1]


def _fitting(weights: Any, count: int) -> Any:
    if weights.shape[0] == count:
        return weights
    raise InputError(
        boundary.SHAPE,
        "weights",
        found=f"there are {weights.shape[0]} weights",
        allowed=f"{count} are needed, one for each feature",
        remedy="A SecurityGame has the features coverage, reward and penalty, then its own.",
    )
