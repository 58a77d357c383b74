"""A leader that learns what its actions are worth: `LeaderQLearning`."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Float

from .. import _boundary as boundary
from .._learner import Metrics
from .._types import AnyArray, Key
from ..followers.query import Act
from ..followers.stackelberg_pomdp import StackelbergPOMDP, Trajectory
from ..games.environment import Discrete
from ..rl.policy import AbstractPolicy, TablePolicy
from .leaders import EXAMPLE, AbstractLeader, Learned, Lesson
from .policy_gradient import counted_actions


class LeaderQLearning(AbstractLeader):
    """A table of what each action is worth at each observation, the best of them taken, now and then another.

    - `process`: the leader's decision process, with counted observations and actions.
    - `num_episodes`: played in a step.  `learning_rate`: how far an entry moves to what was seen, on average.
    - `exploration`: the chance of an action at random at the first step; it falls to `least_exploration` in
      `exploration_steps` steps.
    - `trace`: λ of the λ-return that an entry moves to, along the episode: 0 looks one step ahead (Watkins, 1989), 1
      waits for all that is paid. Queries come one after the other and tell nothing about each other, so that a small
      trace mixes up what their answers are worth.
    """

    process: StackelbergPOMDP
    num_episodes: int = eqx.field(static=True)
    learning_rate: float
    exploration: float
    least_exploration: float
    exploration_steps: int
    trace: float

    def __init__(
        self,
        process: Any,
        num_episodes: Any = 64,
        learning_rate: Any = 0.1,
        exploration: Any = 1.0,
        least_exploration: Any = 0.05,
        exploration_steps: Any = 200,
        trace: Any = 1.0,
    ) -> None:
        self.process = boundary.instance("process", process, StackelbergPOMDP, EXAMPLE)
        self.num_episodes = boundary.whole_number("num_episodes", num_episodes, low=1)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, high=1.0, low_open=True)
        self.exploration = boundary.real_number("exploration", exploration, low=0.0, high=1.0)
        self.least_exploration = boundary.real_number("least_exploration", least_exploration, low=0.0, high=1.0)
        self.exploration_steps = boundary.whole_number("exploration_steps", exploration_steps, low=1)
        self.trace = boundary.real_number("trace", trace, low=0.0, high=1.0)
        counted_actions(self.process)
        boundary.instance("process", self.process.observation_spaces[0], Discrete, "counted observations")

    @property
    def hidden(self) -> tuple[int, ...]:
        """None: it keeps a table."""
        return ()

    def begun(self, policy: AbstractPolicy, oracles: Any) -> Learned:
        """Everything is worth next to nothing."""
        return Learned(policy, None, None, oracles)

    def exploring(self, state: Learned, n: Any) -> Act:
        """The best action, or any."""
        gone = jnp.minimum(n / jnp.asarray(self.exploration_steps, jnp.float32), 1.0)
        chance = self.exploration + gone * (self.least_exploration - jnp.asarray(self.exploration))

        def act(observation, key):
            of_chance, of_action = jr.split(key)
            row = _worth(state)[observation]
            return jnp.where(
                jr.uniform(of_chance) < chance, jr.randint(of_action, (), 0, row.shape[0]), jnp.argmax(row)
            )

        return act

    def improved(self, state: Learned, lesson: Lesson, n: Any, key: Key) -> tuple[Learned, Metrics]:
        """Every entry moves to the mean of the λ-returns that were seen for it."""
        del n, key
        made = lesson.made
        worth = _worth(state)
        place = (made.observations, made.actions)
        error = jax.vmap(lambda one: lambda_returns(worth, one, self.trace))(made) - worth[place]
        counts = made.is_counted.astype(worth.dtype)
        total = jnp.zeros_like(worth).at[place].add(error * counts)
        seen = jnp.zeros_like(worth).at[place].add(counts)
        worth = worth + self.learning_rate * total / jnp.maximum(seen, 1.0)
        return Learned(TablePolicy(worth), None, None, state.oracles), {}


def lambda_returns(
    worth: Float[AnyArray, "o a"], made: Trajectory, trace: Float[AnyArray, ""] | float
) -> Float[AnyArray, "n"]:
    """From the end: reward + (1 - λ) × the best worth of the next counted step + λ × its own return.

    Steps that are not counted are passed over: what they pay belongs to the step before.
    """
    best = jnp.max(jnp.asarray(worth), axis=-1)[made.observations]

    def back(carry, step):
        blend, pending = carry  # of the next counted step; what uncounted steps in between were paid
        reward, is_counted, following = step
        found = reward + pending + blend
        blended = (1.0 - trace) * following + trace * found
        return (jnp.where(is_counted, blended, blend), jnp.where(is_counted, 0.0, pending + reward)), found

    start = (jnp.zeros(()), jnp.zeros(()))
    steps = (made.rewards, made.is_counted, best)
    return jax.lax.scan(back, start, steps, reverse=True)[1]


def _worth(state: Learned) -> Float[AnyArray, "o a"]:
    assert isinstance(state.policy, TablePolicy)
    return jnp.asarray(state.policy.logits)
