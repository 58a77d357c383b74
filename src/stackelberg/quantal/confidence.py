"""What a log leaves possible of the follower's reward: two confidence sets, and intervals for its answers.

With ŵ the estimate by maximum likelihood, L the log-likelihood and Σ as in `myopic_likelihood`,

    likelihood ratio   L(ŵ) - L(w) ≤ β
    ellipsoid          (w - ŵ)ᵀ (Σ + ρ P) (w - ŵ) ≤ R²

where P projects onto the directions that answers can tell. Rewards that answer alike are in a set together or out of it
together: no constraint on the reward is needed. Radii are those of the agents (`bonus.squared_radius`).

A myopic follower's weights fall apart into blocks, one for each stage (and state, without features), and the set is the
product of those of its blocks. A farsighted follower has one block.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy import stats

from .. import _boundary as boundary
from .._errors import InputError
from .._types import AnyArray
from ..calculus.precision import exact
from ..play.markov_world import MarkovRules
from ..play.play_log import PlayLog
from .bonus import PRESETS, Preset, Uncertainty, likelihood_radius, squared_radius
from .discount_profile import recorded
from .farsighted_likelihood import fitted_farsighted, log_likelihood as farsighted_log_likelihood
from .model_uncertainty import leader_side
from .myopic_likelihood import fitted, log_likelihood, reward_table, zero_weights
from .record import PlayRecord
from .response_intervals import INTERVAL_FORMS, farsighted_bounds, is_farsighted, myopic_bounds, told_directions


SetForm: TypeAlias = Literal["likelihood ratio", "ellipsoid"]

SET_FORMS: tuple[SetForm, ...] = ("likelihood ratio", "ellipsoid")

MOST_WEIGHTS = 4_000
"""Of one block: its information is kept whole."""


class ResponseInterval(eqx.Module):
    """Probabilities of the follower's answers to one announcement, with their bounds.

    - `value`, `low`, `high`: `(h, s, b)`, under the estimate, at least, and at most.  `method`: how they were found.
    """

    value: Float[np.ndarray, "h s b"]
    low: Float[np.ndarray, "h s b"]
    high: Float[np.ndarray, "h s b"]
    method: str = eqx.field(static=True)


class ResponseConfidence(eqx.Module):
    """The rewards of the follower that a record leaves possible; `response_confidence` makes it from a log.

    - `weights`: `(h, k, d)`, the estimate: its reward as a table (k states, d = a × b), or of its features (k = 1).
    - `information`: `(m, n, n)`, Σ of each of m blocks.  `told`: `(m, n, n)`, P.
    - `ridge`: ρ, added to Σ in the directions of P.
    - `squared_radius`: R² (payoff²).  `likelihood_radius`: β (nats). Both hold for every block.
    - `law`: `(h, s, a, b, s)`, of the next state, with which a farsighted follower's answers are computed.
    - `preset`: how the radii were chosen.  `level`: the probability with which the truth is in all blocks at once.
    """

    rules: MarkovRules
    record: PlayRecord
    law: Float[AnyArray, "h s a b t"]
    weights: Float[AnyArray, "h k d"]
    information: Float[AnyArray, "m n n"]
    told: Float[AnyArray, "m n n"]
    ridge: float
    squared_radius: float
    likelihood_radius: float
    preset: Preset = eqx.field(static=True)
    level: float = eqx.field(static=True)

    @property
    @exact
    def reward(self) -> Float[AnyArray, "h s a b"]:
        """The estimated reward of each pair of actions; what answers cannot tell of it is arbitrary."""
        return reward_table(self.rules, jnp.asarray(self.weights))

    @exact
    def excess(self, weights: Any) -> Float[AnyArray, "m"]:
        """How much log-likelihood other weights lose to the estimate, block by block (nats).

        `weights` are in the shape of the estimate; without features a reward table `(h, s, a, b)` will do.
        The estimate is drawn to 0 a little, so that the best weights lose slightly less than nothing.
        """
        return self._score(jnp.asarray(self.weights)) - self._score(self._checked(weights))

    @exact
    def distance(self, weights: Any) -> Float[AnyArray, "m"]:
        """(w - ŵ)ᵀ (Σ + ρ P) (w - ŵ), block by block (payoff²); the same for all rewards that answer alike."""
        off = (self._checked(weights) - jnp.asarray(self.weights)).reshape(self.information.shape[:2])
        off = jnp.einsum("mij,mj->mi", self.told, off)
        return jnp.einsum("mi,mij,mj->m", off, self.information, off) + self.ridge * jnp.sum(off**2, axis=-1)

    def contains(self, weights: Any, form: Any = "likelihood ratio") -> bool:
        """Whether the set holds these weights, in all blocks; `form` is "likelihood ratio" or "ellipsoid"."""
        if boundary.one_of("form", form, SET_FORMS) == "ellipsoid":
            return bool(np.all(np.asarray(self.distance(weights)) <= self.squared_radius))
        return bool(np.all(np.asarray(self.excess(weights)) <= self.likelihood_radius))

    @exact
    def response(self, commitment: Any, form: Any = "delta method") -> ResponseInterval:
        """What the follower would answer to a commitment, with bounds on each probability.

        - `commitment`: `(h, s, a)`, or `(h, s, b, a)` where the log announces prescriptions.
        - `form`: "delta method", an interval for each probability by itself, symmetric in its log odds; "support", the
          extremes over the ellipsoid, for all commitments, stages, states and answers at once. They are found by a
          fixed point, which may miss a little of them.

        With the preset "theory" the delta method takes the whole radius too.
        """
        how = boundary.one_of("form", form, INTERVAL_FORMS)
        shape = self.rules.uniform_commitment().shape
        policy = jnp.asarray(boundary.distribution("commitment", commitment, axes=shape))
        alone = how == "delta method" and self.preset == "calibrated"
        rate = jnp.asarray(self.rules.inverse_temperature)
        squared = float(stats.chi2.ppf(self.level, 1)) / rate**2 if alone else jnp.asarray(self.squared_radius)
        bounds = _farsighted_bounds if is_farsighted(self.rules) else _myopic_bounds
        found = bounds(self.rules, self.law, self.weights, self.information, self.ridge, policy, jnp.sqrt(squared), how)
        words = f"{how}, {self.preset}, {self.level:.4g}, " + ("each by itself" if alone else "all at once")
        value, low, high = (np.asarray(part) for part in found)
        return ResponseInterval(value, low, high, words)

    def _score(self, weights: Float[AnyArray, "h k d"]) -> Float[AnyArray, "m"]:
        """The log-likelihood of each block."""
        if is_farsighted(self.rules):
            return _farsighted_likelihood(self.rules, self.record, self.law, weights)[None]
        by_state = _myopic_likelihood(self.rules, self.record, weights)
        return by_state.reshape(-1) if self.rules.follower_features is None else jnp.sum(by_state, axis=-1)

    def _checked(self, weights: Any) -> Float[AnyArray, "h k d"]:
        array = boundary.real_array("weights", weights)
        if array.shape != self.weights.shape and (
            self.rules.follower_features is not None or array.shape != self.rules.shape
        ):
            raise InputError(
                boundary.SHAPE,
                "weights",
                found=f"the shape is {array.shape}",
                allowed=f"weights have the shape of the estimate, {self.weights.shape}",
                remedy="Give one for each feature of a stage; without features a reward table (h, s, a, b) will do.",
            )
        return jnp.asarray(array).reshape(self.weights.shape)


@exact
def response_confidence(
    log: Any,
    preset: Any = "calibrated",
    level: Any = 0.95,
    *,
    law: Any = None,
    ridge: Any = 1e-2,
    num_steps: Any = 40,
) -> ResponseConfidence:
    """What a log of play over stages leaves possible of the follower's reward.

        found = sg.response_confidence(sg.read_play("log.jsonl"))
        found.contains(reward)              # is this reward possible?
        found.response(commitment)          # what would it answer, and how sure is that?

    - `log`: a `PlayLog`. Its rules say how far the follower looks ahead, and its inverse temperature (the unit).
    - `preset`: "calibrated", the radii of the limit distribution (χ² / 2 for the likelihood ratio, χ² / λ² for the
      ellipsoid, with as many degrees of freedom as directions that answers can tell), at `level` ^ (1/m) for each of
      m blocks; or "theory", radii that are proved for every sample size and a thousand times larger.
    - `level`: with what probability the set holds the true reward, in the limit ("theory": at least).
    - `law`: `(h, s, a, b, s)`, of the next state, where it is known; estimated from the same log when left out. It
      matters for farsighted followers alone. The sets do not count what is unknown of it.
    - `ridge`: λ² × the penalty on squared weights in the estimate.  `num_steps`: of Newton's method or Fisher scoring.

    "theory" supposes rewards in [0, 1] and features of length 1 at most. For a farsighted follower it is proved of the
    likelihood ratio, the law given, and of the ellipsoid to first order only.

    Raises `InputError` for a setting out of range, an empty log, or more than 4,000 weights in one block.

    After the confidence sets of Chen, Wang and Yang (2023, abstract); radii derived anew, as in `Uncertainty`.
    """
    played = boundary.instance("log", log, PlayLog, 'sg.read_play("log.jsonl")')
    chosen: Any = boundary.one_of("preset", preset, PRESETS)
    share = float(boundary.real_number("level", level, low=0.0, high=0.999999, low_open=True))
    penalty = float(boundary.real_number("ridge", ridge, low=0.0, low_open=True))
    steps = boundary.whole_number("num_steps", num_steps, low=1)
    rules = played.rules
    if played.num_episodes == 0:
        raise InputError(
            boundary.EMPTY,
            "log",
            found="it has no episodes",
            allowed="at least one episode is needed",
            remedy="Write one line for each episode after the first line.",
        )
    given = None if law is None else boundary.distribution("law", law, axes=(*rules.shape, len(rules.states)))
    record = recorded(rules, played)
    return confidence_after(
        rules, record, played.num_episodes, chosen, share, law=given, ridge=penalty, num_steps=steps
    )


@exact
def confidence_after(
    rules: MarkovRules,
    record: PlayRecord,
    num_episodes: int,
    preset: Preset = "calibrated",
    level: float = 0.95,
    *,
    law: Float[AnyArray, "h s a b t"] | None = None,
    ridge: float = 1e-2,
    num_steps: int = 40,
) -> ResponseConfidence:
    """The same after the record of an agent; `num_episodes` is how many there may be, which "theory" needs."""
    given = leader_side(rules, record)[1] if law is None else jnp.asarray(law)
    start = zero_weights(rules)
    is_whole = is_farsighted(rules)
    if (start.size if is_whole else start.shape[-1]) > MOST_WEIGHTS:
        raise InputError(
            boundary.INCONSISTENT,
            "log",
            found=f"{start.size} weights of the follower's reward",
            allowed=f"at most {MOST_WEIGHTS} in one block, for their information is kept whole",
            remedy="Give the rules features of the follower: follower_features=(h, s, a, b, d) with a smaller d.",
        )
    rate = jnp.asarray(rules.inverse_temperature)
    scaled = ridge / rate**2
    if is_whole:
        found = _fitted_farsighted(rules, record, given, start, scaled, num_steps)
        information = found.information[None]
    else:
        found = _fitted(rules, record, start, scaled, num_steps)
        information = found.information.reshape(-1, *found.information.shape[-2:])
    each = level ** (1.0 / len(information)) if preset == "calibrated" else level
    squared = squared_radius(rules, preset, each, num_episodes, is_whole)
    proved = preset == "theory"
    loss = likelihood_radius(rules, num_episodes, 1.0 - each, is_whole) if proved else 0.5 * rate**2 * squared
    return ResponseConfidence(
        rules,
        record,
        given,
        found.weights,
        information,
        told_directions(rules, np.asarray(given)),
        float(Uncertainty(preset).added(rules)),
        float(squared),
        float(loss),
        preset,
        level,
    )


_fitted = eqx.filter_jit(fitted)
_fitted_farsighted = eqx.filter_jit(fitted_farsighted)
_myopic_likelihood = eqx.filter_jit(log_likelihood)
_farsighted_likelihood = eqx.filter_jit(farsighted_log_likelihood)
_myopic_bounds = eqx.filter_jit(myopic_bounds)
_farsighted_bounds = eqx.filter_jit(farsighted_bounds)
