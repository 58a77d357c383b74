"""`stackelberg train`: run an experiment in a folder, or go on with the run that is there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options


def train(
    experiment: options.Experiment,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder of the run; runs/NAME after the file when left out.", file_okay=False),
    ] = None,
    seeds: options.Seeds = None,
    settings: options.Set = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Refuse a folder that holds something already.")] = False,
    sink: Annotated[
        list[str] | None,
        typer.Option(
            "--sink", metavar="NAME[:WHERE]",
            help="Also copy the metrics: tensorboard[:FOLDER], wandb:PROJECT, mlflow:EXPERIMENT.",
        ),
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    json_schema: options.Schema = None,
) -> None:  # fmt: skip
    """Run EXPERIMENT and keep everything in a folder. The same command goes on with a run that was stopped.

    Ctrl-C (or SIGTERM) finishes the step, saves and stops; a second one leaves at once, back to what was saved last.
    """
    del json_schema
    from . import early_runs

    changes = early_runs.changes(experiment, settings, seeds)
    sinks = early_runs.sinks(sink)
    folder = early_runs.run_folder(out, experiment)
    early_runs.unlocked(folder)
    from . import described, output, training
    from .live import display

    planned = training.planned(experiment, changes)
    with display(str(folder), planned.learner, planned.monitor, quiet=quiet) as show:
        record, is_new = training.train(planned, folder, fresh, training.made(sinks), show)
    output.deliver("train", described.to_json(record, folder), None, as_json=as_json)
    if not as_json:
        described.show(record)
        output.remark("" if is_new else f"{folder} was complete already: nothing was run", quiet)
        output.remark(described.next_commands(folder), quiet)
