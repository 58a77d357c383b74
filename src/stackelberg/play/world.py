"""What is played, and what of it may be known: who must not see something does not hold it."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._types import AnyArray, Key
from ..calculus.simplex import drawn
from ..followers.base import AbstractFollower
from ..games.normal_form import NormalFormGame
from .base import AbstractWorld


class Rules(eqx.Module):
    """What a leader knows of the game before anyone has moved; no leaf of it is the follower's weights.

    - `leader_payoff`: `(a, b)`.
    - `features`: `(a, b, d)`: the follower's logits are Σ x(a) features(a, b)·weights under the commitment x, and the
      weights `(d,)` are for the leader to find out.
    """

    leader_payoff: Float[AnyArray, "a b"]
    features: Float[AnyArray, "a b d"]
    leader_actions: tuple[str, ...] = eqx.field(static=True)
    follower_actions: tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self, leader_payoff: Any, features: Any, *, leader_actions: Any = None, follower_actions: Any = None
    ) -> None:
        self.leader_payoff = boundary.real_array("leader_payoff", leader_payoff, axes=("a", "b"))
        num_rows, num_columns = self.leader_payoff.shape
        self.features = boundary.real_array("features", features, axes=(num_rows, num_columns, "d"))
        self.leader_actions = boundary.labels("leader_actions", leader_actions, num_rows)
        self.follower_actions = boundary.labels("follower_actions", follower_actions, num_columns)

    def logits(self, commitment: Float[AnyArray, "a"], weights: Float[AnyArray, "d"]) -> Float[AnyArray, "b"]:
        """The logits of the follower's actions, if its weights were these."""
        return jnp.einsum("a,abd,d->b", commitment, self.features, weights)


class Episode(eqx.Module):
    """One announcement and what followed.

    - `commitment`: `(a,)`, what was announced.  `counts`: `(b,)`, how often each answer was given.
    - `leader_reward`: what the leader was paid, summed over the plays.
    """

    commitment: Float[AnyArray, "a"]
    counts: Float[AnyArray, "b"]
    leader_reward: Float[AnyArray, ""]


class World(AbstractWorld):
    """A game and the follower that plays it, `num_plays` times after each announcement.

    - `game`: in normal form.  `follower`: any.
    - `features`: `(a, b, d)`, what the leader knows of the follower's payoffs; left out, it knows the payoffs
      themselves and not how closely they are followed (one feature, whose weight is the inverse temperature).
    """

    game: NormalFormGame
    follower: AbstractFollower
    num_plays: int
    features: Float[AnyArray, "a b d"] | None

    def __init__(self, game: Any, follower: Any, num_plays: Any = 1, features: Any = None) -> None:
        self.game = boundary.instance("game", game, NormalFormGame, 'sg.catalog_game("conitzer-sandholm")')
        self.follower = boundary.instance("follower", follower, AbstractFollower, "sg.QuantalResponse(5.0)")
        self.num_plays = boundary.whole_number("num_plays", num_plays, low=1)
        self.features = (
            None if features is None else boundary.real_array("features", features, axes=(*self.game.shape, "d"))
        )

    @property
    def rules(self) -> Rules:
        """What the leader may know."""
        return rules_of(self.game, self.features)

    def play(self, commitment: Float[AnyArray, "a"], key: Key) -> Episode:
        """The follower's answers to `commitment`, and what the leader got.

        Of each play both actions are drawn by inverting the distribution function at a uniform number.
        """
        response = self.follower(self.game, commitment, key=None)
        chance = jr.uniform(key, (2, self.num_plays))
        action = drawn(response, chance[0])
        own = drawn(commitment, chance[1])
        counts = jnp.zeros(response.shape[-1]).at[action].add(1.0)
        reward = jnp.sum(jnp.asarray(self.game.leader_payoff)[own, action])
        return Episode(jnp.asarray(commitment), counts, reward)


def rules_of(game: NormalFormGame, features: Float[AnyArray, "a b d"] | None = None) -> Rules:
    """What a leader knows who knows the follower's payoffs, or only these `features` of them."""
    known = jnp.asarray(game.follower_payoff)[..., None] if features is None else features
    return Rules(game.leader_payoff, known, leader_actions=game.leader_actions, follower_actions=game.follower_actions)


def episode_of(rules: Rules, commitment: Any, action: Any, *, count: Any = 1.0, reward: Any = None) -> Episode:
    """What was seen in the real world, checked: the commitment announced, the action that followed, and the reward.

    `action` is a number from 0. Without a `reward` the leader's expected payoff stands in for it.
    """
    num_rows, num_columns = np.shape(rules.leader_payoff)
    announced = boundary.distribution("commitment", commitment, axes=(num_rows,))
    chosen = boundary.whole_number("action", action, high=num_columns - 1)
    times = boundary.real_number("count", count, low=0.0)
    paid = announced @ np.asarray(rules.leader_payoff)[:, chosen] if reward is None else reward
    counts = np.zeros(num_columns)
    counts[chosen] = times
    return Episode(announced, counts, np.asarray(boundary.real_number("reward", float(paid)) * times))
