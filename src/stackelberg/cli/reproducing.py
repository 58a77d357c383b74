"""The work of `reproduce`: measure, draw, and put claims beside what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._claims import Budget, Verdict
from .._runs import RunRecord
from ..experiments.catalog import REPRODUCTIONS, Evidence, Reproduction, chosen
from ..experiments.running.progress import Progress
from ..report.figures import plot
from ..report.page import write_report
from ..report.tables import Table
from . import output


HOME = "reproduced"


@dataclass(frozen=True, eq=False)
class Done:
    """One experiment that was measured, where it is kept, and the files that were drawn."""

    entry: Reproduction
    budget: Budget
    verdicts: tuple[Verdict, ...]
    folder: Path
    files: tuple[str, ...]


def reproduced(name: str, budget: Any, out: Path | None, quiet: bool) -> list[Done]:
    """Every experiment that `name` stands for, in a folder of its own; `out` itself when it is only one."""
    entries = chosen(name)
    done = []
    for entry in entries:
        home = Path(HOME) if out is None else out
        folder = home if out is not None and len(entries) == 1 else home / entry.name.replace(":", "-")
        with output.progress(entry.title, quiet=quiet, total=1000) as advance:
            verdicts, evidence = entry.run(budget, folder / budget, _telling(advance))
        done.append(Done(entry, budget, verdicts, folder / budget, _drawn(entry, folder / budget, verdicts, evidence)))
    return done


def _telling(advance: Any) -> Any:
    """Moves the bar with the progress of the runs: each fills what is left of it by its own share."""
    shown = [0.0]

    def on_progress(progress: Progress) -> None:
        wanted = 1000.0 * progress.step / max(progress.num_steps, 1)
        while shown[0] + 10.0 <= wanted:
            advance()
            shown[0] += 10.0

    return on_progress


def _drawn(entry: Reproduction, folder: Path, verdicts: tuple[Verdict, ...], evidence: Evidence) -> tuple[str, ...]:
    files = [str(folder / "claims.json")]
    for name, record in evidence.records.items():
        base = folder / f"{name}-figure"
        plot(record, base)
        files += [f"{base}.{suffix}" for suffix in ("png", "svg", "csv")]
        if isinstance(record, RunRecord):
            page = write_report(record, folder / f"{name}.html", claims=verdicts, citation=entry.source)
            files.append(str(page))
    return tuple(files)


def claims_table(done: Done) -> Table:
    """What is claimed, what was measured, and whether it holds."""
    rows = [
        (
            verdict.claim.statement,
            str(verdict.claim),
            _measured(verdict),
            "holds" if verdict.holds else "does not hold",
        )
        for verdict in done.verdicts
    ]
    return Table(("claim", "expected", "measured", ""), rows, title=f"{done.entry.title} ({done.budget})")


def catalog_table() -> Table:
    """What there is."""
    rows = [
        (entry.name, ", ".join(dict.fromkeys(claim.budget for claim in entry.claims)), entry.title)
        for entry in REPRODUCTIONS.values()
    ]
    return Table(("name", "decided by", "what it measures"), rows)


def catalog() -> dict[str, Any]:
    """The same for programs."""
    return {
        "experiments": [
            {
                "name": entry.name,
                "title": entry.title,
                "source": entry.source,
                "claims": [
                    {"name": claim.name, "statement": claim.statement, "expected": str(claim), "budget": claim.budget}
                    for claim in entry.claims
                ],
            }
            for entry in REPRODUCTIONS.values()
        ]
    }


def to_json(done: list[Done], budget: str) -> dict[str, Any]:
    """All claims in one list, and the experiments that they belong to."""
    parts = [one.entry.to_json(one.budget, one.verdicts) for one in done]
    return {
        "budget": budget,
        "claims": [claim | {"experiment": part["name"]} for part in parts for claim in part["claims"]],
        "undecided": [claim | {"experiment": part["name"]} for part in parts for claim in part["undecided"]],
        "files": [file for one in done for file in one.files],
    }


def where(done: Done) -> str:
    """What else there is to look at, and what was left for a larger budget."""
    left = [claim.name for claim in done.entry.claims if not claim.is_decided_by(done.budget)]
    words = f"{done.entry.name}: {len(done.files)} files in {done.folder}"
    return words + (f"; for {', '.join(left)} use a larger --budget" if left else "")


def _measured(verdict: Verdict) -> str:
    low, value, high = (float(part) for part in (verdict.measured.low, verdict.measured, verdict.measured.high))
    if low == value == high:
        return f"{value:.7g}"
    return f"{value:.4g} [{low:.4g}, {high:.4g}]" if high - low > 1e-6 * abs(value) else f"{value:.7g}"
