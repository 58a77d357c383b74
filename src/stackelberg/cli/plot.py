"""`stackelberg plot`: pictures of plans, games and records."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options


def plot(
    source: Annotated[str, typer.Argument(help="A plan or record (.json), a game file, or a game of the catalog.")],
    kind: Annotated[
        str | None,
        typer.Option("--kind", "-k", help="landscape, rationality, response, solution, policy, coverage, ..."),
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

    from . import early

    early.game(source)
    early.response(response)
    from ..report import figures
    from . import output, pictures

    with output.progress("drawing", quiet=quiet):
        record = pictures.record_of(source, kind, response, seed)
        base = str(Path(out).with_suffix("")) if out is not None else f"{Path(source).stem}-{record.kind}"
        figures.plot(record, base)
    files = [f"{base}.{suffix}" for suffix in ("png", "svg", "csv")]
    output.deliver("plot", {"kind": record.kind, "files": files}, "\n".join(files), as_json=as_json)
