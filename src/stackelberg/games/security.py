"""Targets, and resources to guard them: the leader commits to coverage, the follower picks a target to attack."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._types import AnyArray
from ..calculus.precision import exact
from .base import AbstractGame
from .one_shot import OneShot
from .placements import Lottery, comb_lottery, overlap, schedule_probabilities, thinned, unions


SLACK = 1e-9  # as for probabilities: more than this over the limit is a mistake, less is rounding


class SecurityGame(AbstractGame):
    """A leader guards targets with few resources; a follower attacks one of them.

    - `leader_covered`, `leader_uncovered`: what an attack on each target pays the leader when it is guarded and when it
      is not, `(n,)`; guarding never hurts: `leader_covered >= leader_uncovered`.
    - `follower_covered`, `follower_uncovered`: the same for the follower, `(n,)`; guarding never helps it:
      `follower_covered <= follower_uncovered`.
    - `resources`: how many targets (or schedules) can be guarded at once, at least 0. A fraction is a mean over days.
    - `schedules`: `(k, n)`, 1 where a schedule visits a target: one resource runs one schedule. Left out: any target.
    - `features`: more about each target that a behavioural follower may care about, `(n, d)`.
    - `targets`: names, numbered from 1 when left out.  `title`: one line for tables and pictures.

    A commitment is the coverage `(n,)`: the probability that each target is guarded. A response is `(n,)`.

    Without schedules every coverage in [0, 1]^n with a sum of at most `resources` can be carried out. With schedules
    coverage x can be carried out exactly when it is at most the coverage of some lottery over sets of `resources`
    schedules (a team may pass a target by). Running schedule j with probability q_j, Σ q_j <= `resources`, guards
    target i with probability at most Σ_j S_ji q_j, with equality when no two schedules that visit i are ever run
    together: when schedules are disjoint, or `resources <= 1`. Otherwise the inequality is strict in general, and the
    sets of schedules are enumerated. Kiekintveld et al. (2009), Sections 2 and 4; Korzhyk, Conitzer and Parr (2010) for
    what overlapping schedules cost.

    Raises `InputError` on payoffs that are not finite or out of order, and on schedules that are not 0/1.
    """

    leader_covered: Float[AnyArray, "n"]
    leader_uncovered: Float[AnyArray, "n"]
    follower_covered: Float[AnyArray, "n"]
    follower_uncovered: Float[AnyArray, "n"]
    resources: float | Float[AnyArray, ""]
    schedules: Float[AnyArray, "k n"] | None
    features: Float[AnyArray, "n d"] | None
    targets: tuple[str, ...] = eqx.field(static=True)
    title: str = eqx.field(static=True)

    def __init__(
        self,
        leader_covered: Any,
        leader_uncovered: Any,
        follower_covered: Any,
        follower_uncovered: Any,
        resources: Any,
        *,
        schedules: Any = None,
        features: Any = None,
        targets: Any = None,
        title: Any = "",
    ) -> None:
        self.leader_covered = boundary.real_array("leader_covered", leader_covered, axes=("n",))
        axes = (len(self.leader_covered),)
        self.leader_uncovered = boundary.real_array("leader_uncovered", leader_uncovered, axes=axes)
        self.follower_covered = boundary.real_array("follower_covered", follower_covered, axes=axes)
        self.follower_uncovered = boundary.real_array("follower_uncovered", follower_uncovered, axes=axes)
        _ordered("leader_uncovered", self.leader_uncovered, "leader_covered", self.leader_covered)
        _ordered("follower_covered", self.follower_covered, "follower_uncovered", self.follower_uncovered)
        self.resources = boundary.real_number("resources", resources, low=0.0)
        self.schedules = None if schedules is None else _schedules(schedules, axes[0], self.resources)
        self.features = None if features is None else boundary.real_array("features", features, axes=(axes[0], "d"))
        self.targets = boundary.labels("targets", targets, axes[0])
        self.title = boundary.text("title", title)

    @property
    def num_targets(self) -> int:
        """How many targets there are."""
        return len(self.leader_covered)

    @exact
    def induce(self, commitment: Float[AnyArray, "n"]) -> OneShot:
        """Expected payoffs of an attack on each target."""
        return OneShot(
            follower_payoff=_mixed(commitment, self.follower_covered, self.follower_uncovered),
            leader_payoff=_mixed(commitment, self.leader_covered, self.leader_uncovered),
            prior=np.ones(()),
            payoff_range=jnp.max(jnp.asarray(self.follower_uncovered)) - jnp.min(jnp.asarray(self.follower_covered)),
        )

    @exact
    def leader_value(self, commitment: Float[AnyArray, "n"], response: Float[AnyArray, "n"]) -> Float[AnyArray, ""]:
        """The leader's expected payoff when the follower attacks each target with the probability in `response`."""
        return _mixed(commitment, self.leader_covered, self.leader_uncovered) @ jnp.asarray(response)

    @exact
    def attacker_features(self, coverage: Float[AnyArray, "n"]) -> Float[AnyArray, "n c"]:
        """What a behavioural follower sees of each target: `(n, 3 + d)`.

        Columns: coverage, reward (`follower_uncovered`), penalty (`follower_covered`, negative where it hurts), then
        `features`.
        """
        columns = [jnp.asarray(coverage), jnp.asarray(self.follower_uncovered), jnp.asarray(self.follower_covered)]
        table = jnp.stack(columns, axis=-1)
        return table if self.features is None else jnp.concatenate([table, jnp.asarray(self.features)], axis=-1)

    def check_commitment(self, commitment: object) -> Float[AnyArray, "n"]:
        """Coverage `(n,)` that can be carried out; rounding of up to 1e-9 over a limit is taken off."""
        coverage = boundary.real_array("commitment", commitment, axes=(self.num_targets,), low=-SLACK, high=1.0 + SLACK)
        if boundary.is_traced(coverage):
            return coverage
        coverage = np.clip(coverage, 0.0, 1.0)
        if self.schedules is None:
            needed, limit = float(np.sum(coverage)), float(self.resources)
        else:
            rows, limit = self.patrols()
            runs = schedule_probabilities(rows, coverage)
            needed = float(np.sum(runs))
            reached = np.minimum(runs, 1.0) @ rows
            needed = needed if np.all(reached >= coverage - SLACK) else np.inf
            coverage = np.minimum(coverage, reached) if np.isfinite(needed) else coverage
        if needed > limit + SLACK * max(1.0, limit):
            raise InputError(
                boundary.RANGE,
                "commitment",
                found=f"this coverage needs {needed:.17g} resources at once"
                if np.isfinite(needed)
                else "this coverage cannot be had from the schedules, however often they are run",
                allowed=f"{limit:g} can be used" + ("" if self.schedules is None else ", on sets of schedules"),
                remedy="Divide the coverage by the excess, or raise `resources`.",
            )
        return coverage * (limit / needed) if needed > limit else coverage

    def uniform_commitment(self) -> Float[AnyArray, "n"]:
        """Resources spread evenly over targets, or over schedules."""
        if self.schedules is None:
            return np.full(self.num_targets, min(1.0, float(self.resources) / self.num_targets))
        rows, limit = self.patrols()
        return np.full(len(rows), min(1.0, limit / len(rows))) @ rows

    def patrols(self) -> tuple[Float[np.ndarray, "k n"], float]:
        """Rows of which at most so many are run at once, and no two that share a target: exactly what can be done.

        The schedules themselves when they are disjoint or run one at a time, single targets without schedules, and all
        sets of `resources` schedules, one at a time, when schedules overlap.
        """
        if self.schedules is None:
            return np.eye(self.num_targets), float(self.resources)
        rows = np.asarray(self.schedules)
        if self.resources <= 1.0 or not overlap(rows):
            return rows, min(float(self.resources), float(len(rows)))
        return unions(rows, min(int(self.resources), len(rows))), 1.0

    def mixed_strategy(self, coverage: Any) -> Lottery:
        """A lottery over at most n + 1 pure placements that guards each target with the probability in `coverage`."""
        coverage = np.asarray(self.check_commitment(coverage))
        if self.schedules is None:
            return comb_lottery(coverage)
        rows, limit = self.patrols()
        runs = schedule_probabilities(rows, coverage)
        total = float(np.sum(runs))
        lottery = comb_lottery(runs * (limit / total) if total > limit else runs)
        return thinned(Lottery(lottery.placements @ rows, lottery.probabilities), coverage)


