"""Learning online against followers who look ahead, and with a model or without: quantal:E12, E20."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from ..._claims import Budget, Claim
from ..._record import Estimate
from ...play.agent import AbstractAgent
from ...quantal.agents import OptimisticValueIteration
from ...quantal.model_agents import OptimisticMaximumLikelihood
from ...quantal.record import Schedule
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .measuring import kept, mean, regret_curves
from .quantal_farsighted import world
from .quantal_regret import played, solved, worlds


NUM_GAMES: dict[Budget, int] = {"smoke": 12, "small": 16, "full": 32}
NUM_EPISODES: dict[Budget, int] = {"smoke": 200, "small": 800, "full": 2_000}
REFITS: dict[Budget, int] = {"smoke": 20, "small": 20, "full": 100}

OURS = "OMLE, support"


def leaders(budget: Budget) -> Mapping[str, AbstractAgent]:
    """Leaders of a farsighted follower: one without doubts, one that takes him for myopic, and four forms of OMLE."""
    settings = {"capacity": NUM_EPISODES[budget], "refit_every": REFITS[budget]}
    ours = {
        OURS: OptimisticMaximumLikelihood(**settings),
        "takes the estimate as true": OptimisticMaximumLikelihood(**settings, width=0.0),
    }
    if budget == "smoke":
        return ours
    ours = {
        **ours,
        "posterior sampling": OptimisticMaximumLikelihood(**settings, form="posterior"),
        "MLE-OVI: takes him for myopic": OptimisticValueIteration(**settings),
    }
    if budget == "full":
        return ours
    return {
        **ours,
        "OMLE, delta method": OptimisticMaximumLikelihood(**settings, form="delta method"),
        "OMLE, likelihood": OptimisticMaximumLikelihood(**settings, form="likelihood"),
    }


def slope_with_interval(regret: Float[np.ndarray, "n"], row: Int[np.ndarray, "n"]) -> Estimate:
    """The log-log slope of cumulative regret over the last three quarters of one run.

    Its 95 % interval is a bootstrap of announcements within each of these quarters: episodes with one announcement
    share their regret.
    """
    quarters = np.array_split(np.arange(len(regret)), 4)
    across = np.log(np.arange(1, 5))
    base, rng = regret[quarters[0]].sum(), np.random.Generator(np.random.Philox(0))
    fit = lambda sums: np.polyfit(across, np.log(np.maximum(np.cumsum([base, *sums]), 1e-300)), 1)[0]

    def resampled(quarter: Int[np.ndarray, "m"]) -> float:
        rows = np.unique(row[quarter])
        sums = np.array([regret[quarter][row[quarter] == one].sum() for one in rows])
        counts = np.array([np.sum(row[quarter] == one) for one in rows])
        chosen = rng.integers(0, len(rows), len(rows))
        return float(sums[chosen].sum() / counts[chosen].sum() * len(quarter))

    drawn = [fit([resampled(quarter) for quarter in quarters[1:]]) for _ in range(400)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    value = fit([regret[quarter].sum() for quarter in quarters[1:]])
    return Estimate(float(value), float(low), float(high), "95% bootstrap over announcements within quarters")


def _online(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    episodes = NUM_EPISODES[budget]
    truths = solved([world(seed, 6.0, 0.95) for seed in range(NUM_GAMES[budget])], "found")
    found = {
        name: kept(folder, f"{name} {episodes}x{len(truths)}", lambda a=agent: played(a, truths, episodes, 1))
        for name, agent in leaders(budget).items()
    }
    regret = {name: np.maximum(one["announced_suboptimality"][..., 0], 0.0) for name, one in found.items()}
    total = {name: one.sum(axis=0) for name, one in regret.items()}
    row = np.cumsum(Schedule(episodes, REFITS[budget]).is_new)
    slopes = [slope_with_interval(one, row) for one in regret[OURS].T]
    sublinear = sum(float(slope.high) <= 0.85 for slope in slopes)
    quarter = episodes // 4
    late = regret[OURS][-quarter:].mean(axis=0) - 0.5 * regret[OURS][:quarter].mean(axis=0)
    measured = {
        "sublinear": Estimate.exact(float(sublinear)),
        "late": mean(late, "games"),
        **{
            f"beats: {name}": mean(total[OURS] - one, "games, paired")
            for name, one in total.items()
            if not name.startswith("OMLE")
        },
    }
    drawn = regret_curves(
        {name: np.cumsum(one, axis=0) for name, one in regret.items()},
        f"Regret against a farsighted follower on {len(truths)} random games",
    )
    return Evidence(measured, {"regret": drawn})


def _both_ways(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    """Value iteration without a model, and planning in one, against the same myopic followers."""
    del on_progress
    episodes, seeds = {"smoke": (200, 2), "small": (1_000, 8), "full": (2_000, 16)}[budget]
    truths = solved(worlds({"smoke": 4, "small": 6, "full": 6}[budget]))
    agents = {
        "model-free: MLE-OVI": OptimisticValueIteration(episodes),
        "model-based: OMLE": OptimisticMaximumLikelihood(episodes),
    }
    found = {
        name: kept(folder, f"{name} {episodes}x{seeds}", lambda a=agent: played(a, truths, episodes, seeds))
        for name, agent in agents.items()
    }
    regret = {name: one["announced_suboptimality"].reshape(episodes, -1) for name, one in found.items()}
    free, based = (one.sum(axis=0) for one in regret.values())
    drawn = regret_curves(
        {name: np.cumsum(one, axis=0) for name, one in regret.items()},
        "With a model and without, against myopic followers",
    )
    gain = mean(based - free, "runs, paired")
    return Evidence({"gain": gain, "an episode": mean((based - free) / episodes, "runs, paired")}, {"regret": drawn})


RIVALS: tuple[tuple[str, str, Budget], ...] = (
    ("takes the estimate as true", "takes the estimate as true", "full"),
    ("MLE-OVI: takes him for myopic", "takes the follower for myopic", "full"),
    ("posterior sampling", "plans for a draw of the posterior", "small"),
)

ONLINE = Reproduction(
    "quantal:E12",
    "Learning online against a farsighted follower",
    "regret of order √T for OMLE (Chen, Wang and Yang, 2023, as recalled); ours to decide by measurement",
    (
        Claim("late", "In the last quarter less than half is lost that was lost in the first.", "sublinear regret",
               0.0, "at most", 0.0, "smoke", 12, "payoff"),
        *(
            Claim(f"beats: {name}", f"The optimistic leader's regret less that of the one that {does}.",
                   "measured, paired over games", 0.0, "at most", 0.0, budget, 16, "payoff")
            for name, does, budget in RIVALS
        ),
        Claim("sublinear", "Of 32 games, in how many the slope of regret is at most 0.85 with 95 % confidence.",
               "sublinear regret", 30.0, "at least", 0.0, "full", 32),
    ),
    _online,
)  # fmt: skip

BOTH_WAYS = Reproduction(
    "quantal:E20",
    "Model-free and model-based learning at equal data",
    "measured",
    (
        Claim("an episode", "Regret with a model less regret without one, an episode.", "measured", 0.05, "at most",
               0.0, "smoke", 8, "payoff"),
    ),
    _both_ways,
)  # fmt: skip

ENTRIES = (ONLINE, BOTH_WAYS)
