"""Kernel statistics, random features, and derivatives through an answer: against theorems and against differences."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import stackelberg as sg
from stackelberg.calculus import kernel as kernels
from stackelberg.calculus.precision import exact


@pytest.fixture(autouse=True)
def wide():
    with jax.enable_x64(True):
        yield


def rows_and_residuals(size=40, seed=0):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(size, 3)), generator.normal(size=size)


def test_v_and_u_statistics_differ_by_the_diagonal():
    rows, residual = rows_and_residuals()
    gram = kernels.Gaussian().gram(rows, rows, 0.7)
    v, u = (float(kernels.kernel_loss(residual, gram, kind)) for kind in ("v", "u"))
    n = len(residual)
    assert n**2 * v == pytest.approx(n * (n - 1) * u + np.sum(np.diag(gram) * residual**2), rel=1e-12)
    by_hand = sum(residual[i] * gram[i, j] * residual[j] for i in range(n) for j in range(n) if i != j)
    assert u == pytest.approx(float(by_hand) / (n * (n - 1)), rel=1e-10)


def test_duplicated_rows_leave_v_and_order_leaves_both():
    rows, residual = rows_and_residuals()
    of = lambda rows, residual, kind: float(
        kernels.kernel_loss(residual, kernels.Gaussian().gram(rows, rows, 0.7), kind)
    )
    twice = (np.repeat(rows, 2, axis=0), np.repeat(residual, 2))
    assert of(*twice, "v") == pytest.approx(of(rows, residual, "v"), rel=1e-12)
    order = np.random.default_rng(1).permutation(len(residual))
    for kind in ("v", "u"):
        assert of(rows[order], residual[order], kind) == pytest.approx(of(rows, residual, kind), rel=1e-10)


@pytest.mark.parametrize("size", [64, 256])
def test_v_is_too_large_by_its_formula_and_u_is_not(size):
    """The mean of 4,000 draws lies within 4 standard errors (false alarm 1 in 15,000); the twin lacks the diagonal."""
    generator = np.random.default_rng(size)
    places = generator.normal(size=(6, 2))
    gram = np.asarray(kernels.Gaussian().gram(places, places, 1.0))
    means, spread = np.array([0.3, -0.2, 0.1, 0.0, 0.25, -0.3]), np.array([1.0, 0.5, 2.0, 0.3, 1.0, 1.5])
    true = means @ gram @ means / 36.0
    v, u = [], []
    for _ in range(4_000):
        chosen = generator.integers(6, size=size)
        residual = means[chosen] + spread[chosen] * generator.normal(size=size)
        sums = np.bincount(chosen, residual, 6)
        squares = np.sum(residual**2)
        v.append(sums @ gram @ sums / size**2)
        u.append((sums @ gram @ sums - squares) / (size * (size - 1)))
    bias = (np.mean(means**2 + spread**2) - true) / size
    error = np.std(v) / np.sqrt(len(v))
    assert abs(np.mean(v) - true - bias) < 4 * error
    assert abs(np.mean(u) - true) < 4 * np.std(u) / np.sqrt(len(u))
    assert abs(np.mean(v) - true) > 4 * error


def test_two_batches_agree_with_u_on_average():
    generator = np.random.default_rng(0)
    tests = generator.normal(size=(50, 4))
    residual = tests[:, 0] + generator.normal(size=50)
    draws = []
    for _ in range(2_000):
        first, second = generator.integers(50, size=20), generator.integers(50, size=20)
        draws.append(
            float(np.mean(tests[first] * residual[first, None], 0) @ np.mean(tests[second] * residual[second, None], 0))
        )
    whole = np.mean(tests * residual[:, None], axis=0)
    assert abs(np.mean(draws) - whole @ whole) < 4 * np.std(draws) / np.sqrt(len(draws))
    one = kernels.two_batch_loss(residual, tests, residual, tests)
    assert float(one) == pytest.approx(float(kernels.feature_loss(residual, tests)))


@pytest.mark.parametrize("name", list(kernels.KERNELS))
def test_random_features_have_the_kernel_as_their_mean(name):
    """Errors of the Gram matrix fall as 1/√m: from 200 to 20,000 features by a factor near 10."""
    rows, _ = rows_and_residuals(30)
    kernel = kernels.KERNELS[name]
    gram = np.asarray(kernel.gram(rows, rows, 1.3))
    assert np.allclose(np.diag(gram), 1.0, atol=1e-5)
    errors = []
    for m in (200, 20_000):
        features = kernels.random_features(kernel, m, np.zeros(3), np.ones(3), 1.3, jr.key(3))
        made = np.asarray(features(rows))
        errors.append(np.sqrt(np.mean((made @ made.T - gram) ** 2)))
    assert errors[1] < 0.02
    assert 5.0 < errors[0] / errors[1] < 20.0


def test_the_median_bandwidth_falls_back_where_rows_repeat():
    assert kernels.median_bandwidth(np.zeros((10, 2))) == 1.0
    rows = np.zeros((100, 1))
    rows[:5] = 3.0
    assert kernels.median_bandwidth(rows) == pytest.approx(3.0)
    spread = np.random.default_rng(0).normal(size=(500, 1))
    assert kernels.median_bandwidth(spread) == pytest.approx(0.954, rel=0.08)  # √2 times the median of |normal|


def quadratic(seed, follower=6, leader=4):
    generator = np.random.default_rng(seed)
    root = generator.normal(size=(follower, follower))
    curved = root @ root.T + np.eye(follower)
    mixed, pull = generator.normal(size=(follower, leader)), generator.normal(size=follower)
    wide = generator.normal(size=(leader, leader))
    leader_loss = lambda x, y: jnp.sum((x @ wide) ** 2) / 2 + jnp.sum(jnp.sin(x)) + y @ pull + jnp.sum(y**2) * x[0]
    follower_loss = lambda x, y: y @ curved @ y / 2 + y @ mixed @ jnp.tanh(x) + jnp.sum(jnp.cosh(0.3 * y))
    return leader_loss, follower_loss, generator.normal(size=leader)


def answer(follower_loss, x, size=6):
    y = jnp.zeros(size)
    slope, curve = jax.jit(jax.grad(follower_loss, 1)), jax.jit(jax.hessian(follower_loss, 1))
    for _ in range(12):
        y = y - jnp.linalg.solve(curve(x, y), slope(x, y))
    return y


SOLVERS = {
    "direct": sg.Direct(),
    "cg": sg.ConjugateGradient(200, 1e-14),
    "jacobi": sg.ConjugateGradient(200, 1e-14, num_probes=20),
    "nystrom": sg.Nystrom(6),
}


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("seed", range(5))
def test_total_derivatives_are_differences_through_the_answer(name, seed):
    leader_loss, follower_loss, x = quadratic(seed)
    x = jnp.asarray(x)
    y = answer(follower_loss, x)
    found = sg.total_derivative(leader_loss, follower_loss, x, y, solver=SOLVERS[name], key=jr.key(0))
    tiny = 1e-5
    through = lambda x: float(leader_loss(x, answer(follower_loss, x)))
    apart = [(through(x + tiny * e) - through(x - tiny * e)) / (2 * tiny) for e in jnp.eye(4)]
    np.testing.assert_allclose(found.gradient, apart, rtol=1e-6, atol=1e-7)
    assert float(found.residual) < 1e-6
    assert bool(found.is_sound)
    assert not np.allclose(found.individual, apart, rtol=1e-3)


def test_a_curvature_that_is_not_positive_is_told():
    leader_loss = lambda x, y: jnp.sum(y) + x
    follower_loss = lambda x, y: y[0] ** 2 - y[1] ** 2 + x * jnp.sum(y)
    for solver in (sg.Direct(), sg.ConjugateGradient(10)):
        found = sg.total_derivative(leader_loss, follower_loss, jnp.asarray(1.0), jnp.ones(2), solver=solver)
        assert not bool(found.is_sound)


def test_gauss_newton_is_the_hessian_where_residuals_are_linear():
    generator = np.random.default_rng(0)
    matrix, target = generator.normal(size=(9, 5)), generator.normal(size=9)
    residuals = lambda x, y: matrix @ y - x * target
    leader_loss, follower_loss = (lambda x, y: jnp.sum(y**2)), (lambda x, y: 3.0 * jnp.sum(residuals(x, y) ** 2))
    x, y = jnp.asarray(0.7), jnp.asarray(generator.normal(size=5))
    plain = sg.total_derivative(leader_loss, follower_loss, x, y, solver=sg.Direct())
    other = sg.total_derivative(
        leader_loss, follower_loss, x, y, solver=sg.Direct(), product=sg.gauss_newton(residuals, 6.0)
    )
    np.testing.assert_allclose(other.gradient, plain.gradient, rtol=1e-10)


def test_a_warm_start_needs_no_steps_where_it_is_the_answer():
    leader_loss, follower_loss, x = quadratic(0)
    y = answer(follower_loss, jnp.asarray(x))
    solver = sg.ConjugateGradient(100, 1e-8)
    first = sg.total_derivative(leader_loss, follower_loss, jnp.asarray(x), y, solver=solver)
    again = sg.total_derivative(leader_loss, follower_loss, jnp.asarray(x), y, solver=solver, start=first.solution)
    assert int(first.steps) > 0
    assert int(again.steps) == 0
    np.testing.assert_allclose(again.gradient, first.gradient, rtol=1e-6)


def test_hessian_products_are_symmetric():
    _, follower_loss, x = quadratic(1)
    y = jnp.asarray(np.random.default_rng(1).normal(size=6))
    product = exact(lambda v: jax.jvp(jax.grad(lambda y: follower_loss(jnp.asarray(x), y)), (y,), (v,))[1])
    u, v = (jnp.asarray(np.random.default_rng(k).normal(size=6)) for k in (2, 3))
    assert float(u @ product(v)) == pytest.approx(float(v @ product(u)), rel=1e-12)
