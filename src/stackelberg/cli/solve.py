"""`stackelberg solve`: the best commitment, what it is worth, and the proof."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options


def solve(
    game: options.Game,
    response: Annotated[
        str, typer.Option("--response", "-r", help="best, quantal:5, suqr:FILE, or a FILE that `fit` wrote.")
    ] = "best",
    inverse_temperature: Annotated[
        float | None,
        typer.Option(
            "--inverse-temperature", "--lambda", "--eta", metavar="NUMBER", callback=options.inverse_temperature,
            help="Short for --response quantal:NUMBER; λ or η in papers, in units of 1/payoff.",
        ),
    ] = None,
    ties: Annotated[str, typer.Option(help="Who gains from a best responder's ties: leader or adversary.")] = "leader",
    announcement: Annotated[
        str, typer.Option(help="strategy; or prescription: the leader's action may depend on the follower's.")
    ] = "strategy",
    tolerance: Annotated[
        float,
        typer.Option(
            metavar="NUMBER", callback=options.fraction,
            help="Gap at which a quantal optimum counts as proven, as a fraction of the payoff range: 0 < x <= 1.",
        ),
    ] = 1e-6,
    time_limit: Annotated[
        float | None,
        typer.Option(
            "--time-limit", metavar="NUMBER", callback=options.seconds,
            help="Seconds; then the best answer so far, with its gap.",
        ),
    ] = None,
    seed: options.Seed = 0,
    as_json: options.Json = False,
    out: options.Out = None,
    quiet: options.Quiet = False,
    json_schema: options.Schema = None,
) -> None:  # fmt: skip
    """What the leader of GAME should announce, what that is worth, and how much better anything else could be."""
    del json_schema
    from . import early

    if inverse_temperature is not None:
        response = f"quantal:{inverse_temperature:.17g}"
    early.game(game)
    early.response(response, ties)
    from . import inputs, output, plans, text

    played = inputs.load_game(game)
    follower = inputs.load_follower(response, ties)
    settings = {"announcement": announcement, "tolerance": tolerance, "time_limit": time_limit, "seed": seed}
    with output.progress("solving", quiet=quiet):
        plan = plans.make(played, follower, inputs.fit_behind(response), **settings)
    output.deliver("solve", plan.to_json(), text.of_plan(plan), as_json=as_json, out=out)
    if out is not None:
        output.remark(f"plan written to {out}; next: stackelberg stress {out}", quiet)
