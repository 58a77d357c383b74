"""What is handed back and what is stored: numbers with their bounds, never bare. NumPy only."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Estimate(np.lib.mixins.NDArrayOperatorsMixin):
    """A number that knows how sure it is, and otherwise acts as a plain number.

    `low <= value <= high`; `method` says how the interval was obtained ("exact", "95% interval over 30 seeds",
    "lower bound", ...). Arithmetic and comparison use `value` alone and give plain numbers.
    """

    value: Any
    low: Any
    high: Any
    method: str = "exact"

    @classmethod
    def exact(cls, value: Any, method: str = "exact") -> Estimate:
        """A number known up to rounding."""
        number = float(value)
        return cls(number, number, number, method)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.value, dtype=dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        plain = [entry.value if isinstance(entry, Estimate) else entry for entry in inputs]
        return getattr(ufunc, method)(*plain, **kwargs)

    def __float__(self) -> float:
        return float(self.value)

    def __hash__(self) -> int:
        return hash((self.value, self.low, self.high, self.method))

    def __format__(self, specification: str) -> str:
        return format(float(self.value), specification)

    def __repr__(self) -> str:
        if self.low == self.value == self.high:
            return f"{self.value:.10g} ({self.method})"
        return f"{self.value:.6g} [{self.low:.6g}, {self.high:.6g}] ({self.method})"

    def to_json(self) -> dict[str, Any]:
        return plain({"value": self.value, "low": self.low, "high": self.high, "method": self.method})


@dataclass(frozen=True)
class Certificate:
    """What was proved about a commitment, and how.

    - `lower`: the leader's value of the commitment returned, recomputed on the original payoffs.
    - `upper`: no commitment gives the leader more.
    - `follower_regret`: what the follower could still gain by deviating from the response that was used
      (0 for a best response; for a quantal follower, its distance from a best response, not an error).
    - `status`: "optimal" (`gap` within the tolerance asked for), "bounded" (a larger but proven gap),
      "supremum" (the value is approached, not attained: `lower` belongs to an ε-optimal commitment).
    - `method`: how the bounds were obtained.  `notes`: what a reader must know, each a sentence.
    """

    lower: float
    upper: float
    follower_regret: float
    status: str
    method: str
    notes: tuple[str, ...] = ()

    @property
    def gap(self) -> float:
        """`upper - lower`: how much better, at most, another commitment could be."""
        return max(self.upper - self.lower, 0.0) if math.isfinite(self.upper) else math.inf

    def __repr__(self) -> str:
        return (
            f"{self.status}: leader's value in [{self.lower:.10g}, {self.upper:.10g}] (gap {self.gap:.2g}), "
            f"follower's regret {self.follower_regret:.2g}; {self.method}"
        )

    def to_json(self) -> dict[str, Any]:
        return plain(
            {
                "lower": self.lower,
                "upper": self.upper,
                "gap": self.gap,
                "follower_regret": self.follower_regret,
                "status": self.status,
                "method": self.method,
                "notes": self.notes,
            }
        )


@dataclass(frozen=True, eq=False)
class Solution:
    """One solved game: what to announce, what the follower does, what both get, and the proof.

    - `commitment`: the leader's strategy `(a,)`, prescription `(b, a)`, coverage `(n,)` or policy `(h, s, a)`.
    - `response`: the follower's answer, `(b,)`, `(t, b)` or `(h, s, b)`.
    - `leader_value`, `follower_value`: an `Estimate` each.
    - `certificate`: bounds on the best value any commitment could reach.
    - `method`: the solver's name.  `statistics`: counts and seconds, for the curious.
    """

    commitment: np.ndarray
    response: np.ndarray
    leader_value: Estimate
    follower_value: Estimate
    certificate: Certificate
    method: str
    statistics: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return plain(
            {
                "leader_value": float(self.leader_value),
                "follower_value": float(self.follower_value),
                "commitment": self.commitment,
                "response": self.response,
                "certificate": self.certificate.to_json(),
                "method": self.method,
                "statistics": dict(self.statistics),
            }
        )


@dataclass(frozen=True, eq=False)
class Record:
    """Numbers to be stored, tabulated or drawn: named columns, with attributes that describe them.

    `kind` decides how it is drawn ("landscape", "rationality", "estimation", "coverage", "demand", ...). Columns are
    arrays, not necessarily of one length; attributes are plain values (titles, units, marks).
    """

    kind: str
    columns: Mapping[str, np.ndarray]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def to_json(self) -> dict[str, Any]:
        return plain({"kind": self.kind, "columns": dict(self.columns), "attributes": dict(self.attributes)})

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Record:
        columns = {name: np.asarray(values) for name, values in data["columns"].items()}
        return cls(data["kind"], columns, dict(data["attributes"]))


def plain(value: Any) -> Any:
    """`value` in JSON's own types; non-finite numbers become the words "inf", "-inf" and "nan"."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if hasattr(value, "to_json"):
        return value.to_json()
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if hasattr(value, "__array__"):
        return plain(np.asarray(value))
    raise TypeError(f"{type(value).__name__} cannot be written as JSON.")


def dumps(value: Any) -> str:
    """`value` as readable JSON text, keys in the order given."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
