"""`stackelberg next`: ask and tell. What to announce now, after what a growing log says was observed."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options


def next_commitment(
    log: Annotated[
        str, typer.Argument(metavar="LOG", help="CSV with a row for each answer; it may be missing or still growing.")
    ],
    game: Annotated[str, typer.Option("--game", help="What is played: a game file or a name of the catalog.")],
    agent: Annotated[str, typer.Option("--agent", help="Who learns: response-estimation.")] = "response-estimation",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="A setting of the agent, such as num_exploring=20."),
    ] = None,
    seed: options.Seed = 0,
    as_json: options.Json = False,
    out: options.Out = None,
    quiet: options.Quiet = False,
    json_schema: options.Schema = None,
) -> None:
    """The next commitment to announce, given everything in LOG; the same log always gives the same answer.

    Announce it, append a row with what the follower did (`stackelberg games new choices --game GAME` shows the
    columns), and ask again.
    """
    del json_schema
    from . import early, early_runs

    early.game(game)
    changes = early_runs.settings(settings)
    from . import asking, output

    with output.progress("reading the log", quiet=quiet):
        answer, note = asking.asked(log, game, agent, changes, seed)
    output.deliver("next", answer, None, as_json=as_json, out=out)
    if not as_json:
        output.show(asking.table(answer))
    output.remark(note, quiet)
