"""A leader whose contextual followers learn first, in the same run: `AfterPretraining`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Float

from .. import _boundary as boundary
from .._learner import Metrics
from .._runs import Metric
from .._types import AnyArray, Key
from ..followers.asking_all import AbstractContextual
from ..followers.contextual import ContextualTable
from ..followers.contextual_network import ContextualNetwork
from ..followers.contextual_ppo import ContextualPPO
from ..followers.contextual_training import ContextualTraining, one_change
from ..rl.learner import AbstractEpisodeLearner
from .leaders import AbstractLeader, Learned, Lesson


NUM_CHANGES = 2
"""Rounds in which the follower tries every single change, at the end."""


class Phases(eqx.Module):
    """What the follower has learned, the policies that it plays once that is over, and what the leader has learned."""

    practice: Any
    policies: Any
    learned: Learned


class Material(eqx.Module):
    """The episodes of a step: of the follower's, or of the leader's; the others are zeros."""

    episodes: Any
    lesson: Lesson


class AfterPretraining(AbstractEpisodeLearner):
    """First the contextual follower learns against random leaders, for `pretraining_steps` steps; then the leader.

    - `leader`: which learns, in a decision process whose oracle is a `ContextualTable` or a `ContextualNetwork`; its
      policies are replaced.
    - `pretraining_steps`: of `ContextualTraining`, or of `ContextualPPO` in rollouts of one episode's length.
    - `num_episodes`: of it, in a step, or copies.  `learning_rate`: of it; left out, 0.1 for a table and 0.001 for
      networks.
    - `num_tries`: at the end the follower tries every single change of its greedy table, twice (`refined_follower`),
      and plays each change so often; more than once where the game itself is random. Networks stay as they are.
    - `keeps_training`: whether networks go on learning, a step for each of the leader's, half of it against leaders
      drawn from the leader's own policy: where it looks around followers then answer well.

    One run holds both, so that pretraining is recorded, counted and resumed like everything else.
    """

    leader: AbstractLeader
    pretraining_steps: int
    num_episodes: int = eqx.field(static=True)
    learning_rate: float | None
    num_tries: int = eqx.field(static=True)
    keeps_training: bool = eqx.field(static=True)

    def __init__(
        self,
        leader: Any,
        pretraining_steps: Any = 500,
        num_episodes: Any = 128,
        learning_rate: Any = None,
        num_tries: Any = 1,
        keeps_training: Any = False,
    ) -> None:
        example = "sg.LeaderReinforce(sg.StackelbergPOMDP(sg.exact_contextual(game)))"
        self.leader = boundary.instance("leader", leader, AbstractLeader, example)
        boundary.instance(
            "leader.process.oracle",
            leader.process.oracle,
            AbstractContextual,
            "sg.ContextualTable(game), or sg.ContextualNetwork(game)",
        )
        self.pretraining_steps = boundary.whole_number("pretraining_steps", pretraining_steps, low=1)
        self.num_episodes = boundary.whole_number("num_episodes", num_episodes, low=1)
        self.learning_rate = None
        if learning_rate is not None:
            self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)
        self.num_tries = boundary.whole_number("num_tries", num_tries, low=1)
        self.keeps_training = boundary.boolean("keeps_training", keeps_training)
        if self.keeps_training:
            oracle = self.leader.process.oracle
            boundary.instance("leader.process.oracle", oracle, ContextualNetwork, "sg.ContextualNetwork(game)")

    @property
    def training(self) -> ContextualTraining | ContextualPPO:
        """How followers learn."""
        environment, oracle = self.leader.process.game, self.leader.process.oracle
        given = self.learning_rate
        if isinstance(oracle, ContextualNetwork):
            return ContextualPPO(
                environment,
                self.num_episodes,
                environment.num_steps,
                learning_rate=1e-3 if given is None else given,
                num_steps=self.pretraining_steps,
                width=oracle.width,
                num_layers=oracle.num_layers,
            )
        rate = 0.1 if given is None else given
        return ContextualTraining(environment, self.num_episodes, rate, self.pretraining_steps)

    @property
    def process(self) -> Any:
        """The leader's decision process."""
        return self.leader.process

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """Leaders are paid in both phases: the random ones while the follower learns, then the one that learns."""
        return {"sampled_return": self.leader.meanings["sampled_return"]}

    def init(self, key: Key) -> Phases:
        """Nobody knows anything."""
        of_follower, of_leader = jr.split(key)
        practice = self.training.init(of_follower)
        return Phases(practice, self.training.policies(practice), self.leader.init(of_leader))

    def sample(self, state: Phases, n: Any, key: Key) -> Material:
        """Episodes of random leaders, or of the leader."""
        leader, later = self._facing(state), jnp.asarray(n) - self.pretraining_steps
        early = lambda: self.training.sample(state.practice, n, key)
        late = lambda: leader.sample(state.learned, later, key)
        training = self.training
        if isinstance(training, ContextualPPO) and self.keeps_training:
            near = self.leader.chances(state.learned)
            further = lambda: training.sample(state.practice, n, jr.fold_in(key, 1), near)
        else:
            further = lambda: blank(early)
        blank = lambda make: jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(make))
        made = jax.lax.cond(later < 0, lambda: (early(), blank(late)), lambda: (further(), late()))
        lesson = Lesson(made[1].made, made[1].oracles, made[1].noise, state.policies)
        return Material(made[0], lesson)

    def update(self, state: Phases, batch: Material, n: Any, key: Key) -> tuple[Phases, Metrics]:
        """The follower learns, or the leader does."""
        later = jnp.asarray(n) - self.pretraining_steps

        def follower_learns():
            practice, _ = self.training.update(state.practice, batch.episodes, n, key)
            policies = self.training.policies(practice)
            policies = jax.lax.cond(later == -1, lambda: self._refined(policies, key), lambda: policies)
            return Phases(practice, policies, state.learned), batch.episodes.leader_return

        def leader_learns():
            learned, metrics = self._facing(state).update(state.learned, batch.lesson, later, key)
            practice, policies = state.practice, state.policies
            if self.keeps_training:
                practice, _ = self.training.update(practice, batch.episodes, n, key)
                policies = self.training.policies(practice)
            return Phases(practice, policies, learned), metrics["sampled_return"]

        state, paid = jax.lax.cond(later < 0, follower_learns, leader_learns)
        return state, {"sampled_return": paid}

    def commitment(self, state: Phases) -> Float[AnyArray, "o a"]:
        """The leader's."""
        return self.leader.commitment(state.learned)

    def _facing(self, state: Phases) -> AbstractLeader:
        """The leader, with the follower as it has come to be."""
        return eqx.tree_at(lambda leader: leader.process.oracle.policies, self.leader, state.policies)

    def _refined(self, policies: Any, key: Key) -> Any:
        for number in range(NUM_CHANGES if isinstance(self.leader.process.oracle, ContextualTable) else 0):
            policies = one_change(self.leader.process.game, policies, self.num_tries, jr.fold_in(key, number))
        return policies
