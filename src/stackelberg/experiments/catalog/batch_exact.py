"""What is exact about learning from a log, a quadratic game and closed forms: batch:lq-game, batch:derivatives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float

from ..._claims import Budget, Claim
from ..._record import Estimate
from ..._types import AnyArray, Key
from ...batch.consistency import consistent
from ...batch.features import TableFeatures
from ...batch.moments import Moments
from ...batch.reward_scale import RewardScale
from ...calculus.kernel import Gaussian
from ...calculus.precision import exact
from ...calculus.total_derivative import ConjugateGradient, Direct, total_derivative
from ...rl.batch_policy import SoftmaxTable
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .batch_measuring import SOURCE
from .measuring import exact_curves


class Quadratic(NamedTuple):
    """Losses A x²/2 + B x y + a x of the leader and C y²/2 + E y x + e y of the follower."""

    A: float
    B: float = 1.0
    C: float = 2.0
    E: float = 1.0
    a: float = -1.0
    e: float = 1.0

    def leader(self, x: AnyArray, y: AnyArray) -> AnyArray:
        """Its loss."""
        return self.A * x**2 / 2.0 + self.B * x * y + self.a * x

    def follower(self, x: AnyArray, y: AnyArray) -> AnyArray:
        """Its loss."""
        return self.C * y**2 / 2.0 + self.E * y * x + self.e * y

    def answer(self, x: AnyArray) -> AnyArray:
        """The follower's best response."""
        return -(self.E * x + self.e) / self.C


class Ended(NamedTuple):
    """Where the leader came to."""

    x: float
    y: float
    value: float
    slope: float
    curvature: float


@exact
def descended(game: Quadratic, damping: float, num_steps: int = 2_000, rate: float = 0.05) -> Ended:
    """The leader descends by its total derivative, the follower answering exactly; its curvature along the answer."""

    def direction(x):
        found = total_derivative(game.leader, game.follower, x, game.answer(x), solver=Direct(), damping=damping)
        return found.gradient

    x = jax.lax.fori_loop(0, num_steps, lambda _, x: x - rate * direction(x), jnp.asarray(0.0))
    through = lambda x: game.leader(x, game.answer(x))
    y = game.answer(x)
    return Ended(*(float(one) for one in (x, y, game.leader(x, y), direction(x), jax.grad(jax.grad(through))(x))))


TABLE = {0.0: (0.5, -0.75, -0.375), 2.0: (0.461538, -0.730769, -0.372781), np.inf: (0.428571, -0.714286, -0.367347)}
"""x, y and the leader's loss, by damping: Stackelberg, in between, Nash."""


