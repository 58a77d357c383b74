"""Plans for models whose true likelihood is near the largest: policy and model move together, with a rising penalty."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float

from .._types import AnyArray
from ..calculus.simplex import logarithm, quantal_choice
from ..play.markov_world import MarkovRules
from .farsighted_likelihood import model_loss
from .model import Model, worth
from .model_uncertainty import within
from .record import PlayRecord


PENALTIES = (1.0, 4.0, 16.0)


def along_likelihood(
    rules: MarkovRules,
    record: PlayRecord,
    estimate: Model,
    logits: Float[AnyArray, "h s *b a"],
    far: Model,
    reach: Float[AnyArray, ""] | float,
    num_steps: int,
    learning_rate: float | Float[AnyArray, ""],
) -> tuple[Float[AnyArray, "h s *b a"], Model]:
    """From a policy and a model, both further: a policy for the best (reach > 0) or worst model of the set.

    The set holds every model that loses at most reach²/2 of log-likelihood against the estimate. The policy climbs its
    value; the model climbs (descends) the same value less a penalty on what it loses too much. At the end the model is
    drawn back towards the estimate until the set holds it.
    """
    side, allowed = jnp.sign(jnp.asarray(reach)), 0.5 * jnp.asarray(reach) ** 2
    least = model_loss(rules, record, estimate)
    excess = lambda model: model_loss(rules, record, model) - least
    gain = jnp.abs(worth(rules, far, logits) - worth(rules, estimate, logits)) + 1e-6
    adam = optax.adam(lambda _: learning_rate)

    def of_model(free: Any) -> Model:
        weights, reward, paths = free
        return within(rules, Model(weights, reward, quantal_choice(paths, 1.0)))

    def merit(free: Any, logits: Any, penalty: Any) -> Float[AnyArray, ""]:
        model = of_model(free)
        over = jnp.maximum(excess(model) - allowed, 0.0) / jnp.maximum(allowed, 1e-12)
        return side * worth(rules, model, logits) - penalty * gain * over

    def step(carry, penalty):
        (logits, free), moments = carry
        up = jax.grad(lambda logits: -worth(rules, of_model(free), logits))(logits)
        along = jax.grad(lambda free: -merit(free, logits, penalty))(free)
        push, moments = adam.update((up, along), moments)
        return (optax.apply_updates((logits, free), push), moments), None

    pair: Any = (logits, (far.weights, far.leader_reward, logarithm(jnp.maximum(far.law, 1e-9))))
    penalties = jnp.repeat(jnp.asarray(PENALTIES), -(-num_steps // len(PENALTIES)))
    (pair, _), _ = jax.lax.scan(step, (pair, adam.init(pair)), penalties)
    logits, end = pair[0], of_model(pair[1])
    between = lambda share: jax.tree.map(lambda old, new: old + share * (new - old), estimate, end)

    def halved(ends, _):
        middle = 0.5 * (ends[0] + ends[1])
        holds = excess(between(middle)) <= allowed
        return (jnp.where(holds, middle, ends[0]), jnp.where(holds, ends[1], middle)), None

    (share, _), _ = jax.lax.scan(halved, (jnp.zeros(()), jnp.ones(())), length=20)
    return logits, between(jnp.where(excess(end) <= allowed, 1.0, share))
