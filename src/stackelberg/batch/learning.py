"""`learn_policy`: from a log to a policy, with a lower bound on its value, everything chosen from the log alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._record import Estimate, plain
from .._types import AnyArray
from ..calculus.precision import exact
from ..games.dataset import Dataset
from ..rl.batch_policy import AbstractBatchPolicy
from .cloning import EXAMPLE, HIDDEN, cloned
from .consistency import PLUG_IN, consistent
from .last_layer import last_layer_features
from .oscillation import FEWEST, oscillation
from .problem import Problem, problem_of, values_on
from .reward_scale import RewardScale
from .stackelberg_learner import Leader, StackelbergLearner
from .stationarity import Stationarity, stationarity


WEIGHTS = (1e1, 1e2, 1e3, 1e4, 1e5, 1e6)
"""Weights λ that are tried: rewards are parts of their range, so that no task needs others."""

MILDER = (1.0, 0.5, 0.25, 0.1)
"""Parts of the radius: where nothing is guaranteed at the first, the next decides, and a warning says so."""

Rule: TypeAlias = Literal["bound", "local"]
CriticKind: TypeAlias = Literal["random", "learned"]

Tree = TypeVar("Tree")

RULES: tuple[Rule, ...] = ("bound", "local")
CRITICS: tuple[CriticKind, ...] = ("random", "learned")

DEVIATION = 0.135
"""Of continuous actions' normal draw inside tanh where learning begins: little, since what will be played is greedy."""

RATES = {"table": 0.1, "choice": 3e-3, "number": 1e-3}
"""Of Adam: for tables, for networks that choose among actions, and for those whose actions are numbers."""

FEW = 5.0
"""Rows for each state and action that is met, below which the radius is not to be trusted."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A policy that was learned with one weight, and what the log says of it; values for each step, in reward units.

    - `weight`: λ.  `policy`: the policy.
    - `radius`: ε, of critics consistent with the log under it.  `lower`: the least value that those give, by `MILDER`;
      the least that a step can pay where that was not found, the first also where no critic is consistent.
    - `plug_in`: the value of the most consistent critic.  `is_feasible`: whether that one is within ε.
    - `is_settled`: whether the critics behind these numbers were found.
    - `out_of_range`: the share of the log's rows where the answering critic leaves the range that values can have.
    - `local`: the least value within ε of critics that the range holds where it holds the most consistent one: its
      value less the size of the policy's density ratio times ε (the ridge's allowance added). No bound, since a critic
      that falls is held elsewhere.
    """

    weight: float
    policy: AbstractBatchPolicy
    radius: float
    lower: tuple[float, ...]
    plug_in: float
    is_feasible: bool
    is_settled: bool
    out_of_range: float
    local: float


