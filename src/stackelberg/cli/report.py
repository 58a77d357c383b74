"""`stackelberg report`: a run or a sweep as one page that can be mailed and archived."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options


def report(
    run: options.Run,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write (.html); NAME.html here when left out.", dir_okay=False),
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    json_schema: options.Schema = None,
) -> None:
    """Write RUN as one HTML page: curves, tables, pictures, certificate, configuration, origin. It loads nothing."""
    del json_schema
    from . import early_runs

    early_runs.a_run(run)
    from ..experiments.sweeping.sweep_record import read_record
    from ..report.page import write_report
    from . import output, pictures

    with output.progress("writing", quiet=quiet):
        record = read_record(run)
        drawn = pictures.of_state(run, record) if record.is_complete() else {}
        page = write_report(record, Path(f"{record.name}.html") if out is None else out, pictures=drawn)
    output.deliver("report", {"path": run, "page": str(page)}, str(page), as_json=as_json)
