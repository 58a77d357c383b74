"""The ascent beyond the reach of branch and bound: never below a general optimiser from as many starts."""

import numpy as np
from scipy.optimize import minimize

import stackelberg as sg


RATE = 5.0
LEADER, FOLLOWER = np.random.default_rng(0).random((2, 10, 10, 10))


def paid(commitment, leader, follower):
    logit = RATE * commitment @ follower
    weights = np.exp(logit - logit.max())
    return weights @ (commitment @ leader) / weights.sum()


def by_slsqp(leader, follower):
    starts = np.random.default_rng(1).dirichlet(np.ones(10), 8)
    simplex = {"type": "eq", "fun": lambda commitment: commitment.sum() - 1.0}
    found = [
        minimize(lambda x: -paid(x, leader, follower), start, bounds=[(0, 1)] * 10, constraints=[simplex])
        for start in starts
    ]
    best = [np.maximum(result.x, 0.0) / np.maximum(result.x, 0.0).sum() for result in found]
    return max(paid(commitment, leader, follower) for commitment in best)


def test_a_general_optimiser_from_eight_starts_finds_nothing_better():
    values = sg.quantal_batch(LEADER, FOLLOWER, RATE).leader_values
    peer = np.array([by_slsqp(*game) for game in zip(LEADER, FOLLOWER, strict=True)])
    assert np.max(peer - values) <= 1e-7
