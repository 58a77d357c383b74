"""What made the parent paper work, and processes that are harder: mbrl:why and mbrl:complex."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..._claims import Budget, Claim
from ..._learner import train
from ..._loop.stacking import stack
from ..._record import Estimate
from ...games.decision_process import DecisionProcess
from ...games.domains.small_processes import decision_process
from ...games.generators_process import bridge_grid, deep_sea, random_process, river_swim
from ...model_based.counting import CountingModel
from ...model_based.world_truth import WorldTruth
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .measuring import grouped_bars, kept, mean, plain_curves, share


NUM_SEEDS: dict[Budget, int] = {"smoke": 40, "small": 120, "full": 500}
INITIAL = (0, 2, 5, 10, 20, 50, 200)
WINDOWS = {"all data": 0, "last 50": 50}
STEPS = {"plans to the end": 0, "5 steps": 5}
SHAKEN = {"greedy": 0.0, "5 % at random": 0.05}
MEMBERS = {"one model": 1, "four models": 4}
FACTORS: Mapping[str, Mapping[str, float]] = {
    "window": WINDOWS, "policy steps": STEPS, "entropy floor": SHAKEN, "ensemble": MEMBERS,
}  # fmt: skip
PLAIN = tuple(next(iter(levels)) for levels in FACTORS.values())
REAL_STEPS = 400

COMPUTED = (0.0, 0.09, 0.37, 0.65, 0.85, 0.99, 1.0)
"""Shares of seeds that end best on the study's process after so many random steps, greedy, all data."""


def ends_best(
    process: DecisionProcess, num_seeds: int, window: int, policy_steps: int, shaken: float, members: int
) -> np.ndarray:
    """Whether each seed ends within 5 % of the best, `(initial, seeds)`: all numbers of initial steps in one call."""
    make = lambda first: CountingModel(
        process, initial_steps=first, window=window, policy_steps=policy_steps, exploration=shaken, learning_rate=0.3,
        members=members,
    )  # fmt: skip
    learners = [make(first) for first in INITIAL]
    stacked = stack(learners, [WorldTruth(process) for _ in learners])
    _, metrics = train(stacked, REAL_STEPS, range(num_seeds), monitor_every=REAL_STEPS)
    return metrics["suboptimality"][-1] <= 0.05 * float(process.optimal_value())


