"""What a follower's reward and a leader's values imply of a log: their losses, and what would best be announced."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from .._types import AnyArray
from ..calculus.simplex import log_quantal_choice, quantal_choice
from ..play.markov_world import MarkovRules
from ..solvers.quantal.climb import best_of_starts, candidates
from ..solvers.quantal.prescription import best_prescriptions
from .record import PlayRecord


class Guess(eqx.Module):
    """What the parameters say: `reward` of the follower and `value` of the leader, `(h, s, a, b)` each."""

    reward: Float[AnyArray, "h s a b"]
    value: Float[AnyArray, "h s a b"]


def answers(rules: MarkovRules, guess: Guess, commitment: Float[AnyArray, "h s *b a"]) -> Float[AnyArray, "h s b"]:
    """The follower's answer to an announcement."""
    letters = "hsba" if rules.is_prescription else "hsa"
    return quantal_choice(jnp.einsum(f"{letters},hsab->hsb", commitment, guess.reward), rules.inverse_temperature)


def bellman_loss(
    rules: MarkovRules, record: PlayRecord, value: Float[AnyArray, "h s a b"], worth: Float[AnyArray, "h s"]
) -> Float[AnyArray, ""]:
    """Σ N (U - Ū)² / Δ²: the loss of the values less the least that any table reaches, in squared ranges."""
    following = jnp.concatenate([worth[1:], jnp.zeros_like(worth[:1])])
    total = jnp.asarray(record.paid) + jnp.einsum("hsabt,ht->hsab", jnp.asarray(record.moves), following)
    visits = jnp.asarray(record.visits)
    error = value - total / jnp.maximum(visits, 1.0)
    span = jnp.arange(rules.horizon, 0, -1.0) * (jnp.asarray(rules.reward_high) - jnp.asarray(rules.reward_low))
    scale = jnp.where(span > 0.0, span, 1.0)[:, None, None, None]
    return jnp.sum(visits * (error / scale) ** 2)


def log_loss(rules: MarkovRules, record: PlayRecord, reward: Float[AnyArray, "h s a b"]) -> Float[AnyArray, ""]:
    """Minus the log-likelihood of the answers, all stages together."""
    letters = "nhsba" if rules.is_prescription else "nhsa"
    appeal = jnp.einsum(f"{letters},hsab->nhsb", jnp.asarray(record.commitment), reward)
    return -jnp.sum(jnp.asarray(record.answers) * log_quantal_choice(appeal, rules.inverse_temperature))


def worths(rules: MarkovRules, guess: Guess, commitment: Float[AnyArray, "h s *b a"]) -> Float[AnyArray, "h s"]:
    """W of every state under an announcement."""
    letters = "hsba" if rules.is_prescription else "hsa"
    gain = jnp.einsum(f"{letters},hsab->hsb", commitment, guess.value)
    return jnp.sum(answers(rules, guess, commitment) * gain, axis=-1)


def best_announcements(rules: MarkovRules, guess: Guess) -> Float[AnyArray, "h s *b a"]:
    """The best announcement of a grid at every stage and state; exact for prescriptions.

    A constant to the derivative: at a maximum, the derivative of its value is that at the announcement held fixed.
    """
    reward, value = jax.lax.stop_gradient((guess.reward, guess.value))
    rate = jnp.asarray(rules.inverse_temperature)
    if rules.is_prescription:
        return jnp.asarray(best_prescriptions(value, rate * reward).commitment)
    num_rows = len(rules.leader_actions)
    grid = jnp.asarray(candidates(num_rows)[:: 2 if num_rows == 2 else 1])
    response = quantal_choice(jnp.einsum("ga,hsab->hsgb", grid, reward), rate)
    worth = jnp.sum(response * jnp.einsum("ga,hsab->hsgb", grid, value), axis=-1)
    return grid[jnp.argmax(worth, axis=-1)]


def polished(rules: MarkovRules, guess: Guess) -> Float[AnyArray, "h s *b a"]:
    """The same without a grid: the best of many starts at every stage and state."""
    if rules.is_prescription:
        return best_announcements(rules, guess)
    starts = jnp.asarray(candidates(len(rules.leader_actions)))
    rate = jnp.asarray(rules.inverse_temperature)

    def chosen(reward, value):
        worth = lambda mixture: jnp.sum(quantal_choice(mixture @ reward, rate) * (mixture @ value))
        return best_of_starts(worth, starts)[0]

    return jax.vmap(jax.vmap(chosen))(guess.reward, guess.value)
