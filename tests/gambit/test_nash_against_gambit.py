"""Nash equilibria are those that Gambit enumerates."""

import numpy as np
import pygambit

import stackelberg as sg


def test_gambit_finds_the_same_equilibria():
    rng = np.random.default_rng(2)
    for _ in range(25):
        leader, follower = rng.random((2, *rng.integers(2, 6, 2)))
        found = sg.nash_equilibria(sg.NormalFormGame(leader, follower))
        peer = pygambit.Game.from_arrays(leader, follower)
        profiles = pygambit.nash.enummixed_solve(peer, rational=False).equilibria
        rows = list(next(iter(peer.players)).strategies)
        theirs = [[float(profile[row]) for row in rows] for profile in profiles]
        assert len(theirs) == len(found)
        assert np.allclose(sorted(theirs), sorted(found.leader_strategies.tolist()), atol=1e-6)
