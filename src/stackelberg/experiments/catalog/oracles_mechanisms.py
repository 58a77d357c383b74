"""Several followers who answer by an equilibrium: oracles:mspm, messages and sequential prices."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ..._claims import Budget, Claim
from ..._learner import advance, start
from ..._loop.stacking import stack
from ..._record import Estimate
from ...deep.policy_gradient import LeaderReinforce
from ...deep.truth import EquilibriumTruth
from ...followers.several import AbstractEquilibriumOracle, NoRegret, PureNash
from ...followers.stackelberg_pomdp import StackelbergPOMDP
from ...games.domains.message_price import MessagePriceGame, information_game, message_space_game
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .measuring import grouped_bars, kept, mean, plain_curves


SETTINGS: Mapping[str, tuple[Callable[[], MessagePriceGame], float]] = {
    "PI, silent": (lambda: information_game(1), -0.06),
    "PI, 2 messages": (lambda: information_game(2), 0.0),
    "3 types, silent": (lambda: message_space_game(3, 1), -1.0 / 18.0),
    "3 types, 2 messages": (lambda: message_space_game(3, 2), 0.0),
}
"""Games, and the least loss of welfare, by going through all mechanisms."""

WEIGHTS, NASH = "multiplicative weights, last round", "pure Nash, the leader's favourite"
ORACLES: Mapping[str, Callable[[MessagePriceGame], AbstractEquilibriumOracle]] = {
    WEIGHTS: lambda game: NoRegret(game, 200, 1.0, counts="last"),
    NASH: PureNash,
}

NUM_SEEDS: dict[Budget, int] = {"smoke": 4, "small": 16, "full": 64}
NUM_STEPS: dict[Budget, int] = {"smoke": 400, "small": 600, "full": 1000}
NUM_PLAYS = 16


def _mechanisms(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    seeds, steps = NUM_SEEDS[budget], NUM_STEPS[budget]
    names = [name for name in SETTINGS if budget != "smoke" or name.startswith("PI")]
    oracles = [WEIGHTS] if budget == "smoke" else list(ORACLES)
    measured, bars, curves = {}, [], {}
    across = np.zeros(0)
    for name in names:
        row = []
        for oracle in oracles:
            make = functools.partial(_learned, SETTINGS[name][0](), ORACLES[oracle], steps, seeds)
            found = kept(folder, f"{name} {oracle} {steps}x{seeds}", make)
            last = found["oracle_value"][-1]
            row.append(mean(found["leader_value"][-1], "seeds"))
            if oracle == WEIGHTS:
                measured[f"{name}: worst"] = Estimate.exact(float(last.min()), f"the least of {seeds} seeds")
                measured[f"{name}: mean"] = mean(last, "seeds")
                measured[f"{name}: adverse"] = mean(found["adverse_value"][-1], "seeds")
                curves[name], across = found["oracle_value"], found["steps"].astype(float)
        bars.append(row)
    drawn = grouped_bars(
        bars,
        names=names,
        terms=[f"learned against {oracle}" for oracle in oracles],
        y_label="welfare less the best there is, followers in equilibrium (payoff)",
        title="Messages and sequential prices",
        marks=[SETTINGS[name][1] for name in names],
        mark_label="best mechanism, by brute force",
    )
    learning = plain_curves(
        across,
        curves,
        x_label="steps of the leader, 64 mechanisms tried in each",
        y_label="welfare less the best there is (payoff)",
        title="Learning a mechanism against followers who learn among themselves",
    )
    return Evidence(measured, {"values": drawn, "learning": learning})


def _learned(
    game: MessagePriceGame, oracle: Callable[[MessagePriceGame], AbstractEquilibriumOracle], steps: int, seeds: int
) -> dict[str, np.ndarray]:
    process = StackelbergPOMDP(oracle(game), NUM_PLAYS, fixes_answers=True)
    leader = LeaderReinforce(process, entropy=0.2, entropy_steps=2 * steps // 3)
    learners = stack([leader], [EquilibriumTruth(process)])
    _, metrics = advance(learners, start(learners, range(seeds)), steps, monitor_every=steps // 40, last=steps)
    lines = np.flatnonzero(np.isfinite(metrics["oracle_value"][:, 0, 0]))
    names = ("leader_value", "adverse_value", "oracle_value", "oracle_regret")
    return {"steps": lines + 1} | {name: metrics[name][lines, 0] for name in names}


SOURCE = "the mechanism and settings of Brero et al. (2022); the best losses by brute force, ours"

MSPM = Reproduction(
    "oracles:mspm",
    "A leader learns whom to ask at what price, and what messages are for",
    SOURCE,
    tuple(
        Claim(
            f"{name}: worst",
            f"{name}: welfare less the best there is, followers by multiplicative weights, the worst seed.",
            "brute force over all mechanisms and message strategies",
            best,
            "equals",
            0.005,
            "smoke" if name.startswith("PI") else "small",
            NUM_SEEDS["smoke" if name.startswith("PI") else "small"],
            "payoff",
        )
        for name, (_, best) in SETTINGS.items()
    ),
    _mechanisms,
)

ENTRIES = (MSPM,)
