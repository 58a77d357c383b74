"""`learn_policy`: from a log to a policy, with a lower bound on its value, everything chosen from the log alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from .. import _boundary as boundary
from .._record import Estimate, plain
from .._types import Key
from ..calculus.precision import exact
from ..games.dataset import Dataset
from ..rl.batch_policy import AbstractBatchPolicy
from .calibration import calibrated_radius
from .cloning import EXAMPLE, HIDDEN, cloned
from .consistency import Moments, RewardScale, consistent, moments_of
from .features import AbstractFeatures, features_for
from .judging import PLUG_IN
from .stackelberg_learner import Leader, StackelbergLearner
from .stationarity import Stationarity, stationarity


WEIGHTS = (1e1, 1e2, 1e3, 1e4, 1e5, 1e6)
"""Weights λ that are tried: rewards are parts of their range, so that no task needs others."""

MILDER = (1.0, 0.5, 0.25, 0.1)
"""Parts of the radius: where nothing is guaranteed at the first, the next decides, and a warning says so."""


FEW = 5.0
"""Rows for each state and action that is met, below which the radius is not to be trusted."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A policy that was learned with one weight, and what the log says of it; values for each step, in reward units.

    - `weight`: λ.  `policy`: the policy.
    - `radius`: ε, of critics consistent with the log under it.  `lower`: the least value that those give, by `MILDER`.
    - `plug_in`: the value of the most consistent critic.  `is_feasible`: whether that one is within ε.
    - `out_of_range`: the share of the log's rows where the answering critic leaves the range that values can have.
    """

    weight: float
    policy: AbstractBatchPolicy
    radius: float
    lower: tuple[float, ...]
    plug_in: float
    is_feasible: bool
    out_of_range: float


@dataclass(frozen=True, eq=False)
class LearnedPolicy:
    """What a log teaches, and how far to trust it.

    - `policy`: the policy.  `weight`: the λ that it was learned with, chosen by `lower`.
    - `value`: its value for each step (1 - discount times the discounted return), in reward units: that of the most
      consistent critic, from the least consistent value on; no upper end is claimed.
    - `behaviour`: what the logging policy earned in the same units, by the same bound.
    - `candidates`: one for each weight.  `stationarity`: of the one chosen.
    - `warnings`: sentences that say when not to trust the answer; none when nothing was noticed.
    """

    policy: AbstractBatchPolicy
    weight: float
    value: Estimate
    behaviour: Estimate
    candidates: tuple[Candidate, ...]
    stationarity: Stationarity
    warnings: tuple[str, ...]
    learner: StackelbergLearner

    def to_json(self) -> dict[str, Any]:
        """Plain values, without the policy's weights."""
        return plain(
            {
                "weight": self.weight,
                "convention": "general-sum: the zero-sum weight is half of it",
                "value": self.value.to_json(),
                "behaviour": self.behaviour.to_json(),
                "candidates": [
                    {
                        "weight": one.weight,
                        "lower": one.lower[0],
                        "plug_in": one.plug_in,
                        "radius": one.radius,
                        "is_feasible": one.is_feasible,
                        "out_of_range": one.out_of_range,
                    }
                    for one in self.candidates
                ],
                "stationarity": self.stationarity.to_json(),
                "warnings": self.warnings,
            }
        )


