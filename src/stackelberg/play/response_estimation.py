"""Learning how the follower answers, from repeated play: explore, estimate by maximum likelihood, plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Float, Int

from .. import _boundary as boundary
from .._learner import Metrics
from .._runs import Metric
from .._types import AnyArray, Key
from ..calculus.simplex import log_quantal_choice, quantal_choice
from ..solvers.quantal.ascent import best_of_many
from .agent import AbstractAgent
from .log import Log
from .world import Episode, Rules


LONGEST = 4.0
LENGTHS = (1.0, 0.5, 0.125, 0.0)


class Knowledge(eqx.Module):
    """What the agent carries: the log, the weights that explain it best, their information, and the present plan."""

    log: Log
    weights: Float[AnyArray, "d"]
    information: Float[AnyArray, "d d"]
    plan: Float[AnyArray, "a"]
    num_observed: Int[AnyArray, ""]


class ResponseEstimation(AbstractAgent):
    """Estimate the follower's weights by maximum likelihood, and announce the best plan against the estimate.

    The log-likelihood of weights w is Σ_n Σ_b counts(n, b) log softmax(logits(x_n, w))(b) - ½ ridge |s w|², where s is
    the size of each feature: the last term keeps the estimate finite while the log is still separated, and a ridge of
    1e-3 moves it by far less than its standard error afterwards. Each observation makes `newton_steps` Newton steps
    from the last estimate, halved where the likelihood would fall.

    - `capacity`: how many announcements the log holds; one more is an error. (Padding changes bits: it is a setting.)
    - `num_exploring`: the first announcements are drawn uniformly from the simplex; after them the plan is announced.
    - `plan_every`: the plan is made anew after every so many announcements.
    - `ridge`, `newton_steps`: see above.

    McFadden (1974) for the likelihood; the estimate of the inverse temperature from play is that of McKelvey and
    Palfrey (1995), Section 5, with announced commitments.
    """

    capacity: int
    num_exploring: int
    plan_every: int
    newton_steps: int
    ridge: float

    def __init__(
        self,
        capacity: Any = 2000,
        num_exploring: Any = 100,
        plan_every: Any = 20,
        newton_steps: Any = 2,
        ridge: Any = 1e-3,
    ) -> None:
        self.capacity = boundary.whole_number("capacity", capacity, low=1)
        self.num_exploring = boundary.whole_number("num_exploring", num_exploring)
        self.plan_every = boundary.whole_number("plan_every", plan_every, low=1)
        self.newton_steps = boundary.whole_number("newton_steps", newton_steps, low=1)
        self.ridge = boundary.real_number("ridge", ridge, low=0.0, low_open=True)

    @property
    def max_steps(self) -> int:
        """The log holds one row for each announcement."""
        return self.capacity

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """The estimate is the follower's."""
        return {
            "estimate": Metric("estimated inverse temperature", "1/payoff", "follower"),
            "standard_error": Metric("standard error of the estimate", "1/payoff", "follower", "lower"),
            "log_likelihood": Metric("log-likelihood a play", "nats", "follower", "higher"),
        }

    def init(self, rules: Rules, key: Key) -> Knowledge:
        """Nothing seen; the weights are 0 (a follower who does not care) and the plan is uniform."""
        del key
        num_rows, num_columns, d = rules.features.shape
        return Knowledge(
            Log.empty(self.capacity, num_rows, num_columns),
            jnp.zeros(d),
            jnp.eye(d) * jnp.asarray(self.ridge),
            jnp.full(num_rows, 1.0 / num_rows),
            jnp.int32(0),
        )

    def announce(self, rules: Rules, state: Knowledge, n: Any, key: Key) -> Float[AnyArray, "a"]:
        """A mixture drawn uniformly while exploring; the plan afterwards."""
        num_rows, _ = rules.leader_payoff.shape
        share = jr.exponential(key, (num_rows,))  # uniform on the simplex once divided by its sum
        return jnp.where(n < self.num_exploring, share / jnp.sum(share), state.plan)

    def observe(self, rules: Rules, state: Knowledge, episode: Episode, n: Any, key: Key) -> tuple[Knowledge, Metrics]:
        """Write it down, improve the estimate, and now and then the plan."""
        del key
        log = state.log.add(episode.commitment, episode.counts)
        features = jnp.einsum("na,abd->nbd", log.commitment, rules.features)
        size = jnp.maximum(jnp.ptp(rules.features.reshape(-1, rules.features.shape[-1]), axis=0), 1e-300)
        penalty = jnp.asarray(self.ridge) * size**2
        better = lambda _, weights: _newton(features, log.counts, weights, penalty)
        weights = jax.lax.fori_loop(0, self.newton_steps, better, state.weights)
        _, information = _derivatives(features, log.counts, weights, penalty)
        plan = jax.lax.cond((n + 1) % self.plan_every == 0, lambda: _plan(rules, weights), lambda: state.plan)
        plays = jnp.sum(log.counts)
        metrics = {
            **_named("estimate", weights),
            **_named("standard_error", jnp.sqrt(jnp.diag(jnp.linalg.inv(information)))),
            "log_likelihood": _likelihood(features, log.counts, weights) / jnp.maximum(plays, 1.0),
        }
        return Knowledge(log, weights, information, plan, state.num_observed + 1), metrics

    def recommend(self, rules: Rules, state: Knowledge) -> Float[AnyArray, "a"]:
        """The plan that was made last."""
        del rules
        return state.plan

    def belief(self, rules: Rules, state: Knowledge) -> None:
        """It plans for one stage, and says what it expects by its estimate."""
        del rules, state


