"""What the catalog knows about a game: where it comes from and what its answer is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .base import AbstractGame


@dataclass(frozen=True)
class CatalogEntry:
    """A game with its source and its answer.

    - `name`: how it is asked for; `description`: one sentence; `source`: author (year), or how it was made.
    - `strong_value`, `follower_value`: what leader and follower get in the strong equilibrium (among equally good ones
      for the leader, the best for the follower); `weak_value`: the supremum with ties against the leader.
    - `quantal_values`: the leader's optimum against a quantal follower, by inverse temperature.
    - `basis`: "published" (and recomputed here) or "certified" (computed here by two methods that share no code).

    What does not apply, or is not known with a proof, is `None` or left out.
    """

    name: str
    build: Callable[[], AbstractGame]
    description: str
    source: str
    strong_value: float | None = None
    follower_value: float | None = None
    weak_value: float | None = None
    quantal_values: Mapping[float, float] = field(default_factory=dict)
    basis: str = "certified"

    @property
    def game(self) -> AbstractGame:
        """The game itself."""
        return self.build()

    def answer(self) -> dict[str, Any]:
        """The answer and its provenance in JSON's own types."""
        return {
            "description": self.description,
            "source": self.source,
            "basis": self.basis,
            "strong_value": self.strong_value,
            "follower_value": self.follower_value,
            "weak_value": self.weak_value,
            "quantal_values": {f"{key:g}": value for key, value in self.quantal_values.items()},
        }
