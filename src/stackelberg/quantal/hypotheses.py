"""Search among the hypotheses that a log allows: exact for finite classes, since constraints tie neighbours only.

A hypothesis is a reward and a value at every stage, K^H M^H of them for K rewards and M values. It is allowed while,
at every stage, L(R) ≤ min L + β and l(U; U', R') ≤ min l + β_U. The second ties a stage to the next one and no other:
going back from the last stage with the set of values that have an allowed continuation takes time H K M².
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from .._types import AnyArray
from ..play.markov_world import MarkovRules
from .class_radii import Radii
from .finite_class import FiniteClass, response_losses, stage_counts
from .record import PlayRecord


class Extreme(eqx.Module):
    """The hypothesis that promises most (or least) of those that the log allows.

    - `reward`, `value`: `(h,)`, its choice at every stage.  `promise`: what the leader would get if it were true.
    - `num_rewards`, `num_values`: how many are allowed, on average over stages.
    - `misfit`: the least excess, over the radius, of a stage's values: above 1, none of the class explains the log.
    """

    reward: Int[AnyArray, "h"]
    value: Int[AnyArray, "h"]
    promise: Float[AnyArray, ""]
    num_rewards: Float[AnyArray, ""]
    num_values: Float[AnyArray, ""]
    misfit: Float[AnyArray, ""]


def extreme(
    rules: MarkovRules,
    record: PlayRecord,
    classes: FiniteClass,
    lost: Float[AnyArray, "k h"],
    worth: Float[AnyArray, "k m h s"],
    within: Radii,
    sign: float,
) -> Extreme:
    """The hypothesis of largest `sign` × promise; `lost` is L(R) - min L, and `worth` is W.

    The promise decides the first stage alone. Of the continuations that keep it allowed, the one that explains the log
    best is taken. Where a stage would lose all of its values, those that explain it best are kept.
    """
    worth, lost = jnp.asarray(worth), jnp.asarray(lost)
    allowed = lost <= within.response
    later, spoilt = _following(worth, jnp.where(allowed, lost / within.response, jnp.inf))
    everything = jnp.ones(worth.shape[1], bool)
    stages = (stage_counts(record, classes), later, spoilt, within.value)
    _, (kept, links, misfit) = jax.lax.scan(_continued, everything, stages, reverse=True)
    promise = worth[:, :, 0] @ jnp.asarray(rules.initial)
    ranked = jnp.where(allowed[:, 0, None] & kept[0], sign * promise, -jnp.inf)
    best = jnp.argmax(ranked)
    first = best // ranked.shape[1], best % ranked.shape[1]
    reward, value = _followed(first, links)
    share = lambda mask: jnp.sum(mask) / rules.horizon
    return Extreme(reward, value, promise[first], share(allowed), share(kept), jnp.max(misfit))


class Link(eqx.Module):
    """For every value at a stage: the hypothesis at the next stage that goes with it best, and at what cost."""

    cost: Float[AnyArray, "m"]
    reward: Int[AnyArray, "m"]
    value: Int[AnyArray, "m"]


FAR = 1e3
"""Added to the cost of what lies outside of the radius; within, costs are at most 2."""


def _following(
    worth: Float[AnyArray, "k m h s"], spoilt: Float[AnyArray, "k h"]
) -> tuple[Float[AnyArray, "h k m s"], Float[AnyArray, "h k"]]:
    """W and the cost of the reward at the stage after each stage: nothing, and none, after the last."""
    end = jnp.zeros((1, *worth.shape[:2], worth.shape[3]))
    return (
        jnp.concatenate([jnp.moveaxis(worth, 2, 0)[1:], end]),
        jnp.concatenate([spoilt.T[1:], jnp.zeros((1, spoilt.shape[0]))]),
    )


def _continued(
    is_kept: Bool[AnyArray, "m"], stage: tuple[Any, ...]
) -> tuple[Bool[AnyArray, "m"], tuple[Bool[AnyArray, "m"], Link, Float[AnyArray, ""]]]:
    """Which values of a stage have an allowed continuation, given those of the next stage that have."""
    counts, worth, spoilt, radius = stage
    size = is_kept.shape[0]
    none = jnp.zeros(size, jnp.int32)

    def next_reward(best, now):
        index, following, spoilt = now
        # One reward of the next stage: its values in all combinations with the values of this stage.
        excess = counts.excess(following) / radius
        cost = jnp.where(is_kept, spoilt + excess + jnp.where(excess <= 1.0, 0.0, FAR), jnp.inf)
        choice, found = jnp.argmin(cost, axis=-1).astype(jnp.int32), jnp.min(cost, axis=-1)
        gains = found < best.cost
        return Link(
            jnp.where(gains, found, best.cost),
            jnp.where(gains, index, best.reward),
            jnp.where(gains, choice, best.value),
        ), None

    numbers = jnp.arange(worth.shape[0], dtype=jnp.int32)
    link, _ = jax.lax.scan(next_reward, Link(jnp.full(size, jnp.inf), none, none), (numbers, worth, spoilt))
    least = jnp.min(link.cost)
    kept = link.cost <= jnp.maximum(FAR, least)
    return kept, (kept, link, jnp.where(least < FAR, 0.0, least - FAR))


def _followed(
    first: tuple[Int[AnyArray, ""], Int[AnyArray, ""]], links: Link
) -> tuple[Int[AnyArray, "h"], Int[AnyArray, "h"]]:
    """The choices of all stages that go with the one of the first."""

    def onward(now, link):
        _, value = now
        return (link.reward[value], link.value[value]), now

    begin = tuple(jnp.asarray(one, jnp.int32) for one in first)
    _, (reward, value) = jax.lax.scan(onward, begin, links)
    return reward, value


def allows(
    rules: MarkovRules,
    record: PlayRecord,
    classes: FiniteClass,
    worth: Float[AnyArray, "k m h s"],
    within: Radii,
    reward: Int[AnyArray, "h"],
    value: Int[AnyArray, "h"],
) -> Bool[AnyArray, ""]:
    """Whether the log allows one hypothesis, as a choice at every stage."""
    stages, worth = jnp.arange(rules.horizon), jnp.asarray(worth)
    lost = surplus(rules, record, classes)[reward, stages]
    own = worth[reward, value, stages]
    after = jnp.concatenate([own[1:], jnp.zeros_like(own[:1])])
    counts = stage_counts(record, classes)
    excess = jax.vmap(lambda one, following: one.excess(following[None])[:, 0])(counts, after)
    return jnp.all(lost <= within.response) & jnp.all(excess[stages, value] <= within.value)


def surplus(rules: MarkovRules, record: PlayRecord, classes: FiniteClass) -> Float[AnyArray, "k h"]:
    """How much worse than the best each reward explains the answers: L(R) - min L."""
    losses = response_losses(rules, record, classes)
    return losses - jnp.min(losses, axis=0)
