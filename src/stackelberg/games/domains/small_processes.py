"""Small decision processes by name: those of the study of model-based learning as a game, with their exact answers.

Source: Cremer, Ozieblowski and Zengaffinen, "Model-Based RL as Stackelberg Games: Don't Be Fooled by Your Own Model"
(2024), the processes of its text and of its released code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ... import _boundary as boundary
from ..decision_process import DecisionProcess


HORIZON = 50
"""After which an episode of the study ends, if it has not before."""


@dataclass(frozen=True)
class ProcessEntry:
    """A process with its exact answers, counted over 50 steps without discount.

    - `best_value`: of the best policy.  `worst_equilibrium`: of the worst policy that a model can make optimal while it
      is right wherever that policy goes (discount 0.99).  `basis`: as in the catalog of games.
    """

    name: str
    build: Callable[[], DecisionProcess]
    description: str
    best_value: float
    worst_equilibrium: float
    basis: str = "certified"

    @property
    def process(self) -> DecisionProcess:
        """The process itself."""
        return self.build()


def decision_process(name: str) -> DecisionProcess:
    """The process called `name`; `InputError` suggests the nearest name otherwise."""
    return PROCESSES[boundary.one_of("name", name, PROCESSES)].process


def process_names() -> tuple[str, ...]:
    """What `decision_process` knows."""
    return tuple(PROCESSES)


def simple(
    *,
    enters: float = 0.5,
    stays: float = 0.2,
    climbs: float = 0.5,
    terminal: bool = True,
    returns: tuple[float, float] = (0.0, 0.0),
    title: str = "",
) -> DecisionProcess:
    """Three states A, B, C and two actions X, Y; play starts in B.

    - `enters`: what B, Y → A pays.  `stays`: the probability of B, X → B; the rest goes to C, and pays 1.
    - `climbs`: the probability of B, Y → A.  `terminal`: whether C ends the episode.
    - `returns`: the probabilities of C, X → B and of C, Y → A.
    """
    law, paid = np.zeros((3, 2, 3)), np.zeros((3, 2, 3))
    law[0, 0], law[0, 1] = [0.1, 0.6, 0.3], [1.0, 0.0, 0.0]
    law[1, 0], law[1, 1] = [0.0, stays, 1.0 - stays], [climbs, 1.0 - climbs, 0.0]
    law[2, 0], law[2, 1] = [0.0, returns[0], 1.0 - returns[0]], [returns[1], 0.0, 1.0 - returns[1]]
    paid[0, 0], paid[0, 1] = [1.0, -0.05, 1.0], [0.75, 0.0, 0.0]
    paid[1, 0], paid[1, 1] = [0.0, -0.05, 1.0], [enters, -0.05, 0.0]
    ends = [0, 0, 1] if terminal else None
    return DecisionProcess(
        law, paid, [0, 1, 0], ends, horizon=HORIZON, states=["A", "B", "C"], actions=["X", "Y"], title=title
    )


def deterministic(
    moves: list[list[int]], paid: Mapping[tuple[int, int], float], start: int = 0, terminal: tuple[int, ...] = (),
    title: str = "", actions: list[str] | None = None,
) -> DecisionProcess:  # fmt: skip
    """A process without chance: `moves[s][a]` is the next state, `paid[s, a]` what that step pays, otherwise 0."""
    num_states, num_actions = len(moves), len(moves[0])
    reward = np.zeros((num_states, num_actions, num_states))
    for (s, a), amount in paid.items():
        reward[s, a, moves[s][a]] = amount
    ends = np.isin(np.arange(num_states), terminal).astype(int)
    return DecisionProcess(
        np.eye(num_states)[np.asarray(moves)], reward, np.eye(num_states)[start], ends, horizon=HORIZON,
        actions=actions, title=title,
    )  # fmt: skip


def _ring(slow: float = 1.0) -> DecisionProcess:
    """Four states in a ring, left to right or back; two of the ways are rich. `slow`: the chance of leaving 2 or 3."""
    moves = [[1, 3], [2, 0], [3, 1], [0, 2]]
    paid = {(0, 0): 0.1, (1, 1): 0.1, (2, 0): 9.9, (3, 1): 9.9}
    made = deterministic(moves, paid, title="Ring of four" if slow == 1.0 else "Ring of four, slow at its rich end")
    law = np.array(made.transition)
    law[2, 0], law[3, 1] = [0, 0, 1 - slow, slow], [0, 0, slow, 1 - slow]
    return DecisionProcess(law, made.reward, made.initial, horizon=HORIZON, title=made.title)


def two_states() -> DecisionProcess:
    """Two states: either action leads to one of them from both, and staying in the second pays 5."""
    paid = {(0, 0): 1.0, (0, 1): 1.0, (1, 0): 5.0, (1, 1): 1.0}
    return deterministic([[1, 0], [1, 0]], paid, title="Two states")


def fork(rich: float = 10.0) -> DecisionProcess:
    """One choice: `rich` one way, 1 the other, and play is over. A model can hide the rich way by never showing it."""
    reward = {(0, 0): rich, (0, 1): 1.0}
    moves = [[2, 3], [1, 1], [2, 2], [3, 3]]
    return deterministic(moves, reward, terminal=(1, 2, 3), title=f"Fork, {rich:g} against 1", actions=["far", "near"])


def triangle(rich: float = 10.0) -> DecisionProcess:
    """Three states in a ring, ergodic and without chance: two of the ways pay `rich`, the others 1."""
    moves = [[2, 1], [0, 2], [1, 0]]
    paid = {(0, 0): 1.0, (0, 1): 1.0, (1, 0): 1.0, (1, 1): rich, (2, 0): rich, (2, 1): 1.0}
    return deterministic(moves, paid, title="Triangle")


def triangle_of_the_code() -> DecisionProcess:
    """The triangle as the released code has it: 5 in the place of 10, and states named otherwise."""
    moves = [[1, 2], [2, 0], [0, 1]]
    paid = {(0, 0): 1.0, (0, 1): 1.0, (1, 0): 5.0, (1, 1): 1.0, (2, 0): 1.0, (2, 1): 5.0}
    return deterministic(moves, paid, title="Triangle of the released code")


def _entry(
    name: str, build: Callable[[], DecisionProcess], best: float, worst: float, description: str
) -> ProcessEntry:
    return ProcessEntry(name, build, description, best, worst, "published" if name == "simple-2" else "certified")


_ENTRIES = (
    _entry("simple-2", lambda: simple(title="The study's process"), 36.45, 0.9875, "A trap beside the best policy."),
    _entry("simple-1", lambda: simple(enters=-0.01, title="A costs"), 35.94, 0.9875, "Entering A costs."),
    _entry("simple-1-variant-1", lambda: simple(enters=-0.01, stays=1.0, title="A costs, B holds"), 35.94, -2.5,
           "And X keeps one in B."),
    _entry("simple-2-variant-1", lambda: simple(stays=1.0, title="B holds"), 36.45, -2.5, "X keeps one in B."),
    _entry("simple-2-variant-2", lambda: simple(climbs=0.8, title="A is near"), 37.05, 0.9875, "Y finds A."),
    _entry("simple-2-endless", lambda: simple(terminal=False, title="C holds"), 36.45, 0.9875, "C keeps one for ever."),
    _entry("ergodic-1", lambda: simple(terminal=False, returns=(0.1, 0.1), title="C lets go slowly"), 36.45,
           5.169135802469137, "Every state leads to every other one."),
    _entry("deterministic-1", _ring, 485.1, 0.0, "A ring of four states without chance."),
    _entry("ergodic-2", lambda: _ring(0.9), 436.59, 0.0, "The same ring, slow at its rich end."),
    _entry("two-states", two_states, 246.0, 50.0, "Two states, one of them rich."),
    _entry("fork", fork, 10.0, 1.0, "One choice, 10 against 1."),
    _entry("triangle", triangle, 491.0, 50.0, "Ergodic and without chance, and still a model can hide most of it."),
    _entry("triangle-of-the-code", triangle_of_the_code, 246.0, 50.0, "The same with 5 in the place of 10."),
)  # fmt: skip


PROCESSES: dict[str, ProcessEntry] = {entry.name: entry for entry in _ENTRIES}
"""By name, in the order of the docs."""
