"""Leaders by policy gradients: `LeaderReinforce`, and `LeaderPPO`, which uses the same episodes several times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Float

from .. import _boundary as boundary
from .._learner import Metrics
from .._runs import Metric
from .._types import AnyArray, Key
from ..followers.stackelberg_pomdp import StackelbergPOMDP, Trajectory
from ..games.environment import Discrete, Space
from ..rl.policy import AbstractPolicy, features, network, num_features, taken
from ..rl.proximal import clipped_objective
from .leaders import EXAMPLE, AbstractLeader, Learned, Lesson, mean_by_observation, returns_to_go


CriticSees: TypeAlias = Literal["leader", "all"]

CRITIC = (32, 32)
"""Hidden layers of a critic that sees all where the policy is a table."""


class AbstractPolicyGradient(AbstractLeader):
    """Moves along the score of every counted step times its advantage: what is still paid less what was expected.

    Where observations are counted and the policy is a table, what is expected is the mean over the episodes of this
    step; a network has a critic of its own kind. A critic that sees "all" is a network of what every seat sees and of
    the phase (centralised, as in the recipe of Brero et al., 2022): the policy still sees its own alone, so that it is
    a commitment, and advantages no longer vary with what only the followers know.
    """

    learning_rate: eqx.AbstractVar[float]
    entropy: eqx.AbstractVar[float]
    entropy_steps: eqx.AbstractVar[int]
    width: eqx.AbstractVar[int]
    num_layers: eqx.AbstractVar[int]
    critic_sees: eqx.AbstractVar[CriticSees]

    @property
    def hidden(self) -> tuple[int, ...]:
        """Layers of one width."""
        return (self.width,) * self.num_layers if self.width else ()

    def begun(self, policy: AbstractPolicy, oracles: Any) -> Learned:
        """A critic that expects nothing."""
        critic = None
        if self.critic_sees == "all":
            width = sum(num_features(space) for space in self._spaces) + 1
            critic = network(width, 1, self.hidden or CRITIC, jr.key(0), last=0.0)
        elif self.hidden:
            width = num_features(self.process.observation_spaces[0])
            critic = network(width, 1, self.hidden, jr.key(0), last=0.0)
        learned = eqx.filter((policy, critic), eqx.is_inexact_array)
        return Learned(policy, critic, self._optimiser.init(learned), oracles)

    def advantages(self, state: Learned, made: Trajectory) -> Float[AnyArray, "e n"]:
        """What is still paid, less what was expected."""
        left, space = returns_to_go(made), self.process.observation_spaces[0]
        if state.critic is None:
            assert isinstance(space, Discrete)
            return left - mean_by_observation(made, left, space.size)[made.observations]
        return left - self._expected(state.critic, made)

    def climbed(
        self, state: Learned, made: Trajectory, gain: Float[AnyArray, "e n"], clip: Any, entropy: Any, before: Any
    ) -> Learned:
        """One step of Adam on the clipped objective; `before` are the log-probabilities of the actions when drawn."""
        counts, left = made.is_counted.astype(gain.dtype), returns_to_go(made)
        total = jnp.maximum(jnp.sum(counts), 1.0)

        def loss(learned):
            policy, critic = learned
            log_choice = jax.vmap(jax.vmap(policy.log_choice))(made.observations)
            objective = clipped_objective(log_choice, made.actions, before, gain, clip, entropy)
            value = -jnp.sum(counts * objective) / total
            if critic is None:
                return value
            return value + 0.5 * jnp.sum(counts * (self._expected(critic, made) - left) ** 2) / total

        learned = (state.policy, state.critic)
        push, moments = self._optimiser.update(eqx.filter_grad(loss)(learned), state.moments)
        step = jax.tree.map(lambda leaf: None if leaf is None else -self.learning_rate * leaf, push)
        policy, critic = eqx.apply_updates(learned, step)
        return Learned(policy, critic, moments, state.oracles)

    def drawn(self, policy: AbstractPolicy, made: Trajectory) -> Float[AnyArray, "e n"]:
        """The log-probabilities of what was done."""
        return taken(jax.vmap(jax.vmap(policy.log_choice))(made.observations), made.actions)

    def entropy_weight(self, n: Any) -> Float[AnyArray, ""]:
        """Falls evenly to 0."""
        return self.entropy * jnp.maximum(1.0 - n / jnp.asarray(self.entropy_steps, jnp.float32), 0.0)

    def _expected(self, critic: eqx.nn.MLP, made: Trajectory) -> Float[AnyArray, "e n"]:
        space = self.process.observation_spaces[0]
        if self.critic_sees == "leader":
            return jax.vmap(jax.vmap(lambda seen: critic(jnp.asarray(features(space, seen)))[0]))(made.observations)

        def one(own, others, asks):
            known = [features(space, seen) for space, seen in zip(self._spaces[1:], others, strict=True)]
            plays = jnp.where(asks, 0.0, 1.0)
            parts = [features(space, own), *(plays * jnp.asarray(part) for part in known), plays[None]]
            return critic(jnp.concatenate(parts))[0]

        return jax.vmap(jax.vmap(one))(made.observations, made.others, made.is_query)

    @property
    def _spaces(self) -> tuple[Space, ...]:
        """Of what the leader sees in its process, and the followers in the game."""
        return (self.process.observation_spaces[0], *self.process.game.observation_spaces[1:])

    @property
    def _optimiser(self) -> optax.GradientTransformation:
        return optax.scale_by_adam()


class LeaderReinforce(AbstractPolicyGradient):
    """A leader that moves once along the policy gradient of its episodes (REINFORCE, Williams 1992).

    - `process`: the leader's decision process.  `num_episodes`: played in a step.
    - `learning_rate`: of Adam.
    - `entropy`: weight of the policy's entropy at the first step, in payoff; it falls to 0 in `entropy_steps` steps.
    - `width`, `num_layers`: of the hidden layers of a network; width 0 for a table of logits.
    - `critic_sees`: "leader", what the leader sees, or "all", what every seat sees; with a table two layers of 32.
    """

    process: StackelbergPOMDP
    num_episodes: int = eqx.field(static=True)
    learning_rate: float
    entropy: float
    entropy_steps: int
    width: int = eqx.field(static=True)
    num_layers: int = eqx.field(static=True)
    critic_sees: CriticSees = eqx.field(static=True)

    def __init__(
        self,
        process: Any,
        num_episodes: Any = 64,
        learning_rate: Any = 0.05,
        entropy: Any = 2.0,
        entropy_steps: Any = 200,
        width: Any = 0,
        num_layers: Any = 2,
        critic_sees: Any = "leader",
    ) -> None:
        self.process = boundary.instance("process", process, StackelbergPOMDP, EXAMPLE)
        self.num_episodes = boundary.whole_number("num_episodes", num_episodes, low=1)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)
        self.entropy = boundary.real_number("entropy", entropy, low=0.0)
        self.entropy_steps = boundary.whole_number("entropy_steps", entropy_steps, low=1)
        self.width = boundary.whole_number("width", width, low=0)
        self.num_layers = boundary.whole_number("num_layers", num_layers, low=1)
        self.critic_sees = boundary.one_of("critic_sees", critic_sees, ("leader", "all"))  # type: ignore[assignment]
        counted_actions(self.process)

    def improved(self, state: Learned, lesson: Lesson, n: Any, key: Key) -> tuple[Learned, Metrics]:
        """One step of Adam: at the policy that drew the actions the ratio is 1, and nothing is clipped."""
        del key
        made = lesson.made
        before = self.drawn(state.policy, made)
        return self.climbed(state, made, self.advantages(state, made), 1.0, self.entropy_weight(n), before), {}


class LeaderPPO(AbstractPolicyGradient):
    """A leader by proximal policy optimisation (Schulman et al., 2017).

    - `process`, `num_episodes`, `learning_rate`, `width`, `num_layers`, `critic_sees`: as for `LeaderReinforce`.
    - `entropy`, `entropy_steps`: the same; entropy is weighed against advantages that are scaled to variance 1.
    - `num_epochs`: how often the episodes are gone through.  `num_minibatches`: parts of them, one step of Adam each.
    - `clip`: how far the ratio of new to old probabilities may move the objective.

    Departure: returns are whole (λ = 1), since a query's observation says nothing about what will be paid.
    """

    process: StackelbergPOMDP
    num_episodes: int = eqx.field(static=True)
    num_epochs: int = eqx.field(static=True)
    num_minibatches: int = eqx.field(static=True)
    learning_rate: float
    clip: float
    entropy: float
    entropy_steps: int
    width: int = eqx.field(static=True)
    num_layers: int = eqx.field(static=True)
    critic_sees: CriticSees = eqx.field(static=True)

    def __init__(
        self,
        process: Any,
        num_episodes: Any = 64,
        num_epochs: Any = 8,
        num_minibatches: Any = 1,
        learning_rate: Any = 0.02,
        clip: Any = 0.2,
        entropy: Any = 0.1,
        entropy_steps: Any = 200,
        width: Any = 0,
        num_layers: Any = 2,
        critic_sees: Any = "leader",
    ) -> None:
        self.process = boundary.instance("process", process, StackelbergPOMDP, EXAMPLE)
        self.num_episodes = boundary.whole_number("num_episodes", num_episodes, low=1)
        self.num_epochs = boundary.whole_number("num_epochs", num_epochs, low=1)
        self.num_minibatches = boundary.whole_number("num_minibatches", num_minibatches, low=1, high=self.num_episodes)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)
        self.clip = boundary.real_number("clip", clip, low=0.0, high=1.0, low_open=True)
        self.entropy = boundary.real_number("entropy", entropy, low=0.0)
        self.entropy_steps = boundary.whole_number("entropy_steps", entropy_steps, low=1)
        self.width = boundary.whole_number("width", width, low=0)
        self.num_layers = boundary.whole_number("num_layers", num_layers, low=1)
        self.critic_sees = boundary.one_of("critic_sees", critic_sees, ("leader", "all"))  # type: ignore[assignment]
        counted_actions(self.process)

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """Also how far it moved."""
        return {**super().meanings, "shift": Metric("mean log-ratio of old to new probabilities", "", "neither")}

    def improved(self, state: Learned, lesson: Lesson, n: Any, key: Key) -> tuple[Learned, Metrics]:
        """Several epochs of minibatches of whole episodes."""
        made = lesson.made
        gain, before = self.advantages(state, made), self.drawn(state.policy, made)
        counts = made.is_counted.astype(gain.dtype)
        total = jnp.maximum(jnp.sum(counts), 1.0)
        mean = jnp.sum(counts * gain) / total
        gain = (gain - mean) / (jnp.sqrt(jnp.sum(counts * (gain - mean) ** 2) / total) + 1e-6)
        size = self.num_episodes // self.num_minibatches
        entropy = self.entropy_weight(n)

        def epoch(state, key):
            order = jr.permutation(key, self.num_episodes)[: size * self.num_minibatches]

            def one(state, chosen):
                part = jax.tree.map(lambda leaf: leaf[chosen], (made, gain, before))
                return self.climbed(state, part[0], part[1], self.clip, entropy, part[2]), None

            return jax.lax.scan(one, state, order.reshape(self.num_minibatches, size))[0], None

        state, _ = jax.lax.scan(epoch, state, jr.split(key, self.num_epochs))
        return state, {"shift": jnp.sum(counts * (before - self.drawn(state.policy, made))) / total}


def counted_actions(process: StackelbergPOMDP) -> int:
    """How many actions the leader has; `InputError` where it commits to mixtures."""
    return boundary.instance(
        "process", process.action_spaces[0], Discrete, "a game in which the leader picks actions"
    ).size
