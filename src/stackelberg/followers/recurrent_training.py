"""How a recurrent follower learns to get to know leaders: `RecurrentTraining`."""

from __future__ import annotations

import math
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
from .._learner import Metrics, train
from .._runs import Metric
from .._types import AnyArray, Key
from ..calculus.simplex import log_quantal_choice
from ..games.environment import AbstractEnvironment, Box
from ..rl.learner import AbstractEpisodeLearner
from ..rl.policy import network
from ..rl.proximal import clipped_objective, generalised_advantages
from .contextual_network import leader_sizes, random_leaders
from .recurrent import EXAMPLE, Recurrent, RecurrentFollower, blank_recurrent, tried
from .trials import first_trial, only_follower, trial_step


class Acquainted(eqx.Module):
    """The follower's networks, a critic and a guess at the leader on the same memory, and their optimiser's moments."""

    follower: Recurrent
    critic: eqx.nn.MLP
    guesser: eqx.nn.MLP
    moments: Any


class Acquaintances(eqx.Module):
    """What followers saw, did and were paid, `(e, n)`: trials, and then the play that counts; and their `leaders`.

    `is_over` marks ends of plays; `counts` holds up to the end of the last one, `is_random` for actions not of the
    policy's choosing.
    """

    observations: Int[AnyArray, "*e n"]
    actions: Int[AnyArray, "*e n"]
    scores: Float[AnyArray, "*e n"]
    rewards: Float[AnyArray, "*e n"]
    is_over: Bool[AnyArray, "*e n"]
    counts: Bool[AnyArray, "*e n"]
    is_random: Bool[AnyArray, "*e n"]
    leaders: Float[AnyArray, "*e o a"]


