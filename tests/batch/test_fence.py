"""Critics of features are kept in range: the answers are those of general solvers, and no true critic pays."""

from __future__ import annotations

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.optimize import minimize

from stackelberg.batch.cloning import cloned
from stackelberg.batch.consistency import consistent
from stackelberg.batch.fence import STAGES, Fence
from stackelberg.batch.problem import problem_of
from stackelberg.batch.reward_scale import RewardScale
from stackelberg.games.dataset import Dataset


TOP = 4.0


def quadratic(seed: int, size: int = 6, rows: int = 30) -> tuple[np.ndarray, np.ndarray, Fence]:
    """A convex function whose minimum is far outside the fence."""
    generator = np.random.default_rng(seed)
    root = generator.standard_normal((size, size))
    matrix, side = root @ root.T / size + 1e-3 * np.eye(size), 3.0 * generator.standard_normal(size)
    return matrix, side, Fence(generator.standard_normal((rows, size)), 10.0 ** generator.uniform(-1.0, 2.0))


def total(matrix: np.ndarray, side: np.ndarray, fence: Fence, omega: np.ndarray) -> float:
    values = np.asarray(fence.rows) @ omega
    off = values - np.clip(values, 0.0, TOP)
    return float(omega @ matrix @ omega - 2.0 * side @ omega + fence.stiffness * np.mean(off**2))


def least(matrix: np.ndarray, side: np.ndarray, fence: Fence) -> tuple[float, bool]:
    held, is_settled = fence.settled(matrix, side, TOP, jnp.full(fence.rows.shape[0], jnp.nan))
    omega = np.asarray(fence.solve(matrix, side[:, None], held)[:, 0])
    return total(matrix, side, fence, omega), bool(is_settled)


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("seed", range(20))
def test_the_search_ends_at_the_least_value_that_a_general_optimiser_finds(seed: int) -> None:
    matrix, side, fence = quadratic(seed)
    found, is_settled = least(matrix, side, fence)
    assert is_settled

    def slope(omega):
        values = np.asarray(fence.rows) @ omega
        off = values - np.clip(values, 0.0, TOP)
        return 2.0 * (matrix @ omega - side) + 2.0 * float(fence.stiffness) * np.asarray(fence.rows).T @ off / len(off)

    other = minimize(lambda w: total(matrix, side, fence, w), np.zeros(len(side)), jac=slope, method="BFGS",
                     options={"gtol": 1e-10, "maxiter": 5_000})  # fmt: skip
    assert found <= other.fun + 1e-8 * (1.0 + abs(other.fun))
    assert abs(found - other.fun) < 1e-6 * (1.0 + abs(other.fun))


def test_a_search_that_takes_full_steps_of_the_first_set_would_be_seen() -> None:
    """The planted bug: one Newton step and no more."""
    worse = 0
    for seed in range(20):
        matrix, side, fence = quadratic(seed)
        free = fence.solve(matrix, side[:, None], jnp.full(30, jnp.nan))[:, 0]
        values = fence.rows @ free
        held = jnp.where(values < 0.0, 0.0, jnp.where(values > TOP, TOP, jnp.nan))
        once = np.asarray(fence.solve(matrix, side[:, None], held)[:, 0])
        worse += total(matrix, side, fence, once) > least(matrix, side, fence)[0] + 1e-6
    assert worse >= 15


def test_where_the_search_begins_does_not_matter() -> None:
    matrix, side, fence = quadratic(3)
    cold = fence.settled(matrix, side, TOP, jnp.full(30, jnp.nan))[0]
    warm = fence.settled(matrix, side, TOP, jnp.where(jnp.arange(30) % 3 == 0, 0.0, TOP))[0]
    np.testing.assert_array_equal(np.asarray(cold), np.asarray(warm))
    assert STAGES[-1] == 1.0


def swinging_log(rows: int = 300) -> Dataset:
    """A number that is pushed up or down, and pays near the middle."""
    generator = np.random.default_rng(0)
    seen = generator.uniform(-1.0, 1.0, (rows, 1))
    pushed = generator.integers(0, 2, rows)
    then = np.clip(seen + 0.4 * (pushed[:, None] - 0.5) + 0.05 * generator.standard_normal((rows, 1)), -1.0, 1.0)
    ends = np.ones(rows, dtype=bool)
    return Dataset(seen, pushed[:, None].astype(float), 1.0 - np.abs(then[:, 0]), then, ~ends, ends, num_actions=2)


@pytest.fixture(scope="module")
def swinging():
    with jax.enable_x64(True):
        log = swinging_log()
        return problem_of(log, cloned(log, num_steps=20), RewardScale(0.0, 1.0, 0.9), num_features=6, ridge=1e-5)


