"""`stackelberg process`: decision processes by name and from files, and what a world model can hide of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options


app = typer.Typer(no_args_is_help=True, help="Decision processes: list, show, make, and find what a model can hide.")

Process = Annotated[str, typer.Argument(metavar="PROCESS", help="A name from `process list`, or a file (.json).")]


@app.command("list")
def list_processes(
    as_json: options.Json = False,
    out: options.Out = None,
    quiet: options.Quiet = False,
    json_schema: options.Schema = None,
) -> None:
    """The processes that are known by name, with the best return and the worst that a right model can lead to."""
    del json_schema, quiet
    from ..report.tables import Table
    from .early import processes
    from .output import deliver, show

    known = processes()
    deliver("process-list", {"processes": known}, None, as_json=as_json, out=out)
    if not as_json:
        rows = [
            (one["name"], f"{one['best_value']:.6g}", f"{one['worst_equilibrium']:.6g}", one["description"])
            for one in known
        ]
        headers = ("name", "best return", "worst equilibrium", "what it is")
        show(Table(headers, rows, right=frozenset(headers[1:3])))


@app.command("show")
def show_process(
    process: Process,
    as_json: options.Json = False,
    out: options.Out = None,
    quiet: options.Quiet = False,
    json_schema: options.Schema = None,
) -> None:
    """One process: where each action leads, and what that pays."""
    del json_schema, quiet
    from . import early

    early.process(process)
    from . import processes
    from .output import deliver

    found = processes.loaded(process)
    deliver("process-show", processes.shown(found), processes.as_text(found), as_json=as_json, out=out)


@app.command("new")
def new_process(
    file: Annotated[Path, typer.Argument(help="File to write (.json).", dir_okay=False)],
    name: Annotated[str, typer.Option("--name", help="Which one, see `process list`.")] = "simple-2",
    quiet: options.Quiet = False,
) -> None:
    """A process by name as a file, to be changed by hand."""
    from . import early

    early.process(name)
    from ..games.process_files import write_process
    from . import processes
    from .output import remark

    write_process(processes.loaded(name), file)
    remark(f"{file} written; next: stackelberg process trap {file}", quiet)


@app.command("trap")
def trap(
    process: Process,
    planning_discount: Annotated[
        float,
        typer.Option(
            "--planning-discount", min=0.0, max=0.999999, help="Of the policy that plans in the model: 0 <= x < 1."
        ),
    ] = 0.99,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", help="PNG, SVG and CSV of this name: where the model is wrong, where its policy goes."),
    ] = None,
    as_json: options.Json = False,
    out: options.Out = None,
    quiet: options.Quiet = False,
    json_schema: options.Schema = None,
) -> None:
    """Whether a model that is right wherever its policy goes can hide the best way through PROCESS."""
    del json_schema
    from . import early

    early.process(process)
    from . import processes
    from .output import deliver, progress, remark

    found = processes.loaded(process)
    with progress("looking through policies", quiet=quiet):
        trapped = processes.trap(found, planning_discount)
    told = trapped.answer()
    deliver("process-trap", told, trapped.text(told), as_json=as_json, out=out)
    if plot is not None:
        remark("written: " + ", ".join(trapped.draw(plot)), quiet)
