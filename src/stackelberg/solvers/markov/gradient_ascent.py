"""Markov games against a farsighted follower: ascent through its response, from many starts, with an honest bound."""

from __future__ import annotations

import functools
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from ... import _boundary as boundary
from ..._errors import MemoryBudgetError
from ..._record import Solution
from ..._types import AnyArray
from ...calculus.precision import exact
from ...calculus.simplex import quantal_choice
from ...calculus.soft_backward import Dynamics, leader_values
from ...followers.base import AbstractFollower
from ...followers.quantal_response import QuantalResponse
from ...games.markov import MarkovGame
from ..base import AbstractSolver
from ..certified import certified
from .bounds import upper_bound
from .returns import returns
from .stages import ANNOUNCEMENTS, Announcement


MEMORY_LIMIT = 8e9

AGREEMENT = 1e-3
"""Starts that end within this fraction of the range of the leader's returns count as agreeing with the best one."""

CLOSE = 1e-6
"""Gaps within this fraction of that range are closed."""


class GradientAscent(AbstractSolver[MarkovGame]):
    """Ascent by automatic differentiation through the follower's response, from many starts at once.

    A farsighted follower's answer depends on what is announced for later, so that stage-by-stage optimisation is not
    optimal, and the leader's value is not concave in its policy: no start proves anything. Policies are softmax of free
    numbers; Adam (optax) climbs with a step that falls to nothing; the best policy met by any start is kept, also
    rounded to the actions it really uses if that is better.

    - `follower`: any follower whose response can be differentiated (`QuantalResponse`, farsighted or not).
    - `announcement`: "strategy" or "prescription", see `BackwardInduction`.
    - `num_starts`, `num_steps`, `learning_rate`: of the ascent; the first start is the uniform policy.
    - `seed`: of the other starts. Same configuration, same answer.

    The certificate's lower bound is the value of the policy returned. Its upper bound is that of a relaxation
    (`bounds`) and can be far: "bounded" says that the policy is the best of many starts, and no more. Optimality
    is within policies that depend on the state and stage alone. Where the follower cannot look ahead (one stage, or a
    discount of 0) the bound is that of `BackwardInduction`, which is the method to use there.
    """

    follower: AbstractFollower
    announcement: Announcement = eqx.field(static=True)
    num_starts: int
    num_steps: int
    learning_rate: float
    seed: int

    def __init__(
        self,
        follower: AbstractFollower,
        announcement: Announcement = "strategy",
        num_starts: int = 64,
        num_steps: int = 300,
        learning_rate: float = 0.1,
        seed: int = 0,
    ) -> None:
        self.follower = boundary.instance("follower", follower, AbstractFollower, "sg.QuantalResponse(1.0)")
        self.announcement = boundary.one_of("announcement", announcement, ANNOUNCEMENTS)  # type: ignore[assignment]
        self.num_starts = boundary.whole_number("num_starts", num_starts, low=1)
        self.num_steps = boundary.whole_number("num_steps", num_steps, low=1)
        self.learning_rate = boundary.real_number("learning_rate", learning_rate, low=0.0, low_open=True)
        self.seed = boundary.whole_number("seed", seed)

    @exact
    def __call__(self, game: MarkovGame) -> Solution:
        """The best policy that any start reached, with the bound that is proven."""
        started = time.perf_counter()
        self._check_memory(game)
        starts = jnp.asarray(self._starts(game))
        traced, follower = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype=float), (game, self.follower))
        policies, values = _climb(traced, follower, starts, self.num_steps, jnp.asarray(self.learning_rate))
        best = int(jnp.argmax(values))
        commitment = np.asarray(policies[best])
        response = np.asarray(self.follower(game, commitment))
        upper, proof = upper_bound(self.follower, game, self.announcement)
        scale = returns(game)
        agreeing = float(jnp.mean(values >= jnp.max(values) - AGREEMENT * scale.span - scale.rounding))
        return certified(
            game,
            commitment,
            response,
            upper=upper,
            tolerance=CLOSE * scale.span,
            rounding=scale.rounding,
            noise=scale.span * _noise(self.follower, game),
            solver="GradientAscent",
            proof=f"best of {self.num_starts} starts of gradient ascent; upper bound: {proof}",
            notes=(
                f"{agreeing:.0%} of the starts ended within {AGREEMENT:.1%} of the returns' range of the best one.",
            ),
            statistics={
                "seconds": time.perf_counter() - started,
                "agreeing": agreeing,
                "worst_start": float(values.min()),
            },
        )

    def _check_memory(self, game: MarkovGame) -> None:
        """Refuse before anything is allocated: each start keeps both players' values per stage and pair of actions."""
        num_states, num_rows, num_columns = game.shape
        stages = num_states if game.horizon is None else game.horizon
        needed = 8.0 * self.num_starts * num_states * num_columns * (4 * stages * num_rows + 2 * num_states)
        if needed > MEMORY_LIMIT:
            raise MemoryBudgetError(
                f"{MemoryBudgetError.code} num_starts: {self.num_starts} starts on {stages} stages (or states), "
                f"{num_states} states and {num_rows}×{num_columns} actions would take about {needed / 1e9:.3g} GB; at "
                f"most {MEMORY_LIMIT / 1e9:.3g} GB are allowed. Use fewer starts."
            )

    def _starts(self, game: MarkovGame) -> Float[np.ndarray, "n ..."]:
        """Logits of the starting policies: uniform, then from gentle to nearly pure ones."""
        shape = np.shape(game.uniform_commitment())
        if self.announcement == "prescription":
            shape = (*shape[:-1], game.shape[2], shape[-1])
        draws = np.random.default_rng(self.seed).standard_normal((self.num_starts, *shape))
        spreads = np.tile([0.0, 1.0, 2.0, 4.0], self.num_starts)[: self.num_starts]
        spreads[1:] = np.maximum(spreads[1:], 0.5)
        return spreads.reshape(-1, *[1] * len(shape)) * draws


