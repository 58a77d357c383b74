"""The derivative of a leader's loss through the follower's answer, by the implicit function theorem.

The leader's loss L1(θ, ω) and the follower's L2(θ, ω) are functions of two trees. Where ω answers θ by a strict local
minimum of L2,

    D L1 = ∇θ L1 - (∇θ ∇ω L2)ᵀ (∇ω² L2 + β)⁻¹ ∇ω L1,

one linear system and one mixed product (Fiez, Chasnov and Ratliff, 2020). The file knows nothing of games.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.flatten_util import ravel_pytree
from jaxtyping import Bool, Float, Int

from .. import _boundary as boundary
from .._types import AnyArray, Key


Loss: TypeAlias = Callable[[Any, Any], Float[AnyArray, ""]]
Product: TypeAlias = Callable[[Float[AnyArray, "w"]], Float[AnyArray, "w"]]


class Solved(NamedTuple):
    """An answer to (H + β) x = b.

    - `solution`: x.  `residual`: |b - (H + β) x| / |b|.  `steps`: products with H.
    - `curvature`: the least pᵀ(H + β)p / pᵀp met, or the least eigenvalue where it is known; below 0 the matrix is not
      positive, and the answer is not to be trusted.
    """

    solution: Float[AnyArray, "w"]
    residual: Float[AnyArray, ""]
    steps: Int[AnyArray, ""]
    curvature: Float[AnyArray, ""]


class AbstractLinearSolver(eqx.Module):
    """Solves (H + damping) x = b for a symmetric H that is given by its products."""

    @abstractmethod
    def __call__(
        self, product: Product, b: Float[AnyArray, "w"], damping: Any, start: Float[AnyArray, "w"], key: Key | None
    ) -> Solved:
        """The answer, from `start` on where the method is iterative."""


class Direct(AbstractLinearSolver):
    """All of H, one product for each unknown, then Cholesky's factors: exact, for up to some thousand unknowns."""

    def __call__(
        self, product: Product, b: Float[AnyArray, "w"], damping: Any, start: Float[AnyArray, "w"], key: Key | None
    ) -> Solved:
        """By factors; the curvature is the least eigenvalue."""
        del start, key
        b = jnp.asarray(b)
        matrix = jax.vmap(product)(jnp.eye(b.shape[0], dtype=b.dtype))
        matrix = 0.5 * (matrix + matrix.T) + damping * jnp.eye(b.shape[0], dtype=b.dtype)
        solution = jax.scipy.linalg.solve(matrix, b, assume_a="sym")
        residual = jnp.linalg.norm(b - matrix @ solution) / _size(b)
        return Solved(solution, residual, jnp.asarray(b.shape[0]), jnp.min(jnp.linalg.eigvalsh(matrix)))


