"""A leader without a model of the follower, to compare with: follow the perturbed leader among candidate policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._learner import Metrics
from .._runs import Metric
from .._types import AnyArray, Key
from ..play.agent import AbstractAgent
from ..play.base import Belief
from ..play.markov_world import MarkovEpisode, MarkovRules
from .agents import MEANINGS


class Followed(eqx.Module):
    """Candidates, and what each was paid.

    - `candidates`: `(k, h, s, a)` or `(k, h, s, b, a)`.  `counts`, `returns`: `(k,)`, how often each was announced, and
      the leader's returns summed.
    """

    candidates: Float[AnyArray, "k h s *b a"]
    counts: Float[AnyArray, "k"]
    returns: Float[AnyArray, "k"]


class FollowThePerturbedLeader(AbstractAgent):
    """Announce the candidate whose mean return, perturbed by chance, is largest; no model of the follower.

    Candidate k of mean m(k) over n(k) announcements has the index m(k) + `perturbation` × H × range × z(k) / √(n(k) +
    1), with z drawn anew from the standard normal law before every announcement; one that was never announced has the
    highest mean there can be. It finds the best of its candidates, and what they all lack it never finds.

    - `num_candidates`: uniform play, the pure actions (each at all stages and states), and policies drawn uniformly
      from the simplex when the run starts.  `perturbation`: factor of the noise.

    After Hebbar and Langbort (2024), against quantal followers. Departure: their leader knows the types that followers
    may have and so what every policy would have earned; here only the return of what was announced is seen, and the
    noise shrinks with the number of times a candidate was tried.
    """

    num_candidates: int
    perturbation: float

    def __init__(self, num_candidates: Any = 64, perturbation: Any = 0.5) -> None:
        self.num_candidates = boundary.whole_number("num_candidates", num_candidates, low=2)
        self.perturbation = boundary.real_number("perturbation", perturbation, low=0.0)

    @property
    def max_steps(self) -> None:
        """No limit."""
        return None

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """What it expects, and how many candidates it knows."""
        return {"promised_value": MEANINGS["promised_value"], "tried": Metric("candidates tried", "", "leader")}

    def init(self, rules: MarkovRules, key: Key) -> Followed:
        """Candidates, none of them tried."""
        uniform, num_rows = rules.uniform_commitment(), rules.shape[2]
        if self.num_candidates <= num_rows:
            raise InputError(
                boundary.RANGE,
                "num_candidates",
                found=f"there are {self.num_candidates}",
                allowed=f"uniform play and {num_rows} pure actions are always among them",
                remedy=f"Give {num_rows + 1} or more.",
            )
        pure = jnp.broadcast_to(jnp.eye(num_rows), (*uniform.shape[:-1], num_rows, num_rows))
        drawn = jr.dirichlet(key, jnp.ones(num_rows), (self.num_candidates - num_rows - 1, *uniform.shape[:-1]))
        zero = jnp.zeros(self.num_candidates)
        return Followed(jnp.concatenate([uniform[None], jnp.moveaxis(pure, -2, 0), drawn]), zero, zero)

    def announce(self, rules: MarkovRules, state: Followed, n: Any, key: Key) -> Float[AnyArray, "h s *b a"]:
        """The perturbed leader."""
        del n
        noise = jr.normal(key, state.counts.shape)
        span = rules.horizon * (jnp.asarray(rules.reward_high) - jnp.asarray(rules.reward_low))
        index = _mean_return(rules, state, 1.0) + self.perturbation * span * noise / jnp.sqrt(state.counts + 1.0)
        return state.candidates[jnp.argmax(index)]

    def observe(
        self, rules: MarkovRules, state: Followed, episode: MarkovEpisode, n: Any, key: Key
    ) -> tuple[Followed, Metrics]:
        """One return more of the candidate that was announced."""
        del n, key
        apart = jnp.abs(state.candidates - episode.commitment)
        chosen = jnp.argmin(jnp.sum(apart.reshape(apart.shape[0], -1), axis=-1))
        state = Followed(
            state.candidates,
            jnp.asarray(state.counts).at[chosen].add(1.0),
            jnp.asarray(state.returns).at[chosen].add(episode.leader_reward),
        )
        promised = jnp.max(_mean_return(rules, state, 0.0))
        return state, {"promised_value": promised, "tried": jnp.sum(state.counts > 0.0) + 0.0}

    def recommend(self, rules: MarkovRules, state: Followed) -> Float[AnyArray, "h s *b a"]:
        """The candidate of the highest mean among those that were tried."""
        return state.candidates[jnp.argmax(_mean_return(rules, state, 0.0))]

    def belief(self, rules: MarkovRules, state: Followed) -> Belief | None:
        """None: it has no model of the follower."""
        del rules, state
        return None


def _mean_return(rules: MarkovRules, state: Followed, optimism: float) -> Float[AnyArray, "k"]:
    """The mean return of each candidate; of one that was never tried the highest there can be (or the lowest)."""
    low, high = (rules.horizon * jnp.asarray(bound) for bound in (rules.reward_low, rules.reward_high))
    unseen = optimism * high + (1.0 - optimism) * low
    return jnp.where(state.counts > 0.0, state.returns / jnp.maximum(state.counts, 1.0), unseen)
