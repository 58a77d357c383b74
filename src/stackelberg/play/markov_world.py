"""Play over stages, and what a leader may know of it: who must not see something does not hold it."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float, Int

from .. import _boundary as boundary
from .._errors import InputError
from .._types import AnyArray, Key
from ..calculus.simplex import drawn
from ..followers.base import AbstractFollower
from ..followers.quantal_response import QuantalResponse
from ..games.markov import MarkovGame
from ..solvers.markov.stages import ANNOUNCEMENTS, Announcement
from .base import AbstractWorld


RewardNoise: TypeAlias = Literal["none", "bernoulli"]

NOISES: tuple[RewardNoise, ...] = ("none", "bernoulli")


class MarkovRules(eqx.Module):
    """What a leader knows of a game over stages before anyone has moved.

    No leaf of it is the follower's reward or the law of the next state: both are for the leader to find out.

    - `initial`: `(s,)`, the law of the first state.
    - `inverse_temperature`, `follower_discount`: of the follower it expects. Only inverse temperature × reward shows in
      what a follower does, so that the inverse temperature fixes the unit of the follower's reward and nothing else.
    - `reward_low`, `reward_high`: bounds of the leader's reward of one stage.
    - `leader_reward`: `(h, s, a, b)` where it is known beforehand, None where it is only seen as it is paid.
    - `leader_features`, `follower_features`: `(h, s, a, b, d)`, in which the leader's reward with the law of the next
      state, and the follower's reward, are linear; None for one parameter for each stage, state and pair of actions.
    - `is_prescription`: whether the leader's action may depend on the follower's within a stage.
    """

    initial: Float[AnyArray, "s"]
    inverse_temperature: float | Float[AnyArray, ""]
    follower_discount: float | Float[AnyArray, ""]
    reward_low: float | Float[AnyArray, ""]
    reward_high: float | Float[AnyArray, ""]
    leader_reward: Float[AnyArray, "h s a b"] | None
    leader_features: Float[AnyArray, "h s a b d"] | None
    follower_features: Float[AnyArray, "h s a b e"] | None
    is_prescription: bool = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    states: tuple[str, ...] = eqx.field(static=True)
    leader_actions: tuple[str, ...] = eqx.field(static=True)
    follower_actions: tuple[str, ...] = eqx.field(static=True)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Number of stages, states, leader's and follower's actions."""
        return self.horizon, len(self.states), len(self.leader_actions), len(self.follower_actions)

    def uniform_commitment(self) -> Float[AnyArray, "h s *b a"]:
        """The commitment that knows nothing, in the form that is announced."""
        horizon, num_states, num_rows, num_columns = self.shape
        between = (num_columns,) if self.is_prescription else ()
        return jnp.full((horizon, num_states, *between, num_rows), 1.0 / num_rows)


class MarkovEpisode(eqx.Module):
    """One announcement and the play that followed it, stage by stage.

    - `commitment`: `(h, s, a)`, or `(h, s, b, a)` for prescriptions: what was announced.
    - `states`, `leader_actions`, `follower_actions`: `(h,)`, by number from 0.  `rewards`: `(h,)`, the leader's.

    Several episodes are one object with a first axis more.
    """

    commitment: Float[AnyArray, "..."]
    states: Int[AnyArray, "*n h"]
    leader_actions: Int[AnyArray, "*n h"]
    follower_actions: Int[AnyArray, "*n h"]
    rewards: Float[AnyArray, "*n h"]

    @property
    def leader_reward(self) -> Float[AnyArray, "*n"]:
        """The leader's return."""
        return jnp.sum(self.rewards, axis=-1)


