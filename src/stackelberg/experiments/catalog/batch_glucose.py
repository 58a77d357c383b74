"""Boluses from a log of simulated patients: batch:glucose. Not a medical device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float

from ..._claims import Budget, Claim
from ..._disk import PathName
from ..._record import Estimate
from ..._types import AnyArray, Key
from ...batch.cloning import cloned
from ...batch.learning import LearnedPolicy, learn_policy
from ...games.control import Act, episodes_of
from ...games.dataset import Dataset, joined_logs
from ...games.domains.glucose import GlucoseControl, generated_patient
from ...games.domains.padova import padova_patients
from ...games.domains.padova_control import PadovaControl
from ...games.logs import control_log
from ...rl.batch_policy import AbstractDiscretePolicy
from ..running.runner import Progress
from .base import Evidence, Reproduction
from .batch_measuring import SOURCE
from .measuring import grouped_bars, kept, mean


EPISODES = 20
"""Of three days, for each patient and policy."""

SIZES: dict[Budget, tuple[int, int, int, int, int]] = {
    "smoke": (720, 5, 5, 20, 20),
    "small": (5_000, 20, 20, 200, 60),
    "full": (20_000, 20, 20, 400, 100),
}
"""Rows, patients of the log, fresh patients, steps, features of the critic for each action."""


AnyPatient: TypeAlias = GlucoseControl | PadovaControl


class Days(NamedTuple):
    """Shares of time, and mean reward, of one patient."""

    in_range: Float[AnyArray, ""]
    below: Float[AnyArray, ""]
    far_below: Float[AnyArray, ""]
    above: Float[AnyArray, ""]
    reward: Float[AnyArray, ""]


def sloppy(state: AnyArray, key: Key) -> AnyArray:
    """A quarter of boluses missed, the others around three quarters of what the calculator says."""
    del state
    return jax.nn.one_hot(jr.choice(key, 5, p=jnp.array([0.25, 0.3, 0.3, 0.1, 0.05])), 5)


def narrow(state: AnyArray, key: Key) -> AnyArray:
    """What the calculator says, 98 times of 100."""
    del state
    return jax.nn.one_hot(jr.choice(key, 5, p=jnp.array([0.005, 0.005, 0.98, 0.005, 0.005])), 5)


def pooled_log(act: Act, rows: int, patients: int, seed: int) -> Dataset:
    """One log of several generated patients, each as many rows."""
    return log_of([GlucoseControl(generated_patient(1_000 * (seed + 1) + number)) for number in range(patients)],
                  act, rows, seed)  # fmt: skip


def padova_worlds(path: PathName, names: Any = None, ratios: PathName = None) -> list[PadovaControl]:
    """UVA/Padova patients of a table that the user has; see `padova_patients`."""
    return [PadovaControl(one) for one in padova_patients(path, names, ratios=ratios).values()]


def log_of(worlds: Sequence[AnyPatient], act: Act, rows: int, seed: int) -> Dataset:
    """One log of several patients, each as many rows."""
    parts = []
    for number, world in enumerate(worlds):
        key = jr.fold_in(jr.key(seed), number)
        names = world.observation_names
        parts.append(control_log(world, act, rows // len(worlds), key, observe=world.observed, names=names))
    return joined_logs(parts)


@eqx.filter_jit
def _days(world: AnyPatient, policy: AbstractDiscretePolicy | None, key: Key) -> Days:
    def act(state, key):
        if policy is None:
            return sloppy(state, key)
        return jax.nn.one_hot(policy.greedy(world.observed(state)[None])[0, 0].astype(int), 5)

    played = episodes_of(world, act, key, EPISODES)
    glucose = world.glucose(played.then)
    share = lambda where: jnp.mean(where.astype(float))
    return Days(
        share((glucose >= 70.0) & (glucose <= 180.0)),
        share(glucose < 70.0),
        share(glucose < 54.0),
        share(glucose > 180.0),
        jnp.mean(played.reward),
    )


def days_of(policy: AbstractDiscretePolicy | None, patients: int) -> dict[str, np.ndarray]:
    """Each fresh patient's shares under a policy, or under sloppy dosing."""
    return days_in([GlucoseControl(generated_patient(500_000 + number)) for number in range(patients)], policy)


