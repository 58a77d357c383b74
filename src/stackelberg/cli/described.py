"""What the command line says of a run: one object for programs, tables and the next commands for people."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR
from pathlib import Path
from typing import Any

from .._record import plain
from .._runs import RunRecord
from ..report import statistics
from ..report.series import short_name, swept, word
from ..report.summary import interval, number
from ..report.tables import Table
from . import output
from .live import label
from .text import rounded


def to_json(record: RunRecord, path: Path | str) -> dict[str, Any]:
    """Where the run is, how far it came, and the final metrics: mean over seeds, its interval, each seed."""
    return {
        "path": str(path),
        "name": record.name,
        "title": record.title,
        "status": status(record),
        "step": last_step(record),
        "num_steps": record.num_steps,
        "seeds": list(record.seeds),
        "settings": plain([dict(setting) for setting in record.settings]),
        "metrics": {name: _metric(record, name) for name in ordered(record)},
        "certificate": None if record.certificate is None else plain(dict(record.certificate)),
        "notes": [*record.notes, *record.alarms()],
    }


def _metric(record: RunRecord, name: str) -> dict[str, Any]:
    finals = record.final(name)
    means = [statistics.mean(row) for row in finals]
    ends = {"mean": "value", "low": "low", "high": "high"}
    numbers = {key: [float(getattr(mean, field)) for mean in means] for key, field in ends.items()}
    return plain(record.meaning(name).to_json() | numbers | {"final": finals})


def ordered(record: RunRecord) -> list[str]:
    """The metrics in the order in which the learner and its monitor name them; others come last."""
    known = [name for name in record.meanings if name in record.metrics]
    return known + [name for name in record.metrics if name not in known]


def status(record: RunRecord) -> str:
    """One word for the whole run: the word of all, or "incomplete"."""
    words = set(record.status.ravel().tolist())
    if "failed" in words:
        return "failed"
    return words.pop() if len(words) == 1 else "incomplete"


def last_step(record: RunRecord) -> int:
    """The last step of which something is recorded."""
    return int(record.steps[-1]) if len(record.steps) else 0


def table(record: RunRecord) -> Table:
    """A row for each metric and setting: the mean over seeds with its interval."""
    fields = swept(record.settings)
    rows = []
    for name in ordered(record):
        shown = label(record.meaning(name))
        for place, (setting, finals) in enumerate(zip(record.settings, record.final(name), strict=True)):
            mean = statistics.mean(finals)
            varied = [word(setting.get(field, "")) for field in fields]
            rows.append((shown if not place else "", *varied, number(float(mean.value)), interval(mean)))
    seeds = f"{len(record.seeds)} seed{'s' if len(record.seeds) != 1 else ''}"
    title = f"{record.title}: {status(record)}, step {last_step(record)} of {record.num_steps}, {seeds}"
    headers = (*(short_name(field, fields) for field in fields), "mean", "95% interval")
    right = frozenset({*(short_name(field, fields) for field in fields), "mean"})
    return Table(("metric", *headers), rows, title=title, right=right)


def show(record: RunRecord) -> None:
    """The table, then what was proved and what a reader must know."""
    output.show(table(record))
    lines = []
    if record.certificate is not None:
        lines.append(f"certificate  {certificate(record.certificate)}")
    lines += [f"note: {note}" for note in (*record.notes, *record.alarms())]
    if lines:
        print("\n" + "\n".join(lines))


def certificate(found: Mapping[str, Any]) -> str:
    """What was proved about the best value, in one line."""
    low, high = rounded(float(found["lower"]), ROUND_FLOOR), rounded(float(found["upper"]), ROUND_CEILING)
    return f"{found['status']}: the best value lies in [{low}, {high}]"


def next_commands(folder: Path | str) -> str:
    """What to type next."""
    name = shlex.quote(str(folder))
    return f"next: stackelberg report {name} | stackelberg plot {name}"
