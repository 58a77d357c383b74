"""Finite decision processes of one decision maker, with rewards that are known: what a world model is a model of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from .. import _boundary as boundary
from .._errors import InputError
from .._types import AnyArray
from ..calculus import backward_induction as stages, stationary
from ..calculus.precision import exact
from .pure_policies import pure_policies


MOST_POLICIES = 100_000


class DecisionProcess(eqx.Module):
    """A Markov decision process whose rewards depend on state, action and next state.

    - `transition`, `reward`: `(s, a, s)`, the law of the next state and what that step pays.
    - `initial`: `(s,)`, the law of the first state.
    - `terminal`: `(s,)`, 1 where the episode ends on arrival, 0 elsewhere (everywhere when left out); terminal states
      are made to keep still and to pay nothing.
    - `horizon`: after how many steps an episode ends in any case; left out, it has no end and `discount` is below 1.
    - `discount`: in [0, 1], of later rewards.
    - `states`, `actions`: names, numbered from 1 when left out; `title`: one line.

    Policies are stationary, `(s, a)`. A world model is a law `(s, a, s)` in the place of `transition`; rewards, ends
    and terminal states are known to everybody. Raises `InputError` on entries that are not finite, shapes that
    disagree, and laws that are not distributions.
    """

    transition: Float[AnyArray, "*n s a s"]
    reward: Float[AnyArray, "*n s a s"]
    initial: Float[AnyArray, "*n s"]
    terminal: Float[AnyArray, "*n s"]
    horizon: int | None = eqx.field(static=True)
    discount: float
    states: tuple[str, ...] = eqx.field(static=True)
    actions: tuple[str, ...] = eqx.field(static=True)
    title: str = eqx.field(static=True)

    def __init__(
        self,
        transition: Any,
        reward: Any,
        initial: Any,
        terminal: Any = None,
        *,
        horizon: Any = None,
        discount: Any = 1.0,
        states: Any = None,
        actions: Any = None,
        title: Any = "",
    ) -> None:
        self.initial = boundary.distribution("initial", initial, axes=("s",))
        num_states = self.initial.shape[0]
        law = boundary.distribution("transition", transition, axes=(num_states, "a", num_states))
        num_actions = law.shape[1]
        paid = boundary.real_array("reward", reward, axes=(num_states, num_actions, num_states))
        self.terminal = _marks(np.zeros(num_states) if terminal is None else terminal, num_states)
        where = jnp.where if any(map(boundary.is_traced, (self.terminal, law, paid))) else np.where
        is_over = self.terminal[:, None, None] > 0.0
        self.transition = where(is_over, np.eye(num_states)[:, None, :], law)
        self.reward = where(is_over, 0.0, paid)
        self.horizon = None if horizon is None else boundary.whole_number("horizon", horizon, low=1)
        self.discount = boundary.real_number("discount", discount, low=0.0, high=1.0)
        if self.horizon is None and not boundary.is_traced(discount) and self.discount == 1.0:
            raise InputError(
                boundary.INCONSISTENT,
                "discount",
                found="the discount is 1 and there is no horizon",
                allowed="without a horizon the discount must be below 1",
                remedy="Give a horizon, or a discount below 1.",
            )
        self.states = boundary.labels("states", states, num_states)
        self.actions = boundary.labels("actions", actions, num_actions)
        self.title = boundary.text("title", title)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of states and of actions."""
        return len(self.states), len(self.actions)

    @property
    def is_terminal(self) -> Bool[AnyArray, "*n s"]:
        """Where an episode ends on arrival."""
        return self.terminal > 0.0

    def counted(self, *, horizon: Any = None, discount: Any = 1.0) -> DecisionProcess:
        """The same process, its rewards summed up to another horizon and with another discount."""
        return replace(self, horizon=horizon, discount=discount)

    @property
    def total_weight(self) -> Any:
        """Σ discount^t over the steps of an episode that does not end early."""
        if self.horizon is None:
            return 1.0 / (1.0 - jnp.asarray(self.discount))
        return jnp.sum(jnp.asarray(self.discount) ** jnp.arange(self.horizon))

    def check_ends(self, field: str) -> int:
        """The horizon; `InputError` about `field` where there is none and episodes must end."""
        if self.horizon is None:
            raise InputError(
                boundary.INCONSISTENT,
                field,
                found="the process has no horizon",
                allowed="episodes must end to be played or averaged over",
                remedy="Take a process with a horizon: process.counted(horizon=50).",
            )
        return self.horizon

    def check_policy(self, policy: Any) -> Float[AnyArray, "s a"]:
        """`policy` as a checked array `(s, a)`."""
        return boundary.distribution("policy", policy, axes=self.shape)

    def check_model(self, model: Any) -> Float[AnyArray, "s a s"]:
        """A world model as a checked array `(s, a, s)`, with terminal states that keep still."""
        law = boundary.distribution("model", model, axes=(*self.shape, self.shape[0]))
        return self.closed(law)

    @exact
    def closed(self, model: Float[AnyArray, "*n s a s"]) -> Float[AnyArray, "*n s a s"]:
        """`model` with terminal states that keep still."""
        own = jnp.eye(self.shape[0], dtype=jnp.result_type(model))[:, None, :]
        return jnp.where(jnp.asarray(self.is_terminal)[:, None, None], own, model)

    @exact
    def expected_reward(self, model: Float[AnyArray, "s a s"] | None = None) -> Float[AnyArray, "s a"]:
        """What each action pays on average, in the world or in a model of it."""
        law = self.transition if model is None else model
        return jnp.sum(jnp.asarray(law) * jnp.asarray(self.reward), axis=-1)

    @exact
    def values(
        self, policy: Float[AnyArray, "s a"], model: Float[AnyArray, "s a s"] | None = None
    ) -> Float[AnyArray, "s"]:
        """Expected (discounted) return from each state on, in the world or in a `model` of it."""
        law, paid = jnp.asarray(self.transition if model is None else model), self.expected_reward(model)
        if self.horizon is None:
            return stationary.policy_values(paid, law, policy, self.discount)
        paid, law, policy = self._staged(paid, law, policy)
        return stages.policy_values(paid, law, policy, self.discount)[0]

    @exact
    def value(
        self, policy: Float[AnyArray, "s a"], model: Float[AnyArray, "s a s"] | None = None
    ) -> Float[AnyArray, ""]:
        """Expected (discounted) return of an episode."""
        return jnp.asarray(self.initial) @ self.values(policy, model)

    @exact
    def visits(
        self, policy: Float[AnyArray, "s a"], model: Float[AnyArray, "s a s"] | None = None
    ) -> Float[AnyArray, "s a"]:
        """Expected (discounted) number of times that each state and action is met before the episode ends."""
        law, policy = jnp.asarray(self.transition if model is None else model), jnp.asarray(policy)
        onwards = jnp.einsum("sa,sat->st", policy, law)
        initial, alive = jnp.asarray(self.initial), ~jnp.asarray(self.is_terminal)
        if self.horizon is None:
            met = jnp.linalg.solve((jnp.eye(onwards.shape[0]) - self.discount * onwards).T, initial)
        else:
            met = self._sums(lambda now: now @ onwards, initial)
        return (met * alive)[:, None] * policy

    @exact
    def occupancy(
        self, policy: Float[AnyArray, "s a"], model: Float[AnyArray, "s a s"] | None = None
    ) -> Float[AnyArray, "s a"]:
        """`visits` divided by the total weight of all steps: it sums to 1 less the share of time after the end."""
        return self.visits(policy, model) / self.total_weight

    @exact
    def best_policy(self, model: Float[AnyArray, "s a s"] | None = None) -> Float[AnyArray, "s a"]:
        """An optimal stationary policy of the process without a horizon: policy iteration, the first of tied actions.

        Needs a discount below 1.
        """
        law, paid = jnp.asarray(self.transition if model is None else model), self.expected_reward(model)
        return first_best(paid, law, jnp.asarray(self.discount))

    @exact
    def optimal_value(self, model: Float[AnyArray, "s a s"] | None = None) -> Float[AnyArray, ""]:
        """The most that any policy earns, those that remember the time included."""
        law, paid = jnp.asarray(self.transition if model is None else model), self.expected_reward(model)
        if self.horizon is None:
            allowed = jnp.ones(paid.shape, dtype=bool)
            return jnp.asarray(self.initial) @ stationary.optimal_values(paid, law, self.discount, allowed)[1]
        paid, law = self._staged(paid, law)
        _, values = stages.soft_values(paid, law, jnp.inf, self.discount)
        return jnp.asarray(self.initial) @ values[0]

    def deterministic_policies(self) -> Float[np.ndarray, "n s a"]:
        """All policies without chance, the last live state changing fastest; terminal states play the first action.

        Raises `InputError` where there are more than 100,000.
        """
        live = np.flatnonzero(~np.asarray(self.is_terminal))
        remedy = "Take a smaller process, or a learner in place of the enumeration."
        chosen = pure_policies(
            "process", len(live), self.shape[1], rows="states that go on", most=MOST_POLICIES, remedy=remedy
        )
        policies = np.broadcast_to(np.eye(self.shape[1])[0], (len(chosen), *self.shape)).copy()
        policies[:, live] = chosen
        return policies

    def _staged(self, *each: Any) -> tuple[Any, ...]:
        """The same at every stage."""
        assert self.horizon is not None
        return tuple(jnp.broadcast_to(jnp.asarray(one), (self.horizon, *jnp.shape(one))) for one in each)

    def _sums(self, onwards: Any, initial: AnyArray) -> Float[AnyArray, "s"]:
        """Σ discount^t × the law of the state at step t, up to the horizon."""
        assert self.horizon is not None

        def step(_, carry):
            now, total, weight = carry
            return onwards(now), total + weight * now, weight * self.discount

        start = (initial, jnp.zeros_like(initial), jnp.ones((), jnp.result_type(initial)))
        return jax.lax.fori_loop(0, self.horizon, step, start)[1]


def _marks(terminal: Any, num_states: int) -> Any:
    """Zeros and ones, as floats."""
    if boundary.is_traced(terminal):
        return terminal
    plain = (
        [float(one) if isinstance(one, bool | np.bool_) else one for one in terminal]
        if np.iterable(terminal)
        else terminal
    )
    return boundary.whole_numbers("terminal", plain, axes=(num_states,), low=0, high=1).astype(float)


def first_best(
    paid: Float[AnyArray, "s a"], law: Float[AnyArray, "s a s"], discount: Float[AnyArray, ""] | float
) -> Float[AnyArray, "s a"]:
    """The optimal stationary policy that takes the first of tied actions, ties told up to rounding."""
    _, value = stationary.optimal_values(paid, law, discount, jnp.ones(paid.shape, dtype=bool))
    action_value = paid + discount * (law @ value)
    best = jnp.max(action_value, axis=-1, keepdims=True)
    tied = action_value >= best - 1e-9 * (1.0 + jnp.max(jnp.abs(best)))
    return jax.nn.one_hot(jnp.argmax(tied, axis=-1), paid.shape[-1], dtype=paid.dtype)
