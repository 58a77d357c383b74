"""Claims and what was measured: a claim says beforehand what decides it, and nobody sets the answer by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ._record import Estimate, plain


Relation: TypeAlias = Literal["equals", "at least", "at most"]
Budget: TypeAlias = Literal["smoke", "small", "full"]

BUDGETS: tuple[Budget, ...] = ("smoke", "small", "full")
"""How much may be spent, rising: under a minute, minutes, as long as it takes."""


@dataclass(frozen=True)
class Claim:
    """What should be true, and what decides whether it is.

    - `name`: a word.  `statement`: one sentence.  `source`: where it is claimed, or by what argument it follows.
    - `expected`, `relation`, `tolerance`: it holds when all of the measured interval lies within `tolerance` of
      `expected` ("equals"), nowhere below `expected - tolerance` ("at least"), or nowhere above it ("at most").
    - `budget`: the smallest budget that decides it.  `n`: how many runs, games or seeds it is measured on there.
    - `unit`: of the numbers.
    """

    name: str
    statement: str
    source: str
    expected: float
    relation: Relation
    tolerance: float
    budget: Budget
    n: int
    unit: str = ""

    def is_decided_by(self, budget: Budget) -> bool:
        """Whether so much is enough to tell."""
        return BUDGETS.index(budget) >= BUDGETS.index(self.budget)

    def __str__(self) -> str:
        sign = {"equals": "", "at least": "at least ", "at most": "at most "}[self.relation]
        margin = f" ± {self.tolerance:g}" if self.relation == "equals" and self.tolerance else ""
        slack = f" (tolerance {self.tolerance:g})" if self.relation != "equals" and self.tolerance else ""
        return f"{sign}{self.expected:g}{margin}{f' {self.unit}' if self.unit else ''}{slack}"


@dataclass(frozen=True)
class Verdict:
    """A claim, and the number with its interval that was measured for it."""

    claim: Claim
    measured: Estimate

    @property
    def holds(self) -> bool:
        """Whether the whole interval says so. An interval that is not known decides nothing in the claim's favour."""
        low, high = float(self.measured.low), float(self.measured.high)
        if math.isnan(low) or math.isnan(high):
            return False
        is_above = low >= self.claim.expected - self.claim.tolerance
        is_below = high <= self.claim.expected + self.claim.tolerance
        return {"equals": is_above and is_below, "at least": is_above, "at most": is_below}[self.claim.relation]

    def to_json(self) -> dict[str, Any]:
        """Plain values: name, source, expected, measured, low, high, holds, and what else the claim says."""
        claim = self.claim
        return plain(
            {
                "name": claim.name,
                "statement": claim.statement,
                "source": claim.source,
                "expected": claim.expected,
                "relation": claim.relation,
                "tolerance": claim.tolerance,
                "measured": float(self.measured),
                "low": float(self.measured.low),
                "high": float(self.measured.high),
                "method": self.measured.method,
                "n": claim.n,
                "budget": claim.budget,
                "unit": claim.unit,
                "holds": self.holds,
            }
        )