def learn_policy(
    data: Dataset,
    *,
    discount: Any,
    reward_range: Any = None,
    weights: Sequence[Any] = WEIGHTS,
    leader: Leader = "total",
    level: Any = 0.95,
    num_steps: Any = 400,
    learning_rate: Any = None,
    num_features: Any = 150,
    hidden: tuple[int, ...] = HIDDEN,
    kernel: Any = "gaussian",
    bandwidth: Any = None,
    start_share: Any = 0.0,
    seed: Any = 0,
    on_progress: Callable[[float], None] = lambda _: None,
) -> LearnedPolicy:
    """Learn a policy from a log by `StackelbergLearner`, once for each weight, and keep that of the best lower bound.

    - `discount`: in [0, 1).  `reward_range`: least and most that a step can pay; those of the log when left out.
    - `weights`: λ that are tried.  `level`: of the lower bound.
    - `num_steps`, `learning_rate`: of Adam, from cloned behaviour on; the rate is 0.1 for tables and 0.003 for networks
      when left out.
    - `num_features`, `kernel`, `bandwidth`: of the critic, see `features_for`; there are half as many test features
      again. `hidden`: layers of the policy. Tables need none of these.
    - `start_share`: see `moments_of`.
    - `on_progress`: called with the share that is done.

    Nothing is ever tried in the world. Raises `InputError` on settings out of range.
    """
    log = boundary.instance("data", data, Dataset, EXAMPLE)
    low, high = (np.min(log.reward), np.max(log.reward)) if reward_range is None else reward_range
    scale = RewardScale(float(low), float(high), discount)
    key = jr.key(boundary.whole_number("seed", seed, low=0))
    of_critic, of_tests, of_noise, of_signs = jr.split(key, 4)
    start = cloned(log, hidden=hidden, seed=seed)
    more = -(-3 * boundary.whole_number("num_features", num_features, low=1) // 2)
    kind = {"kernel": kernel, "bandwidth": bandwidth}
    is_table = bool(log.num_states and log.num_actions)
    rate = (0.1 if is_table else 3e-3) if learning_rate is None else learning_rate
    steps = boundary.whole_number("num_steps", num_steps, low=1)
    with jax.enable_x64(True):
        critic = features_for(log, num_features, key=of_critic, **kind)
        tests = features_for(log, more, key=of_tests, **kind)
        moments = moments_of(
            log, critic, tests, scale, policy=start, start_share=start_share,
            ridge=1e-8 if is_table else 1e-6, key=of_noise,
        )  # fmt: skip
        moments = jax.tree.map(jnp.asarray, moments)
        judge = lambda policy, weight: _judged(log, critic, tests, moments, policy, weight, level, of_signs)
        base, found = judge(start, PLUG_IN), []
        for turn, weight in enumerate(weights):
            learner = StackelbergLearner(moments, start, "penalty", weight, leader=leader, learning_rate=rate)
            policy = jax.tree.map(np.asarray, climbed(_traced(learner), steps))
            found.append(judge(policy, learner.weight))
            on_progress((turn + 1) / len(weights))
    best, part = chosen(found, scale.high - scale.low)
    learner = StackelbergLearner(moments, best.policy, "penalty", best.weight, leader="total", learning_rate=rate)
    notes = _warnings(best, part, base, is_table, reward_range is None, _rows_for_each(log))
    method = f"most consistent critic; low: least of those consistent at level {float(level):g}, no high"
    return LearnedPolicy(
        best.policy,
        best.weight,
        Estimate(best.plug_in, best.lower[0], np.inf, method),
        Estimate(base.plug_in, base.lower[0], np.inf, method),
        tuple(found),
        stationarity(_traced(learner), best.policy),
        notes,
        learner,
    )


@eqx.filter_jit
def climbed(learner: StackelbergLearner, num_steps: int) -> AbstractBatchPolicy:
    """The policy after so many steps."""

    def step(state, n):
        return learner.update(state, (), n, jr.key(0))[0], None

    return jax.lax.scan(step, learner.init(jr.key(0)), jnp.arange(num_steps))[0].policy


def chosen(candidates: Sequence[Candidate], span: float) -> tuple[Candidate, float]:
    """The candidate of the best lower bound, and the part of the radius at which the bound told them apart.

    `span`: of the rewards. Critics that cannot be consistent guarantee nothing, and their candidates are passed over
    while there are others.
    """
    feasible = [one for one in candidates if one.is_feasible] or list(candidates)
    for place, part in enumerate(MILDER):
        lows = np.array([one.lower[place] for one in feasible])
        # Below what is worth telling apart, all bounds stand at the floor.
        if np.ptp(lows) > 1e-3 * np.ptp([one.plug_in for one in feasible]) + 1e-6 * span or part == MILDER[-1]:
            return feasible[int(np.argmax(lows))], part
    raise AssertionError("the last part decides")


@exact
def _judged(
    log: Dataset,
    critic: AbstractFeatures,
    tests: AbstractFeatures,
    moments: Moments,
    policy: AbstractBatchPolicy,
    weight: float,
    level: Any,
    key: Key,
) -> Candidate:
    """What the log says of a policy."""
    scale = moments.scale
    flat = consistent(moments, policy, "penalty", jnp.asarray(PLUG_IN))
    radius = calibrated_radius(log, critic, tests, scale, policy, flat.omega, level=level, key=key)
    lower = []
    for part in MILDER:
        answer = consistent(moments, policy, "constraint", jnp.asarray(part * radius))
        # No value is below the floor, whatever a critic without bounds says.
        lower.append(float(scale.restored(jnp.maximum(answer.value("constraint", part * radius), 0.0))))
    answer = consistent(moments, policy, "constraint", jnp.asarray(radius)).critic("constraint", radius)
    values = np.asarray(critic.taken(log.observation[:20_000], log.action[:20_000]) @ answer) * (1.0 - scale.discount)
    off = float(np.mean((values < -0.01) | (values > 1.01)))
    return Candidate(
        float(weight),
        policy,
        radius,
        tuple(lower),
        float(scale.restored(flat.plug_in)),
        bool(flat.is_feasible(radius)),
        off,
    )


def _rows_for_each(log: Dataset) -> float:
    """How many rows there are for each pair that is met; endless where pairs cannot be counted."""
    if not (log.num_states and log.num_actions):
        return np.inf
    return len(log) / len(np.unique(log.state * log.num_actions + log.chosen))


def _traced(learner: StackelbergLearner) -> StackelbergLearner:
    """The learner with its numbers as arrays, so that other numbers need no other program."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, float | np.ndarray) else leaf, learner)


def _warnings(
    best: Candidate, part: float, base: Candidate, is_table: bool, is_own_range: bool, rows: float
) -> tuple[str, ...]:
    notes = []
    if not best.is_feasible:
        notes.append(
            "No critic of these features is consistent with the log: its lower bound proves nothing. Take more "
            "features, a longer history, or a larger log."
        )
    if part < 1.0:
        notes.append(
            f"At the level asked for the log guarantees nothing to any of the policies; they were told apart at "
            f"{part:g} of the radius, which is a guess and no guarantee."
        )
    if rows < FEW:
        notes.append(
            f"There are {rows:.1f} rows on average for each state and action that the log meets: residuals that are "
            "fitted to so few look smaller than they are, and the bound is too high."
        )
    if best.out_of_range > 0.02:
        notes.append(
            f"The critic leaves the range that values can have in {best.out_of_range:.0%} of the log's rows: the "
            "features cannot hold it there, and the bound may be wrong."
        )
    if best.lower[0] <= base.lower[0]:
        notes.append("Nothing shows that the policy is better than the one that made the log.")
    if not is_table and best.is_feasible:
        notes.append("The bound holds if values are functions of the features; nothing in a log can prove that.")
    if is_own_range:
        notes.append("The range of rewards was taken from the log; give it, if a step can pay less or more.")
    return tuple(notes)
