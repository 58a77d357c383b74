"""Settings found by a search on a pessimistic value alone: batch:hyperparameters.

Tables are judged by the lower bound, features by the least value near the most consistent critic (`learn_policy`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np

from ..._claims import Budget, Claim
from ..._errors import MissingExtraError
from ..._record import Estimate
from ...batch.cloning import cloned
from ...batch.learning import WEIGHTS, Candidate, chosen, judged, learned_by
from ...batch.neural_learner import NeuralStackelbergLearner
from ...batch.problem import Problem, problem_of
from ...batch.reward_scale import RewardScale
from ...batch.stackelberg_learner import StackelbergLearner
from ...games.dataset import Dataset
from ...games.domains.control import CartPole
from ...rl.batch_policy import AbstractBatchPolicy
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .batch_baselines import trained_networks
from .batch_control import greedy_return, pole_log
from .batch_kernels import table_worlds, with_kernel
from .batch_measuring import SOURCE, as_table, policies, shares
from .batch_tables import stacked, swept
from .measuring import grouped_bars, kept, mean


Space = Mapping[str, tuple[float, float] | tuple[int, ...]]
"""Ends of a range, of floats; or numbers to choose from, of integers."""

Score = Callable[[dict[str, Any]], tuple[float, float]]
"""Of settings: the pessimistic value, which the search sees, and what is earned in the world, which it does not."""


def searched(score: Score, space: Space, num_trials: int, seed: int) -> dict[str, Any]:
    """Settings tried by Optuna's tree-structured Parzen estimator (Bergstra et al., 2011) to make the score large.

    Gives what the settings of the largest score earn ("found"), that score, and the most that any trial earned
    ("hindsight"), which nobody who has the log alone can know.

    Raises `MissingExtraError` without the extra `search`.
    """
    try:
        import optuna
    except ImportError as problem:
        raise MissingExtraError("search", "a search of settings") from problem
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    tried: list[tuple[float, float]] = []

    def objective(trial: Any) -> float:
        settings = {
            name: trial.suggest_categorical(name, ends)
            if isinstance(ends[0], int)
            else trial.suggest_float(name, *ends)
            for name, ends in space.items()
        }
        tried.append(score(settings))
        return tried[-1][0]

    study.optimize(objective, n_trials=num_trials)
    scores, earned = np.array(tried).T
    best = int(np.argmax(scores))
    return {"found": earned[best], "score": scores[best], "hindsight": float(np.max(earned))}


CLOSED: Space = {"weight": (1.0, 6.0), "bandwidth": (-3.0, 3.0), "ridge": (-9.0, -5.0)}
"""Powers of 10, of 2, and of 10."""


def _table(world: str, seeds: int, num_trials: int) -> dict[str, np.ndarray]:
    """A table with tests of a Gaussian kernel, against the default: tests of single cells, the weight by its bound."""
    process, places, task = table_worlds()[world]

    def one(seed: int) -> dict[str, Any]:
        base = task(seed)

        def score(settings: dict[str, Any]) -> tuple[float, float]:
            made = with_kernel(base, places, "gaussian", 2.0 ** settings["bandwidth"], process.shape[1])
            ridge = float(made.moments.ridge) * 10.0 ** settings["ridge"] / 1e-8
            made = made._replace(moments=eqx.tree_at(lambda one: one.ridge, made.moments, ridge))
            weight = 10.0 ** settings["weight"]
            table = policies([StackelbergLearner(made.moments, made.policy, "penalty", weight)])[0]
            return judged(made, as_table(table), weight, 0.95).lower[0], float(shares(process, table[None])[0])

        found = searched(score, CLOSED, num_trials, seed)
        return found | {"default": swept(base, process)["picked"]}

    return _of_each(one, seeds)


def _problem(data: Dataset, policy: AbstractBatchPolicy, seed: int, **settings: Any) -> Problem:
    made = problem_of(data, policy, RewardScale(0.0, 1.0, 0.95), num_features=50, seed=seed, **settings)
    return made._replace(moments=jax.tree.map(np.asarray, made.moments))


def _climbed(problem: Problem, weight: float, num_steps: int) -> AbstractBatchPolicy:
    learner = StackelbergLearner(problem.moments, problem.policy, "penalty", weight, learning_rate=3e-3)
    return learned_by(learner, num_steps)


def _of_each(one: Callable[[int], dict[str, Any]], seeds: int) -> dict[str, np.ndarray]:
    """Rows of all logs; every log has another number of episodes, and is compiled anew in part."""
    rows = []
    for seed in range(seeds):
        rows.append(one(seed))
        if seed % 4 == 3 or seed + 1 == seeds:
            jax.clear_caches()
    return stacked(rows)


def _near(candidate: Candidate) -> float:
    """The least value nearby; below all others where no critic is consistent."""
    return candidate.local if candidate.is_feasible else -np.inf


def _by_rule(problem: Problem, num_steps: int) -> float:
    """The weight of the best score, which is what the search sees too; all else as it comes."""
    each = [judged(problem, _climbed(problem, weight, num_steps), weight, 0.95) for weight in WEIGHTS]
    return greedy_return(CartPole(), chosen(each, 1.0, "local")[0].policy) / 500.0


def _pole(seeds: int, num_trials: int, rows: int, num_steps: int) -> dict[str, np.ndarray]:
    """Random features, closed-form answers."""

    def one(seed: int) -> dict[str, Any]:
        data = pole_log(rows, seed)
        policy = cloned(data, seed=seed)

        def score(settings: dict[str, Any]) -> tuple[float, float]:
            kind = {"bandwidth": 2.0 ** settings["bandwidth"], "ridge": 10.0 ** settings["ridge"]}
            problem, weight = _problem(data, policy, seed, **kind), 10.0 ** settings["weight"]
            learned = _climbed(problem, weight, num_steps)
            return _near(judged(problem, learned, weight, 0.95)), greedy_return(CartPole(), learned) / 500.0

        return searched(score, CLOSED, num_trials, seed) | {
            "default": _by_rule(_problem(data, policy, seed), num_steps)
        }

    return _of_each(one, seeds)


NEURAL: Space = {"damping": (-6.0, 0.0), "follower_steps": (1, 5, 20)}


def _neural(seeds: int, num_trials: int, rows: int, num_steps: int) -> dict[str, np.ndarray]:
    """Networks on both sides. Scores are those of one closed-form critic for all: a critic that lags behind its policy
    gives values that are too high, and would win by that."""

    def one(seed: int) -> dict[str, Any]:
        data = pole_log(rows, seed)
        policy = cloned(data, seed=seed)
        judge = _problem(data, policy, seed)

        def learned(damping: float, follower_steps: int) -> AbstractBatchPolicy:
            learner = NeuralStackelbergLearner(
                data,
                policy,
                judge.tests,
                judge.moments.scale,
                damping=damping,
                follower_steps=follower_steps,
                batch_size=256,
                hidden=(16, 16),
            )
            return trained_networks(learner, num_steps, seed)

        def score(settings: dict[str, Any]) -> tuple[float, float]:
            made = learned(10.0 ** settings["damping"], settings["follower_steps"])
            return _near(judged(judge, made, 1e3, 0.95)), greedy_return(CartPole(), made) / 500.0

        return searched(score, NEURAL, num_trials, seed) | {
            "default": greedy_return(CartPole(), learned(1e-3, 5)) / 500.0
        }

    return _of_each(one, seeds)


def _logs_of(tables: int, poles: int) -> str:
    return f"{tables} logs each" if not poles else f"{tables} logs of tables, {poles} of poles"


def _hyperparameters(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    seeds, poles, trials = {"smoke": (3, 0, 4), "small": (6, 24, 20), "full": (16, 48, 60)}[budget]
    makers: dict[str, tuple[int, Callable[[], dict[str, np.ndarray]]]] = {
        "ring": (seeds, lambda: _table("ring", seeds, trials))
    }
    if budget != "smoke":
        makers["grid"] = seeds, lambda: _table("grid", seeds, trials)
        makers["pole"] = poles, lambda: _pole(poles, trials, 1_000, 100)
        makers["pole, networks"] = poles, lambda: _neural(poles, trials // 2, 1_000, 200)
    measured: dict[str, Estimate] = {}
    for name, (count, make) in makers.items():
        found = kept(folder, f"{name} {count} {trials}", make)
        for word in ("found", "default", "hindsight"):
            measured[f"{name}: {word}"] = mean(found[word], "logs")
        measured[f"{name}: over the default"] = mean(found["found"] - found["default"], "logs, pairs")
        measured[f"{name}: short of hindsight"] = mean(found["hindsight"] - found["found"], "logs, pairs")
    picture = grouped_bars(
        [[measured[f"{name}: {word}"] for word in ("default", "found", "hindsight")] for name in makers],
        names=list(makers),
        terms=["default rule", f"best score of {trials} trials", "best in hindsight (not available)"],
        y_label="share of the best value; of 500 for poles",
        title="Settings searched on the pessimistic value alone, " + _logs_of(seeds, poles),
    )
    return Evidence(measured, {"search": picture})


HYPERPARAMETERS = Reproduction(
    "batch:hyperparameters",
    "Settings found by a search on the pessimistic value alone",
    SOURCE,
    (
        Claim("ring: found", "What it finds is above cloning, which earns 0.88 of the best.", "ours to measure", 0.88,
              "at least", 0.0, "smoke", 3, "share of the best"),
        *(
            Claim(f"{name}: over the default", "The search does not fall behind the weight of the best score.",
                  "ours to measure", 0.0, "at least", 0.05, "small", logs, "share of the best")
            for name, logs in (("ring", 6), ("grid", 6), ("pole", 24), ("pole, networks", 24))
        ),
        *(
            Claim(f"{name}: short of hindsight", "What it leaves to the best trial in hindsight.", "ours to measure",
                  0.1, "at most", 0.0, "small", 6, "share of the best")
            for name in ("ring", "grid")
        ),
    ),
    _hyperparameters,
)  # fmt: skip

ENTRIES = (HYPERPARAMETERS,)
