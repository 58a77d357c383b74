"""What a log of states that can be counted suggests to simpler methods: planning in the counted model, with and
without pessimism."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._types import AnyArray
from ..calculus.precision import exact
from ..calculus.simplex import logarithm
from ..calculus.stationary import optimal_values
from ..games.dataset import Dataset
from ..games.decision_process import DecisionProcess, first_best
from ..rl.batch_policy import SoftmaxTable
from .cloning import EXAMPLE
from .reward_scale import RewardScale


@exact
def counted_plan(data: Any, *, discount: Any, reward_range: Any, penalty: Any = 0.0) -> SoftmaxTable:
    """The best policy of the counted model, in which a state and action that was never met gives nothing for ever.

    - `reward_range`: least and most that a step can pay; nothing is the least.
    - `penalty`: b ≥ 0; each step in a state and action that was met n times costs b / √n of the range of values
      (pessimistic value iteration, with a bonus as of Jin, Yang and Wang, 2021). 0 for none: plain value iteration.

    Where noise is small and nothing was met by chance alone, the plain one is hard to beat.
    """
    log = boundary.instance("data", data, Dataset, EXAMPLE)
    if not (log.num_states and log.num_actions):
        raise InputError(
            boundary.TYPE,
            "data",
            found="its states or actions cannot be counted",
            allowed="numbers of states and actions are needed",
            remedy="Use learn_policy, or number them.",
        )
    low, high = reward_range
    scale = RewardScale(low, high, discount)
    cost = boundary.real_number("penalty", penalty, low=0.0)
    counts, paid, law = _counted(log, scale)
    # One state more, in which nothing is earned for ever.
    size, actions = counts.shape
    onwards = np.zeros((size + 1, actions, size + 1))
    onwards[:size, :, :size] = law
    onwards[..., size] = 1.0 - onwards[..., :size].sum(axis=-1)
    earned = np.zeros((size + 1, actions))
    wide = 1.0 / (1.0 - scale.discount)
    earned[:size] = np.where(counts > 0, paid - cost * wide / np.sqrt(np.maximum(counts, 1.0)), 0.0)
    best = first_best(jnp.asarray(earned), jnp.asarray(onwards), scale.discount)[:size]
    return SoftmaxTable(logarithm(jnp.asarray(best) + 1e-12))


def _counted(
    log: Dataset, scale: RewardScale
) -> tuple[Float[np.ndarray, "s a"], Float[np.ndarray, "s a"], Float[np.ndarray, "s a s"]]:
    """How often each pair was met, what it paid in parts of the range, and where it led (short of 1 by its ends)."""
    counts = np.zeros((log.num_states, log.num_actions))
    paid, law = np.zeros_like(counts), np.zeros((*counts.shape, log.num_states))
    np.add.at(counts, (log.state, log.chosen), 1.0)
    np.add.at(paid, (log.state, log.chosen), scale.earned(log))
    goes_on = ~log.terminal
    np.add.at(law, (log.state[goes_on], log.chosen[goes_on], log.next_state[goes_on]), 1.0)
    met = np.maximum(counts, 1.0)
    return counts, paid / met, law / met[..., None]


@exact
def covered_value(process: DecisionProcess, counts: Float[AnyArray, "s a"]) -> float:
    """The most that a policy can be known to earn which only takes actions that a log has met (`counts` above 0).

    What a method can be held to. A state in which the log has met no action pays the least that there is for ever: what
    could be earned there no log tells. Discounted, from the start.
    """
    allowed = jnp.asarray(counts) > 0
    met, over = jnp.any(allowed, axis=-1), jnp.asarray(process.is_terminal)
    low = jnp.min(jnp.asarray(process.reward))
    paid = jnp.where(met[:, None], process.expected_reward(), low)
    law = jnp.where((met | over)[:, None, None], process.transition, jnp.eye(process.shape[0])[:, None])
    free = jnp.where(met[:, None], allowed, True)
    _, value = optimal_values(jnp.where(over[:, None], 0.0, paid), law, process.discount, free)
    return float(jnp.asarray(process.initial) @ value)
