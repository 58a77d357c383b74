"""The policy leads, a critic that the log does not contradict answers: `StackelbergLearner`, with exact answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Float

from .. import _boundary as boundary
from .._learner import Metrics, Precision
from .._runs import Metric
from .._types import AnyArray, Key
from ..rl.adam import at_rest, moved
from ..rl.batch_policy import AbstractBatchPolicy, SoftmaxTable
from ..rl.learner import AbstractCompiledLearner
from .consistency import FORMS, Consistent, Form, consistent
from .moments import Moments, at_first


Leader: TypeAlias = Literal["total", "lagrangian", "individual"]

LEADERS: tuple[Leader, ...] = ("total", "lagrangian", "individual")


class Leading(NamedTuple):
    """A policy, the memory of the optimiser that moves it, and where the weights of the last critic stood.

    `bound`: 0 for free weights, 1 for those at the floor, 2 for those at the top.
    """

    policy: AbstractBatchPolicy
    memory: Any
    bound: Any = ()


class StackelbergLearner(AbstractCompiledLearner):
    """Zhou and Qu (2023) with a linear critic, whose answer is one linear system and is differentiated exactly.

    - `moments`: of the log, see `moments_of`.  `policy`: where it starts; cloned behaviour is best: a uniform policy
      goes where the log is not, and hardly feels the answer there.
    - `form`: what the leader is paid. "penalty": the value of the critic that trades a low value against consistency by
      `weight` λ (general-sum, the paper's). "lagrangian": value plus λ times inconsistency (zero-sum); where critics
      can be consistent it is the penalty of λ / 2. "constraint": the least value over critics within the radius
      `weight` ε. "ball": the least of the value plus C = `weight` times the root of inconsistency, which is what test
      functions of a norm up to C see of it.
    - `weight`: λ, ε or C; rewards are parts of their range (`moments.scale`), and so are both.
    - `leader`: what it moves by. "total": the derivative of what it is paid, through the critic's answer. "lagrangian":
      that of the zero-sum game, whose answer may be held still. "individual": the answer held still; it feels the
      critic in first states alone.
    - `learning_rate`: of Adam.

    The paper's text could not be read, only its abstract; the objective, the formulas and their tests are derived from
    it and from Feng, Ren, Tang and Liu (2020).
    """

    moments: Moments
    policy: AbstractBatchPolicy
    form: Form = eqx.field(static=True)
    leader: Leader = eqx.field(static=True)
    weight: float
    learning_rate: float

    def __init__(
        self,
        moments: Any,
        policy: Any,
        form: Any = "penalty",
        weight: Any = 1e3,
        *,
        leader: Any = "total",
        learning_rate: Any = 0.1,
    ) -> None:
        self.moments = boundary.instance("moments", moments, Moments, "sg.moments_of(data, critic, tests, scale, ...)")
        self.policy = boundary.instance("policy", policy, AbstractBatchPolicy, "sg.cloned(data)")
        self.form = boundary.one_of("form", form, FORMS)  # type: ignore[assignment]
        self.leader = boundary.one_of("leader", leader, LEADERS)  # type: ignore[assignment]
        self.weight = boundary.real_number("weight", weight, low=0.0, low_open=True)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)

    @property
    def precision(self) -> Precision:
        """The system of the critic is ill-conditioned."""
        return "float64"

    @property
    def meanings(self) -> Mapping[str, Metric]:
        """What is recorded; all in parts of the reward's range, for each step."""
        return {
            "pessimistic": Metric("value that the critic's answer gives", "range of reward", "leader", "higher"),
            "plug_in": Metric("value of the most consistent critic", "range of reward", "leader"),
            "inconsistency": Metric("kernel Bellman loss of the answer", "", "follower", "lower"),
            "slope": Metric("length of the leader's derivative", "", "leader", "lower"),
        }

    def init(self, key: Key) -> Leading:
        """The policy to start from."""
        del key
        policy = jax.tree.map(jnp.asarray, self.policy)
        return Leading(policy, at_rest(policy), numbered(at_first(self.moments)))

    def sample(self, state: Any, n: Any, key: Key) -> tuple[()]:
        """All rows are used in every step."""
        return ()

    def update(self, state: Leading, batch: Any, n: Any, key: Key) -> tuple[Leading, Metrics]:
        """The critic answers, then the policy moves a step up what it is paid."""
        (_, found), slope = eqx.filter_value_and_grad(self.paid, has_aux=True)(
            state.policy, bounds_of(state.bound, self.moments)
        )
        policy, memory = moved(state.policy, state.memory, jax.tree.map(jnp.negative, slope), self.learning_rate)
        return Leading(policy, memory, numbered(found.held)), {
            "pessimistic": found.value(self.form, self.weight),
            "plug_in": found.plug_in,
            "inconsistency": found.loss(self.form, self.weight),
            "slope": jnp.linalg.norm(ravel_pytree(eqx.filter(slope, eqx.is_inexact_array))[0]),
        }

    def commitment(self, state: Leading) -> AnyArray:
        """The probabilities `(s, a)` of a table; the weights of a network in one row."""
        return as_commitment(state.policy)

    def paid(
        self, policy: AbstractBatchPolicy, held: Float[AnyArray, "w"] | None = None
    ) -> tuple[Float[AnyArray, ""], Consistent]:
        """What the leader climbs: its derivative is what the policy moves by."""
        found = consistent(self.moments, policy, self.form, self.weight, held)
        if self.leader == "lagrangian":
            return found.value("lagrangian", found.multiplier(self.form, self.weight)), found
        if self.leader == "total":
            return found.value(self.form, self.weight), found
        still = jax.lax.stop_gradient(found.critic(self.form, self.weight))
        return self.moments.first(policy) @ still, found


def bounds_of(bound: Float[AnyArray, "w"], moments: Moments) -> Float[AnyArray, "w"]:
    """The bounds that hold weights, NaN for free ones, from their numbers."""
    return jnp.where(bound == 0.0, jnp.nan, (bound - 1.0) / (1.0 - moments.scale.discount))


def numbered(held: Float[AnyArray, "w"]) -> Float[AnyArray, "w"]:
    """0 for free weights, 1 for those at the floor, 2 for those at the top."""
    return jnp.where(jnp.isnan(held), 0.0, jnp.where(held > 0.0, 2.0, 1.0))


def as_commitment(policy: AbstractBatchPolicy) -> AnyArray:
    """A policy as one array: the probabilities `(s, a)` of a table, or the weights of a network in one row."""
    if isinstance(policy, SoftmaxTable):
        return policy.choice(jnp.arange(policy.logits.shape[0], dtype=jnp.result_type(float))[:, None])
    return ravel_pytree(eqx.filter(policy, eqx.is_inexact_array))[0]
