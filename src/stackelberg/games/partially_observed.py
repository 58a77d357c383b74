"""Finite processes that are seen in part, memoryless policies, and the model that averages over what is not seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._types import AnyArray
from ..calculus.precision import exact
from .decision_process import MOST_POLICIES, DecisionProcess
from .pure_policies import pure_policies


class PartiallyObserved(eqx.Module):
    """A decision process of which only an observation is seen.

    - `process`: with its hidden states.
    - `observation`: `(s, o)`, the law of what is seen in each state, drawn anew at every visit.
    - `observations`: names, numbered from 1 when left out.

    Policies are memoryless, `(o, a)`; `with_memory` gives them bits to write and read. Raises `InputError` on laws that
    are none.
    """

    process: DecisionProcess
    observation: Float[AnyArray, "*n s o"]
    observations: tuple[str, ...] = eqx.field(static=True)

    def __init__(self, process: Any, observation: Any, observations: Any = None) -> None:
        example = "sg.random_process(6, 2)"
        self.process = boundary.instance("process", process, DecisionProcess, example)
        self.observation = boundary.distribution("observation", observation, axes=(self.process.shape[0], "o"))
        self.observations = boundary.labels("observations", observations, self.observation.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of observations and of actions."""
        return len(self.observations), self.process.shape[1]

    @exact
    def hidden_policy(self, policy: Float[AnyArray, "o a"]) -> Float[AnyArray, "s a"]:
        """What a memoryless policy does in each hidden state, on average."""
        return jnp.asarray(self.observation) @ jnp.asarray(policy)

    @exact
    def value(self, policy: Float[AnyArray, "o a"]) -> Float[AnyArray, ""]:
        """The return of a memoryless policy."""
        return self.process.value(self.hidden_policy(policy))

    @exact
    def observed_model(
        self, policy: Float[AnyArray, "o a"], weights: Float[AnyArray, "s"] | None = None
    ) -> DecisionProcess:
        """The process over observations that somebody sees who meets hidden states as `policy` does.

        Laws and rewards are averaged over the hidden states behind an observation, by how often they are met under the
        discounted occupancy of the policy: with these weights, and with no others, its return in the model is its
        return in the world, exactly (the lemma of the theory page; the process must have no horizon).

        - `weights`: `(s,)`, other weights of hidden states, such as those of a policy that gathered the data.
        """
        policy, seen = jnp.asarray(policy), jnp.asarray(self.observation)
        hidden, law = self.process, jnp.asarray(self.process.transition)
        if weights is None:
            weights = jnp.sum(hidden.visits(self.hidden_policy(policy)), axis=-1)
        share = seen * jnp.asarray(weights)[:, None]
        total = jnp.sum(share, axis=0)
        even = jnp.full_like(share, 1.0 / share.shape[0])
        behind = jnp.where(total > 0.0, share / jnp.where(total > 0.0, total, 1.0), even).T
        over = jnp.asarray(hidden.terminal)
        # An end is one more state, in which nothing is seen.
        onwards = jnp.einsum("os,sat,tn->oan", behind, law * (1.0 - over), seen)
        ends = jnp.einsum("os,sat->oa", behind, law * over)
        size = seen.shape[1]
        whole = jnp.zeros((size + 1, policy.shape[1], size + 1))
        whole = whole.at[:size, :, :size].set(onwards).at[:size, :, size].set(ends).at[size, :, size].set(1.0)
        paid = jnp.einsum("os,sa->oa", behind, hidden.expected_reward())
        reward = jnp.zeros_like(whole).at[:size].set(jnp.broadcast_to(paid[:, :, None], (size, *whole.shape[1:])))
        begun = jnp.asarray(hidden.initial)
        first = jnp.append((begun * (1.0 - over)) @ seen, begun @ over)
        return DecisionProcess(
            whole,
            reward,
            first,
            jnp.zeros(size + 1).at[size].set(1.0),
            discount=hidden.discount,
            states=[*self.observations, "the end"],
            actions=hidden.actions,
        )

    @exact
    def promised(
        self, policy: Float[AnyArray, "o a"], weights: Float[AnyArray, "s"] | None = None
    ) -> Float[AnyArray, ""]:
        """The return of a memoryless policy in the model that is seen under `weights`, its own when left out."""
        model = self.observed_model(policy, weights)
        return model.value(jnp.concatenate([jnp.asarray(policy), jnp.asarray(policy)[:1]]))

    def deterministic_policies(self) -> Float[np.ndarray, "n o a"]:
        """All memoryless policies without chance."""
        remedy = "Take fewer observations or actions, or fewer bits of memory."
        return pure_policies("observation", *self.shape, rows="observations", most=MOST_POLICIES, remedy=remedy)

    def with_memory(self, num_bits: Any = 1) -> PartiallyObserved:
        """The same with a memory that the policy sees beside the observation, and writes anew with every action.

        Actions become pairs of an action and what is written; the memory begins at 0.
        """
        size = 2 ** boundary.whole_number("num_bits", num_bits, low=1, high=4)
        hidden, eye = self.process, np.eye(size)
        num_states, num_actions = hidden.shape
        merged = (num_states * size, num_actions * size, num_states * size)
        written = np.broadcast_to(eye[None, None], (size, 1, size, size))[:, 0]
        law = np.einsum("sat,mwn->smawtn", hidden.transition, written).reshape(merged)
        reward = np.einsum("sat,mwn->smawtn", hidden.reward, np.ones((size, size, size))).reshape(merged)
        initial = np.einsum("s,m->sm", hidden.initial, eye[0]).ravel()
        process = replace(
            hidden,
            transition=law,
            reward=reward,
            initial=initial,
            terminal=np.repeat(np.asarray(hidden.terminal), size),
            states=[f"{state}, {memory}" for state in hidden.states for memory in range(size)],
            actions=[f"{action}, write {memory}" for action in hidden.actions for memory in range(size)],
        )
        seen = np.einsum("so,mn->smon", self.observation, eye).reshape(num_states * size, -1)
        names = [f"{one}, {memory}" for one in self.observations for memory in range(size)]
        return PartiallyObserved(process, seen, names)


