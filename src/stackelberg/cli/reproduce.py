"""`stackelberg reproduce`: a published or derived claim, measured: a table of claims."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options


def reproduce(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[PAPER[:EXPERIMENT]]", help="What to measure; the list of all there is when left out."),
    ] = None,
    budget: Annotated[
        str, typer.Option("--budget", "-b", help="smoke (under a minute), small (minutes) or full.")
    ] = "smoke",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", file_okay=False,
            help="Folder for runs, figures and claims.json; reproduced/NAME when left out.",
        ),
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    json_schema: options.Schema = None,
) -> None:  # fmt: skip
    """Measure what a paper claims, and say of each claim whether it holds. The same command goes on where it stopped.

    Whether a claim holds is computed from the measured interval by a rule that the claim states beforehand.
    """
    del json_schema
    from . import early, early_runs

    chosen = early.one_of("--budget", budget, early_runs.BUDGETS)
    from . import output, reproducing

    if name is None:
        output.deliver("reproduce", reproducing.catalog(), None, as_json=as_json)
        if not as_json:
            output.show(reproducing.catalog_table())
        return
    done = reproducing.reproduced(name, chosen, out, quiet)
    output.deliver("reproduce", reproducing.to_json(done, chosen), None, as_json=as_json)
    if not as_json:
        for one in done:
            output.show(reproducing.claims_table(one))
            output.remark(reproducing.where(one), quiet)
