"""`stackelberg sweep`: an experiment for every combination of some values, here or on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options


def sweep(
    experiment: options.Experiment,
    over: Annotated[
        list[str] | None,
        typer.Option(
            "--over", metavar="FIELD=VALUES",
            help="A dotted field and its values, such as learner.agent.ridge=0.001,0.01; all combinations are run.",
        ),
    ] = None,
    on: Annotated[
        str, typer.Option(help="local (processes here), batch (one compiled run: floats alone), ray, or slurm.")
    ] = "local",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder of the sweep; runs/NAME-sweep when left out.", file_okay=False),
    ] = None,
    seeds: options.Seeds = None,
    settings: options.Set = None,
    seeds_per_job: Annotated[
        int | None, typer.Option("--seeds-per-job", help="Seeds that run together; all when left out.", min=1)
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Jobs at a time; one a core when left out.", min=1)] = None,
    retries: Annotated[int, typer.Option(help="How often a job that died is tried again.", min=0)] = 3,
    backend: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="NAME=VALUE", help="An option of the cluster, such as partition=short."),
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    json_schema: options.Schema = None,
) -> None:  # fmt: skip
    """Run EXPERIMENT for all combinations of what --over varies. The same command goes on with what is there.

    Every job is a run of its own in FOLDER/jobs; a job that dies is tried again from its checkpoint.
    """
    del json_schema
    from . import early_runs

    changes = early_runs.changes(experiment, settings, seeds)
    grid = early_runs.grid(over)
    place = early_runs.place(on)
    folder = early_runs.run_folder(out, experiment, "-sweep")
    early_runs.unlocked(folder)
    from . import described, output, sweeping

    asked = {"on": place, "seeds_per_job": seeds_per_job, "workers": workers, "retries": retries}
    record = sweeping.sweep_file(
        experiment, changes, grid, folder, quiet, asked | early_runs.settings(backend, "--with")
    )
    output.deliver("sweep", described.to_json(record, folder), None, as_json=as_json)
    if not as_json:
        described.show(record)
        output.remark(described.next_commands(folder), quiet)
    if not record.is_complete():
        from .errors import FAILED

        raise typer.Exit(FAILED)
