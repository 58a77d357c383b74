"""`stackelberg games`: the catalog, templates, checks and conversions of game files and logs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options


app = typer.Typer(no_args_is_help=True, help="List, show, make, check and convert games, and logs of choices.")


@app.command("list")
def list_games(
    as_json: options.Json = False,
    out: options.Out = None,
    quiet: options.Quiet = False,
    json_schema: options.Schema = None,
) -> None:
    """The catalog: each game with its strong Stackelberg value and its source."""
    del json_schema, quiet
    from ..report.tables import Table
    from .early import catalog
    from .output import deliver, show

    entries = catalog()
    deliver("games-list", {"games": entries}, None, as_json=as_json, out=out)
    if not as_json:
        rows = [(entry["name"], _value(entry["strong_value"]), entry["description"]) for entry in entries]
        show(Table(("name", "strong value", "what it is"), rows, right=frozenset({"strong value"})))


@app.command("show")
def show_game(
    game: options.Game,
    as_json: options.Json = False,
    out: options.Out = None,
    quiet: options.Quiet = False,
    json_schema: options.Schema = None,
) -> None:
    """One game: its payoffs, and where it comes from."""
    del json_schema, quiet
    from . import early

    early.game(game)
    from ..games.files import game_to_json
    from . import text
    from .inputs import load_game
    from .output import deliver

    played = load_game(game)
    deliver("games-show", {"game": game_to_json(played)}, text.of_game(played), as_json=as_json, out=out)


@app.command("new")
def new_game(
    kind: Annotated[str, typer.Argument(help="normal-form, bayesian, security, markov, or choices (a log).")],
    file: Annotated[Path | None, typer.Argument(help="File to write; the screen when left out.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The same as FILE.")] = None,
    game: Annotated[str | None, typer.Option("--game", help="For `choices`: the game that the log is about.")] = None,
    simulate: Annotated[
        str | None, typer.Option("--simulate", help="For `choices`: generate them with this follower, e.g. quantal:5.")
    ] = None,
    plays: Annotated[int, typer.Option(help="With --simulate: how many, at least.", min=1)] = 500,
    published: Annotated[
        str | None, typer.Option("--published", help="For `choices`: a published table; there is ochs.")
    ] = None,
    seed: options.Seed = 0,
    quiet: options.Quiet = False,
) -> None:
    """A small example of a game file, or of a log of choices, to be changed by hand."""
    if file is not None and out is not None:
        raise typer.BadParameter("name one file: as second argument or with --out")
    out = out if file is None else file
    from . import templates
    from .output import remark

    if simulate is not None or published is not None:
        if out is None or kind != "choices":
            raise typer.BadParameter("a log is written to a file: games new choices --out FILE ...")
        if simulate is not None:
            templates.simulate(game, simulate, plays, seed, out)
        else:
            templates.copy_published(str(published), game, out)
        remark(f"{out} written: " + ("published frequencies" if simulate is None else "generated, not observed"), quiet)
        return
    if out is None:
        print(templates.template(kind, game), end="")
        return
    templates.write(kind, game, out)
    remark(f"{out} written; check it with `stackelberg games check {out}`", quiet)


@app.command("check")
def check_game_file(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A game file, or with --game a log of choices (.csv).")],
    game: Annotated[str | None, typer.Option("--game", help="The game that a log of choices is about.")] = None,
    as_json: options.Json = False,
    out: options.Out = None,
    quiet: options.Quiet = False,
    json_schema: options.Schema = None,
) -> None:
    """Read FILE, say what it holds, and name everything that should be looked at."""
    del json_schema, quiet
    from . import early

    early.file(file)
    from . import templates
    from .output import deliver

    summary, lines = templates.check(file, game)
    deliver("games-check", summary, "\n".join(lines), as_json=as_json, out=out)


@app.command("convert")
def convert(
    source: options.Game,
    target: Annotated[str, typer.Argument(help="File to write: .json, .npz, or .nfg for normal-form games.")],
    quiet: options.Quiet = False,
) -> None:
    """Write a game in another format; payoffs survive bit for bit."""
    from . import early

    early.game(source)
    early.game_suffix(target)
    from ..games.files import write_game
    from .inputs import load_game
    from .output import remark

    write_game(load_game(source), target)
    remark(f"{target} written", quiet)


def _value(number: float | None) -> str:
    return "" if number is None else f"{number:.6g}"
