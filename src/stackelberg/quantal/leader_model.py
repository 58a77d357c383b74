"""The leader's own side: its value of each pair of actions from what it was paid and where play went on."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Float

from .._types import AnyArray
from ..calculus.simplex import logarithm
from ..play.markov_world import MarkovRules
from .bonus import Uncertainty
from .record import PlayRecord


def action_values(
    rules: MarkovRules,
    record: PlayRecord,
    stage: int | AnyArray,
    following: Float[AnyArray, "s"],
    uncertainty: Uncertainty,
    sign: float | Float[AnyArray, ""],
    num_episodes: int,
) -> Float[AnyArray, "s a b"]:
    """Estimated reward plus expected value `following` of the next state, plus `sign` × bonus, within its bounds.

    Without features: means of what was seen, the bonus falls as 1 / √(visits + 1), and what was never tried is worth as
    much as it can be (as little, for sign -1). With features: ridge regression on reward + value of the next state, and
    the bonus is proportional to the length of the feature in the inverse Gram matrix (least-squares value iteration).
    """
    low, high = _bounds(rules, rules.horizon - stage)
    seen, moved = jnp.asarray(record.visits)[stage], jnp.asarray(record.moves)[stage]
    # Where the reward is known it is added afterwards, and only what comes later is uncertain.
    is_known = rules.leader_reward is not None
    reward = jnp.asarray(rules.leader_reward)[stage] if is_known else jnp.zeros_like(seen)
    total = moved @ following + (0.0 if is_known else jnp.asarray(record.paid)[stage])
    least, most = _bounds(rules, rules.horizon - stage - is_known)
    factor = _factor(rules, uncertainty, num_episodes) * (most - least)
    if rules.leader_features is None:
        value = total / jnp.maximum(seen, 1.0)
        unseen = value if sign == 0 else jnp.where(sign > 0, most, least)
        value = jnp.where(seen == 0.0, unseen, value + sign * factor / jnp.sqrt(seen + 1.0))
        return jnp.clip(reward + value, low, high)
    features = jnp.asarray(rules.leader_features)[stage]
    gram = jnp.einsum("sabd,sab,sabe->de", features, seen, features) + jnp.eye(features.shape[-1])
    inverse = jnp.linalg.inv(gram)
    weights = inverse @ jnp.einsum("sabd,sab->d", features, total)
    length = jnp.sqrt(jnp.einsum("sabd,de,sabe->sab", features, inverse, features))
    return jnp.clip(reward + features @ weights + sign * factor * length, low, high)


def _bounds(rules: MarkovRules, num_stages: int | AnyArray) -> tuple[Float[AnyArray, ""], Float[AnyArray, ""]]:
    """What so many stages can be worth, at least and at most."""
    return num_stages * jnp.asarray(rules.reward_low), num_stages * jnp.asarray(rules.reward_high)


def _factor(rules: MarkovRules, uncertainty: Uncertainty, num_episodes: int) -> Float[AnyArray, ""]:
    """Of the bonus: the setting, or what the confidence of every pair at once costs."""
    if uncertainty.preset == "calibrated":
        return jnp.asarray(uncertainty.leader_bonus)
    horizon, num_states, num_rows, num_columns = rules.shape
    cells = 2.0 * num_states * num_rows * num_columns * horizon * num_episodes / (1.0 - uncertainty.level)
    size = 1.0 if rules.leader_features is None else float(rules.leader_features.shape[-1])
    return size * jnp.sqrt(logarithm(jnp.asarray(cells)))
