"""`stackelberg demo`: the whole story in one screen and three pictures."""

from __future__ import annotations

from pathlib import Path

from . import options


def demo(
    out: options.Folder = Path("demo"),
    seed: options.Seed = 0,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    json_schema: options.Schema = None,
) -> None:
    """Solve a textbook game, plan for a noisy follower, learn that follower from its play, and draw all three."""
    del json_schema
    from ..report.tables import Table
    from . import output, pictures, story

    with output.progress("solving, learning, drawing", quiet=quiet, total=4) as advance:
        told = story.tell(seed)
        advance()
        files = []
        for name, record in pictures.of_story(told):
            files += pictures.draw(record, out / name)
            advance()
    output.deliver("demo", told.to_json() | {"pictures": files}, None, as_json=as_json)
    if as_json:
        return
    paid = f"paid at inverse temperature {told.follower.inverse_temperature:g}"
    rows = [(row.name, f"{row.promised:.3f}", f"{row.paid:.3f}", row.note) for row in told.rows]
    print(f"{told.game.title}: the leader announces a mix of rows, the follower sees the mix and picks a column\n")
    print(Table(("", "promised", paid, ""), rows, right=frozenset({"promised", paid})).plain())
    print("\npictures: " + "  ".join(file for file in files if file.endswith(".png")))
    print("next: stackelberg games list | stackelberg solve --help")
