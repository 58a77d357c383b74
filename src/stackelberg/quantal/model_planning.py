"""Policies that are best for the most, or the least, that a confidence set of models leaves possible.

J(π, M) is the leader's value of a policy under a model. With M̂ the estimate, C its covariance, and g the derivative of
J with respect to the model, the forms are, for sign 1 (optimistic) or -1 (pessimistic) and a width c:

    "support"        max over π of the extreme of J(π, M) over the ellipsoid (M - M̂)ᵀ C⁻¹ (M - M̂) ≤ c²
    "delta method"   max over π of J(π, M̂) + sign × c √(gᵀ C g)
    "likelihood"     max over π of the extreme of J(π, M) over the models that lose at most c²/2 of log-likelihood
    "posterior"      max over π of J(π, M) for one draw M of the posterior (sign 1), or of the mean of the worst
                     quarter of J over draws (sign -1)

The first moves policy and model together: the model goes to the end of the ellipsoid in the direction of g, the policy
up its gradient. Where answers are nearly certain g is next to nothing and the delta method sees little uncertainty;
the direction of g is still there, and the end of the ellipsoid is far away. The third (`likelihood_planning`) starts
from the plan of the first.

J is not concave in π: every form is the best of several starts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Float

from .._types import AnyArray, Key
from ..calculus.simplex import logarithm, quantal_choice, weight
from ..play.base import Belief
from ..play.markov_world import MarkovRules
from .likelihood_planning import along_likelihood
from .model import Model, outlook, worth
from .model_uncertainty import Spread, inner, moved, within
from .record import PlayRecord


Form: TypeAlias = Literal["support", "delta method", "likelihood", "posterior"]

FORMS: tuple[Form, ...] = ("support", "delta method", "likelihood", "posterior")

MIXING = 0.3
"""How far the model moves towards the end of the ellipsoid in a step."""
LOOKS = 5
"""Fixed-point steps by which a policy is judged at the end."""
NUM_DRAWS = 16


class Search(NamedTuple):
    """How policies are searched: number of starts, of steps of Adam, and the rate of the first of them."""

    num_starts: int
    num_steps: int
    learning_rate: float | Float[AnyArray, ""]


class Found(eqx.Module):
    """A policy as logits, its value under a model, and that model: the estimate, or one that is just still possible."""

    logits: Float[AnyArray, "..."]
    value: Float[AnyArray, "..."]
    model: Model


class ModelPlan(eqx.Module):
    """A policy, and what the leader expects of it.

    - `commitment`: `(h, s, a)` or `(h, s, b, a)`.  `value`: under the model that it was made for, `belief` included.
    - `response`: `(h, s, b)`, the follower's answer to it under the estimate.
    """

    commitment: Float[AnyArray, "h s *b a"]
    value: Float[AnyArray, ""]
    belief: Belief
    response: Float[AnyArray, "h s b"]


class Possible(eqx.Module):
    """The models that a record leaves possible: an ellipsoid around an estimate, looked at from one side.

    - `model`: the estimate.  `spread`: its covariance.  `width`: of the ellipsoid, in standard deviations.
    - `sign`: 1 looks at the best model, -1 at the worst, 0 takes the estimate as true.
    """

    rules: MarkovRules
    model: Model
    spread: Spread
    width: Float[AnyArray, ""] | float
    sign: int = eqx.field(static=True)

    @property
    def reach(self) -> Float[AnyArray, ""]:
        """Sign × width."""
        return self.sign * jnp.asarray(self.width)

    def end(self, gradient: Model) -> Model:
        """The point of the ellipsoid that is furthest along a gradient (against it, for a negative reach)."""
        direction = self.spread.through(gradient)
        length = jnp.sqrt(jnp.maximum(inner(gradient, direction), 0.0) + 1e-24)
        return within(self.rules, moved(self.model, direction, self.reach / length))

    def value_by_delta(self, logits: Float[AnyArray, "h s *b a"]) -> Float[AnyArray, ""]:
        """J(π, M̂) + reach × √(gᵀ C g)."""
        value, gradient = jax.value_and_grad(lambda model: worth(self.rules, model, logits))(self.model)
        variance = inner(gradient, self.spread.through(gradient))
        return value + self.reach * jnp.sqrt(jnp.maximum(variance, 0.0) + 1e-12)

    def extreme(self, logits: Float[AnyArray, "h s *b a"], start: Model) -> Found:
        """The most extreme value of a policy over the ellipsoid that a fixed point finds from `start`."""
        slope = jax.value_and_grad(lambda model: worth(self.rules, model, logits))

        def look(carry, _):
            far, found = carry
            value, gradient = slope(far)
            here = Found(logits, value, far)
            better = self.sign * value > self.sign * found.value
            return (self.end(gradient), jax.tree.map(lambda new, old: jnp.where(better, new, old), here, found)), None

        centre = Found(logits, worth(self.rules, self.model, logits), self.model)
        (_, found), _ = jax.lax.scan(look, (start, centre), length=LOOKS)
        return found


def planned(
    possible: Possible,
    record: PlayRecord,
    form: Form,
    present: Float[AnyArray, "h s *b a"],
    search: Search,
    key: Key,
) -> ModelPlan:
    """The best policy of several starts, the first of them the `present` one."""
    rules, model = possible.rules, possible.model
    starts = _starts(present, search.num_starts)
    if possible.sign == 0:
        found = _under(rules, model, starts, search)
    elif form == "posterior":
        found = _by_draws(possible, starts, search, key)
    elif form == "delta method":
        ends = _climbed(possible.value_by_delta, starts, search)
        values = jax.vmap(possible.value_by_delta)(ends)
        best = ends[jnp.argmax(values)]
        found = Found(best, jnp.max(values), possible.extreme(best, model).model)
    else:
        found = _best(_together(possible, starts, search))
    if form == "likelihood" and possible.sign != 0:
        logits, far = along_likelihood(
            rules, record, model, found.logits, found.model, possible.reach, search.num_steps, search.learning_rate
        )
        found = Found(logits, worth(rules, far, logits), far)
    commitment = quantal_choice(found.logits, 1.0)
    expected, estimated = outlook(rules, found.model, commitment), outlook(rules, model, commitment)
    belief = Belief(weight(expected.log_response), expected.action_value)
    return ModelPlan(commitment, found.value, belief, weight(estimated.log_response))


def best_under(
    rules: MarkovRules, model: Model, present: Float[AnyArray, "h s *b a"], search: Search
) -> Float[AnyArray, "h s *b a"]:
    """The best policy of several starts under one model, taken as true."""
    return quantal_choice(_under(rules, model, _starts(present, search.num_starts), search).logits, 1.0)


def _starts(present: Float[AnyArray, "h s *b a"], num_starts: int) -> Float[AnyArray, "k h s *b a"]:
    """Logits: of the present policy, of uniform play, and from gentle to nearly pure ones drawn once and for all."""
    draws = np.random.default_rng(0).standard_normal((max(num_starts - 1, 0), *np.shape(present)))
    spreads = np.tile([0.0, 1.0, 2.0, 4.0], num_starts)[: len(draws)].reshape(-1, *[1] * np.ndim(present))
    now = logarithm(jnp.maximum(present, 1e-3))
    return jnp.concatenate([now[None], jnp.asarray(spreads * draws)])


def _climbed(
    objective: Callable[[Float[AnyArray, "h s *b a"]], Float[AnyArray, ""]],
    starts: Float[AnyArray, "k h s *b a"],
    search: Search,
) -> Float[AnyArray, "k h s *b a"]:
    """Adam from every start, with a rate that falls to nothing."""
    adam = optax.adam(optax.cosine_decay_schedule(search.learning_rate, search.num_steps))
    slope = jax.grad(lambda logits: -objective(logits))

    def one(start):
        def step(carry, _):
            logits, moments = carry
            push, moments = adam.update(slope(logits), moments)
            return (logits + push, moments), None

        return jax.lax.scan(step, (start, adam.init(start)), length=search.num_steps)[0][0]

    return jax.vmap(one)(starts)


def _best(found: Found) -> Found:
    """Of the ends of all starts."""
    place = jnp.argmax(found.value)
    return jax.tree.map(lambda leaf: leaf[place], found)


def _under(rules: MarkovRules, model: Model, starts: Float[AnyArray, "k h s *b a"], search: Search) -> Found:
    """The best policy under one model."""
    ends = _climbed(lambda logits: worth(rules, model, logits), starts, search)
    values = jax.vmap(lambda logits: worth(rules, model, logits))(ends)
    return Found(ends[jnp.argmax(values)], jnp.max(values), model)


def _together(possible: Possible, starts: Float[AnyArray, "k h s *b a"], search: Search) -> Found:
    """The policy climbs while the model goes to the end of the ellipsoid, from every start."""
    adam = optax.adam(optax.cosine_decay_schedule(search.learning_rate, search.num_steps))
    slopes = jax.grad(lambda logits, model: worth(possible.rules, model, logits), argnums=(0, 1))

    def one(start):
        def step(carry, _):
            logits, moments, far = carry
            push, gradient = slopes(logits, far)
            push, moments = adam.update(-push, moments)
            far = jax.tree.map(lambda old, new: old + MIXING * (new - old), far, possible.end(gradient))
            return (logits + push, moments, far), None

        first = (start, adam.init(start), possible.model)
        (logits, _, far), _ = jax.lax.scan(step, first, length=search.num_steps)
        return possible.extreme(logits, far)

    return jax.vmap(one)(starts)


def _by_draws(possible: Possible, starts: Float[AnyArray, "k h s *b a"], search: Search, key: Key) -> Found:
    """For one draw of the posterior; pessimistic, for the worst of several."""
    rules, draw = possible.rules, lambda key: possible.spread.drawn(possible.rules, possible.model, key)
    if possible.sign > 0:
        return _under(rules, draw(key), starts, search)
    drawn = jax.vmap(draw)(jr.split(key, NUM_DRAWS))

    def worst(logits):
        values = jax.vmap(lambda model: worth(rules, model, logits))(drawn)
        low, places = jax.lax.top_k(-values, NUM_DRAWS // 4)
        return -jnp.mean(low), places[-1]

    ends = _climbed(lambda logits: worst(logits)[0], starts, search)
    values, places = jax.vmap(worst)(ends)
    best = jnp.argmax(values)
    return Found(ends[best], values[best], jax.tree.map(lambda leaf: leaf[places[best]], drawn))
