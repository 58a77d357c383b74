"""Which kernel, how wide, and how many random features: batch:kernels."""

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
from ..._types import AnyArray
from ...batch.features import AbstractFeatures, scales
from ...batch.problem import TABLE_RIDGE, Problem
from ...calculus.kernel import KERNELS, feature_loss, kernel_loss, median_bandwidth, random_features
from ...calculus.precision import exact
from ...games.decision_process import DecisionProcess
from ...games.generators_process import goal_grid
from ...rl.batch_policy import AbstractBatchPolicy, AbstractDiscretePolicy
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .batch_control import pole_log
from .batch_measuring import SOURCE, mixed, table_task
from .batch_tables import GRID_RANGE, ring_settings, stacked, swept
from .measuring import curves, exponent, kept, mean, plain_curves


class CellFeatures(AbstractFeatures):
    """Rows of a root of the Gram matrix of all states and actions: products of features are the kernel, exactly.

    - `root`: `(s * a, m)`.
    """

    root: Float[AnyArray, "w m"]
    num_actions: int = eqx.field(static=True)

    @property
    def size(self) -> int:
        """As many as the root has columns."""
        return self.root.shape[1]

    def taken(self, observation: Float[AnyArray, "n d"], action: Float[AnyArray, "n k"]) -> Float[AnyArray, "n w"]:
        """The row of the pair."""
        state, chosen = jnp.asarray(observation)[:, 0].astype(int), jnp.asarray(action)[:, 0].astype(int)
        return jnp.asarray(self.root)[state * self.num_actions + chosen]

    def averaged(
        self, observation: Float[AnyArray, "n d"], policy: AbstractBatchPolicy, noise: Float[AnyArray, "j n k"] | None
    ) -> Float[AnyArray, "n w"]:
        """The mean row of a state."""
        del noise
        assert isinstance(policy, AbstractDiscretePolicy)
        each = jnp.asarray(self.root).reshape(-1, self.num_actions, self.size)
        state = jnp.asarray(observation)[:, 0].astype(int)
        return jnp.einsum("na,nam->nm", policy.choice(observation), each[state])


def with_kernel(
    task: Problem, places: Float[np.ndarray, "s p"], kernel: str, bandwidth: float, num_actions: int
) -> Problem:
    """A table's problem with tests of a kernel: of states by their places, for each action its own.

    - `bandwidth`: as a multiple of the median distance between places of the log's rows.
    """
    own = places[task.data.state]
    by = scales(own)
    apart = (places - by.centre) / by.scale
    width = bandwidth * median_bandwidth((own - by.centre) / by.scale)
    gram = np.asarray(exact(KERNELS[kernel].gram)(apart, apart, width))
    strength, along = np.linalg.eigh(gram)
    root = np.kron(along * np.sqrt(np.maximum(strength, 0.0)), np.eye(num_actions))
    old = task.moments
    here = root.T @ np.asarray(old.here)
    ridge = TABLE_RIDGE * float(np.mean(np.sum(here**2, axis=0)))
    moments = eqx.tree_at(
        lambda one: (one.paid, one.here, one.reach, one.ridge),
        old,
        (
            root.T @ np.asarray(old.paid),
            here,
            root.T @ np.asarray(old.reach),
            ridge,
        ),
    )
    return task._replace(moments=moments, tests=CellFeatures(root, num_actions))


def table_worlds() -> dict[str, tuple[DecisionProcess, np.ndarray, Callable[[int], Problem]]]:
    """Process, places of its states, and the problem of a log by seed."""
    ring, policy, spread = ring_settings()
    turn = 2.0 * np.pi * np.arange(ring.shape[0]) / ring.shape[0]
    grid = goal_grid()
    side = round(grid.shape[0] ** 0.5)
    cells = np.stack(np.divmod(np.arange(grid.shape[0]), side), axis=-1).astype(float)
    return {
        "ring": (
            ring,
            np.stack([np.cos(turn), np.sin(turn)], axis=-1),
            lambda seed: table_task(ring, policy, 1_000, seed, (-4.0, 4.0), spread),
        ),
        "grid": (grid, cells, lambda seed: table_task(grid, mixed(grid, 0.5), 300, seed, GRID_RANGE)),
    }


def _swept(world: str, kernel: str, multiples: tuple[float, ...], seeds: int) -> dict[str, np.ndarray]:
    """What each bandwidth earns and guarantees, `(seeds, bandwidths)`; one column for the delta kernel."""
    process, places, task = table_worlds()[world]

    def one(seed: int) -> dict[str, Any]:
        base = task(seed)
        if kernel == "delta":
            return {name: np.asarray([value]) for name, value in swept(base, process).items() if np.ndim(value) == 0}
        each = [swept(with_kernel(base, places, kernel, width, process.shape[1]), process) for width in multiples]
        names = ("picked", "bound", "promised")
        return {name: np.array([row[name] for row in each]) for name in names}

    found = stacked([one(seed) for seed in range(seeds)])
    jax.clear_caches()
    return found


COUNTS = (32, 64, 128, 256, 512, 1024)


