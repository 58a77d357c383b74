"""Deep model-based learning: an ensemble is fitted to what was met, a policy improves in it: `ImaginedPlay`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Float, Int

from .. import _boundary as boundary
from .._errors import InputError
from .._learner import Metrics
from .._record import Record
from .._runs import Metric
from .._types import AnyArray, Key
from ..games.control import AbstractControl
from ..rl import adam
from ..rl.actor import AbstractActor, blank_actor, random_action
from ..rl.imagined import Critic, Improver, lessons
from ..rl.learner import AbstractEpisodeLearner
from ..rl.policy import network
from .ensemble import Ensemble, Transitions, blank_ensemble, fitted
from .gathering import EVERY, gathered, held_out_of, not_held_out
from .imagination import Imagination, likelier
from .where_met import where_met
from .where_wrong import WHERE


Gradient: TypeAlias = Literal["proximal", "natural"]

EXAMPLE = "sg.Pendulum()"
NORMALISED = 2_000
"""Transitions, evenly spaced in the window, from which the ensemble's shifts and scales are taken."""

PAID_FOR = 8
"""Plays of each member, for each step of its fit, that say what raises its promise."""


class Imagining(eqx.Module):
    """The players, what improves them, all that was met, and the last return of the policy that is known."""

    actor: AbstractActor
    averaged: AbstractActor
    critic: Critic
    moments: Any
    ensemble: Ensemble
    of_ensemble: Any
    met: Transitions
    elites: Int[AnyArray, "e"]
    returned: Float[AnyArray, ""]


class Gathered(eqx.Module):
    """What one step met in the world, the return of its episodes, and the policy that played them."""

    met: Transitions
    returned: Float[AnyArray, ""]
    actor: AbstractActor