@dataclass(frozen=True, eq=False)
class LearnedPolicy:
    """What a log teaches, and how far to trust it.

    - `policy`: the policy.  `weight`: the λ that it was learned with, chosen by the log alone.
    - `value`: its value for each step (1 - discount times the discounted return), in reward units: that of the most
      consistent critic, from the least consistent value on; no upper end is claimed.
    - `behaviour`: what imitating the log earns in the same units, by the same bound; its draws are narrow where actions
      are continuous.
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
                        "local": one.local,
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
    rule: Any = None,
    leader: Leader = "total",
    level: Any = 0.95,
    num_steps: Any = 400,
    learning_rate: Any = None,
    critic: Any = "random",
    num_features: Any = 150,
    hidden: tuple[int, ...] = HIDDEN,
    kernel: Any = "gaussian",
    bandwidth: Any = None,
    start_share: Any = 0.0,
    seed: Any = 0,
    on_progress: Callable[[float], None] = lambda _: None,
) -> LearnedPolicy:
    """Learn a policy from a log by `StackelbergLearner`, once for each weight, and keep what the log speaks for.

    - `discount`: in [0, 1).  `reward_range`: least and most that a step can pay; those of the log (and 0, where it
      has ends) when left out.
    - `weights`: λ that are tried.  `level`: of the lower bound.
    - `rule`: by what one is chosen: "bound", the lower bound, or "local", see `Candidate`. Tables take the first when
      left out, features the second: their bound lets a critic fall wherever its features allow it, which is too careful
      to choose by.
    - `num_steps`, `learning_rate`: of Adam, from cloned behaviour on; the rate is 0.1 for tables, 0.003 for networks
      and 0.001 where actions are continuous, when left out. Those begin with narrow draws (`cloned`, a deviation of
      0.135) and are to be played greedily.
    - `critic`: "random" features of a kernel, or "learned", the last layer of a network, see `last_layer_features`.
    - `num_features`, `kernel`, `bandwidth`: of the critic, see `features_for`; there are half as many test features
      again, which are always random. `hidden`: layers of the policy. Tables need none of these.
    - `start_share`: see `moments_of`.
    - `on_progress`: called with the share that is done.

    Nothing is ever tried in the world. Raises `InputError` on settings out of range.
    """
    log = boundary.instance("data", data, Dataset, EXAMPLE)
    low, high = _own_range(log) if reward_range is None else reward_range
    scale = RewardScale(float(low), float(high), discount)
    start = cloned(log, hidden=hidden, deviation=DEVIATION, seed=seed)
    steps = boundary.whole_number("num_steps", num_steps, low=1)
    is_table = bool(log.num_states and log.num_actions)
    by: Any = boundary.one_of("rule", ("bound" if is_table else "local") if rule is None else rule, RULES)
    is_learned = boundary.one_of("critic", critic, CRITICS) == "learned" and not is_table
    own = "table" if is_table else "choice" if log.num_actions else "number"
    rate = RATES[own] if learning_rate is None else learning_rate
    kind = {"num_features": num_features, "kernel": kernel, "bandwidth": bandwidth, "start_share": start_share}

    with jax.enable_x64(True):
        features = last_layer_features(log, start, scale, width=num_features, seed=seed) if is_learned else None
        problem = problem_of(log, start, scale, seed=seed, critic=features, **kind)
        problem = problem._replace(moments=traced(problem.moments))
        base, found, paths = judged(problem, start, PLUG_IN, level), [], []
        for turn, weight in enumerate(weights):
            learner = StackelbergLearner(problem.moments, start, "penalty", weight, leader=leader, learning_rate=rate)
            policy, path = path_of(learner, steps)
            found.append(judged(problem, policy, weight, level))
            paths.append(path)
            on_progress((turn + 1) / len(weights))
    best, part = chosen(found, scale.high - scale.low, by)
    held = jax.tree.map(np.asarray, problem.moments)  # what leaves is NumPy's
    learner = StackelbergLearner(held, best.policy, "penalty", best.weight, learning_rate=rate)
    with jax.enable_x64(True):
        certificate = stationarity(traced(learner), best.policy)
    notes = _warnings(best, part, base, problem, reward_range is None) + restlessness(paths[found.index(best)])
    method = f"most consistent critic; low: least of those consistent at level {float(level):g}, no high"
    return LearnedPolicy(
        best.policy,
        best.weight,
        Estimate(best.plug_in, best.lower[0], np.inf, method),
        Estimate(base.plug_in, base.lower[0], np.inf, method),
        tuple(found),
        certificate,
        notes,
        learner,
    )


def traced(learner: Tree) -> Tree:
    """A learner, or moments, with numbers as arrays, so that other numbers need no other program."""
    # Through NumPy: a number that came from Python would be of another type to the compiler.
    strong = lambda leaf: jnp.asarray(np.asarray(leaf)) if isinstance(leaf, float | np.ndarray | jax.Array) else leaf
    return jax.tree.map(strong, learner)


def learned_by(learner: StackelbergLearner, num_steps: int) -> AbstractBatchPolicy:
    """The policy after so many steps, in double precision and of NumPy arrays."""
    return path_of(learner, num_steps)[0]


@exact
def path_of(learner: StackelbergLearner, num_steps: int) -> tuple[AbstractBatchPolicy, Float[AnyArray, "n"]]:
    """The same, and what the leader was paid in every step."""
    return climbed(traced(learner), num_steps)


@eqx.filter_jit
def climbed(learner: StackelbergLearner, num_steps: int) -> tuple[AbstractBatchPolicy, Float[AnyArray, "n"]]:
    """The policy after so many steps, and what the leader was paid in every one."""

    def step(state, n):
        after, metrics = learner.update(state, (), n, jr.key(0))
        return after, metrics["pessimistic"]

    ended, path = jax.lax.scan(step, learner.init(jr.key(0)), jnp.arange(num_steps))
    return ended.policy, path


def chosen(candidates: Sequence[Candidate], span: float, rule: Rule = "bound") -> tuple[Candidate, float]:
    """The candidate that a log speaks for, and the part of the radius at which its bound told it from the others.

    That of the best lower bound, or of the best `local`.

    `span`: of the rewards. Critics that cannot be consistent guarantee nothing, and their candidates are passed over
    while there are others.
    """
    feasible = [one for one in candidates if one.is_feasible] or list(candidates)
    if rule == "local":
        return max(feasible, key=lambda one: one.local), 1.0
    for place, part in enumerate(MILDER):
        lows = np.array([one.lower[place] for one in feasible])
        # Below what is worth telling apart, all bounds stand at the floor.
        if np.ptp(lows) > 1e-3 * np.ptp([one.plug_in for one in feasible]) + 1e-6 * span or part == MILDER[-1]:
            return feasible[int(np.argmax(lows))], part
    raise AssertionError("the last part decides")


@exact
def judged(problem: Problem, policy: AbstractBatchPolicy, weight: Any, level: Any) -> Candidate:
    """What a log says of a policy that was learned with a weight."""
    moments, scale = problem.moments, problem.moments.scale
    flat = problem.most_consistent(policy)
    radius = problem.radius(policy, flat, level)
    radii = [jnp.asarray(part * radius) for part in MILDER]
    answers = [consistent(moments, policy, "constraint", each) for each in radii]
    # No value is below the floor, whatever a critic without bounds says; none above it is guaranteed without a
    # consistent critic.
    least = [jnp.maximum(one.guaranteed(each), 0.0) for one, each in zip(answers, radii, strict=True)]
    least[0] = jnp.where(flat.is_settled & flat.is_feasible(radius), least[0], 0.0)
    values = values_on(problem, answers[0].critic("constraint", radii[0]))
    return Candidate(
        float(weight),
        policy,
        radius,
        tuple(float(scale.restored(one)) for one in least),
        float(scale.restored(flat.plug_in)),
        bool(flat.is_feasible(radius)),
        bool(flat.is_settled) and all(bool(one.is_settled) for one in answers),
        float(np.mean((values < -0.01) | (values > 1.01))),
        float(scale.restored(flat.local_value(radius))),
    )


def _own_range(log: Dataset) -> tuple[float, float]:
    """The least and the most that a row pays; with 0, where episodes end."""
    seen = np.append(log.reward, 0.0) if np.any(log.terminal) else log.reward
    return float(np.min(seen)), float(np.max(seen))


def _rows_for_each(log: Dataset) -> float:
    """How many rows there are for each pair that is met; endless where pairs cannot be counted."""
    if not (log.num_states and log.num_actions):
        return np.inf
    return len(log) / len(np.unique(log.state * log.num_actions + log.chosen))


def restlessness(path: Float[AnyArray, "n"]) -> tuple[str, ...]:
    """Whether the policy went round instead of coming to rest."""
    told = oscillation(path) if len(path) >= FEWEST else None
    if told is None or not told.goes_round:
        return ()
    return (
        f"The policy did not come to rest: what it is paid goes up and down every {told.period:.0f} steps. Take a "
        "smaller learning_rate.",
    )


def _warnings(best: Candidate, part: float, base: Candidate, problem: Problem, is_own_range: bool) -> tuple[str, ...]:
    notes, rows = [], _rows_for_each(problem.data)
    low, high = float(problem.moments.scale.low), float(problem.moments.scale.high)
    if not best.is_settled:
        notes.append("The search for the critic's answer did not come to rest: its values are not to be used.")
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
    elif best.lower[0] < low + 1e-3 * (high - low):
        notes.append("At the level asked for the log guarantees the policy next to nothing.")
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
    elif best.lower[0] <= base.plug_in:
        notes.append(
            "It is not shown that the policy is better than the one that made the log: its lower bound is below what "
            "that one seems to earn."
        )
    if not problem.is_table and best.is_feasible:
        notes.append("The bound holds if values are functions of the features; nothing in a log can prove that.")
    if is_own_range:
        notes.append("The range of rewards was taken from the log; give it, if a step can pay less or more.")
    return tuple(notes)