class ConjugateGradient(AbstractLinearSolver):
    """Conjugate gradients with a diagonal preconditioner, which stop where the curvature is not positive.

    - `max_steps`: at most so many products.  `tolerance`: of the residual, as a part of |b|.
    - `num_probes`: random signs by which the diagonal of H is estimated (Bekas, Kokiopoulou and Saad, 2007); 0 for no
      preconditioner. Entries are kept above a thousandth of their mean: a coordinate that no row visits has next to
      no curvature, and dividing by it would blow it up.
    - `is_warm`: whether it starts where the last answer ended.
    """

    max_steps: int = eqx.field(static=True)
    tolerance: float
    num_probes: int = eqx.field(static=True)
    is_warm: bool = eqx.field(static=True)

    def __init__(self, max_steps: Any = 300, tolerance: Any = 1e-3, num_probes: Any = 0, is_warm: Any = True) -> None:
        self.max_steps = boundary.whole_number("max_steps", max_steps, low=1)
        self.tolerance = boundary.real_number("tolerance", tolerance, low=0.0, high=1.0)
        self.num_probes = boundary.whole_number("num_probes", num_probes, low=0)
        self.is_warm = boundary.boolean("is_warm", is_warm)

    def __call__(
        self, product: Product, b: Float[AnyArray, "w"], damping: Any, start: Float[AnyArray, "w"], key: Key | None
    ) -> Solved:
        """By Hestenes and Stiefel (1952)."""
        b = jnp.asarray(b)
        damped = lambda p: product(p) + damping * p
        scale = self._diagonal(damped, b, key)
        x = jnp.asarray(start) if self.is_warm else jnp.zeros_like(b)
        rest = b - damped(x)
        push = rest / scale
        size, tiny = _size(b), jnp.finfo(b.dtype).tiny

        def goes_on(state):
            _, rest, _, _, steps, _, is_sound = state
            return (jnp.linalg.norm(rest) > self.tolerance * size) & (steps < self.max_steps) & is_sound

        def step(state):
            x, rest, push, angle, steps, least, _ = state
            moved = damped(push)
            bend = push @ moved
            is_sound = bend > 0.0
            length = jnp.where(is_sound, angle / jnp.where(is_sound, bend, 1.0), 0.0)
            x, rest = x + length * push, rest - length * moved
            scaled = rest / scale
            turned = rest @ scaled
            push = scaled + turned / jnp.maximum(angle, tiny) * push
            least = jnp.minimum(least, bend / jnp.maximum(state[2] @ state[2], tiny))
            return x, rest, push, turned, steps + 1, least, is_sound

        begun = (x, rest, push, rest @ push, jnp.asarray(0), jnp.asarray(jnp.inf, b.dtype), jnp.asarray(True))
        x, rest, _, _, steps, least, _ = jax.lax.while_loop(goes_on, step, begun)
        # Nothing was met where the start was already the answer.
        return Solved(x, jnp.linalg.norm(b - damped(x)) / size, steps, jnp.where(steps > 0, least, jnp.nan))

    def _diagonal(self, damped: Product, b: Float[AnyArray, "w"], key: Key | None) -> Float[AnyArray, "w"]:
        if not self.num_probes:
            return jnp.ones_like(b)
        assert key is not None
        signs = jr.rademacher(key, (self.num_probes, b.shape[0]), b.dtype)
        found = jnp.mean(signs * jax.vmap(damped)(signs), axis=0)
        return jnp.maximum(found, 1e-3 * jnp.maximum(jnp.mean(found), jnp.finfo(b.dtype).tiny))


class Nystrom(AbstractLinearSolver):
    """A random sketch of H, of low rank, whose inverse is known: `rank` products, whatever the number of unknowns.

    Exact where H has that rank; otherwise the directions that it leaves out count as having the least curvature that
    the sketch has met (Frangella, Tropp and Udell, 2023), and the residual tells what that costs.

    - `rank`: of the sketch.
    """

    rank: int = eqx.field(static=True)

    def __init__(self, rank: Any = 50) -> None:
        self.rank = boundary.whole_number("rank", rank, low=1)

    def __call__(
        self, product: Product, b: Float[AnyArray, "w"], damping: Any, start: Float[AnyArray, "w"], key: Key | None
    ) -> Solved:
        """By the sketch's eigenvectors."""
        del start
        assert key is not None
        b = jnp.asarray(b)
        rank = min(self.rank, b.shape[0])
        basis, _ = jnp.linalg.qr(jr.normal(key, (b.shape[0], rank), b.dtype))
        sketch = jax.vmap(product, in_axes=1, out_axes=1)(basis)
        shift = jnp.finfo(b.dtype).eps * jnp.linalg.norm(sketch)
        shifted = sketch + shift * basis
        inner = basis.T @ shifted
        values, vectors = jnp.linalg.eigh(0.5 * (inner + inner.T))
        root = shifted @ (vectors / jnp.sqrt(jnp.maximum(values, shift)))
        left, singular, _ = jnp.linalg.svd(root, full_matrices=False)
        eigenvalues = jnp.maximum(singular**2 - shift, 0.0)
        inside = left.T @ b
        solution = left @ (inside / (eigenvalues + damping)) + (b - left @ inside) / (eigenvalues[-1] + damping)
        residual = jnp.linalg.norm(b - product(solution) - damping * solution) / _size(b)
        return Solved(solution, residual, jnp.asarray(rank + 1), jnp.min(values) - shift + damping)


class Derivative(NamedTuple):
    """A leader's direction, and how far to trust it.

    - `gradient`: like θ.  `individual`: like θ, its part that holds the answer still.
    - `solution`: flat, to start the next system from.  `residual`, `curvature`, `steps`: of the linear system.
    - `top`: the direction with which the next one's damping is measured.
    """

    gradient: Any
    individual: Any
    solution: Float[AnyArray, "w"]
    residual: Float[AnyArray, ""]
    curvature: Float[AnyArray, ""]
    steps: Int[AnyArray, ""]
    top: Float[AnyArray, "w"]

    @property
    def is_sound(self) -> Bool[AnyArray, ""]:
        """Whether the curvature that was met is positive, so that the answer is a strict minimum there."""
        return ~(self.curvature <= 0.0)


