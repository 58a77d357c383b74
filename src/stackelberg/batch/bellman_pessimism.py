"""Bellman-consistent pessimism (Xie, Cheng, Jiang, Mineiro and Agarwal, 2021) for linear critics, discrete actions.

How inconsistent a critic q = φ·ω is with a log under π is its squared Bellman error minus the least that any critic of
the class attains against the same targets, which takes out the noise of next states:

    E(ω) = (1/n) Σ (q - r - γ q(s', π))² - min over f of (1/n) Σ (f - r - γ q(s', π))²,    f of the same features.

The least-squares f is a projection, and with u = Φᵀ (r + γ q(s', π) - q) / n and Σ = Φᵀ Φ / n,

    E(ω) = uᵀ Σ⁻¹ u,

the kernel Bellman loss of the class itself as its tests, whitened. So everything that `consistent` knows of the one
answers for the other: `whitened` is all that differs. The class has to be complete (T q in it for every q of it) for a
consistent critic to be one, which test features of a kernel do not ask for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._learner import Metrics, Precision
from .._runs import Metric
from .._types import AnyArray, Key
from ..calculus.precision import exact
from ..calculus.simplex import log_quantal_choice
from ..games.dataset import Dataset
from ..rl.batch_policy import AbstractDiscretePolicy, SoftmaxTable
from ..rl.learner import AbstractCompiledLearner
from .cloning import EXAMPLE
from .consistency import consistent
from .features import AbstractFeatures, TableFeatures
from .moments import Moments, at_first, moments_of
from .reward_scale import RewardScale
from .stackelberg_learner import bounds_of, numbered


LEAST_SHARE = 1e-10
"""Of the largest eigenvalue of Σ: directions below it were never met, and no residual is measured along them."""


class SoftCritic(AbstractDiscretePolicy):
    """A softmax of a linear critic, on top of a policy to start from: all that mirror ascent ever leaves behind.

    - `base`: where it started.  `features`, `omega`: of the critics' sum, times the learning rate.
    """

    base: AbstractDiscretePolicy
    features: AbstractFeatures
    omega: Float[AnyArray, "w"]
    num_actions: int = eqx.field(static=True)

    def log_choice(self, observation: Float[AnyArray, "n d"]) -> Float[AnyArray, "n a"]:
        """Of the base's logits plus the critic."""
        rows = jnp.asarray(observation)
        taken = lambda action: self.features.taken(rows, jnp.full((rows.shape[0], 1), action)) @ jnp.asarray(self.omega)
        each = jax.vmap(taken, out_axes=-1)(jnp.arange(self.num_actions, dtype=jnp.result_type(float)))
        return log_quantal_choice(self.base.log_choice(rows) + each, 1.0)


class Mirrored(NamedTuple):
    """The sum of critics so far, times the learning rate, and where the weights of the last one stood."""

    omega: Float[AnyArray, "w"]
    bound: Float[AnyArray, "w"]


