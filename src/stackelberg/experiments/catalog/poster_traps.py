"""How a model that is right wherever its policy goes misleads it: poster:counterexamples, :mixing and :basins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..._claims import Budget, Claim
from ..._record import Estimate
from ...games.decision_process import DecisionProcess
from ...games.domains.small_processes import decision_process, fork, triangle
from ...games.generators_process import random_process
from ...model_based.fixed_points import random_models, repeated_fits
from ...solvers.world_model.zero_loss import zero_loss_equilibria
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .measuring import exact_curves, grouped_bars, kept, share


STUDY = "Cremer, Ozieblowski and Zengaffinen (2024)"
OURS = "ours, by going through all deterministic policies"
PLANNING = 0.99
RICHES = 10.0 ** np.arange(1, 7)

BASINS: Mapping[str, Mapping[float, float]] = {
    "simple-2": {0.9875: 47.5, 2.5780: 29.0, 36.45: 23.5},
    "simple-2-variant-1": {2.5780: 56.9, 36.45: 43.1},
    "simple-2-variant-2": {0.9875: 47.6, 2.6952: 29.1, 37.05: 23.3},
    "ergodic-2": {436.59: 82.2, 427.78: 12.5, 5.0: 1.2},
    "deterministic-1": {485.1: 82.6, 475.3: 12.0, 5.0: 1.2},
    "two-states": {246.0: 66.8, 50.0: 33.2},
    "fork": {10.0: 93.5, 1.0: 6.5},
    "triangle": {491.0: 74.8, 203.0: 17.6, 50.0: 7.6},
}
"""By process: what the world pays at rest, and the share of first models that lead there (%), computed before."""

NUM_MODELS: dict[Budget, int] = {"smoke": 20_000, "small": 20_000, "full": 200_000}
SHARES = np.array([0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
MIXED = ("triangle", "ergodic-1", "two-states", "deterministic-1")
NUM_RANDOM: dict[Budget, int] = {"smoke": 20, "small": 100, "full": 400}


def _counterexamples(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del budget, folder, on_progress
    lost = []
    for rich in RICHES:
        found = zero_loss_equilibria(fork(float(rich)), PLANNING)
        lost.append(found.best_value - found.worst_value)
    ring, code = triangle(), decision_process("triangle-of-the-code")
    law = np.asarray(ring.transition)
    everywhere = np.linalg.matrix_power(np.mean(law, axis=1), 3) > 0.0
    at = {name: zero_loss_equilibria(one, PLANNING) for name, one in (("ring", ring), ("code", code))}
    endless = zero_loss_equilibria(ring.counted(discount=PLANNING), PLANNING)
    measured = {
        "gap of the fork": Estimate.exact(float(np.max(np.abs(np.array(lost) - (RICHES - 1.0))))),
        "triangle, promised and paid": Estimate.exact(at["ring"].worst_value),
        "triangle, best": Estimate.exact(at["ring"].best_value),
        "triangle, discounted": Estimate.exact(endless.worst_value),
        "triangle, ergodic without chance": Estimate.exact(
            float(np.all(everywhere) and np.all((law == 0) | (law == 1)))
        ),
        "cousin in the code": Estimate.exact(at["code"].worst_value),
    }
    picture = exact_curves(
        RICHES,
        {"lost to a model without loss": np.array(lost)},
        "power law",
        guides=[1.0],
        x_label="what the hidden way pays (reward)",
        y_label="best return less that of the worst equilibrium (reward)",
        title="Fork: what a model hides without ever being wrong",
    )
    return Evidence(measured, {"fork": picture})


def _lost(process: DecisionProcess, mixing: float) -> float:
    """Best return per step less that of the worst zero-loss equilibrium, the world and its models being so mixed."""
    law = (1.0 - mixing) * np.asarray(process.transition) + mixing / process.shape[0]
    mixed = DecisionProcess(law, process.reward, process.initial, discount=PLANNING)
    found = zero_loss_equilibria(mixed, PLANNING, mixing)
    return (1.0 - PLANNING) * float(np.max(found.values) - found.worst_value)


def mixing_bound(process: DecisionProcess, mixing: float) -> float:
    """No zero-loss equilibrium is further from the best, per step: 2 (1 - ε) × range of rewards / (1 - γ (1 - ε)).

    Rows of the world and of a model differ by at most 2 (1 - ε) in total variation norm, values by at most the range of
    rewards / (1 - γ (1 - ε)), one step's reward included; so no action is told worse than it is by more than (1 - ε)
    times that, and none better.
    """
    span = float(np.ptp(np.asarray(process.reward)))
    return 2.0 * (1.0 - mixing) * span / (1.0 - PLANNING * (1.0 - mixing))


def _mixing(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    named = {name: decision_process(name) for name in MIXED}
    drawn = {f"random {seed}": random_process(3, 2, seed) for seed in range(NUM_RANDOM[budget])}

    def measure() -> dict[str, np.ndarray]:
        each = {**named, **drawn}
        return {
            "lost": np.array([[_lost(one, mixing) for mixing in SHARES] for one in each.values()]),
            "bound": np.array([[mixing_bound(one, mixing) for mixing in SHARES] for one in each.values()]),
        }

    found = kept(folder, f"mixing {NUM_RANDOM[budget]}", measure)
    lost, bound = found["lost"], found["bound"]
    left = lost[: len(named), list(SHARES).index(0.9)] / lost[: len(named), 0]
    measured = {
        "unmixed": Estimate.exact(float(np.min(lost[: len(named), 0]))),
        "wholly mixed": Estimate.exact(float(np.max(lost[:, -1]))),
        "against its bound": Estimate.exact(float(np.max(lost[:, :-1] / bound[:, :-1])), "largest quotient"),
        "left at nine tenths": Estimate.exact(float(left.max()), "largest of four processes"),
    }
    curves = dict(zip(MIXED, lost, strict=False)) | {
        f"worst of {len(drawn)} random ones": lost[len(named) :].max(axis=0)
    }
    picture = exact_curves(
        SHARES,
        curves,
        x_label="share of every row that is spread over all states",
        y_label="lost to the worst model without loss (reward per step)",
        title="Good mixing leaves a model nothing to hide",
    )
    return Evidence(measured, {"mixing": picture})


def rest(name: str, number: int) -> tuple[Float[np.ndarray, "n"], float]:
    """What the world pays where exact players come to rest, from so many random first models and from the even one."""
    process = decision_process(name)
    even = np.full(process.transition.shape, 1.0 / process.shape[0])
    from_even = float(repeated_fits(process, even, PLANNING).values[0])
    return repeated_fits(process, random_models(process, number), PLANNING).values, from_even


def _basins(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    number = NUM_MODELS[budget]

    def measure() -> dict[str, np.ndarray]:
        each = {name: rest(name, number) for name in BASINS}
        return {name: values for name, (values, _) in each.items()} | {
            "even": np.array([even for _, even in each.values()])
        }

    found = kept(folder, f"basins {number}", measure)
    off, rows = [], []
    for name, told in BASINS.items():
        counted = {value: int(np.sum(np.abs(found[name] - value) < 1e-3)) for value in told}
        off.extend(abs(100.0 * counted[value] / number - percent) for value, percent in told.items())
        best = max(told)
        at_best, at_worst = counted[best], counted[min(told)]
        rows.append([share(n, number, "first models") for n in (at_best, number - at_best - at_worst, at_worst)])
    trapped = int(np.sum(np.abs(found["simple-2"] - 0.9875) < 1e-6))
    measured = {
        "shares": Estimate.exact(float(max(off)), "largest difference, percentage points"),
        "even model": Estimate.exact(float(found["even"][list(BASINS).index("simple-2")])),
        "trapped": share(trapped, number, "first models"),
        "mean": Estimate.exact(float(np.mean(found["simple-2"])), f"mean of {number} first models"),
    }
    picture = grouped_bars(
        rows,
        names=list(BASINS),
        terms=["best policy", "in between", "worst"],
        y_label="first models that lead there (share)",
        title="Where model-as-leader comes to rest, from models drawn at random",
    )
    return Evidence(measured, {"basins": picture})


COUNTEREXAMPLES = Reproduction(
    "poster:counterexamples",
    "A model without loss, and how much it can hide",
    STUDY,
    (
        Claim("gap of the fork", "The return lost on the fork is what the hidden way pays, less 1, without bound.",
              f"{STUDY}, Fork", 0.0, "equals", 1e-6, "smoke", 6, "reward"),
        Claim("triangle, promised and paid", "On the triangle a model without loss makes 1 a step optimal.",
              f"{STUDY}, Triangle; {OURS}", 50.0, "equals", 1e-9, "smoke", 1, "reward"),
        Claim("triangle, best", "The best policy of the triangle earns 491 in 50 steps.",
              OURS, 491.0, "equals", 1e-9, "smoke", 1, "reward"),
        Claim("triangle, discounted", "Without a horizon, at a discount of 0.99, it earns 100 of 991.",
              OURS, 100.0, "equals", 1e-8, "smoke", 1, "reward"),
        Claim("triangle, ergodic without chance", "The triangle is ergodic and without chance: neither is enough.",
              f"{STUDY}, Triangle", 1.0, "equals", 0.0, "smoke", 1),
        Claim("cousin in the code", "The triangle of the released code has an equilibrium worth 50, of 246.",
              OURS, 50.0, "equals", 1e-9, "smoke", 1, "reward"),
    ),
    _counterexamples,
)  # fmt: skip

MIXING = Reproduction(
    "poster:mixing",
    "Good mixing repairs model-as-leader",
    f"{STUDY}, the remark on mixing; the bound is ours",
    (
        Claim("unmixed", "Without mixing each of the four processes loses something to a model without loss.",
              OURS, 0.5, "at least", 0.0, "smoke", 4, "reward per step"),
        Claim("wholly mixed", "Where every row is spread over all states nothing is lost.",
              OURS, 0.0, "equals", 1e-9, "smoke", 24, "reward per step"),
        Claim("against its bound", "No loss exceeds 2 (1 - ε) × range of rewards / (1 - γ (1 - ε)) a step.",
              "ours, by total variation", 1.0, "at most", 0.0, "smoke", 24),
        Claim("left at nine tenths", "With nine tenths of every row spread at most a twentieth of that is left.",
              OURS, 0.05, "at most", 0.0, "smoke", 4, "share"),
    ),
    _mixing,
)  # fmt: skip

BASIN = Reproduction(
    "poster:basins",
    "Where model-as-leader comes to rest",
    f"{STUDY}, the processes of its code; shares computed before by another program",
    (
        Claim("shares", "The shares of 20,000 random first models that lead to each value are those known.",
              "computed before by another program", 0.0, "at most", 1.5, "smoke", 8, "percentage points"),
        Claim("even model", "From the even model the study's process falls into the trap.",
              f"{STUDY}; {OURS}", 0.9875, "equals", 1e-9, "smoke", 1, "reward"),
        Claim("trapped", "Nearly half of random first models fall into it.",
              "computed before by another program", 0.475, "equals", 0.015, "smoke", 20_000, "share"),
        Claim("mean", "On average the study's process then earns 9.8.",
              "computed before by another program", 9.78, "equals", 0.5, "smoke", 20_000, "reward"),
    ),
    _basins,
)  # fmt: skip

ENTRIES = (COUNTEREXAMPLES, MIXING, BASIN)
