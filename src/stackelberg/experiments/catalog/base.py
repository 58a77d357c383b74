"""An entry of the catalog of reproductions, and what measuring it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..._claims import Budget, Claim, Verdict
from ..._errors import SolverError
from ..._record import Estimate, Record, dumps
from ..._runs import RunRecord
from ..running.disk import DISK, commit_file
from ..running.folder import run_path
from ..running.runner import Progress


SCHEMA = "stackelberg-reproduce/1"

CLAIMS = "claims.json"


@dataclass(frozen=True, eq=False)
class Evidence:
    """What was measured, by the name of the claim that it decides, and the records behind it, to be drawn."""

    measured: Mapping[str, Estimate]
    records: Mapping[str, Record | RunRecord] = field(default_factory=dict)


@dataclass(frozen=True)
class Reproduction:
    """One experiment of a paper: what it claims, and how that is measured.

    `measure(budget, folder, on_progress)` keeps its runs in `folder`, so that the same call goes on with them, and
    measures at least every claim that the budget decides.
    """

    name: str
    title: str
    source: str
    claims: tuple[Claim, ...]
    measure: Callable[[Budget, Path, Callable[[Progress], None]], Evidence]

    def run(
        self, budget: Budget, folder: Path, on_progress: Callable[[Progress], None] = lambda _: None
    ) -> tuple[tuple[Verdict, ...], Evidence]:
        """Measure, decide, and write `claims.json`; the runs behind it stay in `folder`."""
        place = run_path(folder)
        place.mkdir(parents=True, exist_ok=True)
        evidence = self.measure(budget, place, on_progress)
        decided = [claim for claim in self.claims if claim.is_decided_by(budget)]
        if missing := [claim.name for claim in decided if claim.name not in evidence.measured]:
            raise SolverError(f"{SolverError.code} {self.name}: nothing was measured for {', '.join(missing)}.")
        verdicts = tuple(Verdict(claim, evidence.measured[claim.name]) for claim in decided)
        commit_file(DISK, place / CLAIMS, dumps(self.to_json(budget, verdicts)).encode())
        return verdicts, evidence

    def to_json(self, budget: Budget, verdicts: tuple[Verdict, ...]) -> dict[str, Any]:
        """Plain values: what was decided, and what a larger budget would decide."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "title": self.title,
            "source": self.source,
            "budget": budget,
            "claims": [verdict.to_json() for verdict in verdicts],
            "undecided": [
                {"name": claim.name, "statement": claim.statement, "budget": claim.budget}
                for claim in self.claims
                if not claim.is_decided_by(budget)
            ],
        }
