"""How far a policy from a log falls short: as logs grow, by how much pessimism, with too few critics: batch:regret."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..._claims import Budget, Claim
from ..._record import Estimate
from ..._types import AnyArray
from ...batch.features import AbstractFeatures, crossed
from ...batch.problem import Problem
from ...batch.stackelberg_learner import StackelbergLearner
from ...games.generators_process import goal_grid
from ...rl.batch_policy import AbstractBatchPolicy, AbstractDiscretePolicy
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .batch_measuring import SOURCE, mixed, policies, shares, table_task
from .batch_tables import GRID_RANGE, ring_settings, stacked, swept
from .measuring import curves, exponent, kept, mean, plain_curves


RING_RANGE = (-4.0, 4.0)


class MergedTable(AbstractFeatures):
    """A feature for each group of states and each action: too few for values that differ within a group.

    - `group`: `(s,)`, of each state.
    """

    group: Float[AnyArray, "s"]
    num_groups: int = eqx.field(static=True)
    num_actions: int = eqx.field(static=True)

    @property
    def size(self) -> int:
        """One for each group and action."""
        return self.num_groups * self.num_actions

    def taken(self, observation: Float[AnyArray, "n d"], action: Float[AnyArray, "n k"]) -> Float[AnyArray, "n w"]:
        """One-hot rows."""
        chosen = jax.nn.one_hot(jnp.asarray(action)[:, 0].astype(int), self.num_actions)
        return crossed(jax.nn.one_hot(self._groups(observation), self.num_groups), chosen)

    def averaged(
        self, observation: Float[AnyArray, "n d"], policy: AbstractBatchPolicy, noise: Float[AnyArray, "j n k"] | None
    ) -> Float[AnyArray, "n w"]:
        """The policy's probabilities in the columns of the group."""
        del noise
        assert isinstance(policy, AbstractDiscretePolicy)
        return crossed(jax.nn.one_hot(self._groups(observation), self.num_groups), policy.choice(observation))

    def _groups(self, observation: Float[AnyArray, "n d"]) -> AnyArray:
        return jnp.asarray(self.group)[jnp.asarray(observation)[:, 0].astype(int)].astype(int)


