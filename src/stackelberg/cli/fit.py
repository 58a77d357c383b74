"""`stackelberg fit`: a follower from what it did."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options


def fit(
    choices: Annotated[str, typer.Argument(help="A log of choices (.csv); `games new choices` starts one.")],
    game: Annotated[str, typer.Option("--game", "-g", help="The game that was played: a file or a catalog name.")],
    model: Annotated[
        str, typer.Option("--model", "-m", help="quantal, suqr, weights, payoffs, qre, level-k, trembling, uniform.")
    ] = "quantal",
    compare: Annotated[bool, typer.Option("--compare", help="Fit every model that the log can inform.")] = False,
    level: Annotated[float, typer.Option(help="Confidence of the intervals.", callback=options.finite)] = 0.95,
    folds: Annotated[int, typer.Option(help="Parts for the held-out likelihood; 0 for none.", min=0)] = 5,
    seed: options.Seed = 0,
    as_json: options.Json = False,
    out: options.Out = None,
    quiet: options.Quiet = False,
    json_schema: options.Schema = None,
) -> None:  # fmt: skip
    """Fit the follower to CHOICES: estimates with intervals, held-out likelihood, and warnings that matter.

    With several models the one that predicts best comes first, and is what --out writes.
    """
    del json_schema
    from . import early

    names = list(early.MODELS) if compare else early.models(model)
    early.file(choices)
    early.game(game)
    from . import fitting, inputs, output

    played = inputs.load_game(game)
    with output.progress("fitting", quiet=quiet, total=len(names)) as advance:
        found = fitting.fit_models(choices, played, names, level, folds, seed, advance, skip=compare)
    output.deliver("fit", fitting.to_json(found), fitting.to_text(found), as_json=as_json, out=out)
    if out is not None:
        output.remark(f"follower written to {out}; next: stackelberg solve {game} --response {out}", quiet)