@pytest.mark.parametrize("part", [0.2, 1.0])
def test_the_least_consistent_value_is_that_of_a_general_solver(swinging, part: float) -> None:
    moments, policy = swinging.moments, swinging.policy
    radius = part * swinging.radius(policy, swinging.most_consistent(policy), 0.95)
    found = consistent(moments, policy, "constraint", jnp.asarray(radius))
    toward, first = (np.asarray(one) for one in moments.under(policy))
    rows, share = np.asarray(moments.fence.rows), float(moments.fence.stiffness) / len(moments.fence.rows)
    slack = float(moments.ridge * moments.most)

    def loss(omega):
        values = rows @ omega
        off = values - np.clip(values, 0.0, moments.top)
        gap = np.asarray(moments.paid) - toward @ omega
        return gap @ gap + share * off @ off + float(moments.ridge) * omega @ omega

    def slope(omega):
        values = rows @ omega
        off = values - np.clip(values, 0.0, moments.top)
        gap = np.asarray(moments.paid) - toward @ omega
        return 2.0 * (-toward.T @ gap + share * rows.T @ off + float(moments.ridge) * omega)

    scale = radius**2 + slack
    other = minimize(
        lambda w: first @ w, np.asarray(swinging.most_consistent(policy).omega), jac=lambda w: first, method="SLSQP",
        constraints=[{"type": "ineq", "fun": lambda w: 1.0 - loss(w) / scale, "jac": lambda w: -slope(w) / scale}],
        options={"maxiter": 2_000, "ftol": 1e-12},
    )  # fmt: skip
    omega = np.asarray(found.critic("constraint", radius))
    assert bool(found.is_settled)
    assert loss(omega) <= scale * (1.0 + 1e-6)
    assert float(found.value("constraint", radius)) == pytest.approx(first @ omega, abs=1e-8)
    assert float(found.value("constraint", radius)) == pytest.approx(other.fun, abs=2e-4)


@pytest.mark.parametrize("times", [1.5, 4.0, 30.0])
def test_a_ball_of_test_functions_is_answered_as_by_a_general_optimiser(swinging, times: float) -> None:
    """The least of value plus C times the root of inconsistency, which the formulas give without a search for λ."""
    moments, policy = swinging.moments, swinging.policy
    most = times * float(swinging.most_consistent(policy).spread)
    found = consistent(moments, policy, "ball", jnp.asarray(most))
    toward, first = (np.asarray(one) for one in moments.under(policy))
    rows, share = np.asarray(moments.fence.rows), float(moments.fence.stiffness) / len(moments.fence.rows)

    def total_and_slope(omega):
        values = rows @ omega
        off, gap = values - np.clip(values, 0.0, moments.top), np.asarray(moments.paid) - toward @ omega
        root = np.sqrt(gap @ gap + share * off @ off + float(moments.ridge) * omega @ omega)
        slope = (-toward.T @ gap + share * rows.T @ off + float(moments.ridge) * omega) / root
        return first @ omega + most * root, first + most * slope

    answer = np.asarray(found.critic("ball", most))
    least = minimize(total_and_slope, answer + 0.01, jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 5_000})
    assert bool(found.is_settled)
    value, slope = total_and_slope(answer)
    assert np.max(np.abs(slope)) < 1e-6
    assert float(found.value("ball", most)) == pytest.approx(value, abs=1e-7)
    assert value <= least.fun + 1e-7


def test_the_leaders_derivative_goes_through_the_fence(swinging) -> None:
    """Against differences, where the pessimistic critic leans on the fence."""
    moments, policy = swinging.moments, jax.tree.map(jnp.asarray, swinging.policy)
    value = lambda policy: consistent(moments, policy, "penalty", jnp.asarray(30.0)).value("penalty", 30.0)
    assert int(jnp.sum(~jnp.isnan(consistent(moments, policy, "penalty", jnp.asarray(30.0)).held))) > 0
    slope = eqx.filter_grad(value)(policy)
    leaf = lambda tree: tree.network.layers[-1].bias
    for turn in range(2):
        step = jnp.zeros(2).at[turn].set(1e-3)
        nudged = lambda sign, step=step: eqx.tree_at(leaf, policy, leaf(policy) + sign * step)
        assert float(leaf(slope)[turn]) == pytest.approx(float(value(nudged(1)) - value(nudged(-1))) / 2e-3, rel=5e-5)


def test_a_critic_in_range_pays_nothing_and_others_are_pulled_back(swinging) -> None:
    loose = swinging.moments
    for weight in (1e1, 1e3, 1e5):
        values = {}
        for word, moments in (("fenced", loose), ("free", dataclasses.replace(loose, fence=None))):
            answer = consistent(moments, swinging.policy, "penalty", jnp.asarray(weight)).critic("penalty", weight)
            values[word] = np.asarray(loose.fence.rows @ answer)
        outside = {word: np.max(np.abs(one - np.clip(one, 0.0, loose.top))) for word, one in values.items()}
        assert outside["fenced"] < 0.25 * outside["free"] + 1e-9
    inside = jnp.full(loose.fence.rows.shape[0], jnp.nan)
    assert float(loose.fence.penalty(jr.normal(jr.key(0), (loose.critic.size,)), inside)) == 0.0
