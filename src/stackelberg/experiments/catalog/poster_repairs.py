"""Two repairs of model-as-leader, as printed, as coded and as proven: poster:agent-reward and poster:noise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..._claims import Budget, Claim
from ..._learner import train
from ..._loop.stacking import stack
from ..._record import Estimate
from ...games.domains.small_processes import decision_process
from ...games.model_game import ModelAsLeader
from ...model_based.agent_reward import PromisedReward, promised_reward
from ...model_based.bounds import promised_reward_bound
from ...model_based.counting import CountingModel
from ...model_based.world_truth import WorldTruth, steps_until_best
from ...solvers.world_model.follower_classes import FollowerClasses
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .measuring import exact_curves, kept, plain_curves, share
from .poster_traps import OURS, STUDY


SWEPT: dict[Budget, Float[np.ndarray, "k"]] = {
    "smoke": np.array([0.1, 0.5, 0.9, 0.99, 0.995]),
    "small": np.array(
        [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.9935, 0.9945, 0.997, 0.999]
    ),
    "full": np.concatenate([np.linspace(0.02, 0.98, 49), 1.0 - np.geomspace(0.015, 0.0005, 30)]),
}

NOISES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
NUM_SEEDS: dict[Budget, int] = {"smoke": 60, "small": 200, "full": 1_000}
REAL_STEPS = 1_500


def switch(game: ModelAsLeader, scale: float, low: float, high: float, width: float) -> tuple[float, float]:
    """Between which weights the optimum turns to the truth, by bisection."""
    best = float(game.process.optimal_value())
    while high - low > width:
        middle = 0.5 * (low + high)
        found = promised_reward(game, middle, scale)
        is_true = abs(float(found.values[found.chosen]) - best) < 1e-6
        low, high = (low, middle) if is_true else (middle, high)
    return low, high


def _agent_reward(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    game, weights = ModelAsLeader(decision_process("simple-2")), SWEPT[budget]
    endless = ModelAsLeader(game.process.counted(discount=0.9))

    def measure() -> dict[str, np.ndarray]:
        found = [promised_reward(game, float(weight)) for weight in weights]
        beside = [promised_reward(endless, float(weight), num_starts=4) for weight in weights]
        best = float(endless.process.optimal_value())
        regret = np.array([best - one.values[one.chosen] for one in beside])
        bound = np.array([float(promised_reward_bound(endless.process, weight)) for weight in weights])
        return {"raw": _each(found), "regret": regret, "bound": bound}

    found = kept(folder, f"agent reward {budget}", measure)
    promised, paid = found["raw"]
    raw = switch(game, 1.0, 0.99, 0.998, 2e-5)
    a_step = switch(game, 50.0, 0.76, 0.78, 4e-4)
    trapped = weights <= 0.99
    measured = {
        "promised": _range(promised[trapped]),
        "paid": _range(paid[trapped]),
        "turns to the truth": Estimate(sum(raw) / 2, *raw, "bisection"),
        "turns, per step": Estimate(sum(a_step) / 2, *a_step, "bisection"),
        "loss first, then promise": Estimate.exact(_lexicographic(game)),
        "against its bound": Estimate.exact(float(np.max(found["regret"] / found["bound"])), "largest quotient"),
    }  # fmt: skip
    picture = exact_curves(
        weights,
        {"promised by the model": promised, "paid by the world": paid},
        x_label="weight of the loss",
        y_label="return of an episode (reward)",
        title="A model that is paid its own promise",
    )
    return Evidence(measured, {"promises": picture})


def _each(found: list[PromisedReward]) -> Float[np.ndarray, "two k"]:
    return np.array([[one.promised[one.chosen] for one in found], [one.values[one.chosen] for one in found]])


def _lexicographic(game: ModelAsLeader) -> float:
    """What the world pays when the loss comes first and the promise second: the best of the zero-loss equilibria."""
    answer = FollowerClasses("best")(game).response
    return float(game.process.value(answer))


def _range(values: Float[np.ndarray, "k"]) -> Estimate:
    return Estimate(float(values.mean()), float(values.min()), float(values.max()), "over weights up to 0.99")


def _noise(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    process, seeds = decision_process("simple-2"), NUM_SEEDS[budget]
    learners = {f"noise {noise:g}": CountingModel(process, noise=noise) for noise in NOISES}
    learners |= {f"exploration {one:g}": CountingModel(process, exploration=one) for one in (0.1, 0.3)}
    learners |= {
        "optimism": CountingModel(process, unknown="best", unknown_below=1),
        "optimism in balls": CountingModel(process, unknown="best", level=0.95),
        "pessimism": CountingModel(process, unknown="worst", unknown_below=1),
        "200 first steps at random": CountingModel(process, initial_steps=200),
        "200 at random, then pessimism": CountingModel(process, unknown="worst", unknown_below=3, initial_steps=200),
    }
    found = {
        name: kept(folder, f"{name} {seeds}", lambda one=one: _short(one, seeds)) for name, one in learners.items()
    }
    steps = {name: steps_until_best(one["suboptimality"]) for name, one in found.items()}
    measured = {}
    for name, one in steps.items():
        measured[f"best in the end: {name}"] = share(int(np.isfinite(one).sum()), seeds, "seeds")
        if np.isfinite(np.median(one)):
            middle, late = float(np.median(one)), float(np.quantile(one, 0.9, method="higher"))
            measured[f"steps: {name}"] = Estimate(
                middle, float(np.min(one)), late, f"median of {seeds} seeds; least, and 90 %"
            )
    measured["noise, best in the end"] = Estimate.exact(
        float(np.isfinite(steps["noise 0.5"]).mean()), f"share of {seeds} seeds"
    )
    measured["optimism, steps"] = Estimate.exact(float(np.median(steps["optimism"])), f"median of {seeds} seeds")
    drawn = [name for name in found if name.startswith("noise") or name == "optimism"]
    across = np.unique(np.geomspace(1, REAL_STEPS, 60).astype(int))
    picture = plain_curves(
        across.astype(float),
        {name: found[name]["suboptimality"][across - 1] for name in drawn},
        is_log_across=True,
        x_label="real steps",
        y_label="short of the best policy (reward)",
        title="Noise and optimism let model-as-leader out of its trap",
    )
    return Evidence(measured, {"noise": picture})


def _short(learner: CountingModel, num_seeds: int) -> dict[str, np.ndarray]:
    """By how much each seed falls short at every real step."""
    learners = stack([learner], [WorldTruth(learner.process)])
    _, metrics = train(learners, REAL_STEPS, range(num_seeds))
    return {"suboptimality": metrics["suboptimality"][:, 0]}


AGENT_REWARD = Reproduction(
    "poster:agent-reward",
    "A model that is also paid by its policy's return",
    f"{STUDY}, agent reward; as printed and as coded",
    (
        Claim("promised", "Paid its own promise, a model promises 46 to 50 at every weight up to 0.99.",
              OURS, 46.0, "at least", 0.0, "smoke", 4, "reward"),
        Claim("paid", "And the world pays 0.99 to 2.58.", OURS, 2.5781, "at most", 0.0, "smoke", 4, "reward"),
        Claim("turns to the truth", "It turns to the truth at a weight of 0.9940.",
              OURS, 0.99402, "equals", 2.5e-5, "smoke", 1),
        Claim("turns, per step", "With returns per step it turns at 0.769.", OURS, 0.76895, "equals", 4e-4, "smoke", 1),
        Claim("loss first, then promise", "With the loss first and the promise second it earns 36.45.",
              OURS, 36.45, "equals", 1e-9, "smoke", 1, "reward"),
        Claim("against its bound", "No regret exceeds C² (1 - w) / (4 w), without a horizon at a discount of 0.9.",
              "ours, from the simulation lemma", 1.0, "at most", 0.0, "smoke", 5),
    ),
    _agent_reward,
)  # fmt: skip

NOISE = Reproduction(
    "poster:noise",
    "Random noise, exploration and optimism against the trap",
    f"{STUDY}, random noise",
    (
        Claim("best in the end: noise 0", "Without noise no seed ever leaves the trap for good.",
              "computed before by another program", 0.1, "at most", 0.0, "smoke", 60, "share"),
        Claim("noise, best in the end", "With noise in half of the episodes 95 % of seeds are best by 1,500 steps.",
              "ours to reach", 0.95, "at least", 0.0, "smoke", 60, "share"),
        Claim("optimism, steps", "With optimism the median seed is best for good within 10 real steps.",
              "ours to reach", 10.0, "at most", 0.0, "smoke", 60, "steps"),
        Claim("best in the end: optimism in balls", "With balls that hold all true rows (UCRL2) all are, but later.",
              "ours to measure", 0.9, "at least", 0.0, "smoke", 60, "share"),
        Claim("best in the end: pessimism", "Pessimism alone never leaves the trap.",
              OURS, 0.1, "at most", 0.0, "smoke", 60, "share"),
        Claim("best in the end: 200 first steps at random", "With 200 first steps at random nearly all seeds are best.",
              "computed before by another program", 0.9, "at least", 0.0, "smoke", 60, "share"),
    ),
    _noise,
)  # fmt: skip

ENTRIES = (AGENT_REWARD, NOISE)