def _errors(kernel: str, rows: int, seeds: int) -> dict[str, np.ndarray]:
    """Relative errors of random features against the exact Gram matrix, `(counts, seeds)`: of it, and of the loss."""
    data = pole_log(rows, 0)
    by = scales(data.observation)
    standard = (data.observation - by.centre) / by.scale
    width = median_bandwidth(standard)
    same = data.action == data.action.T
    gram = np.asarray(exact(KERNELS[kernel].gram)(standard, standard, width)) * same
    # Residuals as if the value were half of what a step pays for ever, and then nothing where the pole falls.
    residual = 1.0 - 0.5 + 0.5 * 0.95 / 0.05 * (~data.terminal - 1.0)
    truth = float(exact(kernel_loss)(residual, gram))
    whole, loss = np.zeros((len(COUNTS), seeds)), np.zeros((len(COUNTS), seeds))
    for place, count in enumerate(COUNTS):
        for seed in range(seeds):
            fourier = exact(random_features)(KERNELS[kernel], count, by.centre, by.scale, width, jr.key(seed))
            features = np.asarray(exact(fourier.__call__)(data.observation))
            whole[place, seed] = np.linalg.norm(features @ features.T * same - gram) / np.linalg.norm(gram)
            split = np.concatenate([features * (data.action == act) for act in (0.0, 1.0)], axis=-1)
            loss[place, seed] = abs(float(exact(feature_loss)(residual, split)) - truth) / truth
    return {"gram": whole, "loss": loss}


def _kernels(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    seeds = {"smoke": 4, "small": 4, "full": 16}[budget]
    worlds = ("ring",) if budget == "smoke" else ("ring", "grid")
    kernels = ("gaussian",) if budget == "smoke" else tuple(KERNELS)
    powers = (-3, 0, 3) if budget == "smoke" else (-3, -2, -1, 0, 1, 2, 3)
    multiples = tuple(2.0**power for power in powers)
    measured: dict[str, Estimate] = {}
    records: dict[str, Any] = {}
    for world in worlds:
        delta = kept(folder, f"{world} delta {seeds}", lambda w=world: _swept(w, "delta", (), seeds))
        measured[f"{world}: delta"] = mean(delta["picked"][:, 0], "logs")
        lines = {}
        for kernel in kernels:
            found = kept(
                folder, f"{world} {kernel} {powers} {seeds}", lambda w=world, k=kernel: _swept(w, k, multiples, seeds)
            )
            lines[kernel] = found["picked"].T
            for place, power in enumerate(powers):
                measured[f"{world}: {kernel}, 2^{power}"] = mean(found["picked"][:, place], "logs")
                measured[f"{world}: {kernel}, 2^{power}, bound"] = mean(found["bound"][:, place], "logs")
            average = found["picked"].mean(axis=0)
            measured[f"{world}: {kernel}, lost at the median"] = mean(
                average.max() - found["picked"][:, powers.index(0)], "logs, against the best width on average"
            )
            narrow = found["bound"][:, 0] - delta["bound"][:, 0]
            measured[f"{world}: {kernel}, narrow is delta"] = mean(np.abs(narrow), "logs")
            measured[f"{world}: {kernel}, bound gained"] = mean(
                found["bound"][:, powers.index(0)] - found["bound"][:, 0], "logs, pairs"
            )
            near = [average[powers.index(power)] for power in (-1, 0, 1) if power in powers]
            measured[f"{world}: {kernel}, plateau"] = Estimate.exact(
                float(average.max() - min(near)), f"worst of {len(near)} widths about the median, {seeds} logs"
            )
        records[world] = plain_curves(
            np.asarray(powers, dtype=float),
            lines,
            x_label="log2 of the bandwidth as a multiple of the median distance",
            y_label="share of the best policy's value",
            title=f"{world.capitalize()}: the weight picked by its bound, {seeds} logs each",
        )
    rows, draws = {"smoke": (300, 16), "small": (3_000, 64), "full": (3_000, 64)}[budget]
    errors = {
        kernel: kept(folder, f"features {kernel} {rows} {draws}", lambda k=kernel: _errors(k, rows, draws))
        for kernel in kernels
    }
    across = np.asarray(COUNTS, dtype=float)
    for kernel, one in errors.items():
        measured[f"slope, {kernel}"] = exponent(across, one["gram"], "draws of features")
        measured[f"slope of the loss, {kernel}"] = exponent(across, one["loss"], "draws of features")
        measured[f"error at 512, {kernel}"] = mean(one["gram"][COUNTS.index(512)], "draws of features")
    records["features"] = curves(
        across,
        {kernel: one["gram"] for kernel, one in errors.items()},
        guides=(-0.5,),
        x_label="random features",
        y_label="relative error of the Gram matrix",
        title=f"Random features against the exact kernel, {rows:,} rows of a pole, {draws} draws",
    )
    return Evidence(measured, records)


KERNELS_ENTRY = Reproduction(
    "batch:kernels",
    "Which kernel, how wide, and how many random features",
    SOURCE,
    (
        Claim("slope, gaussian", "The error of random features falls as one over the root of their number.",
              "Rahimi and Recht (2007)", -0.5, "equals", 0.06, "smoke", 16),
        Claim("ring: gaussian, narrow is delta", "A bandwidth of an eighth of the median is the delta kernel.",
              "derived", 0.02, "at most", 0.0, "smoke", 4, "share of the best"),
        Claim("ring: gaussian, 2^3, bound", "Eight times the median guarantees nothing: tests that are all alike leave "
              "the critic free.", "derived", 0.0, "at most", 0.0, "smoke", 4, "share of the best"),
        *(
            Claim(f"slope, {kernel}", f"So it does for the {kernel} kernel.", "Rahimi and Recht (2007)", -0.5, "equals",
                  0.06, "small", 64)
            for kernel in ("laplace", "matern", "rational-quadratic")
        ),
        *(
            Claim(f"{world}: {kernel}, plateau", f"From half to twice the median a {kernel} kernel loses little on the "
                  f"{world}.", "ours to measure", 0.05, "at most", 0.0, "small", 4, "share of the best")
            for world in ("ring", "grid")
            for kernel in KERNELS
        ),
    ),
    _kernels,
)  # fmt: skip

ENTRIES = (KERNELS_ENTRY,)