def aliased_fork() -> PartiallyObserved:
    """A choice of two ways whose ends look alike: left pays 0.1 at once, right pays 0; then one more choice.

    After left the first action pays 1, after right the second pays 2. Who does not see which way it went must know what
    it did: the best memoryless policy earns 2, and one model of both ways leads to 1.1.
    """
    law, paid = np.zeros((4, 2, 4)), np.zeros((4, 2, 4))
    law[0, 0, 1] = law[0, 1, 2] = 1.0
    law[1:, :, 3] = 1.0
    paid[0, 0, 1] = 0.1
    paid[1, 0, 3], paid[2, 1, 3] = 1.0, 2.0
    process = DecisionProcess(
        law, paid, [1, 0, 0, 0], [0, 0, 0, 1], discount=1.0, horizon=2, states=["start", "left", "right", "end"],
        actions=["a", "b"], title="Aliased fork",
    )  # fmt: skip
    seen = np.array([[1.0, 0, 0], [0, 1.0, 0], [0, 1.0, 0], [0, 0, 1.0]])
    return PartiallyObserved(process, seen, ["start", "either way", "end"])


def corridor(length: Any = 3) -> PartiallyObserved:
    """A sign at the start says where the prize is, at the end of a corridor whose cells look alike: memory is worth 1.

    The first action walks on, or turns left at the end; the second walks on, or turns right. The right turn pays 1.
    """
    size = boundary.whole_number("length", length, low=1)
    num_states = 2 * (size + 1) + 1
    law, paid = np.zeros((num_states, 2, num_states)), np.zeros((num_states, 2, num_states))
    seen = np.zeros((num_states, 5))
    for side in (0, 1):
        for cell in range(size + 1):
            at = side * (size + 1) + cell
            seen[at, side if cell == 0 else 3 if cell == size else 2] = 1.0
            law[at, :, num_states - 1 if cell == size else at + 1] = 1.0
        paid[side * (size + 1) + size, side, num_states - 1] = 1.0
    law[-1, :, -1], seen[-1, 4] = 1.0, 1.0
    initial = np.zeros(num_states)
    initial[[0, size + 1]] = 0.5
    process = DecisionProcess(
        law, paid, initial, np.eye(num_states)[-1], horizon=size + 1, actions=["left", "right"], title="Corridor"
    )
    return PartiallyObserved(process, seen, ["sign left", "sign right", "corridor", "turn", "end"])