def _mixed(
    coverage: Float[AnyArray, "n"], covered: Float[AnyArray, "n"], uncovered: Float[AnyArray, "n"]
) -> Float[AnyArray, "n"]:
    coverage = jnp.asarray(coverage)
    return coverage * covered + (1.0 - coverage) * uncovered


def _ordered(low_field: str, low: Any, high_field: str, high: Any) -> None:
    if boundary.is_traced(low) or boundary.is_traced(high) or np.all(low <= high):
        return
    target = int(np.argmax(low > high))
    raise InputError(
        boundary.INCONSISTENT,
        high_field,
        position=(target,),
        found=f"{high[target]:.17g} is below {low_field}[{target}] = {low[target]:.17g}",
        allowed="guarding a target must not hurt the leader nor help the follower "
        "(leader_covered >= leader_uncovered and follower_covered <= follower_uncovered)",
        remedy="Check whether two columns are swapped.",
    )


def _schedules(value: Any, num_targets: int, resources: Any) -> Any:
    schedules = boundary.real_array("schedules", value, axes=("k", num_targets), low=0.0, high=1.0)
    if boundary.is_traced(schedules):
        return schedules
    fractional = (schedules != 0.0) & (schedules != 1.0)
    if fractional.any():
        position = tuple(int(index) for index in np.argwhere(fractional)[0])
        raise InputError(
            boundary.RANGE,
            "schedules",
            position=position,
            found=f"{schedules[position]:.17g} is neither 0 nor 1",
            allowed="1 where the schedule visits the target, 0 elsewhere",
            remedy="Give one row for each schedule and one column for each target.",
        )
    if resources > 1.0 and resources != int(resources) and overlap(schedules):
        raise InputError(
            boundary.INCONSISTENT,
            "resources",
            found=f"{resources:.17g} resources share overlapping schedules",
            allowed="with overlapping schedules a number above 1 must be whole",
            remedy="Give a whole number of resources, or disjoint schedules.",
        )
    return schedules
