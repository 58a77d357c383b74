"""Finite classes: some rewards that the follower may have, some values that the leader's pairs of actions may have.

Stage by stage a class lists K rewards R of the follower and M values U of the leader; a hypothesis picks one of each at
every stage. What a log says against a hypothesis is its loss,

    follower, stage h:  L(R) = - Σ log ν(b; x, R)                                  over what was announced and answered
    leader, stage h:    l(U; U', R') = Σ (U(s, a, b) - u - W(s'; U', R'))²         over what was paid and where it led

with W(s; U, R) the leader's value at a state: under a given policy, or under the best announcement there. Both are sums
over the counts of a `PlayRecord`: the log itself is not gone through again.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._types import AnyArray
from ..calculus.precision import exact
from ..calculus.simplex import log_quantal_choice, quantal_choice
from ..games.markov import MarkovGame
from ..play.markov_world import MarkovRules
from ..solvers.quantal.climb import best_of_starts, candidates
from ..solvers.quantal.prescription import best_prescriptions
from .record import PlayRecord


class FiniteClass(eqx.Module):
    """What a leader holds possible, as lists.

    - `follower_reward`: `(k, h, s, a, b)`, in units in which the follower's inverse temperature is that of the rules.
    - `leader_value`: `(m, h, s, a, b)`, the leader's expected return from a stage on, given the actions there.
    - `comparison`: `(c, h, s, a, b)`, functions among which what hypotheses imply for the stage before is looked for,
      besides `leader_value` itself: the values `reward + E W(next)` of all of them, where they are known (Bellman
      completeness). Left out, every table is compared with: complete whatever the class is, at the price of a wider
      confidence set.

    Raises `InputError` naming the field when shapes disagree or an entry is not finite.
    """

    follower_reward: Float[AnyArray, "k h s a b"]
    leader_value: Float[AnyArray, "m h s a b"]
    comparison: Float[AnyArray, "c h s a b"] | None

    def __init__(self, follower_reward: Any, leader_value: Any, comparison: Any = None) -> None:
        self.follower_reward = boundary.real_array("follower_reward", follower_reward, axes=("k", "h", "s", "a", "b"))
        shape = self.follower_reward.shape[1:]
        self.leader_value = boundary.real_array("leader_value", leader_value, axes=("m", *shape))
        self.comparison = None
        if comparison is not None:
            self.comparison = boundary.real_array("comparison", comparison, axes=("c", *shape))

    @property
    def num_rewards(self) -> int:
        """K."""
        return self.follower_reward.shape[0]

    @property
    def num_values(self) -> int:
        """M."""
        return self.leader_value.shape[0]


class Greedy(eqx.Module):
    """The best announcement for every reward and value, at each stage and state alone.

    - `worth`: `(k, m, h, s)`, W of the module under it.  `commitment`: `(k, m, h, s, a)` or `(k, m, h, s, b, a)`.
    """

    worth: Float[AnyArray, "k m h s"]
    commitment: Float[AnyArray, "k m h s *b a"]


def response_losses(rules: MarkovRules, record: PlayRecord, classes: FiniteClass) -> Float[AnyArray, "k h"]:
    """L of the module for every reward and stage."""
    letters = "nhsba" if rules.is_prescription else "nhsa"
    appeal = jnp.einsum(f"{letters},khsab->knhsb", jnp.asarray(record.commitment), jnp.asarray(classes.follower_reward))
    log_choice = log_quantal_choice(appeal, rules.inverse_temperature)
    return -jnp.einsum("nhsb,knhsb->kh", jnp.asarray(record.answers), log_choice)


def responses(
    rules: MarkovRules, reward: Float[AnyArray, "*k h s a b"], policy: Float[AnyArray, "h s *b a"]
) -> Float[AnyArray, "*k h s b"]:
    """How a follower with each of these rewards answers a policy."""
    letters = "hsba" if rules.is_prescription else "hsa"
    appeal = jnp.einsum(f"{letters},...hsab->...hsb", jnp.asarray(policy), jnp.asarray(reward))
    return quantal_choice(appeal, rules.inverse_temperature)


def worth_under(
    rules: MarkovRules, classes: FiniteClass, policy: Float[AnyArray, "h s *b a"]
) -> Float[AnyArray, "k m h s"]:
    """W of the module under a policy."""
    letters = "hsba" if rules.is_prescription else "hsa"
    gain = jnp.einsum(f"{letters},mhsab->mhsb", jnp.asarray(policy), jnp.asarray(classes.leader_value))
    return jnp.einsum("khsb,mhsb->kmhs", responses(rules, classes.follower_reward, policy), gain)


@eqx.filter_jit
def greedy(rules: MarkovRules, classes: FiniteClass) -> Greedy:
    """The best announcements: exact for prescriptions, the best of many starts otherwise."""
    rate = jnp.asarray(rules.inverse_temperature)
    rewards, values = jnp.asarray(classes.follower_reward), jnp.asarray(classes.leader_value)
    _, num_rows, num_columns = rewards.shape[-3:]
    starts = jnp.asarray(candidates(num_rows))

    def chosen(reward: Float[AnyArray, "a b"], value: Float[AnyArray, "a b"]) -> tuple[Any, Any]:
        if rules.is_prescription:
            best = best_prescriptions(value, rate * reward)
            return jnp.asarray(best.commitment), jnp.asarray(best.value)
        worth = lambda mixture: jnp.sum(quantal_choice(mixture @ reward, rate) * (mixture @ value))
        return best_of_starts(worth, starts)

    cells = lambda table: table.reshape(table.shape[0], -1, num_rows, num_columns)
    over_cells = jax.vmap(chosen)
    over_values = jax.vmap(over_cells, in_axes=(None, 0))
    # One reward at a time: all of them at once would need K M H S screens in memory.
    commitment, worth = jax.lax.map(lambda reward: over_values(reward, cells(values)), cells(rewards))
    shape = (rewards.shape[0], values.shape[0], *rewards.shape[1:3])
    return Greedy(worth.reshape(shape), commitment.reshape(*shape, *commitment.shape[3:]))


class StageCounts(eqx.Module):
    """What the record says of one stage, or of each along a first axis; states with pairs of actions are cells `c`.

    - `visits`, `paid`: `(c,)`.  `moves`: `(c, t)`.
    - `candidates`: `(m, c)`, the values of the class.  `comparison`: `(n, c)`, or None for every table.
    """

    visits: Float[AnyArray, "*h c"]
    paid: Float[AnyArray, "*h c"]
    moves: Float[AnyArray, "*h c t"]
    candidates: Float[AnyArray, "*h m c"]
    comparison: Float[AnyArray, "*h n c"] | None

    def excess(self, following: Float[AnyArray, "v t"]) -> Float[AnyArray, "m v"]:
        """l of each value of the class less the least l in comparison, for each value of the next state.

        With Y(c) the sum of payments and next values in a cell, l(U) = Σ N U² - 2 Σ U Y + constant: the constant,
        which alone needs more than counts, cancels.
        """
        total = self.paid + following @ self.moves.T
        score = lambda table: jnp.sum(self.visits * table**2, axis=-1)[:, None] - 2.0 * table @ total.T
        own = score(self.candidates)
        if self.comparison is None:
            least = -jnp.sum(total**2 / jnp.maximum(self.visits, 1.0), axis=-1)
        else:
            least = jnp.minimum(jnp.min(own, axis=0), jnp.min(score(self.comparison), axis=0))
        return jnp.maximum(own - least, 0.0)


def stage_counts(record: PlayRecord, classes: FiniteClass) -> StageCounts:
    """All stages, as a first axis to scan over."""
    horizon, num_states = record.visits.shape[:2]
    flat = lambda table: jnp.swapaxes(jnp.asarray(table), 0, 1).reshape(horizon, table.shape[0], -1)
    return StageCounts(
        jnp.asarray(record.visits).reshape(horizon, -1),
        jnp.asarray(record.paid).reshape(horizon, -1),
        jnp.asarray(record.moves).reshape(horizon, -1, num_states),
        flat(classes.leader_value),
        None if classes.comparison is None else flat(classes.comparison),
    )


class DrawnClass(eqx.Module):
    """A class with the truth hidden in it.

    - `classes`: what a learner is given.  `place`: where the truth stands among the rewards at every stage and among
      the values of the last stage.  `policies`: those under which the values of earlier stages are, or None.
    """

    classes: FiniteClass
    place: int = eqx.field(static=True)
    policies: Float[np.ndarray, "p h s *b a"] | None


@exact
def class_around(game: MarkovGame, rules: MarkovRules, size: int = 30, seed: int = 0) -> DrawnClass:
    """A class of `size` rewards and values with the truth in it, complete for what is best.

    Rewards lie between the true one and random ones. Values of the last stage are the true reward of the leader and
    others between it and random ones; values of earlier stages are the optimal ones for each of the rewards, so that
    the class holds the optimal value function whichever of them is the follower's. Compared with are
    u + E max W(next; U', R') for all U', R': the class is complete.
    """
    reward, rewards, tables, place = _drawn(game, rules, size, seed)
    values, comparison = [tables], [np.repeat(reward[-1:], size**2, axis=0)]
    chain = np.full(size, place)
    for h in range(rules.horizon - 1, 0, -1):
        one = greedy(rules, FiniteClass(rewards[:, h : h + 1], values[0][:, None]))
        backed = _backed(game, h - 1, reward, np.asarray(one.worth)[:, :, 0])
        values.insert(0, backed[np.arange(size), chain])
        comparison.insert(0, backed.reshape(size**2, *backed.shape[2:]))
        chain = np.arange(size)
    return DrawnClass(FiniteClass(rewards, np.stack(values, 1), np.stack(comparison, 1)), place, None)


@exact
def class_for_policies(game: MarkovGame, rules: MarkovRules, size: int = 30, seed: int = 0) -> DrawnClass:
    """A class of `size` rewards and as many policies, with the true value of every policy in it.

    The policies are uniform play and the optimal ones for all rewards but one; everything else is as in `class_around`,
    but that every table is compared with.
    """
    reward, rewards, tables, place = _drawn(game, rules, size, seed)
    around = class_around(game, rules, size, seed).classes
    plans = np.asarray(greedy(rules, around).commitment)
    numbers, last = np.arange(size), rules.horizon - 1
    policies = plans[numbers, numbers].copy()
    policies[:, last] = plans[numbers, place, last]
    policies[(place + 1) % size] = rules.uniform_commitment()
    values = [tables]
    truth = rewards[place : place + 1]
    for h in range(last, 0, -1):
        shown = values[0] if h < last else np.repeat(reward[-1:], size, axis=0)
        over = np.stack([shown] * rules.horizon, axis=1)
        worth = np.asarray(_worth_of_each(rules, truth, over, policies))[:, h]
        values.insert(0, _backed(game, h - 1, reward, worth))
    return DrawnClass(FiniteClass(rewards, np.stack(values, 1)), place, policies)


@eqx.filter_jit
def _worth_of_each(
    rules: MarkovRules,
    reward: Float[AnyArray, "1 h s a b"],
    values: Float[AnyArray, "p h s a b"],
    policies: Float[AnyArray, "p h s *b a"],
) -> Float[AnyArray, "p h s"]:
    """W of the i-th value under the i-th policy."""
    each = lambda value, policy: worth_under(rules, FiniteClass(reward, value[None]), policy)[0, 0]
    return jax.vmap(each)(values, policies)


def _drawn(
    game: MarkovGame, rules: MarkovRules, size: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """The leader's true reward; rewards of the follower; values of the last stage; where the truth stands in both."""
    rng = np.random.default_rng(seed)
    place = int(rng.integers(size))
    reward, truth = (np.broadcast_to(table, rules.shape) for table in (game.leader_reward, game.follower_reward))
    away = np.linspace(0.2, 1.0, size)[rng.permutation(size)]
    away[place] = 0.0
    mixed = lambda table: table + away.reshape(-1, *[1] * table.ndim) * (rng.random((size, *table.shape)) - table)
    return reward, mixed(truth), mixed(reward[-1]), place


def _backed(game: MarkovGame, h: int, reward: np.ndarray, worth: np.ndarray) -> np.ndarray:
    """Reward plus expected worth of the next state, for worths `(..., s)`."""
    law = game.transition if game.transition.ndim == 4 else game.transition[h]
    return reward[h] + np.einsum("sabt,...t->...sab", law, worth)
