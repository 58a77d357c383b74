"""A commitment to be used: what to do now, drawn from what was announced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from .. import _boundary as boundary
from .._errors import InputError
from .._record import plain


SCHEMA = "stackelberg-policy/1"

KINDS = {
    "strategy": ("a",),
    "prescription": ("b", "a"),
    "policy": ("h", "s", "a"),
    "policy-prescription": ("h", "s", "b", "a"),
}
"""What a commitment may be, and the axes that it then has."""

_AXES = {"h": "stage", "s": "state", "b": "follower_action"}


@dataclass(frozen=True, init=False, eq=False)
class Policy:
    """The leader's part of a plan, ready to be acted on.

    - `commitment`: probabilities over the leader's actions along the last axis: a strategy `(a,)`, a prescription
      `(b, a)`, a policy `(h, s, a)`, or a policy of prescriptions `(h, s, b, a)`.
    - `kind`: which of these it is.  `actions`: the names of the leader's actions.
    - `source`: where it comes from, one line.

    An observation is what the commitment depends on: nothing for a strategy, the follower's action for a prescription,
    (stage, state) for a policy, (stage, state, follower's action) for a policy of prescriptions, as numbers from 0.
    """

    commitment: Float[np.ndarray, "*axes a"]
    kind: str
    actions: tuple[str, ...]
    source: str

    def __init__(self, commitment: Any, kind: Any = "strategy", actions: Any = None, source: Any = "") -> None:
        word = boundary.one_of("kind", kind, KINDS)
        made = boundary.distribution("commitment", commitment, axes=KINDS[word])
        fields = {
            "commitment": made,
            "kind": word,
            "actions": boundary.labels("actions", actions, made.shape[-1]),
            "source": boundary.text("source", source),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def probabilities(self, observation: Any = None) -> Float[np.ndarray, "a"]:
        """How likely each of the leader's actions is to be taken."""
        axes = KINDS[self.kind][:-1]
        given = () if observation is None else tuple(np.atleast_1d(observation).tolist())
        if len(given) != len(axes):
            needed = ", ".join(_AXES[axis] for axis in axes) or "nothing"
            raise InputError(
                boundary.SHAPE,
                "observation",
                found=f"{boundary.shown(observation)} stands there",
                allowed=f"a {self.kind} is asked with {needed}",
                remedy=f"Call policy.act({'' if not axes else '(' + needed + ')' if len(axes) > 1 else needed}).",
            )
        place = tuple(
            boundary.whole_number(f"observation.{_AXES[axis]}", value, high=size - 1)
            for axis, value, size in zip(axes, given, self.commitment.shape, strict=False)
        )
        return self.commitment[place]

    def act(self, observation: Any = None, *, seed: Any = None) -> int:
        """An action, as a number from 0, drawn with these probabilities.

        `seed` is a whole number, a NumPy generator, or `None` for chance that nobody can repeat.
        """
        generator = seed if isinstance(seed, np.random.Generator) else np.random.default_rng(_checked(seed))
        return int(generator.choice(self.commitment.shape[-1], p=self.probabilities(observation)))

    def to_json(self) -> dict[str, Any]:
        """Plain data; `sg.load` reads it back."""
        fields = {name: getattr(self, name) for name in ("kind", "actions", "source", "commitment")}
        return plain({"schema": SCHEMA} | fields)


def _checked(seed: Any) -> int | None:
    return None if seed is None else boundary.whole_number("seed", seed)