def _named(name: str, values: Float[AnyArray, "d"]) -> dict[str, Any]:
    if values.shape[0] == 1:
        return {name: values[0]}
    return {f"{name}_{place + 1}": values[place] for place in range(values.shape[0])}


def _likelihood(
    features: Float[AnyArray, "n b d"], counts: Float[AnyArray, "n b"], weights: Float[AnyArray, "d"]
) -> Float[AnyArray, ""]:
    return jnp.sum(counts * log_quantal_choice(features @ weights, 1.0))


def _derivatives(
    features: Float[AnyArray, "n b d"],
    counts: Float[AnyArray, "n b"],
    weights: Float[AnyArray, "d"],
    penalty: Float[AnyArray, "d"],
) -> tuple[Float[AnyArray, "d"], Float[AnyArray, "d d"]]:
    """Gradient of the penalised log-likelihood, and minus its Hessian."""
    chance = quantal_choice(features @ weights, 1.0)
    plays = jnp.sum(counts, axis=-1)
    gradient = jnp.einsum("nb,nbd->d", counts - plays[:, None] * chance, features) - penalty * weights
    centred = features - jnp.einsum("nb,nbd->nd", chance, features)[:, None, :]
    information = jnp.einsum("nb,nbd,nbe->de", plays[:, None] * chance, centred, centred)
    return gradient, information + jnp.diag(penalty)


def _newton(
    features: Float[AnyArray, "n b d"],
    counts: Float[AnyArray, "n b"],
    weights: Float[AnyArray, "d"],
    penalty: Float[AnyArray, "d"],
) -> Float[AnyArray, "d"]:
    """One Newton step, of the best of several lengths; it moves no logit by more than `LONGEST`.

    While a log is separated the estimate wanders far out, where the likelihood is flat: Newton's own step back would
    overshoot by orders of magnitude, and none of its fractions would do better than standing still.
    """
    gradient, information = _derivatives(features, counts, weights, penalty)
    step = jnp.linalg.solve(information, gradient)
    reach = jnp.max(jnp.abs(features @ step))
    step = step * jnp.minimum(1.0, LONGEST / jnp.maximum(reach, LONGEST))
    tried = weights + jnp.asarray(LENGTHS)[:, None] * step
    merit = jax.vmap(lambda w: _likelihood(features, counts, w) - 0.5 * jnp.sum(penalty * w**2))(tried)
    return tried[jnp.argmax(merit)]


def _plan(rules: Rules, weights: Float[AnyArray, "d"]) -> Float[AnyArray, "a"]:
    payoff = jnp.asarray(rules.leader_payoff)
    low, span = jnp.min(payoff), jnp.ptp(payoff)
    scaled = (payoff - low) / jnp.where(span > 0.0, span, 1.0)
    return best_of_many(scaled, jnp.asarray(rules.features) @ weights)
