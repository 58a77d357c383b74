"""Decision processes by recipe: drawn at random, and the classics that are hard to explore."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _boundary as boundary
from .decision_process import DecisionProcess


def random_process(
    num_states: Any = 4,
    num_actions: Any = 2,
    seed: Any = 0,
    *,
    num_successors: Any = None,
    by_next_state: Any = True,
    horizon: Any = None,
    discount: Any = 0.9,
) -> DecisionProcess:
    """Rows drawn from a flat Dirichlet law, rewards from the uniform one on [-1, 1]; it begins in the first state.

    - `num_successors`: how many states can follow each state and action; all when left out. With few this is the
      Garnet of Archibald, McKinnon and Thomas (1995).
    - `by_next_state`: whether rewards depend on the next state.
    """
    sizes = (
        boundary.whole_number("num_states", num_states, low=1),
        boundary.whole_number("num_actions", num_actions, low=1),
    )
    few = boundary.whole_number(
        "num_successors", sizes[0] if num_successors is None else num_successors, low=1, high=sizes[0]
    )
    generator = np.random.Generator(np.random.Philox(boundary.whole_number("seed", seed, low=0)))
    law = np.zeros((*sizes, sizes[0]))
    for cell in np.ndindex(*sizes):
        law[cell][generator.choice(sizes[0], few, replace=False)] = generator.dirichlet(np.ones(few))
    paid = generator.uniform(-1.0, 1.0, law.shape if boundary.boolean("by_next_state", by_next_state) else (*sizes, 1))
    reward = np.broadcast_to(paid, law.shape)
    return DecisionProcess(law, reward, np.eye(sizes[0])[0], horizon=horizon, discount=discount, title="Random process")


def river_swim(num_states: Any = 6, *, horizon: Any = 50) -> DecisionProcess:
    """Against the current to a great reward, or with it to a small one (Strehl and Littman, 2008)."""
    size = boundary.whole_number("num_states", num_states, low=2)
    law, paid = np.zeros((size, 2, size)), np.zeros((size, 2, size))
    for place in range(size):
        law[place, 0, max(place - 1, 0)] = 1.0
        back, on = max(place - 1, 0), min(place + 1, size - 1)
        law[place, 1, on] += 0.35 if place else 0.4
        law[place, 1, place] += 0.6
        law[place, 1, back] += 0.05 if place else 0.0
    law[-1, 1] = 0.0
    law[-1, 1, -1], law[-1, 1, -2] = 0.6, 0.4
    paid[0, 0, 0], paid[-1, 1, -1] = 0.005, 1.0
    return DecisionProcess(
        law, paid, np.eye(size)[0], horizon=horizon, actions=["with", "against"], title=f"River of {size} states"
    )


def deep_sea(depth: Any = 10) -> DecisionProcess:
    """A square of cells in which one sinks a row a step, left or right; only all right pays (Osband et al., 2019).

    Each step to the right costs 0.01 / depth, and the corner pays 1.
    """
    size = boundary.whole_number("depth", depth, low=2)
    law, paid = np.zeros((size * size + 1, 2, size * size + 1)), np.zeros((size * size + 1, 2, size * size + 1))
    for row, column in np.ndindex(size, size):
        for action in (0, 1):
            to = min(max(column + 2 * action - 1, 0), size - 1)
            then = size * size if row == size - 1 else (row + 1) * size + to
            law[row * size + column, action, then] = 1.0
            paid[row * size + column, action, then] = -0.01 / size * action
            if action and row == size - 1 and column == size - 1:
                paid[row * size + column, action, then] += 1.0
    law[-1, :, -1] = 1.0
    ends = np.eye(size * size + 1)[-1]
    return DecisionProcess(
        law,
        paid,
        np.eye(size * size + 1)[0],
        ends,
        horizon=size,
        actions=["left", "right"],
        title=f"Deep sea of {size}",
    )


def bridge_grid(size: Any = 8, *, slip: Any = 0.1, horizon: Any = 50) -> DecisionProcess:
    """A grid with a bridge over lava: the short way to the goal, or the long way around it.

    Moves go aside with probability `slip`. Lava ends the episode and pays -1, the goal ends it and pays 1; every other
    step costs 0.01. The lava fills the middle column but for its first row (the long way) and one cell (the bridge).
    """
    side = boundary.whole_number("size", size, low=4)
    astray = boundary.real_number("slip", slip, low=0.0, high=1.0)
    cell = lambda row, column: min(max(row, 0), side - 1) * side + min(max(column, 0), side - 1)
    moves = ((-1, 0), (0, 1), (1, 0), (0, -1))
    middle, bridge = side // 2, side - 2
    lava = {cell(row, middle) for row in range(1, side) if row != bridge}
    start, goal = cell(bridge, 0), cell(bridge, side - 1)
    law = np.zeros((side * side, 4, side * side))
    for row, column in np.ndindex(side, side):
        for action in range(4):
            for turn, share in ((0, 1.0 - astray), (1, astray / 2), (3, astray / 2)):
                by = moves[(action + turn) % 4]
                law[cell(row, column), action, cell(row + by[0], column + by[1])] += share
    paid = np.full(law.shape, -0.01)
    paid[:, :, sorted(lava)], paid[:, :, goal] = -1.0, 1.0
    ends = np.isin(np.arange(side * side), [*lava, goal]).astype(int)
    return DecisionProcess(
        law, paid, np.eye(side * side)[start], ends, horizon=horizon, actions=["up", "right", "down", "left"],
        title=f"Bridge over lava, {side} by {side}",
    )  # fmt: skip


def goal_grid(size: Any = 5, *, slip: Any = 0.1, discount: Any = 0.95) -> DecisionProcess:
    """A square grid from one corner to the other, again and again: the goal pays 1 and leads back to the start.

    Moves go aside with probability `slip`, half to each side; what would leave the grid stays.
    """
    side = boundary.whole_number("size", size, low=2)
    astray = boundary.real_number("slip", slip, low=0.0, high=1.0)
    moves = ((-1, 0), (0, 1), (1, 0), (0, -1))
    law = np.zeros((side * side, 4, side * side))
    for row, column in np.ndindex(side, side):
        for action in range(4):
            for turn, share in ((0, 1.0 - astray), (1, astray / 2), (3, astray / 2)):
                by = moves[(action + turn) % 4]
                to = (min(max(row + by[0], 0), side - 1), min(max(column + by[1], 0), side - 1))
                law[row * side + column, action, to[0] * side + to[1]] += share
    law[-1] = np.eye(side * side)[0]
    paid = np.zeros(law.shape)
    paid[-1] = 1.0
    return DecisionProcess(
        law, paid, np.eye(side * side)[0], discount=discount, actions=["up", "right", "down", "left"],
        title=f"Grid of {side} by {side} with a goal",
    )  # fmt: skip


def noisy_ring(num_states: Any = 10, num_actions: Any = 8, *, discount: Any = 0.9) -> DecisionProcess:
    """A ring on which every action leads on: the first pays 0.5, the others 0.3.

    Meant to be logged with noise on the rewards of the others (`reward_deviation`), which makes some look better than
    they are. It begins in every state alike.
    """
    size = boundary.whole_number("num_states", num_states, low=2)
    actions = boundary.whole_number("num_actions", num_actions, low=2)
    law = np.broadcast_to(np.roll(np.eye(size), 1, axis=1)[:, None], (size, actions, size))
    paid = np.full(law.shape, 0.3)
    paid[:, 0] = 0.5
    return DecisionProcess(law, paid, np.full(size, 1.0 / size), discount=discount, title=f"Noisy ring of {size}")


def second_order_process(
    num_symbols: Any = 3, num_actions: Any = 2, seed: Any = 0, *, sharpness: Any = 0.3, discount: Any = 0.9
) -> DecisionProcess:
    """Symbols that follow from the last two of them: the state is (last but one, last), numbered in that order.

    Whoever sees the last symbol alone needs two of them and no more: windows of two are a state, of one they are not.
    Laws are drawn from a Dirichlet law of parameter `sharpness`, rewards of each state and action from the uniform law
    on [0, 1]. What is seen of the states is `np.arange(num_symbols**2) % num_symbols`. It begins with a symbol twice.
    """
    size = boundary.whole_number("num_symbols", num_symbols, low=2)
    actions = boundary.whole_number("num_actions", num_actions, low=1)
    narrow = boundary.real_number("sharpness", sharpness, low=0.0, low_open=True)
    generator = np.random.Generator(np.random.Philox(boundary.whole_number("seed", seed, low=0)))
    law = np.zeros((size * size, actions, size * size))
    for before, last, action in np.ndindex(size, size, actions):
        law[before * size + last, action, last * size : (last + 1) * size] = generator.dirichlet(np.full(size, narrow))
    paid = np.broadcast_to(generator.random((size * size, actions, 1)), law.shape)
    initial = np.zeros(size * size)
    initial[np.arange(size) * (size + 1)] = 1.0 / size
    return DecisionProcess(law, paid, initial, discount=discount, title="Symbols that follow from the last two")