class RecurrentTraining(AbstractEpisodeLearner):
    """Proximal policy optimisation over whole acquaintances: `num_trials` games with one random leader and one more.

    - `environment`: a game with one follower and counted observations.  `num_trials`, `width`, `exploration`: of
      `RecurrentFollower`.
    - `num_copies`: leaders met in a step.  `num_epochs`: steps of Adam on them, each through the whole memory.
    - `learning_rate`: of Adam, falling to a tenth over `num_steps` steps.  `clip`: of the ratio of probabilities.
    - `trace`: λ of generalised advantage estimation, across plays.  `entropy`: weight of the policy's entropy.
    - `trial_weight`: of what trials pay: with 1 looking around has to pay off within the acquaintance, with 0 it is
      free, and nothing but the last play counts.
    - `guess_weight`: of the cross-entropy of a guess, from the memory, at what the leader answers where. Leaders are
      drawn here, so that they are known; what is worth remembering is then learned from every step and not from pay.

    In the last play nothing is remembered any more, as when it counts.
    """

    environment: AbstractEnvironment
    num_trials: int = eqx.field(static=True)
    width: int = eqx.field(static=True)
    num_copies: int = eqx.field(static=True)
    num_epochs: int = eqx.field(static=True)
    learning_rate: float
    clip: float
    trace: float
    entropy: float
    num_steps: int
    trial_weight: float
    exploration: float
    guess_weight: float

    def __init__(
        self,
        environment: Any,
        num_trials: Any = 3,
        width: Any = 32,
        num_copies: Any = 128,
        num_epochs: Any = 4,
        learning_rate: Any = 3e-3,
        clip: Any = 0.2,
        trace: Any = 0.95,
        entropy: Any = 0.01,
        num_steps: Any = 500,
        trial_weight: Any = 0.0,
        exploration: Any = 0.5,
        guess_weight: Any = 1.0,
    ) -> None:
        self.environment = boundary.instance("environment", environment, AbstractEnvironment, EXAMPLE)
        self.num_trials = boundary.whole_number("num_trials", num_trials, low=1)
        self.width = boundary.whole_number("width", width, low=1)
        self.num_copies = boundary.whole_number("num_copies", num_copies, low=1)
        self.num_epochs = boundary.whole_number("num_epochs", num_epochs, low=1)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)
        self.clip = boundary.real_number("clip", clip, low=0.0, high=1.0, low_open=True)
        self.trace = boundary.real_number("trace", trace, low=0.0, high=1.0)
        self.entropy = boundary.real_number("entropy", entropy, low=0.0)
        self.num_steps = boundary.whole_number("num_steps", num_steps, low=1)
        self.trial_weight = boundary.real_number("trial_weight", trial_weight, low=0.0, high=1.0)
        self.exploration = boundary.real_number("exploration", exploration, low=0.0, high=1.0)
        self.guess_weight = boundary.real_number("guess_weight", guess_weight, low=0.0)
        only_follower(self.environment)
        leader_sizes(self.environment)

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """How well it does."""
        return {
            "follower_return": Metric("follower's mean return once it knows the leader", "payoff", "follower", "higher")
        }

    def init(self, key: Key) -> Acquainted:
        """A policy near uniform, a critic that expects nothing, a guess at anything."""
        of_follower, of_critic, of_guesser = jr.split(key, 3)
        follower = blank_recurrent(self.environment, self.width, of_follower)
        critic = network(int(follower.policy.in_size) + 1, 1, (self.width,), of_critic, last=0.01)
        guesser = network(self.width, math.prod(leader_sizes(self.environment)), (self.width,), of_guesser, last=0.01)
        learned: Any = (follower, critic, guesser)
        return Acquainted(follower, critic, guesser, self._adam.init(learned))

    def sample(self, state: Acquainted, n: Any, key: Key) -> Acquaintances:
        """Acquaintances with random leaders."""
        del n
        of_leaders, of_plays = jr.split(key)
        leaders = random_leaders(self.environment, (self.num_copies,), of_leaders)
        meet = lambda leader, key: self._met(state.follower, leader, key)
        return jax.vmap(meet)(leaders, jr.split(of_plays, self.num_copies))

    def update(self, state: Acquainted, batch: Acquaintances, n: Any, key: Key) -> tuple[Acquainted, Metrics]:
        """Several steps of Adam, each through the whole of every memory."""
        del key
        learned: Any = (state.follower, state.critic, state.guesser)
        counts = batch.counts.astype(batch.rewards.dtype)
        total = jnp.sum(counts)
        _, values, _ = jax.vmap(lambda one: self._along(learned[0], learned[1], one))(batch)
        after = jnp.concatenate([values[:, 1:], jnp.zeros_like(values[:, :1])], axis=1)
        goes_on = jnp.concatenate([counts[:, 1:], jnp.zeros_like(counts[:, :1])], axis=1)
        chosen = counts * ~batch.is_random
        weights = jnp.where(jnp.arange(counts.shape[1]) < self._num_tried, self.trial_weight, 1.0)
        surprise = counts * (weights * batch.rewards + goes_on * after - values)
        gain = generalised_advantages(surprise.T, goes_on.T, self.trace).T
        target = gain + values
        mean = jnp.sum(counts * gain) / total
        gain = (gain - mean) / (jnp.sqrt(jnp.sum(counts * (gain - mean) ** 2) / total) + 1e-6)
        rate = self.learning_rate * jnp.maximum(1.0 - n / jnp.asarray(self.num_steps, jnp.float32), 0.1)

        def loss(learned):
            log_choice, values, memories = jax.vmap(lambda one: self._along(learned[0], learned[1], one))(batch)
            objective = clipped_objective(log_choice, batch.actions, batch.scores, gain, self.clip, self.entropy)
            wrong = self.guess_weight * guess_error(jax.vmap(jax.vmap(learned[2]))(memories), batch.leaders)
            return jnp.sum(counts * (0.5 * (values - target) ** 2 + wrong) - chosen * objective) / total

        def epoch(carry, _):
            learned, moments = carry
            push, moments = self._adam.update(jax.grad(loss)(learned), moments)
            return (jax.tree.map(lambda leaf, move: leaf - rate * move, learned, push), moments), None

        (learned, moments), _ = jax.lax.scan(epoch, (learned, state.moments), length=self.num_epochs)
        paid = jnp.sum((counts * batch.rewards)[:, self._num_tried :], axis=1)
        follower, critic, guesser = learned
        return Acquainted(follower, critic, guesser, moments), {"follower_return": jnp.mean(paid)}

    def commitment(self, state: Acquainted) -> Float[AnyArray, "w"]:
        """The weights of the follower's networks in a row: `RecurrentFollower` takes them."""
        return ravel_pytree(state.follower)[0]

    def _met(self, follower: Recurrent, leader: Float[AnyArray, "o a"], key: Key) -> Acquaintances:
        """One acquaintance."""
        num_seen, num_actions = only_follower(self.environment)
        is_mixed = isinstance(self.environment.action_spaces[0], Box)

        def step(carry, n):
            memory, trial, is_on = carry
            own, seen = trial.observations
            of_action, of_trial = jr.split(jr.fold_in(key, n))
            log_choice = follower.log_choice(jax.nn.one_hot(seen, num_seen), memory)
            tries = n < self._num_tried
            action, is_random = tried(of_action, log_choice, jnp.where(tries, self.exploration, 0.0))
            row = leader[own]
            leading = row if is_mixed else jnp.argmax(row).astype(jnp.int32)
            trial, paid, is_over = trial_step(self.environment, trial, (leading, action), of_trial, self._num_tried)
            passed = (jax.nn.one_hot(seen, num_seen), jax.nn.one_hot(action, num_actions), paid[1], is_over)
            memory = jnp.where(tries, follower.remembered(memory, passed), memory)
            here = (seen, action, log_choice[action], paid[1], is_over, is_on, is_random)
            return (memory, trial, is_on & (tries | ~is_over)), here

        length = self._num_tried + self.environment.num_steps
        first = first_trial(self.environment, jr.fold_in(key, length))
        start = (jnp.zeros(self.width), first, jnp.bool_(True))
        return Acquaintances(*jax.lax.scan(step, start, jnp.arange(length, dtype=jnp.int32))[1], leader)

    def _along(
        self, follower: Recurrent, critic: eqx.nn.MLP, made: Acquaintances
    ) -> tuple[Float[AnyArray, "n b"], Float[AnyArray, "n"], Float[AnyArray, "n h"]]:
        """What these networks would do, expect and remember along an acquaintance `(n,)`."""
        num_seen, num_actions = only_follower(self.environment)
        seen, done = jax.nn.one_hot(made.observations, num_seen), jax.nn.one_hot(made.actions, num_actions)
        numbers = jnp.arange(len(seen))

        def step(memory, passed):
            n, *passed = passed
            after = jnp.where(n < self._num_tried, follower.remembered(memory, tuple(passed)), memory)
            return after, memory

        steps = (numbers, seen, done, made.rewards, made.is_over)
        _, memories = jax.lax.scan(step, jnp.zeros(self.width), steps)
        log_choice = jax.vmap(follower.log_choice)(seen, memories)
        over = (numbers / len(seen))[:, None].astype(seen.dtype)
        return log_choice, jax.vmap(critic)(jnp.concatenate([seen, memories, over], axis=1))[:, 0], memories

    @property
    def _num_tried(self) -> int:
        """Steps of all trials."""
        return self.num_trials * self.environment.num_steps

    @property
    def _adam(self) -> optax.GradientTransformation:
        return optax.chain(optax.clip_by_global_norm(0.5), optax.scale_by_adam())


def guess_error(logits: Float[AnyArray, "e n w"], leaders: Float[AnyArray, "e o a"]) -> Float[AnyArray, "e n"]:
    """Cross-entropy of guessed answers, on average over the leader's observations."""
    guessed = log_quantal_choice(jnp.asarray(logits).reshape(*logits.shape[:2], *leaders.shape[1:]), 1.0)
    return -jnp.mean(jnp.sum(leaders[:, None] * guessed, axis=-1), axis=-1)


def pretrained_recurrent(environment: Any, num_steps: Any = 500, seed: Any = 0, **settings: Any) -> RecurrentFollower:
    """A recurrent follower after `num_steps` steps of `RecurrentTraining`, ready to be asked."""
    training = RecurrentTraining(environment, num_steps=num_steps, **settings)
    run, _ = train(training, training.num_steps, (seed,))
    networks = jax.tree.map(lambda leaf: leaf[0, 0], run.state.follower)
    return RecurrentFollower(training.environment, networks, training.num_trials, training.width, training.exploration)
