"""Logs of ten thousand to a million rows: batch:scale."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from ..._claims import Budget, Claim
from ..._record import Estimate
from ...batch.cloning import cloned
from ...batch.learning import learned_by, traced
from ...batch.problem import Problem, problem_of
from ...batch.reward_scale import RewardScale
from ...batch.stackelberg_learner import StackelbergLearner
from ...batch.streaming import Streamed
from ...games.dataset import Dataset
from ...games.domains.control import CartPole
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .batch_control import greedy_return, pole_log
from .batch_measuring import SOURCE
from .measuring import curves, exponent, grouped_bars, kept, mean


NUM_FEATURES, WEIGHT = 30, 1e4
"""For each action; the weight is set beforehand."""


def _step(learner: StackelbergLearner) -> tuple[Any, Any]:
    """A compiled step of the leader, and what it is given."""
    learner = traced(learner)
    arrays, rest = eqx.partition(learner, eqx.is_array)
    state = learner.init(jr.key(0))
    made = lambda arrays, state: eqx.combine(arrays, rest).update(state, (), jnp.asarray(0), jr.key(0))[0]
    return jax.jit(made).lower(arrays, state).compile(), (arrays, state)


def memory_of_a_step(learner: StackelbergLearner) -> float:
    """Bytes that a compiled step takes beside the log and the policy."""
    with jax.enable_x64(True):
        return float(_step(learner)[0].memory_analysis().temp_size_in_bytes)


def seconds_of_a_step(learner: StackelbergLearner, repeats: int) -> np.ndarray:
    """Of some steps, one by one, after a first one that is not counted."""
    found = []
    with jax.enable_x64(True):
        step, (arrays, state) = _step(learner)
        jax.block_until_ready(step(arrays, state))
        for _ in range(repeats):
            begun = perf_counter()
            jax.block_until_ready(step(arrays, state))
            found.append(perf_counter() - begun)
    return np.asarray(found)


def _problem(data: Dataset, seed: int, is_streamed: bool, ridge: float = 1e-6) -> Problem:
    """With rows made again whatever the size, or kept whatever it is."""
    policy = cloned(data, seed=seed)
    made = problem_of(data, policy, RewardScale(0.0, 1.0, 0.95), num_features=NUM_FEATURES, seed=seed, ridge=ridge)
    if not is_streamed or isinstance(made.moments.reach, Streamed):
        return made
    share = ~data.terminal * 0.95 / len(data)
    again = Streamed(data.observation, data.action, share, made.tests)
    return made._replace(moments=eqx.tree_at(lambda one: one.reach, made.moments, again))


def _learner(problem: Problem) -> StackelbergLearner:
    return StackelbergLearner(problem.moments, problem.policy, "penalty", WEIGHT, learning_rate=3e-3)


def _sizes(sizes: tuple[int, ...], repeats: int) -> dict[str, np.ndarray]:
    """Of each size: seconds of steps, and megabytes of a step."""
    data = pole_log(max(sizes), 0)
    policy = cloned(data.taken(np.arange(min(len(data), 10_000))))
    seconds, megabytes = [], []
    for rows in sizes:
        part = data.taken(np.arange(rows))
        problem = _problem(part, 0, is_streamed=True)._replace(policy=policy)
        seconds.append(seconds_of_a_step(_learner(problem), repeats))
        megabytes.append(memory_of_a_step(_learner(problem)) / 1e6)
        jax.clear_caches()
    return {"seconds": np.stack(seconds), "megabytes": np.asarray(megabytes)}


def _subsets(rows: int, seeds: int, num_steps: int) -> dict[str, np.ndarray]:
    """What is earned from a log and from a tenth of it, episodes at random; from the tenth also in the other way."""
    found: dict[str, list[float]] = {"all": [], "tenth": [], "apart": [], "log": []}
    for seed in range(seeds):
        data = pole_log(rows, seed)
        generator = np.random.Generator(np.random.Philox([seed, 5]))
        tenth = data.episodes(generator.choice(data.num_episodes, max(data.num_episodes // 10, 1), replace=False))
        whole, few = _problem(data, seed, is_streamed=True), _problem(tenth, seed, is_streamed=True)
        same = _problem(tenth, seed, is_streamed=False)
        policies = [learned_by(_learner(one), num_steps) for one in (whole, few)]
        found["all"].append(greedy_return(CartPole(), policies[0]))
        found["tenth"].append(greedy_return(CartPole(), policies[1]))
        found["apart"].append(_apart(few, same))
        found["log"].append(float(np.mean(data.returns())))
        jax.clear_caches()
    return {name: np.asarray(values) for name, values in found.items()}


def _apart(streamed: Problem, whole: Problem) -> float:
    """The largest difference of values and derivatives, as a part of the largest entry."""
    flat = lambda tree: np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])
    with jax.enable_x64(True):
        found = [_slope(traced(_learner(one))) for one in (streamed, whole)]
        first, second = (flat(one) for one in found)
    return float(np.max(np.abs(first - second)) / np.max(np.abs(second)))


@eqx.filter_jit
def _slope(learner: StackelbergLearner) -> Any:
    return eqx.filter_value_and_grad(lambda policy: learner.paid(policy)[0])(learner.policy)


def _scale(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    sizes, repeats = {
        "smoke": ((10_000, 25_000), 3),
        "small": ((10_000, 100_000, 1_000_000), 5),
        "full": ((10_000, 100_000, 1_000_000), 20),
    }[budget]
    rows, seeds, steps = {"smoke": (1_000, 2, 10), "small": (20_000, 6, 100), "full": (100_000, 16, 250)}[budget]
    found = kept(folder, f"sizes {sizes} {repeats}", lambda: _sizes(sizes, repeats))
    parts = kept(folder, f"subsets {rows} {seeds} {steps}", lambda: _subsets(rows, seeds, steps))
    across = np.asarray(sizes, dtype=float)
    measured = {
        "exponent": exponent(across, found["seconds"], "steps"),
        "memory": Estimate.exact(
            float(1e6 * (found["megabytes"].max() - found["megabytes"][0]) / (sizes[-1] - sizes[0])),
            "growth of the compiled step",
        ),
        "apart": Estimate.exact(float(parts["apart"].max()), f"largest of {seeds} logs"),
        "megabytes": Estimate.exact(float(found["megabytes"].max()), "the largest log"),
        "seconds": mean(found["seconds"][-1], f"steps, {sizes[-1]:,} rows"),
        "all": mean(parts["all"], "logs"),
        "tenth": mean(parts["tenth"], "logs"),
        "lost": mean(parts["all"] - parts["tenth"], "logs, pairs"),
        "log": mean(parts["log"], "logs"),
    }
    picture = curves(
        across,
        {"a step of the leader": found["seconds"]},
        guides=(1.0,),
        x_label="rows of the log",
        y_label="seconds of a step, one core",
        title=f"Time against the log's length; {found['megabytes'].max():.0f} MB at most",
    )
    bars = grouped_bars(
        [[measured[name] for name in ("log", "tenth", "all")]],
        names=[f"{rows:,} rows, {seeds} logs"],
        terms=["the log", "from a tenth of its episodes", "from all of it"],
        y_label="return (reward), of 500",
        title=f"A pole, weight {WEIGHT:g}, {NUM_FEATURES} features for each action",
    )
    return Evidence(measured, {"time": picture, "subset": bars})


SCALE = Reproduction(
    "batch:scale",
    "Logs of up to a million rows",
    SOURCE,
    (
        Claim("apart", "Rows that are made again give the values and derivatives of rows that are kept.", "derived",
              1e-9, "at most", 0.0, "smoke", 2, "of the largest"),
        Claim("memory", "Beside the log a step takes at most two numbers for each further row, where kept features are "
              "some hundreds.", "derived", 16.0, "at most", 0.0, "smoke", 2, "bytes a row"),
        Claim("exponent", "Its time grows linearly.", "derived", 1.0, "equals", 0.15, "small", 5),
        Claim("lost", "A tenth of the log is as good, up to 60 of 500.", "ours to measure", 60.0, "at most", 0.0,
              "small", 6, "reward"),
    ),
    _scale,
)  # fmt: skip

ENTRIES = (SCALE,)
