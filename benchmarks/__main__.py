"""Every benchmark in one run: `python -m benchmarks [NAME ...]` prints one table and writes benchmarks/results.json.

Times are CPU seconds of this process; what to compare between machines is the ratio to the peer, measured in turn with
ours in the same run. No test asserts a time.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from . import batch, deep, exact_solvers, fit, learning, markov, model_based, quantal, runs, security, start
from .measure import Row


SECTIONS = {
    "exact_solvers": exact_solvers,
    "security": security,
    "quantal": quantal,
    "markov": markov,
    "fit": fit,
    "learning": learning,
    "deep": deep,
    "model_based": model_based,
    "batch": batch,
    "runs": runs,
    "start": start,
}


def seconds(value: float | None) -> str:
    """A time in a unit that a person reads at a glance."""
    if value is None:
        return ""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"


def table(rows: list[Row]) -> Table:
    """One line per piece of work."""
    shown = Table(
        "work", "ours", "target", "peer", "peer's time", "ratio [min, max]", title="CPU time per unit of work"
    )
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.3g} [{row.ratio_low:.3g}, {row.ratio_high:.3g}]"
        name = f"{row.section}: {row.work}" + (f" ({row.note})" if row.note else "")
        shown.add_row(name, seconds(row.ours), seconds(row.target), row.peer_name, seconds(row.peer), ratio)
    return shown


def main(names: list[str]) -> None:
    """Run the sections named, or all of them."""
    unknown = set(names) - set(SECTIONS)
    if unknown:
        sys.exit(f"There is no benchmark {sorted(unknown)}; there are {sorted(SECTIONS)}.")
    rows: list[Row] = []
    for name in names or SECTIONS:
        print(f"measuring {name} ...", file=sys.stderr)
        rows += SECTIONS[name].rows()
    Console(width=160).print(table(rows))
    machine = {"machine": platform.machine(), "python": platform.python_version()}
    result = {"machine": machine, "rows": [row.to_json() for row in rows]}
    (Path(__file__).parent / "results.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
