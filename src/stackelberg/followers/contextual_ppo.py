"""How contextual followers that are networks learn: proximal policy optimisation against random leaders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Bool, Float, Int

from .. import _boundary as boundary
from .._learner import Metrics
from .._runs import Metric
from .._types import AnyArray, Key
from ..calculus.simplex import log_quantal_choice
from ..games.environment import AbstractEnvironment, Box
from ..rl.learner import AbstractEpisodeLearner
from ..rl.policy import network, taken
from ..rl.proximal import clipped_objective, generalised_advantages
from .contextual_network import (
    EXAMPLE,
    blank_networks,
    context_features,
    follower_sizes,
    leader_sizes,
    random_leaders,
)


class Playing(eqx.Module):
    """Games under way, one for each copy: leaders `(e, o, a)`, steps so far `(e,)`, and what all seats see."""

    leaders: Float[AnyArray, "e o a"]
    time: Int[AnyArray, "e"]
    game: Any
    observations: tuple[AnyArray, ...]


class Followers(eqx.Module):
    """Networks of all followers, policies and critics, the moments of their optimiser, and games under way."""

    policies: tuple[eqx.nn.MLP, ...]
    critics: tuple[eqx.nn.MLP, ...]
    moments: Any
    playing: Playing


class Rollout(eqx.Module):
    """What followers saw, did and were paid, `(t, e)` for each follower.

    - `inputs`: `(t, e, d)`, with the share of the episode that is over in the last place, for the critic alone.
    - `last`: the inputs after the last step.  `playing`: games at the end.
    """

    inputs: tuple[Float[AnyArray, "t e d"], ...]
    actions: tuple[Int[AnyArray, "t e"], ...]
    scores: tuple[Float[AnyArray, "t e"], ...]
    rewards: Float[AnyArray, "t e seats"]
    is_over: Bool[AnyArray, "t e"]
    last: tuple[Float[AnyArray, "e d"], ...]
    playing: Playing

    @property
    def leader_return(self) -> Float[AnyArray, ""]:
        """What leaders were paid in each copy, on average."""
        return jnp.mean(jnp.sum(self.rewards[..., 0], axis=0))


class ContextualPPO(AbstractEpisodeLearner):
    """Every follower learns by proximal policy optimisation, all of them at once, each against leaders at random.

    - `environment`: a game with counted observations.  `num_copies`: games played side by side.
    - `rollout_steps`: steps of each copy in a step of learning.
    - `num_epochs`: how often they are gone through.  `num_minibatches`: parts of the copies, a step of Adam each.
    - `learning_rate`: of Adam, falling to a tenth over `num_steps` steps.  `clip`: of the ratio of probabilities.
    - `trace`: λ of generalised advantage estimation.  `entropy`: weight of the policy's entropy.
    - `width`, `num_layers`: of the hidden layers of policies and critics, which share nothing.

    At the end of an episode a copy draws a new leader. Nothing is discounted; the critic is told how much of the
    episode is over, the policy is not. Minibatches hold whole copies, so that nothing needs to be sorted.
    """

    environment: AbstractEnvironment
    num_copies: int = eqx.field(static=True)
    rollout_steps: int = eqx.field(static=True)
    num_epochs: int = eqx.field(static=True)
    num_minibatches: int = eqx.field(static=True)
    learning_rate: float
    clip: float
    trace: float
    entropy: float
    num_steps: int
    width: int = eqx.field(static=True)
    num_layers: int = eqx.field(static=True)

    def __init__(
        self,
        environment: Any,
        num_copies: Any = 64,
        rollout_steps: Any = 128,
        num_epochs: Any = 4,
        num_minibatches: Any = 4,
        learning_rate: Any = 1e-3,
        clip: Any = 0.2,
        trace: Any = 0.95,
        entropy: Any = 0.01,
        num_steps: Any = 500,
        width: Any = 64,
        num_layers: Any = 2,
    ) -> None:
        self.environment = boundary.instance("environment", environment, AbstractEnvironment, EXAMPLE)
        self.num_copies = boundary.whole_number("num_copies", num_copies, low=1)
        self.rollout_steps = boundary.whole_number("rollout_steps", rollout_steps, low=1)
        self.num_epochs = boundary.whole_number("num_epochs", num_epochs, low=1)
        self.num_minibatches = boundary.whole_number("num_minibatches", num_minibatches, low=1, high=self.num_copies)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)
        self.clip = boundary.real_number("clip", clip, low=0.0, high=1.0, low_open=True)
        self.trace = boundary.real_number("trace", trace, low=0.0, high=1.0)
        self.entropy = boundary.real_number("entropy", entropy, low=0.0)
        self.num_steps = boundary.whole_number("num_steps", num_steps, low=1)
        self.width = boundary.whole_number("width", width, low=1)
        self.num_layers = boundary.whole_number("num_layers", num_layers, low=1)
        follower_sizes(self.environment)
        leader_sizes(self.environment)

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """How well they do."""
        return {"follower_return": Metric("followers' mean pay in a step", "payoff", "follower", "higher")}

    def init(self, key: Key) -> Followers:
        """Policies near uniform, critics that expect nothing, and games at their start."""
        of_policies, of_critics, of_games = jr.split(key, 3)
        policies = blank_networks(self.environment, self.width, self.num_layers, of_policies)
        keys = jr.split(of_critics, len(policies))
        hidden = (self.width,) * self.num_layers
        critics = tuple(
            network(int(policy.in_size) + 1, 1, hidden, one, last=0.01)
            for policy, one in zip(policies, keys, strict=True)
        )
        learned: Any = (policies, critics)
        return Followers(policies, critics, self._adam.init(learned), self._begun(of_games))

    def sample(self, state: Followers, n: Any, key: Key, near: Any = None) -> Rollout:
        """All copies, some steps further; with chances `near` `(o, a)` every second new leader is drawn from them."""
        del n

        of_actions, of_games, of_leaders, of_starts = jr.split(key, 4)
        many = (self.rollout_steps, self.num_copies)
        sizes = follower_sizes(self.environment)
        is_mixed = isinstance(self.environment.action_spaces[0], Box)
        # Whatever is random is drawn for all steps at once: small draws in a loop take longer than all the rest.
        drawn = (
            tuple(
                jr.gumbel(one, (*many, count))
                for one, (_, count) in zip(jr.split(of_actions, len(sizes)), sizes, strict=True)
            ),
            jr.split(of_games, many),
            random_leaders(self.environment, many, of_leaders, near),
            jr.split(of_starts, many),
        )

        def step(playing, drawn):
            noise, of_games, leaders, of_starts = drawn
            inputs = self._inputs(playing)
            choices = tuple(
                log_quantal_choice(jax.vmap(policy)(jnp.asarray(one)[:, :-1]), 1.0)
                for policy, one in zip(state.policies, inputs, strict=True)
            )
            actions = tuple(
                jnp.argmax(row + moved, axis=-1).astype(jnp.int32) for row, moved in zip(choices, noise, strict=True)
            )
            scores = tuple(taken(row, action) for row, action in zip(choices, actions, strict=True))
            rows = jax.vmap(lambda table, seen: table[seen])(playing.leaders, playing.observations[0])
            leading = rows if is_mixed else jnp.argmax(rows, axis=-1).astype(jnp.int32)
            made = jax.vmap(self.environment.step)(playing.game, (leading, *actions), of_games)
            time = playing.time + 1
            is_over = made.is_over | (time >= self.environment.num_steps)
            game, observations = jax.vmap(self.environment.reset)(of_starts)
            fresh = Playing(leaders, jnp.zeros_like(time), game, observations)
            pick = lambda new, old: jnp.where(is_over.reshape(-1, *[1] * (new.ndim - 1)), new, old)
            gone_on = Playing(playing.leaders, time, made.state, made.observations)
            return jax.tree.map(pick, fresh, gone_on), (inputs, actions, scores, made.rewards, is_over)

        playing, made = jax.lax.scan(step, state.playing, drawn)
        return Rollout(*made, self._inputs(playing), playing)

    def update(self, state: Followers, batch: Rollout, n: Any, key: Key) -> tuple[Followers, Metrics]:
        """Several epochs of minibatches of whole copies."""
        del key
        learned = (state.policies, state.critics)
        each = range(len(state.policies))
        gains, targets = zip(*(self._advantages(state.critics[one], batch, one) for one in each), strict=True)
        rate = self.learning_rate * jnp.maximum(1.0 - n / jnp.asarray(self.num_steps, jnp.float32), 0.1)
        size = self.num_copies // self.num_minibatches
        used = size * self.num_minibatches

        def parts(leaf):
            """Minibatches of whole copies `(epochs × parts, rows, ...)`, cut anew in each epoch."""
            copies = jnp.swapaxes(leaf, 0, 1)
            every = [jnp.roll(copies, -epoch * (size // 2 + 1), axis=0)[:used] for epoch in range(self.num_epochs)]
            return jnp.concatenate(every).reshape(-1, size * leaf.shape[0], *leaf.shape[2:])

        # Copies are independent and alike, so that the same divisions of them serve in every step of learning.
        lesson = jax.tree.map(parts, (batch.inputs, batch.actions, batch.scores, gains, targets))
        numbers, rest = eqx.partition(self, eqx.is_array)

        def climbed(numbers, learned, moments, lesson, rate):
            learner = eqx.combine(numbers, rest)

            def minibatch(carry, part):
                learned, moments = carry
                slope = jax.grad(learner._loss)(learned, part)
                push, moments = learner._adam.update(slope, moments)
                return (jax.tree.map(lambda leaf, move: leaf - rate * move, learned, push), moments), None

            return jax.lax.scan(minibatch, (learned, moments), lesson)[0]

        # On a processor one product of matrices after the other is faster than those of all seeds at once.
        in_turn = jax.custom_batching.sequential_vmap(climbed) if jax.default_backend() == "cpu" else climbed
        learned, moments = in_turn(numbers, learned, state.moments, lesson, rate)
        paid = jnp.mean(batch.rewards[..., 1:])
        return Followers(learned[0], learned[1], moments, batch.playing), {"follower_return": paid}

    def commitment(self, state: Followers) -> Float[AnyArray, "w"]:
        """The weights of the followers' networks in a row: `ContextualNetwork` takes them."""
        return ravel_pytree(state.policies)[0]

    def policies(self, state: Any) -> tuple[eqx.nn.MLP, ...]:
        """The followers' networks."""
        return state.policies

    def _loss(self, learned: Any, part: Any) -> Float[AnyArray, ""]:
        """Of all followers together: they share no weights."""
        total = jnp.zeros(())
        for policy, critic, inputs, actions, scores, gain, target in zip(*learned, *part, strict=True):
            log_choice = log_quantal_choice(jax.vmap(policy)(jnp.asarray(inputs)[:, :-1]), 1.0)
            gain = (gain - jnp.mean(gain)) / (jnp.std(gain) + 1e-6)
            objective = clipped_objective(log_choice, actions, scores, gain, self.clip, self.entropy)
            error = jax.vmap(critic)(jnp.asarray(inputs))[:, 0] - target
            total = total - jnp.mean(objective) + 0.5 * jnp.mean(error**2)
        return total

    def _advantages(
        self, critic: eqx.nn.MLP, batch: Rollout, seat: int
    ) -> tuple[Float[AnyArray, "t e"], Float[AnyArray, "t e"]]:
        """Generalised advantages, and what the critic should expect."""
        expects = lambda inputs: jax.vmap(jax.vmap(critic))(jnp.asarray(inputs))[..., 0]
        values = expects(batch.inputs[seat])
        after = jnp.concatenate([values[1:], expects(batch.last[seat][None])])
        goes_on = 1.0 - batch.is_over
        surprise = batch.rewards[..., 1 + seat] + goes_on * after - values
        gains = generalised_advantages(surprise, goes_on, self.trace)
        return gains, gains + values

    def _begun(self, key: Key) -> Playing:
        of_leaders, of_games = jr.split(key)
        leaders = random_leaders(self.environment, (self.num_copies,), of_leaders)
        game, observations = jax.vmap(self.environment.reset)(jr.split(of_games, self.num_copies))
        return Playing(leaders, jnp.zeros(self.num_copies, jnp.int32), game, observations)

    def _inputs(self, playing: Playing) -> tuple[Float[AnyArray, "e d"], ...]:
        context = context_features(playing.leaders)
        over = (playing.time / self.environment.num_steps)[:, None]
        sizes = follower_sizes(self.environment)
        return tuple(
            jnp.concatenate([jax.nn.one_hot(seen, size, dtype=context.dtype), context, over], axis=1)
            for seen, (size, _) in zip(playing.observations[1:], sizes, strict=True)
        )

    @property
    def _adam(self) -> optax.GradientTransformation:
        return optax.chain(optax.clip_by_global_norm(0.5), optax.scale_by_adam())