def days_in(worlds: Sequence[AnyPatient], policy: AbstractDiscretePolicy | None) -> dict[str, np.ndarray]:
    """Each patient's shares under a policy, or under sloppy dosing."""
    thin = lambda leaf: jnp.asarray(leaf, jnp.float32) if eqx.is_inexact_array(leaf) else leaf
    made = []
    for number, world in enumerate(worlds):
        # Arrays in place of numbers, so that all patients are one compiled program.
        patient = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), world.patient)
        world = eqx.tree_at(lambda one: one.patient, world, patient)
        made.append(_days(world, None if policy is None else jax.tree.map(thin, policy), jr.key(number)))
    return {name: np.array([float(getattr(one, name)) for one in made]) for name in Days._fields}


def _learned(data: Dataset, steps: int, features: int, seed: int) -> LearnedPolicy:
    return learn_policy(
        data, discount=0.9, reward_range=(0.0, 1.0), weights=(1e1, 1e2, 1e3, 1e4, 1e5), num_steps=steps,
        critic="learned", num_features=features, seed=seed,
    )  # fmt: skip


def _measured(rows: int, patients: int, fresh: int, steps: int, features: int) -> dict[str, np.ndarray]:
    data = pooled_log(sloppy, rows, patients, 0)
    total = _learned(data, steps, features, 0)
    small = _learned(pooled_log(narrow, rows, patients, 1), steps, features, 1)
    clone: Any = cloned(data)
    is_warned = lambda learned: float(any("better than" in words for words in learned.warnings))
    found: dict[str, Any] = {"weight": total.weight, "warned": is_warned(small), "sloppy warned": is_warned(total)}
    found |= {"lower": total.value.low, "behaviour lower": total.behaviour.low}
    learned: Any = total.policy
    for word, policy in (("sloppy", None), ("cloning", clone), ("learned", learned)):
        found |= {f"{word} {name}": values for name, values in days_of(policy, fresh).items()}
    return {name: np.asarray(value, dtype=float) for name, value in found.items()}


def _glucose(budget: Budget, folder: Path, on_progress: Callable[[Progress], None]) -> Evidence:
    del on_progress
    sizes = SIZES[budget]
    found = kept(folder, f"glucose {sizes}", lambda: _measured(*sizes))
    gain = lambda name: found[f"learned {name}"] - found[f"sloppy {name}"]
    measured = {
        "more time in range": mean(100.0 * gain("in_range"), "patients, paired"),
        "more time below": mean(100.0 * gain("below"), "patients, paired"),
        "reward": mean(gain("reward"), "patients, paired"),
        "narrow log is warned": Estimate.exact(float(found["warned"]), "1 where it says that it cannot tell"),
        "sloppy log is warned": Estimate.exact(float(found["sloppy warned"]), "1 where it says that it cannot tell"),
        "weight": Estimate.exact(float(found["weight"]), "picked by the log alone"),
    }
    words = {"in_range": "70 to 180", "below": "below 70", "far_below": "below 54", "above": "above 180"}
    for word in ("sloppy", "cloning", "learned"):
        for name in (*words, "reward"):
            measured[f"{word}: {words.get(name, name)}"] = mean(found[f"{word} {name}"], "patients")
    patients = [f"patient {k + 1}" for k in range(sizes[2])]
    exact = lambda value: Estimate.exact(100.0 * float(value))
    pairs = (("sloppy", "in_range"), ("learned", "in_range"), ("learned", "below"), ("sloppy", "below"))
    each = [[exact(found[f"{word} {name}"][k]) for word, name in pairs] for k in range(sizes[2])]
    picture = grouped_bars(
        each,
        names=patients,
        terms=["70-180, log's policy", "70-180, learned", "below 70, learned", "below 70, log's policy"],
        y_label="share of time (%), mg/dL",
        title="Fresh simulated patients, not a medical device",
    )
    return Evidence(measured, {"patients": picture})


GLUCOSE = Reproduction(
    "batch:glucose",
    "Boluses from a log of sloppy dosing (simulated patients, not a medical device)",
    SOURCE,
    (
        Claim("narrow log is warned", "Of a log that never tried anything else it says that it cannot tell.",
              "ours to reach", 1.0, "at least", 0.0, "smoke", 1),
        Claim("more time in range", "Fresh patients are longer in range than under the log's policy.", "ours to reach",
              0.0, "at least", 0.0, "small", 20, "% of time"),
        Claim("more time below", "And no longer below 70 mg/dL.", "ours to reach", 0.0, "at most", 0.0, "small", 20,
              "% of time"),
    ),
    _glucose,
)  # fmt: skip

ENTRIES = (GLUCOSE,)
