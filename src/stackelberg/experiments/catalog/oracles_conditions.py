"""What goes wrong without the conditions of the reduction, one entry for each condition.

oracles:leader-memory, oracles:hidden-queries, oracles:out-of-equilibrium-reward, oracles:no-reset.

Each is one word of `StackelbergPOMDP`. The theorem says that with all conditions a leader's return is its value as a
commitment; it does not say how badly a learner fails without them, which is measured.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..._claims import Budget, Claim, Relation
from ..._record import Estimate, Record
from ...followers.inner_q_learning import InnerQLearning
from ...followers.stackelberg_pomdp import StackelbergPOMDP
from ...games.domains.ordinal import matrix_game
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .measuring import grouped_bars, kept, mean
from .oracles_matrix_games import LEADERS, learned, process


SHORT = (5, 1, "opponent")
"""Rounds, depth of memory and what is remembered in these games: three memories of the leader."""

NUM_SEEDS: dict[Budget, int] = {"smoke": 8, "small": 32, "full": 32}
NUM_STEPS: dict[Budget, int] = {"smoke": 300, "small": 400, "full": 1000}
INNER_STEPS: dict[Budget, int] = {"smoke": 150, "small": 200, "full": 400}
"""Where followers learn within the leader's episode, which makes it eleven times as long."""

QUICK = ("REINFORCE", "Q-learning")
"""Leaders of the smallest budget there."""


def compared(
    budget: Budget,
    folder: Path,
    cases: Mapping[str, StackelbergPOMDP],
    names: Sequence[str] = tuple(LEADERS),
    num_steps: Mapping[Budget, int] = NUM_STEPS,
) -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """What leaders have learned in the end, in each case of their decision process: `(seeds,)` by metric."""
    seeds, steps = NUM_SEEDS[budget], num_steps[budget]
    found: dict[str, dict[str, dict[str, np.ndarray]]] = {}
    for case, faced in cases.items():
        for name in names:
            make = functools.partial(learned, {case: LEADERS[name](faced)}, 0, steps, seeds)
            one = kept(folder, f"{name} {case} {steps}x{seeds}", make)
            last = {metric: values[-1, 0] for metric, values in one.items() if metric != "steps"}
            found.setdefault(case, {})[name] = last
    return found


def bars(found: Mapping[str, Mapping[str, Mapping[str, np.ndarray]]], metric: str, title: str, best: float) -> Record:
    """The mean of a metric over seeds with its 95 % interval, by leader and case; a line at the best value."""
    cases, names = list(found), list(next(iter(found.values())))
    each = [[mean(found[case][name][metric], "seeds") for case in cases] for name in names]
    return grouped_bars(
        each,
        names=names,
        terms=cases,
        y_label="leader's value once followers best-respond (payoff)",
        title=title,
        marks=[best] * len(names),
        mark_label="Stackelberg value",
    )


MEMORYLESS, FLAGGED = "sees its observation alone", "sees that it is asked"


