"""Quantal response equilibria by Gambit, a separate code base (GPL: used in tests alone)."""

import numpy as np
import pygambit


def estimate(leader_payoff, follower_payoff, leader_counts, follower_counts):
    """Inverse temperature, both strategies and log-likelihood at Gambit's estimate along the principal branch."""
    game = pygambit.Game.from_arrays(np.asarray(leader_payoff, float), np.asarray(follower_payoff, float))
    data = game.mixed_strategy_profile([list(map(float, leader_counts)), list(map(float, follower_counts))])
    found = pygambit.qre.logit_estimate(data)
    strategies = [[float(found.profile[strategy]) for strategy in player.strategies] for player in game.players]
    return float(found.lam), strategies, float(found.log_like)


def at(leader_payoff, follower_payoff, inverse_temperature):
    """Gambit's equilibrium on the principal branch at one inverse temperature."""
    game = pygambit.Game.from_arrays(np.asarray(leader_payoff, float), np.asarray(follower_payoff, float))
    found = pygambit.qre.logit_solve_lambda(game, [inverse_temperature])[0].profile
    return [[float(found[strategy]) for strategy in player.strategies] for player in game.players]
