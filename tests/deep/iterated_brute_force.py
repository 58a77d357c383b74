"""Iterated matrix games of two actions played out round by round in plain Python, for deterministic policies."""

import itertools


def played(leader_payoff, follower_payoff, leader, follower, num_steps, sight="both"):
    """Sums of payoffs: policies are tuples of actions by observation (0 at the start)."""
    of_leader = of_follower = 0
    total = [0.0, 0.0]
    for _ in range(num_steps):
        a, b = leader[of_leader], follower[of_follower]
        total[0] += leader_payoff[a][b]
        total[1] += follower_payoff[a][b]
        of_leader, of_follower = (1 + a + 2 * b,) * 2 if sight == "both" else (1 + b, 1 + a)
    return tuple(total)


def best_response(leader_payoff, follower_payoff, leader, num_steps, sight="both", ties="leader"):
    """(leader's, follower's) sums under the follower's best deterministic policy that does not see the time."""
    count = 5 if sight == "both" else 3
    every = [
        played(leader_payoff, follower_payoff, leader, follower, num_steps, sight)
        for follower in itertools.product((0, 1), repeat=count)
    ]
    most = max(own for _, own in every)
    tied = [value for value in every if value[1] >= most - 1e-9]
    return max(tied) if ties == "leader" else min(tied)


def all_leaders(leader_payoff, follower_payoff, num_steps, sight="both", ties="leader"):
    """The leader's value of each of its deterministic policies, in the order of `itertools.product`."""
    count = 5 if sight == "both" else 3
    return [
        best_response(leader_payoff, follower_payoff, leader, num_steps, sight, ties)[0]
        for leader in itertools.product((0, 1), repeat=count)
    ]
