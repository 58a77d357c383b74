"""`stackelberg next`: ask and tell. What to announce now, after what a growing log says was observed."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options


def next_commitment(
    log: Annotated[
        str,
        typer.Argument(
            metavar="LOG",
            help="CSV with a row for each answer, which may be missing or still growing; or play over stages (.jsonl).",
        ),
    ],
    game: Annotated[
        str | None,
        typer.Option("--game", help="What is played: a game file or a name of the catalog. A .jsonl says it itself."),
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option("--agent", help="Who learns: response-estimation, or for .jsonl pessimistic-value-iteration."),
    ] = None,
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
    columns), and ask again. A log of play over stages (.jsonl) holds the announcement of every episode; what comes
    back is the policy that is best in the worst case the log leaves possible.
    """
    del json_schema
    from . import early, early_runs

    is_play = log.lower().endswith(".jsonl")
    if game is not None:
        early.game(game)
    elif not is_play:
        raise typer.BadParameter("it is needed to read a CSV log", param_hint="--game")
    changes = early_runs.settings(settings)
    from . import asking, asking_play, output

    with output.progress("reading the log", quiet=quiet):
        if is_play:
            answer, note = asking_play.asked(log, agent or asking_play.USUAL, changes, seed), ""
        else:
            answer, note = asking.asked(log, game or "", agent or "response-estimation", changes, seed)
    output.deliver("next", answer, None, as_json=as_json, out=out)
    if not as_json:
        output.show(asking_play.table(answer, log) if is_play else asking.table(answer))
    output.remark(note, quiet)
