"""A follower that learns from scratch, within the leader's episode, by trying actions out: `InnerQLearning`."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Float, Int

from .. import _boundary as boundary
from .._types import AnyArray, Key
from ..games.environment import AbstractEnvironment
from .query import AbstractQueryOracle
from .trials import only_follower


class Trial(eqx.Module):
    """What the follower's actions are worth `(p, b)`, and where its trial play stands.

    `shaken` is `worth` with the noise of this trial, which began at step `begun`; `key` is that of the whole phase.
    """

    worth: Float[AnyArray, "p b"]
    shaken: Float[AnyArray, "p b"]
    game: Any
    observations: tuple[AnyArray, ...]
    count: Int[AnyArray, ""]
    begun: Int[AnyArray, ""]
    key: Key


class InnerQLearning(AbstractQueryOracle):
    """Tabular Q-learning that plays `num_trials` games against the leader before the one that counts.

    Where games end early it plays more of them, in as many steps. Every step of a trial is a query: the leader answers
    its own observation, the follower acts, both are paid, the follower learns. Its response is the greedy one. The
    inner loop of most earlier approaches; its answer is noisy, and a leader can profit from that (`BestResponseTruth`
    tells).

    - `environment`: a game with one follower, whose observations and actions are counted.
    - `num_trials`: games.  `learning_rate`: in (0, 1].  `discount`: of what comes later, 1 for none.
    - `exploration`: the chance of an action at random.
    - `parameter_noise`: standard deviation of noise on the table, drawn anew for each trial (payoff).
    - `initial_worth`, `initial_noise`: mean and deviation of the entries that it starts from (payoff). With a mean
      below all payoffs it keeps to what it happens to try first.
    """

    environment: AbstractEnvironment
    num_trials: int = eqx.field(static=True)
    learning_rate: float
    discount: float
    exploration: float
    parameter_noise: float = eqx.field(static=True)
    initial_worth: float
    initial_noise: float

    def __init__(
        self,
        environment: Any,
        num_trials: Any = 400,
        learning_rate: Any = 0.1,
        discount: Any = 1.0,
        exploration: Any = 0.1,
        parameter_noise: Any = 0.0,
        initial_worth: Any = 0.0,
        initial_noise: Any = 0.01,
    ) -> None:
        example = 'sg.iterated_matrix_game("prisoners_dilemma")'
        self.environment = boundary.instance("environment", environment, AbstractEnvironment, example)
        self.num_trials = boundary.whole_number("num_trials", num_trials, low=1)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, high=1.0, low_open=True)
        self.discount = boundary.real_number("discount", discount, low=0.0, high=1.0)
        self.exploration = boundary.real_number("exploration", exploration, low=0.0, high=1.0)
        self.parameter_noise = boundary.real_number("parameter_noise", parameter_noise, low=0.0)
        self.initial_worth = boundary.real_number("initial_worth", initial_worth)
        self.initial_noise = boundary.real_number("initial_noise", initial_noise, low=0.0)
        only_follower(self.environment)

    @property
    def num_queries(self) -> int:
        """One for each step of each trial."""
        return self.num_trials * self.environment.num_steps

    def init(self, key: Key) -> Trial:
        """Entries near 0, and the first trial."""
        of_table, rest = jr.split(key)
        noise = self.initial_noise * jr.normal(of_table, only_follower(self.environment))
        return self._begun(self.initial_worth + noise, rest)

    def again(self, state: Trial, key: Key) -> Trial:
        """It goes on with what it has learned of the leader that was."""
        return self._begun(state.worth, key)

    def query(self, state: Trial) -> AnyArray:
        """What the leader sees of the trial."""
        return state.observations[0]

    def answer(self, state: Trial, action: AnyArray) -> tuple[Trial, Float[AnyArray, ""]]:
        """One step of the trial."""
        of_chance, of_action, of_game, of_next, of_noise = jr.split(jr.fold_in(state.key, state.count), 5)
        own = state.observations[1]
        row = jnp.asarray(state.shaken)[own]
        tries = jr.uniform(of_chance) < self.exploration
        chosen = jnp.where(tries, jr.randint(of_action, (), 0, row.shape[0]), jnp.argmax(row))
        made = self.environment.step(state.game, (action, chosen), of_game)
        worth = jnp.asarray(state.worth)
        later = jnp.where(made.is_over, 0.0, jnp.max(worth[made.observations[1]]))
        push = self.learning_rate * (made.rewards[1] + self.discount * later - worth[own, chosen])
        worth, shaken = worth.at[own, chosen].add(push), jnp.asarray(state.shaken).at[own, chosen].add(push)
        count = state.count + 1
        fresh = self._begun(worth, of_next, of_noise)
        is_new = made.is_over | (count - state.begun == self.environment.num_steps)
        pick = lambda new, old: jnp.where(is_new, new, old)
        game, seen, shaken, begun = jax.tree.map(
            pick,
            (fresh.game, fresh.observations, fresh.shaken, count),
            (made.state, made.observations, shaken, state.begun),
        )
        return Trial(worth, shaken, game, seen, count, begun, state.key), made.rewards[0]

    def response(self, state: Trial) -> tuple[Float[AnyArray, "p b"]]:
        """The greedy policy."""
        return (jax.nn.one_hot(jnp.argmax(state.worth, axis=-1), jnp.shape(state.worth)[-1]),)

    def _begun(self, worth: Float[AnyArray, "p b"], key: Key, of_noise: Key | None = None) -> Trial:
        """A trial from its start."""
        of_game, noise = jr.fold_in(key, 0), jr.fold_in(key, 1) if of_noise is None else of_noise
        game, observations = self.environment.reset(of_game)
        shaken = worth
        if self.parameter_noise > 0.0:
            shaken = worth + self.parameter_noise * jr.normal(noise, jnp.shape(worth))
        return Trial(worth, shaken, game, observations, jnp.int32(0), jnp.int32(0), key)
