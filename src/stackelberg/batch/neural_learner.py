"""The policy leads, a network that the log does not contradict answers by its own small steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.flatten_util import ravel_pytree
from jaxtyping import Bool, Float

from .. import _boundary as boundary
from .._learner import Metrics, Precision
from .._runs import Metric
from .._types import AnyArray, Key
from ..calculus.kernel import FeatureStatistic, feature_loss
from ..calculus.total_derivative import AbstractLinearSolver, ConjugateGradient, gauss_newton, total_derivative
from ..games.dataset import Dataset
from ..rl.adam import at_rest, moved
from ..rl.batch_policy import AbstractBatchPolicy, AbstractDiscretePolicy, TanhGaussian
from ..rl.learner import AbstractCompiledLearner
from ..rl.policy import network
from .cloning import EXAMPLE
from .features import AbstractFeatures
from .reward_scale import RewardScale
from .stackelberg_learner import LEADERS, Leader, as_commitment


Curvature: TypeAlias = Literal["hessian", "gauss-newton"]
Answers: TypeAlias = Literal["network", "last-layer"]

STATISTICS: tuple[FeatureStatistic, ...] = ("v", "u", "two-batch")


class Critic(eqx.Module):
    """q(s, a) in (0, 1 / (1 - γ)) by a network and a sigmoid: it cannot leave the range of values.

    One output for each discrete action, or one for an observation with an action behind it.
    """

    network: eqx.nn.MLP
    centre: Float[AnyArray, "d"]
    scale: Float[AnyArray, "d"]
    top: Float[AnyArray, ""] | float

    def of_actions(self, observation: Float[AnyArray, "n d"]) -> Float[AnyArray, "n a"]:
        """Of all discrete actions."""
        return self._of(observation)

    def of_pairs(self, observation: Float[AnyArray, "n d"], action: Float[AnyArray, "n k"]) -> Float[AnyArray, "n"]:
        """Of observations with continuous actions."""
        return self._of(jnp.concatenate([jnp.asarray(observation), jnp.asarray(action)], axis=-1))[:, 0]

    def _of(self, rows: Float[AnyArray, "n d"]) -> Float[AnyArray, "n o"]:
        centre, scale, top = jax.lax.stop_gradient((jnp.asarray(self.centre), jnp.asarray(self.scale), self.top))
        return top * jax.nn.sigmoid(jax.vmap(self.network)((jnp.asarray(rows) - centre) / scale))


class Playing(NamedTuple):
    """Both players, the memories of their optimisers, and the last solution of the leader's linear system.

    `top`: the direction of most curvature, as far as it is known.
    """

    policy: AbstractBatchPolicy
    critic: Critic
    leader_memory: Any
    follower_memory: Any
    solution: Float[AnyArray, "w"]
    top: Float[AnyArray, "w"]


class Drawn(NamedTuple):
    """Rows of the log, first observations, and noise for the actions of both."""

    observation: Float[AnyArray, "b d"]
    action: Float[AnyArray, "b k"]
    reward: Float[AnyArray, "b"]
    then: Float[AnyArray, "b d"]
    terminal: Bool[AnyArray, "b"]
    start: Float[AnyArray, "c d"]
    noise: Float[AnyArray, "b k"]
    start_noise: Float[AnyArray, "c k"]


class NeuralStackelbergLearner(AbstractCompiledLearner):
    """Zhou and Qu (2023) with networks: the critic takes small steps, the policy follows its total derivative.

    The follower makes (1 - γ) q(start, π) + λ E(q) small, E the kernel Bellman loss of a minibatch by the test
    features; the leader makes (1 - γ) q(start, π) large, through the critic's answer.

    - `data`: the log.  `policy`: where it starts.  `tests`: features of observation and action.  `scale`: of rewards.
    - `weight`: λ.  `leader`: as in `StackelbergLearner`; "lagrangian" moves by the zero-sum game's derivative with the
      critic held still, "individual" by that of its own value.
    - `follower_steps`: of the critic for each step of the policy.  `batch_size`: rows for each of them.
    - `statistic`: of E, see `feature_loss`. "v" is too large by noise over `batch_size`, which prefers critics of
      little noise to right ones; "u" and "two-batch" are right on average.
    - `answers`: whose derivative "total" takes. "network": all of the critic's weights. "last-layer": those of its last
      layer, the others held still: a system of some hundred unknowns. It leaves out that hidden layers would answer
      too; it is the whole derivative of a follower that fits its last layer alone.
    - `solver`: of that system; when left out conjugate gradients from the last solution on, of 10 steps for the network
      and 100 for the last layer.  `damping`: as a part of the largest curvature, which one product in each step follows
      (power iteration); from 1e-5 on it costs return.
    - `refresh_every`: steps of the policy for which a solution of the system stands; in those between the residual and
      the curvature are recorded as 0. A step costs two and a half plain ones at 10, six to ten at 1.
    - `curvature`: "hessian", or "gauss-newton", that of the "v" statistic at residuals of 0, which is never negative
      and cheaper. The Hessian, that of "u" and "two-batch" above all, can be indefinite: the policy then moves by its
      own part.
    - `leader_rate`, `follower_rate`: of Adam.  `hidden`: layers of the critic, tanh between them: a network without
      curvature answers no question about it.

    Rows are drawn once for each step of the policy and held while its system is solved. A large `weight` leaves the
    kernel's loss alone for the critic to make small, without pessimism; "lagrangian" with one step of the critic is
    descent and ascent of one function in turn.
    """

    observation: Float[AnyArray, "n d"]
    action: Float[AnyArray, "n k"]
    reward: Float[AnyArray, "n"]
    then: Float[AnyArray, "n d"]
    terminal: Bool[AnyArray, "n"]
    start: Float[AnyArray, "c d"]
    policy: AbstractBatchPolicy
    tests: AbstractFeatures
    scale: RewardScale
    weight: float
    leader: Leader = eqx.field(static=True)
    statistic: FeatureStatistic = eqx.field(static=True)
    answers: Answers = eqx.field(static=True)
    follower_steps: int = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    solver: AbstractLinearSolver
    damping: float
    refresh_every: int = eqx.field(static=True)
    curvature: Curvature = eqx.field(static=True)
    leader_rate: float
    follower_rate: float
    hidden: tuple[int, ...] = eqx.field(static=True)
    num_actions: int = eqx.field(static=True)

    def __init__(
        self,
        data: Any,
        policy: Any,
        tests: Any,
        scale: Any,
        weight: Any = 1e3,
        *,
        leader: Any = "total",
        statistic: Any = "v",
        answers: Any = "network",
        follower_steps: Any = 5,
        batch_size: Any = 1024,
        solver: Any = None,
        damping: Any = 1e-6,
        refresh_every: Any = 10,
        curvature: Any = "gauss-newton",
        leader_rate: Any = 3e-4,
        follower_rate: Any = 3e-3,
        hidden: Any = (64, 64),
    ) -> None:
        log = boundary.instance("data", data, Dataset, EXAMPLE)
        self.scale = boundary.instance("scale", scale, RewardScale, "sg.RewardScale(0.0, 1.0, discount=0.95)")
        self.observation, self.action, self.then = log.observation, log.action, log.next_observation
        self.reward, self.terminal, self.start = self.scale.scaled(log.reward), log.terminal, log.starts
        self.num_actions = log.num_actions
        self.policy = boundary.instance("policy", policy, AbstractBatchPolicy, "sg.cloned(data)")
        self.tests = boundary.instance("tests", tests, AbstractFeatures, "sg.features_for(data, key=key)")
        self.weight = boundary.real_number("weight", weight, low=0.0, low_open=True)
        self.leader = boundary.one_of("leader", leader, LEADERS)  # type: ignore[assignment]
        self.follower_steps = boundary.whole_number("follower_steps", follower_steps, low=1)
        self.statistic = boundary.one_of("statistic", statistic, STATISTICS)  # type: ignore[assignment]
        self.answers = boundary.one_of("answers", answers, ("network", "last-layer"))  # type: ignore[assignment]
        self.batch_size = boundary.whole_number("batch_size", batch_size, low=1 if self.statistic == "v" else 2)
        steps = 10 if self.answers == "network" else 100
        chosen = ConjugateGradient(max_steps=steps) if solver is None else solver
        self.solver = boundary.instance("solver", chosen, AbstractLinearSolver, "sg.ConjugateGradient()")
        self.damping = boundary.real_number("damping", damping, low=0.0)
        self.refresh_every = boundary.whole_number("refresh_every", refresh_every, low=1)
        self.curvature = boundary.one_of("curvature", curvature, ("hessian", "gauss-newton"))  # type: ignore[assignment]
        self.leader_rate = boundary.real_number("leader_rate", leader_rate, low=0.0, low_open=True)
        self.follower_rate = boundary.real_number("follower_rate", follower_rate, low=0.0, low_open=True)
        self.hidden = tuple(boundary.whole_number("hidden", size, low=1) for size in hidden)

    @property
    def precision(self) -> Precision:
        """Minibatches are noisy."""
        return "float32"

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """Values are for each step, in parts of the reward's range."""
        return {
            "pessimistic": Metric("value that the critic gives", "range of reward", "leader", "higher"),
            "inconsistency": Metric("kernel Bellman loss of the minibatch", "", "follower", "lower"),
            "slope": Metric("length of the leader's derivative", "", "leader", "lower"),
            "residual": Metric("of the leader's linear system", "", "leader", "lower"),
            "curvature": Metric("least curvature that it met", "", "follower"),
        }

    def init(self, key: Key) -> Playing:
        """The policy to start from, and a critic that gives half of the range everywhere."""
        narrow = lambda leaf: jnp.asarray(leaf, jnp.result_type(float))
        policy = jax.tree.map(narrow, self.policy)
        rows = jnp.asarray(self.observation)
        if not self.num_actions:
            rows = jnp.concatenate([rows, jnp.asarray(self.action)], axis=-1)
        spread = jnp.std(rows, axis=0)
        made = network(rows.shape[1], self.num_actions or 1, self.hidden, key, last=0.1)
        top = narrow(1.0 / (1.0 - self.scale.discount))
        critic = Critic(made, narrow(jnp.mean(rows, axis=0)), narrow(jnp.where(spread > 1e-12, spread, 1.0)), top)
        size = ravel_pytree(self._answering(made)[0])[0].shape[0]
        # The first direction may be any that is at a right angle to none.
        top = jr.rademacher(key, (size,), jnp.result_type(float)) / jnp.sqrt(float(size))
        return Playing(policy, critic, at_rest(policy), at_rest(critic.network), jnp.zeros(size), top)

    def sample(self, state: Any, n: Any, key: Key) -> Drawn:
        """A minibatch for each of the critic's steps, and one for the policy's."""
        draws = jr.split(key, self.follower_steps + 1)
        return jax.vmap(self._drawn)(draws)

    def update(self, state: Playing, batch: Drawn, n: Any, key: Key) -> tuple[Playing, Metrics]:
        """The critic answers by some steps, then the policy moves."""
        rows = lambda place: jax.tree.map(lambda leaf: leaf[place], batch)

        def answer(carry, one):
            critic, memory = carry
            slope = jax.grad(lambda net: self.follower_loss(state.policy, _with(critic, net), one))(critic.network)
            net, memory = moved(critic.network, memory, slope, self.follower_rate)
            return (_with(critic, net), memory), None

        several = jax.tree.map(lambda leaf: leaf[:-1], batch)
        (critic, follower_memory), _ = jax.lax.scan(answer, (state.critic, state.follower_memory), several)
        last = rows(-1)
        slope, solution, top, residual, curvature = self.direction(state._replace(critic=critic), last, n, key)
        policy, leader_memory = moved(state.policy, state.leader_memory, slope, self.leader_rate)
        metrics = {
            "pessimistic": -self.leader_loss(state.policy, critic, last),
            "inconsistency": self._inconsistency(state.policy, critic, last),
            "slope": jnp.linalg.norm(ravel_pytree(slope)[0]),
            "residual": residual,
            "curvature": curvature,
        }
        return Playing(policy, critic, leader_memory, follower_memory, solution, top), metrics

    def commitment(self, state: Playing) -> AnyArray:
        """The policy as one array."""
        return as_commitment(state.policy)

    def leader_loss(self, policy: AbstractBatchPolicy, critic: Critic, rows: Drawn) -> Float[AnyArray, ""]:
        """Minus the value of first observations."""
        first = self._value(policy, critic, rows.start, rows.start_noise)
        return -(1.0 - self.scale.discount) * jnp.mean(first)

    def follower_loss(self, policy: AbstractBatchPolicy, critic: Critic, rows: Drawn) -> Float[AnyArray, ""]:
        """That value, and λ times the kernel Bellman loss."""
        return -self.leader_loss(policy, critic, rows) + self.weight * self._inconsistency(policy, critic, rows)

    def direction(
        self, state: Playing, rows: Drawn, n: Any, key: Key
    ) -> tuple[Any, Float[AnyArray, "w"], Float[AnyArray, "w"], Float[AnyArray, ""], Float[AnyArray, ""]]:
        """What the policy moves down by, then of the linear system: solution, top direction, residual, curvature."""
        policy, critic = state.policy, state.critic
        nothing = (state.solution, state.top, jnp.zeros(()), jnp.zeros(()))
        if self.leader == "individual":
            return (jax.grad(self.leader_loss)(policy, critic, rows), *nothing)
        if self.leader == "lagrangian":
            lost = lambda policy: -self.follower_loss(policy, critic, rows)
            return (jax.grad(lost)(policy), *nothing)
        part, whole = self._answering(critic.network)
        product = None
        if self.curvature == "gauss-newton":
            tests, size = self._tests(rows), rows.reward.shape[0]
            averages = lambda policy, part: tests.T @ self._residual(policy, _with(critic, whole(part)), rows) / size
            product = gauss_newton(averages, 2.0 * self.weight, is_explicit=self.answers == "last-layer")
        found = total_derivative(
            lambda policy, part: self.leader_loss(policy, _with(critic, whole(part)), rows),
            lambda policy, part: self.follower_loss(policy, _with(critic, whole(part)), rows),
            policy,
            part,
            solver=self.solver,
            damping=self.damping,
            start=state.solution,
            key=key,
            product=product,
            top=state.top,
            refresh=True if self.refresh_every == 1 else n % self.refresh_every == 0,
        )
        # A direction from a system that is not positive is none: the policy then moves by its own part.
        slope = jax.tree.map(
            lambda all_of, own: jnp.where(found.is_sound, all_of, own), found.gradient, found.individual
        )
        solution = jnp.where(found.is_sound, found.solution, 0.0)
        return slope, solution, found.top, found.residual, jnp.nan_to_num(found.curvature, nan=0.0, posinf=0.0)

    def _answering(self, net: eqx.nn.MLP) -> tuple[Any, Callable[[Any], eqx.nn.MLP]]:
        """The weights that answer, and the network with others in their place."""
        if self.answers == "network":
            return net, lambda part: part
        last = lambda one: one.layers[-1]
        return last(net), lambda part: eqx.tree_at(last, net, part)

    def _inconsistency(self, policy: AbstractBatchPolicy, critic: Critic, rows: Drawn) -> Float[AnyArray, ""]:
        return feature_loss(self._residual(policy, critic, rows), self._tests(rows), self.statistic)

    def _residual(self, policy: AbstractBatchPolicy, critic: Critic, rows: Drawn) -> Float[AnyArray, "b"]:
        onwards = self._value(policy, critic, rows.then, rows.noise)
        onwards = jnp.where(rows.terminal, self.scale.ended, onwards)
        if self.num_actions:
            taken = jnp.asarray(rows.action)[:, :1].astype(int)
            now = jnp.take_along_axis(critic.of_actions(rows.observation), taken, axis=-1)[:, 0]
        else:
            now = critic.of_pairs(rows.observation, rows.action)
        return rows.reward + self.scale.discount * onwards - now

    def _value(
        self, policy: AbstractBatchPolicy, critic: Critic, observation: AnyArray, noise: AnyArray
    ) -> Float[AnyArray, "b"]:
        if isinstance(policy, AbstractDiscretePolicy):
            return jnp.sum(policy.choice(observation) * critic.of_actions(observation), axis=-1)
        assert isinstance(policy, TanhGaussian)
        return critic.of_pairs(observation, policy.actions(observation, noise))

    def _tests(self, rows: Drawn) -> Float[AnyArray, "b m"]:
        return jax.lax.stop_gradient(self.tests.taken(rows.observation, rows.action))

    def _drawn(self, key: Key) -> Drawn:
        of_rows, of_start, of_noise, of_first = jr.split(key, 4)
        rows = jr.randint(of_rows, (self.batch_size,), 0, self.observation.shape[0])
        first = jr.randint(of_start, (min(self.batch_size, 256),), 0, self.start.shape[0])
        width = self.action.shape[1]
        pick = lambda values: jnp.asarray(values, jnp.result_type(float))[rows]
        return Drawn(
            pick(self.observation),
            pick(self.action),
            pick(self.reward),
            pick(self.then),
            jnp.asarray(self.terminal)[rows],
            jnp.asarray(self.start, jnp.result_type(float))[first],
            jr.normal(of_noise, (self.batch_size, width)),
            jr.normal(of_first, (first.shape[0], width)),
        )


def _with(critic: Critic, net: Any) -> Critic:
    return eqx.tree_at(lambda one: one.network, critic, net)
