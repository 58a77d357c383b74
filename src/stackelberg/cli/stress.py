"""`stackelberg stress`: a plan under every follower that the data do not rule out, and under rival models."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options


def stress(
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="What `stackelberg solve --out` wrote.")],
    fit: Annotated[
        str | None, typer.Option("--fit", help="What `fit` wrote; left out, what the plan was made with.")
    ] = None,
    choices: Annotated[
        str | None, typer.Option("--choices", help="The log (.csv): also fit every other model to it.")
    ] = None,
    picture: Annotated[str | None, typer.Option("--plot", help="Draw it: PNG, SVG and CSV with this name.")] = None,
    seed: options.Seed = 0,
    as_json: options.Json = False,
    out: options.Out = None,
    quiet: options.Quiet = False,
    json_schema: options.Schema = None,
) -> None:
    """The worst value of PLAN over the confidence set of the fitted follower, and under rival behavioural models."""
    del json_schema
    from . import early

    for path in (plan, fit, choices):
        early.file(path)
    from . import output, stressing

    with output.progress("stressing", quiet=quiet):
        found = stressing.stress_plan(plan, fit, choices, seed)
    output.deliver("stress", stressing.to_json(found), stressing.to_text(found), as_json=as_json, out=out)
    if picture is not None:
        from ..report.figures import plot

        plot(found.record, picture)
