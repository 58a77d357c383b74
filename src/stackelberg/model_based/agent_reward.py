"""A model that is also paid what its policy is promised, and what comes of it: `promised_reward`."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy import optimize

from .. import _boundary as boundary
from .._errors import InputError
from .._types import AnyArray
from ..calculus.precision import exact
from ..games.model_game import EXAMPLE, ModelAsLeader
from ..games.model_loss import visited
from ..solvers.world_model.zero_loss import hiding, rounding


MOST_COMPLETIONS = 1_000


@dataclass(frozen=True, eq=False)
class PromisedReward:
    """The best a model can do for weight × loss - (1 - weight) × promised return, for each policy that may answer it.

    All arrays start with the axis of the deterministic policies; entry `chosen` is the leader's optimum.

    - `models`: `(n, s, a, s)`.  `policies`: `(n, s, a)`.  `objective`: `(n,)`, which is minimised.
    - `loss`: `(n,)`.  `promised`: `(n,)`, the return in the model.  `values`: `(n,)`, the return in the world.
    - `is_answer`: `(n,)`, whether the policy plans optimally in that model, completed at its worst.
    """

    models: Float[np.ndarray, "n s a s"]
    policies: Float[np.ndarray, "n s a"]
    objective: Float[np.ndarray, "n"]
    loss: Float[np.ndarray, "n"]
    promised: Float[np.ndarray, "n"]
    values: Float[np.ndarray, "n"]
    is_answer: np.ndarray
    chosen: int

    def __repr__(self) -> str:
        at = self.chosen
        return (
            f"the model promises {self.promised[at]:.6g}, the world pays {self.values[at]:.6g}; "
            f"loss {self.loss[at]:.3g} nats a step"
        )


def promised_reward(game: Any, weight: Any, reward_scale: Any = 1.0, num_starts: Any = 8) -> PromisedReward:
    """The optimum of a model player that is paid minus weight × loss plus (1 - weight) × its policy's return *in it*.

    - `game`: `ModelAsLeader`; loss and returns are counted as its process counts.
    - `weight`: of the loss, in [0, 1].  `reward_scale`: what a return is divided by (50 for one per step).

    For each deterministic policy the rows that it meets in the world are fitted by sequential quadratic programming
    from `num_starts` starts, and its other rows, which cost nothing, by going through all next states: what pays is
    linear in the chance of leading to each of them, at any one visit. The objective of the printed study; the released
    code pays the return in the *world*, under which the truth is optimal at every weight below 1. Raises `InputError`
    where the free rows have more than 1,000 completions.
    """
    game = boundary.instance("game", game, ModelAsLeader, f"sg.ModelAsLeader({EXAMPLE})")
    share = boundary.real_number("weight", weight, low=0.0, high=1.0)
    scale = boundary.real_number("reward_scale", reward_scale, low=0.0, low_open=True)
    starts = boundary.whole_number("num_starts", num_starts, low=1)
    found = [_of_class(game, policy, share, scale, starts) for policy in game.process.deterministic_policies()]
    objective, models = np.array([one[0] for one in found]), np.stack([one[1] for one in found])
    policies = game.process.deterministic_policies()
    loss, promised, values, slack = (np.asarray(part) for part in _measured(game, policies, models))
    is_answer = slack >= -rounding(game.planning)
    chosen = int(np.argmin(np.where(is_answer, objective, np.inf)))
    return PromisedReward(models, policies, objective, loss, promised, values, is_answer, chosen)


@exact
def _of_class(game: ModelAsLeader, policy: Any, share: float, scale: float, num_starts: int) -> tuple[float, Any]:
    """The least objective over models whose answer is `policy`, and that model."""
    process, law = game.process, np.asarray(game.process.transition)
    num_states = process.shape[0]
    met = np.asarray(visited(process, jnp.asarray(policy)))
    free = np.argwhere((np.asarray(policy) > 0) & ~met & ~np.asarray(process.is_terminal)[:, None])
    if num_states ** len(free) > MOST_COMPLETIONS:
        raise InputError(
            boundary.RANGE,
            "game",
            found=f"{len(free)} rows that a policy would use are never met, with {num_states} next states each",
            allowed=f"at most {MOST_COMPLETIONS:,} ways to complete them are gone through",
            remedy="Take a smaller process.",
        )
    rows = np.argwhere(met)

    truth = law[rows[:, 0], rows[:, 1]]
    generator = np.random.Generator(np.random.Philox(0))
    tried = [0.98 * truth + 0.02 / num_states, *generator.dirichlet(np.ones(num_states), (num_starts - 1, len(rows)))]
    sums = {"type": "eq", "fun": lambda x: x.reshape(-1, num_states).sum(axis=1) - 1.0}
    sums["jac"] = lambda x: np.kron(np.eye(len(rows)), np.ones(num_states))
    best: tuple[float, Any] = (np.inf, law)
    for ends in itertools.product(range(num_states), repeat=len(free)):
        base = law.copy()
        for (s, a), end in zip(free, ends, strict=True):
            base[s, a] = np.eye(num_states)[end]
        fixed = (
            game,
            jnp.asarray(policy),
            jnp.asarray(rows),
            jnp.asarray(base),
            jnp.asarray(share),
            jnp.asarray(scale),
        )
        plain = lambda x, fixed=fixed: tuple(np.asarray(part) for part in _sloped(jnp.asarray(x), *fixed))
        for start in tried:
            made = optimize.minimize(
                plain,
                np.ravel(start),
                jac=True,
                method="SLSQP",
                bounds=[(1e-12, 1.0)] * truth.size,
                constraints=[sums],
                options={"ftol": 1e-14, "maxiter": 500},
            )
            # A search that gave up may end off the simplex, and its value there is no model's.
            fitted = np.maximum(made.x.reshape(-1, num_states), 1e-12)
            fitted = fitted / fitted.sum(axis=1, keepdims=True)
            value = float(plain(np.ravel(fitted))[0])
            if value < best[0]:
                model = base.copy()
                model[rows[:, 0], rows[:, 1]] = fitted
                best = (value, model)
    return best


@eqx.filter_jit
def _sloped(
    fitted: AnyArray, game: ModelAsLeader, policy: AnyArray, rows: AnyArray, base: AnyArray, share: Any, scale: Any
) -> tuple[AnyArray, AnyArray]:
    """The objective and its derivative in the fitted rows, the others standing in `base`."""
    process = game.process

    def objective(x):
        model = jnp.asarray(base).at[rows[:, 0], rows[:, 1]].set(x.reshape(-1, base.shape[0]))
        return share * game.loss.value(process, policy, model) - (1.0 - share) * process.value(policy, model) / scale

    return jax.value_and_grad(objective)(fitted)


@exact
def _measured(game: ModelAsLeader, policies: Any, models: Any) -> tuple[Any, ...]:
    return _of_each(game, jnp.asarray(policies), jnp.asarray(models))


@eqx.filter_jit
def _of_each(game: ModelAsLeader, policies: AnyArray, models: AnyArray) -> tuple[Any, ...]:
    process, planning = game.process, game.planning

    def one(each):
        policy, model = each
        slack, told = hiding(planning, policy, model)
        loss = game.loss.value(process, policy, model)
        return loss, process.value(policy, told), process.value(policy), slack

    return jax.lax.map(one, (policies, models))
