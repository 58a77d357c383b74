"""`stackelberg plot`: pictures of plans, games and records."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options


def plot(
    source: Annotated[
        str,
        typer.Argument(help="The folder of a run or sweep, a plan or record (.json), a game file or catalog name."),
    ],
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind", "-k",
            help="Of a run: learning, comparison, profile, sensitivity, a metric, or state (what its learner shows"
            " of where it ended). Of others: landscape, rationality,"
            " response, solution, policy, coverage, ...",
        ),
    ] = None,
    response: Annotated[str, typer.Option("--response", "-r", help="The follower, if SOURCE has none.")] = "quantal:5",
    out: Annotated[str | None, typer.Option("--out", "-o", help="PNG, SVG and CSV are written with this name.")] = None,
    seed: options.Seed = 0,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    json_schema: options.Schema = None,
) -> None:  # fmt: skip
    """Draw SOURCE: a PNG, an SVG and the CSV with the numbers behind them."""
    del json_schema
    from pathlib import Path

    from . import early, early_runs

    is_folder = Path(source).is_dir()
    if is_folder:
        early_runs.a_run(source)
    else:
        early.game(source)
        early.response(response)
    from ..report import figures
    from . import output, pictures

    with output.progress("drawing", quiet=quiet):
        if is_folder:
            record, drawn = pictures.of_run(source, kind)
            kind = None if kind == pictures.STATE else kind
        else:
            record = pictures.record_of(source, kind, response, seed)
            kind = drawn = record.kind
        name = Path(source).resolve().name if is_folder else Path(source).stem
        base = str(Path(out).with_suffix("")) if out is not None else f"{name}-{kind or drawn}"
        figures.plot(record, base, kind)
    files = [f"{base}.{suffix}" for suffix in ("png", "svg", "csv")]
    output.deliver("plot", {"kind": drawn, "files": files}, "\n".join(files), as_json=as_json)
