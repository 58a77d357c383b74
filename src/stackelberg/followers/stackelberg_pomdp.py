"""The leader's own decision process against a query oracle (Gerstgrasser and Parkes, 2023, theorem 1).

The oracle's queries are put into the leader's episode,

    phase Q   the oracle asks, the leader answers, nobody is paid,
    phase P   the followers' response is fixed, the game is played, the leader is paid,

so that whatever learns to act in an environment learns what to commit to: the expected return of a policy that sees the
game's observations alone is its value as a commitment, because the same policy answers in both phases.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Bool, Float, Int

from .. import _boundary as boundary
from .._types import AnyArray, Key
from ..games.environment import AbstractEnvironment, Discrete, Space, Transition
from .query import AbstractQueryOracle, Act


class Trajectory(eqx.Module):
    """What the leader saw, did and was paid in an episode of n steps.

    `is_query` holds in phase Q; `is_counted` holds for the steps that the leader learns from. `others` is what the
    followers saw then, zeros in phase Q: no leader acts on it, a critic may judge by it.
    """

    observations: AnyArray
    actions: AnyArray
    rewards: Float[AnyArray, "*n"]
    is_query: Bool[AnyArray, "*n"]
    is_counted: Bool[AnyArray, "*n"]
    others: tuple[AnyArray, ...] = ()


class Standing(eqx.Module):
    """Where a leader's episode stands.

    - `time`: steps so far.  `oracle`: its state.  `response`: of the followers, once all queries are answered.
    - `playing`: what the present play goes by, drawn from the response.  `game`, `observations`: of that play.
    - `is_on`: whether that game has not ended.
    - `fixed`: `(o,)`, what each observation was answered, -1 where it was not; empty where answers are drawn anew.
    """

    time: Int[AnyArray, ""]
    oracle: Any
    response: Any
    playing: Any
    game: Any
    observations: tuple[AnyArray, ...]
    is_on: Bool[AnyArray, ""]
    fixed: Int[AnyArray, "o"]


class StackelbergPOMDP(AbstractEnvironment):
    """The leader's decision process against a query oracle: an environment with one seat.

    - `oracle`: how followers answer; it holds the game, an environment.
    - `num_plays`: how often the game is played in phase P; the leader is paid the mean.

    Each of the next four drops a condition under which the leader's return is its value as a commitment:

    - `shows_phase`: the leader sees whether it is asked or plays, and can promise what it does not do.
    - `hides_queries`: queries are left out of what the leader learns from, so that threats get no gradient.
    - `pays_queries`: it is paid in phase Q too, while followers still learn.
    - `keeps_followers`: followers start where they stopped in the episode before, and lag behind.

    And `fixes_answers` draws one action for each observation and keeps it through the episode, as Brero et al. (2022)
    do: a random policy is then a lottery over deterministic commitments, not a mixed one.

    Raises `InputError` where phases are to be shown, or answers fixed, and the leader's observations are not counted.
    """

    oracle: AbstractQueryOracle
    num_plays: int = eqx.field(static=True)
    shows_phase: bool = eqx.field(static=True)
    hides_queries: bool = eqx.field(static=True)
    pays_queries: bool = eqx.field(static=True)
    keeps_followers: bool = eqx.field(static=True)
    fixes_answers: bool = eqx.field(static=True)
    num_steps: int = eqx.field(static=True)

    def __init__(
        self,
        oracle: Any,
        num_plays: Any = 1,
        *,
        shows_phase: Any = False,
        hides_queries: Any = False,
        pays_queries: Any = False,
        keeps_followers: Any = False,
        fixes_answers: Any = False,
    ) -> None:
        self.oracle = boundary.instance("oracle", oracle, AbstractQueryOracle, "sg.ExactOracle(game)")
        self.num_plays = boundary.whole_number("num_plays", num_plays, low=1)
        self.shows_phase = boundary.boolean("shows_phase", shows_phase)
        self.hides_queries = boundary.boolean("hides_queries", hides_queries)
        self.pays_queries = boundary.boolean("pays_queries", pays_queries)
        self.keeps_followers = boundary.boolean("keeps_followers", keeps_followers)
        self.fixes_answers = boundary.boolean("fixes_answers", fixes_answers)
        if self.shows_phase or self.fixes_answers:
            word = "shows_phase" if self.shows_phase else "fixes_answers"
            boundary.instance(word, self.game.observation_spaces[0], Discrete, "a game whose observations are counted")
        self.num_steps = self.oracle.num_queries + self.num_plays * self.game.num_steps

    @property
    def game(self) -> AbstractEnvironment:
        """What is played."""
        return self.oracle.environment

    @property
    def observation_spaces(self) -> tuple[Space, ...]:
        """That of the leader; twice as many where it sees the phase."""
        space = self.game.observation_spaces[0]
        if self.shows_phase and isinstance(space, Discrete):
            return (Discrete(2 * space.size),)
        return (space,)

    @property
    def action_spaces(self) -> tuple[Space, ...]:
        """That of the leader."""
        return (self.game.action_spaces[0],)

    def reset(self, key: Key) -> tuple[Standing, tuple[AnyArray, ...]]:
        """The first query to a leader whom nobody knows."""
        return self._begun(self.oracle.init(jr.fold_in(key, 0)), key)

    def again(self, state: Standing, key: Key) -> tuple[Standing, tuple[AnyArray, ...]]:
        """The next episode: the same, but for followers that are kept."""
        if not self.keeps_followers:
            return self.reset(key)
        return self._begun(self.oracle.again(state.oracle, jr.fold_in(key, 0)), key)

    def step(self, state: Standing, actions: tuple[AnyArray, ...], key: Key) -> Transition:
        """Answer a query, or play a round against the followers' response."""
        (action,) = actions
        if self.fixes_answers:
            seen = self._sees(state)
            before = state.fixed[seen]
            action = jnp.where(before < 0, action, before)
            state = eqx.tree_at(lambda standing: standing.fixed, state, jnp.asarray(state.fixed).at[seen].set(action))
        asks = state.time < self.oracle.num_queries
        state, reward = jax.lax.cond(
            asks, lambda: self._answered(state, action, key), lambda: self._played(state, action, key)
        )
        return Transition(state, (self._sees(state),), reward[None], state.time >= self.num_steps)

    def episode(self, act: Act, key: Key, before: Any = None) -> tuple[Trajectory, Any]:
        """A whole episode of a leader that acts by `act(observation, key)`, and the oracle's state at its end.

        The same as `reset` and `step`, with the response worked out once. `before` is the oracle's state at the end of
        the episode before, where followers are kept.
        """
        first = jr.fold_in(key, 0)
        is_kept = self.keeps_followers and before is not None
        state = self.oracle.again(before, first) if is_kept else self.oracle.init(first)
        if self.fixes_answers:
            act = self._fixed(act, jr.fold_in(key, 3))
        state, asked = self.oracle.asked(self._in_phase(act, 0), state, jr.fold_in(key, 1))
        response = self.oracle.response(state)
        one = lambda key: self._game(self._in_phase(act, 1), response, key)
        played = jax.tree.map(_in_a_row, jax.vmap(one)(jr.split(jr.fold_in(key, 2), self.num_plays)))
        num_queries = self.oracle.num_queries
        made = Trajectory(
            jnp.concatenate([self._flagged(asked.observations, 0), self._flagged(played.observations, 1)]),
            jnp.concatenate([asked.actions, played.actions]),
            jnp.concatenate([asked.earned * self.pays_queries, played.rewards / self.num_plays]),
            jnp.concatenate([jnp.ones(num_queries, bool), played.is_query]),
            jnp.concatenate([jnp.full(num_queries, not self.hides_queries), played.is_counted]),
            tuple(jnp.concatenate([jnp.zeros((num_queries, *leaf.shape[1:]), leaf.dtype), leaf])
                  for leaf in played.others),
        )  # fmt: skip
        if self.fixes_answers:
            made = eqx.tree_at(
                lambda trajectory: trajectory.is_counted, made, _first_of_each(made, self._num_observations)
            )
        return made, state

    def _game(self, act: Act, response: Any, key: Key) -> Trajectory:
        """The game once, against a response."""
        start = self.game.reset(jr.fold_in(key, 0))
        response = self.oracle.drawn(response, jr.fold_in(key, self.game.num_steps + 1))

        def step(carry, n):
            state, observations, is_on = carry
            of_leader, rest = jr.split(jr.fold_in(key, n + 1))
            action = act(observations[0], of_leader)
            made = self._round(state, observations, action, response, rest)
            reward = jnp.where(is_on, made.rewards[0], 0.0)
            here = Trajectory(observations[0], action, reward, jnp.bool_(False), is_on, observations[1:])
            return (made.state, made.observations, is_on & ~made.is_over), here

        return jax.lax.scan(step, (*start, jnp.bool_(True)), jnp.arange(self.game.num_steps))[1]

    def _round(
        self, state: Any, observations: tuple[AnyArray, ...], action: AnyArray, response: Any, key: Key
    ) -> Transition:
        """All seats act at once."""
        of_others, of_game = jr.split(key)
        others = self.oracle.follow(response, observations[1:], of_others)
        return self.game.step(state, (action, *others), of_game)

    def _begun(self, oracle: Any, key: Key) -> tuple[Standing, tuple[AnyArray, ...]]:
        game, observations = self.game.reset(jr.fold_in(key, 1))
        fixed = jnp.full(self._num_observations * self.fixes_answers, -1)
        response = self.oracle.response(oracle)
        playing = self.oracle.drawn(response, jr.fold_in(key, 2))
        state = Standing(jnp.int32(0), oracle, response, playing, game, observations, jnp.bool_(True), fixed)
        return state, (self._sees(state),)

    def _answered(self, state: Standing, action: AnyArray, key: Key) -> tuple[Standing, Float[AnyArray, ""]]:
        oracle, earned = self.oracle.answer(state.oracle, action)
        time = state.time + 1
        is_last = time == self.oracle.num_queries
        response = jax.lax.cond(is_last, lambda: self.oracle.response(oracle), lambda: state.response)
        playing = self.oracle.drawn(response, key)
        state = Standing(time, oracle, response, playing, state.game, state.observations, state.is_on, state.fixed)
        return state, earned * self.pays_queries

    def _played(self, state: Standing, action: AnyArray, key: Key) -> tuple[Standing, Float[AnyArray, ""]]:
        of_round, of_next = jr.split(key)
        made = self._round(state.game, state.observations, action, state.playing, of_round)
        reward = jnp.where(state.is_on, made.rewards[0], 0.0) / self.num_plays
        time = state.time + 1
        is_new = (time - self.oracle.num_queries) % self.game.num_steps == 0
        fresh = (*self.game.reset(of_next), jnp.bool_(True), self.oracle.drawn(state.response, of_next))
        gone_on = (made.state, made.observations, state.is_on & ~made.is_over, state.playing)
        game, seen, is_on, playing = jax.tree.map(lambda new, old: jnp.where(is_new, new, old), fresh, gone_on)
        return Standing(time, state.oracle, state.response, playing, game, seen, is_on, state.fixed), reward

    def _sees(self, state: Standing) -> AnyArray:
        asks = state.time < self.oracle.num_queries
        asked, played = self._flagged(self.oracle.query(state.oracle), 0), self._flagged(state.observations[0], 1)
        return jnp.where(asks, asked, played)

    def _in_phase(self, act: Act, phase: int) -> Act:
        """The leader, for the game's own observations."""
        return lambda observation, key: act(self._flagged(observation, phase), key)

    def _flagged(self, observation: AnyArray, phase: int) -> AnyArray:
        space = self.game.observation_spaces[0]
        return observation + phase * space.size if self.shows_phase and isinstance(space, Discrete) else observation

    def _fixed(self, act: Act, key: Key) -> Act:
        table = jax.vmap(act)(jnp.arange(self._num_observations), jr.split(key, self._num_observations))
        return lambda observation, key: table[observation]

    @property
    def _num_observations(self) -> int:
        """Where they are counted, 0 elsewhere."""
        space = self.observation_spaces[0]
        return space.size if isinstance(space, Discrete) else 0


def _in_a_row(leaf: AnyArray) -> AnyArray:
    return leaf.reshape(-1, *leaf.shape[2:])


def _first_of_each(made: Trajectory, num_observations: int) -> Bool[AnyArray, "n"]:
    """Where an observation is counted for the first time: there its answer was chosen, and nowhere else."""
    length = made.observations.shape[0]
    place = jnp.where(made.is_counted, jnp.arange(length), length)
    first = jnp.full(num_observations, length).at[made.observations].min(place)
    return made.is_counted & (place == first[made.observations])