def _why(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    process, seeds = decision_process("simple-2"), NUM_SEEDS[budget]
    found: dict[tuple[str, ...], Float[np.ndarray, "i n"]] = {}
    combinations = list(itertools.product(WINDOWS, STEPS, SHAKEN, MEMBERS))
    if budget == "smoke":
        combinations = [PLAIN, ("last 50", *PLAIN[1:])]
    for words in combinations:
        window, steps, shaken, members = (level[word] for level, word in zip(FACTORS.values(), words, strict=True))
        measure = lambda window=window, steps=steps, shaken=shaken, members=members: {
            "best": ends_best(process, seeds, int(window), int(steps), shaken, int(members)).astype(float)
        }
        found[words] = kept(folder, f"{' '.join(words)} {seeds}", measure)["best"]
    plain = found[PLAIN].mean(axis=1)
    measured = {
        "initial data": Estimate.exact(float(plain[-1] - plain[0]), "share with 200 random steps less share with none"),
        "as computed before": Estimate.exact(float(np.max(np.abs(plain - COMPUTED))), "largest difference of shares"),
    }
    for place, first in enumerate(INITIAL):
        one = found[PLAIN][place]
        measured[f"{first} random steps"] = share(int(one.sum()), seeds, "seeds")
    if len(combinations) > 2:
        for axis, (name, levels) in enumerate(FACTORS.items()):
            by_level = [np.mean([one for words, one in found.items() if words[axis] == level]) for level in levels]
            measured[f"effect of {name}"] = Estimate.exact(float(np.ptp(by_level)), "difference of mean shares")
        across = np.mean([one.mean(axis=1) for one in found.values()], axis=0)
        measured["effect of initial data"] = Estimate.exact(float(np.ptp(across)), "difference of mean shares")
    picture = plain_curves(
        np.maximum(np.asarray(INITIAL, dtype=float), 1.0),
        {", ".join(words[:3]): one for words, one in found.items() if words[3] == PLAIN[3]},
        is_log_across=True,
        x_label="random steps before the first fit (1 stands for none)",
        y_label="seeds within 5 % of the best (share)",
        title="The study's process after 400 steps: what lets model-as-leader out",
    )
    return Evidence(measured, {"why": picture})


HARD: Mapping[str, tuple[Callable[[], DecisionProcess], int]] = {
    "river": (river_swim, 3_000),
    "deep sea": (lambda: deep_sea(8), 4_000),
    "bridge": (bridge_grid, 6_000),
    "garnet": (lambda: random_process(50, 4, num_successors=5, horizon=50, discount=1.0), 4_000),
}
"""Each with its steps in the world."""

NUM_HARD: dict[Budget, int] = {"smoke": 4, "small": 16, "full": 32}
PLAN_EVERY = 25


def leaders(process: DecisionProcess) -> dict[str, CountingModel]:
    """Who learns: each as a setting of one loop.

    Pseudo-counts are few: one of them in each row, spread over all states, is a way to everywhere that planners take.
    """
    make = lambda **settings: CountingModel(process, plan_every=PLAN_EVERY, initial_steps=100, prior=0.01, **settings)
    return {
        "PAL": make(policy_steps=5, learning_rate=1.0, window=2_000),
        "MAL": make(),
        "MAL + noise": make(noise=0.3),
        "MAL + exploration": make(exploration=0.2),
        "MAL + optimism": make(unknown="best", unknown_below=3),
        "MAL + optimism in balls": make(unknown="best", level=0.95),
        "MAL + optimism in small balls": make(unknown="best", level=0.95, width=0.1),
        "MAL + pessimism": make(unknown="worst", unknown_below=3),
    }


def share_of_best(process: DecisionProcess, learner: CountingModel, num_steps: int, num_seeds: int) -> np.ndarray:
    """The true return at the end, from 0 (uniform play) to 1 (the best policy), of each seed."""
    stacked = stack([learner], [WorldTruth(process)])
    _, metrics = train(stacked, num_steps, range(num_seeds), monitor_every=num_steps)
    base = float(process.value(np.full(process.shape, 1.0 / process.shape[1])))
    return (metrics["true_value"][-1, 0] - base) / (float(process.optimal_value()) - base)


def _complex(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    seeds = NUM_HARD[budget]
    worlds = {"river": HARD["river"]} if budget == "smoke" else HARD
    measured, rows = {}, []
    for world, (build, num_steps) in worlds.items():
        process, row = build(), []
        for name, learner in leaders(process).items():
            measure = lambda process=process, learner=learner, num_steps=num_steps: {
                "share": share_of_best(process, learner, num_steps, seeds)
            }
            found = kept(folder, f"{world} {name} {seeds}", measure)["share"]
            measured[f"{world}: {name}"] = mean(found, "seeds")
            row.append(measured[f"{world}: {name}"])
        rows.append(row)
    picture = grouped_bars(
        rows,
        names=list(worlds),
        terms=list(leaders(river_swim())),
        y_label="true return: 0 uniform play, 1 the best policy",
        title=f"Processes that are hard to explore, {seeds} seeds",
    )
    return Evidence(measured, {"complex": picture})


BEFORE = "computed before by another program, 120 seeds"

WHY = Reproduction(
    "mbrl:why",
    "What lets model-as-leader out of its trap without a repair",
    "Rajeswaran, Mordatch and Kumar (2020) begin with random data and keep it",
    (
        Claim("initial data", "From no random step to 200 the share of seeds that end best rises from none to all.",
              BEFORE, 0.9, "at least", 0.0, "smoke", 40, "share"),
        Claim("as computed before", "At every number of random steps it is near the share known.",
              BEFORE, 0.0, "at most", 0.25, "smoke", 40, "share"),
        Claim("effect of initial data", "It explains more than window, policy steps and random actions do.",
              "ours to measure", 0.3, "at least", 0.0, "small", 120, "share"),
    ),
    _why,
)  # fmt: skip

COMPLEX = Reproduction(
    "mbrl:complex",
    "Policy- and model-as-leader where exploring is hard",
    "Strehl and Littman (2008), Osband et al. (2019), Archibald et al. (1995), the worlds",
    (
        Claim("river: MAL + optimism", "In the river optimism is near the best.",
              "ours to measure", 0.8, "at least", 0.0, "smoke", 4, "share"),
        Claim("river: MAL + pessimism", "Pessimism drifts with the current.",
              "ours to measure", 0.1, "at most", 0.0, "smoke", 4, "share"),
        Claim("deep sea: MAL + optimism", "In the deep sea optimism finds the corner.",
              "ours to measure", 0.9, "at least", 0.0, "small", 16, "share"),
    ),
    _complex,
)  # fmt: skip

ENTRIES = (WHY, COMPLEX)