def _noise(follower: AbstractFollower, game: MarkovGame) -> float:
    """How much of the range of returns may move when the follower's rewards are rounded before they are compared."""
    rate = min(float(getattr(follower, "inverse_temperature", 0.0)), 1e300)
    size = float(np.max(np.abs(game.follower_reward)))
    return min(64.0 * float(np.finfo(np.float64).eps) * rate * size * (game.horizon or 1_000), 1.0)


@functools.singledispatch
def leader_worth(follower: AbstractFollower, game: MarkovGame, policy: Float[AnyArray, "... a"]) -> Float[AnyArray, ""]:
    """The leader's value of `policy`, differentiable: through any follower, by the seam."""
    return game.leader_value(policy, follower.respond(game, policy))


@leader_worth.register
def _(follower: QuantalResponse, game: MarkovGame, policy: Float[AnyArray, "... a"]) -> Float[AnyArray, ""]:
    """The same by one pass with a cheap derivative, where the game has a horizon."""
    if game.horizon is None:
        return leader_worth.dispatch(AbstractFollower)(follower, game, policy)
    sizes = (game.horizon, *game.shape)
    dynamics = Dynamics(
        leader_reward=jnp.broadcast_to(jnp.asarray(game.leader_reward), sizes),
        follower_reward=jnp.broadcast_to(jnp.asarray(game.follower_reward), sizes),
        transition=jnp.asarray(game.transition),
        inverse_temperature=jnp.asarray(follower.inverse_temperature),
        leader_discount=jnp.asarray(game.leader_discount),
        follower_discount=jnp.asarray(game.follower_discount if follower.discount is None else follower.discount),
    )
    return jnp.asarray(game.initial) @ leader_values(policy, dynamics)


@eqx.filter_jit
def _climb(
    game: MarkovGame,
    follower: AbstractFollower,
    starts: Float[AnyArray, "n ..."],
    num_steps: int,
    learning_rate: Float[AnyArray, ""],
) -> tuple[Float[AnyArray, "n ..."], Float[AnyArray, "n"]]:
    """The best policy that each start met, and its value."""
    # Adam does not mind the scale of the rewards, but for its constant against division by 0.
    scale = jnp.max(game.leader_reward) - jnp.min(game.leader_reward)
    scale = jnp.where(scale > 0.0, scale, 1.0)
    optimiser = optax.adam(optax.cosine_decay_schedule(learning_rate, num_steps))

    def worth(logits):
        return leader_worth(follower, game, quantal_choice(logits, 1.0)) / scale

    def one(start):
        def step(carry, _):
            logits, state, best, best_value = carry
            value, gradient = jax.value_and_grad(worth)(logits)
            better = value > best_value
            best, best_value = jnp.where(better, logits, best), jnp.maximum(value, best_value)
            change, state = optimiser.update(-gradient, state)
            return (logits + change, state, best, best_value), None

        first = (start, optimiser.init(start), start, jnp.asarray(-jnp.inf, start.dtype))
        (_, _, best, _), _ = jax.lax.scan(step, first, length=num_steps)
        policy = quantal_choice(best, 1.0)
        cleaned = jnp.where(policy < 1e-2, 0.0, policy)
        cleaned = cleaned / jnp.sum(cleaned, axis=-1, keepdims=True)
        pure = jax.nn.one_hot(jnp.argmax(policy, axis=-1), policy.shape[-1], dtype=policy.dtype)
        candidates = jnp.stack([policy, cleaned, pure])
        values = jax.vmap(lambda policy: leader_worth(follower, game, policy))(candidates)
        return candidates[jnp.argmax(values)], jnp.max(values)

    return jax.vmap(one)(starts)