class PessimisticSoftIteration(AbstractCompiledLearner):
    """Soft policy iteration on critics that are pessimistic and Bellman-consistent (PSPI, its regularised form).

    In every step the critic q makes (1 - γ) q(start, π) + λ E(q) small, in closed form, and the policy becomes
    proportional to π exp(η (1 - γ) q).

    - `moments`: see `bellman_moments`; others do as well, and make it the same ascent on the kernel's loss.
    - `policy`: where it starts, discrete; the paper starts from the uniform one.
    - `weight`: λ; rewards are parts of their range.  `learning_rate`: η > 0, values counted as parts of their range;
      √(2 log|A| / T) for T steps is the paper's, far slower.

    The paper gives back all policies at random; this is the last one, which is the better one where it settles.
    """

    moments: Moments
    start: AbstractDiscretePolicy
    weight: float
    learning_rate: float

    def __init__(self, moments: Any, policy: Any, weight: Any = 1e2, *, learning_rate: Any = 10.0) -> None:
        self.moments = boundary.instance("moments", moments, Moments, "sg.bellman_moments(data, features, scale)")
        self.start = boundary.instance("policy", policy, AbstractDiscretePolicy, "sg.cloned(data)")
        self.weight = boundary.real_number("weight", weight, low=0.0, low_open=True)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)

    @property
    def precision(self) -> Precision:
        """The system of the critic is ill-conditioned."""
        return "float64"

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """What is recorded; in parts of the reward's range, for each step."""
        return {
            "pessimistic": Metric("value that the critic gives", "range of reward", "leader", "higher"),
            "plug_in": Metric("value of the most consistent critic", "range of reward", "leader"),
            "inconsistency": Metric("squared Bellman error above its least", "", "follower", "lower"),
        }

    def init(self, key: Key) -> Mirrored:
        """No critic yet."""
        del key
        first = at_first(self.moments)
        return Mirrored(jnp.zeros_like(first), numbered(first))

    def sample(self, state: Any, n: Any, key: Key) -> tuple[()]:
        """All rows are used in every step."""
        return ()

    def update(self, state: Mirrored, batch: Any, n: Any, key: Key) -> tuple[Mirrored, Metrics]:
        """The critic answers, the policy leans towards what it values."""
        held = bounds_of(state.bound, self.moments)
        found = consistent(self.moments, self.policy(state), "penalty", self.weight, held)
        rate = self.learning_rate * (1.0 - self.moments.scale.discount)
        return Mirrored(state.omega + rate * found.critic("penalty", self.weight), numbered(found.held)), {
            "pessimistic": found.value("penalty", self.weight),
            "plug_in": found.plug_in,
            "inconsistency": found.loss("penalty", self.weight),
        }

    def commitment(self, state: Mirrored) -> AnyArray:
        """The probabilities `(s, a)` of a table; elsewhere the weights of the policy's logits."""
        critic = self.moments.critic
        if not isinstance(critic, TableFeatures):
            return state.omega
        return self.policy(state).choice(jnp.arange(critic.num_states, dtype=jnp.result_type(float))[:, None])

    def policy(self, state: Mirrored) -> SoftCritic:
        """The policy that is played."""
        critic = self.moments.critic
        return SoftCritic(self.start, critic, state.omega, critic.num_actions)  # type: ignore[attr-defined]


@exact
def bellman_moments(
    data: Any, features: Any, scale: Any, *, ridge: Any = 1e-8, start: Any = None, is_bounded: Any = None
) -> Moments:
    """The averages of a log with which `consistent` measures the squared Bellman error above its least.

    - `features`: of the critic, for discrete actions.  `scale`: of rewards.
    - `ridge`, `start`, `is_bounded`: see `moments_of`; a ridge is taken of Σ⁻¹-weighted averages.
    """
    log = boundary.instance("data", data, Dataset, EXAMPLE)
    critic = boundary.instance("features", features, AbstractFeatures, "sg.features_for(data, key=key)")
    chosen = boundary.instance("scale", scale, RewardScale, "sg.RewardScale(0.0, 1.0, discount=0.95)")
    if not log.num_actions:
        raise InputError(
            boundary.TYPE,
            "data",
            found="its actions are continuous",
            allowed="discrete actions are needed",
            remedy="Use StackelbergLearner.",
        )
    blank = SoftmaxTable(jnp.zeros((1, log.num_actions)))
    settings = {"ridge": ridge, "start": start, "is_bounded": is_bounded}
    return whitened(moments_of(log, critic, critic, chosen, policy=blank, key=jax.random.key(0), **settings))


@exact
def whitened(moments: Moments) -> Moments:
    """Averages whose tests are the critic's own features, weighted by Σ^(-1/2) along all that the log has met."""
    gram, size = np.asarray(moments.here), moments.critic.size
    if gram.shape != (size, size) or not np.allclose(gram, gram.T, atol=1e-9 * np.abs(gram).max()):
        raise InputError(
            boundary.SHAPE,
            "moments",
            found=f"their products of tests and features, {gram.shape}, are not symmetric",
            allowed="tests and critic must be the same features",
            remedy="Use bellman_moments, or moments_of(data, critic, critic, scale, ...).",
        )
    values, vectors = np.linalg.eigh(0.5 * (gram + gram.T))
    is_met = values > LEAST_SHARE * values[-1]
    root = vectors[:, is_met].T / np.sqrt(values[is_met])[:, None]
    here = root @ gram
    # The ridge stays the same part of the mean diagonal entry of Gᵀ G.
    ridge = np.asarray(moments.ridge * np.sum(here**2) / np.sum(gram**2))
    fields = lambda one: (one.paid, one.here, one.reach, one.ridge)
    return eqx.tree_at(fields, moments, (root @ moments.paid, here, root @ np.asarray(moments.reach), ridge))
