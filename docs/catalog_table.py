"""Writes `docs/catalog.md`, and what `games list` and `process list` print: `python docs/catalog_table.py`."""

from pathlib import Path

import stackelberg as sg
from stackelberg._record import dumps
from stackelberg.games.domains.small_processes import PROCESSES


FOLDER = Path(sg.__file__).parent / "cli" / "stored"
STORED, STORED_PROCESSES = FOLDER / "catalog.json", FOLDER / "processes.json"


HEAD = """# The catalog

Games with published or certified answers, by name: `sg.catalog_game("ochs")`, `stackelberg games show ochs`. This page
is written by `python docs/catalog_table.py`; the tests recompute every number by two methods that share no code, and
`sg.catalog.write_answer_key("catalog.json")` writes games and answers for other software to be tested against.

- **SSE**: the leader's value of the strong Stackelberg equilibrium (ties in its favour), and the follower's.
- **WSE**: the supremum with ties against the leader.
- **QSE**: the leader's optimum against a quantal follower, by inverse temperature.

| name | game | SSE (leader, follower) | WSE | QSE | source | basis |
|---|---|---|---|---|---|---|
"""


def table() -> str:
    """The whole page."""
    return HEAD + "".join(_row(item) for item in sg.catalog.catalog())


def answers() -> str:
    """The catalog without its games, as JSON."""
    return dumps([{"name": item.name} | item.answer() for item in sg.catalog.catalog()])


def processes() -> str:
    """The decision processes by name with their answers, as JSON."""
    names = ("name", "description", "best_value", "worst_equilibrium", "basis")
    return dumps([{name: getattr(entry, name) for name in names} for entry in PROCESSES.values()])


def _row(item: sg.CatalogEntry) -> str:
    strong = ", ".join(_number(value) for value in (item.strong_value, item.follower_value) if value is not None)
    quantal = "; ".join(f"{heat:g}: {_number(value)}" for heat, value in item.quantal_values.items())
    cells = (f"`{item.name}`", item.description, strong, _number(item.weak_value), quantal, item.source, item.basis)
    return "| " + " | ".join(cell or "–" for cell in cells) + " |\n"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.7g}"


if __name__ == "__main__":
    Path(__file__).with_name("catalog.md").write_text(table(), encoding="utf-8")
    STORED.write_text(answers(), encoding="utf-8")
    STORED_PROCESSES.write_text(processes(), encoding="utf-8")