class ImaginedPlay(AbstractEpisodeLearner):
    """Gather, fit an ensemble of networks, improve the policy in it: policy- or model-as-leader by two knobs.

    - `environment`: the world, of which transitions are seen.
    - `num_iterations`: for how many steps there is room.  `real_steps`: gathered in each, by `num_copies` side by side.
    - `initial_steps`: gathered at random before the first.
    - `window`: how many of the last transitions the model is fitted to; 0 for all.  `policy_steps`: improvements of the
      policy for each fit. A short window and few steps let the policy lead, all data and many let the model lead.
    - `fit_steps`: of Adam on minibatches of `minibatch`, for `members` networks at once, of which the `elites` best on
      held-out data are imagined with; `is_deterministic`: mean square and no noise, as Rajeswaran et al. (2020) do.
    - `num_rollouts`, `rollout_length`: imagined plays for each improvement, from states that were met.
    - `disagreement`: imagined plays are cut where the members' means are further apart, in units of the change; 0 for
      never.  `bonus`: paid in imagined plays for each such unit: above 0 optimism, below it pessimism.
    - `noise`: the share of episodes in the world whose actions are all drawn at random.
    - `promise`: w in [0, 1], the weight of the policy's return in the model for the model itself: agent reward as the
      study of Cremer et al. (2024) prints it. Raised by the gradient of the likelihood of what the model imagined.
    - `gradient`: "proximal" or "natural".  `divergence`: of a natural step.  `learning_rate`, `clip`, `entropy`,
      `discount`, `trace`: of the policy, whose steps shrink to a tenth towards the last, but for a world that changes.
      `averaging`: what plays is the running mean of its weights, in which the past counts so much.  `model_rate`,
      `decay`: of the ensemble.
    - `knows_reward`, `knows_end`: whether rewards and ends are those of the world, or learned too; left out, they are
      known where the world is open.
    - `later`, `changes_at`: the world becomes another of the same kind after so many steps.
    - `width`, `model_width`: of two hidden layers.

    Logged for every step: what the model promises from first states and what the world paid the exploring policy, their
    gap, the model's loss on what was just met (before it is fitted to it) and on the first data, and their difference,
    of rewards only where they are learned. Where all episodes of a step were noise, the return is that before.
    """

    environment: AbstractControl
    num_iterations: int = eqx.field(static=True)
    real_steps: int = eqx.field(static=True)
    num_copies: int = eqx.field(static=True)
    initial_steps: int = eqx.field(static=True)
    window: int = eqx.field(static=True)
    policy_steps: int = eqx.field(static=True)
    fit_steps: int = eqx.field(static=True)
    minibatch: int = eqx.field(static=True)
    members: int = eqx.field(static=True)
    elites: int = eqx.field(static=True)
    is_deterministic: bool = eqx.field(static=True)
    num_rollouts: int = eqx.field(static=True)
    rollout_length: int = eqx.field(static=True)
    disagreement: float = eqx.field(static=True)
    bonus: float = eqx.field(static=True)
    noise: float
    promise: float = eqx.field(static=True)
    gradient: Gradient = eqx.field(static=True)
    divergence: float
    learning_rate: float
    clip: float
    entropy: float
    discount: float
    trace: float
    averaging: float
    model_rate: float
    decay: float
    knows_reward: bool = eqx.field(static=True)
    knows_end: bool = eqx.field(static=True)
    later: AbstractControl | None
    changes_at: int
    width: int = eqx.field(static=True)
    model_width: int = eqx.field(static=True)

    def __init__(
        self,
        environment: Any,
        num_iterations: Any = 29,
        real_steps: Any = 500,
        num_copies: Any = 1,
        initial_steps: Any = 500,
        window: Any = 0,
        policy_steps: Any = 20,
        fit_steps: Any = 400,
        minibatch: Any = 256,
        members: Any = 5,
        elites: Any = 4,
        is_deterministic: Any = False,
        num_rollouts: Any = 128,
        rollout_length: Any = 60,
        disagreement: Any = 0.0,
        bonus: Any = 0.0,
        noise: Any = 0.0,
        promise: Any = 0.0,
        gradient: Any = "proximal",
        divergence: Any = 0.025,
        learning_rate: Any = 1e-3,
        clip: Any = 0.2,
        entropy: Any = 0.01,
        discount: Any = 0.98,
        trace: Any = 0.95,
        averaging: Any = 0.95,
        model_rate: Any = 1e-3,
        decay: Any = 1e-5,
        knows_reward: Any = None,
        knows_end: Any = None,
        later: Any = None,
        changes_at: Any = 0,
        width: Any = 64,
        model_width: Any = 64,
    ) -> None:
        self.environment = boundary.instance("environment", environment, AbstractControl, EXAMPLE)
        self.num_iterations = boundary.whole_number("num_iterations", num_iterations, low=1)
        self.real_steps = boundary.whole_number("real_steps", real_steps, low=1)
        self.num_copies = boundary.whole_number("num_copies", num_copies, low=1, high=self.real_steps)
        self.initial_steps = boundary.whole_number("initial_steps", initial_steps, low=20)
        self.window = boundary.whole_number("window", window, low=0)
        self.policy_steps = boundary.whole_number("policy_steps", policy_steps, low=1)
        self.fit_steps = boundary.whole_number("fit_steps", fit_steps, low=1)
        self.minibatch = boundary.whole_number("minibatch", minibatch, low=1)
        self.members = boundary.whole_number("members", members, low=1)
        self.elites = boundary.whole_number("elites", elites, low=1, high=self.members)
        self.is_deterministic = boundary.boolean("is_deterministic", is_deterministic)
        rollouts = boundary.whole_number("num_rollouts", num_rollouts, low=1)
        self.num_rollouts = -(-rollouts // (4 * self.elites)) * 4 * self.elites
        self.rollout_length = boundary.whole_number("rollout_length", rollout_length, low=1)
        self.disagreement = boundary.real_number("disagreement", disagreement, low=0.0)
        self.bonus = boundary.real_number("bonus", bonus)
        self.noise = boundary.real_number("noise", noise, low=0.0, high=1.0)
        self.promise = boundary.real_number("promise", promise, low=0.0, high=1.0)
        if self.promise > 0.0 and self.is_deterministic:
            raise InputError(
                boundary.INCONSISTENT,
                "promise",
                found=f"it is {self.promise:g} with is_deterministic = True",
                allowed="a model that tells no law of the next state cannot be paid for what it promises",
                remedy="Leave one of the two out.",
            )
        self.gradient = boundary.one_of("gradient", gradient, ("proximal", "natural"))  # type: ignore[assignment]
        self.divergence = boundary.real_number("divergence", divergence, low=0.0, low_open=True)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)
        self.clip = boundary.real_number("clip", clip, low=0.0, low_open=True)
        self.entropy = boundary.real_number("entropy", entropy, low=0.0)
        self.discount = boundary.real_number("discount", discount, low=0.0, high=1.0)
        self.trace = boundary.real_number("trace", trace, low=0.0, high=1.0)
        self.averaging = boundary.real_number("averaging", averaging, low=0.0, high=1.0)
        self.model_rate = boundary.real_number("model_rate", model_rate, low=0.0, low_open=True)
        self.decay = boundary.real_number("decay", decay, low=0.0, high=1.0)
        self.knows_reward = self._told("knows_reward", knows_reward)
        self.knows_end = self._told("knows_end", knows_end)
        self.later = None if later is None else boundary.instance("later", later, AbstractControl, EXAMPLE)
        if self.later is not None and jax.tree.structure(self.later) != jax.tree.structure(self.environment):
            raise InputError(
                boundary.INCONSISTENT,
                "later",
                found=f"a {type(self.environment).__name__} would become another kind of {type(self.later).__name__}",
                allowed="the world may change its numbers and not its kind",
                remedy="Give a world of the same class, with episodes as long.",
            )
        self.changes_at = boundary.whole_number("changes_at", changes_at, low=0)
        self.width = boundary.whole_number("width", width, low=1)
        self.model_width = boundary.whole_number("model_width", model_width, low=1)

    @property
    def max_steps(self) -> int | None:
        """There is room for so many."""
        return self.num_iterations

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """What the learner knows itself."""
        return {
            "promised": Metric("return of the policy in the model", "reward", "leader", "higher"),
            "returned": Metric("return of the exploring policy in the world", "reward", "leader", "higher"),
            "gap": Metric("promised less returned", "reward", "leader", "lower"),
            "loss_current": Metric("loss of the model on what it meets next", "", "follower", "lower"),
            "loss_initial": Metric("loss of the model on the first data", "", "follower", "lower"),
            "hiding": Metric("loss on the first data less loss on what it meets", "", "follower"),
            "moved": Metric("divergence of the policy from that before", "nats", "leader"),
            "disagreement_met": Metric("disagreement of the members where the policy goes", "", "follower", "lower"),
        }

    def init(self, key: Key) -> Imagining:
        """Blank players, and random play."""
        keys = jr.split(key, 4)
        environment, hidden = self.environment, (self.width, self.width)
        actor = blank_actor(environment, hidden, keys[0])
        scale = jnp.asarray(environment.scale, dtype=jnp.float32)
        critic = Critic(network(environment.num_features, 1, hidden, keys[1], last=0.1), scale)
        wide = (self.model_width, self.model_width)
        ensemble = blank_ensemble(environment.num_features, environment.action_size, self.members, wide, keys[2])
        act = lambda state, key: random_action(environment, key)
        first, returned = gathered(
            environment, act, keys[3], min(self.num_copies, self.initial_steps), self.initial_steps
        )
        room = self.num_iterations * self.real_steps
        met = jax.tree.map(lambda leaf: jnp.concatenate([leaf, jnp.zeros((room, *leaf.shape[1:]), leaf.dtype)]), first)
        moments = self._improver(0).blank(actor, critic)
        return Imagining(
            actor,
            actor,
            critic,
            moments,
            ensemble,
            adam.at_rest(ensemble.networks),
            met,
            jnp.arange(self.elites),
            returned,
        )

    def sample(self, state: Imagining, n: Any, key: Key) -> Gathered:
        """Play in the world."""
        world = self._world(n)
        met, returned = gathered(world, state.averaged.draw, key, self.num_copies, self.real_steps, self.noise)
        return Gathered(met, returned, state.averaged)

    def update(self, state: Imagining, batch: Gathered, n: Any, key: Key) -> tuple[Imagining, Metrics]:
        """Fit the model, then improve the policy in it."""
        of_data, of_elites, of_policy, of_promise = jr.split(key, 4)
        world, start = self._world(n), self.initial_steps + n * self.real_steps
        count = start + self.real_steps
        miss = lambda model, data: jnp.mean(model.losses(data, self.is_deterministic, not self.knows_reward))
        ahead = miss(state.ensemble.chosen(state.elites), batch.met)
        met = jax.tree.map(
            lambda all_of, new: jax.lax.dynamic_update_slice_in_dim(all_of, new.astype(all_of.dtype), start, 0),
            state.met,
            batch.met,
        )
        oldest = jnp.maximum(count - self.window, 0) if self.window else 0
        taken = lambda places: jax.tree.map(lambda leaf: leaf[places], met)
        anywhere = lambda key, shape: jr.randint(key, shape, oldest, count)
        trained = lambda key, shape: not_held_out(anywhere(key, shape), count)
        evenly = oldest + (jnp.arange(NORMALISED) / NORMALISED * (count - oldest)).astype(int)
        ensemble = state.ensemble.normalised(taken(evenly))
        draw = lambda key: taken(trained(key, (self.members, self.minibatch)))
        starts_of = lambda key, number: taken(anywhere(key, (number,))).states

        def promise(model, key):
            of_start, of_plays = jr.split(key)
            starts, told = starts_of(of_start, PAID_FOR * self.members), jax.lax.stop_gradient(model)
            plays = self.imagination.plays(world, told, state.actor, starts, of_plays, self.rollout_length)
            gain = lessons(state.actor, state.critic, plays, self.discount, self.trace).gain
            return likelier(model, plays, gain)

        ensemble, of_ensemble, _ = fitted(
            ensemble,
            state.of_ensemble,
            draw,
            of_data,
            self.fit_steps,
            self.model_rate,
            self.is_deterministic,
            self.decay,
            self.promise,
            promise,
        )
        held_out = taken(held_out_of(anywhere(of_elites, (500,)), oldest))
        elites = jnp.argsort(ensemble.losses(held_out, self.is_deterministic))[: self.elites]
        best = ensemble.chosen(elites)
        rate = self._unit(held_out)

        def improve(carry, key):
            actor, averaged, critic, moments = carry
            of_start, of_plays, of_steps = jr.split(key, 3)
            starts = starts_of(of_start, self.num_rollouts)
            plays = self.imagination.plays(world, best, actor, starts, of_plays, self.rollout_length)
            scaled = eqx.tree_at(lambda one: one.rewards, plays, rate * plays.rewards)
            told = lessons(actor, critic, scaled, self.discount, self.trace)
            actor, critic, moments, moved = improver.improved(actor, critic, moments, scaled, told, of_steps)
            averaged = jax.tree.map(lambda mean, one: mean + (1.0 - self.averaging) * (one - mean), averaged, actor)
            return (actor, averaged, critic, moments), moved

        improver = self._improver(n)
        players = (state.actor, state.averaged, state.critic, state.moments)
        (actor, averaged, critic, moments), moved = jax.lax.scan(
            improve, players, jr.split(of_policy, self.policy_steps)
        )
        promised = self.imagination.promised(world, best, averaged, of_promise)
        first = jax.tree.map(lambda leaf: leaf[: self.initial_steps : EVERY], met)
        initial = miss(best, first)
        returned = jnp.where(jnp.isnan(batch.returned), state.returned, batch.returned)
        apart = jnp.mean(jax.vmap(best.disagreement)(batch.met.states[::10], batch.met.actions[::10]))
        metrics = {
            "promised": promised,
            "returned": returned,
            "gap": promised - returned,
            "loss_current": ahead,
            "loss_initial": initial,
            "hiding": initial - ahead,
            "moved": jnp.sum(moved),
            "disagreement_met": apart,
        }
        return Imagining(actor, averaged, critic, moments, ensemble, of_ensemble, met, elites, returned), metrics

    def commitment(self, state: Imagining) -> Float[AnyArray, "w"]:
        """The weights of the policy, in a row."""
        return ravel_pytree(eqx.filter(state.averaged, eqx.is_inexact_array))[0]

    def _told(self, field: str, value: Any) -> bool:
        """Whether something of the world is known, as it was said."""
        is_open = self.environment.is_open
        told = is_open if value is None else boundary.boolean(field, value)
        if told and not is_open:
            raise InputError(
                boundary.INCONSISTENT,
                field,
                found=f"it is True, and only the simulator of a {type(self.environment).__name__} knows",
                allowed="rewards and ends are known where they can be computed from what is seen",
                remedy=f"Leave {field} out: the model learns it.",
            )
        return told

    def pictured(self, state: Imagining) -> Mapping[str, Record]:
        """Where its best networks are wrong, and where the policy went in the last step."""
        is_made = np.any(np.asarray(state.met.actions) != 0.0, axis=-1)
        met = jax.tree.map(lambda leaf: leaf[is_made], state.met)
        lately = jax.tree.map(lambda leaf: leaf[-self.real_steps :], met)
        return {WHERE: where_met(self.environment, state.ensemble.chosen(state.elites), met, lately)}

    @property
    def imagination(self) -> Imagination:
        """How plays are imagined, as the settings say."""
        known = (self.knows_reward, self.knows_end)
        return Imagination(self.is_deterministic, self.disagreement, self.bonus, *known)

    def _improver(self, n: Any) -> Improver:
        """As the settings say; steps shrink to a tenth on the way to the last, but for a world that changes."""
        left = jnp.maximum(1.0 - jnp.asarray(n, jnp.float32) / self.num_iterations, 0.1)
        left = left if self.later is None else 1.0
        rate, divergence = self.learning_rate * left, self.divergence * left
        return Improver(self.gradient == "natural", 4, 4, rate, self.clip, self.entropy, divergence)

    def _unit(self, met: Transitions) -> Float[AnyArray, ""]:
        """What rewards are multiplied by, so that returns are about 1 and a critic need not climb to them."""
        return jnp.maximum(1.0 - self.discount, 0.01) / jnp.sqrt(jnp.mean(met.rewards**2) + 1e-6)

    def _world(self, n: Any) -> AbstractControl:
        """That of step n."""
        if self.later is None:
            return self.environment
        return jax.tree.map(
            lambda one, other: jnp.where(n >= self.changes_at, other, one), self.environment, self.later
        )