def merged(task: Problem) -> Problem:
    """The problem with one critic's weight for every two neighbouring states; residuals are tested as before."""
    states, actions = task.data.num_states, task.data.num_actions
    critic = MergedTable(np.arange(states) // 2 + 0.0, -(-states // 2), actions)
    pairs = np.stack(np.meshgrid(np.arange(states), np.arange(actions), indexing="ij"), axis=-1).reshape(-1, 2) + 0.0
    onto = np.asarray(critic.taken(pairs[:, :1], pairs[:, 1:]))
    moments = eqx.tree_at(
        lambda one: (one.here, one.critic), task.moments, (np.asarray(task.moments.here) @ onto, critic)
    )
    return task._replace(moments=moments)


def _growing_row(rows: int, seeds: int) -> dict[str, np.ndarray]:
    ring, policy, spread = ring_settings()
    grid = goal_grid()
    made = []
    for seed in range(seeds):
        by_ring = swept(table_task(ring, policy, rows, seed, RING_RANGE, spread), ring, (1e2, 1e3))
        task = table_task(grid, mixed(grid, 0.5), rows, seed, GRID_RANGE)
        by_grid, too_few = (swept(one, grid, (1e3, 1e4, 1e5)) for one in (task, merged(task)))
        made.append(
            {"ring": 1.0 - by_ring["picked"], "grid": 1.0 - by_grid["picked"], "gap": 1.0 - by_grid["bound"],
             "holds": by_grid["bound"] <= by_grid["picked"] + 1e-9, "merged": 1.0 - too_few["picked"],
             "merged is told": ~too_few["feasible"]}
        )  # fmt: skip
    jax.clear_caches()
    return stacked(made)


def _held_row(logs: int) -> dict[str, np.ndarray]:
    grid = goal_grid()
    made = []
    for seed in range(logs):
        found = swept(table_task(grid, mixed(grid, 0.5), 1_000, 10_000 + seed, GRID_RANGE), grid, (1e4,))
        made.append({"bound": found["bound"], "earned": found["picked"]})
        if seed % 20 == 19:  # what is compiled for a log takes memory mappings, of which there are only so many
            jax.clear_caches()
    return stacked(made)


def _pessimism_row(form: str, dials: tuple[float, ...], rows: int, seeds: int) -> dict[str, np.ndarray]:
    """Regret on the ring by how much pessimism there is."""
    ring, policy, spread = ring_settings()
    made = []
    for seed in range(seeds):
        task = table_task(ring, policy, rows, seed, RING_RANGE, spread)
        learners = [StackelbergLearner(task.moments, task.policy, form, dial) for dial in dials]
        made.append({"regret": 1.0 - shares(ring, policies(learners))})
    jax.clear_caches()
    return stacked(made)


DIALS: dict[str, tuple[float, ...]] = {
    "penalty": tuple(10.0 ** np.arange(0.0, 6.5, 0.5)),
    "ball": tuple(10.0 ** np.arange(0.0, 4.25, 0.25)),
}


def _u(regret: Float[np.ndarray, "n k"]) -> tuple[Estimate, Estimate]:
    """By how much both ends are above the least on average, each seed's own difference averaged."""
    best = int(np.argmin(regret.mean(axis=0)))
    return mean(regret[:, 0] - regret[:, best], "logs, paired"), mean(regret[:, -1] - regret[:, best], "logs, paired")


def _regret(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    sizes = (1000, 4000) if budget == "smoke" else (1000, 2000, 4000, 8000, 16000, 32000)
    seeds, logs = {"smoke": (3, 6), "small": (16, 500), "full": (64, 2_000)}[budget]
    forms = ("ball",) if budget == "smoke" else tuple(DIALS)
    found = {n: kept(folder, f"growing {n} {seeds}", lambda n=n: _growing_row(n, seeds)) for n in sizes}
    by_dial = {
        form: kept(folder, f"dial {form} {seeds}", lambda form=form: _pessimism_row(form, DIALS[form], 1_000, seeds))
        for form in forms
    }
    held = kept(folder, f"held {logs}", lambda: _held_row(logs))
    across = np.array(sizes, dtype=float)
    each = {name: np.stack([found[n][name] for n in sizes]) for name in ("ring", "grid", "gap", "merged")}
    above = held["bound"] > held["earned"] + 1e-9
    measured = {
        "bound": exponent(across, np.maximum(each["gap"], 1e-6), "logs"),
        "violations": Estimate.exact(float(np.sum(above)), f"of {logs} logs of 1,000 rows"),
        "violations per log": Estimate.exact(float(np.mean(above)), f"{logs} logs of 1,000 rows"),
        "regret on the grid": exponent(across, np.maximum(each["grid"], 1e-6), "logs"),
        "regret on the ring": exponent(across, np.maximum(each["ring"], 1e-6), "logs"),
        "floor with too few critics": mean(each["merged"][-1], f"logs of {sizes[-1]:,} rows"),
        "above the floor of enough critics": mean(each["merged"][-1] - each["grid"][-1], "logs, paired"),
        "told that critics are too few": mean(found[sizes[-1]]["merged is told"].astype(float), "logs"),
    }
    for form, one in by_dial.items():
        low, high = _u(one["regret"])
        measured |= {f"{form}: least pessimism above the best": high, f"{form}: most above the best": low}
    pictures = {
        "regret": curves(
            across,
            {
                "1 - lower bound, grid": each["gap"],
                "regret, ring": np.maximum(each["ring"], 1e-6),
                "regret, critics too few": np.maximum(each["merged"], 1e-6),
            },
            guides=[-0.5],
            x_label="rows of the log",
            y_label="short of the best (share of its value)",
            title=f"The guarantee closes as 1/√n, {seeds} logs each",
        )
    }
    words = {"penalty": "log10 of the weight λ", "ball": "log10 of C, the norm of test functions"}
    for form, one in by_dial.items():
        pictures[form] = plain_curves(
            np.log10(np.asarray(DIALS[form])),
            {"ring, 1,000 rows": one["regret"].T},
            x_label=words[form],
            y_label="regret (share of the best value)",
            title=f"Too much pessimism and too little, {seeds} logs",
        )
    return Evidence(measured, pictures)


REGRET = Reproduction(
    "batch:regret",
    "How far a policy from a log falls short, and of what",
    SOURCE,
    (
        Claim("violations per log", "The lower bound at 95 % is hardly ever above the truth.", "ours to reach", 0.08,
              "at most", 0.0, "smoke", 6),
        Claim("ball: least pessimism above the best", "With test functions of any size noise is believed.", SOURCE, 0.0,
              "at least", 0.0, "smoke", 3, "share of the best"),
        Claim("ball: most above the best", "With small ones alone, no policy but the log's is known.", SOURCE, 0.0,
              "at least", 0.0, "small", 16, "share of the best"),
        Claim("penalty: least pessimism above the best", "A large λ believes noise.", SOURCE, 0.0, "at least", 0.0,
              "small", 16, "share of the best"),
        Claim("penalty: most above the best", "A small λ stays with the log's policy.", SOURCE, 0.0, "at least", 0.0,
              "small", 16, "share of the best"),
        Claim("bound", "For a covered comparator the guarantee falls short by about 1/√n.", SOURCE, -0.5, "equals", 0.2,
              "small", 16, "log-log slope"),
        Claim("regret on the ring", "And so does the regret, where noise is what is hard.", SOURCE, -0.5, "equals", 0.2,
              "small", 16, "log-log slope"),
        Claim("above the floor of enough critics", "Critics that are too few leave a floor that no log lowers.", SOURCE,
              0.0, "at least", 0.0, "small", 16, "share of the best"),
        Claim("told that critics are too few", "And the log tells that no critic is consistent.", "ours to reach", 1.0,
              "at least", 0.0, "small", 16),
    ),
    _regret,
)  # fmt: skip

ENTRIES = (REGRET,)