class MarkovWorld(AbstractWorld):
    """A Markov game with an end, and the follower that plays it, once after each announcement.

    - `game`: a `MarkovGame` with a horizon.  `follower`: any.
    - `announcement`: "strategy" or "prescription" (the leader's action is then drawn after the follower's).
    - `reward_noise`: "none", or "bernoulli": the leader is paid one of the two bounds of its reward, with the reward as
      the mean.  `reward_known`: whether the leader knows its reward beforehand.
    - `leader_features`, `follower_features`: `(h, s, a, b, d)`, see `MarkovRules`.
    - `expected`: the quantal response that the leader expects; the follower itself when that is one, and left out.

    Raises `InputError` naming the field.
    """

    game: MarkovGame
    follower: AbstractFollower
    announcement: Announcement = eqx.field(static=True)
    reward_noise: RewardNoise = eqx.field(static=True)
    reward_known: bool = eqx.field(static=True)
    leader_features: Float[AnyArray, "h s a b d"] | None
    follower_features: Float[AnyArray, "h s a b e"] | None
    expected: QuantalResponse

    def __init__(
        self,
        game: Any,
        follower: Any,
        announcement: Any = "strategy",
        reward_noise: Any = "bernoulli",
        reward_known: Any = False,
        leader_features: Any = None,
        follower_features: Any = None,
        expected: Any = None,
    ) -> None:
        self.game = _with_an_end(boundary.instance("game", game, MarkovGame, "sg.MarkovGame(..., horizon=3)"))
        self.follower = boundary.instance("follower", follower, AbstractFollower, "sg.QuantalResponse(5.0)")
        self.announcement = boundary.one_of("announcement", announcement, ANNOUNCEMENTS)  # type: ignore[assignment]
        self.reward_noise = boundary.one_of("reward_noise", reward_noise, NOISES)  # type: ignore[assignment]
        self.reward_known = boundary.boolean("reward_known", reward_known)
        self.leader_features = self._features("leader_features", leader_features)
        self.follower_features = self._features("follower_features", follower_features)
        if expected is None and not isinstance(follower, QuantalResponse):
            raise InputError(
                boundary.INCONSISTENT,
                "expected",
                found=f"it was left out, and the follower is a {type(follower).__name__}",
                allowed="the leader expects a quantal response",
                remedy="Say which: expected=sg.QuantalResponse(5.0, discount=0.0).",
            )
        human = follower if expected is None else expected
        self.expected = boundary.instance("expected", human, QuantalResponse, "sg.QuantalResponse(5.0)")

    @property
    def num_plays(self) -> int:  # type: ignore[override]
        """One play of all stages after each announcement."""
        return 1

    @property
    def rules(self) -> MarkovRules:
        """What the leader may know."""
        game, rate = self.game, self.expected.inverse_temperature
        assert game.horizon is not None
        own = game.follower_discount if self.expected.discount is None else self.expected.discount
        reward = np.asarray(game.leader_reward) if not boundary.is_traced(game.leader_reward) else game.leader_reward
        return MarkovRules(
            game.initial,
            rate,
            own,
            reward.min(),
            reward.max(),
            self._over_stages(reward) if self.reward_known else None,
            self.leader_features,
            self.follower_features,
            self.announcement == "prescription",
            game.horizon,
            game.states,
            game.leader_actions,
            game.follower_actions,
        )

    def play(self, commitment: Float[AnyArray, "h s *b a"], key: Key) -> MarkovEpisode:
        """The play that follows `commitment`.

        Every action, state and payment is drawn by inverting its distribution function at a uniform number.
        """
        game = self.game
        assert game.horizon is not None
        commitment = jnp.asarray(commitment)
        response = jnp.asarray(self.follower(game, commitment, key=None))
        reward = self._over_stages(game.leader_reward)
        law = jnp.broadcast_to(jnp.asarray(game.transition), (game.horizon, *game.transition.shape[-4:]))
        low, high = jnp.min(reward), jnp.max(reward)
        span = jnp.where(high > low, high - low, 1.0)
        chance = jr.uniform(key, (game.horizon + 1, 4))

        def stage(state, now):
            announced, answers, reward, law, chance = now
            action = drawn(answers[state], chance[0])
            row = announced[state, action] if self.announcement == "prescription" else announced[state]
            own = drawn(row, chance[1])
            paid = reward[state, own, action]
            if self.reward_noise == "bernoulli":
                paid = jnp.where(chance[2] < (paid - low) / span, high, low)
            return drawn(law[state, own, action], chance[3]), (state, own, action, paid)

        first = drawn(game.initial, chance[-1, 0])
        _, (states, own, actions, paid) = jax.lax.scan(stage, first, (commitment, response, reward, law, chance[:-1]))
        return MarkovEpisode(commitment, states, own, actions, paid)

    def _over_stages(self, reward: Float[AnyArray, "*h s a b"]) -> Float[AnyArray, "h s a b"]:
        shape = (self.game.horizon or 0, *reward.shape[-3:])
        return np.broadcast_to(reward, shape) if isinstance(reward, np.ndarray) else jnp.broadcast_to(reward, shape)

    def _features(self, name: str, features: Any) -> Float[AnyArray, "h s a b d"] | None:
        if features is None:
            return None
        horizon = self.game.horizon
        assert horizon is not None
        return boundary.real_array(name, features, axes=(horizon, *self.game.shape, "d"))


def _with_an_end(game: MarkovGame) -> MarkovGame:
    if game.horizon is None:
        raise InputError(
            boundary.INCONSISTENT,
            "game.horizon",
            found="the game has no end",
            allowed="play over stages needs a horizon",
            remedy="Give one: sg.MarkovGame(..., horizon=10).",
        )
    return game
