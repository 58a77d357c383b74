"""Security games solved in other ways: their normal form, one LP a target, ERASER's MILP, grids with Lipschitz bounds.

Nothing here imports the solvers.
"""

import itertools

import numpy as np
from scipy.optimize import LinearConstraint, linprog, milp
from scipy.special import softmax


def random_payoffs(rng, num_targets, kind="uniform"):
    """Payoff vectors (leader covered and uncovered, follower covered and uncovered) in the right order."""
    if kind == "integer":  # many ties
        pairs = np.sort(rng.integers(-2, 3, (2, 2, num_targets)).astype(float), axis=1)
    else:
        pairs = np.sort(rng.uniform(-5.0, 5.0, (2, 2, num_targets)), axis=1)
    (leader_uncovered, leader_covered), (follower_covered, follower_uncovered) = pairs
    return leader_covered, leader_uncovered, follower_covered, follower_uncovered


def pure_placements(num_targets, resources, schedules=None):
    """Every 0/1 coverage of at most `resources` targets, or of parts of what so many schedules cover."""
    if schedules is None:
        sets = [set(c) for r in range(resources + 1) for c in itertools.combinations(range(num_targets), r)]
    else:
        visits = [set(np.flatnonzero(row)) for row in schedules]
        unions = [set().union(*chosen) for r in range(resources + 1) for chosen in itertools.combinations(visits, r)]
        sets = {frozenset(part) for u in unions for r in range(len(u) + 1) for part in itertools.combinations(u, r)}
    return np.array([[float(target in chosen) for target in range(num_targets)] for chosen in sets])


def normal_form(payoffs, placements):
    """Payoff matrices: the leader's actions are pure placements, the follower's are targets."""
    leader_covered, leader_uncovered, follower_covered, follower_uncovered = payoffs
    leader = placements * leader_covered + (1 - placements) * leader_uncovered
    follower = placements * follower_covered + (1 - placements) * follower_uncovered
    return leader, follower


def strong_value(leader, follower):
    """The strong equilibrium value of a normal form, by one SciPy linear program for each of the follower's actions."""
    values = []
    for action in range(leader.shape[1]):
        done = linprog(
            -leader[:, action],
            A_ub=(follower - follower[:, [action]]).T,
            b_ub=np.zeros(follower.shape[1]),
            A_eq=np.ones((1, len(leader))),
            b_eq=[1.0],
            method="highs",
        )
        values.append(-done.fun if done.status == 0 else -np.inf)
    return max(values)


def eraser_value(payoffs, resources):
    """Kiekintveld et al. (2009), Section 3: one mixed-integer program with an indicator for the attacked target."""
    leader_covered, leader_uncovered, follower_covered, follower_uncovered = payoffs
    n = len(leader_covered)
    big = 4.0 * (np.max(np.abs(np.concatenate(payoffs))) + 1.0)
    eye, one = np.eye(n), np.ones((n, 1))
    gain, takes = np.diag(leader_covered - leader_uncovered), np.diag(follower_uncovered - follower_covered)
    # variables: coverage (n), attacked (n), leader's value, follower's value
    rows = [
        (np.hstack([np.zeros((1, n)), np.ones((1, n)), np.zeros((1, 2))]), 1.0, 1.0),
        (np.hstack([np.ones((1, n)), np.zeros((1, n)), np.zeros((1, 2))]), -np.inf, resources),
        (np.hstack([-gain, big * eye, one, 0 * one]), -np.inf, big + leader_uncovered),
        (np.hstack([takes, 0 * eye, 0 * one, one]), follower_uncovered, np.inf),
        (np.hstack([takes, big * eye, 0 * one, one]), -np.inf, big + follower_uncovered),
    ]
    done = milp(
        np.append(np.zeros(2 * n), [-1.0, 0.0]),
        constraints=[LinearConstraint(matrix, low, high) for matrix, low, high in rows],
        integrality=np.append(np.zeros(n), np.append(np.ones(n), [0, 0])),
        bounds=(np.append(np.zeros(2 * n), [-np.inf] * 2), np.append(np.ones(2 * n), [np.inf] * 2)),
        options={"mip_rel_gap": 0.0},
    )
    return -done.fun


def logit_value(payoffs, slope, offset, coverage):
    """The leader's value of coverages `(..., n)` against attack probabilities ∝ exp(offset + slope × coverage)."""
    leader_covered, leader_uncovered, _, _ = payoffs
    attack = softmax(offset + slope * coverage, axis=-1)
    return np.sum(attack * (coverage * leader_covered + (1 - coverage) * leader_uncovered), axis=-1)


def grid_interval(payoffs, slope, offset, resources, points):
    """An interval that holds the best value: the best of a grid, and that plus a Lipschitz bound times a cell.

    |dF/dx_i| <= p_i (|slope_i| × payoff range + gain_i) with Σ p = 1, so that in the sup-norm F changes by at most
    max_i (|slope_i| × range + gain_i). The nearest grid point below a feasible coverage is feasible.
    """
    leader_covered, leader_uncovered, _, _ = payoffs
    axis = np.linspace(0.0, 1.0, points)
    grid = np.stack(np.meshgrid(*[axis] * len(slope), indexing="ij"), axis=-1).reshape(-1, len(slope))
    grid = grid[grid.sum(axis=1) <= resources + 1e-12]
    best = float(np.max(logit_value(payoffs, slope, offset, grid)))
    span = float(np.max(leader_covered) - np.min(leader_uncovered))
    lipschitz = float(np.max(np.abs(slope) * span + leader_covered - leader_uncovered))
    return best, best + lipschitz * (axis[1] - axis[0])


def sampled_coverages(rng, num_targets, resources, count):
    """Coverages spread over the polytope: uniform and sparse Dirichlet draws, scaled and capped at 1."""
    concentration = rng.choice([0.1, 0.5, 1.0, 5.0], (count, 1))
    weights = rng.gamma(concentration, size=(count, num_targets)) + 1e-300
    draws = weights / weights.sum(axis=1, keepdims=True) * resources
    return np.minimum(draws, 1.0)
