"""Logs that show only a part of the state: batch:pomdp."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float

from ..._claims import Budget, Claim
from ..._record import Estimate
from ..._types import AnyArray, Key
from ...batch.cloning import cloned
from ...batch.learning import learned_by
from ...batch.problem import problem_of
from ...batch.recurrent import recurrent
from ...batch.remembering import memory_test
from ...batch.reward_scale import RewardScale
from ...batch.stackelberg_learner import StackelbergLearner
from ...games.dataset import Dataset
from ...games.decision_process import DecisionProcess
from ...games.domains.control import CartPole
from ...games.generators_process import goal_grid, second_order_process
from ...games.logs import control_log, process_log
from ...games.memory import AbstractMemory, Window, remembering
from ...games.windows import counted_windows, seen_only, windowed
from ...rl.batch_policy import AbstractBatchPolicy, SoftmaxTable, blank_batch_policy
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .batch_measuring import SOURCE
from .measuring import grouped_bars, kept, mean, plain_curves, share


LEVEL = 0.05

WORLDS: dict[str, tuple[DecisionProcess, tuple[float, ...], int]] = {
    "last symbol of two": (second_order_process(3, 2, 0), (0.5, 0.5), 3),
    "column of a grid": (goal_grid(3, discount=0.9), (0.15, 0.35, 0.35, 0.15), 3),
}
"""A process, the probabilities of actions (of nothing that is hidden), and how many states share what is seen."""

EPISODES, STEPS = 2_000, 60


def _table_log(world: str, rows: int, seed: int) -> Dataset:
    process, chances, modulus = WORLDS[world]
    policy = np.tile(np.asarray(chances), (process.shape[0], 1))
    return seen_only(process_log(process, policy, rows, seed), np.arange(process.shape[0]) % modulus)


def _refusals(world: str, rows: int, seeds: int, pairs: list[tuple[int, int]]) -> dict[str, np.ndarray]:
    """By pair of lengths: p-values, and whether no critic is within the radius."""
    process = WORLDS[world][0]
    settings = {"discount": process.discount, "reward_range": (0.0, 1.0)}
    found: dict[str, np.ndarray] = {}
    for length, longer in pairs:
        each = [memory_test(_table_log(world, rows, seed), length, longer=longer, **settings) for seed in range(seeds)]
        found[f"p {length} {longer}"] = np.array([one.p_value for one in each])
        found[f"far {length} {longer}"] = np.array([not one.is_feasible for one in each], dtype=float)
        jax.clear_caches()
    return found


def window_return(
    process: DecisionProcess,
    modulus: int,
    length: int,
    windows: Float[np.ndarray, "s e"],
    policy: SoftmaxTable,
    seed: int,
) -> float:
    """The discounted return of a policy of counted windows in a process of which a remainder is seen, by play.

    2,000 episodes of 60 steps; in a window that the log never met any action is as likely as another.
    """
    generator = np.random.Generator(np.random.Philox(seed))
    size, actions = process.shape[:2]
    choice = np.exp(np.asarray(policy.logits))
    choice = np.cumsum(np.vstack([choice / choice.sum(axis=-1, keepdims=True), np.full(actions, 1.0 / actions)]), -1)
    number = {row.tobytes(): place for place, row in enumerate(windows + 0.0)}
    onwards, paid = np.cumsum(process.transition, axis=-1), np.asarray(process.reward)
    draw = lambda edges: np.minimum((generator.random(len(edges))[:, None] > edges).sum(axis=-1), edges.shape[-1] - 1)
    state = draw(np.tile(np.cumsum(process.initial), (EPISODES, 1)))
    before, total = np.zeros((EPISODES, (length - 1) * (actions + 2))), np.zeros(EPISODES)
    for step in range(STEPS):
        rows = np.concatenate([(state % modulus)[:, None], before], axis=-1) + 0.0
        place = np.array([number.get(row.tobytes(), len(windows)) for row in rows])
        action = draw(choice[place])
        then = draw(onwards[state, action])
        total += process.discount**step * paid[state, action, then]
        block = [(state % modulus)[:, None], np.eye(actions)[action], np.ones((EPISODES, 1)), before]
        before, state = np.concatenate(block, axis=-1)[:, : before.shape[1]], then
    assert size == len(process.initial)
    return float(total.mean())


def _table_returns(world: str, rows: int, seeds: int, lengths: tuple[int, ...]) -> dict[str, np.ndarray]:
    """As a share of the best policy that sees everything; weight 1,000, set beforehand."""
    process, _, modulus = WORLDS[world]
    made: dict[str, list[float]] = {f"{length}": [] for length in lengths}
    for seed in range(seeds):
        for length in lengths:
            data, windows = counted_windows(_table_log(world, rows, seed), length)
            policy = _learned(data, cloned(data), process.discount, 1e3, 0.1, 200, seed)
            assert isinstance(policy, SoftmaxTable)
            made[f"{length}"].append(
                window_return(process, modulus, length, windows, policy, seed) / float(process.optimal_value())
            )
            jax.clear_caches()
    return {name: np.asarray(values) for name, values in made.items()}


def _learned(
    data: Dataset, start: AbstractBatchPolicy, discount: float, weight: float, rate: float, steps: int, seed: int
) -> AbstractBatchPolicy:
    problem = problem_of(data, start, RewardScale(0.0, 1.0, discount), num_features=100, seed=seed)
    learner = StackelbergLearner(problem.moments, start, "penalty", weight, learning_rate=rate)
    return learned_by(learner, steps)


def places_only(state: AnyArray) -> AnyArray:
    """Of a pole, without velocities."""
    return state[..., ::2]


def seeing_behaviour(shown: AnyArray, key: Key) -> AnyArray:
    """Every third push by a straight rule on a window of two, otherwise either."""
    place, angle, moved, turned, known = shown[0], shown[1], shown[2], shown[3], shown[6]
    of_who, of_push = jr.split(key)
    rule = (0.1 * place + 3.0 * angle + 50.0 * known * (0.3 * moved + turned) > 0.0).astype(int)
    return jax.nn.one_hot(jnp.where(jr.uniform(of_who) < 0.3, rule, jr.randint(of_push, (), 0, 2)), 2)


def _pole_log(rows: int, seed: int) -> tuple[Dataset, Dataset]:
    """What is seen of a log, and all of it: the same key plays the same episodes."""
    window, world = Window(2, 2, True), CartPole()
    settings = {"memory": window, "sees": places_only}
    whole = control_log(world, seeing_behaviour, rows, jr.key(seed), **settings)
    return control_log(world, seeing_behaviour, rows, jr.key(seed), observe=places_only, **settings), whole


@eqx.filter_jit
def _played(memory: AbstractMemory, policy: AbstractBatchPolicy, observe: Any, key: Key) -> AnyArray:
    act = lambda shown, key: jax.nn.one_hot(policy.greedy(shown[None])[0, 0].astype(int), 2)
    played = remembering(CartPole(), memory, act, key, 100, observe)
    return jnp.mean(jnp.sum(played.reward * played.is_on, axis=-1))


def _pole_return(data: Dataset, memory: AbstractMemory, observe: Any, steps: int, seed: int) -> tuple[float, float]:
    """Of the learned policy and of the cloned one, played greedily with what they remember."""
    start = cloned(data, seed=seed)
    found = []
    for policy in (_learned(data, start, 0.95, 1e4, 3e-3, steps, seed), start):
        narrow = lambda leaf: jnp.asarray(leaf, jnp.float32) if eqx.is_inexact_array(leaf) else leaf
        found.append(float(_played(jax.tree.map(narrow, memory), jax.tree.map(narrow, policy), observe, jr.key(1_000))))
    return found[0], found[1]


def _pole_rows(rows: int, seeds: int, steps: int, lengths: tuple[int, ...]) -> dict[str, np.ndarray]:
    made: dict[str, list[float]] = {}
    for seed in range(seeds):
        seen, whole = _pole_log(rows, seed)
        cases: dict[str, tuple[Dataset, AbstractMemory, Any]] = {
            f"{length}": (windowed(seen, length, is_difference=True), Window(length, 2, True), places_only)
            for length in lengths
        }
        cases["recurrent"] = (*recurrent(seen, seed=seed), places_only)
        cases["all is seen"] = (whole, Window(1, 2), lambda state: state)
        for name, (data, memory, observe) in cases.items():
            learned, imitated = _pole_return(data, memory, observe, steps, seed)
            made.setdefault(name, []).append(learned)
            made.setdefault(f"cloned {name}", []).append(imitated)
            jax.clear_caches()
        made.setdefault("log", []).append(float(np.mean(seen.returns())))
    return {name: np.asarray(values) for name, values in made.items()}


def _pole_refusals(rows: int, seeds: int) -> dict[str, np.ndarray]:
    """p-values under a policy of either push alike: windows of 1 and 2, and with all that is hidden."""
    made: dict[str, list[float]] = {"1": [], "2": [], "all is seen": []}
    for seed in range(seeds):
        seen, whole = _pole_log(rows, seed)
        for name, data, length in (("1", seen, 1), ("2", seen, 2), ("all is seen", whole, 1)):
            width = windowed(data, length).observation.shape[1]
            policy = blank_batch_policy(2, 0, 1, np.zeros(width), np.ones(width), (4,), jr.key(0))
            settings = {"discount": 0.95, "reward_range": (0.0, 1.0), "num_features": 100, "seed": seed}
            made[name].append(memory_test(data, length, policy=policy, **settings).p_value)
            jax.clear_caches()
    return {name: np.asarray(values) for name, values in made.items()}


def _pomdp(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    rows, seeds = {"smoke": (800, 20), "small": (2_000, 200), "full": (2_000, 400)}[budget]
    pairs = [(1, 1), (1, 2), (2, 3), (3, 4)]
    measured: dict[str, Estimate] = {}
    records: dict[str, Any] = {}
    worlds = list(WORLDS)[:1] if budget == "smoke" else list(WORLDS)
    for world in worlds:
        each = pairs[:3] if budget == "smoke" else pairs
        count = seeds if world == worlds[0] else max(seeds // 8, 10)
        found = kept(
            folder, f"refused {world} {rows} {count}", lambda w=world, c=count, e=each: _refusals(w, rows, c, e)
        )
        for length, longer in each:
            word = f"{world}: {length} by {longer}"
            measured[word] = share(int(np.sum(found[f"p {length} {longer}"] <= LEVEL)), count, "logs")
            measured[f"{word}, radius"] = share(int(found[f"far {length} {longer}"].sum()), count, "logs")
        number = {"smoke": 4, "small": 12, "full": 32}[budget]
        # Windows of 3 of the grid are over 500 pairs to solve for at every step.
        lengths = (1, 2) if budget == "smoke" or world != worlds[0] else (1, 2, 3)
        paid = kept(
            folder, f"paid {world} {number}", lambda w=world, n=number, h=lengths: _table_returns(w, rows, n, h)
        )
        for length in lengths:
            measured[f"{world}: return of {length}"] = mean(paid[f"{length}"], "logs")
        measured[f"{world}: gain of 2"] = mean(paid["2"] - paid["1"], "logs, pairs")
    table = [(1, 2), (2, 3)] if budget == "smoke" else pairs[1:]
    records["refused"] = grouped_bars(
        [[measured[f"{world}: {a} by {b}"] for world in worlds] for a, b in table],
        names=[f"windows of {a}" for a, _ in table],
        terms=worlds,
        y_label="share of logs that refuse the memory",
        title=f"Is the memory long enough? {rows:,} rows, level 5 %",
    )
    if budget != "smoke":
        measured |= _of_pole(budget, folder, records)
    return Evidence(measured, records)


def _of_pole(budget: Budget, folder: Path, records: dict[str, Any]) -> dict[str, Estimate]:
    seeds, rows, tested = {"small": (6, 2_000, 10_000), "full": (16, 2_000, 20_000)}[budget]
    lengths = (1, 2, 4)
    paid = kept(folder, f"pole {seeds} {rows}", lambda: _pole_rows(rows, seeds, 150, lengths))
    refused = kept(folder, f"pole refused {seeds} {tested}", lambda: _pole_refusals(tested, seeds))
    measured = {f"pole: return of {name}": mean(values, "logs") for name, values in paid.items()}
    measured["pole: gain of 2"] = mean(paid["2"] - paid["1"], "logs, pairs")
    for name, values in refused.items():
        measured[f"pole: refused, {name}"] = share(int(np.sum(values <= LEVEL)), seeds, "logs")
        measured[f"pole: p, {name}"] = mean(values, "logs")
    records["pole"] = plain_curves(
        np.asarray(lengths, dtype=float),
        {"learned": np.stack([paid[f"{h}"] for h in lengths]),
         "cloned": np.stack([paid[f"cloned {h}"] for h in lengths])},
        x_label="observations in a window",
        y_label="return (reward), of 500",
        title=f"A pole without velocities, {rows:,} rows, {seeds} logs",
    )  # fmt: skip
    return measured


POMDP = Reproduction(
    "batch:pomdp",
    "Logs that show only a part: is the memory long enough?",
    SOURCE,
    (
        Claim("last symbol of two: 1 by 2", "A memory of 1 where the world has one of 2 is refused.", "derived", 0.8,
              "at least", 0.0, "smoke", 20, "of logs"),
        Claim("last symbol of two: 1 by 1", "By tests of the same window it never is.", "derived", 0.2, "at most", 0.0,
              "smoke", 20, "of logs"),
        Claim("last symbol of two: gain of 2", "Two symbols earn more than one.", "ours to measure", 0.0, "at least",
              0.0, "smoke", 4, "share of the best"),
        Claim("last symbol of two: 2 by 3", "A memory that is enough is refused at no more than the level.", "derived",
              0.05, "at most", 0.04, "small", 200, "of logs"),
        Claim("column of a grid: 1 by 2", "A grid of which the column is seen: 1 is refused.", "ours to measure", 0.8,
              "at least", 0.0, "small", 25, "of logs"),
        Claim("pole: gain of 2", "A pole without velocities: a window of 2 holds it longer.", "ours to measure", 0.0,
              "at least", 0.0, "small", 6, "reward"),
    ),
    _pomdp,
)  # fmt: skip

ENTRIES = (POMDP,)
