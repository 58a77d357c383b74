"""The least value near the most consistent critic, by which the weight of features is chosen."""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import stackelberg as sg
from stackelberg.batch.judging import ends
from stackelberg.batch.learning import Candidate, chosen, judged
from stackelberg.calculus.precision import exact
from stackelberg.experiments.catalog.batch_kernels import table_worlds, with_kernel


def walk(rows=120, seed=0):
    """Single transitions in the plane."""
    generator = np.random.default_rng(seed)
    place = generator.normal(size=(rows, 2))
    return sg.Dataset(
        place,
        generator.integers(0, 2, rows).astype(float),
        generator.random(rows),
        place + 0.1 * generator.normal(size=(rows, 2)),
        generator.random(rows) < 0.1,
        num_actions=2,
        is_independent=True,
    )


def problem(seed, stiffness):
    data = walk(seed=seed)
    policy = sg.blank_batch_policy(2, 0, 1, np.zeros(2), np.ones(2), (8,), jr.key(seed))
    scale = sg.RewardScale(0.0, 1.0, 0.9)
    return sg.problem_of(data, policy, scale, num_features=6, ridge=1e-4, stiffness=stiffness, seed=seed)


@exact
def told(made):
    """The most consistent critic, the radius, M and c, all of NumPy; M with what the fence holds there."""
    flat = made.most_consistent(made.policy)
    toward, first = made.moments.under(made.policy)
    matrix = toward.T @ toward + made.moments.ridge * jnp.eye(toward.shape[1])
    if made.moments.fence is not None:
        matrix = matrix + made.moments.fence.curved(flat.held)[0]
    return flat, made.radius(made.policy, flat, 0.95), np.asarray(matrix), np.asarray(first)


@pytest.mark.parametrize("stiffness", [0.0, 0.1])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_critic_held_alike_and_within_the_radius_is_worth_less(seed, stiffness):
    """Critics on the edge of what the radius allows, the steepest one among them; half the spread is too little."""
    made = problem(seed, stiffness)
    flat, radius, matrix, first = told(made)
    omega, allowed = np.asarray(flat.omega), radius**2 + float(flat.slack)
    room = np.sqrt(allowed - float(flat.least))
    root = np.linalg.cholesky(matrix)
    turned = np.random.default_rng(seed).normal(size=(2_000, len(omega)))
    turned = np.vstack([turned, -np.linalg.solve(root, first)])
    around = np.linalg.solve(root.T, (turned / np.linalg.norm(turned, axis=1, keepdims=True)).T).T * room
    values = (omega + around) @ first
    local = float(exact(flat.local_value)(radius))
    assert values.min() >= local - 1e-9
    assert values.min() == pytest.approx(float(flat.plug_in) - float(flat.spread) * room, rel=1e-6)
    too_little = float(flat.plug_in) - 0.5 * float(flat.spread) * np.sqrt(allowed)
    assert values.min() < too_little


def test_a_badly_fitting_critic_is_no_recommendation():
    """Taking off what the best critic misses already would leave next to nothing to subtract, and speak for it."""
    flat, radius, _, _ = told(problem(0, 0.0))
    poor = flat._replace(least=jnp.asarray(radius**2 + float(flat.slack)))
    with jax.enable_x64(True):
        assert float(poor.value("constraint", radius)) > float(flat.value("constraint", radius))
        assert float(poor.local_value(radius)) == float(flat.local_value(radius))


def test_either_rule_passes_over_what_is_not_consistent():
    one = lambda weight, lower, local, is_feasible=True: Candidate(
        weight, sg.SoftmaxTable(np.zeros((1, 2))), 0.1, (lower,) * 4, 0.5, is_feasible, True, 0.0, local
    )
    three = [one(1.0, 0.3, 0.1), one(2.0, 0.2, 0.4), one(3.0, 0.9, 0.9, False)]
    assert chosen(three, 1.0, "bound")[0].weight == 1.0
    assert chosen(three, 1.0, "local")[0].weight == 2.0
    assert chosen([three[2]], 1.0, "local")[0].weight == 3.0


@pytest.mark.parametrize(("width", "is_told"), [(1, True), (40, False)])
def test_where_no_critic_is_consistent_nothing_above_the_floor_is_guaranteed(width, is_told):
    """Pay that turns with the place, 4,000 rows: a critic that is flat cannot follow it, one of 40 features can."""
    data = walk(rows=4_000)
    data = dataclasses.replace(data, reward=(data.observation[:, 0] > 0.0).astype(float))
    policy = sg.blank_batch_policy(2, 0, 1, np.zeros(2), np.ones(2), (8,), jr.key(0))
    with jax.enable_x64(True):
        flat = sg.features_for(data, width, bandwidth=50.0 if width == 1 else 1.0, key=jr.key(1))
        made = sg.problem_of(data, policy, sg.RewardScale(-2.0, 1.0, 0.5), num_features=40, critic=flat, stiffness=0.0)
        found = judged(made, policy, 1.0, 0.95)
    assert found.is_feasible != is_told
    assert found.plug_in > 0.0
    assert found.lower[0] == -2.0 if is_told else found.lower[0] > -2.0
    assert found.lower[-1] > -2.0  # parts of the radius are guesses, by which policies are still told apart


def test_an_answer_that_was_not_found_guarantees_nothing():
    """A smooth kernel on the ring: cells that are all alike to it, where the search for held values goes round."""
    process, places, task = table_worlds()["ring"]
    made = with_kernel(task(0), places, "gaussian", 8.0, process.shape[1])
    with jax.enable_x64(True):
        found = judged(made, made.policy, 1.0, 0.95)
        low = float(ends(made.moments, made.policy, found.radius)[0])
    assert not found.is_settled
    assert found.lower[0] == made.moments.scale.low
    assert low == -np.inf  # of which an interval makes the end of the range