def total_derivative(
    leader_loss: Loss,
    follower_loss: Loss,
    theta: Any,
    omega: Any,
    *,
    solver: AbstractLinearSolver,
    damping: Any = 0.0,
    start: Float[AnyArray, "w"] | None = None,
    key: Key | None = None,
    product: Callable[[Any, Any], Product] | None = None,
    top: Float[AnyArray, "w"] | None = None,
    refresh: Bool[AnyArray, ""] | bool = True,
) -> Derivative:
    """The derivative of the leader's loss in θ when ω answers it, at (θ, ω).

    - `leader_loss`, `follower_loss`: of (θ, ω), both to be made small.
    - `solver`: of the linear system.  `damping`: β, added to the follower's curvature.
    - `start`: where an iterative solver begins, the `solution` of the last step say.
    - `key`: for solvers that draw.
    - `product`: (θ, ω) to products with another curvature than the Hessian, as `gauss_newton` makes; flat vectors.
    - `top`: a direction of unit length, that of the last step say. With it `damping` is a part of the largest
      curvature, for which the length of one product with it stands: never too large, and exact once steps have turned
      it into the leading direction (power iteration).
    - `refresh`: whether the system is solved; where not, `start` stands for its solution, and the residual is 0.

    At an ω that is no minimum this is the derivative of a game that is frozen there, as in a two-timescale method.
    """
    flat, unravel = ravel_pytree(omega)
    begun = jnp.zeros_like(flat) if start is None else jnp.asarray(start)
    individual, pull = jax.grad(lambda theta, w: leader_loss(theta, unravel(w)), argnums=(0, 1))(theta, flat)

    def solved() -> tuple[Solved, Float[AnyArray, "w"]]:
        if product is None:
            curved = jax.linearize(jax.grad(lambda w: follower_loss(theta, unravel(w))), flat)[1]
        else:
            curved = product(theta, omega)
        if top is None:
            return solver(curved, pull, damping, begun, key), begun
        turned = curved(top)
        largest = jnp.linalg.norm(turned)
        after = jnp.where(largest > 0.0, turned / jnp.where(largest > 0.0, largest, 1.0), top)
        return solver(curved, pull, damping * largest, begun, key), after

    def kept() -> tuple[Solved, Float[AnyArray, "w"]]:
        nothing = jnp.zeros((), flat.dtype)
        return Solved(begun, nothing, jnp.asarray(0), nothing + jnp.inf), begun if top is None else jnp.asarray(top)

    found, turned = solved() if refresh is True else jax.lax.cond(refresh, solved, kept)
    held = jax.lax.stop_gradient(found.solution)
    along = lambda theta: jax.jvp(lambda w: follower_loss(theta, unravel(w)), (flat,), (held,))[1]
    gradient = jax.tree.map(lambda own, other: own - other, individual, jax.grad(along)(theta))
    return Derivative(gradient, individual, held, found.residual, found.curvature, found.steps, turned)


def gauss_newton(
    residuals: Callable[[Any, Any], Float[AnyArray, "n"]], factor: Any, is_explicit: bool = False
) -> Callable[[Any, Any], Product]:
    """Products with factor × JᵀJ, J the Jacobian in ω of residuals whose squares the follower sums.

    Positive whatever the residuals, and exact for residuals that are linear in ω; `factor` is 2 λ for a loss λ |r|².
    `is_explicit`: J is made once, a column for each unknown, and a product is two of matrix and vector: for up to some
    hundred unknowns.
    """

    def at(theta: Any, omega: Any) -> Product:
        flat, unravel = ravel_pytree(omega)
        of_flat = lambda w: residuals(theta, unravel(w))
        _, forward = jax.linearize(of_flat, flat)
        if is_explicit:
            rows = jax.vmap(forward)(jnp.eye(flat.shape[0], dtype=flat.dtype))
            return lambda p: factor * (rows @ (p @ rows))
        backward = jax.linear_transpose(forward, flat)
        return lambda p: factor * backward(forward(p))[0]

    return at


def _size(b: Float[AnyArray, "w"]) -> Float[AnyArray, ""]:
    return jnp.maximum(jnp.linalg.norm(jnp.asarray(b)), jnp.finfo(jnp.result_type(b)).tiny)