def _quadratic(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del budget, folder, on_progress
    game = Quadratic(4.0)
    found = {damping: descended(game, 1e12 if np.isinf(damping) else damping) for damping in TABLE}
    off = max(
        abs(got - told) for damping, row in TABLE.items() for got, told in zip(found[damping][:3], row, strict=True)
    )
    broken = descended(Quadratic(0.8), 0.0, 1_000)
    dampings = np.geomspace(1e-2, 1e3, 26)
    path = [descended(game, float(damping)) for damping in dampings]
    measured = {
        "table": Estimate.exact(off, "largest difference of nine numbers"),
        "slope": Estimate.exact(abs(found[0.0].slope), "total derivative where it came to rest"),
        "diverges": Estimate.exact(abs(broken.x), "after 1,000 steps"),
        "flagged": Estimate.exact(broken.curvature, "second derivative along the answer, -0.2 in closed form"),
    }
    picture = exact_curves(
        dampings,
        {"leader's loss": np.array([one.value for one in path])},
        "curves",
        x_label="damping β of the follower's curvature",
        y_label="leader's loss at rest",
        title="From Stackelberg (-0.375) to Nash (-0.367)",
    )
    return Evidence(measured, {"damping": picture})


class Identities(NamedTuple):
    """How far each closed form is from what was solved, on one random process."""

    answer: AnyArray
    penalty: AnyArray
    lagrangian: AnyArray
    constraint: AnyArray
    half: AnyArray
    difference: AnyArray
    implicit: AnyArray
    conjugate: AnyArray


STATES, ACTIONS, DISCOUNT = 12, 3, 0.9


def population(key: Key) -> tuple[Moments, SoftmaxTable, Float[AnyArray, "x"], Float[AnyArray, "x x"], AnyArray]:
    """Averages of a random process that is known, its kernel Gaussian in one random feature of each pair.

    With it the law of its rows, the kernel, and the transitions `(s, a, s)`.
    """
    keys = jr.split(key, 5)
    size = STATES * ACTIONS
    law = jr.dirichlet(keys[0], jnp.ones(STATES), (STATES, ACTIONS))
    reward, rows = jr.uniform(keys[1], (size,)), jr.dirichlet(keys[2], 5.0 * jnp.ones(size))
    place = 3.0 * jr.normal(keys[3], (size, 3))
    kernel = Gaussian().gram(place, place, 1.0) + 1e-3 * jnp.eye(size)
    tests = jnp.linalg.cholesky(kernel).T * rows
    state = jnp.arange(STATES, dtype=float)[:, None]
    moments = Moments(
        tests @ reward, tests, DISCOUNT * tests @ law.reshape(size, STATES), state, state,
        jr.dirichlet(jr.fold_in(key, 9), jnp.ones(STATES)), None, None, TableFeatures(STATES, ACTIONS),
        RewardScale(0.0, 1.0, DISCOUNT), 0.0,
    )  # fmt: skip
    return moments, SoftmaxTable(jr.normal(keys[4], (STATES, ACTIONS))), rows, kernel, law.reshape(size, STATES)


def identities(key: Key) -> Identities:
    """The closed forms of a table with full support, without ridge or bounds, on one random process."""
    moments, policy, rows, kernel, law = population(key)
    choice = policy.choice(moments.start)
    size, weight = STATES * ACTIONS, 50.0
    onwards = (law[:, :, None] * choice).reshape(size, size)
    bellman = jnp.eye(size) - DISCOUNT * onwards
    reward = jnp.linalg.solve(moments.here, moments.paid)
    first = (1.0 - DISCOUNT) * (jnp.asarray(moments.start_weight)[:, None] * choice).ravel()
    visits = jnp.linalg.solve(bellman.T, first)
    ratio = visits / rows
    norm = ratio @ jnp.linalg.solve(kernel, ratio)
    true = jnp.linalg.solve(bellman, reward)
    value, found = visits @ reward, consistent(moments, policy, "penalty", weight)
    inner = bellman.T @ jnp.diag(rows) @ kernel @ jnp.diag(rows) @ bellman
    answer = true - jnp.linalg.solve(inner, first) / (2.0 * weight)
    radius = 0.02
    of = lambda form, weight: lambda logits: consistent(moments, SoftmaxTable(logits), form, weight).value(form, weight)
    logits = policy.logits
    own, other = jax.grad(of("penalty", weight))(logits), jax.grad(of("lagrangian", weight / 2.0))(logits)

    # By differences of fourth order, and by the implicit function theorem on the two losses.
    along, tiny = jr.normal(jr.fold_in(key, 7), logits.shape), 1e-3
    ahead = lambda length: of("penalty", weight)(logits + length * along)
    pair = lambda length: ahead(length) - ahead(-length)
    apart = (8.0 * pair(tiny) - pair(2.0 * tiny)) / (12.0 * tiny)

    def losses(logits, omega):
        toward, begun = moments.under(SoftmaxTable(logits))
        left = moments.paid - toward @ omega
        return begun @ omega, begun @ omega + weight * (left @ left)

    leader, follower = (lambda t, w: -losses(t, w)[0]), (lambda t, w: losses(t, w)[1])
    omega = found.critic("penalty", weight)
    gradient = lambda solver: total_derivative(leader, follower, logits, omega, solver=solver).gradient
    exactly = gradient(Direct())
    closely = gradient(ConjugateGradient(max_steps=2_000, tolerance=1e-13, is_warm=False))
    relative = lambda one, two: jnp.linalg.norm(one - two) / jnp.linalg.norm(two)
    return Identities(
        relative(omega, answer),
        jnp.abs(found.value("penalty", weight) - (value - norm / (2.0 * weight))),
        jnp.abs(
            consistent(moments, policy, "lagrangian", weight).value("lagrangian", weight)
            - value
            + norm / (4.0 * weight)
        ),
        jnp.abs(found.value("constraint", radius) - (value - radius * jnp.sqrt(norm))),
        relative(own, other),
        jnp.abs(jnp.sum(own * along) - apart) / jnp.abs(apart),
        relative(-exactly, own),
        relative(-closely, own),
    )


@eqx.filter_jit
def _identities(keys: Key) -> Identities:
    return jax.lax.map(identities, keys)


@exact
def _limits() -> Float[np.ndarray, "k"]:
    """How far the derivative is from the policy gradient of the process, relative, as the weight grows."""
    moments, policy, *_ = population(jr.key(0))
    weights = np.array([1e3, 1e4, 1e5, 1e6, 1e7])
    of = lambda weight: jax.grad(
        lambda logits: consistent(moments, SoftmaxTable(logits), "penalty", weight).value("penalty", weight)
    )(policy.logits)
    plain = of(1e16)
    return np.array([float(jnp.linalg.norm(of(weight) - plain) / jnp.linalg.norm(plain)) for weight in weights])


def _derivatives(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del folder, on_progress
    number = 1_000 if budget != "smoke" else 200
    found = exact(_identities)(jr.split(jr.key(1), number))
    measured = {
        name: Estimate.exact(float(np.max(getattr(found, name))), f"largest of {number} random processes")
        for name in Identities._fields
    }
    limits = _limits()
    measured["limit"] = Estimate.exact(
        float(np.log10(limits[0] / limits[-1])), "decades of error in 4 decades of weight"
    )
    picture = exact_curves(
        np.array([1e3, 1e4, 1e5, 1e6, 1e7]),
        {"relative distance": limits},
        "power law",
        guides=[-1.0],
        x_label="weight λ of consistency",
        y_label="distance from the policy gradient",
        title="As pessimism fades the total derivative becomes the policy gradient",
    )
    return Evidence(measured, {"limit": picture})


def _small(name: str, statement: str, expected: float) -> Claim:
    return Claim(name, statement, "derived; closed forms", expected, "at most", 0.0, "smoke", 200)


LQ_GAME = Reproduction(
    "batch:lq-game",
    "Total derivatives on a quadratic game",
    "Fiez, Chasnov and Ratliff (2020), the conditions; the game is ours",
    (
        Claim("table", "Descent ends where the closed form says, at three dampings.", "closed form", 0.0, "at most",
              1e-6, "smoke", 3),
        Claim("slope", "And is at rest there.", "closed form", 0.0, "at most", 1e-9, "smoke", 1),
        Claim("diverges", "Without an equilibrium of this kind, a Nash equilibrium does not hold it.", "closed form",
              1e3, "at least", 0.0, "smoke", 1),
        Claim("flagged", "The curvature along the answer says so.", "closed form", -0.2, "equals", 1e-9, "smoke", 1),
    ),
    _quadratic,
)  # fmt: skip

DERIVATIVES = Reproduction(
    "batch:derivatives",
    "Closed forms of the pessimistic value and its derivative",
    SOURCE,
    (
        _small("answer", "The critic's answer is the true one less (AᵀDKDA)⁻¹c / 2λ (relative).", 1e-8),
        _small("penalty", "The leader is paid J - ‖τ‖² / 2λ.", 1e-8),
        _small("lagrangian", "In the zero-sum game J - ‖τ‖² / 4λ.", 1e-8),
        _small("constraint", "Over a set of radius ε, J - ε‖τ‖.", 1e-8),
        _small("half", "The general-sum derivative at λ is the zero-sum one at λ/2 (relative).", 1e-8),
        _small("difference", "It agrees with central differences (relative).", 1e-6),
        _small("implicit", "And with the implicit function theorem, by factors (relative).", 1e-6),
        _small("conjugate", "And by conjugate gradients (relative).", 1e-6),
        Claim("limit", "Its distance from the policy gradient falls as 1/λ.", "derived", 4.0, "equals", 0.05, "smoke",
              1, "decades"),
    ),
    _derivatives,
)  # fmt: skip

ENTRIES = (LQ_GAME, DERIVATIVES)
