"""Games drawn at random or built from a formula, named after the classes of GAMUT (Nudelman et al., 2004).

Every generator takes a `seed` and gives the same game for the same seed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _boundary as boundary
from .normal_form import NormalFormGame


def random_game(num_leader_actions: Any, num_follower_actions: Any, *, seed: Any = 0) -> NormalFormGame:
    """Every payoff uniform in [-1, 1] and independent of all others."""
    shape, rng = _shape_and_rng(num_leader_actions, num_follower_actions, seed)
    payoff = 2.0 * rng.random((2, *shape)) - 1.0
    return NormalFormGame(payoff[0], payoff[1], title=f"Random game {shape[0]}×{shape[1]}, seed {seed}")


def covariant_game(
    num_leader_actions: Any, num_follower_actions: Any, correlation: Any, *, seed: Any = 0
) -> NormalFormGame:
    """Standard normal payoffs; in each cell the two players' payoffs have the given correlation in [-1, 1].

    -1 is a zero-sum game, 0 independent payoffs, 1 a game of common interest.
    """
    shape, rng = _shape_and_rng(num_leader_actions, num_follower_actions, seed)
    rho = boundary.real_number("correlation", correlation, low=-1.0, high=1.0)
    leader, other = rng.standard_normal((2, *shape))
    follower = rho * leader + np.sqrt(1.0 - rho**2) * other
    return NormalFormGame(leader, follower, title=f"Covariant game {shape[0]}×{shape[1]}, ρ={rho:g}, seed {seed}")


def zero_sum_game(num_leader_actions: Any, num_follower_actions: Any, *, seed: Any = 0) -> NormalFormGame:
    """The leader's payoffs uniform in [-1, 1], the follower's their negatives."""
    shape, rng = _shape_and_rng(num_leader_actions, num_follower_actions, seed)
    payoff = 2.0 * rng.random(shape) - 1.0
    return NormalFormGame(payoff, -payoff, title=f"Zero-sum game {shape[0]}×{shape[1]}, seed {seed}")


def coordination_game(num_actions: Any, *, seed: Any = 0) -> NormalFormGame:
    """Both gain in [0, 1] where their actions agree, and lose in [-1, 0] elsewhere."""
    shape, rng = _shape_and_rng(num_actions, num_actions, seed)
    payoff = rng.random((2, *shape)) - (1.0 - np.eye(shape[0]))
    return NormalFormGame(payoff[0], payoff[1], title=f"Coordination game {shape[0]}×{shape[1]}, seed {seed}")


def degenerate_game(num_leader_actions: Any, num_follower_actions: Any, *, seed: Any = 0) -> NormalFormGame:
    """Payoffs from {0, 1, 2}, so that ties and equal rows and columns are common."""
    shape, rng = _shape_and_rng(num_leader_actions, num_follower_actions, seed)
    payoff = np.floor(3.0 * rng.random((2, *shape)))
    return NormalFormGame(payoff[0], payoff[1], title=f"Degenerate game {shape[0]}×{shape[1]}, seed {seed}")


def travellers_dilemma(low: Any = 2, high: Any = 10, bonus: Any = 2) -> NormalFormGame:
    """Both name a claim from `low` to `high`; both get the lower one, its author `bonus` more and the other less.

    Basu (1994).
    """
    first = boundary.whole_number("low", low)
    last = boundary.whole_number("high", high, low=first, high=first + 1000)
    reward = boundary.real_number("bonus", bonus, low=0.0)
    claims = np.arange(first, last + 1.0)
    own, other = claims[:, None], claims[None, :]
    payoff = np.minimum(own, other) + reward * np.sign(other - own)
    names = [str(int(claim)) for claim in claims]
    return NormalFormGame(
        payoff, payoff.T, leader_actions=names, follower_actions=names, title=f"Traveller's dilemma, {first} to {last}"
    )


def grab_the_dollar(num_times: Any = 4, prize: Any = 3, loss: Any = -1, patience: Any = 0.9) -> NormalFormGame:
    """Both choose when to grab a prize; who grabs first has it, discounted, and both lose if they grab at once."""
    times = boundary.whole_number("num_times", num_times, low=1, high=1000)
    value = boundary.real_number("prize", prize)
    both = boundary.real_number("loss", loss)
    discount = boundary.real_number("patience", patience, low=0.0, high=1.0)
    own, other = np.arange(times)[:, None], np.arange(times)[None, :]
    stakes = np.where(own < other, value, np.where(own == other, both, 0.0)) * discount ** np.minimum(own, other)
    names = [f"time {time}" for time in range(1, times + 1)]
    return NormalFormGame(
        stakes, stakes.T, leader_actions=names, follower_actions=names, title=f"Grab the dollar, {times} times"
    )


def duopoly(num_steps: Any = 8, demand: Any = 8) -> NormalFormGame:
    """Two firms choose quantities 0 … `demand` in `num_steps` equal steps; the price is `demand` minus their sum.

    Profits are quantity × price per unit over unit cost (the price does not fall below cost: goods are then unsold).
    With continuous quantities and demand d the leader produces d/2 and the follower d/4 (von Stackelberg, 1934).
    """
    steps = boundary.whole_number("num_steps", num_steps, low=1, high=1000)
    size = boundary.real_number("demand", demand, low=0.0, low_open=True)
    quantities = np.linspace(0.0, size, steps + 1)
    own, other = quantities[:, None], quantities[None, :]
    profit = own * np.maximum(size - own - other, 0.0)
    names = [f"{quantity:g}" for quantity in quantities]
    return NormalFormGame(
        profit, profit.T, leader_actions=names, follower_actions=names, title=f"Duopoly, demand {size:g}, {steps} steps"
    )


def _shape_and_rng(rows: Any, columns: Any, seed: Any) -> tuple[tuple[int, int], np.random.Generator]:
    shape = (
        boundary.whole_number("num_leader_actions", rows, low=1, high=10_000),
        boundary.whole_number("num_follower_actions", columns, low=1, high=10_000),
    )
    return shape, np.random.default_rng(boundary.whole_number("seed", seed))