def _memory(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    dilemma = functools.partial(process, "prisoners_dilemma", *SHORT, fixes_answers=True)
    found = compared(budget, folder, {MEMORYLESS: dilemma(), FLAGGED: dilemma(shows_phase=True)})
    measured = {}
    for name in LEADERS:
        kept_promise, broken = found[MEMORYLESS][name], found[FLAGGED][name]
        measured[f"{name}: memoryless"] = mean(kept_promise["leader_value"], "seeds")
        measured[f"{name}: promised"] = mean(broken["sampled_return"], "seeds")
        measured[f"{name}: kept"] = mean(broken["leader_value"], "seeds")
    return Evidence(measured, {"values": bars(found, "leader_value", "A leader that sees the phase", 16.0)})


OBSERVED, HIDDEN = "learns from its answers", "queries hidden"


def _hidden(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    game = functools.partial(process, "hidden_queries", *SHORT)
    cases = {
        OBSERVED: game(fixes_answers=True),
        HIDDEN: game(fixes_answers=True, hides_queries=True),
        "hidden, drawn anew": game(hides_queries=True),
    }
    found = compared(budget, folder, cases)
    measured: dict[str, Estimate] = {}
    for name in LEADERS:
        measured[f"{name}: observed"] = mean(found[OBSERVED][name]["leader_value"], "seeds")
        measured[f"{name}: hidden"] = mean(found[HIDDEN][name]["leader_value"], "seeds")
        measured[f"{name}: drawn anew"] = mean(found["hidden, drawn anew"][name]["leader_value"], "seeds")
    return Evidence(
        measured, {"values": bars(found, "leader_value", "A leader that does not learn from queries", 20.0)}
    )


MASKED, PAID = "paid in play alone", "paid while followers learn"


def _paid(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    slow = matrix_game("out_of_equilibrium")
    follower = InnerQLearning(slow, 10, 0.2, parameter_noise=0.1, initial_noise=0.0)
    faced = functools.partial(StackelbergPOMDP, follower, fixes_answers=True)
    names = QUICK if budget == "smoke" else tuple(LEADERS)
    found = compared(budget, folder, {MASKED: faced(), PAID: faced(pays_queries=True)}, names, INNER_STEPS)
    measured = {}
    for name in names:
        measured[f"{name}: masked"] = mean(found[MASKED][name]["leader_value"], "seeds")
        measured[f"{name}: paid"] = mean(found[PAID][name]["leader_value"], "seeds")
    return Evidence(measured, {"values": bars(found, "leader_value", "A leader paid while followers learn", 2.0)})


FRESH, KEPT, FIXED = "followers start anew", "followers go on", "go on, answers fixed"


def _kept(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    follower = InnerQLearning(matrix_game("battle_of_the_sexes"), 10, parameter_noise=0.1)
    cases = {
        FRESH: StackelbergPOMDP(follower),
        KEPT: StackelbergPOMDP(follower, keeps_followers=True),
    }
    names = QUICK if budget == "smoke" else tuple(LEADERS)
    if budget != "smoke":
        cases[FIXED] = StackelbergPOMDP(follower, keeps_followers=True, fixes_answers=True)
    found = compared(budget, folder, cases, names, INNER_STEPS)
    measured: dict[str, Estimate] = {}
    for case, word in zip(cases, ("fresh", "kept", "kept, fixed"), strict=False):
        for name in names:
            measured[f"{name}: {word}"] = mean(found[case][name]["leader_value"], "seeds")
    return Evidence(measured, {"values": bars(found, "leader_value", "A leader whose followers lag behind", 2.0)})


def _claim(
    name: str,
    statement: str,
    expected: float,
    relation: Relation,
    source: str,
    tolerance: float = 0.6,
    budget: Budget = "smoke",
) -> Claim:
    return Claim(name, statement, source, expected, relation, tolerance, budget, NUM_SEEDS[budget], "payoff")


def _when(name: str) -> Budget:
    """The budget that decides it where followers learn within the leader's episode."""
    return "smoke" if name in QUICK else "small"


ROWS = "brute force over the leader's two actions"
_EXACT = "brute force over the 8 deterministic leaders"

LEADER_MEMORY = Reproduction(
    "oracles:leader-memory",
    "A leader that sees whether it is asked promises what it does not do",
    "Gerstgrasser and Parkes (2023), their experiments with and without leader memory; values by enumeration, ours",
    (
        *(
            _claim(
                f"{name}: memoryless",
                f"{name} in the prisoner's dilemma, memoryless: its value, of 16 at best.",
                16.0,
                "equals",
                _EXACT,
            )
            for name in LEADERS
        ),
        *(
            _claim(
                f"{name}: promised",
                f"{name} with the phase shown: its return against followers who believe it, above 16.",
                17.0,
                "at least",
                "condition 1 of the reduction",
            )
            for name in LEADERS
        ),
        *(
            _claim(
                f"{name}: kept",
                f"{name} with the phase shown: the value of what it then plays.",
                10.0,
                "at most",
                "condition 1 of the reduction",
            )
            for name in LEADERS
        ),
    ),
    _memory,
)

HIDDEN_QUERIES = Reproduction(
    "oracles:hidden-queries",
    "A leader that does not learn from its answers to queries finds no threat",
    "Gerstgrasser and Parkes (2023), theorem 2 and its game; values by enumeration, ours",
    (
        *(
            _claim(
                f"{name}: observed",
                f"{name}, learning from its answers: its value, of 20 at best.",
                20.0,
                "equals",
                _EXACT,
            )
            for name in LEADERS
        ),
        *(
            _claim(
                f"{name}: hidden",
                f"{name}, queries hidden: its value.",
                10.0,
                "at most",
                "condition 2 of the reduction",
            )
            for name in list(LEADERS)[:3]
        ),
        _claim(
            "evolution strategies: hidden",
            "Evolution strategies, queries hidden: whole episodes are compared, and nothing is lost.",
            20.0,
            "equals",
            "condition 5 of the reduction",
        ),
    ),
    _hidden,
)

OUT_OF_EQUILIBRIUM = Reproduction(
    "oracles:out-of-equilibrium-reward",
    "A leader that is paid while followers still learn picks what they learn quickly",
    "Gerstgrasser and Parkes (2023), the game and settings of their released code",
    (
        *(
            _claim(
                f"{name}: masked",
                f"{name}, paid in play alone: its value, of 2 at best.",
                2.0,
                "equals",
                ROWS,
                0.1,
                _when(name),
            )
            for name in LEADERS
        ),
        *(
            _claim(
                f"{name}: paid",
                f"{name}, paid in queries too: its value.",
                1.0,
                "at most",
                "condition 3 of the reduction",
                0.1,
                _when(name),
            )
            for name in LEADERS
        ),
    ),
    _paid,
)

NO_RESET = Reproduction(
    "oracles:no-reset",
    "A leader whose followers go on where they were meets their habits",
    "Gerstgrasser and Parkes (2023), the game and settings of their released code",
    (
        *(
            _claim(
                f"{name}: fresh", f"{name}, followers start anew: its value, of 2 at best.", 2.0, "equals", ROWS, 0.2
            )
            for name in ("REINFORCE", "Q-learning")
        ),
        *(
            _claim(
                f"{name}: kept",
                f"{name}, followers go on: its value.",
                1.0,
                "at most",
                "condition 4 of the reduction",
                0.2,
            )
            for name in QUICK
        ),
    ),
    _kept,
)

ENTRIES = (LEADER_MEMORY, HIDDEN_QUERIES, OUT_OF_EQUILIBRIUM, NO_RESET)
