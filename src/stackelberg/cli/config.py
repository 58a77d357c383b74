"""`stackelberg config`: experiment files, completed, checked, described and begun."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options


app = typer.Typer(no_args_is_help=True, help="Show, check, describe and begin experiment files.")


@app.command("show")
def show_config(
    experiment: options.Experiment,
    settings: options.Set = None,
    seeds: options.Seeds = None,
    as_json: options.Json = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also write it to this file (.toml, .json).", dir_okay=False)
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """EXPERIMENT with every default filled in: TOML, or JSON with --json; both are experiment files again."""
    from . import early_runs

    del quiet
    changes = early_runs.changes(experiment, settings, seeds)
    if out is not None:
        early_runs.suffix(str(out))
    from . import configuring

    print(configuring.shown(experiment, changes, out, as_json=as_json), end="")


@app.command("validate")
def validate_config(
    experiments: Annotated[list[str], typer.Argument(metavar="EXPERIMENT...", help="Experiment files (.toml, .json).")],
    settings: options.Set = None,
    as_json: options.Json = False,
    out: options.Out = None,
    quiet: options.Quiet = False,
    json_schema: options.Schema = None,
) -> None:
    """Whether each EXPERIMENT can be run; 2 when one cannot, with the reason."""
    del json_schema, quiet
    from . import early_runs
    from .errors import OK

    changes = early_runs.settings(settings)
    from . import configuring, output

    answer, text, code = configuring.validated(experiments, changes)
    output.deliver("config-validate", answer, text, as_json=as_json, out=out)
    if code != OK:
        raise typer.Exit(code)


@app.command("schema")
def config_schema(out: options.Out = None, quiet: options.Quiet = False) -> None:
    """The JSON Schema of experiment files, for editors: every kind, its fields, and what each may be."""
    del quiet
    from .._disk import write_whole
    from .._record import dumps
    from .experiment_schema import experiment_schema

    text = dumps(experiment_schema())
    if out is not None:
        write_whole(out, text.encode())
    print(text, end="")


@app.command("new")
def new_config(
    file: Annotated[Path | None, typer.Argument(help="File to write (.toml); the screen when left out.")] = None,
    quiet: options.Quiet = False,
) -> None:
    """A small experiment with comments, to be changed by hand."""
    from .._disk import write_whole
    from . import early_runs
    from .output import remark

    text = early_runs.template()
    if file is None:
        print(text, end="")
        return
    early_runs.suffix(str(file), only=".toml")
    write_whole(file, text.encode())
    remark(f"{file} written; next: stackelberg train {file}", quiet)
