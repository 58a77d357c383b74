"""What goes wrong without the conditions of the reduction: oracles:leader-memory, oracles:hidden-queries.

Each is one word of `StackelbergPOMDP`. The theorem says that with all conditions a leader's return is its value as a
commitment; it does not say how badly a learner fails without them, which is measured.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..._claims import Budget, Claim
from ..._record import Estimate, Record
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .measuring import kept, mean
from .oracles_matrix_games import LEADERS, learned, process


SHORT = (5, 1, "opponent")
"""Rounds, depth of memory and what is remembered in these games: three memories of the leader."""

NUM_SEEDS: dict[Budget, int] = {"smoke": 8, "small": 32, "full": 32}
NUM_STEPS: dict[Budget, int] = {"smoke": 300, "small": 400, "full": 1000}


def compared(
    budget: Budget, folder: Path, game: str, cases: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """What four leaders have learned in the end, in each case of their decision process: `(seeds,)` by metric."""
    seeds, steps = NUM_SEEDS[budget], NUM_STEPS[budget]
    found: dict[str, dict[str, dict[str, np.ndarray]]] = {}
    for case, flags in cases.items():
        for name, leader in LEADERS.items():
            learner = leader(process(game, *SHORT, **flags))
            make = functools.partial(learned, {game: learner}, 0, steps, seeds)
            one = kept(folder, f"{name} {case} {steps}x{seeds}", make)
            found.setdefault(case, {})[name] = {
                metric: values[-1, 0] for metric, values in one.items() if values.ndim == 3
            }
    return found


def bars(found: Mapping[str, Mapping[str, Mapping[str, np.ndarray]]], metric: str, title: str, best: float) -> Record:
    """The mean of a metric over seeds with its 95 % interval, by leader and case; a line at the best value."""
    cases, names = list(found), list(LEADERS)
    each = [[mean(found[case][name][metric], "seeds") for case in cases] for name in names]
    columns = {
        column: np.array([[float(getattr(entry, end)) for entry in row] for row in each])
        for column, end in (("middle", "value"), ("low", "low"), ("high", "high"))
    }
    attributes = {
        "names": names,
        "terms": cases,
        "y_label": "leader's value once followers best-respond (payoff)",
        "title": title,
        "marks": [best] * len(names),
        "mark_label": "Stackelberg value",
    }
    return Record("grouped bars", columns, attributes)


MEMORYLESS, FLAGGED = "sees its observation alone", "sees that it is asked"


def _memory(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    cases = {MEMORYLESS: {"fixes_answers": True}, FLAGGED: {"fixes_answers": True, "shows_phase": True}}
    found = compared(budget, folder, "prisoners_dilemma", cases)
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
    cases = {
        OBSERVED: {"fixes_answers": True},
        HIDDEN: {"fixes_answers": True, "hides_queries": True},
        "hidden, drawn anew": {"hides_queries": True},
    }
    found = compared(budget, folder, "hidden_queries", cases)
    measured: dict[str, Estimate] = {}
    for name in LEADERS:
        measured[f"{name}: observed"] = mean(found[OBSERVED][name]["leader_value"], "seeds")
        measured[f"{name}: hidden"] = mean(found[HIDDEN][name]["leader_value"], "seeds")
        measured[f"{name}: drawn anew"] = mean(found["hidden, drawn anew"][name]["leader_value"], "seeds")
    return Evidence(
        measured, {"values": bars(found, "leader_value", "A leader that does not learn from queries", 20.0)}
    )


def _claim(name: str, statement: str, expected: float, relation: Any, source: str) -> Claim:
    return Claim(name, statement, source, expected, relation, 0.6, "smoke", 8, "payoff")


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

ENTRIES = (LEADER_MEMORY, HIDDEN_QUERIES)
