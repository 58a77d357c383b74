"""`stackelberg runs`: what runs there are, one of them in full, and whether what is kept of them is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options


app = typer.Typer(no_args_is_help=True, help="List runs, show one, and verify what is kept of them.")


@app.command("list")
def list_runs(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to look, with all that is below.")] = Path(
        "runs"
    ),
    as_json: options.Json = False,
    out: options.Out = None,
    quiet: options.Quiet = False,
    json_schema: options.Schema = None,
) -> None:
    """The runs in FOLDER: how far each is, its final metrics, and when it was written last."""
    del json_schema
    from . import early_runs

    early_runs.folder_of_runs(folder)
    from . import listing, output

    with output.progress("reading", quiet=quiet):
        found = listing.found_in(folder)
    output.deliver("runs-list", {"runs": found}, None, as_json=as_json, out=out)
    if as_json:
        return
    if not found:
        output.remark(f"no runs in {folder}; start one: stackelberg train EXPERIMENT", quiet)
        return
    output.show(listing.table(found))


@app.command("show")
def show_run(
    run: options.Run,
    as_json: options.Json = False,
    out: options.Out = None,
    quiet: options.Quiet = False,
    json_schema: options.Schema = None,
) -> None:
    """One run: its final metrics, its configuration, where it comes from, and what was proved."""
    del json_schema, quiet
    from . import early_runs

    early_runs.a_run(run)
    from ..experiments.sweeping.sweep_record import read_record
    from . import described, listing, output

    record = read_record(run)
    more = {"experiment": dict(record.experiment), "provenance": dict(record.provenance)}
    output.deliver("runs-show", described.to_json(record, run) | more, None, as_json=as_json, out=out)
    if not as_json:
        described.show(record)
        print()
        output.show(listing.configuration(record))


@app.command("verify")
def verify_runs(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Folders of runs, or with runs below them.")],
    as_json: options.Json = False,
    out: options.Out = None,
    quiet: options.Quiet = False,
    json_schema: options.Schema = None,
) -> None:
    """Compare every file of each RUN with the fingerprints that were written with it; 1 when something is damaged."""
    del json_schema
    from . import listing, output
    from .errors import FAILED

    with output.progress("verifying", quiet=quiet):
        found = listing.verified(runs)
    intact = not any(one.problems for one in found)
    answer = {"intact": intact, "runs": [one.to_json() for one in found]}
    text = "\n".join(listing.verdict(one) for one in found)
    output.deliver("runs-verify", answer, text, as_json=as_json, out=out)
    if not intact:
        raise typer.Exit(FAILED)
